//! Retention of heartbeats.

use jiff::{SignedDuration, Timestamp};

use crate::db::{StoreError, Stuck, Tx};

/// How long a heartbeat that did not change the status is kept. The web UI shows 30 days.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Most heartbeats that one sweep deletes; the next one goes on.
const MOST: i64 = 20_000;

/// With `write`, deletes old heartbeats that did not change the status. Returns no stuck objects: a bot has none.
///
/// # Errors
/// When the statement fails.
pub async fn sweep(tx: &Tx<'_>, now: Timestamp, write: bool) -> Result<Vec<Stuck>, StoreError> {
    if write {
        let before = now.saturating_sub(KEPT).unwrap_or(Timestamp::UNIX_EPOCH);
        let beats = prune(tx, before, MOST, false, false).await?;
        if beats > 0 {
            tracing::info!(beats, "pruned");
        }
    }
    Ok(Vec::new())
}

/// Deletes up to `most` heartbeats before a time, including those that changed the status. Returns how many; a dry run
/// only counts them.
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
