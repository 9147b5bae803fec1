//! The ingest function as Lambda runs it: size, start, first and later invocations, memory; of the other programs size
//! and start.
//!
//! `cargo bench --bench lambda` builds the release of the function, which takes some minutes, and measures it. The
//! others are expected in `target/lambda`, where `cargo lambda build --release` puts them; `.. --bench lambda --
//! programs` builds the releases of all, which takes half an hour, puts them there, and measures nothing else. Other
//! builds of ingest can be named instead: `.. --bench lambda -- /path/to/ingest /path/to/another`.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may panic")]
#![expect(unreachable_pub, reason = "`pub` says what a module offers to the others")]

mod cargo;
#[allow(dead_code, reason = "shared with the other benchmark, which needs more of it")]
mod measure;
#[allow(dead_code, reason = "shared with the other benchmark, which needs more of it")]
mod payload;
mod programs;
mod python;
mod server;
#[path = "../it/support/mod.rs"]
#[allow(dead_code, reason = "made for the tests; a benchmark needs little of it")]
mod support;

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use measure::{Figure, brief, median, millis, print};
use python::Python;
use serde_json::Value;
use server::Server;
use support::runtime_api::Function;

/// The number of starts of each program.
const STARTS: usize = 15;
/// The number of invocations of a warm function.
const WARM: usize = 15;

fn main() {
    let mut named: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let only_programs = named == ["programs"];
    if only_programs {
        programs::build();
        named.clear();
    } else if named.is_empty() {
        named.push(programs::released("ingest"));
    }
    // The service runs on a thread of its own: on a shared one, it and the measurement would wait for each other.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = Server::start();
    runtime.block_on(async {
        for (number, program) in named.iter().enumerate() {
            measure(&server, program, number).await;
        }
        let others = if only_programs { &programs::ALL[..] } else { &programs::ALL[1..] };
        programs::measure(&server, others, &nothing()).await;
    });
}

/// A program that does nothing, built by the same compiler with the same optimisation.
fn nothing() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("nothing.rs"), "fn main() {}").unwrap();
    let mut rustc = Command::new("rustc");
    rustc.args(["-Copt-level=z", "-Clto=fat", "-Ccodegen-units=1", "-Cstrip=symbols", "-o", "nothing", "nothing.rs"]);
    assert!(rustc.current_dir(folder).status().unwrap().success(), "cannot build a program that does nothing");
    folder.join("nothing")
}

/// The time from the start of a program to its end.
fn whole(command: &mut Command) -> f64 {
    let start = Instant::now();
    assert!(command.status().unwrap().success(), "{command:?}");
    millis(start.elapsed())
}

/// Size in bytes when compressed, as in a ZIP archive.
fn packed(bytes: &[u8]) -> f64 {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().len() as f64
}

