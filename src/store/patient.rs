//! The database, asked again while it is away for a moment.
//!
//! A connection that slept with its function is dead, and a fail-over takes its time. What is written bears being written
//! again, as all that the families write does.

use std::time::Duration;

use super::{Store, StoreError, Tx, Verdict, chain};
use crate::clock::{self, Deadline};

/// A [`Store`] that tries again whatever ends with [`Verdict::Again`], until a deadline.
#[derive(Clone)]
pub struct Patient {
    store: Store,
    deadline: Deadline,
    tries: u32,
}

impl Patient {
    /// Patience until the deadline.
    #[must_use]
    pub fn until(store: &Store, deadline: Deadline) -> Self {
        Self { store: store.clone(), deadline, tries: u32::MAX }
    }

    /// The same, but with an end after so many tries, the first one not counted.
    #[must_use]
    pub fn at_most(self, tries: u32) -> Self {
        Self { tries, ..self }
    }

    /// As [`Store::check_schema`].
    ///
    /// # Errors
    /// As there, when the patience is at its end.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        self.again(async || self.store.check_schema(self.deadline).await).await
    }

    /// As [`Store::in_tx`].
    ///
    /// # Errors
    /// As there, when the patience is at its end.
    pub async fn in_tx<T>(
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
                Err(error) if error.verdict() == Verdict::Again && tries < self.tries => error,
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
