//! Derives the checks of builds from their rows.

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;

use crate::checks::{Check, Lane, Touched, is_whole_hash};
use crate::db::{StoreError, Tx, shown};
use crate::outbox::State;
use crate::sources::buildkite::rules;

/// The table whose rows are checks.
pub const TABLE: &str = "buildkite_builds";

/// How long a build may be without an event, once it runs: Buildkite ends builds long before that.
const SILENCE: SignedDuration = SignedDuration::from_hours(24);

/// The checks of the changed builds that are to be read.
///
/// # Errors
/// When the statement fails.
pub async fn checks(tx: &Tx<'_>, touched: &Touched) -> Result<Vec<Check>, StoreError> {
    let ids = touched.unread_keys(TABLE);
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    tx.read_by(include_str!("sql/project_checks.sql"), &[&ids], check).await
}

/// Locks the next builds after an id, and returns their ids.
///
/// # Errors
/// When the statement fails.
pub async fn lock_rows(tx: &Tx<'_>, after: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    let rows = tx.query(include_str!("sql/lock_builds_after.sql"), &[&after, &limit]).await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

/// The check of a build, by the columns that `project_checks` reads and `upsert_builds` returns.
pub(super) fn check(row: &Row) -> Result<Check, tokio_postgres::Error> {
    let (id, number): (String, i64) = (row.get("id"), row.get("number"));
    let (original, blocked): (String, Option<String>) = (row.get("state"), row.get("blocked_state"));
    let state = match rules::state(&original, blocked.as_deref()) {
        // A build that Buildkite skips was replaced by a later one of its branch.
        Some(State::Skipped) => State::Superseded,
        // Without a result so far it has not passed either.
        Some(State::BlockedRunning) => State::Blocked,
        Some(state) => state,
        None => State::Unknown,
    };
    let pipeline: Option<String> = row.get("pipeline");
    let organization: Option<String> = row.get("organization");
    let (started_at, event_at): (Option<Timestamp>, Timestamp) = (shown(row, "started_at")?, shown(row, "event_at")?);
    let is_finished = !matches!(state, State::Pending | State::Running | State::Failing | State::Canceling);
    let commit: Option<String> = row.get("commit");
    let waits = if state == State::Pending { super::WAITING_LONGEST } else { SILENCE };
    Ok(Check {
        system: "buildkite".to_owned(),
        kind: TABLE.to_owned(),
        key: id.clone(),
        stage: "build".to_owned(),
        url: organization.as_deref().zip(pipeline.as_deref()).map(|(o, p)| rules::url(o, p, number)),
        name: pipeline.unwrap_or_else(|| "?".to_owned()),
        host: row.get::<_, Option<String>>("repo_host").unwrap_or_default(),
        repo: row.get::<_, Option<String>>("repo_path").unwrap_or_default(),
        sha: commit.filter(|commit| is_whole_hash(commit)).map(|commit| commit.to_ascii_lowercase()),
        branch: row.get("branch"),
        mr: None,
        lane: if row.get::<_, Option<&str>>("source") == Some("schedule") { Lane::Schedule } else { Lane::Push },
        run: id,
        attempt: 1,
        attempt_is_whole: false,
        seq: number,
        state,
        original,
        warn: false,
        optional: false,
        ever_bad: row.get("ever_bad"),
        waived_by: None,
        log_url: None,
        created_at: started_at.filter(|start| *start < event_at).unwrap_or(event_at),
        started_at,
        finished_at: shown::<Option<Timestamp>>(row, "finished_at")?.filter(|_| is_finished),
        changed_at: event_at,
        stuck_since: (!is_finished).then(|| event_at.saturating_add(waits).unwrap_or(Timestamp::MAX)),
    })
}
