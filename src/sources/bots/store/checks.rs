//! Derives the checks of bots from their rows.

use jiff::Timestamp;
use tokio_postgres::Row;

use crate::checks::{Check, Lane, Touched};
use crate::db::{StoreError, Tx, shown};
use crate::outbox::State;
use crate::sources::bots::record::Status;

/// The table whose rows are checks.
pub const TABLE: &str = "bots";

/// The checks of the changed bots; a bot that is gone has none.
///
/// # Errors
/// When the statement fails.
pub async fn checks(tx: &Tx<'_>, touched: &Touched) -> Result<Vec<Check>, StoreError> {
    let names = touched.keys(TABLE);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |source| StoreError::Statement { name: "project_checks", source };
    let rows = tx.query(include_str!("sql/project_checks.sql"), &[&names]).await?;
    rows.iter().filter_map(|row| check(row).transpose()).collect::<Result<_, _>>().map_err(failed)
}

/// Locks the next bots after a name, and returns their names.
///
/// # Errors
/// When the statement fails.
pub async fn lock_rows(tx: &Tx<'_>, after: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    let rows = tx.query(include_str!("sql/lock_bots_after.sql"), &[&after, &limit]).await?;
    Ok(rows.iter().map(|row| row.get("name")).collect())
}

/// The check of a bot. Whether the bot is silent depends on the time of the question, so only what it reported counts
/// here.
fn check(row: &Row) -> Result<Option<Check>, tokio_postgres::Error> {
    let (name, status): (String, String) = (row.get("name"), row.get("status"));
    let state = match Status::of(&status) {
        Some(Status::Ok | Status::Warning) => State::Passed,
        Some(Status::Failed) => State::Failed,
        Some(Status::Gone) => return Ok(None),
        None => State::Unknown,
    };
    let at: Timestamp = shown(row, "updated_at")?;
    Ok(Some(Check {
        system: "bots".to_owned(),
        kind: TABLE.to_owned(),
        key: name.clone(),
        stage: "bot".to_owned(),
        host: String::new(),
        repo: String::new(),
        sha: None,
        branch: None,
        mr: None,
        lane: Lane::Schedule,
        run: name.clone(),
        name: format!("bot/{name}"),
        attempt: 1,
        attempt_is_whole: false,
        seq: at.as_microsecond(),
        state,
        warn: Status::of(&status) == Some(Status::Warning),
        original: status,
        optional: false,
        // The row is the newest heartbeat alone.
        ever_bad: None,
        waived_by: None,
        url: None,
        log_url: None,
        created_at: at,
        started_at: None,
        finished_at: Some(at),
        changed_at: at,
        stuck_since: None,
    }))
}
