//! Derives from the changes of a batch the milestones of checkouts, and which issues occur in them.

use std::time::Duration;

use jiff::Timestamp;

use super::now;
use super::objects::{self, Change};
use crate::checks::Touched;
use crate::db::{Param, StoreError, Stuck, Tx, column};
use crate::outbox::{Announcer, Event};
use crate::sources::kcidb::Settings;
use crate::sources::kcidb::events::{ObjectEvent, event, name};
use crate::sources::kcidb::record::{Kind, View};
use crate::sources::kcidb::rules::{Milestone, Progress, milestones};
use std::collections::BTreeSet;

/// The table whose rows are checks.
pub const TABLE: &str = "kcidb_checkouts";

/// Limit of the checkouts that one sweep finishes; the next sweep continues.
const SWEEP_LIMIT: usize = 1000;

/// A milestone of a checkout, and whether only the silence of the checkout made it reach it.
type Reached<'r> = (&'r str, Milestone, bool);

/// Ids of changed objects and of their present and previous parents, as parameters.
#[derive(Default)]
struct Ids<'c> {
    checkouts: Vec<&'c str>,
    builds: Vec<&'c str>,
    tests: Vec<&'c str>,
    incidents: Vec<&'c str>,
    /// New checkouts, whose builds may have been stored before.
    new_checkouts: Vec<&'c str>,
    /// New builds, whose tests may have been stored before, and builds with another checkout than before.
    new_builds: Vec<&'c str>,
}

