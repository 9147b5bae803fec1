//! A copy of the archive that another program keeps up to date. It is only read, in order of the names, which is the
//! order of time.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::Config;
use super::take::{self, FileOutcome};
use crate::archive::mirror::{self, File};
use crate::ingest::Counts;
use crate::platform::clock;
use crate::worker::Worker;

/// A program that copies several files at a time does not write them in order. This many of the last keys are
/// remembered, and a new file between them is still ingested.
const REMEMBERED: usize = 10_000;
/// A file that changed within this time may still be being written.
const SETTLED: Duration = Duration::from_secs(1);

/// The name of the folder in the health of the worker.
const PART: &str = "mirror";

/// Watches a folder until the worker is stopped.
pub(super) async fn watch(worker: &Worker, config: &Config, root: PathBuf) -> Counts {
    worker.health.expect(PART);
    tracing::info!(folder = %root.display(), "reading the mirror");
    let mut total = Counts::default();
    let mut failures = 0;
    let mut taken = Taken::default();
    // Probes the database before the first file is read.
    worker.idle(&mut failures).await;
    while worker.ready(&mut failures).await {
        let found = take::report_listing(worker, PART, mirror::after(&root, &taken.floor));
        let new = taken.new_of(found, SystemTime::from(clock::now()));
        let settle = |file: &File, outcome| match outcome {
            // A file that cannot be read needs an operator; the next start retries it.
            FileOutcome::Done | FileOutcome::Failed => taken.insert(&file.key),
            FileOutcome::Retry | FileOutcome::Gone => {}
        };
        total.add(take::all(worker, PART, &new, config.batch_deadline, &mut failures, settle).await);
        worker.stop.sleep(config.interval).await;
        worker.idle(&mut failures).await;
    }
    total
}

/// The files that were ingested: all up to the key `floor`, and `keys` after it.
#[derive(Default)]
struct Taken {
    floor: String,
    keys: BTreeSet<String>,
}

impl Taken {
    /// Those files that were not ingested yet and are not being written.
    fn new_of(&self, found: Vec<File>, now: SystemTime) -> Vec<File> {
        let settled = |file: &File| {
            // A time in the future comes from the clock of another machine: the file is ingested.
            let age = file.stamp.modified.and_then(|modified| now.duration_since(modified).ok());
            age.is_none_or(|age| age >= SETTLED)
        };
        found.into_iter().filter(|file| !self.keys.contains(&file.key) && settled(file)).collect()
    }

    /// Remembers a file. When there are too many, the first key becomes the floor.
    fn insert(&mut self, key: &str) {
        self.keys.insert(key.to_owned());
        if self.keys.len() > REMEMBERED
            && let Some(floor) = self.keys.pop_first()
        {
            self.floor = floor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::mirror::Stamp;

    #[test]
    fn late_files_are_ingested_and_old_ones_forgotten() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let file = |key: &str, age| File {
            key: key.to_owned(),
            path: PathBuf::new(),
            stamp: Stamp { size: 1, modified: now.checked_sub(Duration::from_millis(age)) },
        };
        let mut taken = Taken::default();
        taken.insert("b");
        let new = taken.new_of(vec![file("a", 1000), file("b", 1000), file("c", 999)], now);
        assert_eq!(new.into_iter().map(|file| file.key).collect::<Vec<_>>(), ["a"]);
        for number in 0..REMEMBERED {
            taken.insert(&format!("c{number:06}"));
        }
        assert_eq!((taken.floor.as_str(), taken.keys.len()), ("b", REMEMBERED));
    }
}
