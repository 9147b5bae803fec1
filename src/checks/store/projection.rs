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

/// The first table whose rows from before series existed are not all settled, and the key of the last settled one.
///
/// # Errors
/// When the statement fails.
pub async fn next_series_projection(tx: &Tx<'_>) -> Result<Option<(String, Vec<String>)>, StoreError> {
    let rows = tx.query(include_str!("sql/next_series_projection.sql"), &[]).await?;
    Ok(rows.first().map(|row| (row.get("kind"), row.get("position"))))
}

/// As [`advance_projection`], for series.
///
/// # Errors
/// When the statement fails.
pub async fn advance_series_projection(
    tx: &Tx<'_>,
    table: &str,
    last: Option<&[String; 3]>,
    rows: usize,
) -> Result<(), StoreError> {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let last = last.map(<[String; 3]>::as_slice);
    tx.query(include_str!("sql/advance_series_projection.sql"), &[&table, &last, &rows]).await.map(drop)
}

/// Locks the next checks after a key (system, table, key), and returns their keys.
///
/// # Errors
/// When the statement fails.
pub async fn lock_checks(tx: &Tx<'_>, after: &[String], limit: i64) -> Result<Vec<[String; 3]>, StoreError> {
    let part = |index: usize| after.get(index).map_or("", String::as_str);
    let rows = tx.query(include_str!("sql/lock_checks_after.sql"), &[&part(0), &part(1), &part(2), &limit]).await?;
    Ok(rows.iter().map(|row| [row.get("system"), row.get("kind"), row.get("key")]).collect())
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
