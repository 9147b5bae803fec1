//! What a family finds stuck, and what it does page by page.

use jiff::Timestamp;
use serde::Serialize;

/// Something that should have come to its end long ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// What it is: `pipelinerun`, `release`.
    pub kind: &'static str,
    /// Its key.
    pub name: String,
    /// The state in which it is stuck.
    pub state: String,
    /// Since when it is overdue.
    pub since: Timestamp,
}

/// What one page of a family's work came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Objects that were looked at.
    pub objects: usize,
    /// What was written or announced because of them.
    pub written: usize,
    /// Whether there may be more.
    pub more: bool,
}
