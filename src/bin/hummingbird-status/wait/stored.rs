//! Verdicts of a database.

use std::time::Duration;

use anyhow::Context;
use hummingbird_status::checks::Pattern;
use hummingbird_status::db::{Channel, Listener, Store};
use hummingbird_status::platform::clock::{self, Deadline};
use hummingbird_status::platform::failure::chain;
use hummingbird_status::reports::verdict_of;

use super::outcome::Seen;
use super::{Failure, Look, Question};
use crate::database::{self, Database};

/// Time limit of a look.
const LOOK: Duration = Duration::from_secs(10);
/// Time limit of a statement.
const STATEMENT: Duration = Duration::from_secs(5);
/// Pause between two looks without notifications.
const POLL: Duration = Duration::from_secs(1);
/// Pause with notifications: a verdict also changes with time.
const LONGEST: Duration = Duration::from_secs(5);
/// Time limit of connecting for notifications.
const CONNECT: Duration = Duration::from_secs(5);
/// Time between two attempts to listen.
const RETRY: Duration = Duration::from_secs(30);

/// A database that is asked for a verdict.
pub(super) struct Stored {
    /// Keeps a local server running.
    _database: Database,
    store: Store,
    listener: Option<Listener>,
    /// When it tries to listen again.
    next_attempt: Deadline,
}

impl Stored {
    /// Opens the configured database, else the local one if it exists. Connects later.
    pub(super) async fn open() -> anyhow::Result<Self> {
        let database = database::open_existing(1).await?;
        let store = database.for_reading(1, STATEMENT)?;
        Ok(Self { _database: database, store, listener: None, next_attempt: Deadline::within(Duration::ZERO) })
    }

    /// The verdict as it is now.
    pub(super) async fn look(&self, question: &Question, limit: Duration) -> Result<Look, Failure> {
        let now = |error| Failure::Now { what: chain(&error), wait: None };
        let mut reader = self.store.reader(Deadline::within(limit.min(LOOK))).await.map_err(now)?;
        let required: Vec<Pattern> = question.required.iter().map(|text| Pattern::from(text.clone())).collect();
        let found = verdict_of(&mut reader, &question.asked, question.repo.as_deref(), &required, clock::now());
        let several = |commits: Vec<String>| {
            Failure::Never(format!(
                "several commits begin with these digits, give more of them: {}",
                commits.join(", ")
            ))
        };
        let found = found.await.map_err(now)?.map_err(several)?;
        let json = serde_json::to_value(found).ok().and_then(Seen::read);
        json.map(Look::Seen).context("no verdict").map_err(|error| Failure::Never(error.to_string()))
    }

    /// Waits until a check may have changed, at most for this time.
    pub(super) async fn changed(&mut self, longest: Duration) {
        if let Some(listener) = &mut self.listener {
            if let Ok(false) = tokio::time::timeout(longest.min(LONGEST), listener.heard()).await {
                self.listener = None;
            }
            return;
        }
        if self.next_attempt.remaining().is_zero() && !longest.is_zero() {
            self.next_attempt = Deadline::within(RETRY);
            // After it has begun to listen it looks at once, so that it misses no change.
            self.listener =
                self.store.listen(Channel::Checks, Deadline::within(longest.min(CONNECT))).await.ok().flatten();
            if self.listener.is_some() {
                return;
            }
        }
        tokio::time::sleep(longest.min(POLL)).await;
    }
}
