//! A transactional outbox: events for targets (other systems and people) are written in the transaction that caused
//! them, and committed with their cause or not at all.
//!
//! Events are delivered at least once, in order for each (source, key). The targets are registered in the database with
//! their rules ([`registry`]), so the transaction that causes an event decides which targets receive it
//! ([`plan`](mod@plan)); an event that no target can receive is not written, and an outdated one is not announced.
//!
//! ```text
//! Announcer ─► plan ─┬─► outbox
//!                    ├─► commit_statuses   latest wins, for (target, repo, sha, context)
//!                    └─► deliveries        one for each event and target, in order of the key
//!             claim ◄── due rows, under lease ─────┘        delivery_targets: rules, circuit breaker, rate limit
//!             settle ─► delivered, to be retried at .., or dead
//! ```
//!
//! While the targets are not registered, events wait in the outbox until [`route`](mod@route) places them. [`queue`]
//! keeps leases, attempts, backoff and circuit breakers as rows, and uses the clock of the database only: any number of
//! processes may deliver at once, and any of them may crash at any point. [`list`] shows deliveries.

mod announcer;
pub mod check_run;
mod commit_status;
mod due;
mod filter;
pub mod list;
mod notice;
mod payload;
pub mod plan;
pub mod queue;
pub mod reads;
pub mod receiver;
pub mod registry;
pub mod route;
pub mod states;
mod texts;
pub mod waits;
mod write;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

pub use self::announcer::{Announcer, Payload, announcing};
pub use self::commit_status::{CommitReport, CommitStatus, State, Version};
pub use self::due::{Attempts, CheckRun, EventDue};
pub use self::filter::Filter;
pub use self::notice::{Notice, PAGES, PAGES_HOST, fingerprint};
pub use self::payload::{OMITTED, StoredPayload};
pub use self::write::{Due, notify_due};

/// An event to be announced to targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<P = Map<String, Value>> {
    /// Name of the source, as in [`Source::name`](crate::sources::Source::name).
    pub family: &'static str,
    /// What happened: `job:started`, `datawarehouse.checkout.new`.
    pub event: String,
    /// Events of one source with the same key are delivered in the order in which they were written. The writer holds a
    /// lock on the row of the key; otherwise two concurrent transactions could write in the wrong order.
    pub key: String,
    /// For filters of subscribers, at most 9 (SNS allows 10, and the name of the source is one).
    pub attributes: BTreeMap<String, String>,
    /// The payload for consumers: a JSON object.
    pub payload: P,
    /// When the message that caused it was sent; `None` for now.
    pub at: Option<Timestamp>,
    /// Long texts of `object` in the payload that are stored separately: the member of each, and `sha256:` with its
    /// hash. The attribute [`OMITTED`] names them.
    pub texts: BTreeMap<&'static str, String>,
}
