//! Hosts of rows that are older than the column.

use crate::store::{Step, StoreError, Tx};

/// Rows of each table that are filled in one transaction.
const CHUNK: i64 = 500;

/// Fills in the hosts of some objects of before hosts were kept. What nothing tells is on the host that is configured first; without
/// one it stays unknown.
///
/// # Errors
/// When a statement fails.
pub async fn fill_hosts(tx: &Tx<'_>, configured: Option<&str>) -> Result<Step, StoreError> {
    let Some(host) = configured else { return Ok(Step::default()) };
    let mut step = Step::default();
    for sql in [
        include_str!("sql/fill_component_hosts.sql"),
        include_str!("sql/fill_pipelinerun_hosts.sql"),
        include_str!("sql/fill_snapshot_hosts.sql"),
        include_str!("sql/fill_release_hosts.sql"),
    ] {
        let filled = tx.query(sql, &[&host, &CHUNK]).await?.len();
        step.objects += filled;
        step.written += filled;
        step.more |= i64::try_from(filled).is_ok_and(|filled| filled == CHUNK);
    }
    Ok(step)
}
