//! Writes events with their deliveries and commit statuses as rows: a fixed number of statements, however many rows
//! there are.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::plan::{DesiredStatus, Plan};
use crate::db::{Json, Param, StoreError, Tx, Type, column};
use crate::platform::hex::hex;

/// Most bytes of a key that orders deliveries: a longer one does not fit into an index.
const KEY: usize = 1000;

/// A stored JSON document.
pub(super) type Raw = Box<RawValue>;

/// An event to write, and its plan.
#[derive(Debug)]
pub(super) struct Row {
    /// Its id, if it is in the table already.
    pub(super) id: Option<i64>,
    pub(super) source: String,
    pub(super) event: String,
    pub(super) key: String,
    pub(super) attributes: Option<Raw>,
    /// `None`: the event is not written, and only its statuses are recorded.
    pub(super) payload: Option<Raw>,
    /// The omitted texts: member and hash.
    pub(super) texts: Option<Raw>,
    pub(super) created_at: Option<Timestamp>,
    /// When the message that caused it was sent.
    pub(super) message_at: Option<Timestamp>,
    /// `None` while no target is registered.
    pub(super) plan: Option<Plan>,
}

/// The deliveries that a transaction made due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Whether there are any.
    pub something: bool,
    /// Whether no deliverer is running that would find them.
    pub asleep: bool,
}

impl Due {
    /// Whether a deliverer has to be invoked for them.
    #[must_use]
    pub fn needs_waking(self) -> bool {
        self.something && self.asleep
    }

    /// The deliveries that either of two transactions made due.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { something: self.something || other.something, asleep: self.asleep || other.asleep }
    }
}

/// Writes events with their deliveries and commit statuses, and notifies listening processes if something is due. With
/// `is_last` the transaction is committed with that.
pub(super) async fn write_events(tx: &Tx<'_>, rows: &[Row], is_last: bool) -> Result<Due, StoreError> {
    if rows.is_empty() {
        return Ok(Due::default());
    }
    let (ids, now) = ids(tx, rows).await?;
    let numbered = || ids.iter().zip(rows);
    let deliveries: Vec<(i64, &Row, &str)> = numbered()
        .flat_map(|(id, row)| {
            row.plan.iter().flat_map(move |plan| plan.deliveries.iter().map(move |to| (*id, row, to.as_str())))
        })
        .collect();
    let statuses =
        newest(numbered().flat_map(|(id, row)| {
            row.plan.iter().flat_map(move |plan| plan.statuses.iter().map(move |w| (*id, row, w)))
        }));
    // The tables do not reference each other, so their statements are pipelined.
    let ((), has_deliveries, has_statuses) = tokio::try_join!(
        biased;
        write_outbox(tx, rows, &ids, now),
        add_deliveries(tx, &deliveries),
        want_statuses(tx, &statuses)
    )?;
    if has_deliveries || has_statuses { notify(tx, is_last).await } else { Ok(Due::default()) }
}

/// Notifies listening processes, when the transaction commits, that something is due. With `is_last` it is committed
/// with that.
pub(super) async fn notify(tx: &Tx<'_>, is_last: bool) -> Result<Due, StoreError> {
    let sql = include_str!("sql/notify_due.sql");
    let rows = if is_last { tx.query_last(sql, &[]).await? } else { tx.query(sql, &[]).await? };
    Ok(Due { something: true, asleep: rows.first().is_none_or(|row| row.get("asleep")) })
}

/// As for deliveries: notifies listening processes that there is work, and returns whether a deliverer is awake.
///
/// # Errors
/// When the statement fails.
pub async fn notify_due(tx: &Tx<'_>) -> Result<Due, StoreError> {
    notify(tx, false).await
}

/// The ids of events (existing or new ones, in order), and the time of the transaction.
async fn ids(tx: &Tx<'_>, rows: &[Row]) -> Result<(Vec<i64>, Timestamp), StoreError> {
    let known: Vec<i64> = rows.iter().filter_map(|row| row.id).collect();
    if known.len() == rows.len() {
        return Ok((known, Timestamp::UNIX_EPOCH));
    }
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let found = tx.query(include_str!("sql/take_event_ids.sql"), &[&count]).await?;
    let mut ids: Vec<i64> = found.iter().map(|row| row.get("id")).collect();
    ids.sort_unstable();
    Ok((ids, found.first().map_or(Timestamp::UNIX_EPOCH, |row| row.get("now"))))
}

