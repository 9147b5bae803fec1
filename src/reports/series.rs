//! What is broken now, since when, and by which change; and the history of one series.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::checks::failures::is_known_flaky;
use crate::db::{Param, Reader, StoreError, column, rows};

/// Commits with checks of other names only, after which a series is not shown as broken any more. The view
/// `series_standing` counts no more than these.
const ABSENT_AFTER: i64 = 10;
/// How old the newest result of a series can be. Results of the same time count for how flaky it is.
const LATELY: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Most commits that are listed as suspects.
const MOST_SUSPECTS: i64 = 20;
/// Most results of a series that are listed.
const MOST_RESULTS: i64 = 100;

rows! {
    /// How a series stands.
    pub struct SeriesRow {
        /// Its id.
        pub id: String,
        /// Name of the source.
        pub system: String,
        /// Host of the repository; empty if unknown.
        pub host: String,
        /// Path of the repository; empty if there is none.
        pub repo: String,
        /// The branch; empty if there is none.
        pub branch: String,
        /// Why its checks run.
        pub lane: String,
        /// Name of its checks.
        pub name: String,
        /// Outcome of the newest result: `ok` or `bad`.
        pub outcome: String,
        /// State of the newest result.
        pub state: String,
        /// Whether a failure is allowed.
        pub optional: bool,
        /// Commit of the newest result.
        pub sha: Option<String>,
        /// Place of that commit on its branch: when it was pushed, or when its first check was created.
        pub place: Timestamp,
        /// When the newest result ended.
        pub at: Timestamp,
        /// When the first result of the present run of equal outcomes ended; none if all results are successes.
        pub since: Option<Timestamp>,
        /// Commit of that result, or the key of its check where there is no commit.
        pub first_point: Option<String>,
        /// Place of that commit.
        pub first_place: Option<Timestamp>,
        /// Commit of the result before, which has the other outcome: of what is broken the last good one.
        pub before_point: Option<String>,
        /// Place of that commit.
        pub before_place: Option<Timestamp>,
        /// Results of the present run of failures, at most 100.
        pub count: Option<i64>,
        /// Page of the check of the newest result.
        pub url: Option<String>,
        /// Its log.
        pub log_url: Option<String>,
        /// Results of the last 14 days, at most 100.
        pub results: i64,
        /// How many of them have both a success and a failure of one commit.
        pub flaky: i64,
    }

    /// A commit that may have broken a series.
    pub struct SuspectRow {
        /// Number of the question, from 1.
        #[serde(skip)]
        pub item: i64,
        /// Its hash.
        pub sha: String,
        /// When it was pushed, or when its first check was created.
        pub place: Timestamp,
        /// The head of the branch before the push.
        #[serde(skip)]
        pub before_sha: Option<String>,
        /// Title of the commit.
        pub title: Option<String>,
        /// Name of its author.
        pub author: Option<String>,
        /// Name of the user who pushed it.
        pub pushed_by: Option<String>,
        /// Its page.
        pub url: Option<String>,
    }

    /// A result of a series.
    pub struct ResultRow {
        /// The commit, or the key of the check where there is no commit.
        pub point: String,
        /// The commit.
        pub sha: Option<String>,
        /// When it was pushed, or when its first check was created.
        pub place: Timestamp,
        /// State of the newest check of the commit.
        pub state: String,
        /// Its outcome: `ok` or `bad`.
        pub outcome: String,
        /// Whether checks of the commit succeeded and failed.
        pub flaky: bool,
        /// When the check was created.
        pub created_at: Option<Timestamp>,
        /// When it started.
        pub started_at: Option<Timestamp>,
        /// When it ended.
        pub at: Timestamp,
        /// Its page.
        pub url: Option<String>,
        /// Its log.
        pub log_url: Option<String>,
        /// `broken`, `fixed` or `flaky`, if it is one of them.
        pub transition: Option<String>,
    }

    /// A change of a series from success to failure or back.
    pub struct TransitionRow {
        /// Id of the series.
        pub series: String,
        /// Name of the source.
        pub system: String,
        /// Host of the repository; empty if unknown.
        pub host: String,
        /// Path of the repository; empty if there is none.
        pub repo: String,
        /// The branch; empty if there is none.
        pub branch: String,
        /// Why its checks run.
        pub lane: String,
        /// Name of its checks.
        pub name: String,
        /// `broken`, `fixed` or `flaky`.
        pub transition: String,
        /// When the check ended.
        pub at: Timestamp,
        /// When the commit was pushed, or when its first check was created.
        pub place: Timestamp,
        /// The commit, or the key of the check where there is no commit.
        pub point: String,
        /// The commit of the result before.
        pub before_point: Option<String>,
        /// Place of that commit.
        pub before_place: Option<Timestamp>,
        /// The commit.
        pub sha: Option<String>,
        /// State of the check.
        pub state: Option<String>,
        /// Its page.
        pub url: Option<String>,
        /// Its log.
        pub log_url: Option<String>,
    }

    /// How many series of a source and lane are broken.
    pub struct BrokenCount {
        /// Name of the source.
        pub system: String,
        /// Why the checks run.
        pub lane: String,
        /// How many.
        pub broken: i64,
    }
}

