//! Reads the pipelines that reconcile asks about, and marks those that it asked about.

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;

use super::upserts::keys;
use crate::checks::Touched;
use crate::db::{StoreError, Stuck, Tx, column};
use crate::sources::gitlab::Hosts;
use crate::sources::gitlab::ci::{MergeRequestRef, Origin, Pipeline, Sent};

/// The pipelines of a project that have not ended, without a change since a time; those that wait for a person only if
/// they were not asked about since another time. Those that were never asked about come first.
///
/// # Errors
/// When the statement fails.
pub async fn open_pipelines(
    tx: &Tx<'_>,
    project: &str,
    unchanged_since: Timestamp,
    held_asked_before: Timestamp,
    limit: i64,
) -> Result<Vec<Pipeline>, StoreError> {
    let params: [crate::db::Param<'_>; 4] = [&project, &unchanged_since, &held_asked_before, &limit];
    let rows = tx.query(include_str!("sql/open_pipelines.sql"), &params).await?;
    Ok(rows.iter().map(pipeline).collect())
}

/// Records when pipelines were asked about. Those that are `gone` are deleted; their checks are added to `touched`.
///
/// # Errors
/// When a statement fails.
pub async fn mark_asked(
    tx: &Tx<'_>,
    asked: &[Pipeline],
    gone: &[Pipeline],
    at: Timestamp,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let all: Vec<&Pipeline> = asked.iter().chain(gone).collect();
    let (hosts, ids) = (column(&all, |p| p.origin.host.as_str()), column(&all, |p| p.id));
    let is_gone = column(&all, |p| gone.iter().any(|gone| gone.id == p.id && gone.origin.host == p.origin.host));
    let deleted = tx.query(include_str!("sql/mark_asked_pipelines.sql"), &[&hosts, &ids, &is_gone, &at]).await?;
    super::touch(tx, keys(&deleted), touched).await
}

/// How long no hook about a pipeline of a project may come while commits are pushed to it.
const SILENCE: SignedDuration = SignedDuration::from_hours(24);
/// How long after a push the hook about its pipeline may take.
const DELAY: SignedDuration = SignedDuration::from_hours(1);

/// Projects whose hooks about pipelines have ceased: commits are pushed, and no message about a pipeline comes. GitLab
/// disables hooks that fail; a single trigger that is switched off cannot be seen.
///
/// # Errors
/// When the statement fails.
pub async fn sweep(tx: &Tx<'_>, now: Timestamp) -> Result<Vec<Stuck>, StoreError> {
    let ago = |span: SignedDuration| now.checked_sub(span).unwrap_or(now);
    let rows = tx.query(include_str!("sql/silent_projects.sql"), &[&ago(SILENCE), &ago(DELAY)]).await?;
    let stuck = |row: &Row| Stuck {
        kind: "gitlab_project",
        name: row.get("project"),
        state: "pushes without pipelines".to_owned(),
        since: row.get("newest"),
    };
    Ok(rows.iter().map(stuck).collect())
}

/// A stored pipeline, without its jobs.
fn pipeline(row: &Row) -> Pipeline {
    let request = |iid: i64| MergeRequestRef {
        iid,
        project_id: row.get("mr_project_id"),
        source_branch: row.get("mr_source_branch"),
        target_branch: row.get("mr_target_branch"),
    };
    let parent: Option<i64> = row.get("parent_id");
    Pipeline {
        origin: Origin {
            host: row.get("host"),
            project_id: row.get("project_id"),
            project: row.get("project"),
            hosts: Hosts::default(),
        },
        id: row.get("id"),
        iid: row.get("iid"),
        name: row.get("name"),
        status: row.get("status"),
        detailed_status: row.get("detailed_status"),
        source: row.get("source"),
        git_ref: row.get("ref"),
        tag: row.get("tag"),
        sha: row.get("sha"),
        title: row.get("title"),
        stages: row.get("stages"),
        url: row.get("url"),
        merge_request: row.get::<_, Option<i64>>("mr_iid").map(request),
        parent: parent.map(|id| (row.get("parent_project"), id)),
        username: row.get("username"),
        created_at: row.get("created_at"),
        finished_at: row.get("finished_at"),
        jobs: Vec::new(),
        content: row.get("content"),
        sent: Sent { at: row.get("message_at"), id: row.get("message_id") },
    }
}
