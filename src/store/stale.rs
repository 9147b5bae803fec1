//! What a family finds stuck.

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
