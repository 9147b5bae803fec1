//! What a drain does with the database: end leases, route events, take leases. A transaction each, none of them long, and no
//! word to the outside in any.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::{counter, gauge};

use super::policy::Decision;
use super::targets::{Kind, Target};
use crate::clock::{self, Deadline};
use crate::outbox::check_run::{self, CheckRun};
use crate::outbox::list;
use crate::outbox::queue::{self, EventDue, Health, Outcome, Room, Settled, StatusDue};
use crate::outbox::route;
use crate::outbox::waits::{self, Waits};
use crate::store::{Store, StoreError, Tx, Verdict, chain};

/// How long a delivery is ours. At most six go one after the other through one place (see `Place::free`), and ten seconds is
/// the longest that each takes.
pub(super) const LEASE: Duration = Duration::from_secs(90);
/// How long a transaction may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Events that are routed at once.
const EVENTS: i64 = 1000;

/// How the reason begins of what was not sent because it had waited for too long.
pub(super) const OUTDATED: &str = "outdated";

/// What became of a delivery that was under way.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) target: String,
    pub(super) lease: String,
    pub(super) is_event: bool,
    /// `None` when it was not tried.
    pub(super) decision: Option<Decision>,
    /// The check run that it made or wrote.
    pub(super) check_run: Option<CheckRun>,
}

/// What is under lease now.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) statuses: Vec<StatusDue>,
    pub(super) events: Vec<EventDue>,
    /// Targets that were closed off now.
    pub(super) closed: Vec<String>,
}

/// The outcomes of deliveries, as rows and as the health of their targets.
fn sorted(done: &[Done], targets: &BTreeMap<String, Target>) -> (Vec<Settled>, Vec<Settled>, BTreeMap<String, Health>) {
    let (mut statuses, mut events) = (Vec::new(), Vec::new());
    let mut health: BTreeMap<String, Health> = BTreeMap::new();
    for done in done {
        let target = targets.get(&done.target);
        let settled = Settled {
            lease: done.lease.clone(),
            outcome: done.decision.as_ref().map_or(Outcome::Back, |decision| decision.outcome.clone()),
            max_age: target.map_or(Duration::from_secs(7 * 86_400), |target| target.max_age),
            max_attempts: target.map_or(i32::MAX, |target| target.max_attempts),
        };
        // What comes back untried says nothing of the target, but that somebody else may try it.
        let health = health.entry(done.target.clone()).or_default();
        if let Some(decision) = &done.decision {
            note(health, decision);
        }
        if done.is_event { events.push(settled) } else { statuses.push(settled) }
    }
    (statuses, events, health)
}

/// What one more answer says about a target.
pub(super) fn note(health: &mut Health, decision: &Decision) {
    match &decision.outcome {
        Outcome::Delivered => {
            health.delivered = true;
            health.faults = 0;
        }
        Outcome::Retry { why, .. } if decision.fault => {
            health.faults += 1;
            health.reason = Some(why.clone());
        }
        // Not sent: it says nothing of the target.
        Outcome::Dead { why } if why.starts_with(OUTDATED) => {}
        // It answers, and knows what it says: so far it is well.
        Outcome::Retry { .. } | Outcome::Dead { .. } => {
            health.delivered = true;
            health.faults = 0;
        }
        Outcome::Pause { why } => {
            health.pause = health.pause.max(decision.pause);
            health.reason = Some(why.clone());
        }
        Outcome::Back => {}
    }
}

/// Throws away the oldest rows, and gives up what waits for disabled targets, a bounded number. Most of it is done by [upkeep](crate::upkeep), where that runs.
pub(super) async fn prune(store: &Store, days: i32) -> Result<(), StoreError> {
    let (pruned, statuses, ended) = store
        .in_tx("prune", Deadline::within(PATIENCE), async |tx| {
            let pruned = list::prune_events(tx, 0, EVENTS, days, false).await?;
            let statuses = list::prune_statuses(tx, days, EVENTS, false).await?;
            Ok((pruned, statuses, list::end_disabled(tx, EVENTS, false).await?))
        })
        .await?;
    if ended > 0 {
        tracing::warn!(deliveries = ended, "given up, because their targets are disabled; see `deliveries list`");
    }
    if pruned.events + statuses > 0 {
        tracing::info!(events = pruned.events, deliveries = pruned.deliveries, statuses, "pruned");
    }
    Ok(())
}

