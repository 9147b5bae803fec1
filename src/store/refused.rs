//! The table `refused`: what could not be kept, with its bytes and the reason.

use jiff::Timestamp;
use serde_json::Value;

use super::{StoreError, Tx, column};
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
