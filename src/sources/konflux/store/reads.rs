//! Queries of the web UI about components, runs and releases.

use jiff::Timestamp;

pub use super::checks::{RELEASES, RUNS};
pub use super::effects::{Affected, Changed, HeldUp, Inherited, Named, affected, held_up, inherited, projects_of};
pub use super::flaky::{FlakyTest, flaky_tests};
use crate::checks::is_bad;
use crate::checks::store::CheckKey;
use crate::db::{Reader, StoreError, rows};
use crate::outbox::State;
use crate::sources::konflux::rules;

rows! {
    /// A run of a pipeline.
    pub struct RunRow {
        /// Name.
        pub name: String,
        /// `build`, `test`, `release` or `other`.
        pub kind: String,
        /// Application.
        pub application: Option<String>,
        /// Component.
        pub component: Option<String>,
        /// Scenario of a test.
        pub scenario: Option<String>,
        /// Commit.
        pub sha: Option<String>,
        /// Project of the commit.
        pub project: Option<String>,
        /// Number of the merge request.
        pub mr_iid: Option<i64>,
        /// Event that started it.
        pub event: Option<String>,
        /// `pending`, `running`, `succeeded`, `failed`, `cancelled` or `timed_out`.
        pub state: String,
        /// Worst test result.
        pub verdict: Option<String>,
        /// Message of the run.
        pub message: Option<String>,
        /// Snapshot that it tests or releases.
        pub snapshot: Option<String>,
        /// Release that it is part of.
        pub release_name: Option<String>,
        /// URL of the log.
        pub log_url: Option<String>,
        /// Digest of the image that was built.
        pub image_digest: Option<String>,
        /// When it was created.
        pub created_at: Option<Timestamp>,
        /// When it started.
        pub started_at: Option<Timestamp>,
        /// When it ended.
        pub finished_at: Option<Timestamp>,
    }

    /// A component with its newest build of a push, and the snapshot and release of that build.
    pub struct ComponentRow {
        /// Name.
        pub name: String,
        /// Application.
        pub application: Option<String>,
        /// Project.
        pub git_project: Option<String>,
        /// Folder in the project; empty for the whole project.
        pub git_context: String,
        /// Branch.
        pub git_revision: Option<String>,
        /// Last built commit, as Konflux reports it.
        pub last_built_commit: Option<String>,
        /// Newest build.
        pub build: Option<String>,
        /// State of that build.
        pub build_state: Option<String>,
        /// Commit of that build.
        pub build_sha: Option<String>,
        /// When that build ended.
        pub built_at: Option<Timestamp>,
        /// Snapshot of that build.
        pub snapshot: Option<String>,
        /// Test state of the snapshot.
        pub test_state: Option<String>,
        /// Release state of the snapshot.
        pub release_state: Option<String>,
        /// Newest release of the snapshot.
        pub release: Option<String>,
        /// State of that release.
        pub released: Option<String>,
        /// When that release ended.
        pub released_at: Option<Timestamp>,
    }

    /// A component in detail.
    pub struct ComponentDetail {
        /// Name.
        pub name: String,
        /// Application.
        pub application: Option<String>,
        /// Namespace.
        pub namespace: Option<String>,
        /// Cluster.
        pub cluster: Option<String>,
        /// Project.
        pub git_project: Option<String>,
        /// Folder in the project.
        pub git_context: String,
        /// Branch.
        pub git_revision: Option<String>,
        /// Repository of its images.
        pub container_image: Option<String>,
        /// Last built commit.
        pub last_built_commit: Option<String>,
        /// Last promoted image.
        pub last_promoted_image: Option<String>,
        /// When it was created.
        pub created_at: Option<Timestamp>,
        /// When it was deleted.
        pub deleted_at: Option<Timestamp>,
        /// Id of the message that last changed the row.
        pub message_id: String,
        /// When the message was sent.
        pub message_at: Option<Timestamp>,
    }

    /// A release.
    pub struct ReleaseRow {
        /// Name.
        pub name: String,
        /// Application.
        pub application: Option<String>,
        /// Component.
        pub component: Option<String>,
        /// Snapshot that is released.
        pub snapshot: Option<String>,
        /// Release plan.
        pub release_plan: Option<String>,
        /// Target workspace.
        pub target: Option<String>,
        /// Commit.
        pub sha: Option<String>,
        /// Project of the commit.
        pub project: Option<String>,
        /// `pending`, `running`, `succeeded` or `failed`.
        pub state: String,
        /// Reason, as Konflux reports it.
        pub reason: Option<String>,
        /// Message, as Konflux reports it.
        pub message: Option<String>,
        /// Phase that failed.
        pub failed_phase: Option<String>,
        /// Failure reason of the last attempt.
        pub failure_reason: Option<String>,
        /// Last task.
        pub last_task: Option<String>,
        /// Number of attempts.
        pub attempt_count: i64,
        /// User that it is attributed to.
        pub author: Option<String>,
        /// When it was created.
        pub created_at: Option<Timestamp>,
        /// When it started.
        pub started_at: Option<Timestamp>,
        /// When it ended.
        pub finished_at: Option<Timestamp>,
        /// Id of the message that last changed the row.
        pub message_id: String,
    }

    /// Failed releases with the same plan, phase, reason and task.
    pub struct ReleaseGroup {
        /// Release plan.
        pub release_plan: String,
        /// Phase that failed.
        pub failed_phase: String,
        /// Reason.
        pub reason: String,
        /// Last task.
        pub last_task: String,
        /// Number of releases.
        pub releases: i64,
        /// When the newest one was created.
        pub newest: Option<Timestamp>,
    }

    /// A snapshot that was released as part of a newer one.
    pub struct Superseded {
        /// Name.
        pub name: String,
        /// Application.
        pub application: Option<String>,
        /// Component.
        pub component: Option<String>,
        /// Message of Konflux.
        pub release_message: Option<String>,
        /// When it was created.
        pub created_at: Option<Timestamp>,
    }
}

