//! Reads checkouts, their builds and tests, and the issues that occur in them, for the web UI.

use jiff::Timestamp;

pub use super::whole::{BuildMore, CheckoutMore, Full, TestMore, build, checkout, test};
use crate::db::{Reader, StoreError, rows};
use crate::sources::kcidb::rules;

rows! {
    /// A checkout.
    pub struct CheckoutRow {
        /// Id: `origin:..`.
        pub id: String,
        /// Name of the submitting system.
        pub origin: String,
        /// Short name of the tree.
        pub tree_name: Option<String>,
        /// Address of the repository.
        pub git_repository_url: Option<String>,
        /// Branch.
        pub git_repository_branch: Option<String>,
        /// Commit.
        pub git_commit_hash: Option<String>,
        /// Output of `git describe`.
        pub git_commit_name: Option<String>,
        /// Hash of the patches on it; empty without patches.
        pub patchset_hash: Option<String>,
        /// Comment of the origin.
        pub comment: Option<String>,
        /// When it began.
        pub start_time: Option<Timestamp>,
        /// Address of the log.
        pub log_url: Option<String>,
        /// Whether the code could be checked out.
        pub valid: Option<bool>,
        /// When it began; if unknown, when the message was sent, or else stored.
        pub at: Timestamp,
        /// Milestones that it reached, in order: `build_setups_finished`, `tests_finished`, `ready_to_report`.
        pub milestones: Vec<String>,
        /// Whether it counts as finished only because it has been silent for too long.
        pub overdue: bool,
        /// Id of the newest message about it.
        pub message_id: String,
        /// When that message was sent.
        pub message_at: Option<Timestamp>,
    }

    /// Number of the builds or tests of an object that have a status.
    pub struct StatusCount {
        /// Id of the checkout or build that they belong to.
        pub id: String,
        /// `build` or `test`.
        pub kind: String,
        /// Status; none for those without a result.
        pub status: Option<String>,
        /// Number of builds or tests.
        pub count: i64,
    }

    /// Progress of a checkout.
    pub struct CheckoutProgress {
        /// Number of builds.
        pub builds: i64,
        /// Number of builds without a result.
        pub builds_running: i64,
        /// Number of builds that passed and have no tests yet.
        pub builds_unplanned: i64,
        /// Number of tests without a result.
        pub tests_running: i64,
        /// Number of failed builds and failed tests without a known cause.
        pub untriaged: i64,
    }

    /// A build of a checkout.
    pub struct CheckoutBuild {
        /// Id: `origin:..`.
        pub id: String,
        /// The checkout.
        pub checkout_id: String,
        /// Name of the submitting system.
        pub origin: String,
        /// Architecture.
        pub architecture: Option<String>,
        /// Compiler and its version.
        pub compiler: Option<String>,
        /// Name of the configuration.
        pub config_name: Option<String>,
        /// Address of the configuration.
        pub config_url: Option<String>,
        /// Command.
        pub command: Option<String>,
        /// Comment of the origin.
        pub comment: Option<String>,
        /// `FAIL`, `ERROR`, `MISS`, `PASS`, `DONE` or `SKIP`; none while there is no result.
        pub status: Option<String>,
        /// When it began.
        pub start_time: Option<Timestamp>,
        /// Duration in seconds.
        pub duration: Option<f64>,
        /// Address of the log.
        pub log_url: Option<String>,
        /// Id of the newest message about it.
        pub message_id: String,
        /// When that message was sent.
        pub message_at: Option<Timestamp>,
    }

    /// A run of a test on a build.
    pub struct TestRow {
        /// Id: `origin:..`.
        pub id: String,
        /// The build.
        pub build_id: String,
        /// Name of the submitting system.
        pub origin: String,
        /// Name: words separated by dots.
        pub path: Option<String>,
        /// Comment of the origin.
        pub comment: Option<String>,
        /// `FAIL`, `ERROR`, `MISS`, `PASS`, `DONE` or `SKIP`; none while there is no result.
        pub status: Option<String>,
        /// Environment that it ran in.
        pub environment_comment: Option<String>,
        /// Number that it measured.
        pub number_value: Option<f64>,
        /// Unit of the number.
        pub number_unit: Option<String>,
        /// When it began.
        pub start_time: Option<Timestamp>,
        /// Duration in seconds.
        pub duration: Option<f64>,
        /// Address of the log.
        pub log_url: Option<String>,
        /// Id of the newest message about it.
        pub message_id: String,
        /// When that message was sent.
        pub message_at: Option<Timestamp>,
    }

    /// An issue that occurs in an object.
    pub struct IssueRow {
        /// Id: `origin:..`.
        pub id: String,
        /// Version that occurs.
        pub version: i64,
        /// Name of the submitting system, if the issue is stored.
        pub origin: Option<String>,
        /// Description.
        pub comment: Option<String>,
        /// Title of the report.
        pub report_subject: Option<String>,
        /// Address of the report.
        pub report_url: Option<String>,
        /// Whether the code is the cause.
        pub culprit_code: Option<bool>,
        /// Whether a tool is the cause.
        pub culprit_tool: Option<bool>,
        /// Whether the test harness is the cause.
        pub culprit_harness: Option<bool>,
        /// Number of incidents in the object.
        pub incidents: i64,
    }

    /// Counts of checkouts.
    pub struct CheckoutCounts {
        /// Checkouts that began recently.
        pub new: i64,
        /// Recent checkouts with a failure.
        pub failed: i64,
        /// Checkouts with unfinished tests.
        pub unfinished: i64,
        /// Builds and tests in the triage queue; 10000 means that many or more.
        pub untriaged: i64,
        /// When the newest checkout began.
        pub newest: Option<Timestamp>,
    }

    /// A log excerpt.
    pub struct Excerpt {
        /// Text.
        pub text: String,
    }
}

