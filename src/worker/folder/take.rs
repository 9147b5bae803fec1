//! Ingests files, batch by batch.

use std::io;
use std::time::Duration;

use metrics::counter;

use crate::archive::mirror::{File, Unreadable};
use crate::envelope::Delivery;
use crate::envelope::lambda::Invocation;
use crate::pipeline::{Counts, Outcome};
use crate::store::chain;
use crate::worker::{Worker, count_failure};

/// Files in a batch.
const BATCH_FILES: usize = 100;
/// Bytes of files in a batch; a larger file is a batch by itself.
const BATCH_BYTES: u64 = 8 << 20;
/// A file is read at once, so there is a limit. What is larger is a case for backfill.
const MOST_BYTES: u64 = 256 << 20;
/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// All in it is kept, known, not for us, or in the table `refused`.
    Done,
    /// Something in it could not be tried.
    Again,
    /// It cannot be read; that was logged.
    Failed,
    /// It is not there any more.
    Gone,
}

/// The first files of a list that make a batch.
fn batch(files: &[File]) -> &[File] {
    let mut bytes = 0;
    let fits = files.iter().take(BATCH_FILES).take_while(|file| {
        bytes += file.stamp.size;
        bytes <= BATCH_BYTES
    });
    &files[..fits.count().max(1).min(files.len())]
}

/// Ingests files and tells `settle` the fate of each. Returns the counts of their messages. Stops early after a batch
/// that failed, and when the worker is stopped: the next look finds the rest.
pub(super) async fn all(
    worker: &Worker,
    part: &'static str,
    files: &[File],
    within: Duration,
    failures: &mut u32,
    mut settle: impl FnMut(&File, Fate),
) -> Counts {
    let mut total = Counts::default();
    let mut rest = files;
    while !rest.is_empty() && !worker.stop.is_set() {
        let batch = batch(rest);
        rest = &rest[batch.len()..];
        let Some((fates, counts)) = ingest(worker, batch, within, failures).await else { break };
        total.add(counts);
        for (file, fate) in batch.iter().zip(fates) {
            settle(file, fate);
        }
        if *failures > 0 {
            break;
        }
        // The first look at an archive takes long.
        worker.health.ok(part);
    }
    total
}

/// Ingests a batch of files. Returns the fate of each, in order, and the counts of their messages; `None` when the
/// worker was stopped and the batch did not end in time.
async fn ingest(worker: &Worker, files: &[File], within: Duration, failures: &mut u32) -> Option<(Vec<Fate>, Counts)> {
    let (mut deliveries, mut owners, mut fates) = (Vec::new(), Vec::new(), Vec::new());
    for (number, file) in files.iter().enumerate() {
        fates.push(match read(file) {
            Ok(found) => {
                owners.extend(found.iter().map(|_| number));
                deliveries.extend(found);
                Fate::Done
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Fate::Gone,
            Err(error) => {
                counter!("files_failed").increment(1);
                tracing::error!(file.path = %file.path.display(), error = %error, "cannot read a file of messages");
                Fate::Failed
            }
        });
    }
    let mut counts = Counts::default();
    if !deliveries.is_empty() {
        let report = worker.ingest(&deliveries, within).await?;
        count_failure(failures, &report);
        counts.add(report.counts());
        for (owner, outcome) in owners.iter().zip(report.outcomes()) {
            if *outcome == Outcome::Again {
                fates[*owner] = Fate::Again;
            }
        }
    }
    Some((fates, counts))
}

/// What a file delivers. Parts without an id of their own are named by the file. `Err` when it cannot be read.
fn read(file: &File) -> io::Result<Vec<Delivery>> {
    let mut invocation = Invocation::read(&file.read(MOST_BYTES)?);
    invocation.name_parts(&file.key);
    Ok(invocation.deliveries)
}

/// The outcome of a look at a folder, said by health and log when it has changed.
pub(super) fn looked(worker: &Worker, part: &'static str, found: Result<Vec<File>, Unreadable>) -> Vec<File> {
    match found {
        Ok(files) => {
            if worker.health.ok(part) {
                tracing::info!(part, "the folder can be read again");
            }
            files
        }
        Err(error) => {
            if worker.health.failed(part, &chain(&error)) {
                tracing::error!(part, error = chain(&error), "cannot look for files, trying on");
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
