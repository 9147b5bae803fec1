//! The order of states of one second, and the plausibility of times.

use jiff::{SignedDuration, Timestamp};

/// The rank of a state, which orders states of one second: merged > closed > locked > opened.
#[must_use]
pub(super) fn state_rank(state: &str) -> i16 {
    match state {
        "merged" => 3,
        "closed" => 2,
        "locked" => 1,
        _ => 0,
    }
}

/// How far a time may be ahead of its message, because clocks differ.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// Whether a time can be the time of the change in a message. Times from imports and broken clocks cannot.
#[must_use]
pub(super) fn is_plausible(at: Timestamp, sent_at: Option<Timestamp>) -> bool {
    sent_at.is_none_or(|sent_at| at.duration_since(sent_at) <= AHEAD)
}
