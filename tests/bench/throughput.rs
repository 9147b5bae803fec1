//! Ingest beside one statement per message, decoding alone, and COPY; near and far from the server.

use std::time::{Duration, Instant};

use hummingbird_status::db::Store;
use hummingbird_status::ingest::{ingest, read};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use crate::measure::{Figure, ROUNDS, brief, median, millis, print, rate, timed};
use crate::proxy::Proxy;
use crate::rows::{Copy, OneByOne};
use crate::server::Server;
use crate::support::{deadline, store_of};
use crate::{payload, proxy};

/// Messages in each measurement.
const MESSAGES: usize = 2000;
/// The number of these that are written one by one, which is slow.
const FEW: usize = 400;

/// A connection to the server for each kind of client, near or far.
struct Connection {
    name: String,
    store: Store,
    one_by_one: OneByOne,
    copy: Copy,
}

impl Connection {
    async fn new(url: &str, far: bool, deliveries: &[Delivery]) -> Self {
        let one_way = Duration::from_micros(500);
        let url = if far { Proxy::start(proxy::address_in(url), one_way, false).url(url) } else { url.to_owned() };
        let records = read(deliveries, &Settings::default()).records;
        let one_by_one = OneByOne::new(&url, &records).await;
        let mut pings = Vec::new();
        for _ in 0..50 {
            pings.push(millis(timed(one_by_one.ping()).await.1));
        }
        let name = format!("{} ({:.2} ms)", if far { "+1 ms" } else { "near" }, median(pings));
        Self { name, store: store_of(&url, 1), one_by_one, copy: Copy::new(&url, &records).await }
    }

    async fn clear(&self) {
        self.store.script("TRUNCATE pipelineruns; TRUNCATE bench_copy", deadline()).await.unwrap();
    }

    /// Messages per second through ingest, and the milliseconds of decoding and of writing a batch.
    async fn pipeline(&self, deliveries: &[Delivery], batch: usize) -> [f64; 3] {
        self.clear().await;
        let start = Instant::now();
        let (mut reading, mut writing, mut batches) = (0.0, 0.0, 0.0);
        for deliveries in deliveries.chunks(batch) {
            let report = ingest(&self.store, deliveries, &Settings::default(), deadline()).await;
            assert_eq!(report.counts().kept, deliveries.len() as u64, "{:?} {:?}", report.counts(), report.error);
            reading += millis(report.decode);
            writing += millis(report.write);
            batches += 1.0;
        }
        [rate(deliveries.len(), start.elapsed()), reading / batches, writing / batches]
    }
}

/// Messages per second of decoding alone, in batches of a size.
fn reading(deliveries: &[Delivery], batch: usize) -> f64 {
    let start = Instant::now();
    for deliveries in deliveries.chunks(batch) {
        std::hint::black_box(read(deliveries, &Settings::default()));
    }
    rate(deliveries.len(), start.elapsed())
}

/// Measures and prints.
pub async fn run(server: &Server) {
    let url = server.database("throughput").await;
    let deliveries = payload::deliveries(MESSAGES, 0);
    let body: usize = deliveries.iter().map(|delivery| delivery.body.len()).sum();
    println!(
        "\n{MESSAGES} messages: JSON of {} bytes, body of {} bytes each",
        payload::json(0, 0).len(),
        body / MESSAGES
    );

    let ways = [Connection::new(&url, false, &deliveries).await, Connection::new(&url, true, &deliveries).await];
    let mut table = Vec::new();
    for way in &ways {
        for batch in [10, 100, 1000] {
            if brief() && batch < 100 {
                continue;
            }
            let mut found: Vec<[f64; 9]> = Vec::new();
            // The first round warms up.
            for round in 0..=ROUNDS {
                let [pipeline, decode, write] = way.pipeline(&deliveries, batch).await;
                way.clear().await;
                let single = rate(FEW, timed(way.one_by_one.run(FEW)).await.1);
                way.clear().await;
                let copy = rate(MESSAGES, timed(way.copy.run(MESSAGES, batch)).await.1);
                let read = reading(&deliveries, batch);
                // Batches too small for a second thread.
                let read_alone = reading(&deliveries, batch.min(31));
                if round > 0 {
                    let of_slower = pipeline / read.min(copy);
                    let numbers =
                        [pipeline, single, pipeline / single, read_alone, read, copy, of_slower, decode, write];
                    found.push(numbers);
                }
            }
            let all = |at: usize| -> Vec<f64> { found.iter().map(|round| round[at]).collect() };
            let middle = |at: usize| median(all(at));
            let slower: Vec<f64> = found.iter().map(|round| round[4].min(round[5])).collect();
            Figure {
                what: &format!("ingest of large runs, batches of {batch}, PostgreSQL {}", way.name),
                unit: "/s",
                ours: &all(0),
                baseline: Some(("a statement a message", &all(1))),
                floor: Some(("slower of reading alone, COPY alone", &slower)),
            }
            .report();
            table.push([
                way.name.clone(),
                batch.to_string(),
                format!("{:.0}", middle(0)),
                format!("{:.0}", middle(1)),
                format!("{:.1}x", middle(2)),
                format!("{:.0}", middle(3)),
                format!("{:.0}", middle(4)),
                format!("{:.0}", middle(5)),
                format!("{:.2}x", middle(6)),
                format!("{:.2}", middle(7)),
                format!("{:.2}", middle(8)),
            ]);
        }
    }
    let head = [
        "server",
        "batch",
        "pipeline/s",
        "(a) one by one/s",
        "pipeline/(a)",
        "(b) read, 1 thread/s",
        "(b) read/s",
        "(c) COPY/s",
        "of slower of (b), (c)",
        "read ms/batch",
        "write ms/batch",
    ];
    print("Throughput: messages a second", head, &table);
}
