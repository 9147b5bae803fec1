//! Maintenance of the tables: creates and drops monthly partitions, and deletes rows after their retention.
//!
//! ```text
//! refused             months are made ahead, rows moved into them, old months dropped; the rest is deleted by rows
//! outbox, deliveries  events that ended, with their deliveries, in order of their ids
//! outbox              events that waited for a target and that no target can receive any more
//! commit_statuses     statuses that were posted long ago
//!                     deliveries to disabled targets are ended, and not deleted
//! bot_beats           transitions; heartbeats that changed nothing are deleted earlier, by the sweep of the source
//! kcidb_receipts      after 90 days
//! kcidb_log_excerpts  texts that no row references any more: a pass over all of them, once a day
//! statistics          of partitioned tables, which autovacuum leaves out: once a day
//! ```
//!
//! Work is done in chunks. A chunk is a short, bounded transaction under a lock that one run holds at a time. A run may
//! be interrupted at any point, and the next one continues: committed chunks stay, and long passes store their cursor.
//! Ingest continues meanwhile. Which tables have partitions, and why the others do not, is in
//! `migrations/0018_upkeep.sql`.

mod months;
mod report;
mod retention;

use std::time::Duration;

use jiff::Timestamp;

use self::report::Left;
pub use self::report::{Gone, Report};
pub use self::retention::{Retention, retention, retention_days};
use crate::db::maintenance::{
    analyze_partitioned, drop_rejected_month, maintenance_lock, maintenance_pass, make_rejected_month, prune_rejected,
    rejected_months, save_maintenance_pass,
};
use crate::db::{Retrying, StoreError, Tx};
use crate::outbox::list;
use crate::platform::clock::Deadline;
use crate::platform::failure::chain;
use crate::platform::hex::{bytes, hex};
use crate::sources::{bots, kcidb};

/// The most rows of a chunk.
const CHUNK_ROWS: i64 = 2000;
/// The time that a chunk may need; with less time, the work is left to the next run.
const CHUNK_TIME: Duration = Duration::from_secs(3);

/// A task of maintenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Months,
    Rejected,
    Events,
    Unrouted,
    Statuses,
    Disabled,
    Transitions,
    Receipts,
    LogExcerpts,
    Statistics,
}

impl Task {
    const ALL: [Self; 10] = [
        Self::Months,
        Self::Rejected,
        Self::Events,
        Self::Unrouted,
        Self::Statuses,
        Self::Disabled,
        Self::Transitions,
        Self::Receipts,
        Self::LogExcerpts,
        Self::Statistics,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Months => "months",
            Self::Rejected => "refused",
            Self::Events => "events",
            Self::Unrouted => "unrouted",
            Self::Statuses => "statuses",
            Self::Disabled => "disabled",
            Self::Transitions => "transitions",
            Self::Receipts => "receipts",
            Self::LogExcerpts => "log_excerpts",
            Self::Statistics => "statistics",
        }
    }
}

/// The result of a chunk.
#[derive(Debug, Default)]
struct Chunk {
    made: Option<String>,
    moved: i64,
    dropped: Option<String>,
    gone: Vec<(&'static str, i64)>,
    /// Deliveries and statuses to disabled targets that were ended.
    ended: i64,
    /// Where the next chunk begins; `None` at the end of the task.
    next: Option<Cursor>,
}

/// The position of a task within a run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cursor {
    Start,
    /// After this number of chunks, or of months that were passed over.
    Count(usize),
    /// After the event with this id.
    After(i64),
    /// After the text with this hash.
    Hash(Vec<u8>),
}

/// Runs all tasks until they are done or the time is over. With `dry_run` rows are counted and nothing is written.
///
/// # Errors
/// Never: work that was not done is in the report, and is left to the next run.
pub async fn run(store: &Retrying, retention: &Retention, now: Timestamp, deadline: Deadline, dry_run: bool) -> Report {
    let mut report = Report { dry_run, ..Report::default() };
    for task in Task::ALL {
        let mut cursor = Cursor::Start;
        loop {
            if deadline.remaining() < CHUNK_TIME {
                report.left.push(Left { task: task.name(), why: "the time is over".to_owned() });
                break;
            }
            let chunk = store.in_tx("maintenance", async |tx| match maintenance_lock(tx).await? {
                true => chunk(tx, task, &cursor, retention, now, dry_run).await.map(Some),
                false => Ok(None),
            });
            let chunk = match chunk.await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => {
                    report.busy = true;
                    return report;
                }
                Err(error) => {
                    report.left.push(Left { task: task.name(), why: chain(&error) });
                    break;
                }
            };
            report.made.extend(chunk.made);
            report.moved += chunk.moved;
            report.dropped.extend(chunk.dropped);
            report.ended += chunk.ended;
            for (table, rows) in chunk.gone {
                report.count(table, rows);
            }
            match chunk.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
    }
    report
}

