//! Operations on deliveries for operators: list pending and dead ones, retry them, and delete old ones.

use jiff::Timestamp;
use serde_json::Value;

use super::reads::{TARGETS, TargetRow};
use crate::db::{StoreError, Tx};

/// A delivery in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// `s` and a number for a commit status, `e` and a number for an event.
    pub id: String,
    /// Name of the target; `-` for an event without one.
    pub target: String,
    /// Description of its object.
    pub what: String,
    /// `pending`, `delivered`, `dead`, `undeliverable` or `unrouted`.
    pub state: String,
    /// Number of attempts.
    pub attempts: i32,
    /// Time of the next attempt.
    pub next_attempt_at: Option<Timestamp>,
    /// Last response of the target.
    pub reason: Option<String>,
}

/// Deliveries in a state (default: pending or dead), of one target or of all, oldest first.
///
/// # Errors
/// When the statement fails.
pub async fn list(
    tx: &Tx<'_>,
    state: Option<&str>,
    target: Option<&str>,
    most: i64,
) -> Result<Vec<Listed>, StoreError> {
    let rows = tx.query(include_str!("sql/list_deliveries.sql"), &[&state, &target, &most]).await?;
    let listed = rows.iter().map(|row| Listed {
        id: row.get("id"),
        target: row.get("target"),
        what: row.get("what"),
        state: row.get("state"),
        attempts: row.get("attempts"),
        next_attempt_at: row.get("next_attempt_at"),
        reason: row.get("reason"),
    });
    Ok(listed.collect())
}

/// All targets that ever had deliveries, by name.
///
/// # Errors
/// When the statement fails.
pub async fn targets(tx: &Tx<'_>) -> Result<Vec<TargetRow>, StoreError> {
    tx.read(TARGETS, &[]).await
}

/// All columns of a delivery, by its id; `None` when there is none.
///
/// # Errors
/// When the statement fails.
pub async fn show(tx: &Tx<'_>, id: &str) -> Result<Option<Value>, StoreError> {
    let rows = tx.query(include_str!("sql/show_delivery.sql"), &[&id]).await?;
    Ok(rows.first().map(|row| row.get("document")))
}

/// Makes deliveries due again at once and closes the circuit breakers of their targets: those with these ids, or all
/// dead ones. Returns how many.
///
/// # Errors
/// When a statement fails.
pub async fn retry(tx: &Tx<'_>, ids: Option<&[String]>, target: Option<&str>) -> Result<usize, StoreError> {
    let mut rows = tx.query(include_str!("sql/retry_statuses.sql"), &[&ids, &target]).await?;
    rows.extend(tx.query(include_str!("sql/retry_deliveries.sql"), &[&ids, &target]).await?);
    let mut targets: Vec<String> = rows.iter().map(|row| row.get("target")).collect();
    targets.sort_unstable();
    targets.dedup();
    tx.query(include_str!("sql/reopen_targets.sql"), &[&targets]).await?;
    if !rows.is_empty() {
        super::write::notify(tx, false).await?;
    }
    Ok(rows.len())
}

/// Days after which a target that no process registers is disabled: longer than any delivery waits for it.
const UNSEEN_DAYS: i32 = 8;

/// The result of [`prune_events`] for a chunk: deleted rows (in a dry run, rows to delete).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Events.
    pub events: i64,
    /// Deliveries of these events.
    pub deliveries: i64,
    /// The last event of the chunk: the next chunk begins after it.
    pub last: Option<i64>,
    /// Whether there may be more.
    pub more: bool,
}

/// Deletes, of the next `most` events after an id, those older than `days` without pending deliveries, with their
/// deliveries. A dry run only counts.
///
/// Works in chunks with a cursor, because deleted rows lie at the beginning of the table and would be scanned again
/// each time.
///
/// # Errors
/// When the statement fails.
pub async fn prune_events(tx: &Tx<'_>, after: i64, most: i64, days: i32, dry_run: bool) -> Result<Pruned, StoreError> {
    let rows = tx.query(include_str!("sql/prune_outbox.sql"), &[&after, &most, &days, &dry_run]).await?;
    let pruned = rows.first().map(|row| Pruned {
        events: row.get("events"),
        deliveries: row.get("deliveries"),
        last: row.get("last"),
        more: row.get("more"),
    });
    Ok(pruned.unwrap_or_default())
}

/// Deletes up to `most` events that waited for a target and that none can receive any more, and disables targets that
/// no process has registered for 8 days (`UNSEEN_DAYS`). Returns the number of events; a dry run only counts them.
///
/// # Errors
/// When a statement fails.
pub async fn prune_unrouted(tx: &Tx<'_>, most: i64, dry_run: bool) -> Result<i64, StoreError> {
    tx.query(include_str!("sql/disable_unseen_targets.sql"), &[&UNSEEN_DAYS, &dry_run]).await?;
    let rows = tx.query(include_str!("sql/prune_unrouted.sql"), &[&most, &dry_run]).await?;
    Ok(rows.first().map_or(0, |row| row.get("events")))
}

/// Ends deliveries that wait for targets which have been disabled for an hour, at most `most` of each kind: they are
/// `dead`, with the reason. [`retry`] sends them when the target is there again. Returns the number; a dry run only
/// counts.
///
/// # Errors
/// When a statement fails.
pub async fn end_disabled(tx: &Tx<'_>, most: i64, dry_run: bool) -> Result<i64, StoreError> {
    let mut ended = 0;
    for sql in [include_str!("sql/end_disabled_statuses.sql"), include_str!("sql/end_disabled_deliveries.sql")] {
        let rows = tx.query(sql, &[&most, &dry_run]).await?;
        ended += rows.first().map_or(0, |row| row.get::<_, i64>("rows"));
    }
    Ok(ended)
}

/// Deletes up to `most` commit statuses older than `days`, and check runs likewise. Returns the number of statuses; a
/// dry run only counts them.
///
/// # Errors
/// When the statement fails.
pub async fn prune_statuses(tx: &Tx<'_>, days: i32, most: i64, dry_run: bool) -> Result<i64, StoreError> {
    tx.query(include_str!("sql/prune_check_runs.sql"), &[&days, &most, &dry_run]).await?;
    let rows = tx.query(include_str!("sql/prune_statuses.sql"), &[&days, &most, &dry_run]).await?;
    Ok(rows.first().map_or(0, |row| row.get("statuses")))
}
