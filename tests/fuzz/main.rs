//! Hostile input for all that reads foreign bytes: mutated documents of `events/` (and of `CONFORMANCE_DIR`), on stable
//! Rust and without instrumentation.
//!
//! `cargo test --test fuzz` gives each target a fraction of a second; `FUZZ_SECONDS=600 cargo test --test fuzz -- kcidb page`
//! ten minutes for two of them. A failure prints the smallest input that was found and where it is: `FUZZ_INPUT=path cargo
//! test --test fuzz -- kcidb` tries just that again, and `FUZZ_SEED` brings the same inputs in the same order.
//!
//! Of each input: nothing panics, the memory that is held at once is bounded by the size of the input, so is the time,
//! what comes of it is one of the outcomes that there are, with a reason, and the same each time.
#![expect(clippy::unwrap_used, reason = "a run that cannot go on may panic")]
#![expect(unreachable_pub, reason = "`pub` says what a module offers to the others")]

mod corpus;
mod drive;
mod hostile;
mod http;
mod mutate;
mod pure;
mod rows;
mod spans;
#[path = "../it/support/mod.rs"]
#[allow(dead_code, reason = "made for the tests; this needs little of it")]
mod support;

use std::process::ExitCode;
use std::time::Duration;

use peak_alloc::PeakAlloc;

use drive::{Target, drive, one};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Seconds for each target in a usual run of the tests.
const USUAL: f64 = 0.4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list" || argument == "--ignored") {
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<f64>().ok());
    let time = Duration::from_secs_f64(number("FUZZ_SECONDS").unwrap_or(USUAL));
    let seed = number("FUZZ_SEED").map_or(7, |seed| seed as u64);
    // Panics are findings, and told as such.
    std::panic::set_hook(Box::new(|_| ()));
    let mut failed = false;
    for (name, make) in TARGETS {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let mut target = make();
        failed |= match std::env::var("FUZZ_INPUT") {
            Ok(path) => !one(name, &mut target, &std::fs::read(path).unwrap()),
            Err(_) => !drive(name, &mut target, time, seed),
        };
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A target of a name, set up when it is its turn.
type Named = (&'static str, fn() -> Target);

const TARGETS: &[Named] = &[
    ("envelope", pure::envelope),
    ("konflux", || pure::family("konflux")),
    ("gitlab", || pure::family("gitlab")),
    ("buildkite", || pure::family("buildkite")),
    ("travis", || pure::family("travis")),
    ("bots", || pure::family("bots")),
    ("kcidb", || pure::family("kcidb")),
    ("kcidb-problems", pure::problems),
    ("urls", pure::urls),
    ("targets-document", pure::targets),
    ("tokens-document", pure::tokens),
    ("reconcile-answers", pure::answers),
    ("rows", rows::target),
    ("page", http::page),
    ("intake", http::intake),
];
