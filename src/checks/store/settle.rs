//! Settles series in the transaction that changes their checks: places of commits, results, transitions, and how each
//! series stands. All of them are functions of `checks`, of pushes and of deleted branches.
//!
//! Each row is locked before what it depends on is read: first the checks, which the caller has written, then their
//! commits, then the series, each in the order of their keys. So of two transactions that change checks of one commit,
//! or results of one series, the later one sees what the other has written, and they cannot deadlock.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tokio_postgres::Row;

use crate::checks::check::{Check, Lane, Outcome};
use crate::checks::series::{BranchCommit, Point, SeriesKey, Trace, Unsettled, result_states};
use crate::checks::touched::Touched;
use crate::db::{StoreError, Tx, column};

/// When pushes made commits the heads of branches; `None` for pushes that are not known any more.
pub type PushTimes = BTreeMap<BranchCommit, Option<Timestamp>>;

/// What changed checks, pushes and branches leave to be settled. `before` and `now` are the checks of the changed rows,
/// each sorted by their keys; `old` are checks whose series were never settled.
pub(super) fn unsettled(before: &[Check], now: &[Check], old: &[Check], pushes: &PushTimes) -> Unsettled {
    let mut unsettled = Unsettled::default();
    for check in old {
        unsettled.add(None, Trace::of(check).as_ref());
    }
    let mut changes: BTreeMap<_, (Option<Trace>, Option<Trace>)> = BTreeMap::new();
    for check in before {
        changes.entry(check.place()).or_default().0 = Trace::of(check);
    }
    for check in now {
        changes.entry(check.place()).or_default().1 = Trace::of(check);
    }
    for (before, now) in changes.values() {
        unsettled.add(before.as_ref(), now.as_ref());
    }
    for commit in pushes.keys() {
        unsettled.commits.entry(commit.clone()).or_default();
    }
    unsettled
}

/// Settles what the changed checks, which are written, and the touched pushes and branches leave.
///
/// # Errors
/// When a statement fails.
pub(super) async fn settle(
    tx: &Tx<'_>,
    unsettled: Unsettled,
    touched: &Touched,
    pushes: &PushTimes,
) -> Result<(), StoreError> {
    let Unsettled { mut points, commits, left } = unsettled;
    // None of them depends on what another returns: they are sent at once, and are executed in this order.
    let (moved, mut places, deleted) = tokio::try_join!(
        biased;
        place_commits(tx, &commits, &left, pushes),
        result_places(tx, &points),
        points_of_branches(tx, touched.deleted_branches()),
    )?;
    let mut others: BTreeSet<Point> = deleted;
    others.extend(points_of_commits(tx, &moved).await?);
    others.retain(|point| !points.contains(point));
    places.extend(result_places(tx, &others).await?);
    points.extend(others);
    if points.is_empty() {
        return Ok(());
    }
    let points: Vec<(String, &Point)> = points.iter().map(|point| (point.series.id(), point)).collect();
    let series: BTreeMap<&str, &SeriesKey> = points.iter().map(|(id, point)| (id.as_str(), &point.series)).collect();
    let ids: Vec<&str> = series.keys().copied().collect();
    tokio::try_join!(
        biased;
        lock_series(tx, &series),
        settle_results(tx, &points),
        settle_transitions(tx, &points, &places),
        settle_series(tx, &ids),
    )
    .map(drop)
}

/// The columns of commits on branches.
fn columns<'c>(commits: impl IntoIterator<Item = &'c BranchCommit>) -> [Vec<&'c str>; 3] {
    let commits: Vec<&BranchCommit> = commits.into_iter().collect();
    [
        column(&commits, |(repo, _, _)| repo.as_str()),
        column(&commits, |(_, branch, _)| branch.as_str()),
        column(&commits, |(_, _, sha)| sha.as_str()),
    ]
}

/// Locks commits and writes their places. Returns those that were known before at another place.
async fn place_commits(
    tx: &Tx<'_>,
    commits: &BTreeMap<BranchCommit, Option<Timestamp>>,
    left: &BTreeSet<BranchCommit>,
    pushes: &PushTimes,
) -> Result<BTreeSet<BranchCommit>, StoreError> {
    if commits.is_empty() {
        return Ok(BTreeSet::new());
    }
    let emptied: BTreeSet<BranchCommit> = left.iter().chain(pushes.keys()).cloned().collect();
    let (locked, refreshed, pushed, _) = tokio::try_join!(
        biased;
        lock_commits(tx, commits),
        refresh(tx, left),
        place_pushes(tx, pushes),
        delete_places(tx, &emptied),
    )?;
    let rows = locked.iter().chain(&refreshed).chain(&pushed).filter(|row| row.get("is_moved"));
    Ok(rows.map(|row| (row.get("repo"), row.get("branch"), row.get("sha"))).collect())
}

