//! What pages show of checkouts, their builds and tests, and the issues seen in them.

use jiff::Timestamp;

pub use super::whole::{BuildMore, CheckoutMore, Full, TestMore, build, checkout, test};
use crate::kcidb::rules;
use crate::store::{Reader, StoreError, rows};

rows! {
    /// A checkout.
    pub struct CheckoutRow {
        /// Id: `origin:..`.
        pub id: String,
        /// Who told of it.
        pub origin: String,
        /// Short name of the tree.
        pub tree_name: Option<String>,
        /// Address of the repository.
        pub git_repository_url: Option<String>,
        /// Branch.
        pub git_repository_branch: Option<String>,
        /// Commit.
        pub git_commit_hash: Option<String>,
        /// What `git describe` says of it.
        pub git_commit_name: Option<String>,
        /// Hash of the patches on it; empty without patches.
        pub patchset_hash: Option<String>,
        /// What the origin says of it.
        pub comment: Option<String>,
        /// When it began.
        pub start_time: Option<Timestamp>,
        /// Its log.
        pub log_url: Option<String>,
        /// Whether the code could be checked out.
        pub valid: Option<bool>,
        /// When it began; if nobody says, when it was told or stored.
        pub at: Timestamp,
        /// What it has come to, in order: `build_setups_finished`, `tests_finished`, `ready_to_report`.
        pub milestones: Vec<String>,
        /// Whether it counts as finished only because nothing more came.
        pub overdue: bool,
        /// Newest message that told of it.
        pub message_id: String,
        /// When that was sent.
        pub message_at: Option<Timestamp>,
    }

    /// How many builds or tests of something have a status.
    pub struct StatusCount {
        /// Id of what they belong to.
        pub id: String,
        /// `build` or `test`.
        pub kind: String,
        /// Status; none for those that are still to come.
        pub status: Option<String>,
        /// How many.
        pub count: i64,
    }

    /// How far a checkout is.
    pub struct CheckoutProgress {
        /// Builds.
        pub builds: i64,
        /// Those without a result.
        pub builds_running: i64,
        /// Those that passed, and of which no test is known.
        pub builds_unplanned: i64,
        /// Tests without a result.
        pub tests_running: i64,
        /// Failed builds and failed tests without a known cause.
        pub untriaged: i64,
    }

    /// A build of a checkout.
    pub struct CheckoutBuild {
        /// Id: `origin:..`.
        pub id: String,
        /// The checkout.
        pub checkout_id: String,
        /// Who told of it.
        pub origin: String,
        /// Architecture.
        pub architecture: Option<String>,
        /// Compiler and its version.
        pub compiler: Option<String>,
        /// Name of the configuration.
        pub config_name: Option<String>,
        /// Its address.
        pub config_url: Option<String>,
        /// Command.
        pub command: Option<String>,
        /// What the origin says of it.
        pub comment: Option<String>,
        /// `FAIL`, `ERROR`, `MISS`, `PASS`, `DONE` or `SKIP`; none while it is to come.
        pub status: Option<String>,
        /// When it began.
        pub start_time: Option<Timestamp>,
        /// Seconds.
        pub duration: Option<f64>,
        /// Its log.
        pub log_url: Option<String>,
        /// Newest message that told of it.
        pub message_id: String,
        /// When that was sent.
        pub message_at: Option<Timestamp>,
    }

    /// A run of a test on a build.
    pub struct TestRow {
        /// Id: `origin:..`.
        pub id: String,
        /// The build.
        pub build_id: String,
        /// Who told of it.
        pub origin: String,
        /// Name, in parts with dots.
        pub path: Option<String>,
        /// What the origin says of it.
        pub comment: Option<String>,
        /// `FAIL`, `ERROR`, `MISS`, `PASS`, `DONE` or `SKIP`; none while it is to come.
        pub status: Option<String>,
        /// What it ran on.
        pub environment_comment: Option<String>,
        /// What it measured.
        pub number_value: Option<f64>,
        /// In what.
        pub number_unit: Option<String>,
        /// When it began.
        pub start_time: Option<Timestamp>,
        /// Seconds.
        pub duration: Option<f64>,
        /// Its log.
        pub log_url: Option<String>,
        /// Newest message that told of it.
        pub message_id: String,
        /// When that was sent.
        pub message_at: Option<Timestamp>,
    }

    /// An issue that was seen.
    pub struct IssueRow {
        /// Id: `origin:..`.
        pub id: String,
        /// Version that was seen.
        pub version: i64,
        /// Who told of it, if it is known.
        pub origin: Option<String>,
        /// What it is.
        pub comment: Option<String>,
        /// Title of the report.
        pub report_subject: Option<String>,
        /// The report.
        pub report_url: Option<String>,
        /// Whether the code is to blame.
        pub culprit_code: Option<bool>,
        /// Whether a tool is.
        pub culprit_tool: Option<bool>,
        /// Whether the harness is.
        pub culprit_harness: Option<bool>,
        /// How often it was seen here.
        pub incidents: i64,
    }

    /// Numbers of checkouts.
    pub struct CheckoutCounts {
        /// Begun lately.
        pub new: i64,
        /// Of these, with a failure.
        pub failed: i64,
        /// Whose tests have not all ended.
        pub unfinished: i64,
        /// Builds and tests in which no issue has been looked for yet; 10000 for that or more.
        pub untriaged: i64,
        /// When the newest began.
        pub newest: Option<Timestamp>,
    }

    /// The end of a log.
    pub struct Excerpt {
        /// Text.
        pub text: String,
    }
}

