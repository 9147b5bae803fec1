//! The table `refused` (dead letters): messages that could not be stored, with their bytes and the reason.

use jiff::Timestamp;
use serde_json::Value;

use super::{StoreError, Tx, column};
use crate::transport::{Attributes, Delivery};

/// A rejected message.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Id of the message; a redelivery has the same.
    pub id: String,
    /// When it was sent, if known; else the time of the database is used.
    pub sent_at: Option<Timestamp>,
    /// Source that recognised it, if one did.
    pub family: Option<&'static str>,
    /// Short stable code of the reason.
    pub reason: &'static str,
    /// The reason in one sentence.
    pub detail: String,
    /// Attributes that came with it.
    pub attributes: Attributes,
    /// Its bytes, as received.
    pub body: Vec<u8>,
}

/// Most characters of an id that are stored.
const LONGEST_ID: usize = 600;

/// Stores rejected messages, each once however often it is delivered.
///
/// # Errors
/// When the statement fails.
pub async fn reject(tx: &Tx<'_>, rejected: &[&Rejected]) -> Result<(), StoreError> {
    if rejected.is_empty() {
        return Ok(());
    }
    let mut rows = rejected.to_vec();
    rows.sort_by(|a, b| (&a.id, a.sent_at, &a.body).cmp(&(&b.id, b.sent_at, &b.body)));
    // A message with a time is identified by id and time; one without is a file, identified by its bytes.
    rows.dedup_by(|a, b| (&a.id, a.sent_at) == (&b.id, b.sent_at) && (a.sent_at.is_some() || a.body == b.body));
    // PostgreSQL stores no NUL in text or jsonb; rejected messages may hold some.
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    // An id may be a path, which can exceed the size of an index key.
    let id = |text: &str| clean(text).chars().take(LONGEST_ID).collect::<String>();
    let attributes = column(&rows, |row| {
        let clean = row.attributes.iter().map(|(name, value)| (clean(name), Value::String(clean(value))));
        Value::Object(serde_json::Map::from_iter(clean)).to_string()
    });
    tx.query(
        include_str!("sql/reject.sql"),
        &[
            /* id */ &column(&rows, |row| id(&row.id)),
            /* sent_at */ &column(&rows, |row| row.sent_at),
            /* family */ &column(&rows, |row| row.family),
            /* reason */ &column(&rows, |row| row.reason),
            /* detail */ &column(&rows, |row| clean(&row.detail)),
            /* attributes */ &attributes,
            /* body */ &column(&rows, |row| row.body.as_slice()),
        ],
    )
    .await?;
    Ok(())
}

/// A filter for rejected messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Rejected for this reason.
    pub reason: Option<String>,
    /// Recognised by this source.
    pub family: Option<String>,
    /// With this id.
    pub id: Option<String>,
}

/// The key of a rejected message.
pub type Key = (String, Timestamp);

/// A rejected message without its bytes.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id, and when it was sent or else received.
    pub key: Key,
    /// Source that recognised it.
    pub family: Option<String>,
    /// Short stable code of the reason.
    pub reason: String,
    /// The reason in one sentence.
    pub detail: String,
    /// Number of its bytes.
    pub bytes: u64,
    /// When it was stored.
    pub received_at: Timestamp,
}

/// The number of messages rejected for a reason.
#[derive(Clone, Debug)]
pub struct ByReason {
    /// Short stable code of the reason.
    pub reason: String,
    /// Source that recognised them.
    pub family: Option<String>,
    /// How many.
    pub count: i64,
    /// When the first of them was sent.
    pub oldest: Timestamp,
    /// When the last of them was sent.
    pub newest: Timestamp,
}

/// Numbers of rejected messages by reason and source, largest first.
///
/// # Errors
/// When the statement fails.
pub async fn rejected_by_reason(tx: &Tx<'_>) -> Result<Vec<ByReason>, StoreError> {
    let rows = tx.query(include_str!("sql/rejected_by_reason.sql"), &[]).await?;
    let read = |row: &tokio_postgres::Row| ByReason {
        reason: row.get("reason"),
        family: row.get("family"),
        count: row.get("n"),
        oldest: row.get("oldest"),
        newest: row.get("newest"),
    };
    Ok(rows.iter().map(read).collect())
}

/// Up to `most` of the chosen messages after a key, in order of their keys.
///
/// # Errors
/// When the statement fails.
pub async fn rejected_list(
    tx: &Tx<'_>,
    chosen: &Chosen,
    after: Option<&Key>,
    most: i64,
) -> Result<Vec<Entry>, StoreError> {
    let Chosen { reason, family, id } = chosen;
    let (after_id, after_time) = (after.map(|(id, _)| id), after.map(|(_, time)| time));
    let list = include_str!("sql/rejected_list.sql");
    let rows = tx.query(list, &[reason, family, id, &after_id, &after_time, &most]).await?;
    let read = |row: &tokio_postgres::Row| Entry {
        key: (row.get("id"), row.get("sent_at")),
        family: row.get("family"),
        reason: row.get("reason"),
        detail: row.get("detail"),
        bytes: row.get::<_, i64>("bytes").unsigned_abs(),
        received_at: row.get("received_at"),
    };
    Ok(rows.iter().map(read).collect())
}

/// Rejected messages as they were delivered, each with its key.
///
/// # Errors
/// When the statement fails.
pub async fn rejected_whole(tx: &Tx<'_>, keys: &[Key]) -> Result<Vec<(Key, Delivery)>, StoreError> {
    let (ids, times) = (column(keys, |key| key.0.as_str()), column(keys, |key| key.1));
    let rows = tx.query(include_str!("sql/rejected_whole.sql"), &[&ids, &times]).await?;
    let read = |row: &tokio_postgres::Row| {
        let key: Key = (row.get("id"), row.get("sent_at"));
        let delivery = Delivery {
            id: key.0.clone(),
            body: row.get("body"),
            attributes: serde_json::from_str(row.get("attributes")).unwrap_or_default(),
            sent_at: row.get("own_sent_at"),
            is_moved: false,
            received_at: None,
        };
        (key, delivery)
    };
    Ok(rows.iter().map(read).collect())
}

/// Removes messages that are no longer rejected. Returns how many there were.
///
/// # Errors
/// When the statement fails.
pub async fn forget_rejected(tx: &Tx<'_>, keys: &[Key]) -> Result<usize, StoreError> {
    let (ids, times) = (column(keys, |key| key.0.as_str()), column(keys, |key| key.1));
    Ok(tx.query(include_str!("sql/delete_rejected.sql"), &[&ids, &times]).await?.len())
}
