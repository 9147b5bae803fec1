//! Background task: fills in the host of rows that are older than the column `host`.

use crate::db::{ChunkResult, StoreError, Tx};

/// Rows of each table in one chunk.
const CHUNK: i64 = 500;

/// Fills in the hosts of one chunk of merge requests and pushes. If no URL has the host, it is the host that is
/// configured first; without a configured host it stays unknown.
///
/// # Errors
/// When a statement fails.
pub async fn fill_hosts(tx: &Tx<'_>, configured: Option<&str>) -> Result<ChunkResult, StoreError> {
    let Some(host) = configured else { return Ok(ChunkResult::default()) };
    let mut step = ChunkResult::default();
    for sql in [include_str!("sql/fill_merge_request_hosts.sql"), include_str!("sql/fill_push_hosts.sql")] {
        let filled = tx.query(sql, &[&host, &CHUNK]).await?.len();
        step.objects += filled;
        step.written += filled;
        step.more |= i64::try_from(filled).is_ok_and(|filled| filled == CHUNK);
    }
    Ok(step)
}
