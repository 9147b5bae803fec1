//! The only module that reads the clock; also deadlines and backoff.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

/// The time by which an operation has to be finished.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline after the given time from now.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// The deadline of a Lambda invocation, minus a margin for the response.
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

/// The current time.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Exponential backoff: the wait doubles with each attempt from `base` to `most`, with full jitter, so that clients
/// that failed together do not retry together.
#[must_use]
pub fn backoff(attempt: u32, base: Duration, most: Duration) -> Duration {
    let longest = base.saturating_mul(2_u32.saturating_pow(attempt.min(20))).min(most);
    // The nanoseconds of the clock are random enough to spread clients, and need no dependency.
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    let share = f64::from(nanos.wrapping_mul(2_654_435_761) >> 8) / f64::from(1_u32 << 24);
    longest.mul_f64(share.clamp(0.1, 1.0))
}

/// The current instant of the timer clock, which tests can pause.
#[must_use]
pub fn moment() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// CPU time of this thread. Unlike wall-clock time it does not depend on the load of the machine.
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
