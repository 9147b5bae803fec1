//! What the changes of a batch mean for whole checkouts: milestones, and issues that occurred in them or no longer do.

use std::time::Duration;

use jiff::Timestamp;

use super::now;
use super::objects::{self, Change};
use crate::kcidb::Settings;
use crate::kcidb::events::{self, What};
use crate::kcidb::record::{Kind, View};
use crate::kcidb::rules::{Milestone, Progress, milestones};
use crate::outbox::{Announcer, Event};
use crate::sorted;
use crate::store::{Param, Stale, StoreError, Tx, column};

/// Checkouts that one sweep finishes at most; the next one goes on.
const MOST: usize = 1000;

/// A milestone of a checkout, and whether it is one only because nothing more came.
type Reached<'r> = (&'r str, Milestone, bool);

/// Ids of what changed, as parameters; with the parents that an object has, had, or could have.
#[derive(Default)]
struct Touched<'c> {
    checkouts: Vec<&'c str>,
    builds: Vec<&'c str>,
    tests: Vec<&'c str>,
    incidents: Vec<&'c str>,
    /// Those that have come between a child and its checkout.
    new_checkouts: Vec<&'c str>,
    new_builds: Vec<&'c str>,
}

/// Announces what checkouts have come to by the changes.
///
/// One transaction at a time does this, or two that each write a part of a checkout would both find it unfinished. It
/// comes last, and writes only what nobody writes elsewhere: no other lock is waited for while this one is held.
pub(super) async fn settle(
    tx: &Tx<'_>,
    changes: &[(Kind, Change<'_, '_>)],
    now: Timestamp,
    announcer: &mut Announcer,
) -> Result<(), StoreError> {
    if changes.iter().all(|(kind, _)| *kind == Kind::Issue) {
        return Ok(());
    }
    let mut touched = Touched::default();
    for (kind, change) in changes {
        let (id, before) = (change.row.view.id, change.parent_before.as_deref());
        let told = parent(*kind, change);
        // A parent that is another one now has a child less, and its own parent a child more or less.
        let moved = before.is_some_and(|before| told.is_some_and(|told| told != before));
        match kind {
            Kind::Checkout => {
                touched.checkouts.push(id);
                touched.new_checkouts.extend(change.new.then_some(id));
            }
            Kind::Build => {
                touched.builds.push(id);
                touched.checkouts.extend(before.filter(|_| moved));
                touched.new_builds.extend((change.new || moved).then_some(id));
            }
            Kind::Test => {
                touched.tests.push(id);
                // Its build is the one that it had, or the one that is told now.
                touched.builds.extend(before.into_iter().chain(told));
            }
            Kind::Incident => touched.incidents.push(id),
            Kind::Issue => {}
        }
    }
    let Touched { checkouts, builds, tests, incidents, new_checkouts, new_builds } = touched;
    let (checkouts, builds) = (sorted::unique(checkouts), sorted::unique(builds));
    lock(tx).await?;
    let params: [Param<'_>; 5] = [&tests, &builds, &incidents, &new_builds, &new_checkouts];
    let occurred = tx.query(include_str!("sql/kcidb_settle_occurrences.sql"), &params).await?;
    let occurred: Vec<&str> = occurred.iter().map(|row| row.get("checkout_id")).collect();
    let params: [Param<'_>; 3] = [&builds, &incidents, &checkouts];
    let found = tx.query(include_str!("sql/kcidb_settle_progress.sql"), &params).await?;
    announce_checkouts(tx, &occurred, reached(&found, |row| row.get("overdue")), now, announcer).await
}

/// Lets nobody else settle anything until the transaction ends.
async fn lock(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.query(include_str!("sql/kcidb_settle_lock.sql"), &[]).await.map(drop)
}

/// Finishes checkouts that are silent for too long, where the deployment wants that. With `write` false, only finds them.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(
    tx: &Tx<'_>,
    settings: &Settings,
    write: bool,
    announcer: &mut Announcer,
) -> Result<Vec<Stale>, StoreError> {
    match settings.silence {
        Some(silence) => finish_overdue(tx, silence, MOST, write, announcer).await,
        None => Ok(Vec::new()),
    }
}

/// Counts checkouts as finished of which nothing has been heard for `silence`: some origins never say that they are
/// done. At most `limit` of them, which are returned; there are no more when they are less.
///
/// # Errors
/// When a statement fails.
pub async fn finish_overdue(
    tx: &Tx<'_>,
    silence: Duration,
    limit: usize,
    write: bool,
    announcer: &mut Announcer,
) -> Result<Vec<Stale>, StoreError> {
    if write {
        lock(tx).await?;
        announcer.open(tx).await?;
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = tx.query(include_str!("sql/kcidb_overdue.sql"), &[&silence.as_secs_f64(), &limit]).await?;
    if write {
        announce_checkouts(tx, &[], reached(&found, |_| true), now(tx).await?, announcer).await?;
    }
    let stale = found.iter().map(|row| {
        let state = if progress(row).builds_running > 0 { "building" } else { "testing" };
        Stale { kind: "kcidb_checkout", name: row.get("id"), state: state.to_owned(), since: row.get("since") }
    });
    Ok(stale.collect())
}

/// The milestones of checkouts by their progress.
fn reached<'r>(found: &'r [tokio_postgres::Row], overdue: impl Fn(&tokio_postgres::Row) -> bool) -> Vec<Reached<'r>> {
    let of = |row: &'r tokio_postgres::Row| {
        let overdue = overdue(row);
        let reached = milestones(&progress(row), overdue).into_iter();
        reached.map(move |milestone| (row.get("id"), milestone, overdue))
    };
    found.iter().flat_map(of).collect()
}

