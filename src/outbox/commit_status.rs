//! The status that a source reports for a commit, independent of the host: the mapping to states of GitHub or GitLab
//! happens at delivery.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// State of the build or job that ran for a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waiting to run.
    Pending,
    /// Running.
    Running,
    /// Still running, and will fail.
    Failing,
    /// Finished successfully.
    Passed,
    /// Finished with a failure.
    Failed,
    /// No result because of an infrastructure error.
    Errored,
    /// Waiting for a user to unblock it; successful so far.
    Blocked,
    /// Waiting for a user to unblock it; something failed.
    BlockedFailed,
    /// Waiting for a user to unblock it; no result so far.
    BlockedRunning,
    /// Being cancelled.
    Canceling,
    /// Cancelled.
    Canceled,
    /// Cancelled because a newer commit or build replaced it.
    Superseded,
    /// Skipped because of a newer one.
    Skipped,
    /// Not run, because it was not needed.
    NotRun,
    /// In a state that this program does not know.
    Unknown,
}

impl State {
    /// All states.
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
        Self::Superseded,
        Self::Skipped,
        Self::NotRun,
        Self::Unknown,
    ];

    /// Its name in tables, JSON and configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Failing => "failing",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Errored => "errored",
            Self::Blocked => "blocked",
            Self::BlockedFailed => "blocked_failed",
            Self::BlockedRunning => "blocked_running",
            Self::Canceling => "canceling",
            Self::Canceled => "canceled",
            Self::Superseded => "superseded",
            Self::Skipped => "skipped",
            Self::NotRun => "not_run",
            Self::Unknown => "unknown",
        }
    }
}

/// The version of a status: makes one newer than another for the same commit and context, see
/// [`Version::is_newer_than`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The id of the pipeline that numbers the builds. Empty where there is only one line of numbers.
    #[serde(default)]
    pub line: String,
    /// Number of the build in its pipeline: a rebuild replaces a late result of the build before it.
    pub number: i64,
    /// When the state was reached.
    pub at: Timestamp,
    /// Breaks ties; [`BY_EVENT_ORDER`](Self::BY_EVENT_ORDER) to use the order of the events.
    pub tie: String,
}

impl Version {
    /// The later event is newer: for sources that announce one object under a lock.
    pub const BY_EVENT_ORDER: &str = "";

    /// Whether this version is newer. Within a line of numbers the number decides, then the time, then the tie, byte by
    /// byte. Between lines (a pipeline was deleted and created again, or two pipelines have one name) numbers cannot be
    /// compared, and the time decides. An empty line belongs to every line: rows from before lines existed have one.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        let one_line = self.line == other.line || self.line.is_empty() || other.line.is_empty();
        let number = |version: &Self| if one_line { version.number } else { 0 };
        (number(self), self.at, &self.tie) > (number(other), other.at, &other.tie)
    }

    /// This version as announced by an event.
    #[must_use]
    pub fn announced_by(&self, event_id: i64) -> Self {
        let tie = if self.tie == Self::BY_EVENT_ORDER { format!("{event_id:019}") } else { self.tie.clone() };
        Self { tie, ..self.clone() }
    }
}

/// A status to post on a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitStatus {
    /// Host of the repository, in lower case, without port.
    pub host: String,
    /// Path of the repository on that host, `owner/name` or `group/sub/name`.
    pub path: String,
    /// Whole hash of the commit, in lower case.
    pub sha: String,
    /// Name of the status, unless a target configures another.
    pub context: String,
    /// Values for the context template of a target, and for its filters: `pipeline`, `branch`, `source`, ..
    pub names: BTreeMap<String, String>,
    /// Its state.
    pub state: State,
    /// One sentence for people, of any length.
    pub description: String,
    /// URL of a page with details.
    pub url: Option<String>,
    /// Its version.
    pub version: Version,
    /// Whether it is the verdict of the commit over all checks: for targets that ask for it, under a name of theirs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_verdict: bool,
}

/// The report of an event about a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitReport {
    /// The event is not about a commit.
    Nothing,
    /// A status for the commit.
    Status(Box<CommitStatus>),
    /// No status can be posted; the reason, a short stable code.
    Undeliverable(String),
}

/// Member of a payload that holds a [`CommitStatus`].
pub(super) const STATUS: &str = "commit_status";
/// Member with the reason why there is no status.
pub(super) const UNDELIVERABLE: &str = "undeliverable";

impl CommitStatus {
    /// Puts it into the payload of an event.
    pub fn put_into(&self, payload: &mut Map<String, Value>) {
        payload.insert(STATUS.to_owned(), serde_json::json!(self));
    }

    /// Writes into the payload of an event why there is no status.
    pub fn none(payload: &mut Map<String, Value>, reason: &str) {
        payload.insert(UNDELIVERABLE.to_owned(), reason.into());
    }
}

impl CommitReport {
    /// Reads the payload of an event. A status of another version of this program that this one cannot read is
    /// undeliverable.
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
