//! Ingests without Lambda: long-running loops that receive messages from a queue or a folder.
//!
//! ```text
//! sqs ────► receive, gather, read S3 pointers ─┐                  ┌─ delete, or return to the queue with a delay
//! folder ─► scan, wait until files are whole ──┴► ingest::ingest ─┴─ move to .done, or remember the key
//! metrics ► /metrics, /healthz
//! ```
//!
//! Each loop has a thread of the runtime's blocking pool to itself
//! ([`on_a_thread`](crate::platform::shutdown::on_a_thread)). It decodes messages and reads files on that thread, so
//! that a large batch does not delay the other loops.
//!
//! Messages are processed at least once; ingest is idempotent, so a message that is processed twice gives the same
//! rows.

pub mod folder;
mod health;
pub mod metrics;
pub mod sqs;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};

pub use self::health::Health;
use crate::db::Store;
use crate::ingest::{self, Counts, Report};
use crate::platform::clock::{self, Deadline};
use crate::platform::environment::{ConfigError, Lookup};
use crate::platform::failure::chain;
pub use crate::platform::shutdown::{Stop, Stopper};
use crate::sources::Settings;
use crate::transport::Delivery;

/// The name of the database in [`Health`].
const DATABASE: &str = "database";
/// How long the current batch may take after the stop. Kubernetes kills after 30 s by default.
const STOP_GRACE: Duration = Duration::from_secs(20);
/// The time limit of a probe of the database.
const PROBE: Duration = Duration::from_secs(5);
/// A loop without work probes the database when no loop has used it for this long.
const PROBE_AFTER: Duration = Duration::from_secs(15);
/// The longest backoff after failed batches. It is short, because each loop finds out by itself that the database
/// answers again.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// Why a worker cannot start, or ended without being stopped.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A defect of this program. The messages of the current batch are delivered again.
    #[error("a loop of the worker panicked")]
    Panicked(#[source] JoinError),
    /// A folder cannot be created.
    #[error("cannot create the folder {}", path.display())]
    Folder {
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The process cannot listen on the address for metrics.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// A queue cannot be used.
    #[error("{url}: {why}")]
    Queue {
        /// Its URL.
        url: String,
        /// The error with its causes.
        why: String,
    },
    /// Another recorder of metrics is installed.
    #[error("cannot set up metrics")]
    Recorder(#[from] metrics_exporter_prometheus::BuildError),
}

/// The resources that all loops share.
#[derive(Clone)]
pub struct Worker {
    /// The database. Its pool needs a connection for each loop, so that they do not wait for each other.
    pub store: Store,
    /// The settings for decoding messages.
    pub settings: Settings,
    /// The health of the loops and of the database.
    pub health: Health,
    /// Set when the worker is to end.
    pub stop: Stop,
}

impl Worker {
    /// Ingests a batch, and reports it in metrics, log and health. `None` when the worker was stopped and the batch did
    /// not end within [`STOP_GRACE`]; then no message of it may be acknowledged.
    async fn ingest(&self, deliveries: &[Delivery], within: Duration) -> Option<Report> {
        let too_late = async {
            self.stop.wait().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        let report = tokio::select! {
            report = ingest::ingest(&self.store, deliveries, &self.settings, Deadline::within(within)) => report,
            () = too_late => return None,
        };
        crate::ingest::record(&report);
        let counts = report.counts();
        match &report.error {
            // `record` has logged it.
            Some((_, error)) => drop(self.health.failed(DATABASE, error)),
            // A batch of ignored messages only does not use the database.
            None if counts.ignored < counts.received => drop(self.health.ok(DATABASE)),
            None => {}
        }
        Some(report)
    }

    /// A circuit breaker: after `failures` failed batches in a row it waits, with backoff, until the database answers.
    /// Messages that are not received meanwhile need no redelivery. `false` when the worker was stopped.
    async fn ready(&self, failures: &mut u32) -> bool {
        while *failures > 0 {
            // It also waits before the first probe: with a wrong schema batches fail although the database answers.
            if !self.stop.sleep(clock::backoff(*failures, Duration::from_secs(1), LONGEST_BACKOFF)).await {
                return false;
            }
            if self.probe().await {
                break;
            }
            *failures = failures.saturating_add(1);
        }
        !self.stop.is_set()
    }

    /// Called by a loop without work. Probes the database, so that `/healthz` is up to date, and so that no message is
    /// received while the database is unavailable.
    async fn idle(&self, failures: &mut u32) {
        if self.health.silence(DATABASE, Instant::now()) >= PROBE_AFTER && !self.probe().await {
            *failures = failures.saturating_add(1);
        }
    }

    /// Tests whether the database answers, and logs a change.
    async fn probe(&self) -> bool {
        match self.store.script("SELECT 1", Deadline::within(PROBE)).await {
            Ok(()) => {
                if self.health.ok(DATABASE) {
                    tracing::info!("the database answers again");
                }
                true
            }
            Err(error) => {
                if self.health.failed(DATABASE, &chain(&error)) {
                    tracing::warn!(error = chain(&error), "the database does not answer, receiving no messages");
                }
                false
            }
        }
    }
}

/// Updates the number of failed batches in a row, which [`Worker::ready`] reads.
fn count_failure(failures: &mut u32, report: &Report) {
    *failures = if report.error.is_some() { failures.saturating_add(1) } else { 0 };
}

/// Waits for loops to end, and stops them when the worker is stopped. Returns the sum of their counts; `Err` when one
/// panicked, which stops the others.
async fn join(
    mut loops: JoinSet<Result<Counts, JoinError>>,
    stop: &Stop,
    stopper: &Stopper,
) -> Result<Counts, WorkerError> {
    let mut total = Counts::default();
    let mut failure = None;
    let mut stopped = false;
    loop {
        let ended = tokio::select! {
            ended = loops.join_next() => ended,
            () = stop.wait(), if !stopped => {
                stopped = true;
                stopper.stop();
                continue;
            }
        };
        match ended {
            None => return failure.map_or(Ok(total), Err),
            Some(Ok(Ok(counts))) => total.add(counts),
            Some(Ok(Err(error)) | Err(error)) => failure = Some(WorkerError::Panicked(error)),
        }
        if failure.is_some() {
            stopper.stop();
        }
    }
}

/// Reads an integer from `least` to `most` from a variable. `Err` when it is not one.
fn whole<T: FromStr + PartialOrd>(
    lookup: Lookup<'_>,
    variable: &'static str,
    (default, least, most): (T, T, T),
    expected: &'static str,
) -> Result<T, ConfigError> {
    let Some(text) = lookup(variable) else { return Ok(default) };
    let number = text.trim().parse().ok().filter(|number| *number >= least && *number <= most);
    number.ok_or(ConfigError::Invalid { variable, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds() {
        let read = |text: &'static str| whole(&move |_: &str| Some(text.to_owned()), "N", (2, 1, 64), "1 to 64");
        assert_eq!((read("64").ok(), read(" 1 ").ok()), (Some(64), Some(1)));
        assert!(read("0").is_err() && read("65").is_err() && read("x").is_err());
        assert_eq!(whole(&|_: &str| None, "N", (2, 1, 64), "1 to 64").ok(), Some(2));
    }
}
