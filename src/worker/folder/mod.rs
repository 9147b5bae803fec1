//! Ingests messages from files, for a machine without a queue.
//!
//! A file may hold anything that the ingest function accepts: a Lambda event, an SNS envelope, a payload, gzip, NDJSON.
//! Files whose names begin with a dot, or end with `.tmp` or `.part`, are ignored.
//!
//! The folders are listed every second, because file system notifications do not work on network drives.

mod dropped;
mod mirror;
mod take;

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Stopper, Worker, WorkerError};
use crate::ingest::Counts;
use crate::platform::environment::Lookup;
use crate::platform::shutdown::on_a_thread;

/// The settings of the folders.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder that files are dropped into; created if it does not exist.
    pub drop: Option<PathBuf>,
    /// Folder that is only read.
    pub mirror: Option<PathBuf>,
    /// Time between two listings.
    pub interval: Duration,
    /// How long a batch is retried while the database is unavailable.
    pub batch_deadline: Duration,
}

impl Default for Config {
    /// No folder.
    fn default() -> Self {
        Self { drop: None, mirror: None, interval: Duration::from_secs(1), batch_deadline: Duration::from_secs(60) }
    }
}

impl Config {
    /// Reads the environment.
    #[must_use]
    pub fn from_env(lookup: Lookup<'_>) -> Self {
        let folder = |name| lookup(name).map(PathBuf::from);
        Self { drop: folder("LOCAL_DROP_PATH"), mirror: folder("LOCAL_MIRROR_PATH"), ..Self::default() }
    }
}

/// Watches the folders until the worker is stopped, and returns the counts of the messages.
///
/// A folder that cannot be read is not an error: it is retried, logged once, and reported by `/healthz` until it can be
/// read.
///
/// # Errors
/// When the drop folder cannot be created, or a loop panics; the other one is stopped before.
pub async fn run(worker: &Worker, config: &Config) -> Result<Counts, WorkerError> {
    if let Some(path) = &config.drop {
        std::fs::create_dir_all(path).map_err(|source| WorkerError::Folder { path: path.clone(), source })?;
    }
    // A stop for these loops only: a loop that panics stops the other one, and so does dropping this future.
    let (stopper, stop) = Stopper::new();
    let inner = Worker { stop, ..worker.clone() };
    let mut loops = JoinSet::new();
    if let Some(path) = config.drop.clone() {
        let (worker, config) = (inner.clone(), config.clone());
        loops.spawn(on_a_thread(move || async move { dropped::watch(&worker, &config, path).await }));
    }
    if let Some(path) = config.mirror.clone() {
        let (worker, config) = (inner.clone(), config.clone());
        loops.spawn(on_a_thread(move || async move { mirror::watch(&worker, &config, path).await }));
    }
    super::join(loops, &worker.stop, &stopper).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read() {
        let config = Config::from_env(&|name: &str| (name == "LOCAL_MIRROR_PATH").then(|| "/m".to_owned()));
        assert_eq!((config.drop, config.mirror), (None, Some(PathBuf::from("/m"))));
    }
}
