//! Receives notifications of PostgreSQL (`LISTEN`), on a connection outside of the pool: a pooled one is reused by
//! other callers, and behind a pooler in transaction mode no notification arrives.

use std::time::Duration;

use futures_util::stream::{StreamExt, poll_fn};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Row};

use super::{FromRow, Store, StoreError, pool};
use crate::platform::clock::Deadline;

/// Notifications in the queue; all have the same meaning.
const WAITING: usize = 16;
/// How long our own test notification may take.
const PROOF: Duration = Duration::from_secs(2);

/// A channel of notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Something is due to be delivered.
    Due,
    /// A check has changed. Notified only while a process listens.
    Checks,
}

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Self::Due => "hummingbird_status_due",
            Self::Checks => "hummingbird_status_checks",
        }
    }

    /// Makes a session listen. That of [`Channel::Checks`] shares an advisory lock until it ends, by which a
    /// transaction that changes checks knows that a process listens (`checks/store/sql/notify_waiters.sql`).
    fn listen(self) -> &'static str {
        match self {
            Self::Due => "LISTEN hummingbird_status_due",
            Self::Checks => "LISTEN hummingbird_status_checks; SELECT pg_advisory_lock_shared(7205931001)",
        }
    }
}

/// Receives the notifications of one channel.
pub struct Listener {
    /// Ends the connection when it is dropped.
    _client: Client,
    payloads: mpsc::Receiver<String>,
    connection: JoinHandle<()>,
}

/// A row of which nothing is read.
struct Done;

impl FromRow for Done {
    fn from_row(_: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Store {
    /// Listens to a channel, and returns when a test notification of our own has arrived on it; `None` when it has not
    /// within two seconds, for instance because of a pooler in between. It takes a connection of the pool for a moment,
    /// so it must be polled until it ends.
    ///
    /// # Errors
    /// When there is no connection, or a statement fails.
    pub async fn listen(&self, channel: Channel, deadline: Deadline) -> Result<Option<Listener>, StoreError> {
        let listening = async {
            let (client, mut connection) = pool::connect(&self.database).await?;
            let (sender, payloads) = mpsc::channel(WAITING);
            let connection = tokio::spawn(async move {
                let mut messages = poll_fn(move |context| connection.poll_message(context));
                while let Some(Ok(message)) = messages.next().await {
                    if let AsyncMessage::Notification(notification) = message {
                        // When the queue is full, the notifications in it have the same effect.
                        drop(sender.try_send(notification.payload().to_owned()));
                    }
                }
            });
            let failed = |source| StoreError::Statement { name: "listen", source };
            client.batch_execute(channel.listen()).await.map_err(failed)?;
            Ok::<_, StoreError>(Listener { _client: client, payloads, connection })
        };
        let mut listener = match tokio::time::timeout(deadline.remaining(), listening).await {
            Ok(listener) => listener?,
            Err(_) => return Err(StoreError::Timeout { name: "listen" }),
        };
        // Sent through the pool, like the notifications of other processes.
        self.reader(deadline).await?.read::<Done>(include_str!("sql/notify_self.sql"), &[&channel.name()]).await?;
        let heard = tokio::time::timeout(PROOF, listener.payloads.recv()).await;
        Ok(matches!(heard, Ok(Some(_))).then_some(listener))
    }
}

impl Listener {
    /// Waits for a notification, and removes all from the queue. `false` when the connection has ended.
    pub async fn heard(&mut self) -> bool {
        let heard = self.payloads.recv().await.is_some();
        while self.payloads.try_recv().is_ok() {}
        heard
    }
}
