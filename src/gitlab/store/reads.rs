//! What pages show of merge requests and pushes.

use jiff::Timestamp;

use crate::store::{Reader, StoreError, rows};

rows! {
    /// A merge request.
    pub struct MergeRequestRow {
        /// Path of the project it goes to.
        pub project: String,
        /// Number in that project.
        pub iid: i64,
        /// `opened`, `locked`, `closed` or `merged`.
        pub state: String,
        /// Title.
        pub title: Option<String>,
        /// Whether it is a draft.
        pub draft: bool,
        /// Branch it comes from.
        pub source_branch: Option<String>,
        /// Branch it goes to.
        pub target_branch: Option<String>,
        /// User name of the author, if known.
        pub author: Option<String>,
        /// Head commit.
        pub sha: Option<String>,
        /// Labels.
        pub labels: Vec<String>,
        /// Its page.
        pub url: Option<String>,
        /// When it was opened.
        pub created_at: Option<Timestamp>,
        /// When it changed, as GitLab says.
        pub updated_at: Option<Timestamp>,
        /// When it was merged.
        pub merged_at: Option<Timestamp>,
        /// How new this state is.
        pub version_at: Timestamp,
        /// Last action.
        pub last_action: Option<String>,
        /// Who did it.
        pub last_actor: Option<String>,
        /// Message that last changed it.
        pub message_id: String,
        /// When that was sent.
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
        /// Opened, and drafts.
        pub drafts: i64,
        /// Opened, and without a change for long.
        pub stale: i64,
        /// Time of the message that told of the newest change, of any project.
        pub newest: Option<Timestamp>,
    }

    /// How long merge requests are open until they are merged.
    pub struct MergeTime {
        /// The project; none for all of them together.
        pub project: Option<String>,
        /// How many were merged.
        pub merged: i64,
        /// Seconds, the median.
        pub p50: f64,
        /// Nine of ten were faster.
        pub p90: f64,
    }

    /// A head of a merge request.
    pub struct VersionRow {
        /// Commit.
        pub sha: String,
        /// Since when.
        pub created_at: Timestamp,
        /// Whether a message said that it became the head; else it was only mentioned.
        pub was_head: bool,
        /// That message.
        pub message_id: String,
    }

    /// A path that a project had.
    pub struct FormerPath {
        /// Its path now.
        pub project: String,
        /// The path before.
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
        /// Who pushed.
        pub pushed_by: Option<String>,
        /// Page of the commit.
        pub url: Option<String>,
        /// Commits in the push.
        pub commit_count: i64,
        /// Files that changed.
        pub changed_files: Vec<String>,
        /// Whether these are all.
        pub files_complete: bool,
        /// Message that told.
        pub message_id: String,
    }
}

/// Which merge requests are wanted; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// Path of the project.
    pub project: Option<&'a str>,
    /// User name of the author.
    pub author: Option<&'a str>,
    /// State.
    pub state: Option<&'a str>,
    /// Whether it is a draft.
    pub draft: Option<bool>,
    /// Opened, and not changed since.
    pub stale_since: Option<Timestamp>,
    /// In project, number, title, branch or head.
    pub text: Option<&'a str>,
    /// Only those after this one.
    pub after: Option<(Timestamp, String, i64)>,
    /// Oldest change first.
    pub oldest_first: bool,
}

/// Merge requests.
///
/// # Errors
/// As [`Reader::read`].
pub async fn merge_requests(
    reader: &mut Reader,
    wanted: &Wanted<'_>,
    most: i64,
) -> Result<Vec<MergeRequestRow>, StoreError> {
    let newest = include_str!("sql/list_merge_requests.sql");
    let oldest = include_str!("sql/list_merge_requests_oldest.sql");
    let after = wanted.after.as_ref();
    let (version_at, project, iid) =
        (after.map(|after| after.0), after.map(|after| after.1.as_str()), after.map(|after| after.2));
    let sql = if wanted.oldest_first { oldest } else { newest };
    let Wanted { project: of, author, state, draft, stale_since, text, .. } = wanted;
    reader.read(sql, &[of, author, state, draft, stale_since, text, &version_at, &project, &iid, &most]).await
}

/// One of them.
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

/// Numbers of merge requests of a project or of all.
///
/// # Errors
/// As [`Reader::read`].
pub async fn counts(
    reader: &mut Reader,
    project: Option<&str>,
    stale_since: Timestamp,
) -> Result<Option<MergeRequestCounts>, StoreError> {
    reader.first(include_str!("sql/count_merge_requests.sql"), &[&project, &stale_since]).await
}

/// How long merge requests were open that were merged since a time: all projects first, then the busiest.
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

/// Which pushes are wanted; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct WantedPushes<'a> {
    /// Path of the project.
    pub project: Option<&'a str>,
    /// Branch.
    pub branch: Option<&'a str>,
    /// Path of any of these projects.
    pub projects: Option<&'a [String]>,
    /// In title, author, commit or project.
    pub text: Option<&'a str>,
    /// Only those after this place: time, commit, project.
    pub after: Option<(Timestamp, String, String)>,
    /// Oldest first.
    pub oldest_first: bool,
}

/// Pushes.
///
/// # Errors
/// As [`Reader::read`].
pub async fn pushes(reader: &mut Reader, wanted: &WantedPushes<'_>, most: i64) -> Result<Vec<PushRow>, StoreError> {
    let WantedPushes { project: of, branch, projects, text, after, oldest_first } = wanted;
    let after = after.as_ref();
    let (at, sha, project) = (after.map(|a| a.0), after.map(|a| a.1.as_str()), after.map(|a| a.2.as_str()));
    let (newest, oldest) = (include_str!("sql/list_pushes.sql"), include_str!("sql/list_pushes_oldest.sql"));
    let sql = if *oldest_first { oldest } else { newest };
    reader.read(sql, &[of, branch, text, &at, &sha, &project, &most, projects]).await
}

/// Paths that projects had before: those who build them may still name these.
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

/// Merge requests that have or had a commit as their head.
///
/// # Errors
/// As [`Reader::read`].
pub async fn merge_requests_of(reader: &mut Reader, sha: &str) -> Result<Vec<MergeRequestRow>, StoreError> {
    reader.read(include_str!("sql/list_merge_requests_of_commit.sql"), &[&sha]).await
}
