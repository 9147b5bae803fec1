//! A summary of the database in a few lines, for people who have just started it.

use crate::db::{StoreError, Tx};

/// The summary of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSummary {
    /// Its name.
    pub table: String,
    /// Number of rows.
    pub rows: i64,
    /// Rows by state or by another column: `state count, ..`.
    pub detail: String,
}

/// Counts the rows of all tables. Reads them completely: for small databases.
///
/// # Errors
/// When the statement fails.
pub async fn summary(tx: &Tx<'_>) -> Result<Vec<TableSummary>, StoreError> {
    let rows = tx.query(include_str!("sql/summary.sql"), &[]).await?;
    let read = |row: &tokio_postgres::Row| TableSummary {
        table: row.get("name"),
        rows: row.get("rows"),
        detail: row.get("detail"),
    };
    Ok(rows.iter().map(read).collect())
}

/// Names of the tables that hold data, except those that a migration or a deliverer fills by itself. Partitions have
/// their own names. A table whose rows were deleted may be among them until it is vacuumed.
///
/// # Errors
/// When the statement fails.
pub async fn filled_tables(tx: &Tx<'_>) -> Result<Vec<String>, StoreError> {
    let rows = tx.query(include_str!("sql/filled_tables.sql"), &[]).await?;
    Ok(rows.iter().map(|row| row.get("name")).collect())
}
