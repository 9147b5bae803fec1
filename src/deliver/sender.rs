//! Sends deliveries with the client of their target.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::commit::CommitPoster;
use super::notice::NoticePoster;
use super::policy::Decision;
use super::sns::SnsPublisher;
use super::step::{Done, OUTDATED};
use super::webhook::WebhookPoster;
use crate::outbox::EventDue;
use crate::outbox::queue::StatusDue;

/// Sends to one target.
pub(super) enum Sender {
    Commit(CommitPoster),
    Sns(SnsPublisher),
    Webhook(WebhookPoster),
    Notice(Box<NoticePoster>),
}

/// Bounds the deliveries to a target that are in progress at the same time.
pub(super) struct Turns {
    permits: Semaphore,
    /// How often the circuit breaker of the target opened.
    closings: AtomicU32,
}

impl Turns {
    pub(super) fn new(at_a_time: usize) -> Self {
        Self { permits: Semaphore::new(at_a_time), closings: AtomicU32::new(0) }
    }

    /// Starts no delivery any more.
    pub(super) fn end(&self) {
        self.permits.close();
    }

    /// The circuit breaker opened: deliveries that wait for their turn now are not started.
    pub(super) fn close(&self) {
        self.closings.fetch_add(1, Ordering::Relaxed);
    }
}

/// A delivery that waits for its turn.
pub(super) struct Turn {
    turns: Arc<Turns>,
    closings: u32,
}

impl Turn {
    pub(super) fn of(turns: &Arc<Turns>) -> Self {
        Self { turns: Arc::clone(turns), closings: turns.closings.load(Ordering::Relaxed) }
    }

    /// Waits for the turn; `None` if the lease is to be given back.
    async fn comes(&self) -> Option<SemaphorePermit<'_>> {
        let permit = self.turns.permits.acquire().await.ok()?;
        (self.turns.closings.load(Ordering::Relaxed) == self.closings).then_some(permit)
    }
}

/// The outcome of a delivery that has waited for too long: it is not sent.
pub(super) fn outdated(target: String, lease: String, is_event: bool) -> Done {
    let decision = Some(Decision::dead(format!("{OUTDATED}: it waited for longer than max_age_hours")));
    Done { target, lease, is_event, decision, check_run: None }
}

/// Sends one status, as soon as it is its turn.
pub(super) async fn one_status(sender: &Sender, turn: &Turn, due: StatusDue) -> Done {
    let decision = match (sender, turn.comes().await) {
        (Sender::Commit(poster), Some(_permit)) => Some(poster.post(&due.status, due.attempts).await),
        _ => None,
    };
    Done { target: due.target, lease: due.lease, is_event: false, decision, check_run: None }
}

/// Sends events that go together, as soon as it is their turn.
pub(super) async fn some_events(sender: &Sender, turn: &Turn, due: Vec<EventDue>) -> Vec<Done> {
    let mut check_runs = Vec::new();
    let decisions: Vec<_> = match (sender, turn.comes().await) {
        (Sender::Sns(publisher), Some(_permit)) => publisher.publish(&due).await.into_iter().map(Some).collect(),
        (Sender::Webhook(poster), Some(_permit)) => {
            let mut decisions = Vec::new();
            for due in &due {
                decisions.push(Some(poster.post(due).await));
            }
            decisions
        }
        (Sender::Notice(poster), Some(_permit)) => {
            let mut decisions = Vec::new();
            for due in &due {
                let (decision, run) = poster.post(due).await;
                check_runs.push(run);
                decisions.push(Some(decision));
            }
            decisions
        }
        _ => vec![None; due.len()],
    };
    check_runs.resize(due.len(), None);
    let done = due.into_iter().zip(decisions).zip(check_runs);
    done.map(|((due, decision), check_run)| Done {
        target: due.target,
        lease: due.lease,
        is_event: true,
        decision,
        check_run,
    })
    .collect()
}
