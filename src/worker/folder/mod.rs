//! Takes messages from files: for a machine without a queue.
//!
//! | variable | default | |
//! |---|---|---|
//! | `LOCAL_DROP_PATH` | - | a folder that files are put into; each is moved away when it is done with |
//! | `LOCAL_MIRROR_PATH` | - | a copy of the archive, which is read in order of its names and never changed |
//!
//! A file may hold whatever the ingest function takes: a Lambda event, an SNS envelope, a payload, gzip, NDJSON.
//! Files whose names begin with a dot, or end with `.tmp` or `.part`, are none of ours.
//!
//! The folders are looked at every second: notifications of the system would not tell of files on network drives.

mod dropped;
mod mirror;
mod take;

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Stopper, Worker, WorkerError};
use crate::config::Lookup;
use crate::pipeline::Counts;
use crate::tasks::on_a_thread;

/// Which folders, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder that files are put into; made if need be.
    pub drop: Option<PathBuf>,
    /// Folder that is only read.
    pub mirror: Option<PathBuf>,
    /// Time between two looks.
    pub interval: Duration,
    /// How long a batch is tried while the database is away.
    pub batch_deadline: Duration,
}

impl Default for Config {
    /// No folder.
    fn default() -> Self {
        Self { drop: None, mirror: None, interval: Duration::from_secs(1), batch_deadline: Duration::from_secs(60) }
    }
}

impl Config {
    /// What the environment says.
    #[must_use]
    pub fn from_env(lookup: Lookup<'_>) -> Self {
        let folder = |name| lookup(name).map(PathBuf::from);
        Self { drop: folder("LOCAL_DROP_PATH"), mirror: folder("LOCAL_MIRROR_PATH"), ..Self::default() }
    }
}

/// Watches the folders until the worker is stopped, and returns what became of the messages.
///
/// A folder that cannot be read is no error: it is tried again, said once in the log and by `/healthz` as long as it
/// lasts.
///
/// # Errors
/// When the drop folder cannot be made, or a loop panics; the other one is stopped before.
pub async fn run(worker: &Worker, config: &Config) -> Result<Counts, WorkerError> {
    if let Some(path) = &config.drop {
        std::fs::create_dir_all(path).map_err(|source| WorkerError::Folder { path: path.clone(), source })?;
    }
    // The loops' own, because one that panics stops the other, as does dropping this future.
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
    fn the_environment_says_it() {
        let config = Config::from_env(&|name: &str| (name == "LOCAL_MIRROR_PATH").then(|| "/m".to_owned()));
        assert_eq!((config.drop, config.mirror), (None, Some(PathBuf::from("/m"))));
    }
}
