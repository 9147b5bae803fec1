//! Background task: fills in the host of rows that are older than the column `host`.

use super::checks::{RELEASES, RUNS};
use crate::checks::Touched;
use crate::db::{ChunkResult, StoreError, Tx};

/// Rows of each table in one chunk.
const CHUNK: i64 = 500;

/// Fills in the hosts of one chunk of objects. If no URL has the host, it is the host that is configured first; without
/// a configured host it stays unknown. The changed rows are added to `touched`.
///
/// # Errors
/// When a statement fails.
pub async fn fill_hosts(
    tx: &Tx<'_>,
    configured: Option<&str>,
    touched: &mut Touched,
) -> Result<ChunkResult, StoreError> {
    let Some(host) = configured else { return Ok(ChunkResult::default()) };
    let mut step = ChunkResult::default();
    for (sql, checks) in [
        (include_str!("sql/fill_component_hosts.sql"), None),
        (include_str!("sql/fill_pipelinerun_hosts.sql"), Some(RUNS)),
        (include_str!("sql/fill_snapshot_hosts.sql"), None),
        (include_str!("sql/fill_release_hosts.sql"), Some(RELEASES)),
    ] {
        let rows = tx.query(sql, &[&host, &CHUNK]).await?;
        if let Some(table) = checks {
            touched.add(table, rows.iter().map(|row| row.get::<_, &str>("name")));
        }
        let filled = rows.len();
        step.objects += filled;
        step.written += filled;
        step.more |= i64::try_from(filled).is_ok_and(|filled| filled == CHUNK);
    }
    Ok(step)
}
