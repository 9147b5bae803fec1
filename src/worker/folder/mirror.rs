//! A copy of the archive, kept up to date by somebody else. Only read, in order of the names, which is that of time.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::Config;
use super::take::{self, Fate};
use crate::archive::mirror::{self, File};
use crate::clock;
use crate::pipeline::Counts;
use crate::worker::Worker;

/// Who copies with several hands does not put files in order. So many of the last keys are remembered, and a file that
/// comes to lie between them is still taken.
const REMEMBERED: usize = 10_000;
/// A file that changed more recently may be being written.
const SETTLED: Duration = Duration::from_secs(1);

/// The folder, as a part whose health is watched.
const PART: &str = "mirror";

/// Watches a folder until the stop.
pub(super) async fn watch(worker: &Worker, config: &Config, root: PathBuf) -> Counts {
    worker.health.expect(PART);
    tracing::info!(folder = %root.display(), "reading the mirror");
    let mut total = Counts::default();
    let mut failures = 0;
    let mut taken = Taken::default();
    // Nothing is known of the database yet.
    worker.idle(&mut failures).await;
    while worker.ready(&mut failures).await {
        let found = take::looked(worker, PART, mirror::after(&root, &taken.floor));
        let new = taken.new_of(found, SystemTime::from(clock::now()));
        let settle = |file: &File, fate| match fate {
            // What cannot be read stays so until somebody looks; the next start tries it again.
            Fate::Done | Fate::Failed => taken.insert(&file.key),
            Fate::Again | Fate::Gone => {}
        };
        total.add(take::all(worker, PART, &new, config.batch_deadline, &mut failures, settle).await);
        worker.stop.sleep(config.interval).await;
        worker.idle(&mut failures).await;
    }
    total
}

/// Which files were taken: all up to a key, and some after it.
#[derive(Default)]
struct Taken {
    floor: String,
    keys: BTreeSet<String>,
}

impl Taken {
    /// Those files that were not taken yet and are not being written.
    fn new_of(&self, found: Vec<File>, now: SystemTime) -> Vec<File> {
        let settled = |file: &File| {
            // A time in the future (another machine's clock) says nothing: it is taken.
            let age = file.stamp.modified.and_then(|modified| now.duration_since(modified).ok());
            age.is_none_or(|age| age >= SETTLED)
        };
        found.into_iter().filter(|file| !self.keys.contains(&file.key) && settled(file)).collect()
    }

    /// Remembers a file; forgets the oldest, and all before it with it.
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
    fn late_files_are_taken_and_old_ones_forgotten() {
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
