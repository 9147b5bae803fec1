//! What the family keeps, and what makes one heartbeat newer than another.

use std::fmt;

use jiff::Timestamp;

use crate::envelope::{Latest, Refusal};

/// What a message of this family says.
pub type Record = Box<Beat>;

/// What a bot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// All is well.
    Ok,
    /// It works, but somebody should look.
    Warning,
    /// It does not work.
    Failed,
    /// It is not run any more.
    Gone,
}

impl Status {
    /// All of them, mildest first.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Warning, Self::Failed, Self::Gone];

    /// As in messages and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }

    /// The status of exactly this name; upper case is none, as in bot-status's own tool.
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

/// A heartbeat. Key: (name, at, `message_id`); one of the same time that says the same is the same. Of a bot the one of the newest time counts, of
/// these the worst.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// The bot: trimmed, 1 to 100 characters, none of them a control character.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// What it adds, at most 500 characters, without NUL.
    pub comment: Option<String>,
    /// An object of at most 4 KiB and 5 levels, as JSON; `{}` when none was sent or it could not be kept.
    pub meta: String,
    /// Seconds after which the next heartbeat is due, if the bot says so.
    pub interval_seconds: Option<i64>,
    /// What was left out or cut, a sentence each.
    pub warnings: Vec<String>,
    /// When it was sent: by the bot's own `ts`, else by the carrier; 1970 when nobody says.
    pub at: Timestamp,
    /// The message.
    pub message_id: String,
    /// When that was sent.
    pub message_at: Option<Timestamp>,
}

impl Beat {
    /// Limits the time that the sender wrote. A `ts` that cannot be true was left out with a warning.
    ///
    /// # Errors
    /// Never; other sources reject records.
    pub fn limit_times(&mut self, latest: Latest) -> Result<(), Refusal> {
        latest.cut(&mut self.at);
        Ok(())
    }
}
