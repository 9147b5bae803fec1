//! The family `kcidb`: submissions of checkouts, builds, tests, issues and incidents in the schemas 1.1 to 5.3, and the
//! broadcasts that `DataWarehouse` makes of them.
//!
//! A message is one submission of any number of objects, which is kept or refused as a whole. Objects come in any
//! order, parents last, and again with more properties: which value counts is in `rules.rs`. What is announced, in the
//! transaction that wrote it, is in `events.rs`: each new or changed object, and once for each checkout that its builds
//! are set up, its tests finished and its failures explained.
//!
//! **What is kept of a submission.** All of it or nothing, as KCIDB's schema has it: one member of a wrong type makes a submission invalid to
//! all services of KCIDB, and its submitter is told so. What is valid is kept, but for what upstream's own database does not
//! store (NUL and halves of surrogate pairs in `misc`). Values at the edge are kept within the edge: a time beyond RFC 3339's last day is that day.
//! Addresses lose the user and the password before their host. CI systems write the address that they cloned from with its token, and what is
//! stored is shown and announced; no consumer can use a token that has expired, and none should have one that has not.

mod events;
mod message;
mod record;
mod render;
mod rules;
mod store;
mod triage;

pub use self::events::{Body, What};
pub use self::message::{Problem, RECEIPT_FOR, Rights, decode, problems};
pub use self::record::{Cell, Column, Excerpt, Holds, IssueRegex, Kind, Object, Record, Submission, View};
pub use self::render::object as render;
pub use self::rules::{Milestone, Progress, STATUSES, Stamp, Stamps, milestones, summary};
pub use self::store::{
    ExcerptPage, Found, Owned, Query, Receipt, Summary, Triage, find, finish_overdue, foreign, prune_log_excerpts,
    prune_receipts, reads, receipt, requeue, summaries, sweep, write,
};

use std::time::Duration;

use crate::envelope::{Head, Message};

/// What a deployment chooses about this family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// A checkout of which nothing has been heard for so long counts as finished; none if it has to say so itself.
    pub silence: Option<Duration>,
}

/// Objects in a page of work: [`requeue`] announces each, [`Triage`] looks at each.
pub const PAGE: usize = 500;

/// Lists of objects that a document may have.
const LISTS: [&str; 6] = ["revisions", "checkouts", "builds", "tests", "issues", "incidents"];

/// Whether the message is a submission (`version` is an object, or a string beside nothing but lists of objects), or
/// the change of an issue's regular expression.
#[must_use]
pub fn recognise(message: &Message<'_>) -> bool {
    let head: &Head<'_> = &message.head;
    match head.get("version").map(|raw| raw.get().as_bytes()[0]) {
        Some(b'{') => true,
        Some(b'"') => head.names().all(|name| name == "version" || LISTS.contains(&name)),
        _ => head.string("object_type").as_deref() == Some("issue_regex") && head.has("object"),
    }
}
