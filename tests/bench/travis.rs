//! Travis builds and their jobs, in batches of several sizes and with one message per transaction.

use std::time::Instant;

use hummingbird_status::db::Store;
use hummingbird_status::ingest::{ingest, read};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use crate::measure::{Figure, ROUNDS, brief, median, print, rate};
use crate::server::Server;
use crate::support::builds::{Build, Job};
use crate::support::random::Random;
use crate::support::{deadline, store_of};

/// Builds in each measurement.
const BUILDS: usize = 1000;
/// Jobs of each build.
const JOBS: usize = 20;
/// Builds that run at the same time.
const AT_ONCE: usize = 100;
/// The number of messages that are written one by one, which is slow.
const FEW: usize = 1000;

/// The messages about all builds; those of so many builds are interleaved.
fn messages() -> (Vec<Delivery>, Vec<Delivery>) {
    let job = |index: usize| Job {
        state: if index == 7 { "failed" } else { "passed" },
        allow_failure: index == 7,
        reports_all: true,
    };
    let build = |id: usize| Build {
        id: id as i64 + 1,
        repository: id as i64 % 50 + 1,
        fast_finish: false,
        staged: false,
        jobs: (0..JOBS).map(job).collect(),
    };
    let builds: Vec<Build> = (0..BUILDS).map(build).collect();
    let mut random = Random::new(1);
    let mut messages = Vec::new();
    for some in builds.chunks(AT_ONCE) {
        let mut runs: Vec<_> = some.iter().map(|build| build.run().into_iter()).collect();
        let mut turns: Vec<usize> = (0..some.len()).flat_map(|build| [build; 3 * JOBS]).collect();
        random.shuffle(&mut turns);
        messages.extend(turns.iter().filter_map(|&build| runs[build].next()));
    }
    (builds.iter().map(Build::create).collect(), messages)
}

async fn clear(store: &Store, creates: &[Delivery]) {
    let tables = "outbox, travis_repositories, travis_builds, travis_stages, travis_jobs, travis_job_versions, \
                  travis_queueable_jobs, travis_pending";
    store.script(&format!("TRUNCATE {tables}"), deadline()).await.unwrap();
    write(store, creates, 100).await;
    store.script("VACUUM ANALYZE", deadline()).await.unwrap();
}

/// Messages per second.
async fn write(store: &Store, deliveries: &[Delivery], batch: usize) -> f64 {
    let start = Instant::now();
    for deliveries in deliveries.chunks(batch) {
        let report = ingest(store, deliveries, &Settings::default(), deadline()).await;
        assert_eq!(report.counts().kept, deliveries.len() as u64, "{:?} {:?}", report.counts(), report.error);
    }
    rate(deliveries.len(), start.elapsed())
}

/// Measures and prints.
pub async fn run(server: &Server) {
    let url = server.database("travis").await;
    let store = store_of(&url, 1);
    let (creates, messages) = messages();
    let sizes: &[usize] = if brief() { &[1, 1000] } else { &[1, 10, 100, 1000] };
    let mut found = vec![Vec::new(); sizes.len()];
    let mut reading = Vec::new();
    for _ in 0..ROUNDS {
        for (size, found) in sizes.iter().zip(&mut found) {
            clear(&store, &creates).await;
            let messages = if *size == 1 { &messages[..FEW] } else { &messages };
            found.push(write(&store, messages, *size).await);
        }
        let start = Instant::now();
        for deliveries in messages.chunks(1000) {
            std::hint::black_box(read(deliveries, &Settings::default()));
        }
        reading.push(rate(messages.len(), start.elapsed()));
    }
    Figure {
        what: "builds and jobs of Travis, batches of 1000",
        unit: "/s",
        ours: &found[sizes.len() - 1],
        baseline: Some(("a message a transaction", &found[0])),
        floor: Some(("reading alone", &reading)),
    }
    .report();
    let single = median(found[0].clone());
    let rows: Vec<[String; 3]> = sizes
        .iter()
        .zip(found)
        .map(|(size, found)| {
            let middle = median(found);
            [size.to_string(), format!("{middle:.0}"), format!("{:.1}x", middle / single)]
        })
        .collect();
    println!("\n{BUILDS} builds of {JOBS} jobs, {} messages, {AT_ONCE} builds at a time", messages.len());
    print("Builds and jobs: messages a second", ["batch", "messages/s", "of one by one"], &rows);
}
