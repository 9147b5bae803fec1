//! The transactions of a drain: end leases, route events, take leases. Each is short, and none makes a network call to
//! a target.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::{counter, gauge};

use super::policy::Decision;
use super::targets::{Kind, Target};
use crate::db::{ErrorClass, Store, StoreError, Tx};
use crate::outbox::check_run;
use crate::outbox::list;
use crate::outbox::queue::{self, Capacity, Health, Outcome, Settled, StatusDue};
use crate::outbox::route;
use crate::outbox::waits::{self, Waits};
use crate::outbox::{CheckRun, EventDue};
use crate::platform::clock::{self, Deadline};
use crate::platform::failure::chain;

/// How long a lease lasts. At most six deliveries go one after the other through one permit (see `Worker::free`), and
/// each takes ten seconds at most.
pub(super) const LEASE: Duration = Duration::from_secs(90);
/// How long a transaction may take.
const TIME_LIMIT: Duration = Duration::from_secs(15);
/// Events that are routed in one transaction.
const EVENTS: i64 = 1000;

/// Prefix of the reason of deliveries that were not sent because they had waited for too long.
pub(super) const OUTDATED: &str = "outdated";

/// A delivery that has ended, with its outcome.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) target: String,
    pub(super) lease: String,
    pub(super) is_event: bool,
    /// `None` when it was not tried.
    pub(super) decision: Option<Decision>,
    /// The check run that it created or updated.
    pub(super) check_run: Option<CheckRun>,
}

/// The deliveries that were leased.
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
            outcome: done.decision.as_ref().map_or(Outcome::NotTried, |decision| decision.outcome.clone()),
            max_age: target.map_or(Duration::from_secs(7 * 86_400), |target| target.max_age),
            max_attempts: target.map_or(i32::MAX, |target| target.max_attempts),
        };
        // A delivery that was not tried says nothing about the target; the entry lets another process try it.
        let health = health.entry(done.target.clone()).or_default();
        if let Some(decision) = &done.decision {
            note(health, decision);
        }
        if done.is_event { events.push(settled) } else { statuses.push(settled) }
    }
    (statuses, events, health)
}

/// Adds what one more answer says about the health of a target.
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
        // Not sent: it says nothing about the target.
        Outcome::Dead { why } if why.starts_with(OUTDATED) => {}
        // The target answers as expected: it is healthy.
        Outcome::Retry { .. } | Outcome::Dead { .. } => {
            health.delivered = true;
            health.faults = 0;
        }
        Outcome::Pause { why } => {
            health.pause = health.pause.max(decision.pause);
            health.reason = Some(why.clone());
        }
        Outcome::NotTried => {}
    }
}

/// Deletes the oldest rows, and ends deliveries to disabled targets, a bounded number.
/// [Maintenance](crate::maintenance) does most of it, where it runs.
pub(super) async fn prune(store: &Store, days: i32) -> Result<(), StoreError> {
    let (pruned, statuses, ended) = store
        .in_tx("prune", Deadline::within(TIME_LIMIT), async |tx| {
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

/// Sets the metrics of the targets.
pub(super) async fn gauges(store: &Store) -> Result<(), StoreError> {
    let within = Deadline::within(TIME_LIMIT);
    let targets = store.in_tx("targets", within, async |tx| list::targets(tx).await).await?;
    let oldest = targets.iter().filter_map(|target| target.oldest).min();
    let age = oldest.map_or(0.0, |oldest| clock::now().duration_since(oldest).as_secs_f64());
    gauge!("deliveries_pending").set(targets.iter().map(|target| target.pending).sum::<i64>() as f64);
    gauge!("deliveries_dead").set(targets.iter().map(|target| target.dead).sum::<i64>() as f64);
    gauge!("deliveries_oldest_s").set(age.max(0.0));
    gauge!("targets_closed_now").set(targets.iter().filter(|target| target.open_until.is_some()).count() as f64);
    Ok(())
}

/// Deliveries that wait for targets, and for how long.
pub(super) async fn waits(store: &Store, targets: &[&str]) -> Result<Vec<Waits>, StoreError> {
    store.in_tx("waits", Deadline::within(TIME_LIMIT), async |tx| waits::waits(tx, targets).await).await
}

/// Announces that this deliverer is awake for so long: it finds new work without being started.
pub(super) async fn stay_awake(store: &Store, time: Duration) -> Result<(), StoreError> {
    store.in_tx("stay_awake", Deadline::within(TIME_LIMIT), async |tx| waits::stay_awake(tx, time).await).await
}

/// Writes the outcomes of ended deliveries, which ends their leases.
pub(super) async fn settle(store: &Store, done: &[Done], targets: &BTreeMap<String, Target>) -> Result<(), StoreError> {
    exchange(store, done, targets, &[]).await.map(drop)
}

/// Writes the outcomes of ended deliveries, and leases as many new ones as targets have free slots.
pub(super) async fn exchange(
    store: &Store,
    done: &[Done],
    targets: &BTreeMap<String, Target>,
    free: &[(&Target, usize)],
) -> Result<Claimed, StoreError> {
    let (statuses, events, health) = sorted(done, targets);
    let (mut commits, mut others) = (Vec::new(), Vec::new());
    for (target, slots) in free {
        let slots = i32::try_from(*slots).unwrap_or(i32::MAX);
        let capacity = Capacity { target: &target.name, slots, interval: target.interval };
        if matches!(target.kind, Kind::Commit(_)) { commits.push(capacity) } else { others.push(capacity) }
    }
    let runs: Vec<&CheckRun> = done.iter().filter_map(|done| done.check_run.as_ref()).collect();
    let (mut claimed, closed) = store
        .in_tx("deliver", Deadline::within(TIME_LIMIT), async |tx| {
            // PostgreSQL executes these in the order in which they are sent; none waits for the answer to another one.
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
        tracing::warn!(target = %target, until, reason, "circuit breaker: nothing is sent to this target for a while");
        claimed.closed.push(target);
    }
    Ok(claimed)
}

/// Routes the oldest events that were written before their receivers were registered; returns how many.
pub(super) async fn route(store: &Store) -> Result<usize, StoreError> {
    match route_some(store, EVENTS).await {
        // One event that cannot be stored must not block all others.
        Err(error) if error.class() == ErrorClass::Poison => {
            tracing::warn!(error = chain(&error), "an event cannot be routed; routing one by one to find it");
            match route_some(store, 1).await {
                Err(error) if error.class() == ErrorClass::Poison => {
                    let why = format!("database: {}", error.server_message());
                    let give_up = async |tx: &mut Tx<'_>| route::give_up(tx, why.clone()).await;
                    store.in_tx("route_give_up", Deadline::within(TIME_LIMIT), give_up).await
                }
                other => other,
            }
        }
        other => other,
    }
}

async fn route_some(store: &Store, most: i64) -> Result<usize, StoreError> {
    let route = async |tx: &mut Tx<'_>| route::route(tx, most).await;
    store.in_tx("route", Deadline::within(TIME_LIMIT), route).await.map(|(events, _)| events)
}
