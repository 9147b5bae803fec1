//! What pages show of components, runs and releases.

use jiff::Timestamp;

pub use super::effects::{Affected, Changed, HeldUp, Inherited, Named, affected, held_up, inherited, projects_of};
pub use super::flaky::{FlakyTest, flaky_tests};
use crate::store::{Reader, StoreError, rows};

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
        /// Merge request that it is for.
        pub mr_iid: Option<i64>,
        /// What caused it.
        pub event: Option<String>,
        /// `pending`, `running`, `succeeded`, `failed`, `cancelled` or `timed_out`.
        pub state: String,
        /// What the tests say.
        pub verdict: Option<String>,
        /// What went wrong.
        pub message: Option<String>,
        /// Snapshot that is tested or released.
        pub snapshot: Option<String>,
        /// Release that it does.
        pub release_name: Option<String>,
        /// Where its log is.
        pub log_url: Option<String>,
        /// What was built.
        pub image_digest: Option<String>,
        /// When it was asked for.
        pub created_at: Option<Timestamp>,
        /// When it began.
        pub started_at: Option<Timestamp>,
        /// When it ended.
        pub finished_at: Option<Timestamp>,
    }

    /// Numbers for the overview.
    pub struct Counts {
        /// Runs that are not finished.
        pub unfinished: i64,
        /// Of these, those that should be.
        pub stuck: i64,
        /// Runs that failed lately.
        pub failed: i64,
        /// Releases that failed lately.
        pub failed_releases: i64,
        /// Releases that are not finished.
        pub unfinished_releases: i64,
        /// When the newest run was created.
        pub newest: Option<Timestamp>,
    }

    /// A component with its newest build of a push, and what became of it.
    pub struct ComponentRow {
        /// Name.
        pub name: String,
        /// Application.
        pub application: Option<String>,
        /// Project.
        pub git_project: Option<String>,
        /// Folder in it; empty for all of it.
        pub git_context: String,
        /// Branch.
        pub git_revision: Option<String>,
        /// Commit built last, as Konflux says.
        pub last_built_commit: Option<String>,
        /// Newest build.
        pub build: Option<String>,
        /// Its state.
        pub build_state: Option<String>,
        /// Its commit.
        pub build_sha: Option<String>,
        /// When it ended.
        pub built_at: Option<Timestamp>,
        /// Snapshot made of it.
        pub snapshot: Option<String>,
        /// What the tests say.
        pub test_state: Option<String>,
        /// Whether it was released, as the snapshot says.
        pub release_state: Option<String>,
        /// Newest release of it.
        pub release: Option<String>,
        /// That release's state.
        pub released: Option<String>,
        /// When that ended.
        pub released_at: Option<Timestamp>,
    }

    /// A component by itself.
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
        /// Folder in it.
        pub git_context: String,
        /// Branch.
        pub git_revision: Option<String>,
        /// Where its images go.
        pub container_image: Option<String>,
        /// Commit built last.
        pub last_built_commit: Option<String>,
        /// Image promoted last.
        pub last_promoted_image: Option<String>,
        /// When it was made.
        pub created_at: Option<Timestamp>,
        /// When it was deleted.
        pub deleted_at: Option<Timestamp>,
        /// Message that last changed it.
        pub message_id: String,
        /// When that was sent.
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
        /// What is released.
        pub snapshot: Option<String>,
        /// By which plan.
        pub release_plan: Option<String>,
        /// Where to.
        pub target: Option<String>,
        /// Commit.
        pub sha: Option<String>,
        /// Project of the commit.
        pub project: Option<String>,
        /// `pending`, `running`, `succeeded` or `failed`.
        pub state: String,
        /// Konflux's reason.
        pub reason: Option<String>,
        /// Konflux's message.
        pub message: Option<String>,
        /// Phase that failed.
        pub failed_phase: Option<String>,
        /// Reason of the last attempt.
        pub failure_reason: Option<String>,
        /// Task that was last under way.
        pub last_task: Option<String>,
        /// Attempts.
        pub attempt_count: i64,
        /// Who released.
        pub author: Option<String>,
        /// When it was made.
        pub created_at: Option<Timestamp>,
        /// When it began.
        pub started_at: Option<Timestamp>,
        /// When it ended.
        pub finished_at: Option<Timestamp>,
        /// Message that last changed it.
        pub message_id: String,
    }

    /// Failed releases that have something in common.
    pub struct ReleaseGroup {
        /// Plan.
        pub release_plan: String,
        /// Phase that failed.
        pub failed_phase: String,
        /// Reason.
        pub reason: String,
        /// Task that was last under way.
        pub last_task: String,
        /// How many.
        pub releases: i64,
        /// The newest.
        pub newest: Option<Timestamp>,
    }

    /// A snapshot that went out within a newer one.
    pub struct Superseded {
        /// Name.
        pub name: String,
        /// Application.
        pub application: Option<String>,
        /// Component.
        pub component: Option<String>,
        /// What Konflux says.
        pub release_message: Option<String>,
        /// When it was made.
        pub created_at: Option<Timestamp>,
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

/// Runs that are not finished and were created before a time, oldest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn stuck_runs(reader: &mut Reader, before: Timestamp, most: i64) -> Read<Vec<RunRow>> {
    reader.read(include_str!("sql/list_stuck_runs.sql"), &[&before, &most]).await
}

/// Runs that failed since a time, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn failed_runs(reader: &mut Reader, since: Timestamp, most: i64) -> Read<Vec<RunRow>> {
    reader.read(include_str!("sql/list_failed_runs.sql"), &[&since, &most]).await
}

/// Numbers for the overview.
///
/// # Errors
/// As [`Reader::read`].
pub async fn counts(reader: &mut Reader, stuck_before: Timestamp, failed_since: Timestamp) -> Read<Option<Counts>> {
    reader.first(include_str!("sql/count_runs.sql"), &[&stuck_before, &failed_since]).await
}

/// Components of an application, with a text, after a name.
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

/// One component, also when it was deleted.
///
/// # Errors
/// As [`Reader::read`].
pub async fn component(reader: &mut Reader, name: &str) -> Read<Option<ComponentDetail>> {
    reader.first(include_str!("sql/find_component.sql"), &[&name]).await
}

/// The state of the newest build of a push to the branch of a component.
///
/// # Errors
/// As [`Reader::read`].
pub async fn build_state(reader: &mut Reader, component: &str) -> Read<Option<String>> {
    let build: Option<Named> = reader.first(include_str!("sql/find_build.sql"), &[&component]).await?;
    Ok(build.map(|build| build.name))
}

/// Which releases are wanted; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct WantedReleases<'a> {
    /// State.
    pub state: Option<&'a str>,
    /// Application.
    pub application: Option<&'a str>,
    /// Plan.
    pub release_plan: Option<&'a str>,
    /// In names, reasons and messages.
    pub text: Option<&'a str>,
    /// Only those after this one.
    pub after: Option<(Timestamp, String)>,
    /// Oldest first.
    pub oldest_first: bool,
}

/// Releases.
///
/// # Errors
/// As [`Reader::read`].
pub async fn releases(reader: &mut Reader, wanted: &WantedReleases<'_>, most: i64) -> Read<Vec<ReleaseRow>> {
    let WantedReleases { state, application, release_plan, text, after, oldest_first } = wanted;
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
    reader.first(include_str!("sql/find_release.sql"), &[&name]).await
}

/// Failed releases since a time, grouped.
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
