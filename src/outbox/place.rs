//! Events and all that they lead to, as rows: one statement, however many they are.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::announcer::Raw;
use super::plan::{Plan, Wanted};
use crate::hex::hex;
use crate::store::{Json, Param, StoreError, Tx, Type, column};

/// Bytes of a key that orders deliveries, at most: more does not fit into an index.
const KEY: usize = 1000;

/// An event as it is written, and where it leads.
#[derive(Debug)]
pub(super) struct Row {
    /// Its id, where it is there already.
    pub(super) id: Option<i64>,
    pub(super) family: String,
    pub(super) event: String,
    pub(super) key: String,
    pub(super) attributes: Option<Raw>,
    /// `None`: it is not written, and only its statuses are known.
    pub(super) payload: Option<Raw>,
    /// What the payload leaves out, by member and hash.
    pub(super) texts: Option<Raw>,
    pub(super) created_at: Option<Timestamp>,
    /// When the message was sent that caused it.
    pub(super) message_at: Option<Timestamp>,
    /// `None` while it is not known who receives it.
    pub(super) plan: Option<Plan>,
}

/// What a transaction has made due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Whether there is something.
    pub something: bool,
    /// Whether no deliverer looks for it by itself.
    pub asleep: bool,
}

impl Due {
    /// Whether a deliverer has to be woken for it.
    #[must_use]
    pub fn wants_waking(self) -> bool {
        self.something && self.asleep
    }

    /// What two transactions have made due.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { something: self.something || other.something, asleep: self.asleep || other.asleep }
    }
}

/// Writes events with the deliveries and commit statuses that they lead to, and notifies those who listen if something is due. With
/// `is_last` the transaction is committed with that.
pub(super) async fn place(tx: &Tx<'_>, rows: &[Row], is_last: bool) -> Result<Due, StoreError> {
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
    // No table refers to another one, so that none of them has to wait for an answer about another one.
    let ((), leads, wants) =
        tokio::try_join!(biased; write(tx, rows, &ids, now), lead(tx, &deliveries), want(tx, &statuses))?;
    if leads || wants { notify(tx, is_last).await } else { Ok(Due::default()) }
}

/// Notifies the processes that listen, when the transaction commits, that something is due. With `is_last` it is committed with
/// that.
pub(super) async fn notify(tx: &Tx<'_>, is_last: bool) -> Result<Due, StoreError> {
    let sql = include_str!("sql/notify_due.sql");
    let rows = if is_last { tx.query_last(sql, &[]).await? } else { tx.query(sql, &[]).await? };
    Ok(Due { something: true, asleep: rows.first().is_none_or(|row| row.get("asleep")) })
}

/// The ids of events: those that they have, or new ones, in their order; and the time of the transaction.
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

/// Writes the events that are not there yet.
async fn write(tx: &Tx<'_>, rows: &[Row], ids: &[i64], now: Timestamp) -> Result<(), StoreError> {
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
        [*id, &row.family, &row.event, &row.key, attributes, payload, texts, &row.message_at, note, &now]
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

/// Writes deliveries; says whether there are any.
async fn lead(tx: &Tx<'_>, rows: &[(i64, &Row, &str)]) -> Result<bool, StoreError> {
    if rows.is_empty() {
        return Ok(false);
    }
    tx.query(
        include_str!("sql/add_deliveries.sql"),
        &[
            &column(rows, |(id, ..)| *id),
            &column(rows, |(.., target)| *target),
            &column(rows, |(_, row, _)| row.created_at),
            &column(rows, |(_, row, _)| row.family.as_str()),
            &column(rows, |(_, row, _)| order_key(&row.key)),
            &column(rows, |(_, row, _)| row.message_at),
        ],
    )
    .await?;
    Ok(true)
}

/// Writes statuses; says whether one of them is to be posted.
async fn want(tx: &Tx<'_>, newest: &BTreeMap<Key<'_>, Said<'_>>) -> Result<bool, StoreError> {
    if newest.is_empty() {
        return Ok(false);
    }
    let contexts: Vec<&str> = newest.keys().map(|(.., context)| context.as_str()).collect();
    let rows: Vec<&Said<'_>> = newest.values().collect();
    let state = |wanted: &Wanted| if wanted.announced { "pending" } else { "outdated" };
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
                &column(&rows, |(id, _, w)| w.version.told_by(*id).tie),
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

/// A status, and the event that says it.
type Said<'w> = (i64, &'w Row, &'w Wanted);

/// The newest of each commit and name.
fn newest<'w>(wanted: impl Iterator<Item = Said<'w>>) -> BTreeMap<Key<'w>, Said<'w>> {
    let mut newest: BTreeMap<Key<'w>, Said<'w>> = BTreeMap::new();
    for said in wanted {
        let (id, _, one) = said;
        let status = &one.status;
        let key = (one.target.as_str(), status.repo.as_str(), status.sha.as_str(), status.name.to_lowercase());
        let best = newest.entry(key).or_insert(said);
        if one.version.told_by(id).is_newer_than(&best.2.version.told_by(best.0)) {
            *best = said;
        }
    }
    newest
}

/// What orders the deliveries of a key.
fn order_key(key: &str) -> String {
    if key.len() <= KEY {
        return key.to_owned();
    }
    hex(&Sha256::digest(key))
}
