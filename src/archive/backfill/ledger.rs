//! The counts of a run, and its cursor: the key up to which everything is committed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Claim, Summary};
use crate::ingest::{Counts, Report};
use crate::platform::clock;

/// The most unreadable objects that are listed by key; the others are only counted.
const NAMED: usize = 1000;

/// The counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Objects of the archive that are done, unreadable ones included.
    pub objects: u64,
    /// Objects that could not be read.
    pub unreadable: u64,
    /// Bytes of the objects, as they are stored.
    pub bytes: u64,
    /// Messages in them.
    pub messages: u64,
    /// Messages that changed a row; in a dry run those that were decoded.
    pub kept: u64,
    /// Outdated messages: the stored row is the same or newer.
    pub stale: u64,
    /// Messages of a kind that is not stored.
    pub ignored: u64,
    /// Rejected messages.
    pub refused: u64,
    /// The counts by source; `unknown` for messages that no source recognises.
    pub families: BTreeMap<String, Counts>,
    /// The number of ignored and rejected messages by reason.
    pub reasons: BTreeMap<String, u64>,
    /// The time that the run took, in seconds.
    pub seconds: f64,
}

impl Totals {
    /// The JSON for the table of runs.
    pub(super) fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// Reads the JSON of the table; counts that an older release did not have are 0.
    pub(super) fn from_json(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    /// Adds the outcomes of a batch.
    fn add(&mut self, report: &Report, dry_run: bool) {
        for (source, counts) in &report.messages {
            let mut counts = *counts;
            if dry_run {
                (counts.kept, counts.stale) = (counts.stale, 0);
            }
            self.messages += counts.received;
            self.kept += counts.kept;
            self.stale += counts.stale;
            self.ignored += counts.ignored;
            self.refused += counts.refused;
            self.families.entry((*source).to_owned()).or_default().add(counts);
        }
        for (reason, count) in &report.reasons {
            *self.reasons.entry(reason.clone()).or_default() += count;
        }
    }
}

/// An object that could not be read, or only in part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Its key.
    pub key: String,
    /// The error.
    pub reason: String,
}

/// The objects that are done once a batch is committed.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// The key of the last object that ends in the batch.
    pub(super) cursor: Option<String>,
    /// The number of objects that end in it.
    pub(super) objects: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Objects that could not be read.
    pub(super) unreadable: Vec<Unreadable>,
}

/// A batch that is committed.
#[derive(Debug)]
pub(super) struct Written {
    /// Its number, from 0.
    pub(super) number: u64,
    /// The objects that are done.
    pub(super) part: Part,
    /// The outcomes of its messages.
    pub(super) report: Report,
    /// Whether it was only counted, not written.
    pub(super) dry_run: bool,
}

/// Puts the batches of several writers back into their order. A batch is counted once all batches before it are
/// written, so the cursor never passes a batch that is still being written.
pub(super) struct Ledger {
    next: u64,
    waiting: BTreeMap<u64, Written>,
    totals: Totals,
    cursor: Option<String>,
    unreadable: Vec<Unreadable>,
    unreadable_changed: bool,
    /// Seconds that the run took before, and when it was continued.
    before: f64,
    since: Timestamp,
}

impl Ledger {
    /// Continues from the saved state of a run.
    pub(super) fn new(claim: &Claim) -> Self {
        Self {
            next: 0,
            waiting: BTreeMap::new(),
            totals: claim.totals.clone(),
            cursor: claim.cursor.clone(),
            unreadable: claim.unreadable.clone(),
            unreadable_changed: false,
            before: claim.totals.seconds,
            since: clock::now(),
        }
    }

    /// Adds a written batch.
    pub(super) fn add(&mut self, batch: Written) {
        self.waiting.insert(batch.number, batch);
        while let Some(batch) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.totals.add(&batch.report, batch.dry_run);
            self.totals.objects += batch.part.objects;
            self.totals.bytes += batch.part.bytes;
            self.totals.unreadable += batch.part.unreadable.len() as u64;
            self.unreadable_changed |= !batch.part.unreadable.is_empty() && self.unreadable.len() < NAMED;
            self.unreadable.extend(batch.part.unreadable);
            self.unreadable.truncate(NAMED);
            self.cursor = batch.part.cursor.or(self.cursor.take());
        }
        self.totals.seconds = self.before + clock::now().duration_since(self.since).as_secs_f64();
    }

    /// Whether all of `batches` batches are committed.
    pub(super) fn is_complete(&self, batches: u64) -> bool {
        self.next == batches
    }

    /// The counts up to the cursor.
    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The last key up to which everything is committed.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The unreadable objects as JSON, if there are more than were saved.
    pub(super) fn new_unreadable(&self) -> Option<String> {
        self.unreadable_changed.then(|| serde_json::json!(self.unreadable).to_string())
    }

    /// Marks the unreadable objects as saved.
    pub(super) fn unreadable_saved(&mut self) {
        self.unreadable_changed = false;
    }

    /// The summary of the run.
    pub(super) fn summary(self, run: String, state: String, error: Option<String>) -> Summary {
        Summary { run, state, cursor: self.cursor, totals: self.totals, unreadable_objects: self.unreadable, error }
    }
}
