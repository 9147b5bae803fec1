//! What the parts of a worker last said about themselves: for `/healthz`, and so that a change is logged once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A part that has said nothing for so long hangs: a poll takes 20 s and a batch a minute, nothing takes longer.
const SILENCE: Duration = Duration::from_secs(180);

/// The health of all parts. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Part>>>);

/// What one part said last.
#[derive(Debug)]
struct Part {
    /// When it last worked, or was first expected to.
    ok_at: Instant,
    /// Why it does not, if so.
    failure: Option<String>,
}

impl Part {
    /// A part that works.
    fn fine() -> Self {
        Self { ok_at: Instant::now(), failure: None }
    }
}

impl Health {
    /// Says that there will be news of a part. Until then it counts as well.
    pub fn expect(&self, part: &'static str) {
        self.parts().entry(part).or_insert_with(Part::fine);
    }

    /// A part works; `true` when it did not before.
    pub fn ok(&self, part: &'static str) -> bool {
        let before = self.parts().insert(part, Part::fine());
        before.is_some_and(|before| before.failure.is_some())
    }

    /// A part does not work; `true` when it did before.
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

    /// How long ago a part that works was last heard of; for ever when it does not work, or never did.
    #[must_use]
    pub fn silence(&self, part: &'static str, now: Instant) -> Duration {
        let parts = self.parts();
        let works = parts.get(part).filter(|part| part.failure.is_none());
        works.map_or(Duration::MAX, |part| now.saturating_duration_since(part.ok_at))
    }

    /// Whether all parts work.
    ///
    /// # Errors
    /// When one of them does not or has not been heard of; a line for each.
    pub fn check(&self, now: Instant) -> Result<(), String> {
        let parts = self.parts();
        let wrong = parts.iter().filter_map(|(name, part)| {
            let silent = now.saturating_duration_since(part.ok_at);
            match &part.failure {
                Some(why) => Some(format!("{name}: {why}\n")),
                None if silent > SILENCE => Some(format!("{name}: no word for {} s\n", silent.as_secs())),
                None => None,
            }
        });
        let wrong: String = wrong.collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// The parts. A panic while they were held leaves nothing half done.
    fn parts(&self) -> MutexGuard<'_, BTreeMap<&'static str, Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_once_and_silence_is_failure() {
        let health = Health::default();
        health.expect("queue");
        let now = Instant::now();
        assert_eq!(health.check(now), Ok(()));
        assert!(health.failed("queue", "refused") && !health.failed("queue", "gone"));
        assert_eq!(health.check(now), Err("queue: gone\n".to_owned()));
        assert!(health.ok("queue") && !health.ok("queue"));
        assert_eq!(health.check(now), Ok(()));
        let later = health.check(now + SILENCE * 2);
        assert!(later.is_err_and(|text| text.starts_with("queue: no word for")));
    }
}
