//! Reads and writes the tables of the source: objects, log excerpts, milestones and occurrences of issues.

mod checks;
mod excerpts;
mod find;
mod objects;
mod origins;
mod progress;
mod prune;
pub mod reads;
mod receipts;
mod triage;
mod values;
mod whole;

use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};

pub use self::checks::{checks, lock_rows};
pub use self::find::{Found, Query, Summary, find, summaries};
use self::objects::{Change, Row};
pub use self::origins::{StoredObject, objects_of_other_origins};
pub use self::progress::{TABLE, finish_overdue, sweep};
pub use self::prune::{ExcerptChunk, prune_log_excerpts, prune_receipts};
pub use self::receipts::{Receipt, receipt};
pub use self::triage::{Triage, requeue};
use super::events::{self, ObjectEvent};
use super::record::{Kind, Record, Submission};
use super::rules::Stamp;
use crate::checks::Touched;
use crate::db::{StoreError, Tx};
use crate::outbox::{Announcer, Event};

/// Writes a batch of records, announces the changes, and returns the numbers of the messages that changed a row. Adds
/// the checkouts whose checks may have changed to `touched`.
///
/// # Errors
/// When a statement fails.
pub async fn write(
    tx: &Tx<'_>,
    batch: &[(usize, &Record)],
    announcer: &mut Announcer,
    touched: &mut Touched,
) -> Result<Vec<usize>, StoreError> {
    let (mut submissions, mut regexes) = (Vec::new(), Vec::new());
    for (number, record) in batch {
        match record {
            Record::Submission(submission) => submissions.push((*number, &**submission)),
            Record::IssueRegex(regex) => regexes.push((*number, &**regex)),
        }
    }
    let mut kept = triage::write(tx, &regexes).await?;
    kept.extend(write_submissions(tx, &submissions, announcer, touched).await?);
    Ok(Vec::from_iter(BTreeSet::from_iter(kept)))
}

async fn write_submissions(
    tx: &Tx<'_>,
    submissions: &[(usize, &Submission)],
    announcer: &mut Announcer,
    touched: &mut Touched,
) -> Result<Vec<usize>, StoreError> {
    receipts::write(tx, submissions).await?;
    let mut kept = Vec::new();
    if submissions.iter().all(|(_, submission)| submission.is_empty()) {
        return Ok(kept);
    }
    let now = now(tx).await?;
    announcer.open(tx).await?;
    excerpts::write(tx, submissions).await?;
    let (mut changed, mut resent) = (Vec::new(), Vec::new());
    let rows = Kind::ALL.map(|kind| rows(kind, submissions));
    for (kind, rows) in Kind::ALL.into_iter().zip(&rows).filter(|(_, rows)| !rows.is_empty()) {
        let written = objects::write(tx, kind, rows).await?;
        let (changes, others): (Vec<_>, Vec<_>) = written.into_iter().partition(|change| change.has_new_values);
        kept.extend(changes.iter().map(|change| change.row.number));
        announce(tx, kind, &changes, now, announcer).await?;
        changed.extend(changes.into_iter().map(|change| (kind, change)));
        resent.extend(others.into_iter().map(|change| (kind, change)));
    }
    triage::enqueue(tx, &changed).await?;
    progress::settle(tx, &changed, &resent, now, announcer, touched).await?;
    Ok(kept)
}

/// The time of the transaction, which is the time of its events.
async fn now(tx: &Tx<'_>) -> Result<Timestamp, StoreError> {
    let rows = tx.query(include_str!("sql/kcidb_now.sql"), &[]).await?;
    Ok(rows.first().map_or(Timestamp::UNIX_EPOCH, |row| row.get("at")))
}

/// The objects of a kind in the submissions as rows: each key once, sorted by key.
fn rows<'s>(kind: Kind, submissions: &[(usize, &'s Submission)]) -> Vec<Row<'s>> {
    let mut rows: Vec<Row<'s>> = Vec::new();
    for (number, submission) in submissions {
        let stamp = Stamp { at: submission.message_at, id: &submission.message_id };
        rows.extend(submission.objects[kind as usize].iter().map(|object| Row::new(kind, object, stamp, *number)));
    }
    rows.sort_by(|a, b| a.key().cmp(&b.key()));
    rows.dedup_by(|next, row| row.merges(next));
    rows
}

/// Announces new and changed objects. The event of a changed object has the whole row, which is read only if a target
/// receives the event.
async fn announce(
    tx: &Tx<'_>,
    kind: Kind,
    changes: &[Change<'_, '_>],
    now: Timestamp,
    announcer: &mut Announcer,
) -> Result<(), StoreError> {
    let [new, updated] = [true, false].map(|new| ObjectEvent::of_a_write(kind, new));
    if announcer.wants("kcidb", &events::name(kind, new)) {
        for change in changes.iter().filter(|change| change.new) {
            let at = announcer.time_of(change.row.number);
            announcer.add(Event { at, ..events::event(&change.row.view, new, now) });
        }
    }
    if announcer.wants("kcidb", &events::name(kind, updated)) {
        let numbers: HashMap<(&str, i64), usize> =
            changes.iter().filter(|change| !change.new).map(|change| (change.row.key(), change.row.number)).collect();
        let keys: Vec<(&str, i64)> =
            changes.iter().filter(|change| !change.new).map(|change| change.row.key()).collect();
        let stored = objects::read(tx, kind, &keys).await?;
        for object in &stored {
            let number = numbers.get(&(object.id.as_str(), object.version));
            let at = number.and_then(|number| announcer.time_of(*number));
            announcer.add(Event { at, ..events::event(&super::View::of(kind, object), updated, now) });
        }
    }
    Ok(())
}
