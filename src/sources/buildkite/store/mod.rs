//! Writes builds, and announces those that changed. [`reads`] has the queries of the web UI.

mod checks;
pub mod reads;

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;

pub use self::checks::{TABLE, checks, lock_rows};
use super::events;
use super::record::{Build, Record, Repo};
use crate::checks::{Touched, is_bad};
use crate::db::{StoreError, Stuck, Tx, column};
use crate::outbox::{self, Announcer};
use crate::sources::buildkite::rules;

/// How long a build may wait. Jobs that no agent takes expire after 30 days (docs of Buildkite, 'Job limits'); one more
/// day for their event to arrive.
const WAITING_LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);
/// Most builds that one sweep ends; the next sweep goes on.
const SWEPT: i64 = 1000;

/// Writes a batch and returns the numbers of the records that changed something. Changes are announced in the same
/// transaction. Idempotent: a message that is delivered again changes nothing.
///
/// # Errors
/// When a statement fails.
pub async fn write(
    tx: &Tx<'_>,
    batch: &[(usize, &Record)],
    announcer: &mut Announcer,
    touched: &mut Touched,
) -> Result<Vec<usize>, StoreError> {
    let mut newest: HashMap<&str, (usize, &Build)> = HashMap::new();
    let mut ever_bad: BTreeSet<&str> = BTreeSet::new();
    for (number, record) in batch {
        if rules::state(&record.state, record.blocked_state.as_deref()).is_some_and(is_bad) {
            ever_bad.insert(&record.id);
        }
        let best = newest.entry(record.id.as_str()).or_insert((*number, record));
        if best.1.version() < record.version() {
            *best = (*number, record);
        }
    }
    let rows: Vec<&Build> = newest.values().map(|(_, build)| *build).collect();
    let returned = tx
        .query(
            include_str!("sql/upsert_builds.sql"),
            &[
                /* id */ &column(&rows, |r| r.id.as_str()),
                /* number */ &column(&rows, |r| r.number),
                /* state */ &column(&rows, |r| r.state.as_str()),
                /* blocked_state */ &column(&rows, |r| r.blocked_state.as_deref()),
                /* commit */ &column(&rows, |r| r.commit.as_deref()),
                /* branch */ &column(&rows, |r| r.branch.as_deref()),
                /* title */ &column(&rows, |r| r.title.as_deref()),
                /* source */ &column(&rows, |r| r.source.as_deref()),
                /* repo_host */ &column(&rows, |r| r.repo.as_ref().map(|repo| repo.host.as_str())),
                /* repo_path */ &column(&rows, |r| r.repo.as_ref().map(|repo| repo.path.as_str())),
                /* pipeline */ &column(&rows, |r| r.pipeline.as_deref()),
                /* pipeline_id */ &column(&rows, |r| r.pipeline_id.as_deref()),
                /* organization */ &column(&rows, |r| r.organization.as_deref()),
                /* organization_id */ &column(&rows, |r| r.organization_id.as_deref()),
                /* started_at */ &column(&rows, |r| r.started_at),
                /* failing_at */ &column(&rows, |r| r.failing_at),
                /* finished_at */ &column(&rows, |r| r.finished_at),
                /* event_at */ &column(&rows, |r| r.event_at),
                /* detail_type */ &column(&rows, |r| r.detail_type.as_deref()),
                /* message_id */ &column(&rows, |r| r.message_id.as_str()),
                /* message_at */ &column(&rows, |r| r.message_at),
                /* ever_bad */ &column(&rows, |r| ever_bad.contains(r.id.as_str())),
            ],
        )
        .await?;
    let mut changed: Vec<(usize, &Build)> =
        returned.iter().filter_map(|row| newest.get(row.get::<_, &str>("id")).copied()).collect();
    changed.sort_by(|a, b| a.1.id.cmp(&b.1.id));
    let ids = column(&changed, |(_, build)| build.id.as_str());
    ever_bad.retain(|id| ids.binary_search(id).is_err());
    let (skipped, marked, ()) = tokio::try_join!(biased; skip(tx, &ids), mark_bad(tx, &ever_bad), announcer.open(tx))?;
    for row in &returned {
        let check = checks::check(row).map_err(|source| StoreError::Statement { name: "upsert_builds", source })?;
        touched.add_derived(TABLE, row.get("id"), Some(check));
    }
    // These rows have changed since.
    touched.add(TABLE, marked);
    touched.add(TABLE, skipped.iter().map(|build| build.id.as_str()));
    let written: HashSet<usize> = changed.iter().map(|(number, _)| *number).collect();
    let others =
        batch.iter().filter(|(number, _)| !written.contains(number)).map(|(number, build)| (*number, &***build));
    if !announcer.is_idle() {
        announce_outdated(tx, others.collect(), announcer).await?;
        for (number, build) in &changed {
            if !skipped.iter().any(|skipped| skipped.id == build.id) {
                let at = announcer.time_of(*number);
                announcer.add(outbox::Event { at, ..events::event(build) });
            }
        }
        for build in &skipped {
            let at = announcer.time_of_last();
            announcer.add(outbox::Event { at, ..events::event(build) });
        }
    }
    Ok(changed.into_iter().map(|(number, _)| number).collect())
}

