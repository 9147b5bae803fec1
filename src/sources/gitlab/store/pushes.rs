//! When pushes made commits the heads of branches: their place in the order of the branch, for series of checks.

use tokio_postgres::Row;

use crate::checks::Touched;
use crate::checks::series::BranchCommit;
use crate::checks::store::PushTimes;
use crate::db::{StoreError, Tx, column};

/// Adds the keys of changed rows. Rows of other tables, which have no column `ref`, are left out.
pub(super) fn add_pushes(rows: &[Row], touched: &mut Touched) {
    for row in rows {
        let Ok(branch) = row.try_get::<_, String>("ref") else { return };
        let sha: String = row.get("sha");
        // Where a row was before, if it has moved.
        if let Ok(path) = row.try_get::<_, String>("from_path") {
            touched.add_push((path, branch.clone(), sha.clone()));
        }
        touched.add_push((row.get("repo"), branch, sha));
    }
}

/// When the touched pushes made their commits the heads of their branches; `None` for those that are not known any
/// more.
///
/// # Errors
/// When the statement fails.
pub async fn push_times(tx: &Tx<'_>, touched: &Touched) -> Result<PushTimes, StoreError> {
    let mut times: PushTimes = touched.pushes().iter().map(|push| (push.clone(), None)).collect();
    if times.is_empty() {
        return Ok(times);
    }
    let pushes: Vec<&BranchCommit> = touched.pushes().iter().collect();
    let (repo, branch) = (column(&pushes, |p| p.0.as_str()), column(&pushes, |p| p.1.as_str()));
    let sha = column(&pushes, |p| p.2.as_str());
    for row in tx.query(include_str!("sql/push_times.sql"), &[&repo, &branch, &sha]).await? {
        times.insert((row.get("repo"), row.get("ref"), row.get("sha")), row.get("pushed_at"));
    }
    Ok(times)
}

/// Locks the next pushes after a key (hash, repository, branch), and returns their keys.
///
/// # Errors
/// When the statement fails.
pub async fn lock_pushes(tx: &Tx<'_>, after: &[String], limit: i64) -> Result<Vec<[String; 3]>, StoreError> {
    let part = |index: usize| after.get(index).map_or("", String::as_str);
    let rows = tx.query(include_str!("sql/lock_pushes_after.sql"), &[&part(0), &part(1), &part(2), &limit]).await?;
    Ok(rows.iter().map(|row| [row.get("sha"), row.get("repo"), row.get("ref")]).collect())
}
