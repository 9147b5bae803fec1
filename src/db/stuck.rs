//! Results of a source's work: stuck objects, and the progress of a chunk.

use jiff::Timestamp;
use serde::Serialize;

/// An object that should have reached a final state long ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stuck {
    /// Its kind: `pipelinerun`, `release`.
    pub kind: &'static str,
    /// Its key.
    pub name: String,
    /// The state that it is stuck in.
    pub state: String,
    /// Since when it is overdue.
    pub since: Timestamp,
}

/// The result of one chunk of a source's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkResult {
    /// Objects that were looked at.
    pub objects: usize,
    /// Rows written or events announced because of them.
    pub written: usize,
    /// Whether there may be more.
    pub more: bool,
}
