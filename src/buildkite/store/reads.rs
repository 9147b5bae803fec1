//! What pages show of builds.

use jiff::Timestamp;

use crate::buildkite::rules;
use crate::store::{Reader, StoreError, rows};

rows! {
    /// A build of Buildkite.
    pub struct BuildkiteBuild {
        /// Uuid.
        pub id: String,
        /// Number in its pipeline.
        pub number: i64,
        /// As Buildkite says it.
        pub state: String,
        /// `passed`, `failed` or `running` where the state is `blocked`, if it is told.
        pub blocked_state: Option<String>,
        /// Commit, or `HEAD`.
        pub commit: Option<String>,
        /// Branch.
        pub branch: Option<String>,
        /// First line of its message.
        pub title: Option<String>,
        /// What started it.
        pub source: Option<String>,
        /// Host of the repository.
        pub repo_host: Option<String>,
        /// Path of the repository on it.
        pub repo_path: Option<String>,
        /// Short name of the pipeline.
        pub pipeline: Option<String>,
        /// Short name of the organization.
        pub organization: Option<String>,
        /// When it started.
        pub started_at: Option<Timestamp>,
        /// When a job of it failed while it went on.
        pub failing_at: Option<Timestamp>,
        /// When it finished, or was blocked.
        pub finished_at: Option<Timestamp>,
        /// When it was so.
        pub event_at: Timestamp,
        /// `detail-type` of the event.
        pub detail_type: Option<String>,
        /// Message that told.
        pub message_id: String,
        /// When that was sent.
        pub message_at: Option<Timestamp>,
    }

    /// Numbers of builds.
    pub struct BuildkiteCounts {
        /// Passed lately.
        pub passed: i64,
        /// Failed lately.
        pub failed: i64,
        /// Not ended.
        pub running: i64,
        /// Not ended, and not heard of for long.
        pub stuck: i64,
        /// Time of the newest event.
        pub newest: Option<Timestamp>,
    }
}

impl BuildkiteBuild {
    /// Its page at Buildkite.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        Some(rules::url(self.organization.as_deref()?, self.pipeline.as_deref()?, self.number))
    }
}

/// Which builds are wanted; `None` for any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// In any of these states.
    pub states: Option<&'a [&'a str]>,
    /// Path of the repository, or short name of the pipeline.
    pub project: Option<&'a str>,
    /// Branch.
    pub branch: Option<&'a str>,
    /// In organization, pipeline, number, title, repository, branch or commit.
    pub text: Option<&'a str>,
    /// Changed since.
    pub since: Option<Timestamp>,
    /// Only those after this place in the list of builds of all systems: time, system, id.
    pub after: Option<(Timestamp, &'a str, &'a str)>,
    /// Oldest change first.
    pub oldest_first: bool,
}

/// Builds.
///
/// # Errors
/// As [`Reader::read`].
pub async fn builds(reader: &mut Reader, wanted: &Wanted<'_>, most: i64) -> Result<Vec<BuildkiteBuild>, StoreError> {
    let newest = include_str!("sql/list_buildkite_builds.sql");
    let oldest = include_str!("sql/list_buildkite_builds_oldest.sql");
    let sql = if wanted.oldest_first { oldest } else { newest };
    let Wanted { states, project, branch, text, since, after, .. } = wanted;
    let (at, system, id) = (after.map(|a| a.0), after.map(|a| a.1), after.map(|a| a.2));
    reader.read(sql, &[states, project, branch, text, since, &at, &system, &id, &most]).await
}

/// Builds of some commits, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn builds_of(reader: &mut Reader, shas: &[&str], most: i64) -> Result<Vec<BuildkiteBuild>, StoreError> {
    reader.read(include_str!("sql/list_buildkite_builds_of_commits.sql"), &[&shas, &most]).await
}

/// One of them.
///
/// # Errors
/// As [`Reader::read`].
pub async fn build(reader: &mut Reader, id: &str) -> Result<Option<BuildkiteBuild>, StoreError> {
    reader.first(include_str!("sql/find_buildkite_build.sql"), &[&id]).await
}

/// Numbers of builds: those that ended since `lately`, and those that have not, nor told of themselves since `stuck`.
///
/// # Errors
/// As [`Reader::read`].
pub async fn counts(
    reader: &mut Reader,
    lately: Timestamp,
    stuck: Timestamp,
) -> Result<Option<BuildkiteCounts>, StoreError> {
    reader.first(include_str!("sql/count_buildkite_builds.sql"), &[&lately, &stuck]).await
}
