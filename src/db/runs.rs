//! The table `backfill_runs`: parameters, progress and owner of each run.

use std::time::Duration;

use jiff::Timestamp;

use super::{StoreError, Tx};

/// A run of backfill.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Parameters of the run: JSON.
    pub parameters: String,
    /// `running`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// The last key up to which all data is committed; `None` before the first.
    pub cursor: Option<String>,
    /// Counters: JSON.
    pub counts: String,
    /// Objects that could not be read: JSON, an array of `{"key", "reason"}`.
    pub unreadable: String,
    /// Why it failed.
    pub error: Option<String>,
    /// The process that works on it, or that was last heard of.
    pub owner: Option<String>,
    /// Whether its lease is valid: its owner was heard of within the lease time.
    pub is_worked_on: bool,
    /// How often it was started or continued.
    pub invocations: i32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// The progress of a run.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'p> {
    /// See [`Run::cursor`].
    pub cursor: Option<&'p str>,
    /// See [`Run::counts`].
    pub counts: &'p str,
    /// See [`Run::unreadable`]; `None` when it has not changed.
    pub unreadable: Option<&'p str>,
}

/// Creates a run; an existing run with this id stays unchanged.
///
/// # Errors
/// When the statement fails.
pub async fn create_run(tx: &Tx<'_>, id: &str, parameters: &str, counts: &str) -> Result<(), StoreError> {
    tx.query(include_str!("sql/create_run.sql"), &[&id, &parameters, &counts]).await?;
    Ok(())
}

/// Leases a run in one of the states to an owner, unless another owner has been heard of within the `lease` time.
/// Returns whether it was leased.
///
/// # Errors
/// When the statement fails.
pub async fn claim_run(
    tx: &Tx<'_>,
    id: &str,
    owner: &str,
    states: &[&str],
    lease: Duration,
) -> Result<bool, StoreError> {
    let claimed = tx.query(include_str!("sql/claim_run.sql"), &[&id, &owner, &states, &lease.as_secs_f64()]).await?;
    Ok(!claimed.is_empty())
}

/// Saves the progress of a run and renews the lease. Returns its state; `None` when another owner has the lease by now.
///
/// # Errors
/// When the statement fails.
pub async fn save_run(
    tx: &Tx<'_>,
    id: &str,
    owner: &str,
    progress: Progress<'_>,
) -> Result<Option<String>, StoreError> {
    let Progress { cursor, counts, unreadable } = progress;
    let saved = tx.query(include_str!("sql/save_run.sql"), &[&id, &owner, &cursor, &counts, &unreadable]).await?;
    Ok(saved.first().map(|row| row.get(0)))
}

/// Ends the lease of a run: with a final state, and an error if that is `failed`; or with `None`, to be continued
/// later. Returns its state; `None` when another owner has the lease by now.
///
/// # Errors
/// When the statement fails.
pub async fn end_run(
    tx: &Tx<'_>,
    id: &str,
    owner: &str,
    state: Option<&str>,
    error: Option<&str>,
) -> Result<Option<String>, StoreError> {
    let ended = tx.query(include_str!("sql/end_run.sql"), &[&id, &owner, &state, &error]).await?;
    Ok(ended.first().map(|row| row.get(0)))
}

/// Cancels a run; its owner then stops. `false` when no such run is running.
///
/// # Errors
/// When the statement fails.
pub async fn cancel_run(tx: &Tx<'_>, id: &str) -> Result<bool, StoreError> {
    Ok(!tx.query(include_str!("sql/cancel_run.sql"), &[&id]).await?.is_empty())
}

/// The run with an id, or up to `most` of the latest ones.
///
/// # Errors
/// When the statement fails.
pub async fn runs(tx: &Tx<'_>, id: Option<&str>, most: i64, lease: Duration) -> Result<Vec<Run>, StoreError> {
    let rows = tx.query(include_str!("sql/runs.sql"), &[&id, &most, &lease.as_secs_f64()]).await?;
    let read = |row: &tokio_postgres::Row| Run {
        id: row.get("id"),
        parameters: row.get("parameters"),
        state: row.get("state"),
        cursor: row.get("cursor"),
        counts: row.get("counts"),
        unreadable: row.get("unreadable"),
        error: row.get("error"),
        owner: row.get("owner"),
        is_worked_on: row.get("is_worked_on"),
        invocations: row.get("invocations"),
        started_at: row.get("started_at"),
        ended_at: row.get("ended_at"),
    };
    Ok(rows.iter().map(read).collect())
}