/// How a series stands, with the commits that may have made it so.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SeriesItem {
    /// The series.
    #[serde(flatten)]
    pub series: SeriesRow,
    /// Whether it is known to be flaky: at least two of its last results are, and 1 in 100.
    pub is_flaky: bool,
    /// Commits after the last good one up to the first bad one, oldest first, at most 20; empty for what is not broken.
    pub suspects: Vec<SuspectRow>,
    /// Whether these are all. Otherwise there are at least these: not all pushes are known.
    pub suspects_complete: bool,
}

/// One series with its last results, newest first.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SeriesHistory {
    /// The series.
    #[serde(flatten)]
    pub item: SeriesItem,
    /// Its last results, at most 100.
    pub history: Vec<ResultRow>,
}

/// Which series to list; `None` for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesFilter {
    /// Name of the source.
    pub system: Option<String>,
    /// Path of the repository.
    pub repo: Option<String>,
    /// Branch; `None` for default branches, and for releases and tags.
    pub branch: Option<String>,
    /// Why the checks run.
    pub lane: Option<String>,
    /// A part of the name, in any case.
    pub name: Option<String>,
    /// Series of all branches.
    pub all_branches: bool,
    /// Also series whose failure is allowed.
    pub optional: bool,
}

impl SeriesFilter {
    fn params(&self) -> [Param<'_>; 5] {
        [&self.system, &self.repo, &self.branch, &self.lane, &self.name]
    }

    fn every_branch(&self) -> bool {
        self.all_branches || self.branch.is_some()
    }
}

/// From when on results count.
fn lately(now: Timestamp) -> Timestamp {
    now.saturating_sub(LATELY).unwrap_or(Timestamp::MIN)
}

