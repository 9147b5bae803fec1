//! The table `refused`: what could not be kept, with its bytes and the reason.

use jiff::Timestamp;
use serde_json::Value;

use super::{StoreError, Tx, column};
use crate::envelope::{Attributes, Delivery};
use crate::sorted;

/// Something that could not be kept.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Id of the message; a redelivery has the same.
    pub id: String,
    /// When it was sent, if known; else the database's now.
    pub sent_at: Option<Timestamp>,
    /// Family that recognised it, if one did.
    pub family: Option<&'static str>,
    /// Short stable word.
    pub reason: &'static str,
    /// One sentence.
    pub detail: String,
    /// Attributes that came with it.
    pub attributes: Attributes,
    /// Its bytes, as they came.
    pub body: Vec<u8>,
}

/// Characters of an id that are kept.
const LONGEST_ID: usize = 600;

/// Keeps what was refused, each message once however often it is delivered.
///
/// # Errors
/// When the statement fails.
pub async fn refuse(tx: &Tx<'_>, refused: &[&Refused]) -> Result<(), StoreError> {
    if refused.is_empty() {
        return Ok(());
    }
    let mut rows = refused.to_vec();
    sorted::by(&mut rows, |a, b| (&a.id, a.sent_at, &a.body).cmp(&(&b.id, b.sent_at, &b.body)));
    // A message with a time is known by id and time; one without is a file, which only its bytes tell apart.
    rows.dedup_by(|a, b| (&a.id, a.sent_at) == (&b.id, b.sent_at) && (a.sent_at.is_some() || a.body == b.body));
    // PostgreSQL takes no NUL in text or jsonb; what is refused may well hold some.
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    // An id may be a path, which can be longer than a key of an index.
    let id = |text: &str| clean(text).chars().take(LONGEST_ID).collect::<String>();
    let attributes = column(&rows, |row| {
        let clean = row.attributes.iter().map(|(name, value)| (clean(name), Value::String(clean(value))));
        Value::Object(sorted::object(clean)).to_string()
    });
    tx.query(
        include_str!("sql/refuse.sql"),
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

/// Which of the refused messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Refused for this reason.
    pub reason: Option<String>,
    /// Recognised by this family.
    pub family: Option<String>,
    /// Of this id.
    pub id: Option<String>,
}

/// The key of a refused message.
pub type Key = (String, Timestamp);

/// A refused message without its bytes.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id, and when it was sent or else received.
    pub key: Key,
    /// Family that recognised it.
    pub family: Option<String>,
    /// Short stable word.
    pub reason: String,
    /// One sentence.
    pub detail: String,
    /// Number of its bytes.
    pub bytes: u64,
    /// When it was kept.
    pub received_at: Timestamp,
}

/// How many were refused for a reason.
#[derive(Clone, Debug)]
pub struct ByReason {
    /// Short stable word.
    pub reason: String,
    /// Family that recognised them.
    pub family: Option<String>,
    /// How many.
    pub count: i64,
    /// When the first of them was sent.
    pub oldest: Timestamp,
    /// When the last of them was sent.
    pub newest: Timestamp,
}

/// Numbers of refused messages by reason and family, the most first.
///
/// # Errors
/// When the statement fails.
pub async fn refused_by_reason(tx: &Tx<'_>) -> Result<Vec<ByReason>, StoreError> {
    let rows = tx.query(include_str!("sql/refused_by_reason.sql"), &[]).await?;
    let read = |row: &tokio_postgres::Row| ByReason {
        reason: row.get("reason"),
        family: row.get("family"),
        count: row.get("n"),
        oldest: row.get("oldest"),
        newest: row.get("newest"),
    };
    Ok(rows.iter().map(read).collect())
}

/// The chosen ones in order of their keys, at most so many after a key.
///
/// # Errors
/// When the statement fails.
pub async fn refused_list(
    tx: &Tx<'_>,
    chosen: &Chosen,
    after: Option<&Key>,
    most: i64,
) -> Result<Vec<Entry>, StoreError> {
    let Chosen { reason, family, id } = chosen;
    let (after_id, after_time) = (after.map(|(id, _)| id), after.map(|(_, time)| time));
    let list = include_str!("sql/refused_list.sql");
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

/// Refused messages as they were delivered, each with its key.
///
/// # Errors
/// When the statement fails.
pub async fn refused_whole(tx: &Tx<'_>, keys: &[Key]) -> Result<Vec<(Key, Delivery)>, StoreError> {
    let (ids, times) = (column(keys, |key| key.0.as_str()), column(keys, |key| key.1));
    let rows = tx.query(include_str!("sql/refused_whole.sql"), &[&ids, &times]).await?;
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

/// Removes messages that are refused no more. How many there were.
///
/// # Errors
/// When the statement fails.
pub async fn forget_refused(tx: &Tx<'_>, keys: &[Key]) -> Result<usize, StoreError> {
    let (ids, times) = (column(keys, |key| key.0.as_str()), column(keys, |key| key.1));
    Ok(tx.query(include_str!("sql/forget_refused.sql"), &[&ids, &times]).await?.len())
}