/// The worst status that occurs.
#[must_use]
pub fn worst<'c>(counts: impl IntoIterator<Item = &'c StatusCount>) -> Option<&'static str> {
    rules::summary(counts.into_iter().map(|count| count.status.as_deref()))
}

/// Statuses, worst first.
pub const STATUSES: [&str; 6] = rules::STATUSES;

/// A filter for checkouts; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct CheckoutFilter<'a> {
    /// Name of the submitting system.
    pub origin: Option<&'a str>,
    /// Short name of the tree.
    pub tree: Option<&'a str>,
    /// Branch.
    pub branch: Option<&'a str>,
    /// Text in id, tree, commit, branch or comment.
    pub text: Option<&'a str>,
    /// Whether the checkout, a build or a test failed.
    pub failed: Option<bool>,
    /// Whether all of its tests have finished.
    pub finished: Option<bool>,
    /// Only checkouts that began since then.
    pub since: Option<Timestamp>,
    /// Only checkouts after this one in the list: its time and id.
    pub after: Option<(Timestamp, String)>,
    /// Oldest first.
    pub oldest_first: bool,
}

/// At most `limit` checkouts that match a filter.
///
/// # Errors
/// As [`Reader::read`].
pub async fn checkouts(
    reader: &mut Reader,
    filter: &CheckoutFilter<'_>,
    limit: i64,
) -> Result<Vec<CheckoutRow>, StoreError> {
    let newest = include_str!("sql/kcidb_list_checkouts.sql");
    let oldest = include_str!("sql/kcidb_list_checkouts_oldest.sql");
    let sql = if filter.oldest_first { oldest } else { newest };
    let (at, id) = (filter.after.as_ref().map(|after| after.0), filter.after.as_ref().map(|after| after.1.as_str()));
    let CheckoutFilter { origin, tree, branch, text, failed, finished, since, .. } = filter;
    reader.read(sql, &[origin, tree, branch, text, failed, finished, since, &at, &id, &limit]).await
}

/// Counts the builds of checkouts by status; and the worst status of their tests, with a count of 1.
///
/// # Errors
/// As [`Reader::read`].
pub async fn statuses(reader: &mut Reader, checkouts: &[&str]) -> Result<Vec<StatusCount>, StoreError> {
    reader.read(include_str!("sql/kcidb_list_statuses.sql"), &[&checkouts, &&STATUSES[..]]).await
}

/// Counts the builds and tests of one checkout by status.
///
/// # Errors
/// As [`Reader::read`].
pub async fn counts_of(reader: &mut Reader, checkout: &str) -> Result<Vec<StatusCount>, StoreError> {
    reader.read(super::find::SUMMARY, &[&&[checkout][..]]).await
}

/// Progress of a checkout.
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
pub async fn builds(reader: &mut Reader, checkout: &str, limit: i64) -> Result<Vec<CheckoutBuild>, StoreError> {
    reader.read(include_str!("sql/kcidb_list_builds.sql"), &[&checkout, &&STATUSES[..], &limit]).await
}

/// Counts the tests of builds by status.
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
pub async fn tests(reader: &mut Reader, build: &str, limit: i64) -> Result<Vec<TestRow>, StoreError> {
    reader.read(include_str!("sql/kcidb_list_tests.sql"), &[&build, &&STATUSES[..], &limit]).await
}

/// The object whose issues or log excerpt are read.
#[derive(Clone, Copy, Debug)]
pub enum ObjectRef<'a> {
    /// A checkout, by its id.
    Checkout(&'a str),
    /// A build.
    Build(&'a str),
    /// A test.
    Test(&'a str),
}

impl<'a> ObjectRef<'a> {
    fn ids(self) -> [Option<&'a str>; 3] {
        match self {
            Self::Checkout(id) => [Some(id), None, None],
            Self::Build(id) => [None, Some(id), None],
            Self::Test(id) => [None, None, Some(id)],
        }
    }
}

/// Issues that occur in an object, the most frequent first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn issues(reader: &mut Reader, seen: ObjectRef<'_>, limit: i64) -> Result<Vec<IssueRow>, StoreError> {
    let [checkout, build, test] = seen.ids();
    reader.read(include_str!("sql/kcidb_list_issues.sql"), &[&checkout, &build, &test, &limit]).await
}

/// The log excerpt of a checkout, build or test.
///
/// # Errors
/// As [`Reader::read`].
pub async fn excerpt(reader: &mut Reader, of: ObjectRef<'_>) -> Result<Option<Excerpt>, StoreError> {
    let [checkout, build, test] = of.ids();
    reader.first(include_str!("sql/kcidb_read_excerpt.sql"), &[&checkout, &build, &test]).await
}

/// Counts of checkouts: those that began since `recent`, and the unfinished ones that began since `oldest`.
///
/// # Errors
/// As [`Reader::read`].
pub async fn counts(
    reader: &mut Reader,
    recent: Timestamp,
    oldest: Timestamp,
) -> Result<Option<CheckoutCounts>, StoreError> {
    reader.first(include_str!("sql/kcidb_count_checkouts.sql"), &[&recent, &oldest]).await
}
