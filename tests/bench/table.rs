//! The table of tests/bench/README.md, section "How fast": runs the other benchmarks one after the other, shorter than
//! they run alone, and prints each figure beside its baseline and its floor, which are measured in turn with it.
//!
//! `cargo bench --bench table` for all, `cargo bench --bench table -- ingest kcidb` for some. Takes a quarter of an
//! hour on two quiet cores, after it has built what it measures.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may panic")]
#![expect(unreachable_pub, reason = "`pub` says what a module offers to the others")]

mod cargo;
#[allow(dead_code, reason = "shared with the other benchmarks, which need more of it")]
mod measure;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use measure::{FIGURES, median};

/// A part of the table: its name, the benchmark, and its arguments.
const PARTS: [(&str, &str, &[&str]); 7] = [
    ("ingest", "pipeline", &["throughput"]),
    ("travis", "pipeline", &["travis"]),
    ("backfill", "backfill", &["20000", "table"]),
    ("kcidb", "kcidb", &[]),
    ("deliver", "deliver", &[]),
    ("page", "page", &[]),
    ("function", "lambda", &[]),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let parts = PARTS.iter().filter(|(part, ..)| wanted.is_empty() || wanted.iter().any(|wanted| wanted == part));
    let parts: Vec<_> = parts.filter(|(_, bench, _)| root().join(format!("tests/bench/{bench}.rs")).exists()).collect();
    let benches: Vec<_> = parts.iter().flat_map(|(_, bench, _)| ["--bench", bench]).collect();
    let built = cargo(&benches).arg("--no-run").status().unwrap();
    assert!(built.success(), "cannot build {benches:?}");

    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("figures-{}", std::process::id()));
    let before = load();
    let start = Instant::now();
    let mut rows = Vec::new();
    let mut postgresql = "not asked for".to_owned();
    for (part, bench, arguments) in parts {
        std::fs::remove_file(&file).ok();
        let begin = Instant::now();
        let done = cargo(&["--bench", bench]).arg("--").args(*arguments).env(FIGURES, &file).status().unwrap();
        println!("\n{part}: {} s", begin.elapsed().as_secs());
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if let Some(version) = lines.iter().find_map(|line| line["postgresql"].as_str()) {
            postgresql = version.to_owned();
        }
        let figures: Vec<_> = lines.iter().filter(|line| line["what"].is_string()).map(row).collect();
        if figures.is_empty() || !done.success() {
            rows.push([part, "not measured, see above", "", "", "", ""].map(str::to_owned));
        }
        rows.extend(figures);
    }
    std::fs::remove_file(&file).ok();
    println!("\n{}; {} s; load {before} before, {} after\n", machine(&postgresql), start.elapsed().as_secs(), load());
    println!("| | found | beside | times that | floor | times that |\n|---|--:|---|--:|---|--:|");
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

/// A row of the table. Baseline and floor are compared round by round.
fn row(figure: &Value) -> [String; 6] {
    let unit = figure["unit"].as_str().unwrap();
    let values =
        |of: &Value| -> Vec<f64> { of.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect() };
    let ours = values(&figure["ours"]);
    let (least, most) =
        ours.iter().fold((f64::MAX, 0f64), |(least, most), value| (least.min(*value), most.max(*value)));
    let found = match number(least) == number(most) {
        true => format!("{}{}", number(least), spaced(unit)),
        false => format!("{}{} ({} to {})", number(median(ours.clone())), spaced(unit), number(least), number(most)),
    };
    let beside = |of: &Value| {
        let Some(name) = of["name"].as_str() else { return [String::new(), String::new()] };
        let values = values(&of["values"]);
        let ratio = match values.len() == ours.len() {
            true => median(ours.iter().zip(&values).map(|(ours, value)| ours / value).collect()),
            false => median(ours.clone()) / median(values.clone()),
        };
        [format!("{name}: {}{}", number(median(values)), spaced(unit)), format!("{ratio:.2}")]
    };
    let ([baseline, times], [floor, share]) = (beside(&figure["baseline"]), beside(&figure["floor"]));
    [figure["what"].as_str().unwrap().to_owned(), found, baseline, times, floor, share]
}

fn spaced(unit: &str) -> String {
    if unit.starts_with('/') { unit.to_owned() } else { format!(" {unit}") }
}

/// A number with three digits.
fn number(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        ..1000.0 => format!("{value:.0}"),
        ..1e6 => format!("{},{:03}", value as u64 / 1000, value as u64 % 1000),
        _ => format!("{:.2} million", value / 1e6),
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `cargo bench`, with the default folder of the submissions that `kcidb` reads, if the variable is not set.
fn cargo(benches: &[&str]) -> Command {
    let mut cargo = cargo::cargo();
    cargo.arg("bench").args(benches);
    let shared = root().join("../shared");
    if std::env::var_os("CONFORMANCE_DIR").is_none() && shared.is_dir() {
        cargo.env("CONFORMANCE_DIR", shared);
    }
    cargo
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

/// The machine of this run.
fn machine(postgresql: &str) -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(root()).output();
        output.ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default();
    let changed = if said("git", &["status", "--porcelain", "-uno"]).is_empty() { "" } else { ", changed" };
    format!(
        "{}, {} cores, {:.0} GB; PostgreSQL {postgresql}; {}; commit {}{changed}, {}",
        model.unwrap_or(std::env::consts::ARCH),
        std::thread::available_parallelism().map_or(0, usize::from),
        memory / 1e6,
        said("rustc", &["--version"]).split(" (").next().unwrap_or_default(),
        said("git", &["rev-parse", "--short", "HEAD"]),
        said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
    )
}
