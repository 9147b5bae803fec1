//! Throughput of KCIDB submissions to rows and events, beside Python that writes the same rows.
//!
//! `CONFORMANCE_DIR=../shared cargo bench --bench kcidb`: the real submissions of `samples/kcidb`. The baseline needs
//! `pip`, which installs psycopg below `target` once. It reads JSON and upserts, and neither validates nor announces.
//! The ratio is the result; both are measured in turn on one PostgreSQL that waits for its disk.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may panic")]
#![expect(unreachable_pub, reason = "`pub` says what a module offers to the others")]

#[allow(dead_code, reason = "made for the other benchmark")]
mod measure;
mod python;
mod server;
#[path = "../it/support/mod.rs"]
#[allow(dead_code, reason = "made for the tests; a benchmark needs little of it")]
mod support;

use std::path::Path;
use std::sync::{Barrier, Mutex};
use std::time::Instant;

use hummingbird_status::db::{Store, Tx};
use hummingbird_status::deliver::targets::{Target, targets};
use hummingbird_status::ingest::{ingest, read};
use hummingbird_status::outbox::registry;
use hummingbird_status::platform::clock;
use hummingbird_status::sources::kcidb;
use hummingbird_status::sources::{Record, Settings};
use hummingbird_status::transport::Delivery;
use jiff::Timestamp;

use measure::{Figure, ROUNDS, brief, median, print, rate};
use python::Python;
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

    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = runtime.block_on(server.database("kcidb"));
    let store = store_of(&url, 1);
    let python = Python::find();
    let ways = [("one writer, batches of 10", 10, 1), ("one writer, of 50", 50, 1), ("two writers, of 50", 50, 2)];
    let mut first = [const { Vec::new() }; 3];
    let mut again = [const { Vec::new() }; 3];
    // Of one writer, batches of 50: a receiver of nothing, and one of all events.
    let mut announced = [const { Vec::new() }; 2];
    let mut baseline = Vec::new();
    let [mut reading, mut reading_on_one] = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        for (way, (_, batch, writers)) in ways.iter().enumerate() {
            if brief() && *batch != 50 {
                continue;
            }
            runtime.block_on(empty(&store));
            first[way].push(pass(&url, &deliveries, *batch, *writers, objects));
            again[way].push(pass(&url, &deliveries, *batch, *writers, objects));
        }
        for (receiver, events) in ["['nothing']", "['*']"].into_iter().enumerate().filter(|_| !brief()) {
            runtime.block_on(empty(&store));
            runtime.block_on(register(&store, events));
            announced[receiver].push(pass(&url, &deliveries, 50, 1, objects));
        }
        let archive = folder.join("submissions.zip");
        baseline.extend(python.as_ref().map(|python| python.number("kcidb_baseline.py", &[Path::new(&url), &archive])));
        reading.push(read_all(&deliveries, deliveries.len(), objects));
        reading_on_one.push(read_all(&deliveries, 1, objects));
    }
    let python = (!baseline.is_empty()).then_some(("Python, psycopg executemany, no checks", &*baseline));
    for (what, ours, baseline) in [
        ("objects of KCIDB, one writer, batches of 50", &first[1], python),
        ("two writers", &first[2], python),
        ("two writers once more, when all is there", &again[2], None),
    ] {
        Figure { what, unit: "/s", ours, baseline, floor: Some(("reading and checking alone", &reading)) }.report();
    }
    if brief() {
        return;
    }
    let on_one = format!("{} on one core", per_second(reading_on_one));
    let mut rows = vec![["read, check and upgrade".to_owned(), per_second(reading), on_one]];
    for ((name, ..), (first, again)) in ways.into_iter().zip(first.into_iter().zip(again)) {
        rows.push([name.to_owned(), per_second(first), format!("{} when all is there", per_second(again))]);
    }
    let [without, with] = announced.map(per_second);
    rows.push(["one writer, of 50, no receiver".to_owned(), without, format!("{with} with a receiver of all events")]);
    if !baseline.is_empty() {
        let name = "Python: json, psycopg executemany, of 50".to_owned();
        rows.push([name, per_second(baseline), "no checks, no events".to_owned()]);
    }
    print("Submissions of KCIDB", ["", "objects/s", ""], &rows);
}

/// The submissions, sent within the last hour: old ones would not be announced.
fn deliveries(archive: &[u8]) -> Vec<Delivery> {
    let begin = clock::now().as_second() - 3600;
    (0..)
        .zip(zip::files(archive).into_iter().filter(|(name, _)| name.ends_with(".json")))
        .map(|(second, (id, body))| {
            let sent_at = Some(Timestamp::from_second(begin + second).unwrap());
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

/// Objects per second of decoding alone, in batches of so many submissions; batches of one are decoded on one core.
fn read_all(deliveries: &[Delivery], at_a_time: usize, objects: usize) -> f64 {
    let start = Instant::now();
    for deliveries in deliveries.chunks(at_a_time) {
        drop(std::hint::black_box(read(deliveries, &Settings::default())));
    }
    rate(objects, start.elapsed())
}

async fn empty(store: &Store) {
    let tables = schema::tables(store).await;
    let truncate: String = tables.iter().map(|table| format!("TRUNCATE {table};")).collect();
    store.script(&format!("{truncate} CHECKPOINT;"), deadline()).await.unwrap();
}

/// A target that receives these events.
async fn register(store: &Store, events: &str) {
    let document = format!(
        "[[target]]\nname = 'hook'\nkind = 'webhook'\nurl = 'https://h/in'\nsecret = 'env:TOKEN'\nevents = {events}\n"
    );
    let lookup = |name: &str| match name {
        "DELIVERY_TARGETS" => Some(document.clone()),
        "TOKEN" => Some("x".to_owned()),
        _ => None,
    };
    let targets: Vec<_> = targets(&lookup).unwrap().iter().map(Target::registration).collect();
    let register = async |tx: &mut Tx<'_>| registry::register(tx, &targets).await;
    store.in_tx("register", deadline(), register).await.unwrap();
}

/// Objects per second from bodies to committed rows and events. Each writer is a thread with its own connection, and
/// takes the next batch after it has finished one, as a worker does.
fn pass(url: &str, deliveries: &[Delivery], batch: usize, writers: usize, objects: usize) -> f64 {
    let batches = Mutex::new(deliveries.chunks(batch));
    let barrier = Barrier::new(writers + 1);
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let store = store_of(url, 1);
                    store.check_schema(deadline()).await.unwrap();
                    barrier.wait();
                    let next = || batches.lock().unwrap().next();
                    while let Some(batch) = next() {
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
