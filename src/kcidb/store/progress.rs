//! What the changes of a batch mean for whole checkouts: milestones, and issues that occurred in them or no longer do.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::now;
use super::objects::{self, Change};
use crate::kcidb::events::{self, What};
use crate::kcidb::record::{Kind, View};
use crate::kcidb::rules::{Milestone, Progress, milestones};
use crate::outbox::announce;
use crate::store::{Param, StoreError, Tx};

/// Ids of what changed, as parameters.
#[derive(Default)]
struct Touched<'c> {
    checkouts: BTreeSet<&'c str>,
    builds: BTreeSet<&'c str>,
    tests: BTreeSet<&'c str>,
    incidents: BTreeSet<&'c str>,
    /// Those that have come between a child and its checkout.
    new_checkouts: BTreeSet<&'c str>,
    new_builds: BTreeSet<&'c str>,
}

/// Announces what checkouts have come to by the changes.
///
/// One transaction at a time does this, or two that each write a part of a checkout would both find it unfinished. It
/// comes last, and writes only what nobody writes elsewhere: no other lock is waited for while this one is held.
pub(super) async fn settle(tx: &Tx<'_>, changes: &[(Kind, Change<'_, '_>)], now: Timestamp) -> Result<(), StoreError> {
    if changes.iter().all(|(kind, _)| *kind == Kind::Issue) {
        return Ok(());
    }
    let mut touched = Touched::default();
    for (kind, change) in changes {
        let (id, before) = (change.row.view.id, change.parent_before.as_deref());
        // A parent that is another one now has a child less, and its own parent a child more or less.
        let moved = before.is_some_and(|before| parent(*kind, change).is_some_and(|now| now != before));
        match kind {
            Kind::Checkout => {
                touched.checkouts.insert(id);
                touched.new_checkouts.extend(change.new.then_some(id));
            }
            Kind::Build => {
                touched.builds.insert(id);
                touched.checkouts.extend(before.filter(|_| moved));
                touched.new_builds.extend((change.new || moved).then_some(id));
            }
            Kind::Test => {
                touched.tests.insert(id);
                touched.builds.extend(before.filter(|_| moved));
            }
            Kind::Incident => {
                touched.incidents.insert(id);
            }
            Kind::Issue => {}
        }
    }
    let list = |ids: &BTreeSet<&str>| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<String>>();
    let (checkouts, builds, tests, incidents) =
        (list(&touched.checkouts), list(&touched.builds), list(&touched.tests), list(&touched.incidents));
    lock(tx).await?;
    let params: [Param<'_>; 6] =
        [&tests, &builds, &incidents, &list(&touched.new_builds), &list(&touched.new_checkouts), &checkouts];
    let occurred = tx.query(include_str!("sql/kcidb_settle_occurrences.sql"), &params[..5]).await?;
    let occurred: Vec<&str> = occurred.iter().map(|row| row.get("checkout_id")).collect();
    let params: [Param<'_>; 4] = [&builds, &tests, &incidents, &checkouts];
    let found = tx.query(include_str!("sql/kcidb_settle_progress.sql"), &params).await?;
    let mut reached = Vec::new();
    for row in &found {
        reached.extend(milestones(&progress(row), false).into_iter().map(|milestone| (row.get("id"), milestone)));
    }
    announce_checkouts(tx, &occurred, reached, false, now).await
}

/// Lets nobody else settle anything until the transaction ends.
async fn lock(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.query(include_str!("sql/kcidb_settle_lock.sql"), &[]).await.map(drop)
}

/// Counts checkouts as finished of which nothing has been heard for `silence`: some origins never say that they are
/// done. At most `limit` of them; returns how many, and is done when that is less.
///
/// # Errors
/// When a statement fails.
pub async fn finish_overdue(tx: &Tx<'_>, silence: Duration, limit: usize) -> Result<usize, StoreError> {
    lock(tx).await?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = tx.query(include_str!("sql/kcidb_overdue.sql"), &[&silence.as_secs_f64(), &limit]).await?;
    let mut reached = Vec::new();
    for row in &found {
        reached.extend(milestones(&progress(row), true).into_iter().map(|milestone| (row.get("id"), milestone)));
    }
    announce_checkouts(tx, &[], reached, true, now(tx).await?).await?;
    Ok(found.len())
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
    mut reached: Vec<(&str, Milestone)>,
    overdue: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    reached.sort_unstable();
    let mut told: BTreeSet<(&str, Option<Milestone>)> = occurred.iter().map(|id| (*id, None)).collect();
    let kept;
    if !reached.is_empty() {
        let ids: Vec<&str> = reached.iter().map(|(id, _)| *id).collect();
        let names: Vec<&str> = reached.iter().map(|(_, milestone)| milestone.name()).collect();
        kept = tx
            .query(include_str!("sql/reach_kcidb_milestones.sql"), &[&ids, &names, &vec![overdue; ids.len()]])
            .await?;
        told.extend(kept.iter().filter_map(|row| {
            let name: &str = row.get("milestone");
            let milestone = Milestone::ALL.into_iter().find(|milestone| milestone.name() == name)?;
            Some((row.get("checkout_id"), Some(milestone)))
        }));
    }
    let ids: BTreeSet<&str> = told.iter().map(|(id, _)| *id).collect();
    let checkouts = objects::read(tx, Kind::Checkout, &ids.into_iter().map(|id| (id, 0)).collect::<Vec<_>>()).await?;
    let mut messages = Vec::new();
    for checkout in &checkouts {
        let view = View::of(Kind::Checkout, checkout);
        for (_, milestone) in told.iter().filter(|(id, _)| *id == checkout.id) {
            let what = milestone.map_or(What::IssueOccurrencesChanged, What::Reached);
            messages.push(events::event(&view, what, now));
        }
    }
    announce(tx, &messages).await
}
