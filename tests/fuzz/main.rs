//! Fuzz tests of all code that reads foreign bytes: mutated documents of `events/` (and of `CONFORMANCE_DIR`), on
//! stable Rust and without instrumentation.
//!
//! `cargo test --test fuzz` gives each target a fixed number of inputs from a fixed seed: the outcome is the same on
//! every machine. Long runs have more: `FUZZ_INPUTS=1000000 cargo test --profile soak --test fuzz -- kcidb page` by
//! number, `FUZZ_SECONDS=600` by time, and `FUZZ_SEED` makes other inputs. A failure prints the smallest input that was
//! found and its path: `FUZZ_INPUT=path cargo test --test fuzz -- kcidb` executes only that one.
//!
//! Checked for each input: nothing panics; peak memory is bounded by the size of the input, and so is CPU time (in
//! units of a piece of work that is measured in the same run); the outcome is a known one, with a reason, and the same
//! each time.
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

use drive::{Budget, Target, drive, one};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The number of inputs in a normal run: for a target that only reads bytes, and for one where an input takes several
/// times as long.
const QUICK: u64 = 500;
const SLOW: u64 = 250;
/// The seed of a normal run.
const SEED: u64 = 7;

/// A variable that is a number, if it is set.
fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: expected a number, not {text}")))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list" || argument == "--ignored") {
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let long = match (number("FUZZ_SECONDS"), number("FUZZ_INPUTS")) {
        (Some(seconds), _) => Some(Budget::Time(Duration::from_secs_f64(seconds))),
        (None, inputs) => inputs.map(Budget::Inputs),
    };
    let seed = number("FUZZ_SEED").unwrap_or(SEED);
    // Panics are caught and reported as failures of the input.
    std::panic::set_hook(Box::new(|_| ()));
    let mut failed = false;
    for (name, inputs, make) in TARGETS {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let mut target = make();
        failed |= match std::env::var("FUZZ_INPUT") {
            Ok(path) => !one(name, &mut target, &std::fs::read(path).unwrap()),
            Err(_) => !drive(name, &mut target, long.unwrap_or(Budget::Inputs(*inputs)), seed),
        };
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A target: its name, its number of inputs in a normal run, and its constructor, which is called when the target runs.
type Named = (&'static str, u64, fn() -> Target);

const TARGETS: &[Named] = &[
    ("envelope", QUICK, pure::envelope),
    ("konflux", QUICK, || pure::source("konflux")),
    ("gitlab", QUICK, || pure::source("gitlab")),
    ("buildkite", QUICK, || pure::source("buildkite")),
    ("travis", QUICK, || pure::source("travis")),
    ("bots", QUICK, || pure::source("bots")),
    ("kcidb", QUICK, || pure::source("kcidb")),
    ("kcidb-problems", QUICK, pure::problems),
    ("times", QUICK, pure::times),
    ("hosts-and-headers", QUICK, http::hosts),
    ("urls", SLOW, pure::urls),
    ("targets-document", QUICK, pure::targets),
    ("tokens-document", QUICK, pure::tokens),
    ("reconcile-answers", QUICK, pure::answers),
    ("rows", SLOW, rows::target),
    ("page", QUICK, http::pages),
    ("intake", SLOW, http::intake),
];
