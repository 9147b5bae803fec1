//! Queries of the web UI about merge requests and pushes, and those about pipelines, jobs and deployments.

use jiff::Timestamp;

pub use super::ci::reads::{
    ChildRow, EnvironmentRow, JobRow, PipelineDetail, PipelineFilter, PipelineRow, children, environments, jobs,
    pipeline, pipelines,
};

use crate::db::{Reader, StoreError, rows};

rows! {
    /// A merge request.
    pub struct MergeRequestRow {
        /// Path of the target project.
        pub project: String,
        /// Number (`iid`) in that project.
        pub iid: i64,
        /// `opened`, `locked`, `closed` or `merged`.
        pub state: String,
        /// Title.
        pub title: Option<String>,
        /// Whether it is a draft.
        pub draft: bool,
        /// Source branch.
        pub source_branch: Option<String>,
        /// Target branch.
        pub target_branch: Option<String>,
        /// User name of the author, if known.
        pub author: Option<String>,
        /// Head commit.
        pub sha: Option<String>,
        /// Labels.
        pub labels: Vec<String>,
        /// URL.
        pub url: Option<String>,
        /// When it was opened.
        pub created_at: Option<Timestamp>,
        /// `updated_at` of GitLab.
        pub updated_at: Option<Timestamp>,
        /// When it was merged.
        pub merged_at: Option<Timestamp>,
        /// Version of the state: `updated_at` in whole seconds.
        pub version_at: Timestamp,
        /// Last action.
        pub last_action: Option<String>,
        /// User name of the user who did the last action.
        pub last_actor: Option<String>,
        /// Id of the message that last changed the state.
        pub message_id: String,
        /// When the message was sent.
        pub message_at: Timestamp,
    }

    /// Numbers of merge requests.
    pub struct MergeRequestCounts {
        /// Opened or being merged.
        pub opened: i64,
        /// Merged.
        pub merged: i64,
        /// Closed.
        pub closed: i64,
        /// Opened drafts.
        pub drafts: i64,
        /// Opened, without a change for long.
        pub stale: i64,
        /// Send time of the message with the newest change in any project.
        pub newest: Option<Timestamp>,
    }

    /// Time from opening to merging.
    pub struct MergeTime {
        /// Path of the project; none for all projects together.
        pub project: Option<String>,
        /// How many were merged.
        pub merged: i64,
        /// Median, in seconds.
        pub p50: f64,
        /// 90th percentile, in seconds.
        pub p90: f64,
    }

    /// A head of a merge request.
    pub struct VersionRow {
        /// Commit.
        pub sha: String,
        /// When it became the head, or was first mentioned.
        pub created_at: Timestamp,
        /// Whether a message reported that it became the head; otherwise messages only mention it.
        pub was_head: bool,
        /// Id of the message.
        pub message_id: String,
    }

    /// A former path of a project.
    pub struct FormerPath {
        /// Current path.
        pub project: String,
        /// Former path.
        pub former: String,
    }

    /// A push.
    pub struct PushRow {
        /// New head.
        pub sha: String,
        /// Path of the project.
        pub repo: String,
        /// Host of the project; none if no message has named it.
        pub host: Option<String>,
        /// Branch.
        pub branch: String,
        /// When it was pushed.
        pub pushed_at: Option<Timestamp>,
        /// Title of the head commit.
        pub title: Option<String>,
        /// Its author.
        pub author: Option<String>,
        /// User name of the user who pushed.
        pub pushed_by: Option<String>,
        /// URL of the commit.
        pub url: Option<String>,
        /// Commits in the push.
        pub commit_count: i64,
        /// Files that changed.
        pub changed_files: Vec<String>,
        /// Whether the list of files is complete.
        pub files_complete: bool,
        /// Id of the message.
        pub message_id: String,
    }
}

/// Filter of the list of merge requests; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct MergeRequestFilter<'a> {
    /// Path of the project.
    pub project: Option<&'a str>,
    /// User name of the author.
    pub author: Option<&'a str>,
    /// State.
    pub state: Option<&'a str>,
    /// Whether it is a draft.
    pub draft: Option<bool>,
    /// Opened, and not changed since this time.
    pub stale_since: Option<Timestamp>,
    /// Text in project, number, title, branch or head.
    pub text: Option<&'a str>,
    /// Only merge requests after this position: version, project, number.
    pub after: Option<(Timestamp, String, i64)>,
    /// Oldest change first.
    pub oldest_first: bool,
}