/// Writes the events that are not in the table yet.
async fn write_outbox(tx: &Tx<'_>, rows: &[Row], ids: &[i64], now: Timestamp) -> Result<(), StoreError> {
    let written: Vec<(&i64, &Row)> = ids.iter().zip(rows).filter(|(_, row)| row.payload.is_some()).collect();
    if written.is_empty() {
        return Ok(());
    }
    let json: Vec<_> = written
        .iter()
        .map(|(_, row)| {
            let note = row.plan.as_ref().and_then(|plan| plan.note.as_deref());
            let json = [&row.attributes, &row.payload, &row.texts].map(|raw| raw.as_deref().map(Json));
            (json, note)
        })
        .collect();
    let rows = written.iter().zip(&json).map(|((id, row), ([attributes, payload, texts], note))| -> [Param<'_>; 10] {
        [*id, &row.source, &row.event, &row.key, attributes, payload, texts, &row.message_at, note, &now]
    });
    let text = Type::TEXT;
    let types = [
        Type::INT8,
        text.clone(),
        text.clone(),
        text.clone(),
        Type::JSON,
        Type::JSON,
        Type::JSON,
        Type::TIMESTAMPTZ,
        text,
        Type::TIMESTAMPTZ,
    ];
    tx.copy(include_str!("sql/announce.sql"), &types, rows).await
}

/// Writes deliveries; returns whether there are any.
async fn add_deliveries(tx: &Tx<'_>, rows: &[(i64, &Row, &str)]) -> Result<bool, StoreError> {
    if rows.is_empty() {
        return Ok(false);
    }
    tx.query(
        include_str!("sql/add_deliveries.sql"),
        &[
            &column(rows, |(id, ..)| *id),
            &column(rows, |(.., target)| *target),
            &column(rows, |(_, row, _)| row.created_at),
            &column(rows, |(_, row, _)| row.source.as_str()),
            &column(rows, |(_, row, _)| order_key(&row.key)),
            &column(rows, |(_, row, _)| row.message_at),
        ],
    )
    .await?;
    Ok(true)
}

/// Writes statuses, guarded by their versions; returns whether one of them is to be posted.
async fn want_statuses(tx: &Tx<'_>, newest: &BTreeMap<Key<'_>, AnnouncedStatus<'_>>) -> Result<bool, StoreError> {
    if newest.is_empty() {
        return Ok(false);
    }
    let contexts: Vec<&str> = newest.keys().map(|(.., context)| context.as_str()).collect();
    let rows: Vec<&AnnouncedStatus<'_>> = newest.values().collect();
    let state = |status: &DesiredStatus| if status.announced { "pending" } else { "outdated" };
    let changed = tx
        .query(
            include_str!("sql/want_statuses.sql"),
            &[
                /* target */ &column(&rows, |(.., w)| w.target.as_str()),
                /* repo */ &column(&rows, |(.., w)| w.status.repo.as_str()),
                /* sha */ &column(&rows, |(.., w)| w.status.sha.as_str()),
                /* context */ &contexts,
                /* name */ &column(&rows, |(.., w)| w.status.name.as_str()),
                /* wanted_state */ &column(&rows, |(.., w)| w.status.state.as_str()),
                /* wanted_description */ &column(&rows, |(.., w)| w.status.description.as_str()),
                /* wanted_url */ &column(&rows, |(.., w)| w.status.url.as_deref()),
                &column(&rows, |(.., w)| w.version.number),
                &column(&rows, |(.., w)| w.version.at),
                &column(&rows, |(id, _, w)| w.version.announced_by(*id).tie),
                &column(&rows, |(id, ..)| *id),
                &column(&rows, |(_, row, _)| row.message_at),
                &column(&rows, |(.., w)| state(w)),
                &column(&rows, |(.., w)| w.version.line.as_str()),
            ],
        )
        .await?;
    Ok(changed.iter().any(|row| row.get::<_, &str>("state") == "pending"))
}

/// Target, repository, commit and context of a status.
type Key<'w> = (&'w str, &'w str, &'w str, String);

/// The id and row of an event, and a status that it announces.
type AnnouncedStatus<'w> = (i64, &'w Row, &'w DesiredStatus);

/// The newest status of each commit and context.
fn newest<'w>(statuses: impl Iterator<Item = AnnouncedStatus<'w>>) -> BTreeMap<Key<'w>, AnnouncedStatus<'w>> {
    let mut newest: BTreeMap<Key<'w>, AnnouncedStatus<'w>> = BTreeMap::new();
    for candidate in statuses {
        let (id, _, one) = candidate;
        let status = &one.status;
        let key = (one.target.as_str(), status.repo.as_str(), status.sha.as_str(), status.name.to_lowercase());
        let best = newest.entry(key).or_insert(candidate);
        if one.version.announced_by(id).is_newer_than(&best.2.version.announced_by(best.0)) {
            *best = candidate;
        }
    }
    newest
}

/// The key by which deliveries are ordered: a hash if the key is too long.
fn order_key(key: &str) -> String {
    if key.len() <= KEY {
        return key.to_owned();
    }
    hex(&Sha256::digest(key))
}
