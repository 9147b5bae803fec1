//! Queries of the web UI about the effects of a push: components that it affects, components that it does not affect,
//! and objects that did not go on as they should.

use jiff::Timestamp;

use crate::db::{Reader, StoreError, column, rows};

rows! {
    /// A component that a commit affects.
    pub struct Affected {
        /// The commit.
        pub sha: String,
        /// Name of the component.
        pub name: String,
        /// Application.
        pub application: Option<String>,
    }

    /// A component that a push does not affect, with its previous build.
    pub struct Inherited {
        /// Name.
        pub name: String,
        /// Application.
        pub application: Option<String>,
        /// Newest build before the push.
        pub build: String,
        /// State of that build.
        pub build_state: String,
        /// Commit that was built.
        pub build_sha: Option<String>,
        /// When that build ended.
        pub built_at: Option<Timestamp>,
        /// Test state of the snapshot of that build.
        pub test_state: Option<String>,
    }

    /// A row with one text.
    pub struct Named {
        /// The text.
        pub name: String,
    }

    /// An object that should have gone on without an action of a user.
    pub struct HeldUp {
        /// The problem.
        pub what: String,
        /// Name of the run, snapshot or release.
        pub name: String,
        /// Application.
        pub application: Option<String>,
        /// Component.
        pub component: Option<String>,
        /// Commit.
        pub sha: Option<String>,
        /// Since when.
        pub since: Option<Timestamp>,
        /// Message of Konflux about it.
        pub why: Option<String>,
    }
}

/// A file that a commit changed.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a> {
    /// The commit.
    pub sha: &'a str,
    /// Path of its project.
    pub project: &'a str,
    /// Host of its project, if that is known.
    pub host: Option<&'a str>,
    /// Branch that was pushed.
    pub branch: &'a str,
    /// Path in the project.
    pub path: &'a str,
}

/// Components that changed files belong to, if the files were pushed to the branch that the component is built from; of
/// one application or of all.
///
/// # Errors
/// As [`Reader::read`].
pub async fn affected(
    reader: &mut Reader,
    changed: &[Changed<'_>],
    application: Option<&str>,
) -> Result<Vec<Affected>, StoreError> {
    let (shas, projects) = (column(changed, |file| file.sha), column(changed, |file| file.project));
    let (branches, paths) = (column(changed, |file| file.branch), column(changed, |file| file.path));
    let hosts = column(changed, |file| file.host);
    reader
        .read(include_str!("sql/list_affected.sql"), &[&shas, &projects, &branches, &paths, &hosts, &application])
        .await
}

/// Projects that have components of an application.
///
/// # Errors
/// As [`Reader::read`].
pub async fn projects_of(reader: &mut Reader, application: &str) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Named> = reader.read(include_str!("sql/list_projects.sql"), &[&application]).await?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// Components of a project and branch that a push does not affect: all except those in `affected`. The host of the
/// project is optional.
///
/// # Errors
/// As [`Reader::read`].
pub async fn inherited(
    reader: &mut Reader,
    (host, project, branch, pushed_at): (Option<&str>, &str, &str, Timestamp),
    affected: &[&str],
    most: i64,
) -> Result<Vec<Inherited>, StoreError> {
    reader.read(include_str!("sql/list_inherited.sql"), &[&project, &branch, &pushed_at, &affected, &most, &host]).await
}

/// Objects that should have gone on between two times, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn held_up(
    reader: &mut Reader,
    since: Timestamp,
    until: Timestamp,
    most: i64,
) -> Result<Vec<HeldUp>, StoreError> {
    reader.read(include_str!("sql/list_held_up.sql"), &[&since, &until, &most]).await
}
