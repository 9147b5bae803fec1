//! Deliveries for people: what waits and what is dead, to be looked at, sent again, and thrown away when it is old.

use jiff::Timestamp;
use serde_json::Value;

use super::reads::TargetRow;
use crate::store::{StoreError, Tx};

/// A delivery in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// `s` and a number for a commit status, `e` and a number for an event.
    pub id: String,
    /// Name of the target; `-` for an event that leads nowhere.
    pub target: String,
    /// What it is about.
    pub what: String,
    /// `pending`, `delivered`, `dead`, `undeliverable` or `unrouted`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried next.
    pub next_attempt_at: Option<Timestamp>,
    /// What the target said last.
    pub reason: Option<String>,
}

/// Those in a state (or what is pending or dead), of one target or of all, oldest first.
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

/// Targets with their breakers and what waits for them.
pub(super) const TARGETS: &str = include_str!("sql/list_targets.sql");

/// All targets that were ever worked for, by name.
///
/// # Errors
/// When the statement fails.
pub async fn targets(tx: &Tx<'_>) -> Result<Vec<TargetRow>, StoreError> {
    tx.read(TARGETS, &[]).await
}

/// All that is known of one, by its id; `None` when there is none.
///
/// # Errors
/// When the statement fails.
pub async fn show(tx: &Tx<'_>, id: &str) -> Result<Option<Value>, StoreError> {
    let rows = tx.query(include_str!("sql/show_delivery.sql"), &[&id]).await?;
    Ok(rows.first().map(|row| row.get("document")))
}

/// Has deliveries tried again now, and their targets opened: those with these ids, or all dead ones. Returns how many.
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
        super::place::notify(tx, false).await?;
    }
    Ok(rows.len())
}

/// Days after which a target that no process names is gone: longer than anything waits for it.
const UNSEEN_DAYS: i32 = 8;

/// What [`prune_events`] threw away of a page, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Events.
    pub events: i64,
    /// Deliveries of them.
    pub deliveries: i64,
    /// The last event of the page: the next one begins after it.
    pub last: Option<i64>,
    /// Whether there may be more.
    pub more: bool,
}

/// Throws away those of the next `most` events after an id that came before so many days and of which nothing waits, with their
/// deliveries. A dry run only counts.
///
/// Page by page, because what is thrown away lies at the beginning of the table, and would be passed again and again.
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

/// Throws away events that waited for a target and that none can receive any more, at most so many, and has targets receive nothing
/// that no process has named for so many days. How many events there were; a dry run only counts them.
///
/// # Errors
/// When a statement fails.
pub async fn prune_unrouted(tx: &Tx<'_>, most: i64, dry_run: bool) -> Result<i64, StoreError> {
    tx.query(include_str!("sql/disable_unseen_targets.sql"), &[&UNSEEN_DAYS, &dry_run]).await?;
    let rows = tx.query(include_str!("sql/prune_unrouted.sql"), &[&most, &dry_run]).await?;
    Ok(rows.first().map_or(0, |row| row.get("events")))
}

/// Gives up what waits for targets that have been disabled for an hour, at most so many of each kind: it is `dead`, with the reason, and
/// [`retry`] has it sent when the target is there again. How many there were; a dry run only counts them.
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

/// Throws away what commits were told before so many days, at most so many. How many there were; a dry run only counts them.
///
/// # Errors
/// When the statement fails.
pub async fn prune_statuses(tx: &Tx<'_>, days: i32, most: i64, dry_run: bool) -> Result<i64, StoreError> {
    tx.query(include_str!("sql/prune_check_runs.sql"), &[&days, &most, &dry_run]).await?;
    let rows = tx.query(include_str!("sql/prune_statuses.sql"), &[&days, &most, &dry_run]).await?;
    Ok(rows.first().map_or(0, |row| row.get("statuses")))
}
