//! Ingests batches, one after the other; several writers work side by side.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::feeder::Batch;
use super::ledger::Written;
use super::{BackfillError, Options};
use crate::db::{ErrorClass, Store};
use crate::ingest::{self, Report};
use crate::platform::clock::{self, Deadline};
use crate::platform::shutdown::Stop;
use crate::sources::Settings;

/// The time limit of one attempt to ingest a batch; after it the writer checks whether to stop.
const ROUND: Duration = Duration::from_secs(60);

/// Takes batches from a queue, and writes them.
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) settings: Settings,
    /// Read everything and write nothing.
    pub(super) dry_run: bool,
    pub(super) options: Options,
    pub(super) stop: Stop,
    pub(super) queue: Arc<Mutex<mpsc::Receiver<Batch>>>,
    pub(super) done: mpsc::Sender<Result<Written, BackfillError>>,
}

impl Writer {
    /// Runs until the queue is closed, `stop` is set, or a batch cannot be written. The current batch is finished.
    pub(super) async fn run(self) {
        while let Some(batch) = self.next().await {
            let report = match self.write(&batch).await {
                Ok(Some(report)) => report,
                Ok(None) => return,
                Err(error) => return drop(self.done.send(Err(error)).await),
            };
            let Batch { number, part, .. } = batch;
            let written = Written { number, part, report, dry_run: self.dry_run };
            if self.done.send(Ok(written)).await.is_err() {
                return;
            }
        }
    }

    async fn next(&self) -> Option<Batch> {
        let next = async { self.queue.lock().await.recv().await };
        self.stop.unless(next).await?
    }

    /// Ingests a batch, with retries and backoff. `None` when it was not written before `stop` was set. `Err` when the
    /// error is permanent, or the database is unavailable until the time limit.
    async fn write(&self, batch: &Batch) -> Result<Option<Report>, BackfillError> {
        if self.dry_run {
            return Ok(Some(ingest::rehearse(&batch.deliveries, &self.settings)));
        }
        let time = Deadline::within(self.options.time_limit);
        let mut attempt = 0;
        loop {
            let round = self.options.deadline.map_or(Deadline::within(ROUND), |deadline| deadline.or_within(ROUND));
            let report = ingest::ingest(&self.store, &batch.deliveries, &self.settings, round).await;
            match &report.error {
                None => return Ok(Some(report)),
                Some((ErrorClass::Retry, _)) if self.stop.is_set() => return Ok(None),
                Some((ErrorClass::Retry, _)) if !time.remaining().is_zero() => {}
                Some((_, error)) => return Err(BackfillError::NotWritten(error.clone())),
            }
            attempt += 1;
            if !self.stop.sleep(clock::backoff(attempt, Duration::from_secs(1), Duration::from_secs(10))).await {
                return Ok(None);
            }
        }
    }
}
