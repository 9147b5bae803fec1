//! Derives the checks of builds from their rows.

use jiff::Timestamp;
use serde_json::Value;

use super::save::TABLE;
use super::{load, save};
use crate::checks::{Check, Lane, Touched};
use crate::db::{StoreError, Tx};
use crate::outbox::PAGES;
use crate::sources::travis::record::{Build, State};
use crate::sources::travis::rules::STUCK_AFTER;
use crate::sources::travis::rules::notify::Subject;

/// The checks of the changed builds. The builds and their repositories must be locked.
///
/// # Errors
/// When the statement fails.
pub async fn checks(tx: &Tx<'_>, touched: &Touched) -> Result<Vec<Check>, StoreError> {
    let ids: Vec<i64> = touched.keys(TABLE).into_iter().filter_map(|id| id.parse().ok()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = tx.query(include_str!("sql/project_checks.sql"), &[&ids]).await?;
    let check = |row| {
        let (repository, build) = (load::repository(row), load::build(row));
        let subject = Subject { repository: &repository, build: &build, stages: &[], jobs: &[], pages: PAGES };
        check(&subject)
    };
    Ok(rows.iter().map(check).collect())
}

/// Locks the next builds after an id with their repositories, and returns their ids.
///
/// # Errors
/// When a statement fails.
pub async fn lock_rows(tx: &Tx<'_>, after: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    let after: i64 = after.parse().unwrap_or(i64::MIN);
    let rows = tx.query(include_str!("sql/lock_travis_builds_after.sql"), &[&after, &limit]).await?;
    let repositories: Vec<i64> = rows.iter().map(|row| row.get("repository_id")).collect();
    save::lock_repositories(tx, &repositories).await?;
    Ok(rows.iter().map(|row| row.get::<_, i64>("id").to_string()).collect())
}

/// The check of a build.
fn check(subject: &Subject<'_>) -> Check {
    let build = subject.build;
    let state = build.state.unwrap_or(State::Created);
    let lane = lane(build);
    let branch = match lane {
        // The branch of the build is the one that the pull request is to be merged into.
        Lane::Mr => subject.of_pull_request("head_ref").and_then(Value::as_str),
        _ => Some(subject.branch()),
    };
    let changed_at = build.source.message_at;
    Check {
        system: "travis".to_owned(),
        kind: TABLE.to_owned(),
        key: build.id.to_string(),
        stage: "build".to_owned(),
        name: "travis".to_owned(),
        host: subject.host().unwrap_or_default(),
        repo: subject.slug(),
        sha: subject.whole_head_sha().map(str::to_ascii_lowercase),
        branch: branch.filter(|branch| !branch.is_empty()).map(str::to_owned),
        mr: subject.pull_request_number().parse().ok().filter(|_| lane == Lane::Mr),
        lane,
        run: build.id.to_string(),
        // A restart changes the row of the build, so that no earlier attempt has a check of its own.
        attempt: 1,
        attempt_is_whole: false,
        seq: build.id,
        state: state.standard(),
        original: state.name().to_owned(),
        warn: false,
        optional: false,
        ever_bad: build.ever_bad,
        waived_by: None,
        // Which host has the pages of builds is a setting of each target.
        url: None,
        log_url: None,
        created_at: build.created_at.unwrap_or(changed_at),
        started_at: build.started_at,
        finished_at: build.finished_at.filter(|_| state.is_finished()),
        changed_at,
        // By the time when the newest message was sent: `updated_at`, by which the sweep ends jobs, depends on when
        // messages arrived.
        stuck_since: (!state.is_finished()).then(|| changed_at.saturating_add(STUCK_AFTER).unwrap_or(Timestamp::MAX)),
    }
}

/// Why a build ran.
fn lane(build: &Build) -> Lane {
    match build.event_type.as_deref() {
        Some("pull_request") => Lane::Mr,
        Some("cron") => Lane::Schedule,
        // `push`, and `api`: a build of the branch that a user or a program started.
        _ => Lane::Push,
    }
}
