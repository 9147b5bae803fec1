//! The loop: end leases, route, take leases, send; until it is told to stop, or nothing is left to do.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use metrics::counter;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::authorization::Installations;
use super::commit::CommitPoster;
use super::notice::NoticePoster;
use super::sns::{ENTRIES, SnsPublisher, Topics};
use super::step::{self, Claimed, Done};
use super::targets::{Kind, NoticeWay, Target, Way};
use super::webhook::WebhookPoster;
use crate::aws;
use crate::clock::{self, Deadline};
use crate::config::Lookup;
use crate::outbox::queue::{self, EventDue, Outcome, StatusDue};
use crate::store::{Store, chain};

/// How often rows are looked at while there is nothing to do: what commits is on its way within that.
const POLL: Duration = Duration::from_millis(250);
/// Days that rows are kept after they have come to an end.
const RETENTION_DAYS: i32 = 90;
/// So long, after something has come to an end, others are waited for that can be written with it.
const GATHER: Duration = Duration::from_millis(5);
/// How often events are looked for while there is much to deliver.
const ROUTE: Duration = Duration::from_millis(100);
/// How often old rows are thrown away.
const PRUNE: Duration = Duration::from_secs(3600);
/// How often the database is tried at the end to take in what was done.
const LAST_TRIES: u32 = 3;

/// A target that cannot be worked for.
#[derive(Debug, thiserror::Error)]
#[error("target {target}: cannot set up TLS (ca_bundle)")]
pub struct SetUpError {
    /// Its name.
    pub target: String,
    /// Why.
    pub source: reqwest::Error,
}

/// The credentials of the environment, if a target sends mail.
pub async fn mail_credentials(targets: &[Target], lookup: Lookup<'_>) -> Option<SharedCredentialsProvider> {
    let is_mail =
        |target: &Target| matches!(&target.kind, Kind::Notice(of) if matches!(of.way, NoticeWay::Mail { .. }));
    if !targets.iter().any(is_mail) {
        return None;
    }
    aws::config(lookup).await.credentials_provider()
}

/// When a drain ends.
pub enum Until<F> {
    /// When this happens. What is under way then is brought to its end.
    Stopped(F),
    /// The same, or as soon as nothing is due.
    Idle(F),
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

enum Sender {
    Commit(CommitPoster),
    Sns(SnsPublisher),
    Webhook(WebhookPoster),
    Notice(Box<NoticePoster>),
}

/// A target that is worked for, and its places.
struct Place {
    target: Target,
    sender: Arc<Sender>,
    permits: Arc<Semaphore>,
    held: usize,
}

impl Place {
    /// Leases that may be taken: those under way, and some to follow them at once.
    fn free(&self) -> usize {
        (2 * self.target.concurrency + 4).saturating_sub(self.held)
    }
}

/// Delivers what is due, for all targets that are not asked for their deliveries.
pub struct Deliverer {
    store: Store,
    targets: Vec<Target>,
    senders: BTreeMap<String, Arc<Sender>>,
    retention_days: i32,
}

impl Deliverer {
    /// Sets up clients for the targets; connects to nothing yet. `sns` is needed where a target is a topic, see
    /// [`sns_client`](super::sns_client).
    ///
    /// # Errors
    /// When TLS cannot be set up for one of them.
    pub fn new(store: Store, targets: Vec<Target>, sns: Option<Topics>) -> Result<Self, SetUpError> {
        let mut senders = BTreeMap::new();
        let mut installations = Installations::default();
        for target in &targets {
            let failed = |source| SetUpError { target: target.name.clone(), source };
            let sender = match &target.kind {
                Kind::Commit(commit) => {
                    let Way::Push(credential) = &commit.way else { continue };
                    let (api, bundle) = (commit.api.clone(), commit.ca_bundle.as_deref());
                    let authorization = installations.authorization(credential, &api);
                    Sender::Commit(CommitPoster::new(commit.forge, api, authorization, bundle).map_err(failed)?)
                }
                Kind::Sns { topic_arn, overflow, .. } => match &sns {
                    Some(topics) => Sender::Sns(SnsPublisher::new(topics, topic_arn, overflow.clone())),
                    None => continue,
                },
                Kind::Webhook { url, secret, allow_private, ca_bundle, .. } => {
                    let bundle = ca_bundle.as_deref();
                    let poster = WebhookPoster::new(url.clone(), secret.clone(), *allow_private, bundle);
                    Sender::Webhook(poster.map_err(failed)?)
                }
                Kind::Notice(notice) => {
                    let poster = NoticePoster::new(notice, &mut installations).map_err(failed)?;
                    Sender::Notice(Box::new(poster))
                }
            };
            senders.insert(target.name.clone(), Arc::new(sender));
        }
        Ok(Self { store, targets, senders, retention_days: RETENTION_DAYS })
    }

    /// Sends mail with these credentials, see [`mail_credentials`].
    #[must_use]
    pub fn mailing(mut self, credentials: Option<SharedCredentialsProvider>) -> Self {
        if let Some(credentials) = credentials {
            for sender in self.senders.values_mut().filter_map(Arc::get_mut) {
                if let Sender::Notice(poster) = sender {
                    poster.signing(&credentials);
                }
            }
        }
        self
    }

    /// Keeps what has come to an end for so many days.
    #[must_use]
    pub fn keeping(self, retention_days: i32) -> Self {
        Self { retention_days, ..self }
    }

