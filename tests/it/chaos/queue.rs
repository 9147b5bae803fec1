//! A fake of SQS: at-least-once delivery, no order, visibility timeout, receive count. Its time passes more quickly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::plan::Message;
use crate::support::random::Random;

/// The longest visibility timeout, whatever is asked for: a minute is a second here, and an hour is no longer.
const LONGEST: Duration = Duration::from_millis(1500);

/// The queue, shared by all its consumers.
#[derive(Clone)]
pub struct Queue(Arc<Mutex<State>>);

struct State {
    slots: Vec<Slot>,
    /// Whether messages are delivered in order, the next batch after the previous one is done; then there is one
    /// consumer.
    in_order: bool,
    random: Random,
    redeliveries: u64,
}

struct Slot {
    message: Message,
    visible_at: Instant,
    receives: u32,
    in_flight: bool,
    deleted: bool,
    /// How often it is still delivered after its deletion.
    ghosts: u32,
}

/// A received message.
#[derive(Clone, Debug)]
pub struct InHand {
    /// The message.
    pub message: Message,
    /// The receipt handle, valid for this receive.
    pub handle: String,
    /// How often it was received, this time included.
    pub receives: u32,
}

impl Queue {
    /// A queue with messages that are sent over a time; some of them are delivered again after their deletion.
    pub fn new(messages: &[Message], in_order: bool, over: Duration, seed: u64) -> Self {
        let start = Instant::now();
        let slot = |(number, message): (usize, &Message)| Slot {
            message: message.clone(),
            visible_at: start + over * number as u32 / messages.len().max(1) as u32,
            receives: 0,
            in_flight: false,
            deleted: false,
            ghosts: message.again,
        };
        let slots = messages.iter().enumerate().map(slot).collect();
        Self(Arc::new(Mutex::new(State { slots, in_order, random: Random::new(seed), redeliveries: 0 })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Receives up to so many messages; they are hidden from others for a time.
    pub fn receive(&self, most: usize, hidden: Duration) -> Vec<InHand> {
        let mut state = self.state();
        let now = Instant::now();
        for slot in &mut state.slots {
            slot.in_flight &= slot.visible_at > now;
        }
        let mut found: Vec<usize> = (0..state.slots.len()).filter(|n| state.slots[*n].waits(now)).collect();
        if state.in_order {
            found = state.next_batch(&found);
        } else {
            state.random.shuffle(&mut found);
            found.truncate(most);
        }
        let mut in_hand = Vec::new();
        for number in found {
            let slot = &mut state.slots[number];
            slot.receives += 1;
            slot.in_flight = true;
            slot.visible_at = now + hidden;
            let (message, receives) = (slot.message.clone(), slot.receives);
            in_hand.push(InHand { message, handle: format!("{number}-{receives}"), receives });
            state.redeliveries += u64::from(receives > 1);
        }
        in_hand
    }

    /// Deletes a message, unless another consumer has received it since.
    pub fn delete(&self, handle: &str) {
        let mut state = self.state();
        let wait = Duration::from_millis(state.random.below(1500) as u64);
        if let Some(slot) = state.slot(handle) {
            slot.in_flight = false;
            slot.deleted = slot.ghosts == 0;
            slot.ghosts = slot.ghosts.saturating_sub(1);
            slot.visible_at = Instant::now() + wait;
            slot.message.was_taken = true;
        }
    }

    /// Hides a message from now on for so long, unless another consumer has received it since.
    pub fn hide(&self, handle: &str, time: Duration) {
        if let Some(slot) = self.state().slot(handle) {
            let time = if time >= Duration::from_secs(60) { time / 60 } else { time };
            slot.visible_at = Instant::now() + time.min(LONGEST);
        }
    }

    /// The number of messages that are not acknowledged.
    pub fn left(&self) -> usize {
        self.state().slots.iter().filter(|slot| !slot.deleted).count()
    }

    /// The number of redeliveries, and the largest receive count of a message.
    pub fn redeliveries(&self) -> (u64, u32) {
        let state = self.state();
        (state.redeliveries, state.slots.iter().map(|slot| slot.receives).max().unwrap_or_default())
    }
}

impl Slot {
    fn waits(&self, now: Instant) -> bool {
        !self.deleted && self.visible_at <= now
    }
}

impl State {
    fn slot(&mut self, handle: &str) -> Option<&mut Slot> {
        let (number, receives) = handle.split_once('-')?;
        let slot = self.slots.get_mut(number.parse::<usize>().ok()?)?;
        (!slot.deleted && slot.in_flight && slot.receives.to_string() == receives).then_some(slot)
    }

    /// The messages to deliver in order: those that are redelivered, else the first batch that is not done.
    fn next_batch(&self, waiting: &[usize]) -> Vec<usize> {
        let again: Vec<usize> = waiting.iter().copied().filter(|n| self.slots[*n].message.was_taken).collect();
        if !again.is_empty() {
            return again;
        }
        let mut batches: HashMap<usize, Vec<usize>> = HashMap::new();
        let open = self.slots.iter().enumerate().filter(|(_, slot)| !slot.deleted && !slot.message.was_taken);
        for (number, slot) in open {
            batches.entry(slot.message.batch).or_default().push(number);
        }
        let first = batches.keys().min().and_then(|first| batches.get(first)).cloned().unwrap_or_default();
        // The whole batch or nothing: the events of a transaction depend on its messages.
        if first.iter().all(|number| waiting.contains(number)) { first } else { Vec::new() }
    }
}
