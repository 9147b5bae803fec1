//! The costs of messages that insert a row, change one, or are outdated.

use hummingbird_status::db::Store;
use hummingbird_status::ingest::{Counts, ingest};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use crate::measure::{ROUNDS, median, print, rate, timed};
use crate::payload;
use crate::server::Server;
use crate::support::{deadline, store_of};

const MESSAGES: usize = 2000;

/// Measures and prints.
pub async fn run(server: &Server) {
    let store = store_of(&server.database("states").await, 1);
    let (older, newer) = (payload::deliveries(MESSAGES, 0), payload::deliveries(MESSAGES, 1));
    let mut table = Vec::new();
    for batch in [10, 100, 1000] {
        let mut found: Vec<[f64; 3]> = Vec::new();
        for round in 0..=ROUNDS {
            store.script("TRUNCATE pipelineruns", deadline()).await.unwrap();
            let (inserted, insert) = take_in(&store, &older, batch).await;
            let (updated, update) = take_in(&store, &newer, batch).await;
            let (late, outdated) = take_in(&store, &older, batch).await;
            let all = MESSAGES as u64;
            assert_eq!((inserted.kept, updated.kept, late.stale), (all, all, all));
            if round > 0 {
                found.push([insert, update, outdated]);
            }
        }
        let middle = |at: usize| median(found.iter().map(|round| round[at]).collect());
        let [insert, update, outdated] = [middle(0), middle(1), middle(2)];
        table.push([
            batch.to_string(),
            format!("{insert:.0}"),
            format!("{update:.0} ({:.2}x)", update / insert),
            format!("{outdated:.0} ({:.2}x)", outdated / insert),
        ]);
    }
    print("States: messages a second, near", ["batch", "insert", "update", "outdated"], &table);
}

async fn take_in(store: &Store, deliveries: &[Delivery], batch: usize) -> (Counts, f64) {
    let work = async {
        let mut counts = Counts::default();
        for deliveries in deliveries.chunks(batch) {
            counts.add(ingest(store, deliveries, &Settings::default(), deadline()).await.counts());
        }
        counts
    };
    let (counts, time) = timed(work).await;
    (counts, rate(deliveries.len(), time))
}
