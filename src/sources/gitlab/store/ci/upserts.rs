//! Writes the rows of pipelines, jobs and deployments.

use std::collections::{BTreeSet, HashSet};

use tokio_postgres::Row;

use super::batch::{Batch, Key, NewestJob};
use crate::db::{StoreError, Tx, column};
use crate::sources::gitlab::ci::{Deployment, Job, Pipeline, rules};

pub(super) fn keys(rows: &[Row]) -> Vec<(String, i64)> {
    rows.iter().map(|row| (row.get("host"), row.get("id"))).collect()
}

pub(super) async fn write_pipelines(tx: &Tx<'_>, batch: &Batch<'_>) -> Result<HashSet<(String, i64)>, StoreError> {
    let rows: Vec<&Pipeline> = batch.pipelines.values().map(|(_, pipeline)| *pipeline).collect();
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let request = column(&rows, |r| r.merge_request.as_ref());
    let changed = tx
        .query(
            include_str!("sql/upsert_pipelines.sql"),
            &[
                /* host */ &column(&rows, |r| r.origin.host.as_str()),
                /* id */ &column(&rows, |r| r.id),
                /* iid */ &column(&rows, |r| r.iid),
                /* project */ &column(&rows, |r| r.origin.project.as_str()),
                /* project_id */ &column(&rows, |r| r.origin.project_id),
                /* name */ &column(&rows, |r| r.name.as_deref()),
                /* status */ &column(&rows, |r| r.status.as_str()),
                /* detailed_status */ &column(&rows, |r| r.detailed_status.as_deref()),
                /* source */ &column(&rows, |r| r.source.as_str()),
                /* ref */ &column(&rows, |r| r.git_ref.as_deref()),
                /* tag */ &column(&rows, |r| r.tag),
                /* sha */ &column(&rows, |r| r.sha.as_deref()),
                /* title */ &column(&rows, |r| r.title.as_deref()),
                /* stages */ &column(&rows, |r| serde_json::json!(r.stages).to_string()),
                /* url */ &column(&rows, |r| r.url.as_deref()),
                /* mr_iid */ &column(&request, |r| r.map(|request| request.iid)),
                /* mr_project_id */ &column(&request, |r| r.and_then(|request| request.project_id)),
                /* mr_source_branch */
                &column(&request, |r| r.and_then(|request| request.source_branch.as_deref())),
                /* mr_target_branch */
                &column(&request, |r| r.and_then(|request| request.target_branch.as_deref())),
                /* merges */ &column(&rows, |r| r.merges()),
                /* parent_project */
                &column(&rows, |r| r.parent.as_ref().and_then(|parent| parent.0.as_deref())),
                /* parent_id */ &column(&rows, |r| r.parent.as_ref().map(|parent| parent.1)),
                /* username */ &column(&rows, |r| r.username.as_deref()),
                /* created_at */ &column(&rows, |r| r.created_at),
                /* finished_at */ &column(&rows, |r| r.finished_at),
                /* newest_job */ &column(&rows, |r| r.newest_job()),
                /* version_at */ &column(&rows, |r| r.version_at()),
                /* job_ranks */ &column(&rows, |r| r.job_ranks()),
                /* rank */ &column(&rows, |r| rules::pipeline_rank(&r.status)),
                /* content */ &column(&rows, |r| r.content),
                /* ever_bad */ &column(&rows, |r| batch.bad_pipelines.contains(&(&*r.origin.host, r.id))),
                /* message_id */ &column(&rows, |r| r.sent.id.as_str()),
                /* message_at */ &column(&rows, |r| r.sent.at),
            ],
        )
        .await?;
    Ok(keys(&changed).into_iter().collect())
}

/// The jobs as they were before, and those that changed.
pub(super) async fn write_jobs(tx: &Tx<'_>, batch: &Batch<'_>) -> Result<(Vec<Row>, Vec<Row>), StoreError> {
    let newest: Vec<&NewestJob<'_>> = batch.jobs.values().collect();
    if newest.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let rows: Vec<&Job> = newest.iter().map(|newest| newest.job).collect();
    let (hosts, ids) = (column(&rows, |r| r.origin.host.as_str()), column(&rows, |r| r.id));
    let merge_ref = |job: &Job| batch.merge_refs.get(&(&*job.origin.host, job.id)).copied();
    let said = newest.iter().map(|newest| newest.status()).collect::<Vec<_>>();
    let upsert = async {
        tx.query(
            include_str!("sql/upsert_jobs.sql"),
            &[
                &hosts,
                &ids,
                /* pipeline_id */ &column(&rows, |r| r.pipeline_id),
                /* project */ &column(&rows, |r| r.origin.project.as_str()),
                /* project_id */ &column(&rows, |r| r.origin.project_id),
                /* stage */ &column(&rows, |r| r.stage.as_deref()),
                /* name */ &column(&rows, |r| r.name.as_str()),
                /* check_name */ &column(&rows, |r| rules::check_name(r.stage.as_deref(), &r.name)),
                /* allow_failure */ &column(&rows, |r| r.allow_failure),
                /* failure_reason */ &column(&rows, |r| r.failure_reason.as_deref()),
                /* ref */ &column(&rows, |r| r.git_ref.as_deref()),
                /* tag */ &column(&rows, |r| r.tag),
                /* sha */ &column(&rows, |r| r.sha.as_deref()),
                /* environment */ &column(&rows, |r| r.environment.as_deref()),
                /* url */ &column(&rows, |r| r.url.as_deref()),
                /* username */ &column(&rows, |r| r.username.as_deref()),
                /* created_at */ &column(&rows, |r| r.created_at),
                /* started_at */ &column(&rows, |r| r.started_at),
                /* finished_at */ &column(&rows, |r| r.finished_at),
                /* content */ &column(&rows, |r| r.content),
                /* merge_ref */ &column(&rows, |r| merge_ref(r)),
                /* version_at */ &column(&rows, |r| r.version_at()),
                /* rank */ &column(&rows, |r| rules::job_rank(&r.status)),
                /* ever_bad */ &column(&rows, |r| batch.bad_jobs.contains(&(&*r.origin.host, r.id))),
                /* said */ &column(&newest, |newest| newest.said()),
                /* status */ &column(&said, |(status, ..)| *status),
                /* message_id */ &column(&said, |(_, _, sent)| sent.id.as_str()),
                /* message_at */ &column(&said, |(_, _, sent)| sent.at),
            ],
        )
        .await
    };
    let before = async { tx.query(include_str!("sql/jobs_before.sql"), &[&hosts, &ids]).await };
    tokio::try_join!(biased; before, upsert)
}