/// Measures a program and prints it.
async fn measure(server: &Server, program: &str, number: usize) {
    let python = Python::find();
    let nothing = nothing();
    let url = server.database(&format!("lambda_{number}")).await;
    let store = support::store_of(&url, 1);
    let clear = async || store.script("TRUNCATE pipelineruns", support::deadline()).await.unwrap();
    let variables = HashMap::from([("DATABASE_URL", url.clone())]);

    let bytes = std::fs::read(program).unwrap();
    let packed_size = packed(&bytes);
    let small = payload::event(10, 0);
    let mut starts = Vec::new();
    let mut cold = Vec::new();
    let [mut of_python, mut of_nothing] = [const { Vec::new() }; 2];
    for _ in 0..STARTS {
        of_python
            .extend(python.as_ref().map(|python| whole(python.command().args(["-c", "import gzip, json, psycopg"]))));
        of_nothing.push(whole(&mut Command::new(&nothing)));
        clear().await;
        let mut function = Function::start(program, &variables).await;
        starts.push(millis(function.ready().await));
        // As when the first event waits for the end of the start.
        tokio::time::sleep(Duration::from_millis(20)).await;
        cold.push(millis(expect_all_taken(&mut function, &small).await));
    }
    let beside = |name, values: &'_ [f64]| (!values.is_empty()).then(|| (name, values.to_vec()));
    let report = |what: &str, unit, ours: &[f64], baseline: Option<(&str, Vec<f64>)>, floor: (&str, Vec<f64>)| {
        let baseline = baseline.as_ref().map(|(name, values)| (*name, &**values));
        Figure { what, unit, ours, baseline, floor: Some((floor.0, &floor.1)) }.report();
    };
    let until = beside("Python that imports psycopg", &of_python);
    report("ingest: from start to first request", "ms", &starts, until, ("a program that does nothing", of_nothing));
    let of_packages = python.as_ref().map(|python| {
        let files = support::files_in(&python.packages, "");
        files.iter().filter(|(name, _)| !name.ends_with(".pyc")).map(|(_, bytes)| packed(bytes)).sum::<f64>() / 1e6
    });
    let of_packages = beside("psycopg, without Python", of_packages.as_slice());
    let of_nothing = std::fs::read(&nothing).unwrap();
    let least = ("a program that does nothing", vec![packed(&of_nothing) / 1e6]);
    let what = format!("ingest: program, packed ({:.2} MB unpacked)", bytes.len() as f64 / 1e6);
    report(&what, "MB", &[packed_size / 1e6], of_packages, least);
    let size = |bytes: f64| format!("{:.2} MB", bytes / 1e6);
    let fastest = starts.iter().copied().fold(f64::INFINITY, f64::min);
    let mut table = vec![
        ["size, stripped".to_owned(), size(bytes.len() as f64), "5 MB".to_owned()],
        ["size, packed".to_owned(), size(packed_size), "4 MB".to_owned()],
        [
            "start to first /next".to_owned(),
            format!("{:.1} ms (best {fastest:.1})", median(starts.clone())),
            "15 ms".to_owned(),
        ],
        ["first invocation, 10 messages".to_owned(), format!("{:.1} ms", median(cold.clone())), String::new()],
    ];
    let aim = "40 MB".to_owned();
    let events = [
        ("10 packed runs", small, String::new()),
        // Lambda sends no more than 6 MB.
        ("700 packed runs", payload::event(700, 0), aim.clone()),
        ("1000 packed runs", payload::event(1000, 0), aim.clone()),
        ("1000 plain runs of 10 kB", plain_event(1000, 10_000), aim),
    ];
    for (name, event, aim) in events {
        if brief() && name.starts_with("700") {
            continue;
        }
        let mut function = Function::start(program, &variables).await;
        let mut warm = Vec::new();
        for round in 0..=WARM {
            clear().await;
            let time = expect_all_taken(&mut function, &event).await;
            if round > 0 {
                warm.push(millis(time));
            }
        }
        let peak = function.peak_memory() as f64 / 1e6;
        if name.starts_with("10 ") {
            report("ingest: first invocation, 10 messages", "ms", &cold, None, ("a later invocation", warm.clone()));
        } else {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("event.json");
            std::fs::write(&file, &event).unwrap();
            let number = |python: &Python| python.number("lambda_baseline.py", &[&file]) / 1e6;
            let of_python = beside("Python that reads the same", python.as_ref().map(number).as_slice());
            let least = ("the event alone", vec![event.len() as f64 / 1e6]);
            report(&format!("ingest: memory, {name}"), "MB", &[peak], of_python, least);
        }
        let name = format!("{name}, event of {:.2} MB", event.len() as f64 / 1e6);
        table.push([format!("warm invocation: {name}"), format!("{:.1} ms", median(warm)), String::new()]);
        table.push([format!("peak memory: {name}"), format!("{peak:.1} MB"), aim]);
    }
    print(&format!("Function: {program}"), ["", "found", "aim"], &table);
}

async fn expect_all_taken(function: &mut Function, event: &[u8]) -> Duration {
    let (time, answer) = function.invoke(event).await;
    assert_eq!(answer, r#"{"batchItemFailures":[]}"#);
    time
}

/// The SQS event with `count` uncompressed `PipelineRuns`, in bodies of at most `size` bytes.
fn plain_event(count: usize, size: usize) -> Vec<u8> {
    payload::event_of((0..count).map(|number| (number, plain(number, size))), 0)
}

/// A `PipelineRun` from which tasks are removed until its body has the size.
fn plain(number: usize, size: usize) -> String {
    let mut run: Value = serde_json::from_str(&payload::json(number, 0)).unwrap();
    let mut text = run.to_string();
    // The text is quoted in the envelope.
    while text.len() + text.matches('"').count() + 1200 > size
        && let Some(tasks) = run["spec"]["pipelineSpec"]["tasks"].as_array_mut()
        && tasks.pop().is_some()
    {
        run["status"]["childReferences"].as_array_mut().unwrap().pop();
        text = run.to_string();
    }
    text
}
