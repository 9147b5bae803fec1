//! One poller: receive, gather, ingest, acknowledge.

use std::time::Duration;

use metrics::counter;

use super::Config;
use super::heartbeat::Heartbeat;
use super::message::{Receipt, Received};
use super::pointer;
use super::queue::{CALL, QUEUE, Queue};
use crate::ingest::{Counts, Outcome, Report};
use crate::platform::clock::{self, Deadline};
use crate::platform::failure::chain;
use crate::transport::Delivery;
use crate::worker::{Worker, count_failure};

/// How long a batch is gathered while the queue is full, so that the first message does not wait long.
const GATHER: Duration = Duration::from_secs(1);
/// The size at which a batch is full, to bound the memory: bodies can have 1 MiB each, and decompress to far more.
const GATHER_BYTES: usize = 8 << 20;
/// The longest backoff between receives that fail.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A queue is empty when this many receives in a row return no message, each of which has waited.
const EMPTY: u32 = 2;
/// A queue cannot be reached when this many receives in a row fail.
const UNREACHABLE: u32 = 4;

/// The resources that all pollers share.
pub(super) struct Poller {
    pub(super) worker: Worker,
    pub(super) config: Config,
    pub(super) queue: Queue,
    pub(super) s3: aws_sdk_s3::Client,
    /// The visibility timeout of the queue: how long a received message is hidden.
    pub(super) visibility: Duration,
    /// Whether to end when the queue is empty or cannot be reached; else only when stopped.
    pub(super) until_empty: bool,
}

impl Poller {
    /// Polls until the worker is stopped, or the queue is empty.
    pub(super) async fn run(&self) -> Counts {
        let mut total = Counts::default();
        let (mut empty, mut failed_receives, mut failed_batches) = (0, 0, 0);
        // Probes the database before the first message is received.
        self.worker.idle(&mut failed_batches).await;
        while self.worker.ready(&mut failed_batches).await {
            // A receive that is cut off may have been answered: its messages are delivered again after the timeout.
            let Some(received) = self.worker.stop.unless(self.queue.receive(self.config.wait)).await else { break };
            match received {
                Ok(first) => {
                    failed_receives = 0;
                    if self.worker.health.ok(QUEUE) {
                        tracing::info!(sqs.queue = self.config.queue_url, "receiving again");
                    }
                    if first.is_empty() {
                        empty += 1;
                        if self.until_empty && empty >= EMPTY {
                            break;
                        }
                        self.worker.idle(&mut failed_batches).await;
                    } else {
                        empty = 0;
                        let batch = self.gather(first).await;
                        total.add(self.take(batch, &mut failed_batches).await);
                    }
                }
                Err(error) => {
                    counter!("sqs_receive_errors").increment(1);
                    if self.worker.health.failed(QUEUE, &chain(&error)) {
                        let queue = &self.config.queue_url;
                        tracing::error!(sqs.queue = queue, error = chain(&error), "cannot receive, retrying");
                    }
                    let wait = clock::backoff(failed_receives, Duration::from_secs(1), LONGEST_WAIT);
                    failed_receives += 1;
                    if self.until_empty && failed_receives >= UNREACHABLE {
                        break;
                    }
                    self.worker.stop.sleep(wait).await;
                }
            }
        }
        total
    }

    /// Receives more messages as long as receives are full, because a large batch costs hardly more than a small one.
    /// An error is left to the next poll.
    async fn gather(&self, mut batch: Vec<Received>) -> Vec<Received> {
        let time = Deadline::within(GATHER);
        let mut last = batch.len();
        while last == CALL
            && batch.len() + CALL <= self.config.batch_size
            && batch.iter().map(|received| received.delivery.body.len()).sum::<usize>() < GATHER_BYTES
            && !time.remaining().is_zero()
            && !self.worker.stop.is_set()
        {
            let Ok(more) = self.queue.receive(Duration::ZERO).await else { break };
            last = more.len();
            batch.extend(more);
        }
        batch
    }