    /// Works until it ends. The database may be away for any time; it is asked again.
    pub async fn run<F: Future<Output = ()>>(&self, until: Until<F>) -> Totals {
        let (stop, idle_ends) = match until {
            Until::Stopped(stop) => (stop, false),
            Until::Idle(stop) => (stop, true),
        };
        let mut stop = pin!(stop);
        let mut drain = Drain::new(self);
        let (mut failures, mut stopping) = (0, false);
        loop {
            let worked = drain.turn(stopping).await;
            if stopping && drain.under_way.is_empty() && (drain.done.is_empty() || failures >= LAST_TRIES) {
                break;
            }
            let wait = match worked {
                // More of the same is probably waiting.
                Ok(Worked::Full) => Duration::ZERO,
                Ok(Worked::Nothing) if idle_ends && drain.under_way.is_empty() && drain.done.is_empty() => break,
                Ok(_) => POLL,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(error = chain(&error), "the database does not answer, trying again");
                    clock::backoff(failures, POLL, Duration::from_secs(5))
                }
            };
            if wait == POLL {
                failures = 0;
            }
            tokio::select! {
                Some(done) = drain.under_way.join_next() => {
                    drain.take(done);
                    tokio::time::sleep(GATHER).await;
                }
                () = tokio::time::sleep(wait) => {}
                () = &mut stop, if !stopping => {
                    stopping = true;
                    // Who waits for a place gives the lease back.
                    drain.places.values().for_each(|place| place.permits.close());
                }
            }
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
    totals: Totals,
}

impl<'d> Drain<'d> {
    fn new(deliverer: &'d Deliverer) -> Self {
        let by_name: BTreeMap<String, Target> =
            deliverer.targets.iter().map(|target| (target.name.clone(), target.clone())).collect();
        let places = deliverer.senders.iter().filter_map(|(name, sender)| {
            let target = by_name.get(name)?.clone();
            let permits = Arc::new(Semaphore::new(target.concurrency));
            Some((name.clone(), Place { target, sender: Arc::clone(sender), permits, held: 0 }))
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
            totals: Totals::default(),
        }
    }

    /// Writes what has come to an end, routes, and begins what is due, unless it is time to stop.
    async fn turn(&mut self, stopping: bool) -> Result<Worked, crate::store::StoreError> {
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
            let names: Vec<&str> = self.deliverer.targets.iter().map(|target| target.name.as_str()).collect();
            let within = Deadline::within(Duration::from_secs(15));
            store.check_schema(within).await?;
            store.in_tx("register", within, async |tx| queue::register(tx, &names).await).await?;
            self.registered = true;
        }
        if self.pruned.remaining().is_zero() {
            self.pruned = Deadline::within(PRUNE);
            step::prune(store, self.deliverer.retention_days).await?;
        }
        let mut routed = 0;
        if self.routed.remaining().is_zero() {
            routed = step::route(store, &self.deliverer.targets).await?;
            self.totals.routed += routed as u64;
            counter!("routed").increment(routed as u64);
            self.routed = Deadline::within(if routed == 0 { ROUTE } else { Duration::ZERO });
        }
        let places = self.places.values().map(|place| (&place.target, place.free()));
        let free: Vec<(&Target, usize)> = places.filter(|(_, free)| *free > 0).collect();
        let claimed = step::exchange(store, &self.done, &self.by_name, &free).await?;
        self.done.clear();
        let count = claimed.statuses.len() + claimed.events.len();
        self.begin(claimed);
        Ok(match (routed, count) {
            (0, 0) => Worked::Nothing,
            (1000.., _) => Worked::Full,
            _ => Worked::Something,
        })
    }

    fn begin(&mut self, claimed: Claimed) {
        for due in claimed.statuses {
            if let Some(place) = self.places.get_mut(&due.target) {
                place.held += 1;
                let (sender, permits) = (Arc::clone(&place.sender), Arc::clone(&place.permits));
                self.under_way.spawn(async move { vec![one_status(&sender, &permits, due).await] });
            }
        }
        let mut batches: BTreeMap<String, Vec<EventDue>> = BTreeMap::new();
        for due in claimed.events {
            batches.entry(due.target.clone()).or_default().push(due);
        }
        for (name, events) in batches {
            let Some(place) = self.places.get_mut(&name) else { continue };
            place.held += events.len();
            let most = if matches!(*place.sender, Sender::Sns(_)) { ENTRIES } else { 1 };
            for events in events.chunks(most) {
                let (sender, permits) = (Arc::clone(&place.sender), Arc::clone(&place.permits));
                let events = events.to_vec();
                self.under_way.spawn(async move { some_events(&sender, &permits, events).await });
            }
        }
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

/// One status, once it is its turn.
async fn one_status(sender: &Sender, permits: &Semaphore, due: StatusDue) -> Done {
    let decision = match (sender, permits.acquire().await) {
        (Sender::Commit(poster), Ok(_permit)) => Some(poster.post(&due.status, due.tries).await),
        _ => None,
    };
    Done { target: due.target, lease: due.lease, is_event: false, decision }
}

/// Events that go together, once it is their turn.
async fn some_events(sender: &Sender, permits: &Semaphore, due: Vec<EventDue>) -> Vec<Done> {
    let decisions: Vec<_> = match (sender, permits.acquire().await) {
        (Sender::Sns(publisher), Ok(_permit)) => publisher.publish(&due).await.into_iter().map(Some).collect(),
        (Sender::Webhook(poster), Ok(_permit)) => {
            let mut decisions = Vec::new();
            for due in &due {
                decisions.push(Some(poster.post(due).await));
            }
            decisions
        }
        (Sender::Notice(poster), Ok(_permit)) => {
            let mut decisions = Vec::new();
            for due in &due {
                decisions.push(Some(poster.post(due).await));
            }
            decisions
        }
        _ => vec![None; due.len()],
    };
    let done = due.into_iter().zip(decisions);
    done.map(|(due, decision)| Done { target: due.target, lease: due.lease, is_event: true, decision }).collect()
}
