//! Reads the rows that the rules work on.

use std::collections::HashMap;

use serde_json::{Map, Value};
use tokio_postgres::Row;

use super::Builds;
use crate::db::{StoreError, Tx};
use crate::sources::travis::record::{Build, Job, Object, Repository, Resets, Run, Source, Stage, State};
use crate::sources::travis::rules::{Previous, Rows};

/// The ids of the builds of existing jobs and builds.
pub(super) async fn find(tx: &Tx<'_>, jobs: &[i64], builds: &[i64]) -> Result<HashMap<Object, i64>, StoreError> {
    let rows = tx.query(include_str!("sql/find.sql"), &[&jobs, &builds]).await?;
    let read = |row: &Row| {
        let id = row.get("id");
        (if row.get("is_build") { Object::Build(id) } else { Object::Job(id) }, row.get("build_id"))
    };
    Ok(rows.iter().map(read).collect())
}

/// Locks builds, in the order of their ids, and reads them with their stages and jobs.
pub(super) async fn builds(tx: &Tx<'_>, ids: &[i64]) -> Result<Builds, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let locked = tx.query(include_str!("sql/lock_builds.sql"), &[&ids]).await?;
    let mut stages: HashMap<i64, Vec<Stage>> = HashMap::new();
    for row in tx.query(include_str!("sql/load_stages.sql"), &[&ids]).await? {
        let stage = stage(&row);
        stages.entry(stage.build_id).or_default().push(stage);
    }
    let mut jobs: HashMap<i64, Vec<Job>> = HashMap::new();
    for row in tx.query(include_str!("sql/load_jobs.sql"), &[&ids]).await? {
        let job = job(&row);
        jobs.entry(job.build_id).or_default().push(job);
    }
    let rows = |row: &Row| {
        let build = build(row);
        let (stages, jobs) = (stages.remove(&build.id), jobs.remove(&build.id));
        let rows = Rows::new(repository(row), build, stages.unwrap_or_default(), jobs.unwrap_or_default());
        let is_given: bool = row.get("previous_told");
        Rows { previous: if is_given { Previous::Given } else { Previous::Found(row.get("previous_id")) }, ..rows }
    };
    Ok(locked.iter().map(rows).collect())
}

fn state(row: &Row, column: &str) -> Option<State> {
    row.get::<_, Option<&str>>(column).and_then(State::named)
}

fn source(row: &Row) -> Source {
    Source { message_at: row.get("message_at"), message_id: row.get("message_id") }
}

fn object(text: Option<&str>) -> Option<Map<String, Value>> {
    serde_json::from_str(text?).ok()
}

pub(super) fn repository(row: &Row) -> Repository {
    Repository {
        id: row.get("repository_id"),
        owner_name: row.get("owner_name"),
        name: row.get("name"),
        private: row.get("private"),
        url: row.get("url"),
    }
}

pub(super) fn build(row: &Row) -> Build {
    Build {
        id: row.get("id"),
        repository_id: row.get("repository_id"),
        number: row.get("number"),
        state: state(row, "state"),
        previous_state: state(row, "previous_state"),
        event_type: row.get("event_type"),
        branch: row.get("branch"),
        commit: object(row.get("commit")).unwrap_or_default(),
        pull_request: object(row.get("pull_request")),
        notifications: row.get::<_, Option<&str>>("notifications").and_then(|text| serde_json::from_str(text).ok()),
        fast_finish: row.get("fast_finish"),
        config_error: row.get("config_error"),
        duration: row.get("duration"),
        created_at: row.get("created_at"),
        received_at: row.get("received_at"),
        started_at: row.get("started_at"),
        finished_at: row.get("finished_at"),
        canceled_at: row.get("canceled_at"),
        restarted_at: row.get("restarted_at"),
        run_at: row.get("run_at"),
        ever_bad: row.get("ever_bad"),
        source: source(row),
    }
}

fn stage(row: &Row) -> Stage {
    Stage {
        id: row.get("id"),
        build_id: row.get("build_id"),
        number: row.get("number"),
        name: row.get("name"),
        state: state(row, "state"),
        started_at: row.get("started_at"),
        finished_at: row.get("finished_at"),
        source: source(row),
    }
}

fn job(row: &Row) -> Job {
    Job {
        id: row.get("id"),
        build_id: row.get("build_id"),
        repository_id: row.get("repository_id"),
        stage_id: row.get("stage_id"),
        stage_number: row.get("stage_number"),
        number: row.get("number"),
        state: state(row, "state"),
        allow_failure: row.get("allow_failure"),
        queue: row.get("queue"),
        priority: row.get("priority"),
        worker: row.get("worker"),
        vm_size: row.get("vm_size"),
        created_at: row.get("created_at"),
        queued_at: row.get("queued_at"),
        received_at: row.get("received_at"),
        started_at: row.get("started_at"),
        finished_at: row.get("finished_at"),
        canceled_at: row.get("canceled_at"),
        restarted_at: row.get("restarted_at"),
        restarted_by: row.get("restarted_by"),
        run: Run {
            attempt: row.get("attempt"),
            at: row.get("run_at"),
            message_id: row.get("run_message_id"),
            uuid: row.get("run_uuid"),
            count: row.get("run_count"),
            previous_uuid: row.get("previous_uuid"),
        },
        resets: Resets {
            count: row.get("reset_count"),
            first_at: row.get("first_reset_at"),
            last_at: row.get("last_reset_at"),
        },
        source: source(row),
    }
}
