//! Maintenance of the tables of this module: monthly partitions of `refused`, and the progress of long passes.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{StoreError, Tx};

/// Most rows of one month that are moved out of the default partition: writers wait for that time.
const MOVED: i64 = 20_000;

/// Takes the maintenance lock for this transaction; `false` when another process has it.
///
/// # Errors
/// When the statement fails.
pub async fn maintenance_lock(tx: &Tx<'_>) -> Result<bool, StoreError> {
    Ok(tx.query(include_str!("sql/maintenance_lock.sql"), &[]).await?.first().is_some_and(|row| row.get(0)))
}

/// A month of the table `refused`, by its first day, and whether it has a partition.
pub type Month = (Date, bool);

/// The months that have a partition; and the months between two days for which the default partition holds rows.
///
/// # Errors
/// When the statement fails.
pub async fn rejected_months(tx: &Tx<'_>, from: Date, to: Date) -> Result<Vec<Month>, StoreError> {
    let rows = tx.query(include_str!("sql/rejected_months.sql"), &[&from, &to]).await?;
    Ok(rows.iter().map(|row| (row.get("month"), row.get("made"))).collect())
}

/// Creates the partition of a month and moves its rows there from the default partition. Returns how many; `None` when
/// there are too many to keep writers waiting for.
///
/// # Errors
/// When the statement fails, for instance because the table was in use for two seconds.
pub async fn make_rejected_month(tx: &Tx<'_>, month: Date) -> Result<Option<i64>, StoreError> {
    let rows = tx.query(include_str!("sql/make_rejected_month.sql"), &[&month, &MOVED]).await?;
    Ok(rows.first().map(|row| row.get("rows")).filter(|rows| *rows >= 0))
}

/// Drops the partition of a month. Returns how many rows it had; `None` when it holds rows received at `before` or
/// later.
///
/// # Errors
/// As [`make_rejected_month`].
pub async fn drop_rejected_month(tx: &Tx<'_>, month: Date, before: Timestamp) -> Result<Option<i64>, StoreError> {
    let rows = tx.query(include_str!("sql/drop_rejected_month.sql"), &[&month, &before]).await?;
    Ok(rows.first().map(|row| row.get("rows")).filter(|rows| *rows >= 0))
}

/// Deletes up to `most` messages that were rejected before a time and are in no monthly partition. Returns how many; a
/// dry run only counts them.
///
/// # Errors
/// When the statement fails.
pub async fn prune_rejected(tx: &Tx<'_>, before: Timestamp, most: i64, dry_run: bool) -> Result<i64, StoreError> {
    let rows = tx.query(include_str!("sql/prune_rejected.sql"), &[&before, &most, &dry_run]).await?;
    Ok(rows.first().map_or(0, |row| row.get("rows")))
}

/// The cursor of the pass of a task, empty at its beginning; `None` when the last pass ended less than a day ago.
///
/// # Errors
/// When the statement fails.
pub async fn maintenance_pass(tx: &Tx<'_>, task: &str) -> Result<Option<String>, StoreError> {
    Ok(tx.query(include_str!("sql/maintenance_pass.sql"), &[&task]).await?.first().map(|row| row.get("cursor")))
}

/// Saves the cursor of a pass; `None` ends it.
///
/// # Errors
/// When the statement fails.
pub async fn save_maintenance_pass(tx: &Tx<'_>, task: &str, cursor: Option<&str>) -> Result<(), StoreError> {
    tx.query(include_str!("sql/save_maintenance_pass.sql"), &[&task, &cursor.unwrap_or_default()]).await?;
    Ok(())
}

/// Runs `ANALYZE` on the partitioned tables.
///
/// # Errors
/// When the statement fails.
pub async fn analyze_partitioned(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.query(include_str!("sql/analyze_partitioned.sql"), &[]).await?;
    Ok(())
}
