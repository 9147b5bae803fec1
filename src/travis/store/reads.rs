//! What pages show of builds, their stages and jobs, and what a worker is told of its job.

use jiff::Timestamp;

use crate::store::{Reader, StoreError, rows};
use crate::travis::record::State;

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
        /// State of the build before it on its branch.
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
        /// Seconds of all its jobs together.
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
        /// Message that gave it its state.
        pub message_id: String,
        /// When that was sent.
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
        /// Queue that it waits in.
        pub queue: Option<String>,
        /// Worker that took it.
        pub worker: Option<String>,
        /// Number of its stage.
        pub stage_number: Option<i32>,
        /// Name of its stage.
        pub stage: Option<String>,
        /// State of its stage.
        pub stage_state: Option<String>,
        /// Which run of the job this is, from 1.
        pub attempt: i32,
        /// How often it was put back into its queue.
        pub reset_count: i32,
        /// When it was created.
        pub created_at: Option<Timestamp>,
        /// When it was put into its queue.
        pub queued_at: Option<Timestamp>,
        /// When a worker took it.
        pub received_at: Option<Timestamp>,
        /// When it started.
        pub started_at: Option<Timestamp>,
        /// When it ended.
        pub finished_at: Option<Timestamp>,
        /// Message that gave it its state.
        pub message_id: String,
        /// When that was sent.
        pub message_at: Timestamp,
    }

    /// The state of a job, as it is stored.
    pub struct JobRow {
        /// Its name; none where nothing was decided yet.
        pub state: Option<String>,
    }

    /// A job of which restarts came to something else on the same commit.
    pub struct FlakyJob {
        /// `owner/name` of the repository, or its id.
        pub repository: String,
        /// Place of the job in its builds, from 1.
        pub job: String,
        /// How many jobs in this place did both.
        pub jobs: i64,
        /// Runs of these.
        pub runs: i64,
        /// Runs of these that failed.
        pub failed: i64,
        /// The newest build with one.
        pub build: i64,
    }

    /// Numbers of builds.
    pub struct TravisCounts {
        /// Passed lately.
        pub passed: i64,
        /// Failed lately.
        pub failed: i64,
        /// Not ended.
        pub running: i64,
        /// Not ended, and not heard of for long.
        pub stuck: i64,
        /// Time of the newest message.
        pub newest: Option<Timestamp>,
    }
}

/// Which builds are wanted; `None` for any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// In any of these states.
    pub states: Option<&'a [&'a str]>,
    /// `owner/name` of the repository.
    pub project: Option<&'a str>,
    /// Branch.
    pub branch: Option<&'a str>,
    /// In repository, number, branch, commit or its message.
    pub text: Option<&'a str>,
    /// Changed since.
    pub since: Option<Timestamp>,
    /// Only those after this place in the list of builds of all systems: time, system, id.
    pub after: Option<(Timestamp, &'a str, i64)>,
    /// Oldest change first.
    pub oldest_first: bool,
}

/// Builds.
///
/// # Errors
/// As [`Reader::read`].
pub async fn builds(reader: &mut Reader, wanted: &Wanted<'_>, most: i64) -> Result<Vec<TravisBuild>, StoreError> {
    let newest = include_str!("sql/list_travis_builds.sql");
    let oldest = include_str!("sql/list_travis_builds_oldest.sql");
    let sql = if wanted.oldest_first { oldest } else { newest };
    let Wanted { states, project, branch, text, since, after, .. } = wanted;
    let (at, system, id) = (after.map(|a| a.0), after.map(|a| a.1), after.map(|a| a.2));
    reader.read(sql, &[states, project, branch, text, since, &at, &system, &id, &most]).await
}

/// Builds of some commits, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn builds_of(reader: &mut Reader, shas: &[&str], most: i64) -> Result<Vec<TravisBuild>, StoreError> {
    reader.read(include_str!("sql/list_travis_builds_of_commits.sql"), &[&shas, &most]).await
}

/// One of them.
///
/// # Errors
/// As [`Reader::read`].
pub async fn build(reader: &mut Reader, id: i64) -> Result<Option<TravisBuild>, StoreError> {
    reader.first(include_str!("sql/find_travis_build.sql"), &[&id]).await
}

/// Jobs of a build by stage.
///
/// # Errors
/// As [`Reader::read`].
pub async fn jobs(reader: &mut Reader, build: i64) -> Result<Vec<TravisJob>, StoreError> {
    reader.read(include_str!("sql/list_travis_jobs.sql"), &[&build]).await
}

/// Numbers of builds: those that ended since `lately`, and those that have not, nor told of themselves since `stuck`.
///
/// # Errors
/// As [`Reader::read`].
pub async fn counts(
    reader: &mut Reader,
    lately: Timestamp,
    stuck: Timestamp,
) -> Result<Option<TravisCounts>, StoreError> {
    reader.first(include_str!("sql/count_travis_builds.sql"), &[&lately, &stuck]).await
}

/// Jobs that both failed and passed, among the newest 2,000 restarts since a time; the most frequent first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn flaky_jobs(reader: &mut Reader, since: Timestamp, most: i64) -> Result<Vec<FlakyJob>, StoreError> {
    reader.read(include_str!("sql/list_flaky_jobs.sql"), &[&since, &most, &2000_i64]).await
}

/// The state of a job; `None` when there is no such job.
///
/// # Errors
/// When the statement fails.
pub async fn job_state(reader: &mut Reader, id: i64) -> Result<Option<Option<State>>, StoreError> {
    let row: Option<JobRow> = reader.first(include_str!("sql/job_state.sql"), &[&id]).await?;
    Ok(row.map(|row| row.state.as_deref().and_then(State::named)))
}
