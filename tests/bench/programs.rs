//! The release builds of all programs: size, and for each function the time from its start to its first request for an
//! event.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::cargo::cargo;
use crate::measure::{Figure, median, millis, print};
use crate::server::Server;
use crate::support::runtime_api::Function;
use crate::support::{files_in, project};
use crate::{packed, whole};

/// The programs of the package, ingest first. The last one is the command line, not a function.
pub const ALL: [&str; 7] = ["ingest", "deliver", "reconcile", "backfill", "web", "migrate", "hummingbird-status"];
/// The number of starts of each program.
const STARTS: usize = 15;
/// The time limit: a function that has not asked for an event by then needs an environment that it does not have here.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// The release build of a program.
pub fn released(name: &str) -> String {
    cargo_build(&["--bin", name]);
    target().join("release").join(name).to_str().unwrap().to_owned()
}

/// Builds the releases of all programs, and puts each where `cargo lambda build --release` does.
pub fn build() {
    cargo_build(&["--bins"]);
    for name in ALL {
        let place = place(name);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(target().join("release").join(name), place).unwrap();
    }
}

fn cargo_build(arguments: &[&str]) {
    let mut cargo = cargo();
    cargo.args(["build", "--release"]).args(arguments);
    assert!(cargo.status().unwrap().success(), "cannot build {arguments:?}");
}

/// Below target/tmp, as all files of benchmarks.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

fn place(name: &str) -> PathBuf {
    target().join("lambda").join(name).join("bootstrap")
}

/// The modification time of the newest source file.
fn changed() -> SystemTime {
    let sources = files_in(&project("src"), "").into_iter().map(|(name, _)| project("src").join(name));
    let sources = sources.chain(["Cargo.toml", "Cargo.lock"].map(project));
    sources.map(|file| file.metadata().unwrap().modified().unwrap()).max().unwrap()
}

/// Measures the programs that exist and are newer than their source files; prints the names of the others.
pub async fn measure(server: &Server, names: &[&str], nothing: &Path) {
    let least = [packed(&std::fs::read(nothing).unwrap()) / 1e6];
    let changed = changed();
    let url = server.database("programs").await;
    let mut table = Vec::new();
    for name in names {
        let file = place(name);
        match file.metadata().and_then(|data| data.modified()) {
            Ok(built) if built >= changed => {}
            Ok(_) => {
                println!(
                    "{name}: older than its source files; `cargo bench --bench lambda -- programs` builds it \
                    again"
                );
                continue;
            }
            Err(_) => {
                println!("{name}: not built; `cargo bench --bench lambda -- programs` does");
                continue;
            }
        }
        let bytes = std::fs::read(&file).unwrap();
        let size = [packed(&bytes) / 1e6];
        let what = format!("{name}: program, packed ({:.1} MB unpacked)", bytes.len() as f64 / 1e6);
        let floor = Some(("a program that does nothing", &least[..]));
        Figure { what: &what, unit: "MB", ours: &size, baseline: None, floor }.report();
        let starts = if *name == ALL[6] { (Vec::new(), Vec::new()) } else { starts(&file, &url, nothing).await };
        let start = match &starts.0[..] {
            [] => String::new(),
            found => format!("{:.1} ms", median(found.to_vec())),
        };
        if !starts.0.is_empty() {
            let floor = Some(("a program that does nothing", &starts.1[..]));
            let what = format!("{name}: from start to first request");
            Figure { what: &what, unit: "ms", ours: &starts.0, baseline: None, floor }.report();
        }
        let megabytes = |bytes: f64| format!("{bytes:.2} MB");
        table.push([(*name).to_owned(), megabytes(bytes.len() as f64 / 1e6), megabytes(size[0]), start]);
    }
    if !table.is_empty() {
        print("Programs as they are released", ["", "stripped", "packed", "start to first /next"], &table);
    }
}

/// Milliseconds from the start of a function to its first request, and in turn those of a program that does nothing.
/// None for a function that sends no request.
async fn starts(program: &Path, url: &str, nothing: &Path) -> (Vec<f64>, Vec<f64>) {
    let targets = "[[target]]\nname = 'ghe'\nkind = 'github'\nhosts = ['ghe.acme.example']\ntoken = 'env:TOKEN'\n";
    let variables = [("DATABASE_URL", url), ("DELIVERY_TARGETS", targets), ("TOKEN", "x"), ("S3_BUCKET", "archive")];
    let variables = HashMap::from(variables.map(|(name, value)| (name, value.to_owned())));
    let [mut found, mut least] = [const { Vec::new() }; 2];
    for _ in 0..STARTS {
        least.push(whole(&mut Command::new(nothing)));
        let function = Function::start(program.to_str().unwrap(), &variables).await;
        let Ok(time) = tokio::time::timeout(TIME_LIMIT, function.ready()).await else {
            println!("{}: does not start with what it is given here", program.display());
            return (Vec::new(), Vec::new());
        };
        found.push(millis(time));
    }
    (found, least)
}
