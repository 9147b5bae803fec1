//! Writes and reads the tables `checks` and `repositories`.

mod announced;
mod attention;
mod projection;
mod reads;
mod registered;
mod settle;

use tokio_postgres::Row;

pub use self::attention::{CheckCounts, CheckKey, checks_by_key, count_checks, failed_checks, stuck_checks};
pub use self::registered::{RegisteredRules, register_rules, registered_rules};
use super::check::{Check, Lane};
use super::touched::Touched;
use crate::db::{FromRow, StoreError, Tx, column, shown};
use crate::outbox::{Due, State};

pub use self::announced::{
    KnownVerdict, VerdictChange, VerdictDue, announced_verdicts, next_verdict_due, record_verdicts,
    take_verdict_changes, verdict_changes,
};
pub use self::projection::{
    advance_projection, advance_series_projection, lock_checks, next_projection, next_series_projection,
    projecting_since,
};
pub use self::reads::{CheckFilter, Position, checks_of_commit, list_checks};
pub use self::settle::{BranchDeletion, PushTimes, delete_branches};

/// Checks by their keys.
const BY_KEY: &str = include_str!("sql/checks_by_key.sql");

/// What the sources derive from the rows that a transaction changed.
#[derive(Debug, Default)]
pub struct Derived {
    /// The checks of the changed rows; a changed row without one loses its check.
    pub checks: Vec<Check>,
    /// The checks that the changed rows have had until now, by [`known`].
    pub before: Vec<Check>,
    /// The pushes that were changed.
    pub pushes: PushTimes,
    /// Checks whose series were never settled, as they are from before there were series. They are locked.
    pub old: Vec<Check>,
}

/// Writes the checks of all that a transaction changed, what was said of repositories, and the series that depend on
/// them. Rows are written in the order of their keys, so that two transactions cannot deadlock. Returns whether
/// verdicts have to be announced.
///
/// Call it once, after the last source: sources share commits.
///
/// # Errors
/// When a statement fails.
pub async fn write(tx: &Tx<'_>, touched: &Touched, derived: Derived) -> Result<Due, StoreError> {
    let Derived { mut checks, before, pushes, old } = derived;
    checks.retain_mut(limit_texts);
    checks.sort_by(|a, b| a.place().cmp(&b.place()));
    let has_check = |gone: &Check| checks.binary_search_by(|check| check.place().cmp(&gone.place())).is_ok();
    let gone: Vec<&Check> = before.iter().filter(|known| !has_check(known)).collect();
    let is_changed = |check: &&Check| {
        before.binary_search_by(|known| known.place().cmp(&check.place())).map_or(true, |at| before[at] != **check)
    };
    let changed: Vec<&Check> = checks.iter().filter(is_changed).collect();
    let unsettled = settle::unsettled(&before, &checks, &old, &pushes);
    let news: Vec<&Check> = changed.iter().chain(&gone).copied().collect();
    // None of them depends on another: they are sent at once.
    let (.., due, ()) = tokio::try_join!(
        biased;
        upsert(tx, &changed),
        delete(tx, &gone),
        write_repositories(tx, touched),
        notify_waiters(tx, !changed.is_empty() || !gone.is_empty() || !pushes.is_empty()),
        announced::note_changes(tx, &news, &pushes, touched),
        Box::pin(settle::settle(tx, unsettled, touched, &pushes)),
    )?;
    Ok(due)
}

/// The checks that changed rows have, sorted by their keys. The rows are locked by the caller, so that no other
/// transaction changes their checks.
///
/// # Errors
/// When the statement fails.
pub async fn known(
    tx: &Tx<'_>,
    system_of: impl Fn(&str) -> &'static str,
    touched: &Touched,
) -> Result<Vec<Check>, StoreError> {
    let keys = |kind: &'static str| {
        let system = system_of(kind);
        touched.keys(kind).into_iter().map(move |key| (system, kind, key))
    };
    read_checks(tx, &touched.kinds().flat_map(keys).collect::<Vec<_>>()).await
}

/// The checks whose series were never settled, which the caller has locked.
///
/// # Errors
/// When the statement fails.
pub async fn unsettled_checks(tx: &Tx<'_>, touched: &Touched) -> Result<Vec<Check>, StoreError> {
    let keys = touched.unsettled().iter().map(|[system, kind, key]| (system.as_str(), kind.as_str(), key.as_str()));
    read_checks(tx, &keys.collect::<Vec<_>>()).await
}

/// Checks by system, table and key.
async fn read_checks(tx: &Tx<'_>, rows: &[(&str, &str, &str)]) -> Result<Vec<Check>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (systems, kinds, keys) = (column(rows, |r| r.0), column(rows, |r| r.1), column(rows, |r| r.2));
    tx.read(BY_KEY, &[&systems, &kinds, &keys]).await
}

/// Deletes checks by system, table and key.
async fn delete(tx: &Tx<'_>, gone: &[&Check]) -> Result<(), StoreError> {
    if gone.is_empty() {
        return Ok(());
    }
    let (systems, kinds) = (column(gone, |g| g.system.as_str()), column(gone, |g| g.kind.as_str()));
    let keys = column(gone, |g| g.key.as_str());
    tx.query(include_str!("sql/delete_checks.sql"), &[&systems, &kinds, &keys]).await.map(drop)
}