/// The parent that a change gives to its object.
fn parent<'c>(kind: Kind, change: &'c Change<'_, '_>) -> Option<&'c str> {
    match kind {
        Kind::Build => change.row.view.text("checkout_id"),
        Kind::Test => change.row.view.text("build_id"),
        _ => None,
    }
}

fn progress(row: &tokio_postgres::Row) -> Progress {
    Progress {
        builds_finish_time: row.get("builds_finish_time"),
        tests_finish_time: row.get("tests_finish_time"),
        builds: row.get("builds"),
        builds_running: row.get("builds_running"),
        builds_unplanned: row.get("builds_unplanned"),
        tests_running: row.get("tests_running"),
        untriaged: row.get("untriaged"),
    }
}

/// Keeps milestones, each once, and announces those that are new, and in which checkouts issues occurred.
async fn announce_checkouts(
    tx: &Tx<'_>,
    occurred: &[&str],
    mut reached: Vec<Reached<'_>>,
    now: Timestamp,
    announcer: &mut Announcer,
) -> Result<(), StoreError> {
    sorted::by(&mut reached, Ord::cmp);
    let mut told: Vec<(&str, Option<Milestone>)> = occurred.iter().map(|id| (*id, None)).collect();
    let kept;
    if !reached.is_empty() {
        kept = tx
            .query(
                include_str!("sql/reach_kcidb_milestones.sql"),
                &[
                    /* checkout_id */ &column(&reached, |(checkout_id, ..)| *checkout_id),
                    /* milestone */ &column(&reached, |(_, milestone, _)| milestone.name()),
                    /* overdue */ &column(&reached, |(.., overdue)| *overdue),
                ],
            )
            .await?;
        told.extend(kept.iter().filter_map(|row| {
            let name: &str = row.get("milestone");
            let milestone = Milestone::ALL.into_iter().find(|milestone| milestone.name() == name)?;
            Some((row.get("checkout_id"), Some(milestone)))
        }));
    }
    let what = |milestone: Option<Milestone>| milestone.map_or(What::IssueOccurrencesChanged, What::Reached);
    told.retain(|(_, milestone)| announcer.wants("kcidb", &events::name(Kind::Checkout, what(*milestone))));
    let told = sorted::unique(told);
    if told.is_empty() {
        return Ok(());
    }
    let ids = sorted::unique(told.iter().map(|(id, _)| *id));
    let checkouts = objects::read(tx, Kind::Checkout, &ids.into_iter().map(|id| (id, 0)).collect::<Vec<_>>()).await?;
    let at = announcer.time_of_last();
    for checkout in &checkouts {
        let view = View::of(Kind::Checkout, checkout);
        for (_, milestone) in told.iter().filter(|(id, _)| *id == checkout.id) {
            announcer.add(Event { at, ..events::event(&view, what(*milestone), now) });
        }
    }
    Ok(())
}
