//! Messages that came before the `build:create` of what they are about.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_postgres::Row;

use super::Batch;
use crate::store::{StoreError, Tx, column};
use crate::travis::record::{Event, Message, Object, State, Told};

/// Keeps messages; returns the numbers of those that were not kept before.
pub(super) async fn keep(
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
                &column(&rows, |(_, r)| told(&r.told).to_string()),
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

/// Takes out the messages for builds that are there now, each with its build.
pub(super) async fn take(
    tx: &Tx<'_>,
    batch: &Batch<'_>,
    fresh: &HashSet<i64>,
) -> Result<Vec<(i64, Message)>, StoreError> {
    if fresh.is_empty() {
        return Ok(Vec::new());
    }
    let creates = batch.creates.iter().filter(|(id, _)| fresh.contains(id));
    let homes: HashMap<i64, i64> =
        creates.flat_map(|(id, (_, create))| create.jobs.iter().map(|job| (job.id, *id))).collect();
    let jobs: Vec<i64> = homes.keys().copied().collect();
    let builds: Vec<i64> = fresh.iter().copied().collect();
    let rows = tx.query(include_str!("sql/take_pending.sql"), &[&jobs, &builds]).await?;
    let read = |row: &Row| {
        let message = message(row)?;
        let build = match message.object {
            Object::Build(id) => id,
            Object::Job(id) => *homes.get(&id)?,
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

/// The event in one word; `finish` by the state that was reached.
fn event(event: Event) -> &'static str {
    match event {
        Event::Finish(state) => state.name(),
        other => other.name(),
    }
}

fn told(told: &Told) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let mut members = json!({
        "queued_at": time(told.queued_at), "received_at": time(told.received_at), "started_at": time(told.started_at),
        "finished_at": time(told.finished_at), "uuid": told.uuid, "count": told.count, "attempt": told.attempt,
        "vm_size": told.vm_size, "restarted_by": told.restarted_by, "reason": told.reason, "auto": told.auto.then_some(true),
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
    let told: Value = serde_json::from_str(row.get("told")).ok()?;
    let text = |key: &str| told.get(key).and_then(Value::as_str);
    let time = |key: &str| text(key).and_then(|text| text.parse().ok());
    let number = |key: &str| told.get(key).and_then(Value::as_i64);
    Some(Message {
        object: if row.get::<_, &str>("object") == "build" { Object::Build(id) } else { Object::Job(id) },
        event,
        told: Told {
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
            auto: told.get("auto").is_some(),
        },
        id: row.get("message_id"),
        sent_at: Some(row.get("message_at")),
    })
}
