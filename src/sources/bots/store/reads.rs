//! Queries of the web UI about bots.

use jiff::Timestamp;

use crate::db::{Reader, StoreError, rows};
use crate::sources::bots::record::Status;
use crate::sources::bots::rules::Pulse;

rows! {
    /// A bot as it is stored.
    pub struct BotRow {
        /// Name of the bot.
        pub name: String,
        /// Status of the last heartbeat.
        pub status: String,
        /// Comment of the last heartbeat.
        pub comment: Option<String>,
        /// `meta` of the last heartbeat.
        pub meta: serde_json::Value,
        /// Seconds between heartbeats, if the bot declares them.
        pub interval_seconds: Option<i64>,
        /// Which members of the last heartbeat were left out or cut.
        pub warnings: Vec<String>,
        /// When the last heartbeat was sent; 1970 if unknown.
        pub updated_at: Timestamp,
        /// Id of its message.
        pub message_id: String,
        /// When the row was last written.
        pub received_at: Timestamp,
        /// Median of the seconds between the last heartbeats, if the bot declares no interval.
        pub measured_seconds: Option<i64>,
        /// Number of gaps that the median is of.
        pub gaps: i64,
    }

    /// The heartbeats of a bot in a time slot.
    pub struct Slot {
        /// Name of the bot.
        pub name: String,
        /// Number of the slot, from 0.
        pub slot: i64,
        /// Number of heartbeats.
        pub beats: i64,
        /// Worst status: 0 ok, 1 warning, 2 failed, -1 gone.
        pub worst: i64,
    }

    /// A change of status.
    pub struct Transition {
        /// Name of the bot.
        pub name: String,
        /// Status before; none for the first heartbeat.
        pub from_status: Option<String>,
        /// Status since.
        pub to_status: String,
        /// When the status changed.
        pub at: Timestamp,
        /// Comment of the heartbeat.
        pub comment: Option<String>,
        /// Id of the message.
        pub message_id: String,
    }
}

impl BotRow {
    /// The values that decide the effective state.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        Pulse {
            status: Status::of(&self.status).unwrap_or(Status::Failed),
            at: self.known_time(),
            declared: self.interval_seconds,
            measured: self.measured_seconds,
            gaps: self.gaps,
        }
    }

    /// When the last heartbeat was sent; `None` if unknown.
    #[must_use]
    pub fn known_time(&self) -> Option<Timestamp> {
        Some(self.updated_at).filter(|at| *at > Timestamp::UNIX_EPOCH)
    }
}

/// All bots by name, including those that are `gone`; or the one with the given name.
///
/// # Errors
/// As [`Reader::read`].
pub async fn list(reader: &mut Reader, name: Option<&str>) -> Result<Vec<BotRow>, StoreError> {
    reader.read(include_str!("sql/list_bots.sql"), &[&name]).await
}

/// The heartbeats of some bots since a time, in slots of `seconds` seconds.
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

/// The newest `most` changes of status, of one bot or of all, newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn transitions(reader: &mut Reader, name: Option<&str>, most: i64) -> Result<Vec<Transition>, StoreError> {
    reader.read(include_str!("sql/list_transitions.sql"), &[&name, &most]).await
}
