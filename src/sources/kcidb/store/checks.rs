//! Derives the checks of checkouts from their rows, their builds and their tests.

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;

use super::progress::{TABLE, lock, progress};
use crate::checks::{Check, Lane, Touched, is_whole_hash};
use crate::db::{StoreError, Tx, shown};
use crate::outbox::State;
use crate::sources::kcidb::rules::{STATUSES, check_state, repository, summary};

/// How long an unfinished checkout may be without a message about itself or one of its builds. Fixed, because a check
/// is a function of rows: the setting `KCIDB_SILENCE` can differ between processes.
const SILENCE: SignedDuration = SignedDuration::from_hours(24);

/// The checks of the changed checkouts. The advisory lock of their progress must be held.
///
/// # Errors
/// When the statement fails.
pub async fn checks(tx: &Tx<'_>, touched: &Touched) -> Result<Vec<Check>, StoreError> {
    let ids = touched.keys(TABLE);
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    tx.read_by(include_str!("sql/project_checks.sql"), &[&STATUSES.as_slice(), &ids], check).await
}

/// The next checkouts after an id. The lock excludes all transactions that derive checks of checkouts, and each of them
/// reads after it got the lock.
///
/// # Errors
/// When a statement fails.
pub async fn lock_rows(tx: &Tx<'_>, after: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    lock(tx).await?;
    let rows = tx.query(include_str!("sql/kcidb_checkouts_after.sql"), &[&after, &limit]).await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

/// The check of a checkout.
fn check(row: &Row) -> Result<Check, tokio_postgres::Error> {
    let (id, origin): (String, String) = (row.get("id"), row.get("origin"));
    let statuses: Vec<&str> = row.get("statuses");
    let worst = summary(statuses.into_iter().map(Some));
    let valid: Option<bool> = row.get("valid");
    let state = check_state(valid, &progress(row), worst);
    let (start, message_at, builds_at): (Option<Timestamp>, Option<Timestamp>, Option<Timestamp>) =
        (shown(row, "start_time")?, shown(row, "message_at")?, shown(row, "builds_at")?);
    let latest = message_at.max(builds_at);
    let created_at = start.or(message_at).unwrap_or(Timestamp::UNIX_EPOCH);
    let is_open = matches!(state, State::Running | State::Failing);
    let (host, repo) = row.get::<_, Option<&str>>("git_repository_url").and_then(repository).unwrap_or_default();
    let tree = row.get::<_, Option<&str>>("tree_name").filter(|tree| !tree.is_empty());
    Ok(Check {
        system: "kcidb".to_owned(),
        kind: TABLE.to_owned(),
        key: id.clone(),
        stage: "checkout".to_owned(),
        name: tree.map_or_else(|| origin.clone(), |tree| format!("{origin}/{tree}")),
        host,
        repo,
        sha: row
            .get::<_, Option<&str>>("git_commit_hash")
            .filter(|hash| is_whole_hash(hash))
            .map(|hash| hash.to_ascii_lowercase()),
        branch: row.get::<_, Option<String>>("git_repository_branch").filter(|branch| !branch.is_empty()),
        mr: None,
        lane: Lane::Push,
        run: id,
        attempt: 1,
        attempt_is_whole: false,
        seq: created_at.as_microsecond(),
        state,
        original: match (valid, worst) {
            (Some(false), _) => "INVALID",
            (_, Some(worst)) => worst,
            (_, None) => "PENDING",
        }
        .to_owned(),
        warn: false,
        optional: false,
        ever_bad: None,
        waived_by: None,
        url: None,
        log_url: row.get("log_url"),
        created_at,
        started_at: start,
        finished_at: shown::<Option<Timestamp>>(row, "origin_tests_finish_time")?.filter(|_| !is_open),
        changed_at: latest.unwrap_or(created_at),
        stuck_since: latest.filter(|_| is_open).map(|at| at.saturating_add(SILENCE).unwrap_or(Timestamp::MAX)),
    })
}