/// Up to `most` merge requests that pass the filter.
///
/// # Errors
/// As [`Reader::read`].
pub async fn merge_requests(
    reader: &mut Reader,
    filter: &MergeRequestFilter<'_>,
    most: i64,
) -> Result<Vec<MergeRequestRow>, StoreError> {
    let newest = include_str!("sql/list_merge_requests.sql");
    let oldest = include_str!("sql/list_merge_requests_oldest.sql");
    let after = filter.after.as_ref();
    let (version_at, project, iid) =
        (after.map(|after| after.0), after.map(|after| after.1.as_str()), after.map(|after| after.2));
    let sql = if filter.oldest_first { oldest } else { newest };
    let MergeRequestFilter { project: of, author, state, draft, stale_since, text, .. } = filter;
    reader.read(sql, &[of, author, state, draft, stale_since, text, &version_at, &project, &iid, &most]).await
}

/// The merge request with this project and number.
///
/// # Errors
/// As [`Reader::read`].
pub async fn merge_request(
    reader: &mut Reader,
    project: &str,
    iid: i64,
) -> Result<Option<MergeRequestRow>, StoreError> {
    reader.first(include_str!("sql/find_merge_request.sql"), &[&project, &iid]).await
}

/// Numbers of merge requests of one project or of all.
///
/// # Errors
/// As [`Reader::read`].
pub async fn counts(
    reader: &mut Reader,
    project: Option<&str>,
    unchanged_since: Timestamp,
) -> Result<Option<MergeRequestCounts>, StoreError> {
    reader.first(include_str!("sql/count_merge_requests.sql"), &[&project, &unchanged_since]).await
}

/// Times from opening to merging, of merge requests merged since a time: first all projects together, then the projects
/// with the most merges.
///
/// # Errors
/// As [`Reader::read`].
pub async fn merge_times(reader: &mut Reader, since: Timestamp, most: i64) -> Result<Vec<MergeTime>, StoreError> {
    reader.read(include_str!("sql/merge_times.sql"), &[&since, &most]).await
}

/// Heads of a merge request, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn versions(reader: &mut Reader, project: &str, iid: i64) -> Result<Vec<VersionRow>, StoreError> {
    reader.read(include_str!("sql/list_versions.sql"), &[&project, &iid]).await
}

/// Filter of the list of pushes; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct PushFilter<'a> {
    /// Path of the project.
    pub project: Option<&'a str>,
    /// Branch.
    pub branch: Option<&'a str>,
    /// Path of any of these projects.
    pub projects: Option<&'a [String]>,
    /// Text in title, author, commit or project.
    pub text: Option<&'a str>,
    /// Only pushes after this position: time, commit, project.
    pub after: Option<(Timestamp, String, String)>,
    /// Oldest first.
    pub oldest_first: bool,
}

/// Up to `most` pushes that pass the filter.
///
/// # Errors
/// As [`Reader::read`].
pub async fn pushes(reader: &mut Reader, filter: &PushFilter<'_>, most: i64) -> Result<Vec<PushRow>, StoreError> {
    let PushFilter { project: of, branch, projects, text, after, oldest_first } = filter;
    let after = after.as_ref();
    let (at, sha, project) = (after.map(|a| a.0), after.map(|a| a.1.as_str()), after.map(|a| a.2.as_str()));
    let (newest, oldest) = (include_str!("sql/list_pushes.sql"), include_str!("sql/list_pushes_oldest.sql"));
    let sql = if *oldest_first { oldest } else { newest };
    reader.read(sql, &[of, branch, text, &at, &sha, &project, &most, projects]).await
}

/// Former paths of projects: CI systems that build a project can still use them.
///
/// # Errors
/// As [`Reader::read`].
pub async fn former_paths(reader: &mut Reader, projects: &[&str]) -> Result<Vec<FormerPath>, StoreError> {
    reader.read(include_str!("sql/former_paths.sql"), &[&projects]).await
}

/// All pushes of a commit.
///
/// # Errors
/// As [`Reader::read`].
pub async fn pushes_of(reader: &mut Reader, sha: &str) -> Result<Vec<PushRow>, StoreError> {
    reader.read(include_str!("sql/find_pushes.sql"), &[&sha]).await
}

/// Merge requests with the commit as present or former head.
///
/// # Errors
/// As [`Reader::read`].
pub async fn merge_requests_of(reader: &mut Reader, sha: &str) -> Result<Vec<MergeRequestRow>, StoreError> {
    reader.read(include_str!("sql/list_merge_requests_of_commit.sql"), &[&sha]).await
}
