//! Concurrent writers of the same rows.

use crate::measure::{ROUNDS, median, print, rate};
use crate::server::Server;
use crate::support::hot::{HotKeys, deadlocks};

/// Measures and prints.
pub async fn run(server: &Server) {
    let mut table = Vec::new();
    for writers in [1, 4] {
        let url = server.database(&format!("hot_{writers}")).await;
        let mut rates = Vec::new();
        for round in 0..ROUNDS {
            let hot = HotKeys { keys: 1000, writers, batch: 200, batches: 50, seed: round as u64 };
            let time = hot.write(&url);
            rates.push(rate(writers * hot.batches * hot.batch, time));
        }
        table.push([writers.to_string(), format!("{:.0}", median(rates)), deadlocks(&url).await.to_string()]);
    }
    print("Hot keys: 1000 keys, batches of 200 of them", ["writers", "messages/s", "deadlocks (40P01)"], &table);
}
