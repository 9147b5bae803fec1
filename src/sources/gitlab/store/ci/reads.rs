//! Queries of the web UI about pipelines, jobs and deployments.

use jiff::Timestamp;

use crate::db::{Reader, StoreError, rows};

/// Most jobs of a pipeline that are read.
const MOST_JOBS: i64 = 1000;

rows! {
    /// A pipeline in a list.
    pub struct PipelineRow {
        /// Host.
        pub host: String,
        /// Number on its host.
        pub id: i64,
        /// Number in its project.
        pub iid: Option<i64>,
        /// Path of the project.
        pub project: String,
        /// Name, if it has one.
        pub name: Option<String>,
        /// Status as GitLab names it.
        pub status: String,
        /// State of its check; none for a child, which counts in its parent.
        pub state: Option<String>,
        /// What started it.
        pub source: String,
        /// Branch or tag; of a merge request its source branch.
        pub branch: Option<String>,
        /// Commit.
        pub sha: Option<String>,
        /// Commit that its check is about: of merged results the head of the merge request.
        pub commit: Option<String>,
        /// Title of the commit.
        pub title: Option<String>,
        /// URL.
        pub url: Option<String>,
        /// Number of the merge request that it runs for.
        pub mr_iid: Option<i64>,
        /// The same, if that merge request is known here.
        pub mr: Option<i64>,
        /// User name of the user who started it.
        pub username: Option<String>,
        /// When it was created.
        pub created_at: Option<Timestamp>,
        /// When its first job started.
        pub started_at: Option<Timestamp>,
        /// When it ended.
        pub finished_at: Option<Timestamp>,
        /// The newest time in its messages.
        pub version_at: Timestamp,
        /// The last job that failed and may not fail, as `STAGE/NAME`, unless the pipeline succeeded.
        pub failed_job: Option<String>,
        /// Why that job failed.
        pub failure_reason: Option<String>,
    }

    /// A pipeline.
    pub struct PipelineDetail {
        /// Host.
        pub host: String,
        /// Number on its host.
        pub id: i64,
        /// Number in its project.
        pub iid: Option<i64>,
        /// Path of the project.
        pub project: String,
        /// Name, if it has one.
        pub name: Option<String>,
        /// Status as GitLab names it.
        pub status: String,
        /// Status as its page at GitLab shows it.
        pub detailed_status: Option<String>,
        /// State of its check; none for a child, which counts in its parent.
        pub state: Option<String>,
        /// What started it.
        pub source: String,
        /// Branch or tag; of a merge request its source branch.
        pub branch: Option<String>,
        /// Whether it runs for a tag.
        pub tag: bool,
        /// Commit.
        pub sha: Option<String>,
        /// Commit that its check is about: of merged results the head of the merge request.
        pub commit: Option<String>,
        /// Title of the commit.
        pub title: Option<String>,
        /// Names of its stages, in order.
        pub stages: Vec<String>,
        /// URL.
        pub url: Option<String>,
        /// Number of the merge request that it runs for.
        pub mr_iid: Option<i64>,
        /// The same, if that merge request is known here.
        pub mr: Option<i64>,
        /// Whether the pipeline that started it is known here.
        pub has_parent: bool,
        /// Path of the project of the pipeline that started it.
        pub parent_project: Option<String>,
        /// Number of the pipeline that started it.
        pub parent_id: Option<i64>,
        /// User name of the user who started it.
        pub username: Option<String>,
        /// When it was created.
        pub created_at: Option<Timestamp>,
        /// When it ended first.
        pub finished_at: Option<Timestamp>,
        /// The newest time in its messages.
        pub version_at: Timestamp,
        /// When reconcile found it deleted.
        pub deleted_at: Option<Timestamp>,
        /// Whether any message said that it failed.
        pub ever_bad: bool,
        /// Id of the message that last changed the row.
        pub message_id: String,
        /// When the message was sent.
        pub message_at: Option<Timestamp>,
    }

    /// A job of a pipeline.
    pub struct JobRow {
        /// Number on its host.
        pub id: i64,
        /// Stage.
        pub stage: Option<String>,
        /// Name.
        pub name: String,
        /// Status as GitLab names it.
        pub status: String,
        /// Whether its pipeline succeeds even if it fails.
        pub allow_failure: bool,
        /// Why it failed.
        pub failure_reason: Option<String>,
        /// Environment that it deploys to.
        pub environment: Option<String>,
        /// URL.
        pub url: Option<String>,
        /// User name of the user who started it.
        pub username: Option<String>,
        /// When it was created.
        pub created_at: Option<Timestamp>,
        /// When it started.
        pub started_at: Option<Timestamp>,
        /// When it finished.
        pub finished_at: Option<Timestamp>,
        /// Whether a later job of this name replaced it.
        pub is_retried: bool,
    }

    /// A pipeline that another one started.
    pub struct ChildRow {
        /// Host.
        pub host: String,
        /// Number on its host.
        pub id: i64,
        /// Path of its project.
        pub project: String,
        /// Status as GitLab names it.
        pub status: String,
        /// `parent_pipeline` for a child in the same project, else `pipeline`.
        pub source: String,
    }

    /// An environment, and what is deployed there.
    pub struct EnvironmentRow {
        /// Path of the project.
        pub project: String,
        /// Name of the environment.
        pub environment: String,
        /// Host.
        pub host: String,
        /// Tier, if known: `production`, `staging`, `testing`, `development`, `other`.
        pub tier: Option<String>,
        /// Status of the last deployment.
        pub last_status: String,
        /// When the last deployment came into that status.
        pub last_at: Option<Timestamp>,
        /// URL of the environment.
        pub environment_url: Option<String>,
        /// Number of the last successful deployment; none if none succeeded.
        pub deployment: Option<String>,
        /// Commit that is deployed.
        pub sha: Option<String>,
        /// Branch or tag that it was deployed from.
        pub branch: Option<String>,
        /// Title of the commit.
        pub title: Option<String>,
        /// URL of the commit.
        pub commit_url: Option<String>,
        /// URL of the job that deployed it.
        pub job_url: Option<String>,
        /// User name of the user who deployed it.
        pub username: Option<String>,
        /// Since when it is deployed.
        pub since: Option<Timestamp>,
        /// Number of the merge request whose head or merge the commit is.
        pub mr: Option<i64>,
        /// Whether the commit has a page here.
        pub is_known: bool,
    }
}

