//! The loop: end leases, route, take leases, send; until it is told to stop, or nothing is left to do.

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
use super::wake::{POLL, Wake};
use crate::clock::{self, Deadline};
use crate::outbox::queue::{EventDue, Outcome};
use crate::outbox::registry::{self, Registration};
use crate::store::{StoreError, chain};

/// A pause of a target that a drain waits for which ends when all that can be delivered now is.
const SHORT: Duration = Duration::from_secs(3);
/// How long nothing has to be due before a function that delivers ends.
pub const LINGER: Duration = Duration::from_secs(5);
/// How long a drain that lingers says ahead that it looks for work by itself.
const AWAKE: Duration = Duration::from_secs(15);
/// What is due within that is waited for by a drain that lingers.
const NEAR: Duration = Duration::from_secs(20);
/// How long a transaction may take from its look at `delivery_awake` to its end.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// So long, after something has come to an end, others are waited for that can be written with it.
const GATHER: Duration = Duration::from_millis(5);
/// As many are written at once: while that is done, others are under way.
const ENOUGH: usize = 32;
/// Leases of commit statuses for each place: one under way, and as many to follow it as can be within their time.
const IN_A_ROW: usize = 6;
/// How often events are looked for that were written before it was known who receives them.
const ROUTE: Duration = Duration::from_secs(60);
/// The same after the first time.
const SOON: Duration = Duration::from_secs(2);
/// How often old rows are thrown away.
const PRUNE: Duration = Duration::from_secs(3600);
/// How often the database is tried at the end to take in what was done.
const LAST_TRIES: u32 = 3;

/// When a drain ends.
pub enum Until<F> {
    /// When this happens. What is under way then is brought to its end.
    Stopped(F),
    /// The same, or as soon as nothing is due.
    Idle(F),
    /// The same, or as soon as nothing is due and nothing waits for the pace of a target or a short pause.
    Settled(F),
    /// The same, or when nothing was due for so long. Until then it says that it is awake, and looks once more after it has said
    /// that it is not.
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
    /// Deliveries to be tried again.
    pub again: u64,
    /// Deliveries that were given up at once.
    pub dead: u64,
}

/// A target that is worked for, and its places.
struct Place {
    target: Target,
    sender: Arc<Sender>,
    turns: Arc<Turns>,
    held: usize,
}

impl Place {
    /// Leases that may be taken: those under way, and some to follow them at once. Events are large, and fewer follow.
    fn free(&self) -> usize {
        let places = self.target.concurrency;
        let most = if matches!(self.target.kind, Kind::Commit(_)) { IN_A_ROW * places } else { 2 * places + 4 };
        most.saturating_sub(self.held)
    }
}

impl Deliverer {
    /// Works until it ends. The database may be away for any time; it is asked again.
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
            let is_idle = drain.under_way.is_empty();
            if stopping && is_idle && (drain.done.is_empty() || failures >= LAST_TRIES) {
                break;
            }
            let wait = match worked {
                // More of the same is probably waiting.
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
                    tracing::warn!(error = chain(&error), "the database does not answer, trying again");
                    clock::backoff(failures, POLL, Duration::from_secs(5))
                }
            };
            tokio::select! {
                Some(done) = drain.under_way.join_next() => {
                    drain.take(done);
                    drain.gather().await;
                }
                () = tokio::time::sleep(wait) => {}
                () = wake.woken(), if failures == 0 => wake.found(),
                () = &mut stop, if !stopping => {
                    stopping = true;
                    // Who waits for a place gives the lease back.
                    drain.places.values().for_each(|place| place.turns.end());
                }
            }
        }
        if let Mode::Lingering(_) = mode
            && let Err(error) = step::stay_awake(&self.store, Duration::ZERO).await
        {
            tracing::debug!(error = chain(&error), "cannot say that nobody is awake");
        }
        if let Err(error) = step::gauges(&self.store).await {
            tracing::debug!(error = chain(&error), "no figures of the targets");
        }
        drain.totals
    }
}

/// What a turn of the loop found.
enum Worked {
    Nothing,
    Something,
    /// As much as one turn takes.
    Full,
}

struct Drain<'d> {
    deliverer: &'d Deliverer,
    by_name: BTreeMap<String, Target>,
    places: BTreeMap<String, Place>,
    under_way: JoinSet<Vec<Done>>,
    done: Vec<Done>,
    registered: bool,
    pruned: Deadline,
    routed: Deadline,
    /// When it is to say again that it is awake.
    awake: Deadline,
    /// When it is idle for long enough, if it is idle.
    lingers: Option<Deadline>,
    /// Whether anything was due since it began.
    has_found: bool,
    has_routed: bool,
    totals: Totals,
}

