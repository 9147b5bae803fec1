//! Events for the outside, written in the transaction that caused them: committed with their cause, or not at all.
//!
//! Delivered at least once, in order for each (family, key). Which places an event goes to is not decided here.
//!
//! ```text
//! announce ─► outbox ── route: once, in order ─┬─► commit_statuses   latest wins, for (target, repo, sha, context)
//!                                              └─► deliveries        one for each event and target, in order of the key
//!             claim ◄── what is due, under lease ──┘        delivery_targets: breaker and pace
//!             settle ─► delivered, to be tried again at .., or dead
//! ```
//!
//! [`route`] and [`queue`] keep the books for [`deliver`](crate::deliver), which decides; [`list`] shows them. Leases,
//! attempts, waits and breakers are rows, and their time is the database's: any number of processes may work at once, and
//! any of them may die at any point.

mod commit_status;
pub mod list;
mod notice;
pub mod queue;
pub mod reads;
pub mod route;
mod texts;

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde_json::{Map, Value};

pub use self::commit_status::{CommitStatus, State, Told, Version};
pub use self::notice::{Notice, PAGES, PAGES_HOST};
use crate::store::{Json, Param, StoreError, Tx, Type};

/// What happened, for whoever must know.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<P = Map<String, Value>> {
    /// Name of the family, as in [`Family::name`](crate::family::Family::name).
    pub family: &'static str,
    /// What happened: `job:started`, `datawarehouse.checkout.new`.
    pub event: String,
    /// Events of one family with the same key are delivered in the order in which they were written. The writer holds a
    /// lock on the row that the key stands for, or two transactions could write in an order that nobody meant.
    pub key: String,
    /// For filters of subscribers, at most 9 (SNS takes 10, and the family's name is one).
    pub attributes: BTreeMap<String, String>,
    /// What consumers read: an object of JSON.
    pub payload: P,
}

/// Writes events; their ids follow the order given.
///
/// # Errors
/// When the statement fails, or a payload is no JSON (a key that is no string), which is a fault of the family's.
pub async fn announce<P: Serialize + Debug + Sync>(tx: &Tx<'_>, events: &[Event<P>]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let json: Vec<_> = events.iter().map(|event| (Json(&event.attributes), Json(&event.payload))).collect();
    let rows = events.iter().zip(&json).map(|(event, (attributes, payload))| -> [Param<'_>; 5] {
        [&event.family, &event.event, &event.key, attributes, payload]
    });
    tx.copy(include_str!("sql/announce.sql"), &[Type::TEXT, Type::TEXT, Type::TEXT, Type::JSON, Type::JSON], rows).await
}
