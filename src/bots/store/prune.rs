//! What is thrown away of the history.

use jiff::{SignedDuration, Timestamp};

use crate::store::{Stale, StoreError, Tx};

/// How long a heartbeat is kept that changed nothing. Pages show 30 days.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Heartbeats that are thrown away at a time; what is left comes next time.
const MOST: i64 = 20_000;

/// Throws away old heartbeats that changed nothing, with `write`. Nothing of a bot gets stuck.
///
/// # Errors
/// When the statement fails.
pub async fn sweep(tx: &Tx<'_>, now: Timestamp, write: bool) -> Result<Vec<Stale>, StoreError> {
    if write {
        let before = now.saturating_sub(KEPT).unwrap_or(Timestamp::UNIX_EPOCH);
        let beats = prune(tx, before, MOST, false, false).await?;
        if beats > 0 {
            tracing::info!(beats, "pruned");
        }
    }
    Ok(Vec::new())
}

/// Throws away heartbeats before a time, those that changed something as well, at most so many. How many there were; a dry run only
/// counts them.
///
/// # Errors
/// When the statement fails.
pub async fn prune_transitions(tx: &Tx<'_>, before: Timestamp, most: i64, dry_run: bool) -> Result<i64, StoreError> {
    prune(tx, before, most, true, dry_run).await
}

async fn prune(tx: &Tx<'_>, before: Timestamp, most: i64, all: bool, dry_run: bool) -> Result<i64, StoreError> {
    let rows = tx.query(include_str!("sql/prune_beats.sql"), &[&before, &most, &all, &dry_run]).await?;
    Ok(rows.first().map_or(0, |row| row.get("rows")))
}
