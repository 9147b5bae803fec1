//! Puts what was refused through the pipeline once more: after this program was mended, or for another deployment's
//! settings.
//!
//! What is kept now, or known already, or recognised as not for us, is removed from the table `refused`; the rest stays
//! as it was. Removed after it is committed, so that it is safe to break off at any time, and to repeat.

use std::time::Duration;

use crate::clock::Deadline;
use crate::envelope::Delivery;
use crate::family::Settings;
use crate::pipeline::{self, Counts, Outcome};
use crate::store::refused::{Chosen, Entry, Key, forget_refused, refused_list, refused_whole};
use crate::store::{Store, StoreError};
use crate::tasks::Stop;

/// Messages that are looked up at once.
const PAGE: i64 = 1000;
/// Messages in a batch, at most.
const BATCH: usize = 200;
/// Bytes in a batch; a longer message is a batch by itself.
const BATCH_BYTES: u64 = 8 << 20;
/// How long a batch is tried while the database is away.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a replay ended early. What was removed until then is done with.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A batch could not be written.
    #[error("a batch could not be written: {0}")]
    NotWritten(String),
}

/// Replays the chosen messages, in order of their keys, until the end or the word. What became of them, and how many
/// were removed; `watch` is told so after each batch.
///
/// # Errors
/// When the database does not answer.
pub async fn replay(
    store: &Store,
    settings: &Settings,
    chosen: &Chosen,
    stop: &Stop,
    watch: impl Fn(Counts),
) -> Result<(Counts, usize), ReplayError> {
    let (mut total, mut removed) = (Counts::default(), 0);
    let mut after: Option<Key> = None;
    loop {
        let page = store
            .in_tx("refused_list", patience(), async |tx| refused_list(tx, chosen, after.as_ref(), PAGE).await)
            .await?;
        let Some(last) = page.last() else { return Ok((total, removed)) };
        let mut rest = page.as_slice();
        while !rest.is_empty() {
            if stop.is_set() {
                return Ok((total, removed));
            }
            let (batch, left) = rest.split_at(fitting(rest));
            rest = left;
            let keys: Vec<Key> = batch.iter().map(|entry| entry.key.clone()).collect();
            let (counts, gone) = batch_of(store, settings, &keys).await?;
            total.add(counts);
            removed += gone;
            watch(total);
        }
        after = Some(last.key.clone());
    }
}

/// How many of the first entries make a batch.
fn fitting(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    let fits = entries.iter().take(BATCH).take_while(|entry| {
        bytes += entry.bytes;
        bytes <= BATCH_BYTES
    });
    fits.count().max(1)
}

async fn batch_of(store: &Store, settings: &Settings, keys: &[Key]) -> Result<(Counts, usize), ReplayError> {
    let found = store.in_tx("refused_whole", patience(), async |tx| refused_whole(tx, keys).await).await?;
    let (keys, deliveries): (Vec<Key>, Vec<Delivery>) = found.into_iter().unzip();
    let report = pipeline::ingest(store, &deliveries, settings, patience()).await;
    if let Some((_, error)) = report.error {
        return Err(ReplayError::NotWritten(error));
    }
    let outcomes = keys.iter().zip(report.outcomes());
    let done = outcomes.filter(|(_, outcome)| !matches!(outcome, Outcome::Refused | Outcome::Again));
    let done: Vec<Key> = done.map(|(key, _)| key.clone()).collect();
    let removed = match done.is_empty() {
        true => 0,
        false => store.in_tx("forget_refused", patience(), async |tx| forget_refused(tx, &done).await).await?,
    };
    Ok((report.counts(), removed))
}

fn patience() -> Deadline {
    Deadline::within(PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_but_never_empty() {
        let entry = |bytes| Entry {
            key: (String::new(), jiff::Timestamp::UNIX_EPOCH),
            family: None,
            reason: String::new(),
            detail: String::new(),
            bytes,
            received_at: jiff::Timestamp::UNIX_EPOCH,
        };
        assert_eq!(fitting(&vec![entry(1); 1000]), BATCH);
        assert_eq!(fitting(&vec![entry(3 << 20); 5]), 2);
        assert_eq!(fitting(&[entry(99 << 20), entry(1)]), 1);
    }
}
