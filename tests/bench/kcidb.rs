//! How fast submissions of KCIDB become rows and events, beside Python that writes the same rows.
//!
//! `CONFORMANCE_DIR=../shared cargo bench --bench kcidb`: the real submissions of `samples/kcidb`. The baseline is run
//! if psycopg is there: `pip install --target target/psycopg 'psycopg[binary]'`. It reads JSON and upserts, and neither
//! validates nor announces. What counts is the ratio; both are measured in turn on one PostgreSQL that waits for its
//! disk.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may panic")]
#![expect(unreachable_pub, reason = "`pub` says what a module offers to the others")]

#[allow(dead_code, reason = "made for the other benchmark")]
mod measure;
mod server;
#[path = "../it/support/mod.rs"]
#[allow(dead_code, reason = "made for the tests; a benchmark needs little of it")]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use hummingbird_status::envelope::Delivery;
use hummingbird_status::family::{Record, Settings};
use hummingbird_status::kcidb;
use hummingbird_status::pipeline::{ingest, read};
use hummingbird_status::store::Store;
use jiff::Timestamp;

use measure::{ROUNDS, median, print, rate};
use server::Server;
use support::{deadline, project, schema, store_of, zip};

fn main() {
    let folder = project(&std::env::var("CONFORMANCE_DIR").unwrap_or_default()).join("samples/kcidb");
    let Ok(archive) = std::fs::read(folder.join("submissions.zip")) else {
        return println!("no submissions.zip in {}", folder.display());
    };
    let deliveries = deliveries(&archive);
    let bytes: usize = deliveries.iter().map(|delivery| delivery.body.len()).sum();
    let objects = objects(&deliveries);
    println!("{} submissions, {objects} objects, {:.1} MB", deliveries.len(), bytes as f64 / 1e6);

    let (reading, validity) = reading(&deliveries, objects);
    let mut rows = vec![["read, check and upgrade".to_owned(), reading, validity]];
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = runtime.block_on(server.database("kcidb"));
    let store = store_of(&url, 1);
    let python = Baseline::find(&folder);
    if python.is_none() {
        println!("no baseline: psycopg is not in target/psycopg");
    }
    let ways = [("one writer, batches of 10", 10, 1), ("one writer, of 50", 50, 1), ("two writers, of 50", 50, 2)];
    let mut first = [const { Vec::new() }; 3];
    let mut again = [const { Vec::new() }; 3];
    let mut baseline = Vec::new();
    for _ in 0..ROUNDS {
        for (way, (_, batch, writers)) in ways.iter().enumerate() {
            runtime.block_on(empty(&store));
            first[way].push(pass(&url, &deliveries, *batch, *writers, objects));
            again[way].push(pass(&url, &deliveries, *batch, *writers, objects));
        }
        baseline.extend(python.as_ref().map(|python| python.run(&url)));
    }
    for ((name, ..), (first, again)) in ways.into_iter().zip(first.into_iter().zip(again)) {
        rows.push([name.to_owned(), per_second(first), format!("{} when all is there", per_second(again))]);
    }
    if !baseline.is_empty() {
        let name = "Python: json, psycopg executemany, of 50".to_owned();
        rows.push([name, per_second(baseline), "no checks, no events".to_owned()]);
    }
    print("Submissions of KCIDB", ["", "objects/s", ""], &rows);
}

fn deliveries(archive: &[u8]) -> Vec<Delivery> {
    (0..)
        .zip(zip::files(archive).into_iter().filter(|(name, _)| name.ends_with(".json")))
        .map(|(second, (id, body))| {
            let sent_at = Some(Timestamp::from_second(1_750_000_000 + second).unwrap());
            Delivery { id, body, sent_at, ..Delivery::default() }
        })
        .collect()
}

fn objects(deliveries: &[Delivery]) -> usize {
    let batch = read(deliveries, &Settings::default());
    assert!(batch.refused.is_empty(), "all of them are valid");
    let count = |record: &Record| match record {
        Record::Kcidb(kcidb::Record::Submission(submission)) => submission.len(),
        _ => 0,
    };
    batch.records.iter().map(|(_, record)| count(record)).sum()
}

fn per_second(rates: Vec<f64>) -> String {
    format!("{:.0}", median(rates))
}

/// Reading alone, on all cores and on one.
fn reading(deliveries: &[Delivery], objects: usize) -> (String, String) {
    let time = |work: &dyn Fn()| {
        let rates = (0..ROUNDS).map(|_| {
            let start = Instant::now();
            work();
            rate(objects, start.elapsed())
        });
        per_second(rates.collect())
    };
    let all = time(&|| drop(std::hint::black_box(read(deliveries, &Settings::default()))));
    let one = time(&|| {
        for delivery in deliveries {
            drop(std::hint::black_box(read(std::slice::from_ref(delivery), &Settings::default())));
        }
    });
    (all, format!("{one} on one core"))
}

async fn empty(store: &Store) {
    let tables = schema::tables(store).await;
    let truncate: String = tables.iter().map(|table| format!("TRUNCATE {table};")).collect();
    store.script(&format!("{truncate} CHECKPOINT;"), deadline()).await.unwrap();
}

/// Objects a second from bodies to committed rows and events. Each writer is a thread with a connection of its own.
fn pass(url: &str, deliveries: &[Delivery], batch: usize, writers: usize, objects: usize) -> f64 {
    let share = deliveries.len().div_ceil(writers);
    let barrier = std::sync::Barrier::new(writers + 1);
    std::thread::scope(|scope| {
        for share in deliveries.chunks(share) {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let store = store_of(url, 1);
                    store.check_schema(deadline()).await.unwrap();
                    barrier.wait();
                    for batch in share.chunks(batch) {
                        let report = ingest(&store, batch, &Settings::default(), deadline()).await;
                        assert_eq!((&report.error, report.counts().refused), (&None, 0));
                    }
                });
                barrier.wait();
            });
        }
        barrier.wait();
        let start = Instant::now();
        barrier.wait();
        rate(objects, start.elapsed())
    })
}

struct Baseline {
    script: PathBuf,
    packages: PathBuf,
    archive: PathBuf,
}

impl Baseline {
    fn find(folder: &Path) -> Option<Self> {
        let packages = project("target/psycopg");
        let script = project("tests/bench/kcidb_baseline.py");
        packages.is_dir().then(|| Self { script, packages, archive: folder.join("submissions.zip") })
    }

    /// Its own measure of objects a second, from bodies in memory to committed rows.
    fn run(&self, url: &str) -> f64 {
        let mut python = Command::new("python3");
        python.arg(&self.script).arg(url).arg(&self.archive).env("PYTHONPATH", &self.packages);
        let output = python.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }
}