/// Filter of the list of pipelines; `None` for any.
#[derive(Clone, Copy, Debug, Default)]
pub struct PipelineFilter<'a> {
    /// In any of these statuses.
    pub statuses: Option<&'a [&'a str]>,
    /// Path of the project.
    pub project: Option<&'a str>,
    /// Branch or tag.
    pub branch: Option<&'a str>,
    /// Text in project, number, name, title, branch, commit or merge request.
    pub text: Option<&'a str>,
    /// Only pipelines after this position: time, host, number.
    pub after: Option<(Timestamp, &'a str, i64)>,
}

/// Up to `most` pipelines that pass the filter, newest change first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn pipelines(
    reader: &mut Reader,
    filter: &PipelineFilter<'_>,
    most: i64,
) -> Result<Vec<PipelineRow>, StoreError> {
    let PipelineFilter { statuses, project, branch, text, after } = filter;
    let (at, host, id) = (after.map(|a| a.0), after.map(|a| a.1), after.map(|a| a.2));
    let params: [crate::db::Param<'_>; 8] = [statuses, project, branch, text, &at, &host, &id, &most];
    reader.read(include_str!("sql/list_pipelines.sql"), &params).await
}

/// A pipeline by its host and number.
///
/// # Errors
/// As [`Reader::read`].
pub async fn pipeline(reader: &mut Reader, host: &str, id: i64) -> Result<Option<PipelineDetail>, StoreError> {
    reader.first(include_str!("sql/find_pipeline.sql"), &[&host, &id]).await
}

/// The jobs of a pipeline, those that failed first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn jobs(reader: &mut Reader, host: &str, id: i64) -> Result<Vec<JobRow>, StoreError> {
    reader.read(include_str!("sql/jobs_of_pipeline.sql"), &[&host, &id, &MOST_JOBS]).await
}

/// The pipelines that a pipeline started, also in other projects.
///
/// # Errors
/// As [`Reader::read`].
pub async fn children(reader: &mut Reader, host: &str, id: i64) -> Result<Vec<ChildRow>, StoreError> {
    reader.read(include_str!("sql/children_of_pipeline.sql"), &[&host, &id]).await
}

/// Up to `most` environments in the order of projects and names, of one project and one tier if given, after a position
/// if given.
///
/// # Errors
/// As [`Reader::read`].
pub async fn environments(
    reader: &mut Reader,
    project: Option<&str>,
    tier: Option<&str>,
    after: Option<(&str, &str)>,
    most: i64,
) -> Result<Vec<EnvironmentRow>, StoreError> {
    let (after_project, after_name) = after.unwrap_or(("", ""));
    let params: [crate::db::Param<'_>; 5] = [&project, &after_project, &after_name, &tier, &most];
    reader.read(include_str!("sql/list_environments.sql"), &params).await
}
