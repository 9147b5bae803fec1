//! Routes events that were written before any target was registered: each once, in the order of the ids.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::payload::StoredPayload;
use super::plan::{Candidate, age, plan};
use super::registry::{Registered, receivers};
use super::write::{Due, Row, write_events};
use super::{CommitReport, Notice};
use crate::db::{Json, StoreError, Tx, column};

/// An unrouted event in the outbox.
struct Waiting {
    row: Row,
    created_at: Timestamp,
    payload: StoredPayload,
}

/// Routes up to `most` of the oldest unrouted events; none while another process does so, or while no target is
/// registered. Returns how many, and what became due.
///
/// # Errors
/// When a statement fails.
pub async fn route(tx: &Tx<'_>, most: i64) -> Result<(usize, Due), StoreError> {
    let waiting = take(tx, most).await?;
    if waiting.is_empty() {
        return Ok((0, Due::default()));
    }
    let Registered::Known { receivers, now } = receivers(tx).await? else { return Ok((0, Due::default())) };
    let mut rows = Vec::new();
    for Waiting { mut row, payload, created_at } in waiting {
        let payload = payload.ours();
        let (commit, notice) = (CommitReport::of(&payload), Notice::of(&payload));
        let candidate = Candidate {
            source: &row.source,
            event: &row.event,
            commit: &commit,
            notice: notice.as_ref(),
            age: age(row.message_at.unwrap_or(created_at), now),
        };
        row.plan = Some(plan(candidate, receivers.iter().filter(|receiver| receiver.registered_at <= created_at)));
        rows.push(row);
    }
    let due = write_events(tx, &rows, false).await?;
    let notes = (0..).zip(&rows).filter_map(|(index, row)| Some((index, row.plan.as_ref()?.note.clone()?))).collect();
    mark(tx, &rows, &notes).await?;
    Ok((rows.len(), due))
}

/// Marks the oldest unrouted event as undeliverable, with the reason.
///
/// # Errors
/// When a statement fails.
pub async fn give_up(tx: &Tx<'_>, why: String) -> Result<usize, StoreError> {
    let rows: Vec<Row> = take(tx, 1).await?.into_iter().map(|waiting| waiting.row).collect();
    mark(tx, &rows, &BTreeMap::from([(0, why)])).await?;
    Ok(rows.len())
}

/// Takes the oldest unrouted events; none while another process routes.
async fn take(tx: &Tx<'_>, most: i64) -> Result<Vec<Waiting>, StoreError> {
    let free = tx.query(include_str!("sql/route_lock.sql"), &[]).await?;
    if !free.first().is_some_and(|row| row.get(0)) {
        return Ok(Vec::new());
    }
    let rows = tx.query(include_str!("sql/take_unrouted.sql"), &[&most]).await?;
    let events = rows.iter().map(|row| {
        let created_at = row.get("created_at");
        let event = Row {
            id: row.get("id"),
            source: row.get("family"),
            event: row.get("event"),
            key: row.get("key"),
            attributes: None,
            payload: None,
            texts: None,
            created_at: Some(created_at),
            message_at: row.get("message_at"),
            plan: None,
        };
        Waiting { row: event, created_at, payload: StoredPayload::new(row.get::<_, Json<_>>("payload").0) }
    });
    Ok(events.collect())
}

/// Marks events as routed, with notes by their index.
async fn mark(tx: &Tx<'_>, rows: &[Row], notes: &BTreeMap<usize, String>) -> Result<(), StoreError> {
    let notes: Vec<Option<&str>> = (0..rows.len()).map(|index| notes.get(&index).map(String::as_str)).collect();
    let params: [crate::db::Param<'_>; 3] = [&column(rows, |row| row.id), &column(rows, |row| row.created_at), &notes];
    tx.query(include_str!("sql/mark_routed.sql"), &params).await.map(drop)
}