    /// Ingests a batch and acknowledges each message by its outcome.
    async fn take(&self, batch: Vec<Received>, failures: &mut u32) -> Counts {
        let receipts = batch.iter().map(|received| received.receipt.clone());
        let heartbeat = Heartbeat::start(self.queue.clone(), receipts, self.visibility);
        let mut total = Counts::default();
        let mut retries = Vec::new();
        let mut waiting = batch.into_iter();
        loop {
            let before = retries.len();
            let (deliveries, receipts) = self.next_part(&mut waiting, &mut retries).await;
            let unread = (retries.len() - before) as u64;
            if unread > 0 {
                counter!("received").increment(unread);
                counter!("again").increment(unread);
                total.add(Counts { received: unread, again: unread, ..Counts::default() });
            }
            if deliveries.is_empty() {
                break;
            }
            let report = self.worker.ingest(&deliveries, self.config.batch_deadline).await;
            if let Some(report) = &report {
                count_failure(failures, report);
                total.add(report.counts());
            }
            let is_written = report.as_ref().is_some_and(|report| report.error.is_none());
            let (done, failed) = by_outcome(receipts, report.as_ref());
            self.queue.delete(&done).await;
            retries.extend(failed);
            if !is_written {
                // The database is unavailable: the other messages of the batch would fail too.
                retries.extend(waiting.by_ref().map(|received| received.receipt));
            }
        }
        // Dropped before the visibility is changed, because it would shorten the delay.
        drop(heartbeat);
        let retries: Vec<_> = retries.into_iter().map(|receipt| (delay(receipt.receives), receipt)).collect();
        if !retries.is_empty() {
            tracing::warn!(
                messages = retries.len(),
                delay_s = retries[0].0.as_secs(),
                "returned to the queue for retry"
            );
        }
        self.queue.hide(&retries.into_iter().map(|(delay, receipt)| (receipt, delay)).collect::<Vec<_>>()).await;
        total
    }

    /// The next messages of a batch, with their payloads from S3: all that remain, unless the payloads are large.
    /// Messages whose payload cannot be read from S3 now are added to `retries`.
    async fn next_part(
        &self,
        waiting: &mut impl Iterator<Item = Received>,
        retries: &mut Vec<Receipt>,
    ) -> (Vec<Delivery>, Vec<Receipt>) {
        let (mut deliveries, mut receipts, mut bytes) = (Vec::new(), Vec::new(), 0);
        while bytes < 2 * GATHER_BYTES {
            let Some(Received { mut delivery, receipt }) = waiting.next() else { break };
            let most = self.worker.settings.limits.decoded_bytes;
            match pointer::resolve(&self.s3, &self.config.pointer_buckets, most, &mut delivery).await {
                Ok(()) => {
                    bytes += delivery.body.len();
                    deliveries.push(delivery);
                    receipts.push(receipt);
                }
                Err(pointer::Later) => retries.push(receipt),
            }
        }
        (deliveries, receipts)
    }
}

/// Splits receipts into those of messages that are done, and of those to be retried: all of them when there is no
/// report.
fn by_outcome(receipts: Vec<Receipt>, report: Option<&Report>) -> (Vec<Receipt>, Vec<Receipt>) {
    let Some(report) = report else { return (Vec::new(), receipts) };
    let mut outcomes = report.outcomes().iter();
    // A report has an outcome for each message; a message without one would be retried.
    receipts.into_iter().partition(|_| outcomes.next().is_some_and(|outcome| *outcome != Outcome::Retry))
}

/// The backoff of a message that could not be tried: a minute, then four times as long each time, at most an hour. With
/// the five receives that the queue's redrive policy allows at least, these are more than two hours.
fn delay(receives: u32) -> Duration {
    let minutes = 4_u64.saturating_pow(receives.saturating_sub(1)).min(60);
    Duration::from_secs(60 * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_to_an_hour() {
        let minutes: Vec<_> = [0, 1, 2, 3, 4, 5, 1000].map(|receives| delay(receives).as_secs() / 60).into();
        assert_eq!(minutes, [1, 1, 4, 16, 60, 60, 60]);
    }
}
