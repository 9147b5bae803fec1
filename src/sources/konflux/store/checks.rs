//! Derives the checks of runs and Releases from their rows, and records which runs have ever failed.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use crate::checks::{Check, Lane, Touched, is_whole_hash};
use crate::db::{StoreError, Tx, column, shown};
use crate::outbox::State;
use crate::sources::konflux::record::{LIVE, PipelineRun};
use crate::sources::konflux::rules;

/// The table of runs, of which builds and tests are checks.
pub const RUNS: &str = "pipelineruns";
/// The table of Releases.
pub const RELEASES: &str = "releases";

/// The tables whose rows are checks.
pub const TABLES: &[&str] = &[RUNS, RELEASES];

/// The checks of the changed runs and Releases that are to be read.
///
/// # Errors
/// When a statement fails.
pub async fn checks(tx: &Tx<'_>, touched: &Touched) -> Result<Vec<Check>, StoreError> {
    let of_runs = read(tx, include_str!("sql/project_pipelinerun_checks.sql"), touched.unread_keys(RUNS), check_of_run);
    let of_releases =
        read(tx, include_str!("sql/project_release_checks.sql"), touched.unread_keys(RELEASES), check_of_release);
    let (mut checks, releases) = tokio::try_join!(biased; of_runs, of_releases)?;
    checks.extend(releases);
    Ok(checks)
}

async fn read(
    tx: &Tx<'_>,
    sql: &'static str,
    names: Vec<&str>,
    check: fn(&Row) -> Result<Check, Error>,
) -> Result<Vec<Check>, StoreError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    tx.read_by(sql, &[&names], check).await
}

/// Locks the next rows of a table after a name, and returns their names.
///
/// # Errors
/// When the statement fails.
pub async fn lock_rows(tx: &Tx<'_>, table: &str, after: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    let sql = match table {
        RELEASES => include_str!("sql/lock_releases_after.sql"),
        _ => include_str!("sql/lock_pipelineruns_after.sql"),
    };
    let rows = tx.query(sql, &[&after, &limit]).await?;
    Ok(rows.iter().map(|row| row.get("name")).collect())
}

/// Whether a run has failed, by this message.
pub(super) fn is_bad(run: &PipelineRun) -> bool {
    crate::checks::is_bad(rules::check_state(run.state, run.verdict, run.identity.deleted_at.is_some()))
}

/// Records of runs that they failed, where the message that says so is not the one that was written (`written` has the
/// indexes of those that were).
pub(super) async fn mark_bad(
    tx: &Tx<'_>,
    records: &[(usize, &PipelineRun)],
    written: &[usize],
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let written: HashSet<usize> = written.iter().copied().collect();
    let unwritten = records.iter().enumerate().filter(|(at, _)| !written.contains(at)).map(|(_, (_, run))| *run);
    let identities = unwritten.filter(|run| is_bad(run)).map(|run| &run.identity);
    // An object is identified as in the order of the objects of one name: see `Identity::version`.
    let bad: BTreeSet<(&str, Option<Timestamp>, &str)> =
        identities.map(|of| (of.name.as_str(), of.created_at, of.uid.as_str())).collect();
    if bad.is_empty() {
        return Ok(());
    }
    let bad: Vec<_> = bad.into_iter().collect();
    let (names, uids, created) = (column(&bad, |of| of.0), column(&bad, |of| of.2), column(&bad, |of| of.1));
    let marked = tx.query(include_str!("sql/mark_bad_pipelineruns.sql"), &[&names, &uids, &created]).await?;
    touched.add(RUNS, marked.iter().map(|row| row.get::<_, &str>("name")));
    Ok(())
}

/// Derives the check of a changed row; `None` for a row that is no check.
pub(super) type CheckOf = fn(&Row) -> Result<Option<Check>, Error>;

/// The check of a changed run, if it is a build or a test, by the columns that `upsert_pipelineruns` returns.
pub(super) fn of_run(row: &Row) -> Result<Option<Check>, Error> {
    match row.get("type") {
        "build" | "test" => check_of_run(row).map(Some),
        _ => Ok(None),
    }
}

/// The check of a changed Release, by the columns that `upsert_releases` returns.
pub(super) fn of_release(row: &Row) -> Result<Option<Check>, Error> {
    check_of_release(row).map(Some)
}

