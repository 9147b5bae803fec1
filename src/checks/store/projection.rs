//! How far the rows from before checks existed are projected.

use jiff::Timestamp;

use tokio_postgres::Row;

use crate::db::{FromRow, Reader, StoreError, Tx, shown};

/// The first table whose old rows are not all projected, and the key of the last projected one.
///
/// # Errors
/// When the statement fails.
pub async fn next_projection(tx: &Tx<'_>) -> Result<Option<(String, String)>, StoreError> {
    let rows = tx.query(include_str!("sql/next_projection.sql"), &[]).await?;
    Ok(rows.first().map(|row| (row.get("kind"), row.get("position"))))
}

/// Records that the rows of a table are projected up to a key: `rows` of them in this chunk. Without a key, all are.
///
/// # Errors
/// When the statement fails.
pub async fn advance_projection(tx: &Tx<'_>, table: &str, last: Option<&str>, rows: usize) -> Result<(), StoreError> {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    tx.query(include_str!("sql/advance_projection.sql"), &[&table, &last, &rows]).await.map(drop)
}

/// Since when old rows are being projected: commits from before may lack checks. `None` if all rows are projected.
///
/// # Errors
/// As [`Reader::read`].
pub async fn projecting_since(reader: &mut Reader) -> Result<Option<Timestamp>, StoreError> {
    let rows: Option<Unfinished> = reader.first(include_str!("sql/unfinished_projections.sql"), &[]).await?;
    Ok(rows.and_then(|row| row.begun_at))
}

/// Since when projections are unfinished; `None` if all are finished.
struct Unfinished {
    begun_at: Option<Timestamp>,
}

impl FromRow for Unfinished {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { begun_at: shown(row, "begun_at")? })
    }
}