/// Tells the metrics how the targets stand.
pub(super) async fn gauges(store: &Store) -> Result<(), StoreError> {
    let within = Deadline::within(PATIENCE);
    let targets = store.in_tx("targets", within, async |tx| list::targets(tx).await).await?;
    let oldest = targets.iter().filter_map(|target| target.oldest).min();
    let age = oldest.map_or(0.0, |oldest| clock::now().duration_since(oldest).as_secs_f64());
    gauge!("deliveries_pending").set(targets.iter().map(|target| target.pending).sum::<i64>() as f64);
    gauge!("deliveries_dead").set(targets.iter().map(|target| target.dead).sum::<i64>() as f64);
    gauge!("deliveries_oldest_s").set(age.max(0.0));
    gauge!("targets_closed_now").set(targets.iter().filter(|target| target.open_until.is_some()).count() as f64);
    Ok(())
}

/// What waits for targets, and for how long.
pub(super) async fn waits(store: &Store, targets: &[&str]) -> Result<Vec<Waits>, StoreError> {
    store.in_tx("waits", Deadline::within(PATIENCE), async |tx| waits::waits(tx, targets).await).await
}

/// Says that this deliverer looks for work by itself for so long.
pub(super) async fn stay_awake(store: &Store, time: Duration) -> Result<(), StoreError> {
    store.in_tx("stay_awake", Deadline::within(PATIENCE), async |tx| waits::stay_awake(tx, time).await).await
}

/// Ends the leases of what was under way.
pub(super) async fn settle(store: &Store, done: &[Done], targets: &BTreeMap<String, Target>) -> Result<(), StoreError> {
    exchange(store, done, targets, &[]).await.map(drop)
}

/// Ends the leases of what was under way, and takes leases for as many deliveries as targets have free places.
pub(super) async fn exchange(
    store: &Store,
    done: &[Done],
    targets: &BTreeMap<String, Target>,
    free: &[(&Target, usize)],
) -> Result<Claimed, StoreError> {
    let (statuses, events, health) = sorted(done, targets);
    let (mut commits, mut others) = (Vec::new(), Vec::new());
    for (target, places) in free {
        let slots = i32::try_from(*places).unwrap_or(i32::MAX);
        let room = Room { target: &target.name, slots, interval: target.interval };
        if matches!(target.kind, Kind::Commit(_)) { commits.push(room) } else { others.push(room) }
    }
    let runs: Vec<&CheckRun> = done.iter().filter_map(|done| done.check_run.as_ref()).collect();
    let (mut claimed, closed) = store
        .in_tx("deliver", Deadline::within(PATIENCE), async |tx| {
            // PostgreSQL works in the order in which these are sent, and none waits for the answer to another one.
            let (_, _, (), closed, statuses, events) = tokio::try_join!(
                biased;
                queue::settle_statuses(tx, &statuses),
                queue::settle_events(tx, &events),
                check_run::keep(tx, &runs),
                queue::settle_targets(tx, &health),
                queue::claim_statuses(tx, &commits, LEASE, others.is_empty()),
                queue::claim_events(tx, &others, LEASE),
            )?;
            Ok((Claimed { statuses, events, closed: Vec::new() }, closed))
        })
        .await?;
    for (target, until) in closed {
        let reason = health.get(&target).and_then(|health| health.reason.as_deref());
        let until = until.map(|until| until.to_string());
        counter!("targets_closed").increment(1);
        tracing::warn!(target = %target, until, reason, "nothing is sent to this target for a while");
        claimed.closed.push(target);
    }
    Ok(claimed)
}

/// Routes the oldest of those events that were written before it was known who receives them; returns how many.
pub(super) async fn route(store: &Store) -> Result<usize, StoreError> {
    match route_some(store, EVENTS).await {
        // One event that cannot be stored must not hold up all others.
        Err(error) if error.verdict() == Verdict::Poison => {
            tracing::warn!(error = chain(&error), "an event that cannot be routed, looking for it one by one");
            match route_some(store, 1).await {
                Err(error) if error.verdict() == Verdict::Poison => {
                    let why = format!("database: {}", error.complaint());
                    let give_up = async |tx: &mut Tx<'_>| route::give_up(tx, why.clone()).await;
                    store.in_tx("route_give_up", Deadline::within(PATIENCE), give_up).await
                }
                other => other,
            }
        }
        other => other,
    }
}

async fn route_some(store: &Store, most: i64) -> Result<usize, StoreError> {
    let route = async |tx: &mut Tx<'_>| route::route(tx, most).await;
    store.in_tx("route", Deadline::within(PATIENCE), route).await.map(|(events, _)| events)
}
