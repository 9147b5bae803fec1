//! Concurrent writers of the same rows, to detect deadlocks.

use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use super::random::Random;
use super::{deadline, render, store_of};

/// What the writers do.
pub struct HotKeys {
    /// Rows that they all want.
    pub keys: usize,
    /// Writers, each with a connection of its own.
    pub writers: usize,
    /// Messages in a batch, of keys drawn at random.
    pub batch: usize,
    /// Batches of each writer.
    pub batches: usize,
    /// Of the draw.
    pub seed: u64,
}

/// Rises with each message of this process, as the version of a cluster does.
static VERSION: AtomicI64 = AtomicI64::new(1);

impl HotKeys {
    /// Writes, and says how long that took. Blocks: each writer has a thread and a runtime, as a function would.
    pub fn write(&self, url: &str) -> Duration {
        let start = Instant::now();
        thread::scope(|scope| {
            for writer in 0..self.writers {
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(self.write_alone(url, writer as u64));
                });
            }
        });
        start.elapsed()
    }

    async fn write_alone(&self, url: &str, writer: u64) {
        let store = store_of(url, 1);
        let mut random = Random::new(self.seed << 8 | writer);
        for _ in 0..self.batches {
            let batch: Vec<_> = (0..self.batch).map(|_| run(random.below(self.keys))).collect();
            let report = ingest(&store, &batch, &Settings::default(), deadline()).await;
            assert!(report.error.is_none(), "{:?}", report.error);
        }
    }
}

/// The next state of a run.
fn run(key: usize) -> Delivery {
    let version = VERSION.fetch_add(1, Ordering::Relaxed);
    let body = format!(
        r#"{{"apiVersion":"tekton.dev/v1","kind":"PipelineRun","metadata":{{"name":"hot-{key}","uid":"uid-{key}","resourceVersion":"{version}"}}}}"#
    );
    Delivery { id: format!("message-{version}"), body: body.into_bytes(), ..Delivery::default() }
}

/// How often the server broke a deadlock (SQLSTATE 40P01) in a database, whichever client got the error.
pub async fn deadlocks(url: &str) -> u64 {
    let store = store_of(url, 1);
    // A connection hands in its numbers at its end, before it is gone from pg_stat_activity.
    let others =
        "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while !render::rows(&store, others).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let count = "SELECT deadlocks::text FROM pg_stat_database WHERE datname = current_database()";
    render::rows(&store, count).await[0].parse().unwrap()
}
