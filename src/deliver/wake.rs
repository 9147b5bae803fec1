//! When a drain looks at the rows again: as soon as a transaction says that something is due, where notifications of PostgreSQL
//! arrive; else with pauses that grow.

use std::time::Duration;

use crate::clock::Deadline;
use crate::store::{Listener, Store, StoreError, chain};
use crate::tasks::Owned;

/// First pause between two looks at rows without notifications; and how often rows are looked at while something is under way.
pub(super) const POLL: Duration = Duration::from_millis(250);
/// Longest pause between two looks without notifications.
const LONGEST_POLL: Duration = Duration::from_secs(5);
/// Longest pause with them: in case one is lost.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a connection for notifications may take.
const CONNECT: Duration = Duration::from_secs(15);
/// When it is tried again to hear notifications.
const AGAIN: Duration = Duration::from_secs(60);

enum State {
    /// Notifications are not asked for.
    Off,
    /// In a task of its own: it holds a connection of the pool, also while [`Wake::woken`] is not polled.
    Connecting(Owned<Result<Option<Listener>, StoreError>>),
    Listening(Listener),
    /// No notification arrives; it is tried again then.
    Deaf(Deadline),
}

/// Waits for what is due.
pub(super) struct Wake<'s> {
    store: &'s Store,
    state: State,
    /// Looks in a row that found nothing.
    looks: u32,
}

impl<'s> Wake<'s> {
    pub(super) fn new(store: &'s Store, listens: bool) -> Self {
        let state = if listens { State::Deaf(Deadline::within(Duration::ZERO)) } else { State::Off };
        Self { store, state, looks: 0 }
    }

    /// Something was found: the next pause is short again.
    pub(super) fn found(&mut self) {
        self.looks = 0;
    }

    /// How long to wait after a look that found nothing, when the next thing is due then.
    pub(super) fn pause(&mut self, next: Option<Duration>) -> Duration {
        let longest = match self.state {
            State::Listening(_) => LONGEST,
            _ => LONGEST_POLL.min(POLL.saturating_mul(1 << self.looks.min(8))),
        };
        self.looks = self.looks.saturating_add(1);
        // What is due and not found is locked by another process.
        next.filter(|next| !next.is_zero()).unwrap_or(if next.is_some() { POLL } else { longest }).min(longest)
    }

    /// Returns when the rows have to be looked at because a transaction says so; else never.
    pub(super) async fn woken(&mut self) {
        loop {
            match &mut self.state {
                State::Off => std::future::pending().await,
                State::Deaf(until) => {
                    tokio::time::sleep(until.remaining()).await;
                    let store = self.store.clone();
                    let listen = async move { store.listen(Deadline::within(CONNECT)).await };
                    self.state = State::Connecting(Owned(tokio::spawn(listen)));
                }
                State::Connecting(listening) => {
                    let listener = (&mut listening.0).await;
                    self.state = match listener {
                        Ok(Ok(Some(listener))) => State::Listening(listener),
                        Ok(Ok(None)) => {
                            tracing::warn!("no notifications arrive (is there a pooler between?), so rows are polled");
                            State::Deaf(Deadline::within(AGAIN))
                        }
                        Ok(Err(error)) => {
                            tracing::debug!(error = chain(&error), "cannot listen to notifications");
                            State::Deaf(Deadline::within(LONGEST_POLL))
                        }
                        Err(error) => {
                            tracing::error!(%error, alarm = true, "the task that connects ended");
                            State::Deaf(Deadline::within(AGAIN))
                        }
                    };
                    if matches!(self.state, State::Listening(_)) {
                        // What was committed before was not heard of.
                        return;
                    }
                }
                State::Listening(listener) => {
                    if !listener.heard().await {
                        self.state = State::Deaf(Deadline::within(Duration::ZERO));
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
    use crate::config;

    #[test]
    fn pauses_grow_to_their_longest_and_end_when_something_is_due() {
        let database = config::from_url("postgres://u@localhost/n").expect("URL");
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
