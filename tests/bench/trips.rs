//! The number of round trips of a batch, and the time of each.

use std::time::Duration;

use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use crate::measure::{ROUNDS, median, millis, print};
use crate::payload;
use crate::proxy::{self, Proxy, Trip};
use crate::server::Server;
use crate::support::generate::said;
use crate::support::{deadline, store_of};

/// Measures and prints.
pub async fn run(server: &Server) {
    let url = server.database("trips").await;
    let proxy = Proxy::start(proxy::address_in(&url), Duration::ZERO, true);
    let store = store_of(&proxy.url(&url), 1);
    let take_in = async |deliveries: &[Delivery]| {
        proxy.take_trips();
        let report = ingest(&store, deliveries, &Settings::default(), deadline()).await;
        assert!(report.error.is_none(), "{:?}", report.error);
        proxy.take_trips()
    };
    let clear = async || store.script("TRUNCATE pipelineruns", deadline()).await.unwrap();

    // The first batches prepare the statements.
    let mixed = mixed(1000);
    for _ in 0..2 {
        clear().await;
        take_in(&payload::deliveries(10, 0)).await;
        take_in(&payload::deliveries(10, 0)).await;
        take_in(&mixed).await;
    }

    let mut counts = Vec::new();
    for size in [1, 10, 100, 1000] {
        let deliveries = payload::deliveries(size, 0);
        clear().await;
        let insert = take_in(&deliveries).await;
        let outdated = take_in(&deliveries).await;
        let all_kinds = take_in(&mixed[..size]).await;
        counts.push([size, insert.len(), outdated.len(), all_kinds.len()].map(|number| number.to_string()));
    }
    print("Round trips of a batch", ["batch", "new runs", "outdated runs", "all kinds, random"], &counts);

    let deliveries = payload::deliveries(1000, 0);
    let mut found: [Vec<Vec<Trip>>; 2] = Default::default();
    for _ in 0..ROUNDS {
        clear().await;
        found[0].push(take_in(&deliveries).await);
        found[1].push(take_in(&deliveries).await);
    }
    for (state, rounds) in ["new", "outdated"].iter().zip(&found) {
        let row = |at: usize| {
            let times = rounds.iter().map(|trips| millis(trips[at].1)).collect();
            let question = rounds[0][at].0.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
            [question, format!("{:.2}", median(times))]
        };
        let table: Vec<_> = (0..rounds[0].len()).map(row).collect();
        print(&format!("Answers to a batch of 1000 {state} runs"), ["question", "ms"], &table);
    }
}

/// Messages of all kinds about the same few objects, as in the property test.
fn mixed(count: usize) -> Vec<Delivery> {
    use proptest::strategy::{Strategy, ValueTree};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    (0..count).map(|_| said().new_tree(&mut runner).unwrap().current().delivery()).collect()
}
