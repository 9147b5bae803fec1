//! A folder that files are put into. What is done with is moved to `.done` in it, what cannot be read to `.failed`.

use std::collections::HashMap;
use std::path::PathBuf;

use super::Config;
use super::take::{self, Fate};
use crate::archive::mirror::{self, File, Stamp};
use crate::pipeline::Counts;
use crate::worker::Worker;

/// The folder, as a part whose health is watched.
const PART: &str = "drop folder";

/// Watches a folder until the stop.
pub(super) async fn watch(worker: &Worker, config: &Config, root: PathBuf) -> Counts {
    worker.health.expect(PART);
    tracing::info!(folder = %root.display(), "watching for files");
    let mut total = Counts::default();
    let mut failures = 0;
    let mut seen = Seen::default();
    // Nothing is known of the database yet.
    worker.idle(&mut failures).await;
    while worker.ready(&mut failures).await {
        let whole = seen.whole(take::looked(worker, PART, mirror::after(&root, "")));
        let settle = |file: &File, fate| match fate {
            Fate::Done => seen.move_away(file, ".done"),
            Fate::Failed => seen.move_away(file, ".failed"),
            Fate::Again | Fate::Gone => {}
        };
        total.add(take::all(worker, PART, &whole, config.batch_deadline, &mut failures, settle).await);
        worker.stop.sleep(config.interval).await;
        worker.idle(&mut failures).await;
    }
    total
}

/// What is known of the files from the look before.
#[derive(Default)]
struct Seen {
    stamps: HashMap<String, Stamp>,
    /// Done with, but they cannot be moved: not to be taken again unless they change.
    stuck: HashMap<String, Stamp>,
}

impl Seen {
    /// Those files that have not changed since the look before, so that nobody is writing them.
    fn whole(&mut self, found: Vec<File>) -> Vec<File> {
        let stamps = found.iter().map(|file| (file.key.clone(), file.stamp)).collect();
        let before = std::mem::replace(&mut self.stamps, stamps);
        self.stuck.retain(|key, _| self.stamps.contains_key(key));
        let is = |stamps: &HashMap<String, Stamp>, file: &File| stamps.get(&file.key) == Some(&file.stamp);
        found.into_iter().filter(|file| is(&before, file) && !is(&self.stuck, file)).collect()
    }

    /// Moves a file into a folder of the root, below which it keeps its path.
    fn move_away(&mut self, file: &File, folder: &str) {
        if let Err(error) = file.move_into(folder) {
            tracing::error!(file.path = %file.path.display(), error = %error, "cannot move a file away, leaving it");
            self.stuck.insert(file.key.clone(), file.stamp);
        }
    }
}
