//! The record of this source, a heartbeat. Its version (what makes one heartbeat newer than another) is the version
//! guard of `store/sql/upsert_bots.sql`.

use std::fmt;

use jiff::Timestamp;

use crate::transport::{Latest, Rejection};

/// The record in a message of this source.
pub type Record = Box<Beat>;

/// The status that a bot reports about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// The bot works.
    Ok,
    /// The bot works, but needs attention.
    Warning,
    /// The bot does not work.
    Failed,
    /// The bot has been retired.
    Gone,
}

impl Status {
    /// All statuses, from best to worst; `Gone` is last.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Warning, Self::Failed, Self::Gone];

    /// The name of the status, as in messages and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }

    /// The status with this name. Names are case-sensitive, as in bot-status's own tool.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A heartbeat. Key: (name, at, `message_id`). Heartbeats of one bot with the same time and content are the same. The
/// state of a bot is the heartbeat with the latest time; among several with that time, the one with the worst status.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// Name of the bot: trimmed, 1 to 100 characters, none of them a control character.
    pub name: String,
    /// Status.
    pub status: Status,
    /// Comment, at most 500 characters, without NUL.
    pub comment: Option<String>,
    /// JSON object of at most 4 KiB and 5 levels; `{}` when the message has none or it cannot be stored.
    pub meta: String,
    /// Seconds until the next heartbeat is due, if the message has them.
    pub interval_seconds: Option<i64>,
    /// Which members of the message were left out or cut, one sentence each.
    pub warnings: Vec<String>,
    /// Send time: `ts` of the message, else the time of the transport, else 1970.
    pub at: Timestamp,
    /// Id of the message.
    pub message_id: String,
    /// When the message was sent.
    pub message_at: Option<Timestamp>,
}

impl Beat {
    /// Limits the time that the sender wrote. A `ts` that cannot be true was left out with a warning.
    ///
    /// # Errors
    /// Never; other sources reject records.
    pub fn limit_times(&mut self, latest: Latest) -> Result<(), Rejection> {
        latest.cut(&mut self.at);
        Ok(())
    }
}
