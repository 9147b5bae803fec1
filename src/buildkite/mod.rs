//! The family `buildkite`: builds, from the events that Buildkite puts on Amazon EventBridge.
//!
//! Events come late, twice and in any order; `detail-type` is not to be trusted (a blocked build comes as `Build
//! Finished`), and a finished build may run again. So a build's newest event decides by number and time, never a rank of
//! states. What a commit is to be told is announced to the outbox; where it is told is not known here. Where a build's
//! commit changes, what was said of the earlier one is announced by itself, as the internal event `notify:commit_status`, so
//! that each commit ends at the newest that was said of it.
//!
//! EventBridge has no event for a build that was skipped while it waited. So a build that waits counts as skipped once a later build of
//! its pipeline and branch has started, and after 31 days; `skipped_from` holds what it said itself, and what it says after that counts.
//! Should it start all the same (its agents were busy), it is what it says.

mod events;
mod message;
mod record;
pub mod rules;
mod store;

pub use self::events::{event, event_of};
pub use self::message::decode;
pub use self::record::{Build, Record, Repo};
pub use self::store::{reads, sweep, write};

use crate::envelope::{Head, Message};

/// Beginning of the `source` of Buildkite's events on a partner event bus.
const SOURCE: &str = "aws.partner/buildkite.com/";

/// Whether the message is an event of Buildkite: by its source, or by the skeleton of a build event, with its EventBridge
/// envelope or (as the rule of Buildkite's own status-queue sends it) without.
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
