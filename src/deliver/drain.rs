//! The loop of delivery: write outcomes (which ends leases), route events, take leases, send; until it is stopped, or
//! nothing is left to do.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::task::JoinSet;

use super::deliverer::Deliverer;
use super::sender::{Sender, Turn, Turns, one_status, outdated, some_events};
use super::sns::ENTRIES;
use super::step::{self, Claimed, Done};
use super::targets::{Kind, Target};
use super::verdicts;
use super::wake::{POLL, Wake};
use crate::db::StoreError;
use crate::outbox::EventDue;
use crate::outbox::queue::Outcome;
use crate::outbox::registry::{self, Registration};
use crate::platform::clock::{self, Deadline};
use crate::platform::failure::chain;

/// Longest pause of a target for which [`Until::Settled`] waits.
const SHORT: Duration = Duration::from_secs(3);
/// Time without due deliveries after which a function that delivers ends.
pub const LINGER: Duration = Duration::from_secs(5);
/// A lingering drain announces for so long ahead that it is awake, so that nothing has to start another one.
const AWAKE: Duration = Duration::from_secs(15);
/// A lingering drain waits for deliveries that are due within this time.
const NEAR: Duration = Duration::from_secs(20);
/// Longest time of a transaction between its read of `delivery_awake` and its commit.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// Wait after a delivery has ended, so that outcomes of others are written in the same transaction.
const GATHER: Duration = Duration::from_millis(5);
/// Outcomes that are written together: while that is done, other deliveries are in progress.
const ENOUGH: usize = 32;
/// Leases of commit statuses for each concurrent delivery: one in progress, and as many to follow it as fit into the
/// lease.
const IN_A_ROW: usize = 6;
/// Interval of routing: events that were written before their receivers were registered.
const ROUTE: Duration = Duration::from_secs(60);
/// The interval after the first routing.
const SOON: Duration = Duration::from_secs(2);
/// How often old rows are deleted.
const PRUNE: Duration = Duration::from_secs(3600);
/// Attempts to write the last outcomes before a stopped drain ends.
const LAST_TRIES: u32 = 3;

/// When a drain ends.
pub enum Until<F> {
    /// When this future is ready. Deliveries in progress are completed.
    Stopped(F),
    /// The same, or as soon as nothing is due.
    Idle(F),
    /// The same, or as soon as nothing is due and nothing waits for the pace of a target or a short pause.
    Settled(F),
    /// The same, or when nothing was due for so long. The drain announces that it is awake, and looks once more after
    /// it has withdrawn that.
    Lingering(F, Duration),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Forever,
    Idle,
    Settled,
    Lingering(Duration),
}

/// What a drain did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Events that were routed.
    pub routed: u64,
    /// Deliveries that arrived.
    pub delivered: u64,
    /// Deliveries that are retried later.
    pub again: u64,
    /// Deliveries that were given up at once.
    pub dead: u64,
}

/// A target, its sender, and how many deliveries of it are in progress.
struct Worker {
    target: Target,
    sender: Arc<Sender>,
    turns: Arc<Turns>,
    held: usize,
}

impl Worker {
    /// How many more leases may be taken: one for each concurrent delivery, and some to follow at once. Events are
    /// large, and fewer follow.
    fn free(&self) -> usize {
        let concurrent = self.target.concurrency;
        let is_commit = matches!(self.target.kind, Kind::Commit(_));
        let most = if is_commit { IN_A_ROW * concurrent } else { 2 * concurrent + 4 };
        most.saturating_sub(self.held)
    }
}

impl Deliverer {
    /// Delivers until `until` holds. While the database does not answer, it is retried with a backoff.
    pub async fn run<F: Future<Output = ()>>(&self, until: Until<F>) -> Totals {
        let (stop, mode) = match until {
            Until::Stopped(stop) => (stop, Mode::Forever),
            Until::Idle(stop) => (stop, Mode::Idle),
            Until::Settled(stop) => (stop, Mode::Settled),
            Until::Lingering(stop, time) => (stop, Mode::Lingering(time)),
        };
        let mut stop = pin!(stop);
        let mut drain = Drain::new(self);
        let mut wake = Wake::new(&self.store, self.listens && mode == Mode::Forever);
        let (mut failures, mut stopping) = (0, false);
        loop {
            let worked = drain.turn(stopping, mode).await;
            let is_idle = drain.in_progress.is_empty();
            if stopping && is_idle && (drain.done.is_empty() || failures >= LAST_TRIES) {
                break;
            }
            let wait = match worked {
                // More events probably wait.
                Ok(Worked::Full) => Ok(Some(Duration::ZERO)),
                Ok(Worked::Nothing) if is_idle && !stopping => drain.rest(mode, &mut wake).await,
                Ok(_) => Ok(Some(POLL)),
                Err(error) => Err(error),
            };
            let wait = match wait {
                Ok(None) => break,
                Ok(Some(wait)) => {
                    failures = 0;
                    wait
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(error = chain(&error), "the database does not answer, retrying");
                    clock::backoff(failures, POLL, Duration::from_secs(5))
                }
            };
            tokio::select! {
                Some(done) = drain.in_progress.join_next() => {
                    drain.take(done);
                    drain.gather().await;
                }
                () = tokio::time::sleep(wait) => {}
                () = wake.woken(), if failures == 0 => wake.found(),
                () = &mut stop, if !stopping => {
                    stopping = true;
                    // Tasks that wait for their turn give their leases back.
                    drain.workers.values().for_each(|worker| worker.turns.end());
                }
            }
        }
        if let Mode::Lingering(_) = mode
            && let Err(error) = step::stay_awake(&self.store, Duration::ZERO).await
        {
            tracing::debug!(error = chain(&error), "cannot write that no drain is awake");
        }
        if let Err(error) = step::gauges(&self.store).await {
            tracing::debug!(error = chain(&error), "cannot read the metrics of the targets");
        }
        drain.totals
    }
}

