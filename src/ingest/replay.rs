//! Ingests rejected messages again, after this program was fixed or with the settings of another deployment.
//!
//! A message that is now kept, already known, or recognised as not for us is removed from the table `refused`; the
//! others stay unchanged. It is removed after its data is committed, so that a replay can be interrupted at any time
//! and repeated (it is idempotent).

use std::time::Duration;

use crate::db::rejected::{Chosen, Entry, Key, forget_rejected, rejected_list, rejected_whole};
use crate::db::{Store, StoreError};
use crate::ingest::{self, Counts, Outcome};
use crate::platform::clock::Deadline;
use crate::platform::shutdown::Stop;
use crate::sources::Settings;
use crate::transport::Delivery;

/// Messages that are listed at a time.
const CHUNK: i64 = 1000;
/// Most messages in a batch.
const BATCH: usize = 200;
/// Bytes in a batch; a longer message is a batch by itself.
const BATCH_BYTES: u64 = 8 << 20;
/// How long a batch is retried while the database is away.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Why a replay ended early. Messages removed until then stay removed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A batch could not be written.
    #[error("a batch could not be written: {0}")]
    NotWritten(String),
}

/// Replays the chosen messages in order of their keys, until the end or `stop`. Returns the numbers by outcome, and how
/// many messages were removed; `watch` is called with the numbers after each batch.
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
        let chunk = store
            .in_tx("refused_list", time_limit(), async |tx| rejected_list(tx, chosen, after.as_ref(), CHUNK).await)
            .await?;
        let Some(last) = chunk.last() else { return Ok((total, removed)) };
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            if stop.is_set() {
                return Ok((total, removed));
            }
            let (batch, left) = rest.split_at(fitting(rest));
            rest = left;
            let keys: Vec<Key> = batch.iter().map(|entry| entry.key.clone()).collect();
            let (counts, gone) = replay_batch(store, settings, &keys).await?;
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

async fn replay_batch(store: &Store, settings: &Settings, keys: &[Key]) -> Result<(Counts, usize), ReplayError> {
    let found = store.in_tx("refused_whole", time_limit(), async |tx| rejected_whole(tx, keys).await).await?;
    let (keys, deliveries): (Vec<Key>, Vec<Delivery>) = found.into_iter().unzip();
    let report = ingest::ingest(store, &deliveries, settings, time_limit()).await;
    if let Some((_, error)) = report.error {
        return Err(ReplayError::NotWritten(error));
    }
    let outcomes = keys.iter().zip(report.outcomes());
    let done = outcomes.filter(|(_, outcome)| !matches!(outcome, Outcome::Rejected | Outcome::Retry));
    let done: Vec<Key> = done.map(|(key, _)| key.clone()).collect();
    let removed = match done.is_empty() {
        true => 0,
        false => store.in_tx("forget_refused", time_limit(), async |tx| forget_rejected(tx, &done).await).await?,
    };
    Ok((report.counts(), removed))
}

fn time_limit() -> Deadline {
    Deadline::within(TIME_LIMIT)
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