impl RunRow {
    /// Its state in the terms that all sources share: a test that ran to its end has failed if its output says so.
    #[must_use]
    pub fn result(&self) -> State {
        rules::check_state(&self.state, self.verdict.as_deref(), false)
    }

    /// Its own state; that of the test if the run ended well and the test did not.
    #[must_use]
    pub fn shown_state(&self) -> &str {
        let result = self.result();
        if self.state == "succeeded" && is_bad(result) { result.name() } else { &self.state }
    }
}

type Read<T> = Result<T, StoreError>;

/// The newest run of each build and test of some commits.
///
/// # Errors
/// As [`Reader::read`].
pub async fn runs_of_commits(reader: &mut Reader, shas: &[&str]) -> Read<Vec<RunRow>> {
    reader.read(include_str!("sql/list_runs_of_commits.sql"), &[&shas]).await
}

/// Runs of a commit that neither build nor test it, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn other_runs_of_commit(reader: &mut Reader, sha: &str) -> Read<Vec<RunRow>> {
    reader.read(include_str!("sql/list_other_runs_of_commit.sql"), &[&sha]).await
}

/// Runs of a component, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn runs_of_component(reader: &mut Reader, component: &str, most: i64) -> Read<Vec<RunRow>> {
    reader.read(include_str!("sql/list_runs_of_component.sql"), &[&component, &most]).await
}

/// Runs for a merge request, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn runs_of_merge_request(reader: &mut Reader, project: &str, iid: i64, most: i64) -> Read<Vec<RunRow>> {
    reader.read(include_str!("sql/list_runs_of_merge_request.sql"), &[&project, &iid, &most]).await
}

