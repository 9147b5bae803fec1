//! Retention: deletes old receipts, and log excerpts that are no longer referenced.

use crate::db::{StoreError, Tx};

/// Minimum age in days of a text that is deleted: the object that refers to it may not be stored yet.
const MIN_AGE_DAYS: i32 = 7;

/// The result of a chunk of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExcerptChunk {
    /// Number of texts in the chunk.
    pub texts: i64,
    /// Number of texts that were deleted, or with a dry run would be.
    pub gone: i64,
    /// Hash of the last text, after which the next chunk begins; `None` at the end of the table.
    pub last: Option<Vec<u8>>,
}

/// Deletes the unreferenced ones among the next `limit` texts after a hash: those that no object refers to, and no
/// event whose delivery is pending or can be retried. A dry run only counts them.
///
/// # Errors
/// When a statement fails, for instance because submissions held the table's lock for two seconds.
pub async fn prune_log_excerpts(
    tx: &Tx<'_>,
    after: &[u8],
    limit: i64,
    dry_run: bool,
) -> Result<ExcerptChunk, StoreError> {
    let rows = tx.query(include_str!("sql/chunk_of_log_excerpts.sql"), &[&after, &limit, &MIN_AGE_DAYS]).await?;
    let Some(row) = rows.first() else { return Ok(ExcerptChunk::default()) };
    let unreferenced: Vec<Vec<u8>> = row.get("unreferenced");
    let mut gone = unreferenced.len();
    if gone > 0 && !dry_run {
        tx.query(include_str!("sql/wait_two_seconds.sql"), &[]).await?;
        tx.query(include_str!("sql/lock_log_excerpts.sql"), &[]).await?;
        gone = tx.query(include_str!("sql/delete_log_excerpts.sql"), &[&unreferenced]).await?.len();
    }
    Ok(ExcerptChunk { texts: row.get("texts"), gone: i64::try_from(gone).unwrap_or(i64::MAX), last: row.get("last") })
}

/// Deletes at most a hundred receipts that are older than 90 days. Returns how many.
///
/// # Errors
/// When the statement fails.
pub async fn prune_receipts(tx: &Tx<'_>) -> Result<i64, StoreError> {
    let rows = tx.query(include_str!("sql/delete_receipts.sql"), &[]).await?;
    Ok(i64::try_from(rows.len()).unwrap_or(i64::MAX))
}
