//! From events to what targets want: each event is routed once, in the order of the ids.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::Version;
use super::queue::Status;
use crate::store::{StoreError, Tx, column};

/// An event as it waits in the outbox.
#[derive(Clone, Debug)]
pub struct Announced {
    /// Its id; ids of one (family, key) are in the order in which things happened.
    pub id: i64,
    /// Family.
    pub family: String,
    /// What happened.
    pub event: String,
    /// What it happened to.
    pub key: String,
    /// What consumers read.
    pub payload: Value,
    /// When.
    pub created_at: Timestamp,
}

/// A status that a commit is to have at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Name of the target.
    pub target: String,
    /// What the commit is to be told.
    pub status: Status,
    /// How new it is.
    pub version: Version,
    /// Event that says so.
    pub outbox_id: i64,
}

/// What is to become of events.
#[derive(Debug, Default)]
pub struct Plan {
    /// Statuses that commits are to have.
    pub statuses: Vec<Wanted>,
    /// Events (by their place in the list) and the targets that get them as they are.
    pub deliveries: Vec<(usize, String)>,
    /// Events (by their place) that lead nowhere although they were meant to, and why.
    pub notes: BTreeMap<usize, String>,
}

/// Takes the oldest events that were not routed yet; none while another process routes.
///
/// # Errors
/// When a statement fails.
pub async fn take(tx: &Tx<'_>, most: i64) -> Result<Vec<Announced>, StoreError> {
    let free = tx.query(include_str!("sql/route_lock.sql"), &[]).await?;
    if !free.first().is_some_and(|row| row.get(0)) {
        return Ok(Vec::new());
    }
    let rows = tx.query(include_str!("sql/take_unrouted.sql"), &[&most]).await?;
    let events = rows.iter().map(|row| Announced {
        id: row.get("id"),
        family: row.get("family"),
        event: row.get("event"),
        key: row.get("key"),
        payload: row.get("payload"),
        created_at: row.get("created_at"),
    });
    Ok(events.collect())
}

/// Writes what is to become of all the events that [`take`] gave, in the same transaction.
///
/// # Errors
/// When a statement fails.
pub async fn put(tx: &Tx<'_>, events: &[Announced], plan: &Plan) -> Result<(), StoreError> {
    want(tx, &plan.statuses).await?;
    let deliveries: Vec<(&Announced, &str)> =
        plan.deliveries.iter().filter_map(|(place, target)| Some((events.get(*place)?, target.as_str()))).collect();
    if !deliveries.is_empty() {
        tx.query(
            include_str!("sql/add_deliveries.sql"),
            &[
                &column(&deliveries, |(event, _)| event.id),
                &column(&deliveries, |(_, target)| *target),
                &column(&deliveries, |(event, _)| event.created_at),
                &column(&deliveries, |(event, _)| event.family.as_str()),
                &column(&deliveries, |(event, _)| event.key.as_str()),
            ],
        )
        .await?;
    }
    let notes: Vec<Option<&str>> = (0..events.len()).map(|place| plan.notes.get(&place).map(String::as_str)).collect();
    tx.query(
        include_str!("sql/mark_routed.sql"),
        &[&column(events, |event| event.id), &column(events, |event| event.created_at), &notes],
    )
    .await?;
    Ok(())
}

/// Writes wanted statuses, the newest of each commit and name.
async fn want(tx: &Tx<'_>, wanted: &[Wanted]) -> Result<(), StoreError> {
    let mut newest: BTreeMap<(&str, &str, &str, String), &Wanted> = BTreeMap::new();
    for one in wanted {
        let key =
            (one.target.as_str(), one.status.repo.as_str(), one.status.sha.as_str(), one.status.name.to_lowercase());
        let best = newest.entry(key).or_insert(one);
        if best.version < one.version {
            *best = one;
        }
    }
    if newest.is_empty() {
        return Ok(());
    }
    let contexts: Vec<&str> = newest.keys().map(|(.., context)| context.as_str()).collect();
    let rows: Vec<&Wanted> = newest.values().copied().collect();
    tx.query(
        include_str!("sql/want_statuses.sql"),
        &[
            /* target */ &column(&rows, |r| r.target.as_str()),
            /* repo */ &column(&rows, |r| r.status.repo.as_str()),
            /* sha */ &column(&rows, |r| r.status.sha.as_str()),
            /* context */ &contexts,
            /* name */ &column(&rows, |r| r.status.name.as_str()),
            /* wanted_state */ &column(&rows, |r| r.status.state.as_str()),
            /* wanted_description */ &column(&rows, |r| r.status.description.as_str()),
            /* wanted_url */ &column(&rows, |r| r.status.url.as_deref()),
            &column(&rows, |r| r.version.number),
            &column(&rows, |r| r.version.at),
            &column(&rows, |r| r.version.tie.as_str()),
            &column(&rows, |r| r.outbox_id),
        ],
    )
    .await?;
    Ok(())
}