/// Runs by their names.
///
/// # Errors
/// As [`Reader::read`].
pub async fn runs_named(reader: &mut Reader, names: &[&str]) -> Read<Vec<RunRow>> {
    reader.read(include_str!("sql/list_runs_named.sql"), &[&names]).await
}

/// Components by name, after a name if given; filtered by application and by a text.
///
/// # Errors
/// As [`Reader::read`].
pub async fn components(
    reader: &mut Reader,
    (application, text, after): (Option<&str>, Option<&str>, Option<&str>),
    most: i64,
) -> Read<Vec<ComponentRow>> {
    reader.read(include_str!("sql/list_components.sql"), &[&application, &text, &after, &most]).await
}

/// One component, also a deleted one.
///
/// # Errors
/// As [`Reader::read`].
pub async fn component(reader: &mut Reader, name: &str) -> Read<Option<ComponentDetail>> {
    reader.first(include_str!("sql/find_component.sql"), &[&name]).await
}

/// What a component is at on its branch, as rows of checks: its newest build of a push, the tests of the newest commit
/// that was tested, and its newest Release.
///
/// # Errors
/// As [`Reader::read`].
pub async fn newest_of_component(reader: &mut Reader, component: &str) -> Read<Vec<CheckKey>> {
    reader.read(include_str!("sql/newest_of_component.sql"), &[&component]).await
}

/// Filter of the list of releases; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct ReleaseFilter<'a> {
    /// State.
    pub state: Option<&'a str>,
    /// Application.
    pub application: Option<&'a str>,
    /// Plan.
    pub release_plan: Option<&'a str>,
    /// Text in names, reasons and messages.
    pub text: Option<&'a str>,
    /// Only releases after this position: time, name.
    pub after: Option<(Timestamp, String)>,
    /// Oldest first.
    pub oldest_first: bool,
}

/// Up to `most` releases that pass the filter.
///
/// # Errors
/// As [`Reader::read`].
pub async fn releases(reader: &mut Reader, filter: &ReleaseFilter<'_>, most: i64) -> Read<Vec<ReleaseRow>> {
    let ReleaseFilter { state, application, release_plan, text, after, oldest_first } = filter;
    let (at, name) = (after.as_ref().map(|after| after.0), after.as_ref().map(|after| after.1.as_str()));
    let (newest, oldest) = (include_str!("sql/list_releases.sql"), include_str!("sql/list_releases_oldest.sql"));
    let sql = if *oldest_first { oldest } else { newest };
    reader.read(sql, &[state, application, release_plan, text, &at, &name, &most]).await
}

/// Releases of the snapshots of some commits.
///
/// # Errors
/// As [`Reader::read`].
pub async fn releases_of_commits(reader: &mut Reader, shas: &[&str]) -> Read<Vec<ReleaseRow>> {
    reader.read(include_str!("sql/list_releases_of_commits.sql"), &[&shas]).await
}

/// One release.
///
/// # Errors
/// As [`Reader::read`].
pub async fn release(reader: &mut Reader, name: &str) -> Read<Option<ReleaseRow>> {
    Ok(releases_named(reader, &[name]).await?.pop())
}

/// Releases by their names.
///
/// # Errors
/// As [`Reader::read`].
pub async fn releases_named(reader: &mut Reader, names: &[&str]) -> Read<Vec<ReleaseRow>> {
    reader.read(include_str!("sql/list_releases_named.sql"), &[&names]).await
}

/// Failed releases since a time, grouped by what they have in common.
///
/// # Errors
/// As [`Reader::read`].
pub async fn failed_release_groups(reader: &mut Reader, since: Timestamp) -> Read<Vec<ReleaseGroup>> {
    reader.read(include_str!("sql/group_releases.sql"), &[&since]).await
}

/// Snapshots superseded since a time, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn superseded(reader: &mut Reader, since: Timestamp) -> Read<Vec<Superseded>> {
    reader.read(include_str!("sql/list_superseded.sql"), &[&since]).await
}
