//! The pipeline without Lambda: long-running loops that take messages from a queue or a folder.
//!
//! ```text
//! sqs ────► receive, gather, read S3 pointers ─┐                    ┌─ delete, or hand back with a delay
//! folder ─► scan, wait until files are whole ──┴► pipeline::ingest ─┴─ move to .done, or remember the key
//! metrics ► /metrics, /healthz
//! ```
//!
//! Each loop has a thread of the runtime's blocking pool to itself ([`on_a_thread`](crate::tasks::on_a_thread)).
//! Messages are decoded on it, so that a large batch of one loop holds up nobody else, and the files of a folder are
//! read on it.
//!
//! Not guaranteed: that a message is taken once. Whatever is taken twice gives the same rows.

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
use crate::clock::{self, Deadline};
use crate::config::{ConfigError, Lookup};
use crate::envelope::Delivery;
use crate::family::Settings;
use crate::pipeline::{self, Counts, Report};
use crate::store::{Store, chain};
pub use crate::tasks::{Stop, Stopper};
use crate::telemetry;

/// The database, as a part whose health is watched.
const DATABASE: &str = "database";
/// How long a batch that is under way may go on after the stop. Kubernetes kills after 30 s by default.
const STOP_GRACE: Duration = Duration::from_secs(20);
/// How long the answer to the question whether the database is there may take.
const PROBE: Duration = Duration::from_secs(5);
/// A loop without work asks for the database when nobody has heard of it for so long.
const PROBE_AFTER: Duration = Duration::from_secs(15);
/// Longest wait before the next batch while batches fail: short, for each loop finds out by itself that the database is
/// back.
const LONGEST_BRAKE: Duration = Duration::from_secs(10);

/// Why a worker cannot start, or ended although nobody stopped it.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A defect of this program; what was in hand comes again.
    #[error("a loop of the worker panicked")]
    Panicked(#[source] JoinError),
    /// A folder cannot be made.
    #[error("cannot make the folder {}", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The port for metrics cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A queue cannot be used.
    #[error("{url}: {why}")]
    Queue {
        /// Which one.
        url: String,
        /// Why, with causes.
        why: String,
    },
    /// Another recorder of metrics is in place.
    #[error("cannot set up metrics")]
    Recorder(#[from] metrics_exporter_prometheus::BuildError),
}

/// What every loop works with.
#[derive(Clone)]
pub struct Worker {
    /// The database; its pool needs a connection for each loop, or they wait for each other.
    pub store: Store,
    /// Choices about reading messages.
    pub settings: Settings,
    /// What the loops say about themselves.
    pub health: Health,
    /// When to end.
    pub stop: Stop,
}

impl Worker {
    /// Takes a batch in, and says so in metrics, log and health. `None` when the worker was stopped and the batch
    /// did not end in the time that is left then; nothing of it may be acknowledged.
    async fn ingest(&self, deliveries: &[Delivery], within: Duration) -> Option<Report> {
        let too_late = async {
            self.stop.wait().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        let report = tokio::select! {
            report = pipeline::ingest(&self.store, deliveries, &self.settings, Deadline::within(within)) => report,
            () = too_late => return None,
        };
        telemetry::record(&report);
        let counts = report.counts();
        match &report.error {
            // `record` has logged it.
            Some((_, error)) => drop(self.health.failed(DATABASE, error)),
            // A batch in which nothing is for us says nothing about the database.
            None if counts.ignored < counts.received => drop(self.health.ok(DATABASE)),
            None => {}
        }
        Some(report)
    }

    /// Waits, after `failures` batches that failed, until the database answers: what is not taken needs not be
    /// delivered again. `false` when the worker was stopped.
    async fn ready(&self, failures: &mut u32) -> bool {
        while *failures > 0 {
            // Also before the first question: a wrong program or schema fails while the database answers.
            if !self.stop.sleep(clock::backoff(*failures, Duration::from_secs(1), LONGEST_BRAKE)).await {
                return false;
            }
            if self.probe().await {
                break;
            }
            *failures = failures.saturating_add(1);
        }
        !self.stop.is_set()
    }

    /// For a loop that has nothing to do: keeps `/healthz` true, and the next messages where they are while the
    /// database is away.
    async fn idle(&self, failures: &mut u32) {
        if self.health.silence(DATABASE, Instant::now()) >= PROBE_AFTER && !self.probe().await {
            *failures = failures.saturating_add(1);
        }
    }

    /// Whether the database answers; logged when that has changed.
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
                    tracing::warn!(error = chain(&error), "the database does not answer, nothing is taken");
                }
                false
            }
        }
    }
}

/// Counts a batch into the failures in a row that [`Worker::ready`] waits by.
fn count_failure(failures: &mut u32, report: &Report) {
    *failures = if report.error.is_some() { failures.saturating_add(1) } else { 0 };
}

/// Waits for loops to end, and passes on to them that the worker is stopped. Returns the sum of their counts; `Err` when
/// one panicked, which stops the others.
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

/// A whole number of a variable, from `least` to `most`. `Err` when it is none.
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
