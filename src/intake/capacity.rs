//! How much is taken in at a time. One token has half of it at most, so that none can stop all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Problem;

/// Bodies of one token that come at a time; each holds a connection.
const READING: usize = 128;
/// Bytes are counted in units of so many.
const UNIT: usize = 1 << 10;

/// What there is, and what each token has of it.
#[derive(Clone)]
pub(super) struct Capacity {
    places: usize,
    bytes: usize,
    all: Share,
    tokens: Arc<Mutex<HashMap<String, Share>>>,
}

/// Places among the requests that are worked on, bytes of bodies, and bodies that come.
#[derive(Clone)]
struct Share {
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    reading: Arc<Semaphore>,
}

impl Share {
    fn new(places: usize, bytes: usize) -> Self {
        let units = (bytes / UNIT).clamp(1, u32::MAX as usize);
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { places: semaphore(places.max(1)), bytes: semaphore(units), reading: semaphore(READING) }
    }
}

/// What a request has taken; given back when it is dropped.
pub(super) struct Taken {
    all: Share,
    own: Share,
    permits: Vec<OwnedSemaphorePermit>,
}

impl Capacity {
    /// So many places, and so many bytes of bodies.
    pub(super) fn new(places: usize, bytes: usize) -> Self {
        Self { places, bytes, all: Share::new(places, bytes), tokens: Arc::default() }
    }

    /// Lets a request of a token begin to send its body.
    pub(super) fn begin(&self, token: &str) -> Result<Taken, Problem> {
        let own = {
            // There are as many as the document has names.
            let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.entry(token.to_owned()).or_insert_with(|| Share::new(self.places / 2, self.bytes / 2)).clone()
        };
        let reading = Arc::clone(&own.reading).try_acquire_owned().map_err(|_| Problem::Busy)?;
        Ok(Taken { all: self.all.clone(), own, permits: vec![reading] })
    }
}

impl Taken {
    /// Takes so many from what the token has, and from all; nothing where either has less.
    fn take(&mut self, of: fn(&Share) -> &Arc<Semaphore>, count: usize) -> bool {
        let Ok(count) = u32::try_from(count) else { return false };
        let take = |share: &Share| Arc::clone(of(share)).try_acquire_many_owned(count).ok();
        let Some((own, all)) = take(&self.own).and_then(|own| Some((own, take(&self.all)?))) else { return false };
        self.permits.extend([own, all]);
        true
    }

    /// Room for bytes of the body.
    pub(super) fn bytes(&mut self, count: usize) -> bool {
        self.take(|share| &share.bytes, count.div_ceil(UNIT))
    }

    /// A place among the requests that are worked on; the body is there.
    pub(super) fn place(mut self) -> Result<Self, Problem> {
        if self.take(|share| &share.places, 1) { Ok(self) } else { Err(Problem::Busy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_has_half_of_the_places_and_of_the_bytes() {
        let capacity = Capacity::new(4, 8 * UNIT);
        let begin = |token| capacity.begin(token).map_err(|problem| format!("{problem:?}"));
        let place = |token| begin(token).and_then(|taken| taken.place().map_err(|problem| format!("{problem:?}")));
        let held: Vec<Taken> = (0..2).map(|_| place("a").expect("a place")).collect();
        assert_eq!(place("a").err().as_deref(), Some("Busy"));
        let other: Vec<Taken> = (0..2).map(|_| place("b").expect("a place")).collect();
        assert_eq!(place("c").err().as_deref(), Some("Busy"), "all are taken");
        drop((held, other));
        assert!(place("c").is_ok());

        let mut large = begin("a").expect("it begins");
        assert!(large.bytes(4 * UNIT) && !large.bytes(1), "half of them");
        let mut small = begin("b").expect("it begins");
        assert!(small.bytes(3 * UNIT + 1) && !small.bytes(1));
        drop(large);
        assert!(begin("c").expect("it begins").bytes(1), "given back");
    }

    #[test]
    fn bodies_of_one_token_come_so_many_at_a_time() {
        let capacity = Capacity::new(16, 1 << 20);
        let held: Vec<_> = (0..READING).map(|_| capacity.begin("a").map_err(|_| ()).expect("it begins")).collect();
        assert!(capacity.begin("a").is_err() && capacity.begin("b").is_ok());
        drop(held);
        assert!(capacity.begin("a").is_ok());
    }
}