/// Locks commits, and records when their first checks were created.
async fn lock_commits(
    tx: &Tx<'_>,
    commits: &BTreeMap<BranchCommit, Option<Timestamp>>,
) -> Result<Vec<Row>, StoreError> {
    let [repo, branch, sha] = columns(commits.keys());
    let first_check_at: Vec<Option<Timestamp>> = commits.values().copied().collect();
    tx.query(include_str!("sql/lock_commit_places.sql"), &[&repo, &branch, &sha, &first_check_at]).await
}

/// The names of the lanes that have series.
fn lanes() -> Vec<&'static str> {
    Lane::ALL.iter().filter(|lane| lane.has_series()).map(|lane| lane.name()).collect()
}

async fn refresh(tx: &Tx<'_>, left: &BTreeSet<BranchCommit>) -> Result<Vec<Row>, StoreError> {
    if left.is_empty() {
        return Ok(Vec::new());
    }
    let [repo, branch, sha] = columns(left);
    tx.query(include_str!("sql/refresh_commit_places.sql"), &[&repo, &branch, &sha, &lanes()]).await
}

async fn place_pushes(tx: &Tx<'_>, pushes: &PushTimes) -> Result<Vec<Row>, StoreError> {
    if pushes.is_empty() {
        return Ok(Vec::new());
    }
    let [repo, branch, sha] = columns(pushes.keys());
    let pushed_at: Vec<Option<Timestamp>> = pushes.values().copied().collect();
    tx.query(include_str!("sql/place_pushes.sql"), &[&repo, &branch, &sha, &pushed_at]).await
}

async fn delete_places(tx: &Tx<'_>, commits: &BTreeSet<BranchCommit>) -> Result<(), StoreError> {
    if commits.is_empty() {
        return Ok(());
    }
    let [repo, branch, sha] = columns(commits);
    tx.query(include_str!("sql/delete_commit_places.sql"), &[&repo, &branch, &sha]).await.map(drop)
}

/// The deletion of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchDeletion {
    /// Path of the repository.
    pub repo: String,
    /// The branch.
    pub branch: String,
    /// The head that was deleted; empty if unknown.
    pub before_sha: String,
    /// When.
    pub deleted_at: Timestamp,
}

/// Records deletions of branches, and adds the branches to `touched`. Returns the places of those that are news, in the
/// given list.
///
/// # Errors
/// When the statement fails.
pub async fn delete_branches(
    tx: &Tx<'_>,
    deletions: &[&BranchDeletion],
    touched: &mut Touched,
) -> Result<Vec<usize>, StoreError> {
    let key = |index: usize| {
        let deletion = deletions[index];
        (deletion.repo.as_str(), deletion.branch.as_str(), deletion.before_sha.as_str())
    };
    let mut order: Vec<usize> = (0..deletions.len()).collect();
    order.sort_by_key(|index| (key(*index), deletions[*index].deleted_at));
    order.dedup_by_key(|index| key(*index));
    let rows: Vec<&BranchDeletion> = order.iter().map(|index| deletions[*index]).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let news = tx
        .query(
            include_str!("sql/upsert_branch_deletions.sql"),
            &[
                /* repo */ &column(&rows, |r| r.repo.as_str()),
                /* branch */ &column(&rows, |r| r.branch.as_str()),
                /* before_sha */ &column(&rows, |r| r.before_sha.as_str()),
                /* deleted_at */ &column(&rows, |r| r.deleted_at),
            ],
        )
        .await?;
    let news: BTreeSet<(&str, &str, &str)> =
        news.iter().map(|row| (row.get("repo"), row.get("branch"), row.get("before_sha"))).collect();
    order.retain(|index| news.contains(&key(*index)));
    for index in &order {
        touched.add_deleted_branch((deletions[*index].repo.clone(), deletions[*index].branch.clone()));
    }
    Ok(order)
}

/// All results of branches that were deleted: which of them are from before the deletion has changed.
///
/// A series that another transaction begins at the same moment for such a branch keeps its result, because neither sees
/// the other; queries compare the place of a result with the deletion, too.
async fn points_of_branches(tx: &Tx<'_>, branches: &BTreeSet<(String, String)>) -> Result<BTreeSet<Point>, StoreError> {
    if branches.is_empty() {
        return Ok(BTreeSet::new());
    }
    let branches: Vec<&(String, String)> = branches.iter().collect();
    let (repo, branch) = (column(&branches, |b| b.0.as_str()), column(&branches, |b| b.1.as_str()));
    let sql = include_str!("sql/checks_of_branches.sql");
    let checks: Vec<Check> = tx.read(sql, &[&repo, &branch, &lanes(), &results()]).await?;
    Ok(checks.iter().filter_map(Trace::of).map(Trace::into_point).collect())
}

