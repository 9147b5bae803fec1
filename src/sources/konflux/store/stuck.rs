//! Finds and marks stuck runs and releases.

use jiff::Timestamp;

use crate::db::{StoreError, Stuck, Tx};
use crate::sources::konflux::rules;

/// Finds runs and releases that are past their time limit and without a message since. With `mark`, sets `stale_since`;
/// changes no other column.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(tx: &Tx<'_>, now: Timestamp, mark: bool) -> Result<Vec<Stuck>, StoreError> {
    let types: Vec<&str> = rules::TIME_LIMIT.iter().map(|(kind, _)| *kind).collect();
    let seconds: Vec<i64> = rules::TIME_LIMIT.iter().map(|(_, hours)| i64::from(*hours) * 3600).collect();
    let silence = i64::from(rules::SILENCE) * 3600;
    let runs = include_str!("sql/mark_stuck_pipelineruns.sql");
    let runs = tx.query(runs, &[&types, &seconds, &silence, &now, &mark]).await?;
    let releases = include_str!("sql/mark_stuck_releases.sql");
    let seconds = i64::from(rules::RELEASE_TIME_LIMIT) * 3600;
    let releases = tx.query(releases, &[&seconds, &silence, &now, &mark]).await?;
    let read = |kind: &'static str| {
        move |row: &tokio_postgres::Row| Stuck {
            kind,
            name: row.get("name"),
            state: row.get("state"),
            since: row.get("since"),
        }
    };
    Ok(runs.iter().map(read("pipelinerun")).chain(releases.iter().map(read("release"))).collect())
}
