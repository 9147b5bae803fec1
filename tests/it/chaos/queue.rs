//! A queue as SQS is: at least once, in no order, hidden while somebody has it, counted. Its time is quicker.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::plan::Message;
use crate::support::random::Random;

/// Longest that a message is hidden, whatever is asked for: a minute of ours is a second here, and an hour no more.
const LONGEST: Duration = Duration::from_millis(1500);

/// The queue, as all its consumers share it.
#[derive(Clone)]
pub struct Queue(Arc<Mutex<State>>);

struct State {
    places: Vec<Place>,
    /// Whether messages come in their order, the next batch when the one before is done with; then there is one consumer.
    in_order: bool,
    random: Random,
    redeliveries: u64,
}

struct Place {
    message: Message,
    visible_at: Instant,
    receives: u32,
    in_flight: bool,
    deleted: bool,
    /// How often it comes although it was deleted.
    ghosts: u32,
}

/// A message in somebody's hand.
#[derive(Clone, Debug)]
pub struct InHand {
    /// What it is.
    pub message: Message,
    /// Valid for this receive.
    pub handle: String,
    /// How often it was received, this time included.
    pub receives: u32,
}

impl Queue {
    /// With messages, which are sent over a time, some of which come again after they were deleted.
    pub fn new(messages: &[Message], in_order: bool, over: Duration, seed: u64) -> Self {
        let start = Instant::now();
        let place = |(number, message): (usize, &Message)| Place {
            message: message.clone(),
            visible_at: start + over * number as u32 / messages.len().max(1) as u32,
            receives: 0,
            in_flight: false,
            deleted: false,
            ghosts: message.again,
        };
        let places = messages.iter().enumerate().map(place).collect();
        Self(Arc::new(Mutex::new(State { places, in_order, random: Random::new(seed), redeliveries: 0 })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Up to so many messages, hidden from others for a time.
    pub fn receive(&self, most: usize, hidden: Duration) -> Vec<InHand> {
        let mut state = self.state();
        let now = Instant::now();
        for place in &mut state.places {
            place.in_flight &= place.visible_at > now;
        }
        let mut found: Vec<usize> = (0..state.places.len()).filter(|n| state.places[*n].waits(now)).collect();
        if state.in_order {
            found = state.next_batch(&found);
        } else {
            state.random.shuffle(&mut found);
            found.truncate(most);
        }
        let mut in_hand = Vec::new();
        for number in found {
            let place = &mut state.places[number];
            place.receives += 1;
            place.in_flight = true;
            place.visible_at = now + hidden;
            let (message, receives) = (place.message.clone(), place.receives);
            in_hand.push(InHand { message, handle: format!("{number}-{receives}"), receives });
            state.redeliveries += u64::from(receives > 1);
        }
        in_hand
    }

    /// Takes a message away, unless somebody else has it by now.
    pub fn delete(&self, handle: &str) {
        let mut state = self.state();
        let wait = Duration::from_millis(state.random.below(1500) as u64);
        if let Some(place) = state.place(handle) {
            place.in_flight = false;
            place.deleted = place.ghosts == 0;
            place.ghosts = place.ghosts.saturating_sub(1);
            place.visible_at = Instant::now() + wait;
            place.message.was_taken = true;
        }
    }

    /// Hides a message from now on for so long, unless somebody else has it by now.
    pub fn hide(&self, handle: &str, time: Duration) {
        if let Some(place) = self.state().place(handle) {
            let time = if time >= Duration::from_secs(60) { time / 60 } else { time };
            place.visible_at = Instant::now() + time.min(LONGEST);
        }
    }

    /// How many messages are not done with.
    pub fn left(&self) -> usize {
        self.state().places.iter().filter(|place| !place.deleted).count()
    }

    /// How often a message came that had come before, and the most that one came.
    pub fn redeliveries(&self) -> (u64, u32) {
        let state = self.state();
        (state.redeliveries, state.places.iter().map(|place| place.receives).max().unwrap_or_default())
    }
}

impl Place {
    fn waits(&self, now: Instant) -> bool {
        !self.deleted && self.visible_at <= now
    }
}

impl State {
    fn place(&mut self, handle: &str) -> Option<&mut Place> {
        let (number, receives) = handle.split_once('-')?;
        let place = self.places.get_mut(number.parse::<usize>().ok()?)?;
        (!place.deleted && place.in_flight && place.receives.to_string() == receives).then_some(place)
    }

    /// Of those that wait: what has come before and comes again, else the first batch that is not done with.
    fn next_batch(&self, waiting: &[usize]) -> Vec<usize> {
        let again: Vec<usize> = waiting.iter().copied().filter(|n| self.places[*n].message.was_taken).collect();
        if !again.is_empty() {
            return again;
        }
        let mut batches: HashMap<usize, Vec<usize>> = HashMap::new();
        let open = self.places.iter().enumerate().filter(|(_, place)| !place.deleted && !place.message.was_taken);
        for (number, place) in open {
            batches.entry(place.message.batch).or_default().push(number);
        }
        let first = batches.keys().min().and_then(|first| batches.get(first)).cloned().unwrap_or_default();
        // All of it or nothing: what a transaction tells depends on what is in it.
        if first.iter().all(|number| waiting.contains(number)) { first } else { Vec::new() }
    }
}