/// Does the next chunk of a task.
async fn chunk(
    tx: &Tx<'_>,
    task: Task,
    cursor: &Cursor,
    retention: &Retention,
    now: Timestamp,
    dry_run: bool,
) -> Result<Chunk, StoreError> {
    let rejected_before = months::cutoff(now, retention.refused_days);
    let most = if dry_run { i64::MAX } else { CHUNK_ROWS };
    match task {
        Task::Months => month(tx, cursor, retention, now, dry_run).await,
        Task::Rejected => Ok(rows("refused", prune_rejected(tx, rejected_before, most, dry_run).await?, most, cursor)),
        Task::Events => {
            let after = if let Cursor::After(id) = cursor { *id } else { 0 };
            let pruned = list::prune_events(tx, after, CHUNK_ROWS, retention.delivery_days, dry_run).await?;
            Ok(Chunk {
                gone: vec![("outbox", pruned.events), ("deliveries", pruned.deliveries)],
                next: pruned.last.filter(|_| pruned.more).map(Cursor::After),
                ..Chunk::default()
            })
        }
        Task::Unrouted => Ok(rows("outbox", list::prune_unrouted(tx, most, dry_run).await?, most, cursor)),
        Task::Statuses => {
            let statuses = list::prune_statuses(tx, retention.delivery_days, most, dry_run).await?;
            Ok(rows("commit_statuses", statuses, most, cursor))
        }
        Task::Disabled => {
            let ended = list::end_disabled(tx, most, dry_run).await?;
            Ok(Chunk { ended, next: (ended >= most).then_some(Cursor::Start), ..Chunk::default() })
        }
        Task::Transitions => {
            let before = months::cutoff(now, retention.transition_days);
            Ok(rows("bot_beats", bots::prune_transitions(tx, before, most, dry_run).await?, most, cursor))
        }
        Task::Receipts if dry_run => Ok(Chunk::default()),
        Task::Receipts => {
            // The statement of ingest, which deletes up to a hundred.
            Ok(rows("kcidb_receipts", kcidb::prune_receipts(tx).await?, 100, cursor))
        }
        Task::LogExcerpts => log_excerpts(tx, cursor, dry_run).await,
        Task::Statistics if dry_run => Ok(Chunk::default()),
        Task::Statistics => {
            if maintenance_pass(tx, task.name()).await?.is_some() {
                analyze_partitioned(tx).await?;
                save_maintenance_pass(tx, task.name(), None).await?;
            }
            Ok(Chunk::default())
        }
    }
}

/// The result of deleting rows of one table; a full chunk is followed by another.
fn rows(table: &'static str, rows: i64, most: i64, cursor: &Cursor) -> Chunk {
    let chunks = if let Cursor::Count(chunks) = cursor { *chunks } else { 0 };
    Chunk { gone: vec![(table, rows)], next: (rows >= most).then_some(Cursor::Count(chunks + 1)), ..Chunk::default() }
}

/// Creates or drops the partition of one month of `refused`: first the months to be made, then those to be dropped. A
/// month that cannot be made (too many rows) or dropped (it has rows that came later) is passed over.
async fn month(
    tx: &Tx<'_>,
    cursor: &Cursor,
    retention: &Retention,
    now: Timestamp,
    dry_run: bool,
) -> Result<Chunk, StoreError> {
    let (from, to) = months::kept(now, retention.refused_days);
    let found = rejected_months(tx, from, to).await?;
    let make = months::to_make(now, &found).into_iter().map(|month| (month, true));
    let drop = months::to_drop(now, retention.refused_days, &found).into_iter().map(|month| (month, false));
    // Months that were made or dropped are not found any more; the others are counted and passed over.
    let passed = if let Cursor::Count(passed) = cursor { *passed } else { 0 };
    let Some((month, is_new)) = make.chain(drop).nth(passed) else { return Ok(Chunk::default()) };
    let name = months::name(month);
    if dry_run {
        let next = Some(Cursor::Count(passed + 1));
        let (made, dropped) = if is_new { (Some(name), None) } else { (None, Some(name)) };
        return Ok(Chunk { made, dropped, next, ..Chunk::default() });
    }
    let mut chunk = Chunk { next: Some(Cursor::Count(passed)), ..Chunk::default() };
    if is_new {
        match make_rejected_month(tx, month).await? {
            Some(moved) => (chunk.made, chunk.moved) = (Some(name), moved),
            None => chunk.next = Some(Cursor::Count(passed + 1)),
        }
    } else {
        match drop_rejected_month(tx, month, months::cutoff(now, retention.refused_days)).await? {
            Some(rows) => (chunk.dropped, chunk.gone) = (Some(name), vec![("refused", rows)]),
            None => chunk.next = Some(Cursor::Count(passed + 1)),
        }
    }
    Ok(chunk)
}

/// A chunk of the pass over the log excerpts. Its cursor is in the database, so that the next run continues there.
async fn log_excerpts(tx: &Tx<'_>, cursor: &Cursor, dry_run: bool) -> Result<Chunk, StoreError> {
    let task = Task::LogExcerpts.name();
    let after = match cursor {
        Cursor::Hash(hash) => hash.clone(),
        _ if dry_run => Vec::new(),
        _ => match maintenance_pass(tx, task).await? {
            // An invalid text begins the pass anew.
            Some(saved) => bytes(&saved).unwrap_or_default(),
            None => return Ok(Chunk::default()),
        },
    };
    let done = kcidb::prune_log_excerpts(tx, &after, CHUNK_ROWS, dry_run).await?;
    if !dry_run {
        save_maintenance_pass(tx, task, done.last.as_deref().map(hex).as_deref()).await?;
    }
    let next = done.last.map(Cursor::Hash);
    Ok(Chunk { gone: vec![("kcidb_log_excerpts", done.gone)], next, ..Chunk::default() })
}
