//! When a drain reads the rows again: as soon as a transaction notifies that something is due, where notifications of
//! PostgreSQL (LISTEN, NOTIFY) arrive; else by polling with a backoff.

use std::time::Duration;

use crate::db::{Channel, Listener, Store, StoreError};
use crate::platform::clock::Deadline;
use crate::platform::failure::chain;
use crate::platform::shutdown::Owned;

/// First pause between two polls without notifications; also the interval of polls while deliveries are in progress.
pub(super) const POLL: Duration = Duration::from_millis(250);
/// Longest pause between two polls without notifications.
const LONGEST_POLL: Duration = Duration::from_secs(5);
/// Longest pause with notifications, in case one is lost.
const LONGEST: Duration = Duration::from_secs(60);
/// Time limit of connecting for notifications.
const CONNECT: Duration = Duration::from_secs(15);
/// Wait before listening is tried again.
const RETRY: Duration = Duration::from_secs(60);

enum State {
    /// Notifications are not wanted.
    Off,
    /// In a task of its own, because it holds a connection of the pool also while [`Wake::woken`] is not polled.
    Connecting(Owned<Result<Option<Listener>, StoreError>>),
    Listening(Listener),
    /// No notification arrives; listening is retried then.
    Waiting(Deadline),
}

/// Waits until something is due.
pub(super) struct Wake<'s> {
    store: &'s Store,
    state: State,
    /// Polls in a row that found nothing.
    polls: u32,
}

impl<'s> Wake<'s> {
    pub(super) fn new(store: &'s Store, listens: bool) -> Self {
        let state = if listens { State::Waiting(Deadline::within(Duration::ZERO)) } else { State::Off };
        Self { store, state, polls: 0 }
    }

    /// Resets the backoff, because something was found.
    pub(super) fn found(&mut self) {
        self.polls = 0;
    }

    /// How long to wait after a poll that found nothing. `next` is the time until the next delivery is due.
    pub(super) fn pause(&mut self, next: Option<Duration>) -> Duration {
        let longest = match self.state {
            State::Listening(_) => LONGEST,
            _ => LONGEST_POLL.min(POLL.saturating_mul(1 << self.polls.min(8))),
        };
        self.polls = self.polls.saturating_add(1);
        // A delivery that is due and was not found is locked by another process.
        next.filter(|next| !next.is_zero()).unwrap_or(if next.is_some() { POLL } else { longest }).min(longest)
    }

    /// Returns when a transaction has notified that something is due; never without notifications.
    pub(super) async fn woken(&mut self) {
        loop {
            match &mut self.state {
                State::Off => std::future::pending().await,
                State::Waiting(until) => {
                    tokio::time::sleep(until.remaining()).await;
                    let store = self.store.clone();
                    let listen = async move { store.listen(Channel::Due, Deadline::within(CONNECT)).await };
                    self.state = State::Connecting(Owned(tokio::spawn(listen)));
                }
                State::Connecting(listening) => {
                    let listener = (&mut listening.0).await;
                    self.state = match listener {
                        Ok(Ok(Some(listener))) => State::Listening(listener),
                        Ok(Ok(None)) => {
                            tracing::warn!(
                                "no notifications arrive (maybe because of a connection pooler): polling instead"
                            );
                            State::Waiting(Deadline::within(RETRY))
                        }
                        Ok(Err(error)) => {
                            tracing::debug!(error = chain(&error), "cannot listen to notifications");
                            State::Waiting(Deadline::within(LONGEST_POLL))
                        }
                        Err(error) => {
                            tracing::error!(%error, alarm = true, "the task that connects ended");
                            State::Waiting(Deadline::within(RETRY))
                        }
                    };
                    if matches!(self.state, State::Listening(_)) {
                        // Earlier commits sent no notification to this connection.
                        return;
                    }
                }
                State::Listening(listener) => {
                    if !listener.heard().await {
                        self.state = State::Waiting(Deadline::within(Duration::ZERO));
                    }
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_longest_and_end_when_something_is_due() {
        let database = crate::db::from_url("postgres://u@localhost/n").expect("URL");
        let store = Store::open(&database).expect("store");
        let mut wake = Wake::new(&store, false);
        let pauses: Vec<u128> = (0..7).map(|_| wake.pause(None).as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(wake.pause(Some(Duration::from_millis(30))).as_millis(), 30);
        assert_eq!(wake.pause(Some(Duration::ZERO)), POLL);
        wake.found();
        assert_eq!(wake.pause(Some(Duration::from_secs(9))), POLL);
    }
}
