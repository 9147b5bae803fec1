//! The only room that reads the clock.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

/// When something has to be finished.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment after the given time from now.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// The deadline of a Lambda invocation, less a margin for the answer.
    ///
    /// `epoch_millis` is the runtime's `Lambda-Runtime-Deadline-Ms`.
    #[must_use]
    pub fn of_invocation(epoch_millis: u64, margin: Duration) -> Self {
        let end = SystemTime::UNIX_EPOCH + Duration::from_millis(epoch_millis);
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        Self::within(left.saturating_sub(margin))
    }

    /// Time left; zero when it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The earlier of two deadlines.
    #[must_use]
    pub fn or_within(self, time: Duration) -> Self {
        Self(self.0.min(Instant::now() + time))
    }
}

/// Now.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A wait that doubles with each attempt from `base` to `most`, with full jitter: waiters that failed together
/// must not come back together.
#[must_use]
pub fn backoff(attempt: u32, base: Duration, most: Duration) -> Duration {
    let longest = base.saturating_mul(2_u32.saturating_pow(attempt.min(20))).min(most);
    // The clock's nanoseconds are random enough to spread waiters, and no dependency.
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    let share = f64::from(nanos.wrapping_mul(2_654_435_761) >> 8) / f64::from(1_u32 << 24);
    longest.mul_f64(share.clamp(0.1, 1.0))
}

/// This moment, by the clock that timers go by: tests may stop it.
#[must_use]
pub fn moment() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// The time that this thread has worked. Unlike the time of day it does not depend on what else the machine does.
#[must_use]
pub fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_stays_in_its_bounds() {
        for attempt in 0..100 {
            let wait = backoff(attempt, Duration::from_millis(100), Duration::from_secs(5));
            assert!(wait >= Duration::from_millis(10) && wait <= Duration::from_secs(5), "{attempt}: {wait:?}");
        }
    }

    #[test]
    fn deadlines_pass() {
        assert_eq!(Deadline::of_invocation(0, Duration::ZERO).remaining(), Duration::ZERO);
        let long = Deadline::within(Duration::from_secs(60));
        assert!(long.remaining() > Duration::from_secs(50));
        assert!(long.or_within(Duration::from_secs(1)).remaining() <= Duration::from_secs(1));
    }
}
