//! A folder that files are dropped into. Ingested files are moved to `.done` in it, files that cannot be read to
//! `.failed`.

use std::collections::HashMap;
use std::path::PathBuf;

use super::Config;
use super::take::{self, FileOutcome};
use crate::archive::mirror::{self, File, Stamp};
use crate::ingest::Counts;
use crate::worker::Worker;

/// The name of the folder in the health of the worker.
const PART: &str = "drop folder";

/// Watches a folder until the worker is stopped.
pub(super) async fn watch(worker: &Worker, config: &Config, root: PathBuf) -> Counts {
    worker.health.expect(PART);
    tracing::info!(folder = %root.display(), "watching for files");
    let mut total = Counts::default();
    let mut failures = 0;
    let mut seen = Seen::default();
    // Probes the database before the first file is read.
    worker.idle(&mut failures).await;
    while worker.ready(&mut failures).await {
        let whole = seen.whole(take::report_listing(worker, PART, mirror::after(&root, "")));
        let settle = |file: &File, outcome| match outcome {
            FileOutcome::Done => seen.move_away(file, ".done"),
            FileOutcome::Failed => seen.move_away(file, ".failed"),
            FileOutcome::Retry | FileOutcome::Gone => {}
        };
        total.add(take::all(worker, PART, &whole, config.batch_deadline, &mut failures, settle).await);
        worker.stop.sleep(config.interval).await;
        worker.idle(&mut failures).await;
    }
    total
}

/// The files of the previous listing.
#[derive(Default)]
struct Seen {
    stamps: HashMap<String, Stamp>,
    /// Files that are done but cannot be moved: not ingested again unless they change.
    stuck: HashMap<String, Stamp>,
}

impl Seen {
    /// Those files that have not changed since the previous listing, so that they are not being written.
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
            tracing::error!(file.path = %file.path.display(), error = %error, "cannot move a file, leaving it");
            self.stuck.insert(file.key.clone(), file.stamp);
        }
    }
}
