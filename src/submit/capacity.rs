//! Limits of concurrent requests and of the memory of their bodies. One token has at most half of each, so that no
//! client can block all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Problem;

/// Bodies of one token that are received at the same time; each holds a connection.
const READING: usize = 128;
/// Bytes per permit.
const UNIT: usize = 1 << 10;

/// The total capacity, and the share of each token.
#[derive(Clone)]
pub(super) struct Capacity {
    slots: usize,
    bytes: usize,
    all: Share,
    tokens: Arc<Mutex<HashMap<String, Share>>>,
}

/// Permits: for requests that are processed, for the bytes of bodies, and for bodies that are received.
#[derive(Clone)]
struct Share {
    slots: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    reading: Arc<Semaphore>,
}

impl Share {
    fn new(slots: usize, bytes: usize) -> Self {
        let units = (bytes / UNIT).clamp(1, u32::MAX as usize);
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { slots: semaphore(slots.max(1)), bytes: semaphore(units), reading: semaphore(READING) }
    }
}

/// The permits of a request; dropping it releases them.
pub(super) struct Taken {
    all: Share,
    own: Share,
    permits: Vec<OwnedSemaphorePermit>,
}

impl Capacity {
    /// Creates it with a number of slots and of bytes of bodies.
    pub(super) fn new(slots: usize, bytes: usize) -> Self {
        Self { slots, bytes, all: Share::new(slots, bytes), tokens: Arc::default() }
    }

    /// Permits a request of a token to send its body.
    pub(super) fn begin(&self, token: &str) -> Result<Taken, Problem> {
        let own = {
            // The configuration bounds the number of names.
            let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.entry(token.to_owned()).or_insert_with(|| Share::new(self.slots / 2, self.bytes / 2)).clone()
        };
        let reading = Arc::clone(&own.reading).try_acquire_owned().map_err(|_| Problem::Busy)?;
        Ok(Taken { all: self.all.clone(), own, permits: vec![reading] })
    }
}

impl Taken {
    /// Takes permits from the share of the token and from the total; `false` and none where either has too few.
    fn acquire(&mut self, semaphore: fn(&Share) -> &Arc<Semaphore>, count: usize) -> bool {
        let Ok(count) = u32::try_from(count) else { return false };
        let acquire = |share: &Share| Arc::clone(semaphore(share)).try_acquire_many_owned(count).ok();
        let Some((own, all)) = acquire(&self.own).and_then(|own| Some((own, acquire(&self.all)?))) else {
            return false;
        };
        self.permits.extend([own, all]);
        true
    }

    /// Acquires memory for bytes of the body; `false` where there is not enough.
    pub(super) fn bytes(&mut self, count: usize) -> bool {
        self.acquire(|share| &share.bytes, count.div_ceil(UNIT))
    }

    /// Acquires a slot for processing, once the body has arrived.
    pub(super) fn slot(mut self) -> Result<Self, Problem> {
        if self.acquire(|share| &share.slots, 1) { Ok(self) } else { Err(Problem::Busy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_has_half_of_the_slots_and_of_the_bytes() {
        let capacity = Capacity::new(4, 8 * UNIT);
        let begin = |token| capacity.begin(token).map_err(|problem| format!("{problem:?}"));
        let slot = |token| begin(token).and_then(|taken| taken.slot().map_err(|problem| format!("{problem:?}")));
        let held: Vec<Taken> = (0..2).map(|_| slot("a").expect("a slot")).collect();
        assert_eq!(slot("a").err().as_deref(), Some("Busy"));
        let other: Vec<Taken> = (0..2).map(|_| slot("b").expect("a slot")).collect();
        assert_eq!(slot("c").err().as_deref(), Some("Busy"), "all are taken");
        drop((held, other));
        assert!(slot("c").is_ok());

        let mut large = begin("a").expect("it begins");
        assert!(large.bytes(4 * UNIT) && !large.bytes(1), "half of them");
        let mut small = begin("b").expect("it begins");
        assert!(small.bytes(3 * UNIT + 1) && !small.bytes(1));
        drop(large);
        assert!(begin("c").expect("it begins").bytes(1), "given back");
    }

    #[test]
    fn the_bodies_of_one_token_are_limited() {
        let capacity = Capacity::new(16, 1 << 20);
        let held: Vec<_> = (0..READING).map(|_| capacity.begin("a").map_err(|_| ()).expect("it begins")).collect();
        assert!(capacity.begin("a").is_err() && capacity.begin("b").is_ok());
        drop(held);
        assert!(capacity.begin("a").is_ok());
    }
}