/// Updates milestones and occurrences of issues after the changes of a batch, and announces the new ones. Adds the
/// checkouts whose checks may have changed to `touched`, also those of objects that were only sent again (`resent`):
/// the times of a check are those of messages.
///
/// An advisory lock serializes this step: otherwise two transactions that each write a part of a checkout would both
/// find it unfinished. The step is the last of a transaction, and writes tables that no other code writes, so that no
/// other lock of this source is awaited while this one is held. Checks are derived after it: they depend on the
/// same parts.
pub(super) async fn settle(
    tx: &Tx<'_>,
    changes: &[(Kind, Change<'_, '_>)],
    resent: &[(Kind, Change<'_, '_>)],
    now: Timestamp,
    announcer: &mut Announcer,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let has_changed = changes.iter().any(|(kind, _)| *kind != Kind::Issue);
    let resent_of = |of: Kind| resent.iter().filter(move |(kind, _)| *kind == of).map(|(_, change)| change.row.view.id);
    let mut builds_of_checks = BTreeSet::from_iter(resent_of(Kind::Build));
    let mut checkouts_of_checks = BTreeSet::from_iter(resent_of(Kind::Checkout));
    if !has_changed && builds_of_checks.is_empty() && checkouts_of_checks.is_empty() {
        return Ok(());
    }
    let mut ids = Ids::default();
    for (kind, change) in changes {
        let (id, before) = (change.row.view.id, change.parent_before.as_deref());
        let given = parent(*kind, change);
        // The object has another parent than before: the previous parent has lost a child.
        let moved = before.is_some_and(|before| given.is_some_and(|given| given != before));
        match kind {
            Kind::Checkout => {
                ids.checkouts.push(id);
                ids.new_checkouts.extend(change.new.then_some(id));
            }
            Kind::Build => {
                ids.builds.push(id);
                ids.checkouts.extend(before.filter(|_| moved));
                ids.new_builds.extend((change.new || moved).then_some(id));
            }
            Kind::Test => {
                ids.tests.push(id);
                // Its previous build, and the one that the change gives.
                ids.builds.extend(before.into_iter().chain(given));
            }
            Kind::Incident => ids.incidents.push(id),
            Kind::Issue => {}
        }
    }
    let Ids { checkouts, builds, tests, incidents, new_checkouts, new_builds } = ids;
    let (checkouts, builds) =
        (Vec::from_iter(BTreeSet::from_iter(checkouts)), Vec::from_iter(BTreeSet::from_iter(builds)));
    builds_of_checks.extend(&builds);
    checkouts_of_checks.extend(&checkouts);
    lock(tx).await?;
    touch(tx, &checkouts_of_checks, &builds_of_checks, touched).await?;
    if !has_changed {
        return Ok(());
    }
    let params: [Param<'_>; 5] = [&tests, &builds, &incidents, &new_builds, &new_checkouts];
    let occurred = tx.query(include_str!("sql/kcidb_settle_occurrences.sql"), &params).await?;
    let occurred: Vec<&str> = occurred.iter().map(|row| row.get("checkout_id")).collect();
    let params: [Param<'_>; 3] = [&builds, &incidents, &checkouts];
    let found = tx.query(include_str!("sql/kcidb_settle_progress.sql"), &params).await?;
    announce_checkouts(tx, &occurred, reached(&found, |row| row.get("overdue")), now, announcer).await
}

/// Adds checkouts and those of builds to `touched`.
async fn touch(
    tx: &Tx<'_>,
    checkouts: &BTreeSet<&str>,
    builds: &BTreeSet<&str>,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    touched.add(TABLE, checkouts.iter().copied());
    if !builds.is_empty() {
        let builds = Vec::from_iter(builds);
        let found = tx.query(include_str!("sql/kcidb_checkouts_of_builds.sql"), &[&builds]).await?;
        touched.add(TABLE, found.iter().map(|row| row.get::<_, &str>("id")));
    }
    Ok(())
}

/// Takes the advisory lock of [`settle`] until the transaction ends.
pub(super) async fn lock(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.query(include_str!("sql/kcidb_settle_lock.sql"), &[]).await.map(drop)
}

/// Finishes stuck checkouts: those that have been silent for longer than the settings allow. With `write` false, only
/// finds them.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(
    tx: &Tx<'_>,
    settings: &Settings,
    write: bool,
    announcer: &mut Announcer,
) -> Result<Vec<Stuck>, StoreError> {
    match settings.silence {
        Some(silence) => finish_overdue(tx, silence, SWEEP_LIMIT, write, announcer).await,
        None => Ok(Vec::new()),
    }
}

/// Finishes checkouts without a message for `silence`, because some origins never report the end. Returns the
/// checkouts, at most `limit`; if they are fewer, no others are left.
///
/// # Errors
/// When a statement fails.
pub async fn finish_overdue(
    tx: &Tx<'_>,
    silence: Duration,
    limit: usize,
    write: bool,
    announcer: &mut Announcer,
) -> Result<Vec<Stuck>, StoreError> {
    if write {
        lock(tx).await?;
        announcer.open(tx).await?;
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = tx.query(include_str!("sql/kcidb_overdue.sql"), &[&silence.as_secs_f64(), &limit]).await?;
    if write {
        announce_checkouts(tx, &[], reached(&found, |_| true), now(tx).await?, announcer).await?;
    }
    let stuck = found.iter().map(|row| {
        let state = if progress(row).builds_running > 0 { "building" } else { "testing" };
        Stuck { kind: "kcidb_checkout", name: row.get("id"), state: state.to_owned(), since: row.get("since") }
    });
    Ok(stuck.collect())
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

/// The progress in a row.
pub(super) fn progress(row: &tokio_postgres::Row) -> Progress {
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

/// Stores milestones, each once, and announces the new ones, and the checkouts in which the occurrences of issues
/// changed.
async fn announce_checkouts(
    tx: &Tx<'_>,
    occurred: &[&str],
    mut reached: Vec<Reached<'_>>,
    now: Timestamp,
    announcer: &mut Announcer,
) -> Result<(), StoreError> {
    reached.sort();
    let mut events: Vec<(&str, Option<Milestone>)> = occurred.iter().map(|id| (*id, None)).collect();
    let inserted;
    if !reached.is_empty() {
        inserted = tx
            .query(
                include_str!("sql/reach_kcidb_milestones.sql"),
                &[
                    /* checkout_id */ &column(&reached, |(checkout_id, ..)| *checkout_id),
                    /* milestone */ &column(&reached, |(_, milestone, _)| milestone.name()),
                    /* overdue */ &column(&reached, |(.., overdue)| *overdue),
                ],
            )
            .await?;
        events.extend(inserted.iter().filter_map(|row| {
            let reached: &str = row.get("milestone");
            let milestone = Milestone::ALL.into_iter().find(|milestone| milestone.name() == reached)?;
            Some((row.get("checkout_id"), Some(milestone)))
        }));
    }
    let what =
        |milestone: Option<Milestone>| milestone.map_or(ObjectEvent::IssueOccurrencesChanged, ObjectEvent::Reached);
    events.retain(|(_, milestone)| announcer.wants("kcidb", &name(Kind::Checkout, what(*milestone))));
    let events = Vec::from_iter(BTreeSet::from_iter(events));
    if events.is_empty() {
        return Ok(());
    }
    let ids = Vec::from_iter(BTreeSet::from_iter(events.iter().map(|(id, _)| *id)));
    let checkouts = objects::read(tx, Kind::Checkout, &ids.into_iter().map(|id| (id, 0)).collect::<Vec<_>>()).await?;
    let at = announcer.time_of_last();
    for checkout in &checkouts {
        let view = View::of(Kind::Checkout, checkout);
        for (_, milestone) in events.iter().filter(|(id, _)| *id == checkout.id) {
            announcer.add(Event { at, ..event(&view, what(*milestone), now) });
        }
    }
    Ok(())
}