impl<'d> Drain<'d> {
    fn new(deliverer: &'d Deliverer) -> Self {
        let by_name: BTreeMap<String, Target> =
            deliverer.targets.iter().map(|target| (target.name.clone(), target.clone())).collect();
        let places = deliverer.senders.iter().filter_map(|(name, sender)| {
            let target = by_name.get(name)?.clone();
            let turns = Arc::new(Turns::new(target.concurrency));
            Some((name.clone(), Place { target, sender: Arc::clone(sender), turns, held: 0 }))
        });
        let places = places.collect();
        Self {
            deliverer,
            by_name,
            places,
            under_way: JoinSet::new(),
            done: Vec::new(),
            registered: false,
            pruned: Deadline::within(Duration::ZERO),
            routed: Deadline::within(Duration::ZERO),
            awake: Deadline::within(Duration::ZERO),
            lingers: None,
            has_found: false,
            has_routed: false,
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
                // A transaction that looked before has committed then.
                tokio::time::sleep(LAST_LOOK).await;
                let missed = self.deliverer.left().await?.iter().any(|waits| waits.next.is_zero());
                self.awake = Deadline::within(Duration::ZERO);
                missed.then_some(Duration::ZERO)
            }
            _ => {
                let routes = self.routed.remaining().max(POLL);
                Some(wake.pause(Some(next.map_or(routes, |next| next.min(routes)))))
            }
        })
    }

    /// Writes what has come to an end, routes, and begins what is due, unless it is time to stop.
    async fn turn(&mut self, stopping: bool, mode: Mode) -> Result<Worked, StoreError> {
        while let Some(done) = self.under_way.try_join_next() {
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
        // Only what has found something stays: a schedule that finds nothing costs nothing more.
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
            // What was begun before the registration may be committed a little later.
            let next = if std::mem::replace(&mut self.has_routed, true) { ROUTE } else { SOON };
            self.routed = Deadline::within(if routed == 0 { next } else { Duration::ZERO });
        }
        let places = self.places.values().map(|place| (&place.target, place.free()));
        let free: Vec<(&Target, usize)> = places.filter(|(_, free)| *free > 0).collect();
        let claimed = step::exchange(store, &self.done, &self.by_name, &free).await?;
        self.done.clear();
        let count = claimed.statuses.len() + claimed.events.len();
        self.begin(claimed);
        if count > 0 {
            (self.lingers, self.has_found) = (None, true);
        }
        Ok(match (routed, count) {
            (0, 0) => Worked::Nothing,
            (1000.., _) => Worked::Full,
            _ => Worked::Something,
        })
    }

    fn begin(&mut self, claimed: Claimed) {
        for name in &claimed.closed {
            if let Some(place) = self.places.get(name) {
                place.turns.close();
            }
        }
        for due in claimed.statuses {
            if let Some(place) = self.places.get_mut(&due.target) {
                if due.age > place.target.max_age {
                    self.done.push(outdated(due.target, due.lease, false));
                    continue;
                }
                place.held += 1;
                let (sender, turn) = (Arc::clone(&place.sender), Turn::of(&place.turns));
                self.under_way.spawn(async move { vec![one_status(&sender, &turn, due).await] });
            }
        }
        let mut batches: BTreeMap<String, Vec<EventDue>> = BTreeMap::new();
        for due in claimed.events {
            batches.entry(due.target.clone()).or_default().push(due);
        }
        for (name, events) in batches {
            let Some(place) = self.places.get_mut(&name) else { continue };
            let (events, late): (Vec<_>, Vec<_>) = events.into_iter().partition(|due| due.age <= place.target.max_age);
            self.done.extend(late.into_iter().map(|due| outdated(due.target, due.lease, true)));
            place.held += events.len();
            let most = if matches!(*place.sender, Sender::Sns(_)) { ENTRIES } else { 1 };
            for events in events.chunks(most) {
                let (sender, turn) = (Arc::clone(&place.sender), Turn::of(&place.turns));
                let events = events.to_vec();
                self.under_way.spawn(async move { some_events(&sender, &turn, events).await });
            }
        }
    }

    /// Waits a little for what can be written with that which has come to an end.
    async fn gather(&mut self) {
        let enough = async {
            while self.done.len() < ENOUGH
                && let Some(done) = self.under_way.join_next().await
            {
                self.take(done);
            }
        };
        // Not enough in that time is no fault.
        tokio::time::timeout(GATHER, enough).await.ok();
    }

    /// Notes what has come to an end.
    fn take(&mut self, ended: Result<Vec<Done>, tokio::task::JoinError>) {
        let done = match ended {
            Ok(done) => done,
            // Its lease runs out, and it comes again.
            Err(error) => return tracing::error!(error = %error, alarm = true, "a delivery panicked"),
        };
        for done in done {
            if let Some(place) = self.places.get_mut(&done.target) {
                place.held = place.held.saturating_sub(1);
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
                    tracing::debug!(target = %done.target, reason = %why, "not delivered, to be tried again");
                }
                Some(Outcome::Back) | None => {}
            }
            self.done.push(done);
        }
    }
}
