//! Ingests files in batches.

use std::io;
use std::time::Duration;

use metrics::counter;

use crate::archive::mirror::{File, Unreadable};
use crate::ingest::{Counts, Outcome};
use crate::platform::failure::chain;
use crate::transport::Delivery;
use crate::transport::lambda::Invocation;
use crate::worker::{Worker, count_failure};

/// Files in a batch.
const BATCH_FILES: usize = 100;
/// Bytes of files in a batch; a larger file is a batch by itself.
const BATCH_BYTES: u64 = 8 << 20;
/// Largest file that is read, because it is held in memory. Larger ones can be ingested by backfill.
const MOST_BYTES: u64 = 256 << 20;

/// The outcome of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileOutcome {
    /// Each message in it is stored, outdated, ignored, or rejected (in the table `refused`).
    Done,
    /// A message in it could not be tried and is to be retried.
    Retry,
    /// The file cannot be read; that was logged.
    Failed,
    /// The file does not exist any more.
    Gone,
}

/// The first files of a list, as many as fit into a batch.
fn batch(files: &[File]) -> &[File] {
    let mut bytes = 0;
    let fits = files.iter().take(BATCH_FILES).take_while(|file| {
        bytes += file.stamp.size;
        bytes <= BATCH_BYTES
    });
    &files[..fits.count().max(1).min(files.len())]
}

/// Ingests files, and calls `settle` with the outcome of each. Returns the counts of their messages. Stops early after
/// a failed batch and when the worker is stopped; the next listing finds the remaining files.
pub(super) async fn all(
    worker: &Worker,
    part: &'static str,
    files: &[File],
    within: Duration,
    failures: &mut u32,
    mut settle: impl FnMut(&File, FileOutcome),
) -> Counts {
    let mut total = Counts::default();
    let mut rest = files;
    while !rest.is_empty() && !worker.stop.is_set() {
        let batch = batch(rest);
        rest = &rest[batch.len()..];
        let Some((outcomes, counts)) = ingest(worker, batch, within, failures).await else { break };
        total.add(counts);
        for (file, outcome) in batch.iter().zip(outcomes) {
            settle(file, outcome);
        }
        if *failures > 0 {
            break;
        }
        // Reported after each batch, because the first listing of an archive has many.
        worker.health.ok(part);
    }
    total
}

/// Ingests a batch of files. Returns the outcome of each, in order, and the counts of their messages; `None` when the
/// worker was stopped and the batch did not end in time.
async fn ingest(
    worker: &Worker,
    files: &[File],
    within: Duration,
    failures: &mut u32,
) -> Option<(Vec<FileOutcome>, Counts)> {
    // `owners` holds for each delivery the number of its file.
    let (mut deliveries, mut owners, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for (number, file) in files.iter().enumerate() {
        outcomes.push(match read(file) {
            Ok(found) => {
                owners.extend(found.iter().map(|_| number));
                deliveries.extend(found);
                FileOutcome::Done
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => FileOutcome::Gone,
            Err(error) => {
                counter!("files_failed").increment(1);
                tracing::error!(file.path = %file.path.display(), error = %error, "cannot read a file of messages");
                FileOutcome::Failed
            }
        });
    }
    let mut counts = Counts::default();
    if !deliveries.is_empty() {
        let report = worker.ingest(&deliveries, within).await?;
        count_failure(failures, &report);
        counts.add(report.counts());
        for (owner, outcome) in owners.iter().zip(report.outcomes()) {
            if *outcome == Outcome::Retry {
                outcomes[*owner] = FileOutcome::Retry;
            }
        }
    }
    Some((outcomes, counts))
}

/// Reads the messages of a file. Messages without an id get the name of the file. `Err` when the file cannot be read.
fn read(file: &File) -> io::Result<Vec<Delivery>> {
    let mut invocation = Invocation::read(&file.read(MOST_BYTES)?);
    invocation.name_parts(&file.key);
    Ok(invocation.deliveries)
}

/// Reports the result of listing a folder to the health, and logs a change. Returns the files; none when it failed.
pub(super) fn report_listing(worker: &Worker, part: &'static str, found: Result<Vec<File>, Unreadable>) -> Vec<File> {
    match found {
        Ok(files) => {
            if worker.health.ok(part) {
                tracing::info!(part, "the folder can be read again");
            }
            files
        }
        Err(error) => {
            if worker.health.failed(part, &chain(&error)) {
                tracing::error!(part, error = chain(&error), "cannot list the folder, retrying");
            }
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::mirror::Stamp;

    #[test]
    fn a_batch_is_bounded_but_never_empty() {
        let file =
            |size| File { key: String::new(), path: std::path::PathBuf::new(), stamp: Stamp { size, modified: None } };
        assert_eq!(batch(&vec![file(1); 250]).len(), 100);
        assert_eq!(batch(&vec![file(3 << 20); 5]).len(), 2);
        assert_eq!(batch(&[file(9 << 20), file(1)]).len(), 1);
        assert!(batch(&[]).is_empty());
    }
}