/// The check of a build or a test.
fn check_of_run(row: &Row) -> Result<Check, Error> {
    let (state, verdict): (&str, Option<&str>) = (row.get("state"), row.get("verdict"));
    let (target, source): (Option<&str>, Option<&str>) = (row.get("target_branch"), row.get("source_branch"));
    let mr: Option<i64> = row.get("mr_iid");
    let lane = rules::lane(row.get("event"), mr, target, source);
    let is_test = row.get::<_, &str>("type") == "test";
    let component: Option<&str> = row.get("component");
    // The tests of a group of components have none.
    let component = component.or_else(|| row.get("application")).unwrap_or("?");
    let scenario = row.get::<_, Option<&str>>("scenario").unwrap_or("?");
    let limit = rules::time_limit(row.get("type"));
    Ok(Check {
        stage: row.get("type"),
        name: if is_test { format!("test/{scenario}/{component}") } else { format!("build/{component}") },
        branch: match lane {
            Lane::Mr => source.map(str::to_owned),
            _ => target.map(|target| target.strip_prefix("refs/tags/").unwrap_or(target).to_owned()),
        },
        // A push can have the number of the request that it merges.
        mr: mr.filter(|_| matches!(lane, Lane::Mr | Lane::Queue)),
        lane,
        original: verdict.filter(|_| state == "succeeded").unwrap_or(state).to_owned(),
        warn: state == "succeeded" && verdict == Some("warning"),
        optional: is_test && row.get::<_, Option<&str>>("optional") == Some("true"),
        ever_bad: row.get("ever_bad"),
        log_url: row.get("log_url"),
        ..check(row, RUNS, rules::check_state(state, verdict, is_deleted(row)?), limit)?
    })
}

/// The check of a Release.
fn check_of_release(row: &Row) -> Result<Check, Error> {
    let original: String = row.get("state");
    let state = rules::check_state(&original, None, is_deleted(row)?);
    Ok(Check {
        stage: "release".to_owned(),
        name: format!("release/{}", row.get::<_, Option<&str>>("release_plan").unwrap_or("?")),
        mr: row.get("mr_iid"),
        lane: Lane::Release,
        original,
        // A finished Release never changes: a new one is created instead.
        ever_bad: Some(crate::checks::is_bad(state)),
        ..check(row, RELEASES, state, rules::RELEASE_TIME_LIMIT)?
    })
}

fn is_deleted(row: &Row) -> Result<bool, Error> {
    Ok(shown::<Option<Timestamp>>(row, "deleted_at")?.is_some())
}

/// What the checks of both tables have in common.
fn check(row: &Row, table: &str, state: State, limit: u32) -> Result<Check, Error> {
    let time = |column: &str| shown::<Option<Timestamp>>(row, column);
    let (created, started, message) = (time("created_at")?, time("started_at")?, time("message_at")?);
    let (finished, deleted) = (time("finished_at")?, time("deleted_at")?);
    // The time of receipt would depend on the order of arrival.
    let created_at = created.or(started).or(message).unwrap_or(Timestamp::UNIX_EPOCH);
    let is_open = matches!(state, State::Pending | State::Running | State::Unknown);
    let is_live = is_open && row.get::<_, i16>("rank") == LIVE;
    // A run that is deleted before its end is cancelled.
    let ended = if is_open { None } else { finished.or(deleted.filter(|_| state == State::Canceled)) };
    let name: String = row.get("name");
    let sha: Option<&str> = row.get("sha");
    Ok(Check {
        system: "konflux".to_owned(),
        kind: table.to_owned(),
        key: name.clone(),
        stage: String::new(),
        name: String::new(),
        host: row.get::<_, Option<String>>("host").unwrap_or_default(),
        repo: row.get::<_, Option<String>>("project").unwrap_or_default(),
        sha: sha.filter(|sha| is_whole_hash(sha)).map(str::to_ascii_lowercase),
        branch: None,
        mr: None,
        lane: Lane::Push,
        run: name,
        attempt: 1,
        attempt_is_whole: false,
        seq: created_at.as_microsecond(),
        state,
        original: String::new(),
        warn: false,
        optional: false,
        ever_bad: None,
        waived_by: None,
        url: None,
        log_url: None,
        created_at,
        started_at: started,
        finished_at: ended,
        changed_at: ended.or(started).unwrap_or(created_at),
        stuck_since: if is_live { rules::stuck_since(limit, started.or(created).or(message), message) } else { None },
    })
}
