//! Puts batches through the pipeline, one after the other; several writers work side by side.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::feeder::Batch;
use super::ledger::Written;
use super::{BackfillError, Options};
use crate::clock::{self, Deadline};
use crate::family::Settings;
use crate::pipeline::{self, Report};
use crate::store::{Store, Verdict};
use crate::tasks::Stop;

/// How long a batch is tried before it is looked whether to go on.
const ROUND: Duration = Duration::from_secs(60);

/// See the module.
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
    /// Writes until there is nothing left, the word is said, or a batch cannot be written. A batch in hand is finished.
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

    /// What became of a batch; `None` when it could not be written before the word was said. `Err` when it cannot be
    /// written at all, or not for longer than we wait.
    async fn write(&self, batch: &Batch) -> Result<Option<Report>, BackfillError> {
        if self.dry_run {
            return Ok(Some(pipeline::rehearse(&batch.deliveries, &self.settings)));
        }
        let time = Deadline::within(self.options.patience);
        let mut attempt = 0;
        loop {
            let round = self.options.deadline.map_or(Deadline::within(ROUND), |deadline| deadline.or_within(ROUND));
            let report = pipeline::ingest(&self.store, &batch.deliveries, &self.settings, round).await;
            match &report.error {
                None => return Ok(Some(report)),
                Some((Verdict::Again, _)) if self.stop.is_set() => return Ok(None),
                Some((Verdict::Again, _)) if !time.remaining().is_zero() => {}
                Some((_, error)) => return Err(BackfillError::NotWritten(error.clone())),
            }
            attempt += 1;
            if !self.stop.sleep(clock::backoff(attempt, Duration::from_secs(1), Duration::from_secs(10))).await {
                return Ok(None);
            }
        }
    }
}