pub(super) async fn write_deployments(tx: &Tx<'_>, batch: &Batch<'_>) -> Result<Vec<(String, String)>, StoreError> {
    let rows: Vec<&Deployment> = batch.deployments.values().map(|(_, deployment)| *deployment).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let changed = tx
        .query(
            include_str!("sql/upsert_deployments.sql"),
            &[
                /* host */ &column(&rows, |r| r.origin.host.as_str()),
                /* id */ &column(&rows, |r| r.id.as_str()),
                /* project */ &column(&rows, |r| r.origin.project.as_str()),
                /* project_id */ &column(&rows, |r| r.origin.project_id),
                /* environment */ &column(&rows, |r| r.environment.as_str()),
                /* tier */ &column(&rows, |r| r.tier.as_deref()),
                /* environment_url */ &column(&rows, |r| r.environment_url.as_deref()),
                /* status */ &column(&rows, |r| r.status.as_str()),
                /* job_id */ &column(&rows, |r| r.job_id),
                /* job_url */ &column(&rows, |r| r.job_url.as_deref()),
                /* ref */ &column(&rows, |r| r.git_ref.as_deref()),
                /* sha */ &column(&rows, |r| r.sha.as_deref()),
                /* title */ &column(&rows, |r| r.title.as_deref()),
                /* commit_url */ &column(&rows, |r| r.commit_url.as_deref()),
                /* username */ &column(&rows, |r| r.username.as_deref()),
                /* changed_at */ &column(&rows, |r| r.changed_at),
                /* version_at */ &column(&rows, |r| r.version_at()),
                /* rank */ &column(&rows, |r| rules::deployment_rank(&r.status)),
                /* content */ &column(&rows, |r| r.content),
                /* message_id */ &column(&rows, |r| r.sent.id.as_str()),
                /* message_at */ &column(&rows, |r| r.sent.at),
            ],
        )
        .await?;
    Ok(changed.iter().map(|row| (row.get("host"), row.get("id"))).collect())
}

/// Records of pipelines that they failed, where the message that says so is older than the row. Returns those that it
/// was new for.
pub(super) async fn mark_pipelines(
    tx: &Tx<'_>,
    batch: &Batch<'_>,
    written: &HashSet<(String, i64)>,
) -> Result<Vec<(String, i64)>, StoreError> {
    let is_written = |key: &Key<'_>| written.contains(&(key.0.to_owned(), key.1));
    let bad: Vec<&Key<'_>> = batch.bad_pipelines.iter().filter(|key| !is_written(key)).collect();
    if bad.is_empty() {
        return Ok(Vec::new());
    }
    let (hosts, ids) = (column(&bad, |key| key.0), column(&bad, |key| key.1));
    let marked = tx.query(include_str!("sql/mark_bad_pipelines.sql"), &[&hosts, &ids]).await?;
    Ok(keys(&marked))
}

/// The same for jobs, with the kind of ref of a merge request.
pub(super) async fn mark_jobs(
    tx: &Tx<'_>,
    batch: &Batch<'_>,
    written: &HashSet<(String, i64)>,
) -> Result<Vec<Row>, StoreError> {
    let is_written = |key: &Key<'_>| written.contains(&(key.0.to_owned(), key.1));
    let said: BTreeSet<Key<'_>> = batch.bad_jobs.iter().chain(batch.merge_refs.keys()).copied().collect();
    let said: Vec<Key<'_>> = said.into_iter().filter(|key| !is_written(key)).collect();
    if said.is_empty() {
        return Ok(Vec::new());
    }
    let (hosts, ids) = (column(&said, |key| key.0), column(&said, |key| key.1));
    let ever_bad = column(&said, |key| batch.bad_jobs.contains(key));
    let merge_refs = column(&said, |key| batch.merge_refs.get(key).copied());
    tx.query(include_str!("sql/mark_jobs.sql"), &[&hosts, &ids, &ever_bad, &merge_refs]).await
}
