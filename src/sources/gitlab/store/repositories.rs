//! What pushes say of their repositories: the default branch.

use jiff::Timestamp;

use crate::checks::{Repository, Touched};
use crate::db::{StoreError, Tx, shown};
use crate::sources::gitlab::record::{Push, Record, said_at};

/// The table of pushes.
pub const PUSHES: &str = "gitlab_pushes";

/// Adds the default branches that pushes name, each for the path that the push names: what a message says of a
/// repository does not depend on renames that other messages report.
pub(super) fn add(records: &[&Record], touched: &mut Touched) {
    for record in records {
        let Record::Push(push) = record else { continue };
        let Push { host, repo, default_branch, project_id, .. } = &**push;
        add_default_branch(touched, host.as_deref(), repo, default_branch.clone(), *project_id, push.said_at());
    }
}

/// Adds the default branches that the next pushes after a commit named, which were there before `repositories` was.
/// Returns their commits, in order.
///
/// # Errors
/// When the statement fails.
pub async fn add_old(tx: &Tx<'_>, after: &str, limit: i64, touched: &mut Touched) -> Result<Vec<String>, StoreError> {
    let rows = tx.query(include_str!("sql/pushes_after.sql"), &[&after, &limit]).await?;
    let failed = |source| StoreError::Statement { name: "pushes_after", source };
    let mut commits = Vec::with_capacity(rows.len());
    for row in &rows {
        let time = |column| shown::<Option<Timestamp>>(row, column).map_err(failed);
        let said_at = said_at(time("committed_at")?, time("message_at")?);
        let host: Option<String> = row.get("host");
        add_default_branch(
            touched,
            host.as_deref(),
            row.get("repo"),
            row.get("default_branch"),
            row.get("project_id"),
            said_at,
        );
        commits.push(row.get("sha"));
    }
    Ok(commits)
}

/// A push without a host says nothing of a repository.
fn add_default_branch(
    touched: &mut Touched,
    host: Option<&str>,
    repo: &str,
    default_branch: Option<String>,
    project_id: Option<i64>,
    said_at: Timestamp,
) {
    let (Some(host), Some(default_branch)) = (host, default_branch) else { return };
    let upstream_id = project_id.map(|id| id.to_string());
    touched.add_repository(host, repo, Repository { said_at, default_branch, upstream_id });
}
