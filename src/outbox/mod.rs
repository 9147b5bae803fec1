//! Events for the outside, written in the transaction that caused them: committed with their cause, or not at all.
//!
//! Delivered at least once, in order for each (family, key). Which places an event goes to is not decided here.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::store::{StoreError, Tx, column};

/// What happened, for whoever must know.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Name of the family, as in [`Family::name`](crate::family::Family::name).
    pub family: &'static str,
    /// What happened: `job:started`, `datawarehouse.checkout.new`.
    pub event: String,
    /// Events of one family with the same key are delivered in the order in which they were written. The writer holds a
    /// lock on the row that the key stands for, or two transactions could write in an order that nobody meant.
    pub key: String,
    /// For filters of subscribers, at most 9 (SNS takes 10, and the family's name is one).
    pub attributes: BTreeMap<String, String>,
    /// What consumers read.
    pub payload: Map<String, Value>,
}

/// Writes events; their ids follow the order given.
///
/// # Errors
/// When the statement fails.
pub async fn announce(tx: &Tx<'_>, events: &[Event]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    tx.query(
        include_str!("sql/announce.sql"),
        &[
            /* family */ &column(events, |event| event.family),
            /* event */ &column(events, |event| event.event.as_str()),
            /* key */ &column(events, |event| event.key.as_str()),
            /* attributes */ &column(events, |event| serde_json::json!(event.attributes).to_string()),
            /* payload */ &column(events, |event| serde_json::json!(event.payload).to_string()),
        ],
    )
    .await?;
    Ok(())
}
