//! The effective state of a bot, which depends on how long it has been silent. Computed on read from the stored times
//! and the current time, because a silent bot sends no message that could change its row. Pure.

use jiff::{SignedDuration, Timestamp};

use super::record::Status;

/// Shortest interval that is assumed for a bot whose messages have no `interval`.
pub const DEFAULT_FLOOR: SignedDuration = SignedDuration::from_mins(5);

/// The status of a bot and how often it sends heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Status of the last heartbeat.
    pub status: Status,
    /// Time of the last heartbeat; `None` if unknown.
    pub at: Option<Timestamp>,
    /// Seconds between heartbeats, as the bot declares them.
    pub declared: Option<i64>,
    /// Median of the seconds between the last heartbeats, of at most 10 gaps.
    pub measured: Option<i64>,
    /// Number of these gaps.
    pub gaps: i64,
}

/// The effective state of a bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effective {
    /// The last heartbeat says `failed`.
    Failed,
    /// No heartbeat for three intervals, after `ok` or `warning`: the bot is silent.
    Silent,
    /// The last heartbeat says `warning`.
    Warning,
    /// The last heartbeat says `ok`, and the next one is overdue.
    Late,
    /// The last heartbeat says `ok`, and the next one is not overdue.
    Ok,
    /// The last heartbeat says `gone`: the bot has been retired.
    Gone,
}

impl Effective {
    /// All states, worst first; `Gone` is last.
    pub const ALL: [Self; 6] = [Self::Failed, Self::Silent, Self::Warning, Self::Late, Self::Ok, Self::Gone];

    /// The name of the state, as in addresses and JSON. A silent bot is `stale` there.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Silent => "stale",
            Self::Warning => "warning",
            Self::Late => "late",
            Self::Ok => "ok",
            Self::Gone => "gone",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// The interval at which heartbeats are expected; `None` if it is neither declared nor measured.
#[must_use]
pub fn grace(pulse: &Pulse) -> Option<SignedDuration> {
    if let Some(declared) = pulse.declared {
        return Some(SignedDuration::from_secs(declared));
    }
    // Fewer than two gaps (three heartbeats) do not show a regular interval.
    let measured = pulse.measured.filter(|_| pulse.gaps >= 2)?;
    Some(SignedDuration::from_secs(measured).max(DEFAULT_FLOOR))
}

/// The effective state at a time: `late` after one interval without a heartbeat, `stale` (silent) after three. `failed`
/// stays `failed` during silence. A heartbeat from the future counts as one of now.
#[must_use]
pub fn effective(pulse: &Pulse, now: Timestamp) -> Effective {
    let silent = pulse.at.map_or(SignedDuration::ZERO, |at| now.duration_since(at));
    let intervals = |count: i32| grace(pulse).is_some_and(|interval| silent > interval.saturating_mul(count));
    match pulse.status {
        Status::Gone => Effective::Gone,
        Status::Failed => Effective::Failed,
        Status::Ok | Status::Warning if intervals(3) => Effective::Silent,
        Status::Warning => Effective::Warning,
        Status::Ok if intervals(1) => Effective::Late,
        Status::Ok => Effective::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(status: Status, declared: Option<i64>, measured: Option<i64>, gaps: i64) -> Pulse {
        Pulse { status, at: Some(Timestamp::UNIX_EPOCH), declared, measured, gaps }
    }

    fn after(seconds: i64, pulse: Pulse) -> Effective {
        effective(&pulse, Timestamp::from_second(seconds).expect("time"))
    }

    #[test]
    fn a_bot_is_late_after_one_interval_and_silent_after_three() {
        let declared = |status| pulse(status, Some(60), Some(1), 10);
        for (seconds, status, expected) in [
            (60, Status::Ok, Effective::Ok),
            (61, Status::Ok, Effective::Late),
            (180, Status::Ok, Effective::Late),
            (181, Status::Ok, Effective::Silent),
            (61, Status::Warning, Effective::Warning),
            (181, Status::Warning, Effective::Silent),
            (1_000_000, Status::Failed, Effective::Failed),
            (1_000_000, Status::Gone, Effective::Gone),
            (-1_000, Status::Ok, Effective::Ok),
        ] {
            assert_eq!(after(seconds, declared(status)), expected, "{status} after {seconds} s");
        }
    }

    #[test]
    fn without_a_declared_interval_the_measured_one_counts() {
        assert_eq!(after(1_000_000, pulse(Status::Ok, None, Some(10), 1)), Effective::Ok);
        assert_eq!(after(1_000_000, pulse(Status::Ok, None, None, 0)), Effective::Ok);
        // A measured interval of 10 s counts as five minutes.
        assert_eq!(after(300, pulse(Status::Ok, None, Some(10), 2)), Effective::Ok);
        assert_eq!(after(901, pulse(Status::Ok, None, Some(10), 2)), Effective::Silent);
        assert_eq!(after(3_601, pulse(Status::Ok, None, Some(3_600), 9)), Effective::Late);
        let unknown = Pulse { at: None, ..pulse(Status::Ok, Some(1), None, 0) };
        assert_eq!(after(1_000_000, unknown), Effective::Ok);
    }
}
