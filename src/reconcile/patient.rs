//! The database, tried again while it is away for a moment.
//!
//! A connection that slept with its function is dead, and a fail-over takes its time. What is written bears being written
//! again, as all that the families write does.

use std::time::Duration;

use crate::clock::{self, Deadline};
use crate::store::{Store, StoreError, Tx, Verdict, chain};

/// How often a transaction is tried again.
const TRIES: u32 = 5;

/// The database, with patience until a deadline.
#[derive(Clone)]
pub(super) struct Patient {
    pub(super) store: Store,
    pub(super) deadline: Deadline,
}

impl Patient {
    /// As [`Store::check_schema`].
    pub(super) async fn check_schema(&self) -> Result<(), StoreError> {
        self.again(async || self.store.check_schema(self.deadline).await).await
    }

    /// As [`Store::in_tx`].
    pub(super) async fn in_tx<T>(
        &self,
        name: &'static str,
        body: impl AsyncFn(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.again(async || self.store.in_tx(name, self.deadline, &body).await).await
    }

    async fn again<T>(&self, body: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut tries = 0;
        loop {
            let error = match body().await {
                Err(error) if error.verdict() == Verdict::Again && tries < TRIES => error,
                result => return result,
            };
            let wait = clock::backoff(tries, Duration::from_millis(100), Duration::from_secs(5));
            if self.deadline.remaining() <= wait {
                return Err(error);
            }
            tracing::debug!(error = chain(&error), "the database is away, trying again");
            tokio::time::sleep(wait).await;
            tries += 1;
        }
    }
}