/// What one turn of the loop found.
enum Worked {
    Nothing,
    Something,
    /// As much as one turn takes.
    Full,
}

struct Drain<'d> {
    deliverer: &'d Deliverer,
    by_name: BTreeMap<String, Target>,
    workers: BTreeMap<String, Worker>,
    in_progress: JoinSet<Vec<Done>>,
    done: Vec<Done>,
    registered: bool,
    pruned: Deadline,
    routed: Deadline,
    /// When it announces again that it is awake.
    awake: Deadline,
    /// When it has been idle for long enough, if it is idle.
    lingers: Option<Deadline>,
    /// Whether anything was due since it began.
    has_found: bool,
    has_routed: bool,
    /// Whether a target asks for verdicts.
    has_verdicts: bool,
    totals: Totals,
}

impl<'d> Drain<'d> {
    fn new(deliverer: &'d Deliverer) -> Self {
        let by_name: BTreeMap<String, Target> =
            deliverer.targets.iter().map(|target| (target.name.clone(), target.clone())).collect();
        let workers = deliverer.senders.iter().filter_map(|(name, sender)| {
            let target = by_name.get(name)?.clone();
            let turns = Arc::new(Turns::new(target.concurrency));
            Some((name.clone(), Worker { target, sender: Arc::clone(sender), turns, held: 0 }))
        });
        let workers = workers.collect();
        Self {
            deliverer,
            by_name,
            workers,
            in_progress: JoinSet::new(),
            done: Vec::new(),
            registered: false,
            pruned: Deadline::within(Duration::ZERO),
            routed: Deadline::within(Duration::ZERO),
            awake: Deadline::within(Duration::ZERO),
            lingers: None,
            has_found: false,
            has_routed: false,
            has_verdicts: verdicts::is_asked_for(&deliverer.targets),
            totals: Totals::default(),
        }
    }

    /// How long to wait when nothing is due; `None` to end.
    async fn rest(&mut self, mode: Mode, wake: &mut Wake<'_>) -> Result<Option<Duration>, StoreError> {
        if !self.done.is_empty() {
            return Ok(Some(Duration::ZERO));
        }
        if mode == Mode::Idle {
            return Ok(None);
        }
        let next = self.deliverer.left().await?.iter().map(|waits| waits.next).min();
        Ok(match mode {
            Mode::Settled => next.filter(|next| *next <= SHORT).map(|next| next.max(Duration::from_millis(20))),
            Mode::Lingering(time) => {
                let is_near = next.is_some_and(|next| next <= NEAR);
                if !self.has_found && !is_near {
                    return Ok(None);
                }
                let ends = *self.lingers.get_or_insert(Deadline::within(time));
                if !ends.remaining().is_zero() || is_near {
                    return Ok(Some(next.filter(|next| !next.is_zero()).unwrap_or(POLL).min(POLL)));
                }
                let store = &self.deliverer.store;
                step::stay_awake(store, Duration::ZERO).await?;
                // By then, a transaction that read it before has committed.
                tokio::time::sleep(LAST_LOOK).await;
                let missed = self.deliverer.left().await?.iter().any(|waits| waits.next.is_zero());
                self.awake = Deadline::within(Duration::ZERO);
                missed.then_some(Duration::ZERO)
            }
            _ => {
                let judged = if self.has_verdicts { verdicts::next(&self.deliverer.store).await? } else { None };
                let routes = self.routed.remaining().max(POLL);
                let next = next.into_iter().chain(judged).min();
                Some(wake.pause(Some(next.map_or(routes, |next| next.min(routes)))))
            }
        })
    }

