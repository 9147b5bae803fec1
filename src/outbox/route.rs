//! Events that were written before it was known who receives them: each is routed once, in the order of the ids.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::place::{Due, Row, place};
use super::plan::{Candidate, age, plan};
use super::registry::{Registered, receivers};
use super::texts::StoredPayload;
use super::{Notice, Told};
use crate::store::{Json, StoreError, Tx, column};

/// An event as it waits in the outbox.
struct Waiting {
    row: Row,
    created_at: Timestamp,
    payload: StoredPayload,
}

/// Routes the oldest events that were not routed yet, at most so many; none while another process does so, or while it is still not
/// known who receives them. Says how many, and what is due by that.
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
        let (told, notice) = (Told::of(&payload), Notice::of(&payload));
        let candidate = Candidate {
            family: &row.family,
            event: &row.event,
            told: &told,
            notice: notice.as_ref(),
            age: age(row.message_at.unwrap_or(created_at), now),
        };
        row.plan = Some(plan(candidate, receivers.iter().filter(|receiver| receiver.registered_at <= created_at)));
        rows.push(row);
    }
    let due = place(tx, &rows, false).await?;
    let notes = (0..).zip(&rows).filter_map(|(place, row)| Some((place, row.plan.as_ref()?.note.clone()?))).collect();
    mark(tx, &rows, &notes).await?;
    Ok((rows.len(), due))
}

/// Marks the oldest event as one that leads nowhere, and why.
///
/// # Errors
/// When a statement fails.
pub async fn give_up(tx: &Tx<'_>, why: String) -> Result<usize, StoreError> {
    let rows: Vec<Row> = take(tx, 1).await?.into_iter().map(|waiting| waiting.row).collect();
    mark(tx, &rows, &BTreeMap::from([(0, why)])).await?;
    Ok(rows.len())
}

/// Takes the oldest events that were not routed yet; none while another process routes.
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
            family: row.get("family"),
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

/// Marks events as routed, with the notes by their place.
async fn mark(tx: &Tx<'_>, rows: &[Row], notes: &BTreeMap<usize, String>) -> Result<(), StoreError> {
    let notes: Vec<Option<&str>> = (0..rows.len()).map(|place| notes.get(&place).map(String::as_str)).collect();
    let params: [crate::store::Param<'_>; 3] =
        [&column(rows, |row| row.id), &column(rows, |row| row.created_at), &notes];
    tx.query(include_str!("sql/mark_routed.sql"), &params).await.map(drop)
}
