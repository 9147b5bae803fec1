//! Inserts new builds with their stages and jobs.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::db::{StoreError, Tx, column};
use crate::sources::travis::record::{Build, Create, Job, Stage, State};

/// Inserts the builds that do not exist yet, with their stages and jobs; returns their ids.
pub(super) async fn insert(
    tx: &Tx<'_>,
    creates: &BTreeMap<i64, (usize, &Create)>,
    clock: Option<Timestamp>,
) -> Result<HashSet<i64>, StoreError> {
    let builds: Vec<&Build> = creates.values().filter_map(|(_, create)| Some(&create.build.as_ref()?.1)).collect();
    if builds.is_empty() {
        return Ok(HashSet::new());
    }
    let text = |value: Option<&Value>| value.map(Value::to_string);
    let inserted = tx
        .query(
            include_str!("sql/insert_builds.sql"),
            &[
                /* id */ &column(&builds, |r| r.id),
                /* repository_id */ &column(&builds, |r| r.repository_id),
                /* number */ &column(&builds, |r| r.number.as_deref()),
                /* state */ &column(&builds, |r| r.state.map(State::name)),
                /* previous_state */ &column(&builds, |r| r.previous_state.map(State::name)),
                /* event_type */ &column(&builds, |r| r.event_type.as_deref()),
                /* branch */ &column(&builds, |r| r.branch.as_deref()),
                /* commit */ &column(&builds, |r| json!(r.commit).to_string()),
                /* pull_request */ &column(&builds, |r| r.pull_request.as_ref().map(|p| json!(p).to_string())),
                /* notifications */ &column(&builds, |r| text(r.notifications.as_ref())),
                /* fast_finish */ &column(&builds, |r| r.fast_finish),
                /* config_error */ &column(&builds, |r| r.config_error),
                /* created_at */ &column(&builds, |r| r.created_at),
                /* received_at */ &column(&builds, |r| r.received_at),
                /* message_id */ &column(&builds, |r| r.source.message_id.as_str()),
                /* message_at */ &column(&builds, |r| dated(r.source.message_at, clock)),
                /* ever_bad */ &column(&builds, |r| r.ever_bad),
                &column(&builds, |r| r.previous_state.is_some()),
            ],
        )
        .await?;
    let fresh: HashSet<i64> = inserted.iter().map(|row| row.get("id")).collect();
    let of_fresh = || creates.iter().filter(|(id, _)| fresh.contains(id)).map(|(_, (_, create))| create);
    insert_stages(tx, &of_fresh().flat_map(|create| &create.stages).collect::<Vec<_>>(), clock).await?;
    insert_jobs(tx, &of_fresh().flat_map(|create| &create.jobs).collect::<Vec<_>>(), clock).await?;
    Ok(fresh)
}

async fn insert_stages(tx: &Tx<'_>, stages: &[&Stage], clock: Option<Timestamp>) -> Result<(), StoreError> {
    if stages.is_empty() {
        return Ok(());
    }
    tx.query(
        include_str!("sql/insert_stages.sql"),
        &[
            /* id */ &column(stages, |r| r.id),
            /* build_id */ &column(stages, |r| r.build_id),
            /* number */ &column(stages, |r| r.number),
            /* name */ &column(stages, |r| r.name.as_deref()),
            /* state */ &column(stages, |r| r.state.map(State::name)),
            /* message_id */ &column(stages, |r| r.source.message_id.as_str()),
            /* message_at */ &column(stages, |r| dated(r.source.message_at, clock)),
        ],
    )
    .await?;
    Ok(())
}

async fn insert_jobs(tx: &Tx<'_>, jobs: &[&Job], clock: Option<Timestamp>) -> Result<(), StoreError> {
    if jobs.is_empty() {
        return Ok(());
    }
    tx.query(
        include_str!("sql/insert_jobs.sql"),
        &[
            /* id */ &column(jobs, |r| r.id),
            /* build_id */ &column(jobs, |r| r.build_id),
            /* repository_id */ &column(jobs, |r| r.repository_id),
            /* stage_id */ &column(jobs, |r| r.stage_id),
            /* stage_number */ &column(jobs, |r| r.stage_number.as_deref()),
            /* number */ &column(jobs, |r| r.number.as_deref()),
            /* state */ &column(jobs, |r| r.state.map(State::name)),
            /* allow_failure */ &column(jobs, |r| r.allow_failure),
            /* queue */ &column(jobs, |r| r.queue.as_deref()),
            /* priority */ &column(jobs, |r| r.priority),
            /* vm_size */ &column(jobs, |r| r.vm_size.as_deref()),
            /* created_at */ &column(jobs, |r| r.created_at),
            /* queued_at */ &column(jobs, |r| r.queued_at),
            /* message_id */ &column(jobs, |r| r.source.message_id.as_str()),
            /* message_at */ &column(jobs, |r| dated(r.source.message_at, clock)),
        ],
    )
    .await?;
    Ok(())
}

/// When a message was sent; the database's clock if unknown (the decoder gives the epoch then).
fn dated(sent_at: Timestamp, clock: Option<Timestamp>) -> Timestamp {
    clock.filter(|_| sent_at == Timestamp::UNIX_EPOCH).unwrap_or(sent_at)
}
