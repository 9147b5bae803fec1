//! Marks on what got stuck.

use jiff::Timestamp;

use crate::konflux::rules;
use crate::store::{Stale, StoreError, Tx};

/// Marks runs and releases that are past their time and of which nothing more was heard, or only finds them.
/// Changes nothing but the mark.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(tx: &Tx<'_>, now: Timestamp, mark: bool) -> Result<Vec<Stale>, StoreError> {
    let types: Vec<&str> = rules::PATIENCE.iter().map(|(kind, _)| *kind).collect();
    let seconds: Vec<i64> = rules::PATIENCE.iter().map(|(_, hours)| i64::from(*hours) * 3600).collect();
    let silence = i64::from(rules::SILENCE) * 3600;
    let runs = include_str!("sql/mark_stale_pipelineruns.sql");
    let runs = tx.query(runs, &[&types, &seconds, &silence, &now, &mark]).await?;
    let releases = include_str!("sql/mark_stale_releases.sql");
    let seconds = i64::from(rules::RELEASE_PATIENCE) * 3600;
    let releases = tx.query(releases, &[&seconds, &silence, &now, &mark]).await?;
    let read = |kind: &'static str| {
        move |row: &tokio_postgres::Row| Stale {
            kind,
            name: row.get("name"),
            state: row.get("state"),
            since: row.get("since"),
        }
    };
    Ok(runs.iter().map(read("pipelinerun")).chain(releases.iter().map(read("release"))).collect())
}
