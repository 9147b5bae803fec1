//! The word that ends long-running loops: they finish what they have in hand and return.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Says the word. Dropping it says it as well, so that no loop outlives whoever could stop it.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Hears the word; to be cloned for each loop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stopper {
    /// Both ends.
    #[must_use]
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(receiver))
    }

    /// Ends the loops.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Ends the loops at the first SIGINT or SIGTERM, from a task of its own.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub fn on_signals(self) -> io::Result<()> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            };
            tracing::info!(signal = name, "stopping");
            self.stop();
        });
        Ok(())
    }
}

impl Stop {
    /// Whether the word was said.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when the word is said.
    pub async fn wait(&self) {
        // `Err`: the sender is gone, which says the same.
        self.0.clone().wait_for(|stop| *stop).await.ok();
    }

    /// The outcome of `future`, or `None`, and the future dropped, when the word is said before.
    pub async fn unless<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.wait() => None,
            value = future => Some(value),
        }
    }

    /// Waits; `false`, and at once, when the word is said.
    pub async fn sleep(&self, time: Duration) -> bool {
        self.unless(tokio::time::sleep(time)).await.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_ways_of_saying_it() {
        let (stopper, stop) = Stopper::new();
        assert!(!stop.is_set() && stop.sleep(Duration::from_millis(1)).await);
        stopper.stop();
        assert!(stop.is_set() && !stop.sleep(Duration::from_secs(60)).await);

        let (stopper, stop) = Stopper::new();
        drop(stopper);
        assert!(stop.is_set() && stop.unless(std::future::pending::<()>()).await.is_none());
    }
}
