//! The source `kcidb`: submissions of checkouts, builds, tests, issues and incidents in the schemas 1.1 to 5.3, and the
//! broadcasts that `DataWarehouse` makes of them.
//!
//! A message is one submission of any number of objects, which is stored or rejected as a whole. Objects arrive in any
//! order, even children before their parents, and are sent again with more properties; `rules.rs` decides which value
//! of a column wins (the version guard). `events.rs` describes the outbox events, which the transaction that stores the
//! objects writes: one for each new or changed object, and one for each milestone of a checkout (all builds are set up,
//! all tests have finished, all failures are explained). `triage.rs` matches failures with known issues.
//!
//! **What is stored of a submission.** All of it or nothing, as KCIDB's schema demands: one member of a wrong type
//! makes a submission invalid to all services of KCIDB, and the rejection reports it to the submitter. Valid
//! submissions are stored, except for values that upstream's own database does not store either (NUL and halves of
//! surrogate pairs in `misc`). Values out of range are clamped: a time after the last day of RFC 3339 becomes that day.
//! User and password are removed from addresses: CI systems submit the address that they cloned from with its token,
//! and stored addresses are displayed and announced.

mod events;
mod message;
mod record;
mod render;
mod rules;
mod store;
mod triage;

pub use self::events::{Body, ObjectEvent};
pub use self::message::{Problem, RECEIPT_FOR, Rights, decode, problems};
pub use self::record::{Cell, CellType, Column, Excerpt, IssueRegex, Kind, Object, Record, Submission, View};
pub use self::render::object as render;
pub use self::rules::{Milestone, Progress, STATUSES, Stamp, Stamps, milestones, summary};
pub use self::store::{
    ExcerptChunk, Found, Query, Receipt, StoredObject, Summary, TABLE, Triage, checks, find, finish_overdue, lock_rows,
    objects_of_other_origins, prune_log_excerpts, prune_receipts, reads, receipt, requeue, summaries, sweep, write,
};

use std::time::Duration;

use crate::transport::{Head, Message};

/// The settings of this source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Checkouts without a message for this long count as finished. `None`: only a checkout's own messages finish it.
    pub silence: Option<Duration>,
}

/// Objects in a chunk of work: [`requeue`] announces each, [`Triage`] matches each.
pub const CHUNK: usize = 500;

/// Names of the lists of objects that a document may have.
const LISTS: [&str; 6] = ["revisions", "checkouts", "builds", "tests", "issues", "incidents"];

/// Whether the message is a submission (`version` is an object, or a string and all other members are lists of
/// objects), or a change of an issue's regular expression.
#[must_use]
pub fn recognise(message: &Message<'_>) -> bool {
    let head: &Head<'_> = &message.head;
    match head.get("version").map(|raw| raw.get().as_bytes()[0]) {
        Some(b'{') => true,
        Some(b'"') => head.names().all(|name| name == "version" || LISTS.contains(&name)),
        _ => head.string("object_type").as_deref() == Some("issue_regex") && head.has("object"),
    }
}