async fn notify_waiters(tx: &Tx<'_>, is_changed: bool) -> Result<(), StoreError> {
    if !is_changed {
        return Ok(());
    }
    tx.query(include_str!("sql/notify_waiters.sql"), &[]).await.map(drop)
}

/// Most bytes of a key. PostgreSQL cannot index more than about 2,700 bytes, of a key with the names of source and
/// table.
const LONGEST_KEY: usize = 2000;
/// Most bytes of the path of a repository, of a branch, and of the name of a check, which are indexed.
const LONGEST_TEXT: usize = 1000;

/// Removes texts that are too long for an index. `false` for a check that cannot be stored.
fn limit_texts(check: &mut Check) -> bool {
    if check.repo.len() > LONGEST_TEXT {
        check.repo.clear();
    }
    check.branch.take_if(|branch| branch.len() > LONGEST_TEXT);
    if check.name.len() > LONGEST_TEXT {
        check.name.truncate(check.name.floor_char_boundary(LONGEST_TEXT));
    }
    check.key.len() <= LONGEST_KEY
}

async fn write_repositories(tx: &Tx<'_>, touched: &Touched) -> Result<(), StoreError> {
    let said = touched.repositories();
    if said.is_empty() {
        return Ok(());
    }
    tx.query(
        include_str!("sql/upsert_default_branches.sql"),
        &[
            /* host */ &column(&said, |((host, _), _)| host.as_str()),
            /* repo */ &column(&said, |((_, repo), _)| repo.as_str()),
            /* upstream_id */ &column(&said, |(_, said)| said.upstream_id.as_deref()),
            /* default_branch */ &column(&said, |(_, said)| said.default_branch.as_str()),
            /* said_at */ &column(&said, |(_, said)| said.said_at),
        ],
    )
    .await
    .map(drop)
}

/// Writes checks, sorted by their keys and each key once.
async fn upsert(tx: &Tx<'_>, rows: &[&Check]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    tx.query(
        include_str!("sql/upsert_checks.sql"),
        &[
            /* system */ &column(rows, |r| r.system.as_str()),
            /* kind */ &column(rows, |r| r.kind.as_str()),
            /* key */ &column(rows, |r| r.key.as_str()),
            /* stage */ &column(rows, |r| r.stage.as_str()),
            /* name */ &column(rows, |r| r.name.as_str()),
            /* host */ &column(rows, |r| r.host.as_str()),
            /* repo */ &column(rows, |r| r.repo.as_str()),
            /* sha */ &column(rows, |r| r.sha.as_deref()),
            /* branch */ &column(rows, |r| r.branch.as_deref()),
            /* mr */ &column(rows, |r| r.mr),
            /* lane */ &column(rows, |r| r.lane.name()),
            /* run */ &column(rows, |r| r.run.as_str()),
            /* attempt */ &column(rows, |r| r.attempt),
            /* attempt_is_whole */ &column(rows, |r| r.attempt_is_whole),
            /* seq */ &column(rows, |r| r.seq),
            /* state */ &column(rows, |r| r.state.name()),
            /* original */ &column(rows, |r| r.original.as_str()),
            /* warn */ &column(rows, |r| r.warn),
            /* optional */ &column(rows, |r| r.optional),
            /* ever_bad */ &column(rows, |r| r.ever_bad),
            /* waived_by */ &column(rows, |r| r.waived_by.as_deref()),
            /* url */ &column(rows, |r| r.url.as_deref()),
            /* log_url */ &column(rows, |r| r.log_url.as_deref()),
            /* created_at */ &column(rows, |r| r.created_at),
            /* started_at */ &column(rows, |r| r.started_at),
            /* finished_at */ &column(rows, |r| r.finished_at),
            /* changed_at */ &column(rows, |r| r.changed_at),
            /* stuck_since */ &column(rows, |r| r.stuck_since),
        ],
    )
    .await
    .map(drop)
}

impl FromRow for Check {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let state: String = row.try_get("state")?;
        let lane: String = row.try_get("lane")?;
        Ok(Self {
            system: row.try_get("system")?,
            kind: row.try_get("kind")?,
            key: row.try_get("key")?,
            stage: row.try_get("stage")?,
            name: row.try_get("name")?,
            host: row.try_get("host")?,
            repo: row.try_get("repo")?,
            sha: row.try_get("sha")?,
            branch: row.try_get("branch")?,
            mr: row.try_get("mr")?,
            lane: Lane::of(&lane),
            run: row.try_get("run")?,
            attempt: row.try_get("attempt")?,
            attempt_is_whole: row.try_get("attempt_is_whole")?,
            seq: row.try_get("seq")?,
            state: State::ALL.iter().copied().find(|known| known.name() == state).unwrap_or(State::Unknown),
            original: row.try_get("original")?,
            warn: row.try_get("warn")?,
            optional: row.try_get("optional")?,
            ever_bad: row.try_get("ever_bad")?,
            waived_by: row.try_get("waived_by")?,
            url: row.try_get("url")?,
            log_url: row.try_get("log_url")?,
            created_at: shown(row, "created_at")?,
            started_at: shown(row, "started_at")?,
            finished_at: shown(row, "finished_at")?,
            changed_at: shown(row, "changed_at")?,
            stuck_since: shown(row, "stuck_since")?,
        })
    }
}
