//! The table `refused`: what could not be kept, with its bytes and the reason.

use jiff::Timestamp;
use serde_json::Value;

use super::{Reader, StoreError, Tx, column};
use crate::envelope::Attributes;

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

/// Keeps what was refused, each message once however often it is delivered.
///
/// # Errors
/// When the statement fails.
pub async fn refuse(tx: &Tx<'_>, refused: &[&Refused]) -> Result<(), StoreError> {
    if refused.is_empty() {
        return Ok(());
    }
    let mut rows = refused.to_vec();
    rows.sort_by(|a, b| (&a.id, a.sent_at).cmp(&(&b.id, b.sent_at)));
    rows.dedup_by(|a, b| (&a.id, a.sent_at) == (&b.id, b.sent_at));
    // PostgreSQL takes no NUL in text or jsonb; what is refused may well hold some.
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    let attributes = column(&rows, |row| {
        let clean = row.attributes.iter().map(|(name, value)| (clean(name), Value::String(clean(value)))).collect();
        Value::Object(clean).to_string()
    });
    tx.query(
        include_str!("sql/refuse.sql"),
        &[
            /* id */ &column(&rows, |row| clean(&row.id)),
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

super::rows! {
    /// Something that was refused, without its bytes.
    pub struct RefusedRow {
        /// Id of the message.
        pub id: String,
        /// When it was sent, else received.
        pub sent_at: Timestamp,
        /// Family that recognised it.
        pub family: Option<String>,
        /// Short stable word.
        pub reason: String,
        /// One sentence.
        pub detail: String,
        /// Length of its bytes.
        pub bytes: i64,
        /// When it came.
        pub received_at: Timestamp,
    }

    /// Numbers of what was refused.
    pub struct RefusedCount {
        /// Family that recognised it; empty for none.
        pub family: String,
        /// Short stable word.
        pub reason: String,
        /// How many.
        pub messages: i64,
        /// When the newest came.
        pub newest: Timestamp,
    }
}

/// What was refused, newest first: of a family, for a reason, with a text, after (time of receipt, id).
///
/// # Errors
/// As [`Reader::read`].
pub async fn list_refused(
    reader: &mut Reader,
    (family, reason, text): (Option<&str>, Option<&str>, Option<&str>),
    after: Option<&(Timestamp, String)>,
    most: i64,
) -> Result<Vec<RefusedRow>, StoreError> {
    let (at, id) = (after.map(|after| after.0), after.map(|after| after.1.as_str()));
    reader.read(include_str!("sql/list_refused.sql"), &[&family, &reason, &text, &at, &id, &most]).await
}

/// Numbers by family and reason since a time.
///
/// # Errors
/// As [`Reader::read`].
pub async fn count_refused(reader: &mut Reader, since: Timestamp) -> Result<Vec<RefusedCount>, StoreError> {
    reader.read(include_str!("sql/count_refused.sql"), &[&since]).await
}
