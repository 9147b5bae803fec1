//! The health of the parts of a worker: the answer of `/healthz`, and the changes that are logged once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A part that has not reported for this long hangs: a poll takes up to 20 s and a batch a minute, nothing takes
/// longer.
const SILENCE: Duration = Duration::from_secs(180);

/// The health of all parts. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Part>>>);

/// The last report of a part.
#[derive(Debug)]
struct Part {
    /// When it last reported that it works, or was first expected to.
    ok_at: Instant,
    /// Why it does not work, if so.
    failure: Option<String>,
}

impl Part {
    /// A part that works.
    fn fine() -> Self {
        Self { ok_at: Instant::now(), failure: None }
    }
}

impl Health {
    /// Adds a part that will report. It counts as working until its first report is due.
    pub fn expect(&self, part: &'static str) {
        self.parts().entry(part).or_insert_with(Part::fine);
    }

    /// Records that a part works; `true` when it did not before.
    pub fn ok(&self, part: &'static str) -> bool {
        let before = self.parts().insert(part, Part::fine());
        before.is_some_and(|before| before.failure.is_some())
    }

    /// Records that a part does not work; `true` when it did before.
    pub fn failed(&self, part: &'static str, why: &str) -> bool {
        let mut parts = self.parts();
        let state = parts.entry(part).or_insert_with(Part::fine);
        state.failure.replace(why.to_owned()).is_none()
    }

    /// Why a part does not work, if so.
    #[must_use]
    pub fn failure(&self, part: &'static str) -> Option<String> {
        self.parts().get(part)?.failure.clone()
    }

    /// The time since the last report of a part that works; `Duration::MAX` when it does not work, or is unknown.
    #[must_use]
    pub fn silence(&self, part: &'static str, now: Instant) -> Duration {
        let parts = self.parts();
        let works = parts.get(part).filter(|part| part.failure.is_none());
        works.map_or(Duration::MAX, |part| now.saturating_duration_since(part.ok_at))
    }

    /// Whether all parts work.
    ///
    /// # Errors
    /// When a part does not work or has not reported in time; one line for each.
    pub fn check(&self, now: Instant) -> Result<(), String> {
        let parts = self.parts();
        let wrong = parts.iter().filter_map(|(name, part)| {
            let silent = now.saturating_duration_since(part.ok_at);
            match &part.failure {
                Some(why) => Some(format!("{name}: {why}\n")),
                None if silent > SILENCE => Some(format!("{name}: no report for {} s\n", silent.as_secs())),
                None => None,
            }
        });
        let wrong: String = wrong.collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// Locks the parts. A panic while they were locked leaves no partial change, so a poisoned lock is used all the
    /// same.
    fn parts(&self) -> MutexGuard<'_, BTreeMap<&'static str, Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_reported_once_and_silence_is_failure() {
        let health = Health::default();
        health.expect("queue");
        let now = Instant::now();
        assert_eq!(health.check(now), Ok(()));
        assert!(health.failed("queue", "denied") && !health.failed("queue", "gone"));
        assert_eq!(health.check(now), Err("queue: gone\n".to_owned()));
        assert!(health.ok("queue") && !health.ok("queue"));
        assert_eq!(health.check(now), Ok(()));
        let later = health.check(now + SILENCE * 2);
        assert!(later.is_err_and(|text| text.starts_with("queue: no report for")));
    }
}
