//! Events for the outside, written in the transaction that caused them: committed with their cause, or not at all.
//!
//! Delivered at least once, in order for each (family, key). The targets are registered in the database with their rules
//! ([`registry`]), so the transaction that causes an event decides who receives it ([`plan`](mod@plan)); an event that no target
//! can receive is not written, and an outdated one is not announced.
//!
//! ```text
//! Announcer ─► plan ─┬─► outbox
//!                    ├─► commit_statuses   latest wins, for (target, repo, sha, context)
//!                    └─► deliveries        one for each event and target, in order of the key
//!             claim ◄── what is due, under lease ──┘        delivery_targets: rules, breaker and pace
//!             settle ─► delivered, to be tried again at .., or dead
//! ```
//!
//! While it is not known which targets there are, events wait in the outbox until [`route`](mod@route) places them. [`queue`] keeps
//! leases, attempts, waits and breakers as rows, and their time is the database's: any number of processes may work at once, and
//! any of them may die at any point. [`list`] shows them.

mod announcer;
pub mod check_run;
mod commit_status;
mod filter;
pub mod list;
mod notice;
mod place;
pub mod plan;
pub mod queue;
pub mod reads;
pub mod receiver;
pub mod registry;
pub mod route;
pub mod states;
mod texts;
pub mod waits;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

pub use self::announcer::{Announcer, Payload, announcing};
pub use self::commit_status::{CommitStatus, State, Told, Version};
pub use self::filter::Filter;
pub use self::notice::{Notice, PAGES, PAGES_HOST, fingerprint};
pub use self::place::Due;
pub use self::texts::{OMITTED, StoredPayload};

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
    /// When the message was sent that caused it; `None` for now.
    pub at: Option<Timestamp>,
    /// Long texts that belong into the payload's `object` and are kept elsewhere: the member of each, and `sha256:` with its
    /// hash. The attribute [`OMITTED`] names them.
    pub texts: BTreeMap<&'static str, String>,
}
