//! What sends to a target, and what became of each delivery.

use tokio::sync::Semaphore;

use super::commit::CommitPoster;
use super::notice::NoticePoster;
use super::policy::Decision;
use super::sns::SnsPublisher;
use super::step::{Done, OUTDATED};
use super::webhook::WebhookPoster;
use crate::outbox::queue::{EventDue, StatusDue};

/// Sends to one target.
pub(super) enum Sender {
    Commit(CommitPoster),
    Sns(SnsPublisher),
    Webhook(WebhookPoster),
    Notice(Box<NoticePoster>),
}

/// What has waited for too long is not sent any more.
pub(super) fn outdated(target: String, lease: String, is_event: bool) -> Done {
    let decision = Some(Decision::dead(format!("{OUTDATED}: it waited for longer than max_age_hours")));
    Done { target, lease, is_event, decision, check_run: None }
}

/// One status, once it is its turn.
pub(super) async fn one_status(sender: &Sender, permits: &Semaphore, due: StatusDue) -> Done {
    let decision = match (sender, permits.acquire().await) {
        (Sender::Commit(poster), Ok(_permit)) => Some(poster.post(&due.status, due.tries).await),
        _ => None,
    };
    Done { target: due.target, lease: due.lease, is_event: false, decision, check_run: None }
}

/// Events that go together, once it is their turn.
pub(super) async fn some_events(sender: &Sender, permits: &Semaphore, due: Vec<EventDue>) -> Vec<Done> {
    let mut check_runs = Vec::new();
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
