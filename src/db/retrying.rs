//! A retry policy for the database: transient errors are retried with backoff.
//!
//! A connection of a frozen Lambda function is dead, and a fail-over takes time. Writes must be idempotent, as all
//! writes of the sources are.

use std::time::Duration;

use super::{ErrorClass, Store, StoreError, Tx};
use crate::platform::clock::{self, Deadline};
use crate::platform::failure::chain;

/// A [`Store`] that retries each error of [`ErrorClass::Retry`] until a deadline.
#[derive(Clone)]
pub struct Retrying {
    store: Store,
    deadline: Deadline,
    attempts: u32,
}

impl Retrying {
    /// Retries until the deadline.
    #[must_use]
    pub fn until(store: &Store, deadline: Deadline) -> Self {
        Self { store: store.clone(), deadline, attempts: u32::MAX }
    }

    /// The same with a limit on the number of retries.
    #[must_use]
    pub fn at_most(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// As [`Store::check_schema`].
    ///
    /// # Errors
    /// As there, after the last retry.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        self.retry(async || self.store.check_schema(self.deadline).await).await
    }

    /// As [`Store::in_tx`].
    ///
    /// # Errors
    /// As there, after the last retry.
    pub async fn in_tx<T>(
        &self,
        name: &'static str,
        body: impl AsyncFn(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.retry(async || self.store.in_tx(name, self.deadline, &body).await).await
    }

    async fn retry<T>(&self, body: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut attempts = 0;
        loop {
            let error = match body().await {
                Err(error) if error.class() == ErrorClass::Retry && attempts < self.attempts => error,
                result => return result,
            };
            let wait = clock::backoff(attempts, Duration::from_millis(100), Duration::from_secs(5));
            if self.deadline.remaining() <= wait {
                return Err(error);
            }
            tracing::debug!(error = chain(&error), "the database is away, retrying");
            tokio::time::sleep(wait).await;
            attempts += 1;
        }
    }
}
