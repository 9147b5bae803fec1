//! What became of a batch.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::commit::Committed;
use super::read::Batch;
use crate::envelope::Delivery;
use crate::family::Family;
use crate::outbox::Due;
use crate::store::{StoreError, Verdict, chain};

/// The family of what no family recognised.
const UNKNOWN: &str = "unknown";

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing in it is for us.
    Ignored,
    /// What it says is known already, or newer is.
    Stale,
    /// It changed something.
    Kept,
    /// Something in it cannot be kept; that is in the table `refused`, the rest of it was treated as usual.
    Refused,
    /// It could not be tried: to be delivered again.
    Again,
}

/// Numbers of messages by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All.
    pub received: u64,
    /// Changed something.
    pub kept: u64,
    /// Known already.
    pub stale: u64,
    /// Not for us.
    pub ignored: u64,
    /// Cannot be kept.
    pub refused: u64,
    /// Could not be tried.
    pub again: u64,
}

impl Counts {
    /// Adds the numbers of another batch.
    pub fn add(&mut self, other: Self) {
        self.received += other.received;
        self.kept += other.kept;
        self.stale += other.stale;
        self.ignored += other.ignored;
        self.refused += other.refused;
        self.again += other.again;
    }
}

/// What became of a batch, delivery by delivery.
#[derive(Debug)]
pub struct Report {
    outcomes: Vec<Outcome>,
    /// Id of each delivery.
    ids: Vec<String>,
    message_delivery: Vec<usize>,
    message_family: Vec<Family>,
    refused: Vec<usize>,
    has_records: Vec<bool>,
    /// Why messages were refused or ignored, and of which sources details were dropped, with their number: for people and counters.
    pub reasons: BTreeMap<String, u64>,
    /// The same by the number of the delivery.
    delivery_reasons: BTreeMap<(usize, String), u64>,
    /// Numbers of messages by the family that recognised them, `unknown` for none: a delivery may hold several.
    pub messages: BTreeMap<&'static str, Counts>,
    /// Details that could not be kept, of messages that are.
    pub dropped: u64,
    /// Why nothing was written, if so; with causes.
    pub error: Option<(Verdict, String)>,
    /// Age of the oldest message when it was taken in.
    pub lag: Option<Duration>,
    /// What is to be delivered by what was written.
    pub due: Due,
    /// Time spent reading.
    pub decode: Duration,
    /// Time spent writing, waiting included.
    pub write: Duration,
}

impl Report {
    pub(super) fn new(deliveries: &[Delivery], batch: &Batch, now: Timestamp) -> Self {
        let mut report = Self {
            outcomes: vec![Outcome::Ignored; deliveries.len()],
            ids: deliveries.iter().map(|delivery| delivery.id.clone()).collect(),
            message_delivery: batch.messages.iter().map(|message| message.delivery).collect(),
            message_family: batch.messages.iter().map(|message| message.family).collect(),
            refused: batch.refused.iter().map(|(delivery, _)| *delivery).collect(),
            has_records: vec![false; deliveries.len()],
            reasons: BTreeMap::new(),
            delivery_reasons: BTreeMap::new(),
            messages: BTreeMap::new(),
            dropped: 0,
            error: None,
            lag: None,
            due: Due::default(),
            decode: Duration::ZERO,
            write: Duration::ZERO,
        };
        for message in &batch.messages {
            report.has_records[message.delivery] = true;
            report.outcomes[message.delivery] = Outcome::Stale;
            report.count(message.family.name()).stale += 1;
        }
        for (delivery, refused) in &batch.refused {
            report.outcomes[*delivery] = Outcome::Refused;
            report.count(refused.family.unwrap_or(UNKNOWN)).refused += 1;
            report.say(*delivery, format!("refused: {}", refused.reason));
        }
        for (delivery, family, why) in &batch.ignored {
            report.count(family.map_or(UNKNOWN, Family::name)).ignored += 1;
            let family = family.map(|family| format!("{family} ")).unwrap_or_default();
            report.say(*delivery, format!("ignored: {family}{why}"));
        }
        for (family, count) in &batch.dropped {
            report.dropped += count;
            *report.reasons.entry(format!("dropped: {family} details")).or_default() += count;
        }
        let oldest = batch.messages.iter().filter_map(|message| message.sent_at).min();
        for counts in report.messages.values_mut() {
            counts.received = counts.stale + counts.refused + counts.ignored;
        }
        report.lag = oldest.and_then(|oldest| Duration::try_from(now.duration_since(oldest)).ok());
        report
    }

    /// Notes why something of a delivery was refused or ignored.
    fn say(&mut self, delivery: usize, reason: String) {
        *self.reasons.entry(reason.clone()).or_default() += 1;
        *self.delivery_reasons.entry((delivery, reason)).or_default() += 1;
    }

    fn count(&mut self, family: &'static str) -> &mut Counts {
        self.messages.entry(family).or_default()
    }

    pub(super) fn committed(&mut self, committed: &Committed) {
        self.due = committed.due;
        for message in &committed.kept {
            let counts = self.count(self.message_family[*message].name());
            (counts.kept, counts.stale) = (counts.kept + 1, counts.stale - 1);
            let outcome = &mut self.outcomes[self.message_delivery[*message]];
            *outcome = (*outcome).max(Outcome::Kept);
        }
        for message in committed.poison.keys() {
            let counts = self.count(self.message_family[*message].name());
            (counts.refused, counts.stale) = (counts.refused + 1, counts.stale - 1);
            self.outcomes[self.message_delivery[*message]] = Outcome::Refused;
            self.say(self.message_delivery[*message], "refused: database".to_owned());
        }
    }

    /// Nothing was written: all that had to be is to come again. What was to be ignored stays ignored.
    pub(super) fn failed(&mut self, error: &StoreError) {
        for delivery in 0..self.outcomes.len() {
            if self.has_records[delivery] || self.refused.contains(&delivery) {
                self.outcomes[delivery] = Outcome::Again;
            }
        }
        for counts in self.messages.values_mut() {
            *counts = Counts {
                received: counts.received,
                ignored: counts.ignored,
                again: counts.stale + counts.refused,
                ..Counts::default()
            };
        }
        self.error = Some((error.verdict(), chain(error)));
    }

    pub(super) fn finish(&mut self, decode: Duration, total: Duration) {
        self.decode = decode;
        self.write = total.saturating_sub(decode);
    }

    /// The outcome of each delivery, in order.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Ids of the deliveries that are to come again.
    pub fn again(&self) -> impl Iterator<Item = &str> {
        self.ids
            .iter()
            .zip(&self.outcomes)
            .filter(|(_, outcome)| **outcome == Outcome::Again)
            .map(|(id, _)| id.as_str())
    }

    /// Why something of a delivery was refused or ignored, with the number of messages.
    #[must_use]
    pub fn reasons_of(&self, delivery: usize) -> Vec<(&str, u64)> {
        let of_it = self.delivery_reasons.range((delivery, String::new())..(delivery + 1, String::new()));
        of_it.map(|((_, reason), count)| (reason.as_str(), *count)).collect()
    }

    /// Numbers of messages by outcome, whatever number of deliveries (of files, for instance) they came in.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.messages.values().for_each(|of_family| counts.add(*of_family));
        counts
    }
}
