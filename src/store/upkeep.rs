//! What upkeep does to the tables of this room: partitions of `refused` by month, and how far long passes are.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{StoreError, Tx};

/// Rows of one month that are moved out of the default partition, at most: writers wait for as long as that takes.
const MOVED: i64 = 20_000;

/// Whether this transaction may do upkeep: nobody else does until it ends.
///
/// # Errors
/// When the statement fails.
pub async fn upkeep_lock(tx: &Tx<'_>) -> Result<bool, StoreError> {
    Ok(tx.query(include_str!("sql/upkeep_lock.sql"), &[]).await?.first().is_some_and(|row| row.get(0)))
}

/// A month of the table `refused`, by its first day, and whether it has a partition.
pub type Month = (Date, bool);

/// The months that have a partition; and of those from one day to another, the ones of which the default partition holds rows.
///
/// # Errors
/// When the statement fails.
pub async fn refused_months(tx: &Tx<'_>, from: Date, to: Date) -> Result<Vec<Month>, StoreError> {
    let rows = tx.query(include_str!("sql/refused_months.sql"), &[&from, &to]).await?;
    Ok(rows.iter().map(|row| (row.get("month"), row.get("made"))).collect())
}

/// Makes the partition of a month and moves what the default partition holds of it; how many rows, `None` when these are too many
/// to keep writers waiting for.
///
/// # Errors
/// When the statement fails, for instance because the table was in use for two seconds.
pub async fn make_refused_month(tx: &Tx<'_>, month: Date) -> Result<Option<i64>, StoreError> {
    let rows = tx.query(include_str!("sql/make_refused_month.sql"), &[&month, &MOVED]).await?;
    Ok(rows.first().map(|row| row.get("rows")).filter(|rows| *rows >= 0))
}

/// Drops the partition of a month; how many rows, `None` when it holds what came at the time or later.
///
/// # Errors
/// As [`make_refused_month`].
pub async fn drop_refused_month(tx: &Tx<'_>, month: Date, before: Timestamp) -> Result<Option<i64>, StoreError> {
    let rows = tx.query(include_str!("sql/drop_refused_month.sql"), &[&month, &before]).await?;
    Ok(rows.first().map(|row| row.get("rows")).filter(|rows| *rows >= 0))
}

/// Throws away what was refused before a time and is in no month's partition, at most so many. How many there were; a dry run only
/// counts them.
///
/// # Errors
/// When the statement fails.
pub async fn prune_refused(tx: &Tx<'_>, before: Timestamp, most: i64, dry_run: bool) -> Result<i64, StoreError> {
    let rows = tx.query(include_str!("sql/prune_refused.sql"), &[&before, &most, &dry_run]).await?;
    Ok(rows.first().map_or(0, |row| row.get("rows")))
}

/// Where the pass of a task goes on, empty for its beginning; `None` when the last one ended less than a day ago.
///
/// # Errors
/// When the statement fails.
pub async fn upkeep_pass(tx: &Tx<'_>, task: &str) -> Result<Option<String>, StoreError> {
    Ok(tx.query(include_str!("sql/upkeep_pass.sql"), &[&task]).await?.first().map(|row| row.get("cursor")))
}

/// Notes how far a pass is; `None` for its end.
///
/// # Errors
/// When the statement fails.
pub async fn save_upkeep_pass(tx: &Tx<'_>, task: &str, cursor: Option<&str>) -> Result<(), StoreError> {
    tx.query(include_str!("sql/save_upkeep_pass.sql"), &[&task, &cursor.unwrap_or_default()]).await?;
    Ok(())
}

/// Gathers the statistics of the partitioned tables.
///
/// # Errors
/// When the statement fails.
pub async fn analyze_partitioned(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.query(include_str!("sql/analyze_partitioned.sql"), &[]).await?;
    Ok(())
}
