//! The source `konflux`: Components, `PipelineRuns`, Snapshots and Releases of Konflux clusters.
//!
//! Messages are whole Kubernetes objects, forwarded from a list and a watch on several clusters. So they are delivered
//! repeatedly, out of order, and as `ADDED` without being new. The version that decides which of two objects is newer
//! is in `record.rs`.
//!
//! The rules in `rules.rs` name the files in the konflux-ci and tektoncd repositories that they are taken from.

mod message;
mod record;
mod rules;
mod store;

pub use self::message::decode;
pub use self::record::{Component, Identity, PipelineRun, Record, Release, Snapshot};
pub use self::store::{TABLES, checks, fill_hosts, lock_rows, reads, sweep, write};

use crate::transport::Message;

/// Whether the message is a Kubernetes object.
#[must_use]
pub fn recognise(message: &Message<'_>) -> bool {
    message.head.has("apiVersion") && message.head.has("kind")
}
