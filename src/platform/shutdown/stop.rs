//! The stop signal of long-running loops: they finish their current work and return.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Sends the stop signal. Dropping it sends it too, so that no loop outlives its owner.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Receives the stop signal; clone it for each loop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stopper {
    /// A sender and a receiver.
    #[must_use]
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(receiver))
    }

    /// Stops the loops.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Stops the loops at the first SIGINT or SIGTERM, from a task of its own.
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
    /// Whether the stop signal was sent.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when the stop signal is sent.
    pub async fn wait(&self) {
        // `Err`: the sender was dropped, which stops the loops too.
        self.0.clone().wait_for(|stop| *stop).await.ok();
    }

    /// The output of `future`, or `None`, and the future dropped, when the stop signal is sent before.
    pub async fn unless<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.wait() => None,
            value = future => Some(value),
        }
    }

    /// Sleeps; returns `false` at once when the stop signal is sent.
    pub async fn sleep(&self, time: Duration) -> bool {
        self.unless(tokio::time::sleep(time)).await.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stopping_and_dropping_both_stop() {
        let (stopper, stop) = Stopper::new();
        assert!(!stop.is_set() && stop.sleep(Duration::from_millis(1)).await);
        stopper.stop();
        assert!(stop.is_set() && !stop.sleep(Duration::from_secs(60)).await);

        let (stopper, stop) = Stopper::new();
        drop(stopper);
        assert!(stop.is_set() && stop.unless(std::future::pending::<()>()).await.is_none());
    }
}
