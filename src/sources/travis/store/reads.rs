//! Reads builds, stages and jobs for the web UI, and the state of a job for the answer to its worker.

use jiff::Timestamp;

pub use super::save::TABLE;
use crate::db::{Reader, StoreError, rows};
use crate::sources::travis::record::State;

rows! {
    /// A build of Travis.
    pub struct TravisBuild {
        /// Id.
        pub id: i64,
        /// Id of the repository.
        pub repository_id: i64,
        /// `owner/name` of the repository, if known.
        pub repository: Option<String>,
        /// Number in the repository.
        pub number: Option<String>,
        /// `created`, `queued`, `received`, `started`, `passed`, `failed`, `errored` or `canceled`.
        pub state: Option<String>,
        /// Final state of the build before it on its branch.
        pub previous_state: Option<String>,
        /// `push`, `pull_request`, `cron` or `api`.
        pub event_type: Option<String>,
        /// Branch.
        pub branch: Option<String>,
        /// Commit.
        pub sha: Option<String>,
        /// First line of the commit's message.
        pub title: Option<String>,
        /// Number of the pull request.
        pub pull_request: Option<String>,
        /// Sum of the durations of its jobs in seconds.
        pub duration: Option<i32>,
        /// When it was created.
        pub created_at: Option<Timestamp>,
        /// When its first job started.
        pub started_at: Option<Timestamp>,
        /// When its last job ended.
        pub finished_at: Option<Timestamp>,
        /// When it was canceled.
        pub canceled_at: Option<Timestamp>,
        /// When it was restarted.
        pub restarted_at: Option<Timestamp>,
        /// Id of the message that gave it its state.
        pub message_id: String,
        /// When that message was sent.
        pub message_at: Timestamp,
    }

    /// A job with its stage.
    pub struct TravisJob {
        /// Id.
        pub id: i64,
        /// Number in the build: `41.2`.
        pub number: Option<String>,
        /// State.
        pub state: Option<String>,
        /// Whether the build may pass without it.
        pub allow_failure: bool,
        /// Name of its queue.
        pub queue: Option<String>,
        /// Name of the worker that received it.
        pub worker: Option<String>,
        /// Number of its stage.
        pub stage_number: Option<i32>,
        /// Name of its stage.
        pub stage: Option<String>,
        /// State of its stage.
        pub stage_state: Option<String>,
        /// Number of the run of the job, from 1.
        pub attempt: i32,
        /// Number of its resets: how often it was put back into its queue.
        pub reset_count: i32,
        /// When it was created.
        pub created_at: Option<Timestamp>,
        /// When it was put into its queue.
        pub queued_at: Option<Timestamp>,
        /// When a worker received it.
        pub received_at: Option<Timestamp>,
        /// When it started.
        pub started_at: Option<Timestamp>,
        /// When it ended.
        pub finished_at: Option<Timestamp>,
        /// Id of the message that gave it its state.
        pub message_id: String,
        /// When that message was sent.
        pub message_at: Timestamp,
    }

    /// The state of a job, as it is stored.
    pub struct JobRow {
        /// Name of the state; none before the first one.
        pub state: Option<String>,
    }

    /// A flaky job: a restart had another result on the same commit.
    pub struct FlakyJob {
        /// `owner/name` of the repository, or its id.
        pub repository: String,
        /// Number of the job within its builds, from 1.
        pub job: String,
        /// How many jobs of this number both passed and failed.
        pub jobs: i64,
        /// Number of their runs.
        pub runs: i64,
        /// Number of their failed runs.
        pub failed: i64,
        /// Id of the newest build with such a job.
        pub build: i64,
    }
}

/// A filter for builds; `None` for any.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildFilter<'a> {
    /// In any of these states.
    pub states: Option<&'a [&'a str]>,
    /// `owner/name` of the repository.
    pub project: Option<&'a str>,
    /// Branch.
    pub branch: Option<&'a str>,
    /// Text in repository, number, branch, commit or its message.
    pub text: Option<&'a str>,
    /// Only builds after this one in the list of builds of all systems: time, system, id.
    pub after: Option<(Timestamp, &'a str, i64)>,
    /// Oldest change first.
    pub oldest_first: bool,
}

/// At most `limit` builds that match a filter.
///
/// # Errors
/// As [`Reader::read`].
pub async fn builds(reader: &mut Reader, filter: &BuildFilter<'_>, limit: i64) -> Result<Vec<TravisBuild>, StoreError> {
    let newest = include_str!("sql/list_travis_builds.sql");
    let oldest = include_str!("sql/list_travis_builds_oldest.sql");
    let sql = if filter.oldest_first { oldest } else { newest };
    let BuildFilter { states, project, branch, text, after, .. } = filter;
    let (at, system, id) = (after.map(|a| a.0), after.map(|a| a.1), after.map(|a| a.2));
    reader.read(sql, &[states, project, branch, text, &at, &system, &id, &limit]).await
}

/// Builds of some commits, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn builds_of(reader: &mut Reader, shas: &[&str], limit: i64) -> Result<Vec<TravisBuild>, StoreError> {
    reader.read(include_str!("sql/list_travis_builds_of_commits.sql"), &[&shas, &limit]).await
}

/// Builds by their ids.
///
/// # Errors
/// As [`Reader::read`].
pub async fn builds_by_id(reader: &mut Reader, ids: &[i64]) -> Result<Vec<TravisBuild>, StoreError> {
    reader.read(include_str!("sql/list_travis_builds_by_id.sql"), &[&ids]).await
}

/// Jobs of a build, in the order of the stages.
///
/// # Errors
/// As [`Reader::read`].
pub async fn jobs(reader: &mut Reader, build: i64) -> Result<Vec<TravisJob>, StoreError> {
    reader.read(include_str!("sql/list_travis_jobs.sql"), &[&build]).await
}

/// Jobs that both failed and passed, among the newest 2,000 restarts since a time; the most frequent first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn flaky_jobs(reader: &mut Reader, since: Timestamp, limit: i64) -> Result<Vec<FlakyJob>, StoreError> {
    reader.read(include_str!("sql/list_flaky_jobs.sql"), &[&since, &limit, &2000_i64]).await
}

/// The state of a job; `None` when the job does not exist.
///
/// # Errors
/// When the statement fails.
pub async fn job_state(reader: &mut Reader, id: i64) -> Result<Option<Option<State>>, StoreError> {
    let row: Option<JobRow> = reader.first(include_str!("sql/job_state.sql"), &[&id]).await?;
    Ok(row.map(|row| row.state.as_deref().and_then(State::named)))
}
