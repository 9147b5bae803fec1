//! What keeps the tables from growing for ever: partitions made ahead and dropped, and old rows thrown away.
//!
//! ```text
//! refused             months made ahead, rows moved into theirs, old months dropped; the rest by rows
//! outbox, deliveries  events that came to their end, with their deliveries, in order of their ids
//! outbox              events that waited for a target and that none can receive any more
//! commit_statuses     what was told long ago
//!                     and what waits for a disabled target is given up, but not thrown away
//! bot_beats           transitions; heartbeats that changed nothing go earlier, by the sweep of the family
//! kcidb_receipts      90 days
//! kcidb_log_excerpts  texts that nothing names any more: a pass over all of them, once a day
//! statistics          of partitioned tables, which autovacuum leaves out: once a day
//! ```
//!
//! A page is a transaction, short and bounded, under a lock that one upkeep has at a time. So a run may be cut at any point, and
//! the next one goes on: what is gone is gone, and long passes note how far they are. Ingest goes on beside it. Which tables
//! have months, and why the others do not, is in `migrations/0018_upkeep.sql`.

mod months;
mod report;

use std::time::Duration;

use jiff::Timestamp;

use self::report::Left;
pub use self::report::{Gone, Report};
use crate::clock::Deadline;
use crate::config::Retention;
use crate::hex::hex;
use crate::outbox::list;
use crate::store::upkeep::{
    analyze_partitioned, drop_refused_month, make_refused_month, prune_refused, refused_months, save_upkeep_pass,
    upkeep_lock, upkeep_pass,
};
use crate::store::{Patient, StoreError, Tx, chain};
use crate::{bots, kcidb};

/// Rows of a page, at most.
const PAGE: i64 = 2000;
/// Time that a page is given; with less, the work is left to the next run.
const A_PAGE: Duration = Duration::from_secs(3);

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Months,
    Refused,
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
        Self::Refused,
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
            Self::Refused => "refused",
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

/// What a page did.
#[derive(Debug, Default)]
struct Page {
    made: Option<String>,
    moved: i64,
    dropped: Option<String>,
    gone: Vec<(&'static str, i64)>,
    ended: i64,
    /// Where the next page begins; `None` at the end.
    next: Option<Place>,
}

/// How far a task is within a run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Start,
    /// Pages that were done before.
    Again(usize),
    /// After an event.
    After(i64),
    /// After a text, where it is not noted in the table.
    Hash(Vec<u8>),
}

/// Does upkeep until it is done or the time is over. With `dry_run` nothing is written, and only counted.
///
/// # Errors
/// Never: what was not done is in the report, and is done by the next run.
pub async fn run(store: &Patient, retention: &Retention, now: Timestamp, deadline: Deadline, dry_run: bool) -> Report {
    let mut report = Report { dry_run, ..Report::default() };
    for task in Task::ALL {
        let mut place = Place::Start;
        loop {
            if deadline.remaining() < A_PAGE {
                report.left.push(Left { task: task.name(), why: "the time is over".to_owned() });
                break;
            }
            let page = store.in_tx("upkeep", async |tx| match upkeep_lock(tx).await? {
                true => page(tx, task, &place, retention, now, dry_run).await.map(Some),
                false => Ok(None),
            });
            let page = match page.await {
                Ok(Some(page)) => page,
                Ok(None) => {
                    report.busy = true;
                    return report;
                }
                Err(error) => {
                    report.left.push(Left { task: task.name(), why: chain(&error) });
                    break;
                }
            };
            report.made.extend(page.made);
            report.moved += page.moved;
            report.dropped.extend(page.dropped);
            report.ended += page.ended;
            for (table, rows) in page.gone {
                report.count(table, rows);
            }
            match page.next {
                Some(next) => place = next,
                None => break,
            }
        }
    }
    report
}

