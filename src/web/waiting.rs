//! Requests that wait for a change of checks: woken by notifications of PostgreSQL, or by polling where none arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::db::{Channel, Store};
use crate::platform::clock::Deadline;

/// Most requests that wait at the same time.
const MOST: usize = 100;
/// Pause between two looks without notifications.
const POLL: Duration = Duration::from_secs(1);
/// Pause with notifications: a verdict also changes with time.
const LONGEST: Duration = Duration::from_secs(5);
/// Time limit of connecting for notifications.
const CONNECT: Duration = Duration::from_secs(15);
/// Time between two attempts to listen, and until a listener that no request needs ends.
const RETRY: Duration = Duration::from_secs(30);

/// The requests of a process that wait.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    permits: Arc<Semaphore>,
    changes: Arc<Changes>,
}

#[derive(Debug)]
struct Changes {
    sender: watch::Sender<()>,
    /// Whether a task tries to listen.
    has_task: AtomicBool,
    /// Whether notifications arrive.
    is_notified: AtomicBool,
}

/// A request that waits.
pub(super) struct Waiter {
    _permit: OwnedSemaphorePermit,
    receiver: watch::Receiver<()>,
    changes: Arc<Changes>,
}

impl Waiting {
    pub(super) fn new() -> Self {
        let changes = Changes {
            sender: watch::Sender::new(()),
            has_task: AtomicBool::new(false),
            is_notified: AtomicBool::new(false),
        };
        Self { permits: Arc::new(Semaphore::new(MOST)), changes: Arc::new(changes) }
    }

    /// Begins to wait; `None` if too many requests wait already.
    pub(super) fn begin(&self, store: &Store) -> Option<Waiter> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let receiver = self.changes.sender.subscribe();
        if !self.changes.has_task.swap(true, Ordering::SeqCst) {
            tokio::spawn(listen(store.clone(), Arc::clone(&self.changes)));
        }
        Some(Waiter { _permit: permit, receiver, changes: Arc::clone(&self.changes) })
    }
}

impl Waiter {
    /// Waits until a check may have changed, at most until the deadline.
    pub(super) async fn changed(&mut self, deadline: Deadline) {
        let pause = if self.changes.is_notified.load(Ordering::Relaxed) { LONGEST } else { POLL };
        drop(tokio::time::timeout(pause.min(deadline.remaining()), self.receiver.changed()).await);
    }
}

/// Passes notifications on until no request waits.
async fn listen(store: Store, changes: Arc<Changes>) {
    loop {
        listen_while_needed(&store, &changes).await;
        changes.has_task.store(false, Ordering::SeqCst);
        // A request that began meanwhile found this task, which no longer listens.
        if changes.sender.receiver_count() == 0 || changes.has_task.swap(true, Ordering::SeqCst) {
            return;
        }
    }
}

async fn listen_while_needed(store: &Store, changes: &Changes) {
    while changes.sender.receiver_count() > 0 {
        match store.listen(Channel::Checks, Deadline::within(CONNECT)).await {
            Ok(Some(mut listener)) => {
                changes.is_notified.store(true, Ordering::Relaxed);
                loop {
                    match tokio::time::timeout(RETRY, listener.heard()).await {
                        Ok(true) => changes.sender.send_replace(()),
                        Ok(false) => break,
                        Err(_) if changes.sender.receiver_count() == 0 => break,
                        Err(_) => continue,
                    };
                }
                changes.is_notified.store(false, Ordering::Relaxed);
            }
            Ok(None) => tokio::time::sleep(RETRY).await,
            Err(error) => {
                tracing::debug!(error = crate::platform::failure::chain(&error), "cannot listen for changes of checks");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
