//! What pages show of bots.

use jiff::Timestamp;

use crate::bots::record::Status;
use crate::bots::rules::Pulse;
use crate::store::{Reader, StoreError, rows};

rows! {
    /// A bot as it is stored.
    pub struct BotRow {
        /// Its name.
        pub name: String,
        /// What it said last.
        pub status: String,
        /// What it added.
        pub comment: Option<String>,
        /// More about it.
        pub meta: serde_json::Value,
        /// Seconds between heartbeats, if it tells.
        pub interval_seconds: Option<i64>,
        /// What was left out of the last heartbeat.
        pub warnings: Vec<String>,
        /// When that was sent; 1970 when nobody knows.
        pub updated_at: Timestamp,
        /// The message.
        pub message_id: String,
        /// When it was stored.
        pub received_at: Timestamp,
        /// Seconds between its last heartbeats, the median.
        pub measured_seconds: Option<i64>,
        /// Of so many gaps.
        pub gaps: i64,
    }

    /// Heartbeats of a bot in a span of time.
    pub struct Slot {
        /// The bot.
        pub name: String,
        /// Number of the span.
        pub slot: i64,
        /// How many.
        pub beats: i64,
        /// 0 ok, 1 warning, 2 failed, -1 gone.
        pub worst: i64,
    }

    /// A change of status.
    pub struct Transition {
        /// The bot.
        pub name: String,
        /// Status before; none for the first heartbeat.
        pub from_status: Option<String>,
        /// Status since.
        pub to_status: String,
        /// When.
        pub at: Timestamp,
        /// What the bot added.
        pub comment: Option<String>,
        /// The message.
        pub message_id: String,
    }
}

impl BotRow {
    /// What its state is decided by.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        Pulse {
            status: Status::of(&self.status).unwrap_or(Status::Failed),
            at: self.known_time(),
            told: self.interval_seconds,
            measured: self.measured_seconds,
            gaps: self.gaps,
        }
    }

    /// When the last heartbeat was sent, if anybody knows.
    #[must_use]
    pub fn known_time(&self) -> Option<Timestamp> {
        Some(self.updated_at).filter(|at| *at > Timestamp::UNIX_EPOCH)
    }
}

/// All bots by name, those that are gone included; or one.
///
/// # Errors
/// As [`Reader::read`].
pub async fn list(reader: &mut Reader, name: Option<&str>) -> Result<Vec<BotRow>, StoreError> {
    reader.read(include_str!("sql/list_bots.sql"), &[&name]).await
}

/// Heartbeats of some bots since a time, in slots of so many seconds.
///
/// # Errors
/// As [`Reader::read`].
pub async fn slots(
    reader: &mut Reader,
    names: &[&str],
    since: Timestamp,
    seconds: i64,
) -> Result<Vec<Slot>, StoreError> {
    reader.read(include_str!("sql/count_beats.sql"), &[&names, &since, &seconds]).await
}

/// Changes of status of one bot or of all, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn transitions(reader: &mut Reader, name: Option<&str>, most: i64) -> Result<Vec<Transition>, StoreError> {
    reader.read(include_str!("sql/list_transitions.sql"), &[&name, &most]).await
}