/// What statuses come to together: the worst of those that are there.
#[must_use]
pub fn worst<'c>(counts: impl IntoIterator<Item = &'c StatusCount>) -> Option<&'static str> {
    rules::summary(counts.into_iter().map(|count| count.status.as_deref()))
}

/// Statuses, worst first.
pub const STATUSES: [&str; 6] = rules::STATUSES;

/// Which checkouts are wanted; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// Who told of it.
    pub origin: Option<&'a str>,
    /// Short name of the tree.
    pub tree: Option<&'a str>,
    /// Branch.
    pub branch: Option<&'a str>,
    /// In id, tree, commit, branch or comment.
    pub text: Option<&'a str>,
    /// Whether anything of it failed.
    pub failed: Option<bool>,
    /// Whether all of its tests have ended.
    pub finished: Option<bool>,
    /// Begun since.
    pub since: Option<Timestamp>,
    /// Only those after this one.
    pub after: Option<(Timestamp, String)>,
    /// Oldest first.
    pub oldest_first: bool,
}

/// Checkouts.
///
/// # Errors
/// As [`Reader::read`].
pub async fn checkouts(reader: &mut Reader, wanted: &Wanted<'_>, most: i64) -> Result<Vec<CheckoutRow>, StoreError> {
    let newest = include_str!("sql/kcidb_list_checkouts.sql");
    let oldest = include_str!("sql/kcidb_list_checkouts_oldest.sql");
    let sql = if wanted.oldest_first { oldest } else { newest };
    let (at, id) = (wanted.after.as_ref().map(|after| after.0), wanted.after.as_ref().map(|after| after.1.as_str()));
    let Wanted { origin, tree, branch, text, failed, finished, since, .. } = wanted;
    reader.read(sql, &[origin, tree, branch, text, failed, finished, since, &at, &id, &most]).await
}

/// Of checkouts: how many builds of each status there are, and (with a count of 1) which statuses tests have.
///
/// # Errors
/// As [`Reader::read`].
pub async fn statuses(reader: &mut Reader, checkouts: &[&str]) -> Result<Vec<StatusCount>, StoreError> {
    reader.read(include_str!("sql/kcidb_list_statuses.sql"), &[&checkouts, &&STATUSES[..]]).await
}

/// Of one checkout: how many builds and tests of each status there are.
///
/// # Errors
/// As [`Reader::read`].
pub async fn counts_of(reader: &mut Reader, checkout: &str) -> Result<Vec<StatusCount>, StoreError> {
    reader.read(super::find::SUMMARY, &[&&[checkout][..]]).await
}

/// How far a checkout is.
///
/// # Errors
/// As [`Reader::read`].
pub async fn progress(reader: &mut Reader, checkout: &str) -> Result<Option<CheckoutProgress>, StoreError> {
    reader.first(include_str!("sql/kcidb_find_progress.sql"), &[&checkout]).await
}

/// Builds of a checkout, worst first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn builds(reader: &mut Reader, checkout: &str, most: i64) -> Result<Vec<CheckoutBuild>, StoreError> {
    reader.read(include_str!("sql/kcidb_list_builds.sql"), &[&checkout, &&STATUSES[..], &most]).await
}

/// Of builds: how many tests of each status there are.
///
/// # Errors
/// As [`Reader::read`].
pub async fn count_tests(reader: &mut Reader, builds: &[&str]) -> Result<Vec<StatusCount>, StoreError> {
    reader.read(include_str!("sql/kcidb_count_tests.sql"), &[&builds]).await
}

/// Tests of a build, worst first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn tests(reader: &mut Reader, build: &str, most: i64) -> Result<Vec<TestRow>, StoreError> {
    reader.read(include_str!("sql/kcidb_list_tests.sql"), &[&build, &&STATUSES[..], &most]).await
}

/// What issues are looked for in.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// A checkout, by its id.
    Checkout(&'a str),
    /// A build.
    Build(&'a str),
    /// A test.
    Test(&'a str),
}

impl<'a> Seen<'a> {
    fn ids(self) -> [Option<&'a str>; 3] {
        match self {
            Self::Checkout(id) => [Some(id), None, None],
            Self::Build(id) => [None, Some(id), None],
            Self::Test(id) => [None, None, Some(id)],
        }
    }
}

/// Issues that were seen in something, the most frequent first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn issues(reader: &mut Reader, seen: Seen<'_>, most: i64) -> Result<Vec<IssueRow>, StoreError> {
    let [checkout, build, test] = seen.ids();
    reader.read(include_str!("sql/kcidb_list_issues.sql"), &[&checkout, &build, &test, &most]).await
}

/// The end of the log of a checkout, build or test.
///
/// # Errors
/// As [`Reader::read`].
pub async fn excerpt(reader: &mut Reader, of: Seen<'_>) -> Result<Option<Excerpt>, StoreError> {
    let [checkout, build, test] = of.ids();
    reader.first(include_str!("sql/kcidb_read_excerpt.sql"), &[&checkout, &build, &test]).await
}

/// Numbers of checkouts: those begun since `lately`, and those begun since `long` that have not ended.
///
/// # Errors
/// As [`Reader::read`].
pub async fn counts(
    reader: &mut Reader,
    lately: Timestamp,
    long: Timestamp,
) -> Result<Option<CheckoutCounts>, StoreError> {
    reader.first(include_str!("sql/kcidb_count_checkouts.sql"), &[&lately, &long]).await
}
