//! What is to be thought of a bot that has been silent for a while. Decided when somebody looks, from the times that are
//! stored and the time it is then: a silent bot sends nothing that could change a row.

use jiff::{SignedDuration, Timestamp};

use super::record::Status;

/// Shortest interval that is assumed of a bot that does not tell its own.
pub const DEFAULT_FLOOR: SignedDuration = SignedDuration::from_mins(5);

/// The pulse of a bot, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// What it said last.
    pub status: Status,
    /// When; `None` when nobody knows.
    pub at: Option<Timestamp>,
    /// Seconds between heartbeats as the bot gives them.
    pub told: Option<i64>,
    /// Seconds between its last heartbeats as they came: the median of at most 10.
    pub measured: Option<i64>,
    /// Between how many of them.
    pub gaps: i64,
}

/// What a bot's state comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effective {
    /// It says so itself.
    Failed,
    /// Nothing for three intervals, whatever it said before.
    Stale,
    /// It says so itself.
    Warning,
    /// It said `ok`, and the next heartbeat is overdue.
    Late,
    /// It says so itself, and lately.
    Ok,
    /// Taken off the board.
    Gone,
}

impl Effective {
    /// All of them, worst first.
    pub const ALL: [Self; 6] = [Self::Failed, Self::Stale, Self::Warning, Self::Late, Self::Ok, Self::Gone];

    /// In addresses and documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Stale => "stale",
            Self::Warning => "warning",
            Self::Late => "late",
            Self::Ok => "ok",
            Self::Gone => "gone",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// How often the bot is expected to be heard of; `None` when nothing says so.
#[must_use]
pub fn grace(pulse: &Pulse) -> Option<SignedDuration> {
    if let Some(told) = pulse.told {
        return Some(SignedDuration::from_secs(told));
    }
    // Two gaps are three heartbeats: fewer are no rhythm.
    let measured = pulse.measured.filter(|_| pulse.gaps >= 2)?;
    Some(SignedDuration::from_secs(measured).max(DEFAULT_FLOOR))
}

/// The state at a time: `late` after one interval, `stale` after three. `failed` stays what it is: silence makes it no
/// better. A heartbeat from the future is as good as one of now.
#[must_use]
pub fn effective(pulse: &Pulse, now: Timestamp) -> Effective {
    let silent = pulse.at.map_or(SignedDuration::ZERO, |at| now.duration_since(at));
    let intervals = |count: i32| grace(pulse).is_some_and(|interval| silent > interval.saturating_mul(count));
    match pulse.status {
        Status::Gone => Effective::Gone,
        Status::Failed => Effective::Failed,
        Status::Ok | Status::Warning if intervals(3) => Effective::Stale,
        Status::Warning => Effective::Warning,
        Status::Ok if intervals(1) => Effective::Late,
        Status::Ok => Effective::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(status: Status, told: Option<i64>, measured: Option<i64>, gaps: i64) -> Pulse {
        Pulse { status, at: Some(Timestamp::UNIX_EPOCH), told, measured, gaps }
    }

    fn after(seconds: i64, pulse: Pulse) -> Effective {
        effective(&pulse, Timestamp::from_second(seconds).expect("time"))
    }

    #[test]
    fn silence_makes_late_then_stale() {
        let told = |status| pulse(status, Some(60), Some(1), 10);
        for (seconds, status, expected) in [
            (60, Status::Ok, Effective::Ok),
            (61, Status::Ok, Effective::Late),
            (180, Status::Ok, Effective::Late),
            (181, Status::Ok, Effective::Stale),
            (61, Status::Warning, Effective::Warning),
            (181, Status::Warning, Effective::Stale),
            (1_000_000, Status::Failed, Effective::Failed),
            (1_000_000, Status::Gone, Effective::Gone),
            (-1_000, Status::Ok, Effective::Ok),
        ] {
            assert_eq!(after(seconds, told(status)), expected, "{status} after {seconds} s");
        }
    }

    #[test]
    fn without_an_interval_the_rhythm_counts() {
        assert_eq!(after(1_000_000, pulse(Status::Ok, None, Some(10), 1)), Effective::Ok);
        assert_eq!(after(1_000_000, pulse(Status::Ok, None, None, 0)), Effective::Ok);
        // Beats every 10 s are no promise: five minutes at least.
        assert_eq!(after(300, pulse(Status::Ok, None, Some(10), 2)), Effective::Ok);
        assert_eq!(after(901, pulse(Status::Ok, None, Some(10), 2)), Effective::Stale);
        assert_eq!(after(3_601, pulse(Status::Ok, None, Some(3_600), 9)), Effective::Late);
        let unknown = Pulse { at: None, ..pulse(Status::Ok, Some(1), None, 0) };
        assert_eq!(after(1_000_000, unknown), Effective::Ok);
    }
}