    /// Writes the outcomes of ended deliveries, routes, and starts what is due, unless it is stopping.
    async fn turn(&mut self, stopping: bool, mode: Mode) -> Result<Worked, StoreError> {
        while let Some(done) = self.in_progress.try_join_next() {
            self.take(done);
        }
        let store = &self.deliverer.store;
        if stopping {
            if !self.done.is_empty() {
                step::settle(store, &self.done, &self.by_name).await?;
                self.done.clear();
            }
            return Ok(Worked::Nothing);
        }
        if !self.registered {
            let within = Deadline::within(Duration::from_secs(15));
            store.check_schema(within).await?;
            let targets: Vec<Registration> = self.deliverer.targets.iter().map(Target::registration).collect();
            store.in_tx("register", within, async |tx| registry::register(tx, &targets).await).await?;
            self.registered = true;
        }
        // Only a drain that has found something stays awake: a scheduled run that finds nothing costs nothing more.
        if matches!(mode, Mode::Lingering(_)) && self.has_found && self.awake.remaining().is_zero() {
            step::stay_awake(store, AWAKE).await?;
            self.awake = Deadline::within(AWAKE / 3);
        }
        if self.pruned.remaining().is_zero() {
            self.pruned = Deadline::within(PRUNE);
            step::prune(store, self.deliverer.retention_days).await?;
        }
        let mut routed = 0;
        if self.routed.remaining().is_zero() {
            routed = step::route(store).await?;
            self.totals.routed += routed as u64;
            counter!("routed").increment(routed as u64);
            // A transaction that began before the registration may commit a little later.
            let next = if std::mem::replace(&mut self.has_routed, true) { ROUTE } else { SOON };
            self.routed = Deadline::within(if routed == 0 { next } else { Duration::ZERO });
        }
        let judged = if self.has_verdicts { verdicts::announce(store).await? } else { 0 };
        let workers = self.workers.values().map(|worker| (&worker.target, worker.free()));
        let free: Vec<(&Target, usize)> = workers.filter(|(_, free)| *free > 0).collect();
        let claimed = step::exchange(store, &self.done, &self.by_name, &free).await?;
        self.done.clear();
        let count = claimed.statuses.len() + claimed.events.len();
        self.start(claimed);
        if count > 0 {
            (self.lingers, self.has_found) = (None, true);
        }
        Ok(match (routed, judged + count) {
            (0, 0) => Worked::Nothing,
            (1000.., _) => Worked::Full,
            _ if judged >= verdicts::MANY => Worked::Full,
            _ => Worked::Something,
        })
    }

    fn start(&mut self, claimed: Claimed) {
        for name in &claimed.closed {
            if let Some(worker) = self.workers.get(name) {
                worker.turns.close();
            }
        }
        for due in claimed.statuses {
            if let Some(worker) = self.workers.get_mut(&due.target) {
                if due.age > worker.target.max_age {
                    self.done.push(outdated(due.target, due.lease, false));
                    continue;
                }
                worker.held += 1;
                let (sender, turn) = (Arc::clone(&worker.sender), Turn::of(&worker.turns));
                self.in_progress.spawn(async move { vec![one_status(&sender, &turn, due).await] });
            }
        }
        let mut batches: BTreeMap<String, Vec<EventDue>> = BTreeMap::new();
        for due in claimed.events {
            batches.entry(due.target.clone()).or_default().push(due);
        }
        for (name, events) in batches {
            let Some(worker) = self.workers.get_mut(&name) else { continue };
            let (events, late): (Vec<_>, Vec<_>) = events.into_iter().partition(|due| due.age <= worker.target.max_age);
            self.done.extend(late.into_iter().map(|due| outdated(due.target, due.lease, true)));
            worker.held += events.len();
            let most = if matches!(*worker.sender, Sender::Sns(_)) { ENTRIES } else { 1 };
            for events in events.chunks(most) {
                let (sender, turn) = (Arc::clone(&worker.sender), Turn::of(&worker.turns));
                let events = events.to_vec();
                self.in_progress.spawn(async move { some_events(&sender, &turn, events).await });
            }
        }
    }

    /// Waits a little for other deliveries to end, so that their outcomes are written together.
    async fn gather(&mut self) {
        let enough = async {
            while self.done.len() < ENOUGH
                && let Some(done) = self.in_progress.join_next().await
            {
                self.take(done);
            }
        };
        // Fewer outcomes are written as they are.
        tokio::time::timeout(GATHER, enough).await.ok();
    }

    /// Takes the outcomes of an ended task.
    fn take(&mut self, ended: Result<Vec<Done>, tokio::task::JoinError>) {
        let done = match ended {
            Ok(done) => done,
            // Its lease expires, and it is retried.
            Err(error) => return tracing::error!(error = %error, alarm = true, "a delivery panicked"),
        };
        for done in done {
            if let Some(worker) = self.workers.get_mut(&done.target) {
                worker.held = worker.held.saturating_sub(1);
            }
            match done.decision.as_ref().map(|decision| &decision.outcome) {
                Some(Outcome::Delivered) => {
                    self.totals.delivered += 1;
                    counter!("delivered").increment(1);
                }
                Some(Outcome::Dead { why }) => {
                    self.totals.dead += 1;
                    counter!("dead").increment(1);
                    tracing::warn!(target = %done.target, reason = %why, "cannot be delivered; see `deliveries list`");
                }
                Some(Outcome::Retry { why, .. } | Outcome::Pause { why }) => {
                    self.totals.again += 1;
                    counter!("delivery_retries").increment(1);
                    tracing::debug!(target = %done.target, reason = %why, "not delivered, will be retried");
                }
                Some(Outcome::NotTried) | None => {}
            }
            self.done.push(done);
        }
    }
}
