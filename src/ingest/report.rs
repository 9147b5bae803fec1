//! The outcomes of a batch.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::commit::Committed;
use super::read::Batch;
use crate::db::{ErrorClass, StoreError};
use crate::outbox::Due;
use crate::platform::failure::chain;
use crate::sources::Source;
use crate::transport::Delivery;

/// The name for messages that no source recognised.
const UNKNOWN: &str = "unknown";

/// The outcome of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing in it is for us.
    Ignored,
    /// Its content is known already, or newer content is: the version guard rejected it.
    #[serde(rename = "stale")]
    Outdated,
    /// Its content changed rows.
    Kept,
    /// A part of it is rejected and stored in the table `refused`; the rest was processed.
    #[serde(rename = "refused")]
    Rejected,
    /// It could not be tried: it is to be delivered again.
    #[serde(rename = "again")]
    Retry,
}

/// Numbers of messages by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All messages.
    pub received: u64,
    /// Messages that changed rows.
    pub kept: u64,
    /// Outdated messages: known already, or older than the stored state.
    pub stale: u64,
    /// Ignored messages: not for us.
    pub ignored: u64,
    /// Rejected messages.
    pub refused: u64,
    /// Messages to retry, since they could not be tried.
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

/// The outcomes of a batch, delivery by delivery.
#[derive(Debug)]
pub struct Report {
    outcomes: Vec<Outcome>,
    /// Id of each delivery.
    ids: Vec<String>,
    message_delivery: Vec<usize>,
    message_source: Vec<Source>,
    rejected: Vec<usize>,
    has_records: Vec<bool>,
    /// Reasons of rejected and ignored messages, and sources with dropped details, each with a number: for people and
    /// counters.
    pub reasons: BTreeMap<String, u64>,
    /// The same for each delivery, by its index.
    delivery_reasons: BTreeMap<(usize, String), u64>,
    /// Numbers of messages by the source that recognised them, or `unknown`; a delivery may hold several.
    pub messages: BTreeMap<&'static str, Counts>,
    /// Details that could not be stored, of messages that were.
    pub dropped: u64,
    /// Why nothing was written, if so, with causes.
    pub error: Option<(ErrorClass, String)>,
    /// Age of the oldest message when it was ingested.
    pub lag: Option<Duration>,
    /// The deliveries that became due.
    pub due: Due,
    /// Time spent decoding.
    pub decode: Duration,
    /// Time spent writing, including retries.
    pub write: Duration,
}

impl Report {
    pub(super) fn new(deliveries: &[Delivery], batch: &Batch, now: Timestamp) -> Self {
        let mut report = Self {
            outcomes: vec![Outcome::Ignored; deliveries.len()],
            ids: deliveries.iter().map(|delivery| delivery.id.clone()).collect(),
            message_delivery: batch.messages.iter().map(|message| message.delivery).collect(),
            message_source: batch.messages.iter().map(|message| message.source).collect(),
            rejected: batch.refused.iter().map(|(delivery, _)| *delivery).collect(),
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
            report.outcomes[message.delivery] = Outcome::Outdated;
            report.count(message.source.name()).stale += 1;
        }
        for (delivery, rejected) in &batch.refused {
            report.outcomes[*delivery] = Outcome::Rejected;
            report.count(rejected.family.unwrap_or(UNKNOWN)).refused += 1;
            report.count_reason(*delivery, format!("refused: {}", rejected.reason));
        }
        for (delivery, source, why) in &batch.ignored {
            report.count(source.map_or(UNKNOWN, Source::name)).ignored += 1;
            let source = source.map(|source| format!("{source} ")).unwrap_or_default();
            report.count_reason(*delivery, format!("ignored: {source}{why}"));
        }
        for (source, count) in &batch.dropped {
            report.dropped += count;
            *report.reasons.entry(format!("dropped: {source} details")).or_default() += count;
        }
        let oldest = batch.messages.iter().filter_map(|message| message.sent_at).min();
        for counts in report.messages.values_mut() {
            counts.received = counts.stale + counts.refused + counts.ignored;
        }
        report.lag = oldest.and_then(|oldest| Duration::try_from(now.duration_since(oldest)).ok());
        report
    }

    /// Counts a reason of a delivery.
    fn count_reason(&mut self, delivery: usize, reason: String) {
        *self.reasons.entry(reason.clone()).or_default() += 1;
        *self.delivery_reasons.entry((delivery, reason)).or_default() += 1;
    }

    fn count(&mut self, source: &'static str) -> &mut Counts {
        self.messages.entry(source).or_default()
    }

    pub(super) fn committed(&mut self, committed: &Committed) {
        self.due = committed.due;
        for message in &committed.kept {
            let counts = self.count(self.message_source[*message].name());
            (counts.kept, counts.stale) = (counts.kept + 1, counts.stale - 1);
            let outcome = &mut self.outcomes[self.message_delivery[*message]];
            *outcome = (*outcome).max(Outcome::Kept);
        }
        for message in committed.poison.keys() {
            let counts = self.count(self.message_source[*message].name());
            (counts.refused, counts.stale) = (counts.refused + 1, counts.stale - 1);
            self.outcomes[self.message_delivery[*message]] = Outcome::Rejected;
            self.count_reason(self.message_delivery[*message], "refused: database".to_owned());
        }
    }

    /// Nothing was written: all deliveries with records or rejected messages are to be retried. Ignored ones stay
    /// ignored.
    pub(super) fn failed(&mut self, error: &StoreError) {
        for delivery in 0..self.outcomes.len() {
            if self.has_records[delivery] || self.rejected.contains(&delivery) {
                self.outcomes[delivery] = Outcome::Retry;
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
        self.error = Some((error.class(), chain(error)));
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

    /// Ids of the deliveries to retry.
    pub fn to_retry(&self) -> impl Iterator<Item = &str> {
        self.ids
            .iter()
            .zip(&self.outcomes)
            .filter(|(_, outcome)| **outcome == Outcome::Retry)
            .map(|(id, _)| id.as_str())
    }

    /// Why messages of a delivery were rejected or ignored, with their number.
    #[must_use]
    pub fn reasons_of(&self, delivery: usize) -> Vec<(&str, u64)> {
        let reasons = self.delivery_reasons.range((delivery, String::new())..(delivery + 1, String::new()));
        reasons.map(|((_, reason), count)| (reason.as_str(), *count)).collect()
    }

    /// Numbers of messages by outcome, however many deliveries (files, for instance) they came in.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.messages.values().for_each(|of_source| counts.add(*of_source));
        counts
    }
}
