//! What a family says about a commit, in words that belong to no host: which states of GitHub or GitLab they become is
//! decided where they are delivered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How the thing that was run for a commit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits to be run.
    Pending,
    /// Runs.
    Running,
    /// Runs on, and will fail.
    Failing,
    /// Done, and good.
    Passed,
    /// Done, and not good.
    Failed,
    /// Could not be judged: broken from outside.
    Errored,
    /// Waits for somebody to let it go on; so far good.
    Blocked,
    /// Waits for somebody to let it go on, although something failed.
    BlockedFailed,
    /// Waits for somebody to let it go on; nothing says yet whether it is good.
    BlockedRunning,
    /// About to be cancelled.
    Canceling,
    /// Cancelled.
    Canceled,
    /// Left out because a newer one came.
    Skipped,
    /// Found not to be needed.
    NotRun,
}

impl State {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Pending,
        Self::Running,
        Self::Failing,
        Self::Passed,
        Self::Failed,
        Self::Errored,
        Self::Blocked,
        Self::BlockedFailed,
        Self::BlockedRunning,
        Self::Canceling,
        Self::Canceled,
        Self::Skipped,
        Self::NotRun,
    ];
}

/// What makes one status newer than another for the same commit and context, see [`Version::is_newer_than`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// What numbers the builds: the id of the pipeline. Empty where there is one line of numbers only.
    #[serde(default)]
    pub line: String,
    /// Number of the build in its pipeline: a rebuild counts over the late end of the build before it.
    pub number: i64,
    /// When it was so.
    pub at: Timestamp,
    /// Decides what is left; [`AS_TOLD`](Self::AS_TOLD) where that is the order of the events.
    pub tie: String,
}

impl Version {
    /// What is told later is newer: for families that tell of one thing under a lock.
    pub const AS_TOLD: &str = "";

    /// Whether this one is newer. Within a line of numbers the number decides, then the time, then the tie, byte by byte. Between
    /// lines (a pipeline was deleted and created anew, or two have one name) numbers say nothing, and the time decides.
    /// An empty line is part of all: rows from before there were lines have one.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        let one_line = self.line == other.line || self.line.is_empty() || other.line.is_empty();
        let number = |version: &Self| if one_line { version.number } else { 0 };
        (number(self), self.at, &self.tie) > (number(other), other.at, &other.tie)
    }

    /// This one, said by an event.
    #[must_use]
    pub fn told_by(&self, event_id: i64) -> Self {
        let tie = if self.tie == Self::AS_TOLD { format!("{event_id:019}") } else { self.tie.clone() };
        Self { tie, ..self.clone() }
    }
}

/// The status that a commit is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitStatus {
    /// Host of the repository, in lower case, without port.
    pub host: String,
    /// Path of the repository on that host, `owner/name` or `group/sub/name`.
    pub path: String,
    /// Whole hash of the commit, in lower case.
    pub sha: String,
    /// Name of the status, where a target does not choose another.
    pub context: String,
    /// What a target's own template for the context, and its filters, may use: `pipeline`, `branch`, `source`, ..
    pub names: BTreeMap<String, String>,
    /// How it stands.
    pub state: State,
    /// One sentence for people, of any length.
    pub description: String,
    /// Page with more.
    pub url: Option<String>,
    /// How new it is.
    pub version: Version,
}

/// What the payload of an event says about a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing: it is not about one.
    Nothing,
    /// The status that it is to have.
    Status(Box<CommitStatus>),
    /// That there is none to be told, and why: a short stable word.
    Undeliverable(String),
}

/// Member of a payload that holds a [`CommitStatus`].
pub(super) const STATUS: &str = "commit_status";
/// Member that says why there is none.
pub(super) const UNDELIVERABLE: &str = "undeliverable";

impl CommitStatus {
    /// Puts it into the payload of an event.
    pub fn put_into(&self, payload: &mut Map<String, Value>) {
        payload.insert(STATUS.to_owned(), serde_json::json!(self));
    }

    /// Says in the payload of an event why there is none.
    pub fn none(payload: &mut Map<String, Value>, reason: &str) {
        payload.insert(UNDELIVERABLE.to_owned(), reason.into());
    }
}

impl Told {
    /// Reads the payload of an event. What another version of this program wrote and this one cannot read is undeliverable.
    #[must_use]
    pub fn of(payload: &Map<String, Value>) -> Self {
        match (payload.get(STATUS), payload.get(UNDELIVERABLE)) {
            (Some(status), _) => CommitStatus::deserialize(status)
                .map_or_else(|_| Self::Undeliverable("unreadable".to_owned()), |status| Self::Status(Box::new(status))),
            (None, Some(reason)) => Self::Undeliverable(reason.as_str().unwrap_or("unreadable").to_owned()),
            (None, None) => Self::Nothing,
        }
    }
}
