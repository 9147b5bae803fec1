//! What a push has an effect on, what it leaves as it was, and what should have followed and has not.

use jiff::Timestamp;

use crate::store::{Reader, StoreError, column, rows};

rows! {
    /// A component that a commit affects.
    pub struct Affected {
        /// The commit.
        pub sha: String,
        /// Name of the component.
        pub name: String,
        /// Its application.
        pub application: Option<String>,
    }

    /// A component that a commit leaves as it was, with what it was built to before.
    pub struct Inherited {
        /// Name.
        pub name: String,
        /// Application.
        pub application: Option<String>,
        /// Its newest build before.
        pub build: String,
        /// What became of that.
        pub build_state: String,
        /// Commit that was built.
        pub build_sha: Option<String>,
        /// When that ended.
        pub built_at: Option<Timestamp>,
        /// What the tests of it say.
        pub test_state: Option<String>,
    }

    /// A name.
    pub struct Named {
        /// The name.
        pub name: String,
    }

    /// Something that should have gone on by itself.
    pub struct HeldUp {
        /// What is wrong.
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
        /// What Konflux says to it.
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
    /// Branch that it was pushed to.
    pub branch: &'a str,
    /// Path in the project.
    pub path: &'a str,
}

/// Components that changed files belong to, as far as these were pushed to the branch that is built; of one application or
/// of all.
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

/// Components of a project, on a host if that is known, and of a branch, that a push leaves as they were: all but those in `affected`.
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

/// What came to a halt between two times, newest first.
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