/// Records of builds that they failed, where the message that says so is older than the row. Returns those that it was
/// new for.
async fn mark_bad(tx: &Tx<'_>, ids: &BTreeSet<&str>) -> Result<Vec<String>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = ids.iter().copied().collect();
    let rows = tx.query(include_str!("sql/mark_bad_builds.sql"), &[&ids]).await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

/// Marks waiting builds as skipped if a later build of their pipeline and branch has started: among the changed builds
/// and the builds before them. Returns the skipped builds, sorted by id.
async fn skip(tx: &Tx<'_>, changed: &[&str]) -> Result<Vec<Build>, StoreError> {
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let rows = tx.query(include_str!("sql/skip_builds.sql"), &[&changed]).await?;
    let mut skipped: Vec<Build> = rows.iter().map(build_of).collect();
    skipped.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(skipped)
}

/// Ends builds that have waited for so long that Buildkite has expired their jobs. Without `write`, only finds them.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(
    tx: &Tx<'_>,
    now: Timestamp,
    write: bool,
    announcer: &mut Announcer,
    touched: &mut Touched,
) -> Result<Vec<Stuck>, StoreError> {
    let before = now.saturating_sub(WAITING_LONGEST).unwrap_or(now);
    let stuck = |build: &Build| Stuck {
        kind: "buildkite_build",
        name: build.id.clone(),
        state: build.skipped_from.clone().unwrap_or_else(|| build.state.clone()),
        since: build.event_at,
    };
    let sql = if write { include_str!("sql/give_up_builds.sql") } else { include_str!("sql/waiting_builds.sql") };
    let rows = tx.query(sql, &[&before, &SWEPT]).await?;
    let mut builds: Vec<Build> = rows.iter().map(build_of).collect();
    builds.sort_by(|a, b| a.id.cmp(&b.id));
    if write {
        touched.add(TABLE, builds.iter().map(|build| build.id.as_str()));
        announcer.open(tx).await?;
        for build in &builds {
            announcer.add(events::event(build));
        }
    }
    Ok(builds.iter().map(stuck).collect())
}

/// Announces outdated events of builds whose commit has changed since, so that each commit ends with the newest status
/// that was reported for it, in whatever order the events arrive. While the commit is the same, the newest event covers
/// it. An event that is delivered again is announced again, which changes no status.
async fn announce_outdated(
    tx: &Tx<'_>,
    mut others: Vec<(usize, &Build)>,
    announcer: &mut Announcer,
) -> Result<(), StoreError> {
    if others.is_empty() {
        return Ok(());
    }
    others.sort_by(|(_, a), (_, b)| (&a.id, a.version()).cmp(&(&b.id, b.version())));
    let mut ids = column(&others, |(_, r)| r.id.as_str());
    ids.dedup();
    let rows = tx.query(include_str!("sql/read_builds.sql"), &[&ids]).await?;
    let newest: HashMap<String, Build> = rows.iter().map(build_of).map(|build| (build.id.clone(), build)).collect();
    for (number, build) in others {
        if let Some(event) = newest.get(&build.id).and_then(|newest| events::outdated_status(build, newest)) {
            let at = announcer.time_of(number);
            announcer.add(outbox::Event { at, ..event });
        }
    }
    Ok(())
}

/// The build in a row; without the columns that no event needs.
fn build_of(row: &Row) -> Build {
    let repo = |host: Option<String>, path: Option<String>| Some(Repo { host: host?, path: path? });
    Build {
        id: row.get("id"),
        number: row.get("number"),
        state: row.get("state"),
        blocked_state: row.get("blocked_state"),
        skipped_from: row.get("skipped_from"),
        commit: row.get("commit"),
        branch: row.get("branch"),
        title: None,
        source: row.get("source"),
        repo: repo(row.get("repo_host"), row.get("repo_path")),
        pipeline: row.get("pipeline"),
        pipeline_id: row.get("pipeline_id"),
        organization: row.get("organization"),
        organization_id: None,
        started_at: row.get("started_at"),
        failing_at: row.get("failing_at"),
        finished_at: row.get("finished_at"),
        event_at: row.get("event_at"),
        detail_type: None,
        message_id: row.get("message_id"),
        message_at: None,
    }
}
