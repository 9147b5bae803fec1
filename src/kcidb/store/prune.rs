//! What is thrown away: old receipts, and texts of logs that nothing names any more.

use crate::store::{StoreError, Tx};

/// Days that a text is kept at least: what names it may be on its way.
const YOUNG: i32 = 7;

/// What became of a page of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExcerptPage {
    /// Texts that were looked at.
    pub texts: i64,
    /// Texts that were thrown away, or would be.
    pub gone: i64,
    /// Hash of the last one, after which the next page begins; `None` at the end of the table.
    pub last: Option<Vec<u8>>,
}

/// Throws away those of the next `most` texts after a hash that nothing names, neither an object nor an event that is still to be
/// told. A dry run only counts them.
///
/// # Errors
/// When a statement fails, for instance because submissions were written for two seconds on end.
pub async fn prune_log_excerpts(
    tx: &Tx<'_>,
    after: &[u8],
    most: i64,
    dry_run: bool,
) -> Result<ExcerptPage, StoreError> {
    let rows = tx.query(include_str!("sql/page_of_log_excerpts.sql"), &[&after, &most, &YOUNG]).await?;
    let Some(row) = rows.first() else { return Ok(ExcerptPage::default()) };
    let unnamed: Vec<Vec<u8>> = row.get("unnamed");
    let mut gone = unnamed.len();
    if gone > 0 && !dry_run {
        tx.query(include_str!("sql/wait_two_seconds.sql"), &[]).await?;
        tx.query(include_str!("sql/lock_log_excerpts.sql"), &[]).await?;
        gone = tx.query(include_str!("sql/forget_log_excerpts.sql"), &[&unnamed]).await?.len();
    }
    Ok(ExcerptPage { texts: row.get("texts"), gone: i64::try_from(gone).unwrap_or(i64::MAX), last: row.get("last") })
}

/// Throws away receipts that are older than 90 days, at most a hundred. How many there were.
///
/// # Errors
/// When the statement fails.
pub async fn prune_receipts(tx: &Tx<'_>) -> Result<i64, StoreError> {
    let rows = tx.query(include_str!("sql/forget_receipts.sql"), &[]).await?;
    Ok(i64::try_from(rows.len()).unwrap_or(i64::MAX))
}
