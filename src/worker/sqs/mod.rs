//! Receives messages from an SQS queue by long polling.
//!
//! A message is deleted once it is stored, outdated, ignored, or rejected (in the table `refused`). A message that
//! could not be tried is retried: its visibility timeout is set to a backoff that grows with its receive count. While
//! the database is unavailable, nothing is received (a circuit breaker), so that an outage moves no message to the
//! dead-letter queue.

mod clients;
mod heartbeat;
mod message;
mod pointer;
mod poller;
mod queue;
mod send;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

pub use self::clients::Clients;
use self::poller::Poller;
use self::queue::Queue;
pub use self::send::{SendError, send};
use super::{Stopper, Worker, WorkerError, whole};
use crate::ingest::Counts;
use crate::platform::environment::{ConfigError, Lookup};
use crate::platform::shutdown::on_a_thread;

/// How long a receive waits for messages in [`redrive`].
const REDRIVE_WAIT: Duration = Duration::from_secs(5);

/// The settings of the queue.
#[derive(Clone, Debug)]
pub struct Config {
    /// URL of the queue.
    pub queue_url: String,
    /// Number of pollers.
    pub concurrency: usize,
    /// Messages in a batch, at most.
    pub batch_size: usize,
    /// Buckets from which payloads may be read. The list keeps a message from choosing the host that is connected to.
    pub pointer_buckets: Vec<String>,
    /// How long a receive waits for a message.
    pub wait: Duration,
    /// How long a batch is retried while the database is unavailable.
    pub batch_deadline: Duration,
}

impl Config {
    /// The default settings for a queue.
    #[must_use]
    pub fn new(queue_url: impl Into<String>) -> Self {
        Self {
            queue_url: queue_url.into(),
            concurrency: 2,
            batch_size: 200,
            pointer_buckets: Vec::new(),
            wait: Duration::from_secs(20),
            batch_deadline: Duration::from_secs(60),
        }
    }

    /// Reads the environment; `None` without a queue.
    ///
    /// # Errors
    /// When a variable is invalid.
    pub fn from_env(lookup: Lookup<'_>) -> Result<Option<Self>, ConfigError> {
        let Some(queue_url) = lookup("SQS_QUEUE_URL") else { return Ok(None) };
        check_url(&queue_url).map_err(|expected| ConfigError::Invalid { variable: "SQS_QUEUE_URL", expected })?;
        let mut config = Self::new(queue_url);
        config.concurrency = whole(lookup, "WORKER_CONCURRENCY", (config.concurrency, 1, 64), "1 to 64")?;
        config.batch_size = whole(lookup, "WORKER_BATCH_SIZE", (config.batch_size, 1, 1000), "1 to 1000")?;
        let buckets = lookup("S3_POINTER_BUCKETS").unwrap_or_default();
        let buckets = buckets.split(',').map(|bucket| bucket.trim().to_owned());
        config.pointer_buckets = buckets.filter(|bucket| !bucket.is_empty()).collect();
        Ok(Some(config))
    }
}

/// Checks that a text is the URL of a queue, of AWS or of another server with the same API.
///
/// # Errors
/// When it is not; the text is what was expected.
pub fn check_url(text: &str) -> Result<(), &'static str> {
    if text.starts_with("arn:") {
        return Err("the URL of a queue, not its ARN");
    }
    let uri: Option<http::Uri> = text.parse().ok();
    let is_queue = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.path().trim_matches('/').contains(|c| c != '/')
    });
    if is_queue {
        Ok(())
    } else {
        Err("the URL of a queue, such as https://sqs.eu-west-1.amazonaws.com/123456789012/name")
    }
}

/// Polls until the worker is stopped, and returns the counts of the messages. Each poller finishes its batch first.
///
/// An unreachable queue is not an error: it is retried, logged once, and reported by `/healthz` until it is reachable.
///
/// # Errors
/// When a poller panics; the others are stopped before.
pub async fn run(worker: &Worker, config: &Config, clients: &Clients) -> Result<Counts, WorkerError> {
    poll(worker, config, clients, false).await
}

/// Ingests the messages of a queue until it is empty or the worker is stopped: for a dead-letter queue. A message that
/// could not be tried is returned to the queue, and counted as [`Counts::again`].
///
/// # Errors
/// When the queue cannot be reached, or a poller panics.
pub async fn redrive(worker: &Worker, config: &Config, clients: &Clients) -> Result<Counts, WorkerError> {
    let config = Config { wait: config.wait.min(REDRIVE_WAIT), ..config.clone() };
    let counts = poll(worker, &config, clients, true).await?;
    match worker.health.failure(queue::QUEUE) {
        Some(why) => Err(WorkerError::Queue { url: config.queue_url, why }),
        None => Ok(counts),
    }
}

/// The URL of the dead-letter queue of a queue.
///
/// # Errors
/// When SQS cannot be reached, or the queue has none.
pub async fn dead_letter_queue(clients: &Clients, url: &str) -> Result<String, WorkerError> {
    let found = Queue::new(clients.sqs.clone(), url.to_owned()).dead_letter_queue().await;
    found.map_err(|why| WorkerError::Queue { url: url.to_owned(), why })
}

async fn poll(worker: &Worker, config: &Config, clients: &Clients, until_empty: bool) -> Result<Counts, WorkerError> {
    let queue = Queue::new(clients.sqs.clone(), config.queue_url.clone());
    worker.health.expect(queue::QUEUE);
    // A stop for these pollers only: one that panics stops the others, and so does dropping this future.
    let (stopper, stop) = Stopper::new();
    let visibility = worker.stop.unless(queue.visibility()).await.unwrap_or(queue::VISIBILITY);
    tracing::info!(
        sqs.queue = config.queue_url,
        sqs.visibility_s = visibility.as_secs(),
        pollers = config.concurrency,
        "polling"
    );
    let poller = Arc::new(Poller {
        worker: Worker { stop, ..worker.clone() },
        config: config.clone(),
        queue,
        s3: clients.s3.clone(),
        visibility,
        until_empty,
    });
    let mut pollers = JoinSet::new();
    for _ in 0..config.concurrency {
        let poller = Arc::clone(&poller);
        pollers.spawn(on_a_thread(move || async move { poller.run().await }));
    }
    super::join(pollers, &worker.stop, &stopper).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read() {
        let read = |variables: &[(&str, &str)]| {
            let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned());
            Config::from_env(&find)
        };
        assert!(read(&[]).unwrap().is_none());
        let config =
            read(&[("SQS_QUEUE_URL", "http://h/q"), ("S3_POINTER_BUCKETS", "a, b,"), ("WORKER_CONCURRENCY", "3")]);
        let config = config.unwrap().unwrap();
        assert_eq!((config.queue_url.as_str(), config.concurrency, config.batch_size), ("http://h/q", 3, 200));
        assert_eq!(config.pointer_buckets, ["a", "b"]);
        assert!(read(&[("SQS_QUEUE_URL", "http://h/q"), ("WORKER_BATCH_SIZE", "0")]).is_err());
        for wrong in ["q", "arn:aws:sqs:eu-west-1:1:q", "https://h", "https://h/", "file:///q", "http:// h/q"] {
            assert!(read(&[("SQS_QUEUE_URL", wrong)]).is_err(), "{wrong}");
        }
    }
}