/// The next page of a task.
async fn page(
    tx: &Tx<'_>,
    task: Task,
    place: &Place,
    retention: &Retention,
    now: Timestamp,
    dry_run: bool,
) -> Result<Page, StoreError> {
    let refused_before = months::cutoff(now, retention.refused_days);
    let most = if dry_run { i64::MAX } else { PAGE };
    match task {
        Task::Months => month(tx, place, retention, now, dry_run).await,
        Task::Refused => Ok(rows("refused", prune_refused(tx, refused_before, most, dry_run).await?, most, place)),
        Task::Events => {
            let after = if let Place::After(id) = place { *id } else { 0 };
            let pruned = list::prune_events(tx, after, PAGE, retention.delivery_days, dry_run).await?;
            Ok(Page {
                gone: vec![("outbox", pruned.events), ("deliveries", pruned.deliveries)],
                next: pruned.last.filter(|_| pruned.more).map(Place::After),
                ..Page::default()
            })
        }
        Task::Unrouted => Ok(rows("outbox", list::prune_unrouted(tx, most, dry_run).await?, most, place)),
        Task::Statuses => {
            let statuses = list::prune_statuses(tx, retention.delivery_days, most, dry_run).await?;
            Ok(rows("commit_statuses", statuses, most, place))
        }
        Task::Disabled => {
            let ended = list::end_disabled(tx, most, dry_run).await?;
            Ok(Page { ended, next: (ended >= most).then_some(Place::Start), ..Page::default() })
        }
        Task::Transitions => {
            let before = months::cutoff(now, retention.transition_days);
            Ok(rows("bot_beats", bots::prune_transitions(tx, before, most, dry_run).await?, most, place))
        }
        Task::Receipts if dry_run => Ok(Page::default()),
        Task::Receipts => {
            // A hundred at a time, as ingest does.
            Ok(rows("kcidb_receipts", kcidb::prune_receipts(tx).await?, 100, place))
        }
        Task::LogExcerpts => log_excerpts(tx, place, dry_run).await,
        Task::Statistics if dry_run => Ok(Page::default()),
        Task::Statistics => {
            if upkeep_pass(tx, task.name()).await?.is_some() {
                analyze_partitioned(tx).await?;
                save_upkeep_pass(tx, task.name(), None).await?;
            }
            Ok(Page::default())
        }
    }
}

/// A page of rows of one table; a full one is followed by another.
fn rows(table: &'static str, rows: i64, most: i64, place: &Place) -> Page {
    let pages = if let Place::Again(pages) = place { *pages } else { 0 };
    Page { gone: vec![(table, rows)], next: (rows >= most).then_some(Place::Again(pages + 1)), ..Page::default() }
}

/// One month of `refused`: those to be made first, then those to be dropped. What is not possible (too many rows, or what came later)
/// is passed.
async fn month(
    tx: &Tx<'_>,
    place: &Place,
    retention: &Retention,
    now: Timestamp,
    dry_run: bool,
) -> Result<Page, StoreError> {
    let (from, to) = months::kept(now, retention.refused_days);
    let found = refused_months(tx, from, to).await?;
    let make = months::to_make(now, &found).into_iter().map(|month| (month, true));
    let drop = months::to_drop(now, retention.refused_days, &found).into_iter().map(|month| (month, false));
    // What is done is not found again; what could not be done is counted, and passed.
    let passed = if let Place::Again(passed) = place { *passed } else { 0 };
    let Some((month, is_new)) = make.chain(drop).nth(passed) else { return Ok(Page::default()) };
    let name = months::name(month);
    if dry_run {
        let next = Some(Place::Again(passed + 1));
        let (made, dropped) = if is_new { (Some(name), None) } else { (None, Some(name)) };
        return Ok(Page { made, dropped, next, ..Page::default() });
    }
    let mut page = Page { next: Some(Place::Again(passed)), ..Page::default() };
    if is_new {
        match make_refused_month(tx, month).await? {
            Some(moved) => (page.made, page.moved) = (Some(name), moved),
            None => page.next = Some(Place::Again(passed + 1)),
        }
    } else {
        match drop_refused_month(tx, month, months::cutoff(now, retention.refused_days)).await? {
            Some(rows) => (page.dropped, page.gone) = (Some(name), vec![("refused", rows)]),
            None => page.next = Some(Place::Again(passed + 1)),
        }
    }
    Ok(page)
}

/// A page of the pass over the texts of logs. Where it is, is in the database, so that the next run goes on there.
async fn log_excerpts(tx: &Tx<'_>, place: &Place, dry_run: bool) -> Result<Page, StoreError> {
    let task = Task::LogExcerpts.name();
    let after = match place {
        Place::Hash(hash) => hash.clone(),
        _ if dry_run => Vec::new(),
        _ => match upkeep_pass(tx, task).await? {
            Some(cursor) => bytes(&cursor),
            None => return Ok(Page::default()),
        },
    };
    let done = kcidb::prune_log_excerpts(tx, &after, PAGE, dry_run).await?;
    if !dry_run {
        save_upkeep_pass(tx, task, done.last.as_deref().map(hex).as_deref()).await?;
    }
    let next = done.last.map(Place::Hash);
    Ok(Page { gone: vec![("kcidb_log_excerpts", done.gone)], next, ..Page::default() })
}

/// Hexadecimal digits as bytes; none for what is no such text, which begins the pass anew.
fn bytes(digits: &str) -> Vec<u8> {
    let pair = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..digits.len()).step_by(2).map(pair).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_it_was() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes(&hex(&all)), all);
        assert_eq!((bytes(""), bytes("0"), bytes("xy"), bytes("ä1")), (vec![], vec![], vec![], vec![]));
    }
}
