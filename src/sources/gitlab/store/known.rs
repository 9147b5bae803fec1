//! Reads the stored projects, merge requests and heads that reconcile compares with the API.

use std::collections::HashSet;

use jiff::Timestamp;
use tokio_postgres::Row;

use crate::db::{StoreError, Tx, column};
use crate::sources::gitlab::record::{Author, Heads, MergeRequest, Stamp};
use crate::sources::gitlab::{Hosts, rules};

/// A project with at least one stored merge request or push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Path.
    pub path: String,
    /// Number, if a message had it.
    pub id: Option<i64>,
    /// URL of the project or of an object in it, which has the host of the instance.
    pub page: Option<String>,
    /// When it was last checked.
    pub checked_at: Option<Timestamp>,
    /// Start of the last complete sweep over its changes.
    pub swept_at: Option<Timestamp>,
}

/// The result of checking a project, stored for the next run.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Path of the project.
    pub project: String,
    /// When the check began.
    pub checked_at: Timestamp,
    /// The same time, if the check had a sweep that was completed.
    pub swept_at: Option<Timestamp>,
    /// Why the check failed.
    pub problem: Option<String>,
}

/// All projects, the one with the oldest check first.
///
/// # Errors
/// When the statement fails.
pub async fn projects(tx: &Tx<'_>) -> Result<Vec<Project>, StoreError> {
    let rows = tx.query(include_str!("sql/projects.sql"), &[]).await?;
    let read = |row: &Row| Project {
        path: row.get("project"),
        id: row.get("project_id"),
        page: row.get("page"),
        checked_at: row.get("checked_at"),
        swept_at: row.get("swept_at"),
    };
    Ok(rows.iter().map(read).collect())
}

/// Stores the results of checks, unless a later check is stored.
///
/// # Errors
/// When the statement fails.
pub async fn save_checked(tx: &Tx<'_>, checked: &[Checked]) -> Result<(), StoreError> {
    tx.query(
        include_str!("sql/upsert_reconcile_projects.sql"),
        &[
            /* project */ &column(checked, |c| c.project.as_str()),
            /* checked_at */ &column(checked, |c| c.checked_at),
            /* swept_at */ &column(checked, |c| c.swept_at),
            /* problem */ &column(checked, |c| c.problem.as_deref()),
        ],
    )
    .await?;
    Ok(())
}

/// The open merge requests of a project, or those with the given numbers.
///
/// # Errors
/// When the statement fails.
pub async fn known(tx: &Tx<'_>, project: &str, iids: Option<&[i64]>) -> Result<Vec<MergeRequest>, StoreError> {
    let rows = tx.query(include_str!("sql/known_merge_requests.sql"), &[&project, &iids]).await?;
    Ok(rows.iter().map(merge_request).collect())
}

fn merge_request(row: &Row) -> MergeRequest {
    let state: &str = row.get("state");
    let state = rules::state(Some(state), None).unwrap_or("opened");
    let message = |at: &str, id: &str| Some((row.get::<_, Option<Timestamp>>(at)?, row.get::<_, Option<String>>(id)?));
    let head = || {
        Some(Heads {
            sha: row.get::<_, Option<String>>("sha")?,
            version_at: row.get::<_, Option<Timestamp>>("head_version_at")?,
            claims: row.get("head_claims"),
            message: message("head_message_at", "head_message_id")?,
        })
    };
    let author = || {
        Some(Author {
            name: row.get::<_, Option<String>>("author")?,
            version_at: row.get::<_, Option<Timestamp>>("author_version_at")?,
            message: message("author_message_at", "author_message_id")?,
        })
    };
    MergeRequest {
        project: row.get("project"),
        iid: row.get("iid"),
        project_id: row.get("project_id"),
        host: row.get("host"),
        hosts: Hosts::default(),
        response_path: None,
        state,
        title: row.get("title"),
        draft: row.get("draft"),
        source_branch: row.get("source_branch"),
        target_branch: row.get("target_branch"),
        source_project_id: row.get("source_project_id"),
        target_project_id: row.get("target_project_id"),
        author_id: row.get("author_id"),
        merge_commit_sha: row.get("merge_commit_sha"),
        labels: row.get("labels"),
        url: row.get("url"),
        last_action: row.get("last_action"),
        last_actor: row.get("last_actor"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
        source: if row.get::<_, &str>("source") == "webhook" { "webhook" } else { "reconcile" },
        deleted_at: row.get("deleted_at"),
        head: head(),
        author: author(),
        merged_at: row.get("merged_at"),
        heard_at: row.get("version_at"),
        stamp: Stamp {
            version_at: row.get("version_at"),
            place: row.get("place"),
            state_rank: row.get("state_rank"),
            told: row.get("told"),
            content: row.get("content"),
            message_at: row.get("message_at"),
            message_id: row.get("message_id"),
        },
    }
}

/// Merge requests of a project with heads that only an API list had since a time, so that it is not known when they
/// became the head.
///
/// # Errors
/// When the statement fails.
pub async fn untimed(tx: &Tx<'_>, project: &str, since: Timestamp) -> Result<Vec<i64>, StoreError> {
    let rows = tx.query(include_str!("sql/untimed_heads.sql"), &[&project, &since]).await?;
    Ok(rows.iter().map(|row| row.get("iid")).collect())
}

/// The heads of a merge request with a known time at which they became the head.
///
/// # Errors
/// When the statement fails.
pub async fn timed_heads(tx: &Tx<'_>, project: &str, iid: i64) -> Result<HashSet<String>, StoreError> {
    let rows = tx.query(include_str!("sql/timed_heads.sql"), &[&project, &iid]).await?;
    Ok(rows.iter().map(|row| row.get("sha")).collect())
}
