//! The family `konflux`: Components, `PipelineRuns`, Snapshots and Releases of Konflux clusters.
//!
//! Messages are whole Kubernetes objects, forwarded from a list and a watch on several clusters; so they come
//! again, out of order, and as `ADDED` without being new. Which of two objects is newer is in `record.rs`.
//!
//! Source of the facts: konflux-ci and tektoncd repositories, named at each rule in `rules.rs`.

mod message;
mod record;
mod rules;
mod store;

pub use self::message::decode;
pub use self::record::{Component, Identity, PipelineRun, Record, Release, Snapshot};
pub use self::store::{fill_hosts, reads, sweep, write};

use crate::envelope::Message;

/// Whether the message is a Kubernetes object.
#[must_use]
pub fn recognise(message: &Message<'_>) -> bool {
    message.head.has("apiVersion") && message.head.has("kind")
}