/// What is broken now, what broke last first; after a position (since, id) if given, at most `limit`.
///
/// # Errors
/// As [`Reader::read`].
pub async fn broken(
    reader: &mut Reader,
    filter: &SeriesFilter,
    after: Option<(Timestamp, &str)>,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<SeriesItem>, StoreError> {
    let (since, id) = after.unzip();
    let (all_branches, lately) = (filter.every_branch(), lately(now));
    let [system, repo, branch, lane, name] = filter.params();
    let found: Vec<SeriesRow> = reader
        .read(
            include_str!("sql/list_broken.sql"),
            &[
                system,
                repo,
                branch,
                lane,
                name,
                &all_branches,
                &filter.optional,
                &lately,
                &ABSENT_AFTER,
                &limit,
                &since,
                &id,
            ],
        )
        .await?;
    with_suspects(reader, found).await
}

/// How series stand, by repository, branch and name; at most `limit`.
///
/// # Errors
/// As [`Reader::read`].
pub async fn series(
    reader: &mut Reader,
    filter: &SeriesFilter,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<SeriesRow>, StoreError> {
    let (all_branches, lately) = (filter.every_branch(), lately(now));
    let [system, repo, branch, lane, name] = filter.params();
    let sql = include_str!("sql/list_series.sql");
    let params: [Param<'_>; 10] =
        [system, repo, branch, lane, name, &all_branches, &filter.optional, &lately, &ABSENT_AFTER, &limit];
    reader.read(sql, &params).await
}

/// How many series are broken now, by source and lane: of default branches, releases and tags.
///
/// # Errors
/// As [`Reader::read`].
pub async fn broken_counts(reader: &mut Reader, now: Timestamp) -> Result<Vec<BrokenCount>, StoreError> {
    reader.read(include_str!("sql/count_broken.sql"), &[&lately(now), &ABSENT_AFTER]).await
}

/// A series by its id, with its last results; `None` if it is not known, or its branch was deleted.
///
/// # Errors
/// As [`Reader::read`].
pub async fn series_history(
    reader: &mut Reader,
    id: &str,
    now: Timestamp,
) -> Result<Option<SeriesHistory>, StoreError> {
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let found: Vec<SeriesRow> = reader.read(include_str!("sql/find_series.sql"), &[&id, &lately(now)]).await?;
    let Some(item) = with_suspects(reader, found).await?.pop() else { return Ok(None) };
    let history = reader.read(include_str!("sql/list_results.sql"), &[&id, &MOST_RESULTS]).await?;
    Ok(Some(SeriesHistory { item, history }))
}

/// Transitions of default branches, releases and tags since a time, newest first; of one repository if given.
///
/// # Errors
/// As [`Reader::read`].
pub async fn transitions(
    reader: &mut Reader,
    since: Timestamp,
    repo: Option<&str>,
    limit: i64,
) -> Result<Vec<TransitionRow>, StoreError> {
    let edges = ["broken", "fixed"].as_slice();
    reader.read(include_str!("sql/list_transitions_recent.sql"), &[&since, &edges, &repo, &limit]).await
}

async fn with_suspects(reader: &mut Reader, found: Vec<SeriesRow>) -> Result<Vec<SeriesItem>, StoreError> {
    let is_asked = |row: &&SeriesRow| row.outcome == "bad" && row.sha.is_some() && row.before_place.is_some();
    let asked: Vec<&SeriesRow> = found.iter().filter(is_asked).collect();
    let mut suspects: Vec<SuspectRow> = Vec::new();
    if !asked.is_empty() {
        let (repo, branch) = (column(&asked, |r| r.repo.as_str()), column(&asked, |r| r.branch.as_str()));
        let (after, upto) = (column(&asked, |r| r.before_place), column(&asked, |r| r.first_place));
        let sql = include_str!("sql/list_suspects.sql");
        suspects = reader.read(sql, &[&repo, &branch, &after, &upto, &MOST_SUSPECTS]).await?;
    }
    let mut numbers = 1..;
    let mut items = Vec::new();
    for series in found {
        let number = if is_asked(&&series) { numbers.next() } else { None };
        let suspects: Vec<SuspectRow> = suspects.extract_if(.., |suspect| Some(suspect.item) == number).collect();
        let number = |count: i64| usize::try_from(count).unwrap_or_default();
        let is_flaky = is_known_flaky(number(series.flaky), number(series.results));
        let suspects_complete = is_complete(&series, &suspects);
        items.push(SeriesItem { is_flaky, suspects, suspects_complete, series });
    }
    Ok(items)
}

/// Whether the pushes follow each other from the last good commit to the first bad one, without a gap.
fn is_complete(series: &SeriesRow, suspects: &[SuspectRow]) -> bool {
    let mut head = series.before_point.as_deref();
    for suspect in suspects {
        if head.is_none() || suspect.before_sha.as_deref() != head {
            return false;
        }
        head = Some(&suspect.sha);
    }
    !suspects.is_empty() && head == series.first_point.as_deref()
}
