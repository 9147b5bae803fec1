//! The source `buildkite`: builds, from the events that Buildkite puts on Amazon EventBridge.
//!
//! Events arrive late, twice and in any order. `detail-type` is not reliable (a blocked build arrives as `Build
//! Finished`), and a finished build can run again. So the newest event of a build, by number and time, decides; there
//! is no final state that outranks later events. The status of the build's commit is announced to the outbox; delivery
//! targets are not known here. When the commit of a build changes, the last status of the earlier commit is announced
//! separately, as the internal event `notify:commit_status`, so that each commit ends with the newest status that was
//! reported for it.
//!
//! EventBridge has no event for a build that was skipped while it waited. So a waiting build counts as skipped once a
//! later build of its pipeline and branch has started, and after 31 days. `skipped_from` holds the state that Buildkite
//! reported. A later event of the build (it may start after all, when its agents were busy) replaces the state
//! `skipped`.

mod events;
mod message;
mod record;
pub mod rules;
mod store;

pub use self::events::{commit_status, event};
pub use self::message::decode;
pub use self::record::{Build, Record, Repo};
pub use self::store::{TABLE, checks, lock_rows, reads, sweep, write};

use crate::transport::{Head, Message};

/// Prefix of `source` in Buildkite's events on a partner event bus.
const SOURCE: &str = "aws.partner/buildkite.com/";

/// Whether the message is an event of Buildkite: by its `source`, or by the members of a build event, with an
/// EventBridge envelope or without one (as the rule of Buildkite's own status-queue sends it).
#[must_use]
pub fn recognise(message: &Message<'_>) -> bool {
    let is_build = |head: &Head<'_>| ["build", "pipeline", "organization"].iter().all(|name| head.has(name));
    if let Some(detail) = message.head.get("detail") {
        let source = message.head.string("source");
        return source.is_some_and(|source| source.starts_with(SOURCE))
            || Head::read(detail.get()).is_ok_and(|detail| is_build(&detail));
    }
    is_build(&message.head)
}