/// The names of the states that are results.
fn results() -> Vec<&'static str> {
    [result_states(Outcome::Ok), result_states(Outcome::Bad)].concat()
}

/// All results of commits.
async fn points_of_commits(tx: &Tx<'_>, commits: &BTreeSet<BranchCommit>) -> Result<BTreeSet<Point>, StoreError> {
    if commits.is_empty() {
        return Ok(BTreeSet::new());
    }
    let [repo, branch, sha] = columns(commits);
    let sql = include_str!("sql/checks_of_commits.sql");
    let checks: Vec<Check> = tx.read(sql, &[&repo, &branch, &sha, &lanes(), &results()]).await?;
    Ok(checks.iter().filter_map(Trace::of).map(Trace::into_point).collect())
}

/// The places of the results that are stored, by series and point.
async fn result_places(
    tx: &Tx<'_>,
    points: &BTreeSet<Point>,
) -> Result<BTreeMap<(String, String), Timestamp>, StoreError> {
    if points.is_empty() {
        return Ok(BTreeMap::new());
    }
    let points: Vec<&Point> = points.iter().collect();
    let (series, point) = (column(&points, |p| p.series.id()), column(&points, |p| p.point.as_str()));
    let rows = tx.query(include_str!("sql/result_places.sql"), &[&series, &point]).await?;
    Ok(rows.iter().map(|row| ((id(row.get("series")), row.get("point")), row.get("place"))).collect())
}

/// An id as [`SeriesKey::id`] writes it, from the text of a UUID.
fn id(uuid: &str) -> String {
    uuid.replace('-', "")
}

async fn lock_series(tx: &Tx<'_>, series: &BTreeMap<&str, &SeriesKey>) -> Result<(), StoreError> {
    let rows: Vec<(&&str, &&SeriesKey)> = series.iter().collect();
    tx.query(
        include_str!("sql/lock_series.sql"),
        &[
            /* id */ &column(&rows, |(id, _)| **id),
            /* system */ &column(&rows, |(_, series)| series.system.as_str()),
            /* host */ &column(&rows, |(_, series)| series.host.as_str()),
            /* repo */ &column(&rows, |(_, series)| series.repo.as_str()),
            /* branch */ &column(&rows, |(_, series)| series.branch.as_str()),
            /* lane */ &column(&rows, |(_, series)| series.lane.name()),
            /* name */ &column(&rows, |(_, series)| series.name.as_str()),
        ],
    )
    .await
    .map(drop)
}

/// `rows` are the results with the ids of their series.
async fn settle_results(tx: &Tx<'_>, rows: &[(String, &Point)]) -> Result<(), StoreError> {
    tx.query(
        include_str!("sql/settle_results.sql"),
        &[
            &column(rows, |(id, _)| id.as_str()),
            &column(rows, |(_, r)| r.point.as_str()),
            &column(rows, |(_, r)| r.series.system.as_str()),
            &column(rows, |(_, r)| r.series.host.as_str()),
            &column(rows, |(_, r)| r.series.repo.as_str()),
            &column(rows, |(_, r)| r.series.branch.as_str()),
            &column(rows, |(_, r)| r.series.lane.name()),
            &column(rows, |(_, r)| r.series.name.as_str()),
            &column(rows, |(_, r)| r.kind.as_deref()),
            &result_states(Outcome::Ok),
            &result_states(Outcome::Bad),
        ],
    )
    .await
    .map(drop)
}

/// Writes how series stand, and deletes those without a result.
async fn settle_series(tx: &Tx<'_>, ids: &[&str]) -> Result<(), StoreError> {
    tx.query(include_str!("sql/settle_series.sql"), &[&ids]).await.map(drop)
}

/// `places` are those of the results before they were settled.
async fn settle_transitions(
    tx: &Tx<'_>,
    rows: &[(String, &Point)],
    places: &BTreeMap<(String, String), Timestamp>,
) -> Result<(), StoreError> {
    let (series, point) = (column(rows, |r| r.0.as_str()), column(rows, |r| r.1.point.as_str()));
    let place = column(rows, |r| places.get(&(r.0.clone(), r.1.point.clone())).copied());
    tx.query(include_str!("sql/settle_transitions.sql"), &[&series, &point, &place]).await.map(drop)
}
