//! Queries of the web UI about builds.

use jiff::Timestamp;

pub use super::checks::TABLE;
use crate::db::{Reader, StoreError, rows};
use crate::sources::buildkite::rules;

rows! {
    /// A build of Buildkite.
    pub struct BuildkiteBuild {
        /// Uuid.
        pub id: String,
        /// Number in its pipeline.
        pub number: i64,
        /// State as Buildkite names it, or `skipped`.
        pub state: String,
        /// `passed`, `failed` or `running` if the state is `blocked` and the event says which.
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
        /// When a job failed while the build went on.
        pub failing_at: Option<Timestamp>,
        /// When it finished, or was blocked.
        pub finished_at: Option<Timestamp>,
        /// Time of the event.
        pub event_at: Timestamp,
        /// `detail-type` of the event.
        pub detail_type: Option<String>,
        /// Id of the message that last changed the row.
        pub message_id: String,
        /// When the message was sent.
        pub message_at: Option<Timestamp>,
    }
}

impl BuildkiteBuild {
    /// URL of the build at Buildkite.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        Some(rules::url(self.organization.as_deref()?, self.pipeline.as_deref()?, self.number))
    }
}

/// Filter of the list of builds; `None` for any.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildFilter<'a> {
    /// In any of these states.
    pub states: Option<&'a [&'a str]>,
    /// Path of the repository, or short name of the pipeline.
    pub project: Option<&'a str>,
    /// Branch.
    pub branch: Option<&'a str>,
    /// Text in organization, pipeline, number, title, repository, branch or commit.
    pub text: Option<&'a str>,
    /// Only builds after this position in the list of builds of all systems: time, system, id.
    pub after: Option<(Timestamp, &'a str, &'a str)>,
    /// Oldest change first.
    pub oldest_first: bool,
}

/// Up to `most` builds that pass the filter.
///
/// # Errors
/// As [`Reader::read`].
pub async fn builds(
    reader: &mut Reader,
    filter: &BuildFilter<'_>,
    most: i64,
) -> Result<Vec<BuildkiteBuild>, StoreError> {
    let newest = include_str!("sql/list_buildkite_builds.sql");
    let oldest = include_str!("sql/list_buildkite_builds_oldest.sql");
    let sql = if filter.oldest_first { oldest } else { newest };
    let BuildFilter { states, project, branch, text, after, .. } = filter;
    let (at, system, id) = (after.map(|a| a.0), after.map(|a| a.1), after.map(|a| a.2));
    reader.read(sql, &[states, project, branch, text, &at, &system, &id, &most]).await
}

/// Up to `most` builds of some commits, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn builds_of(reader: &mut Reader, shas: &[&str], most: i64) -> Result<Vec<BuildkiteBuild>, StoreError> {
    reader.read(include_str!("sql/list_buildkite_builds_of_commits.sql"), &[&shas, &most]).await
}

/// Builds by their ids.
///
/// # Errors
/// As [`Reader::read`].
pub async fn builds_by_id(reader: &mut Reader, ids: &[&str]) -> Result<Vec<BuildkiteBuild>, StoreError> {
    reader.read(include_str!("sql/list_buildkite_builds_by_id.sql"), &[&ids]).await
}
