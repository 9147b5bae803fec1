//! Pending messages: those that arrived before the `build:create` of their build.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_postgres::Row;

use super::Batch;
use crate::db::{StoreError, Tx, column};
use crate::sources::travis::record::{Details, Event, Message, Object, State};

/// Stores messages as pending; returns the numbers of those that were not stored before.
pub(super) async fn insert(
    tx: &Tx<'_>,
    messages: impl Iterator<Item = &(usize, Message)>,
) -> Result<Vec<usize>, StoreError> {
    let rows: Vec<&(usize, Message)> = messages.collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let inserted = tx
        .query(
            include_str!("sql/insert_pending.sql"),
            &[
                /* object */ &column(&rows, |(_, r)| key(r.object).0),
                &column(&rows, |(_, r)| key(r.object).1),
                &column(&rows, |(_, r)| r.id.as_str()),
                &column(&rows, |(_, r)| r.at()),
                &column(&rows, |(_, r)| event(r.event)),
                &column(&rows, |(_, r)| details_json(&r.details).to_string()),
            ],
        )
        .await?;
    let inserted: HashSet<(String, i64, String)> =
        inserted.iter().map(|row| (row.get("object"), row.get("object_id"), row.get("message_id"))).collect();
    let is_new = |message: &Message| {
        let (object, id) = key(message.object);
        inserted.contains(&(object.to_owned(), id, message.id.clone()))
    };
    Ok(rows.iter().filter(|(_, message)| is_new(message)).map(|(number, _)| *number).collect())
}

/// Removes and returns the pending messages of new builds, each with the id of its build.
pub(super) async fn take(
    tx: &Tx<'_>,
    batch: &Batch<'_>,
    fresh: &HashSet<i64>,
) -> Result<Vec<(i64, Message)>, StoreError> {
    if fresh.is_empty() {
        return Ok(Vec::new());
    }
    let creates = batch.creates.iter().filter(|(id, _)| fresh.contains(id));
    let build_ids: HashMap<i64, i64> =
        creates.flat_map(|(id, (_, create))| create.jobs.iter().map(|job| (job.id, *id))).collect();
    let jobs: Vec<i64> = build_ids.keys().copied().collect();
    let builds: Vec<i64> = fresh.iter().copied().collect();
    let rows = tx.query(include_str!("sql/take_pending.sql"), &[&jobs, &builds]).await?;
    let read = |row: &Row| {
        let message = message(row)?;
        let build = match message.object {
            Object::Build(id) => id,
            Object::Job(id) => *build_ids.get(&id)?,
        };
        Some((build, message))
    };
    Ok(rows.iter().filter_map(read).collect())
}

fn key(object: Object) -> (&'static str, i64) {
    match object {
        Object::Job(id) => ("job", id),
        Object::Build(id) => ("build", id),
    }
}

/// The name of an event; for `finish` the name of the final state.
fn event(event: Event) -> &'static str {
    match event {
        Event::Finish(state) => state.name(),
        other => other.name(),
    }
}

fn details_json(details: &Details) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let mut members = json!({
        "queued_at": time(details.queued_at), "received_at": time(details.received_at), "started_at": time(details.started_at),
        "finished_at": time(details.finished_at), "uuid": details.uuid, "count": details.count, "attempt": details.attempt,
        "vm_size": details.vm_size, "restarted_by": details.restarted_by, "reason": details.reason,
        "auto": details.auto.then_some(true),
    });
    if let Value::Object(members) = &mut members {
        members.retain(|_, value| !value.is_null());
    }
    members
}

fn message(row: &Row) -> Option<Message> {
    let id = row.get("object_id");
    let event = match row.get("event") {
        "create" => Event::Create,
        "receive" => Event::Receive,
        "start" => Event::Start,
        "cancel" => Event::Cancel,
        "restart" => Event::Restart,
        "reset" => Event::Reset,
        state => Event::Finish(State::named(state)?),
    };
    let details: Value = serde_json::from_str(row.get("told")).ok()?;
    let text = |key: &str| details.get(key).and_then(Value::as_str);
    let time = |key: &str| text(key).and_then(|text| text.parse().ok());
    let number = |key: &str| details.get(key).and_then(Value::as_i64);
    Some(Message {
        object: if row.get::<_, &str>("object") == "build" { Object::Build(id) } else { Object::Job(id) },
        event,
        details: Details {
            queued_at: time("queued_at"),
            received_at: time("received_at"),
            started_at: time("started_at"),
            finished_at: time("finished_at"),
            uuid: text("uuid").map(str::to_owned),
            count: number("count"),
            attempt: number("attempt").and_then(|attempt| i32::try_from(attempt).ok()),
            vm_size: text("vm_size").map(str::to_owned),
            restarted_by: number("restarted_by"),
            reason: text("reason").map(str::to_owned),
            auto: details.get("auto").is_some(),
        },
        id: row.get("message_id"),
        sent_at: Some(row.get("message_at")),
    })
}
