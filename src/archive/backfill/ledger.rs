//! What was counted, and up to which key everything is committed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Claim, Summary};
use crate::clock;
use crate::pipeline::{Counts, Report};

/// So many unreadable objects are named; more are only counted.
const NAMED: usize = 1000;

/// What was counted of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Objects of the archive that are done with, unreadable ones included.
    pub objects: u64,
    /// Objects that could not be read.
    pub unreadable: u64,
    /// Bytes of objects, as they are stored.
    pub bytes: u64,
    /// Messages in them.
    pub messages: u64,
    /// Messages that changed something; in a dry run those that would be offered to the tables.
    pub kept: u64,
    /// Messages that were known already, or older than what is known.
    pub stale: u64,
    /// Messages that are not for us.
    pub ignored: u64,
    /// Messages that cannot be kept.
    pub refused: u64,
    /// The same by family; `unknown` for messages of none.
    pub families: BTreeMap<String, Counts>,
    /// Why messages were ignored or refused, and how many.
    pub reasons: BTreeMap<String, u64>,
    /// Time that it took.
    pub seconds: f64,
}

impl Totals {
    /// As it is kept in the table.
    pub(super) fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// From the table; what an older program did not count is 0.
    pub(super) fn from_json(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    /// Counts what became of a batch.
    fn add(&mut self, report: &Report, dry_run: bool) {
        for (family, counts) in &report.messages {
            let mut counts = *counts;
            if dry_run {
                (counts.kept, counts.stale) = (counts.stale, 0);
            }
            self.messages += counts.received;
            self.kept += counts.kept;
            self.stale += counts.stale;
            self.ignored += counts.ignored;
            self.refused += counts.refused;
            self.families.entry((*family).to_owned()).or_default().add(counts);
        }
        for (reason, count) in &report.reasons {
            *self.reasons.entry(reason.clone()).or_default() += count;
        }
    }
}

/// An object that could not be read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Its key.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// What is done with once a batch is committed.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// The last key that ends in the batch.
    pub(super) cursor: Option<String>,
    /// Objects that end in it.
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
    /// What is done with.
    pub(super) part: Part,
    /// What became of its messages.
    pub(super) report: Report,
    /// Whether nothing was written after all.
    pub(super) dry_run: bool,
}

/// Puts batches back into their order: only what comes before every batch that is still under way counts.
pub(super) struct Ledger {
    next: u64,
    waiting: BTreeMap<u64, Written>,
    totals: Totals,
    cursor: Option<String>,
    unreadable: Vec<Unreadable>,
    unreadable_changed: bool,
    /// Seconds that it took before, and when it was gone on with.
    before: f64,
    since: Timestamp,
}

impl Ledger {
    /// Goes on where a run was left.
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

    /// Takes a batch.
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

    /// Whether all of so many batches are committed.
    pub(super) fn is_complete(&self, batches: u64) -> bool {
        self.next == batches
    }

    /// What was counted up to the cursor.
    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The last key up to which everything is committed.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// What could not be read, as JSON, if there is more of it than was saved.
    pub(super) fn new_unreadable(&self) -> Option<String> {
        self.unreadable_changed.then(|| serde_json::json!(self.unreadable).to_string())
    }

    /// Says that it was saved.
    pub(super) fn unreadable_saved(&mut self) {
        self.unreadable_changed = false;
    }

    /// How the run is left.
    pub(super) fn summary(self, run: String, state: String, error: Option<String>) -> Summary {
        Summary { run, state, cursor: self.cursor, totals: self.totals, unreadable_objects: self.unreadable, error }
    }
}
