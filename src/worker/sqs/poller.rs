//! One poller: receive, gather, ingest, acknowledge.

use std::time::Duration;

use metrics::counter;

use super::Config;
use super::heartbeat::Heartbeat;
use super::message::{Receipt, Received};
use super::pointer;
use super::queue::{CALL, QUEUE, Queue};
use crate::clock::{self, Deadline};
use crate::envelope::Delivery;
use crate::pipeline::{Counts, Outcome, Report};
use crate::store::chain;
use crate::worker::{Worker, count_failure};

/// How long a full queue is gathered from, so that the first message of a batch does not wait long.
const GATHER: Duration = Duration::from_secs(1);
/// A batch is not made larger, to bound the memory: bodies can have 1 MiB each, and unfold to far more.
const GATHER_BYTES: usize = 8 << 20;
/// Longest wait between receives that fail.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A queue is empty when so many receives in a row bring nothing, each of which has waited.
const EMPTY: u32 = 2;
/// A queue cannot be reached when so many receives in a row fail.
const UNREACHABLE: u32 = 4;

/// What all pollers share.
pub(super) struct Poller {
    pub(super) worker: Worker,
    pub(super) config: Config,
    pub(super) queue: Queue,
    pub(super) s3: aws_sdk_s3::Client,
    /// How long the queue hides a message that was received.
    pub(super) visibility: Duration,
    /// To end when the queue is empty, or cannot be reached; else only when stopped.
    pub(super) until_empty: bool,
}

impl Poller {
    /// Polls until the stop, or the end of the queue.
    pub(super) async fn run(&self) -> Counts {
        let mut total = Counts::default();
        let (mut empty, mut failed_receives, mut failed_batches) = (0, 0, 0);
        // Nothing is known of the database yet, so it is asked before the first message is taken.
        self.worker.idle(&mut failed_batches).await;
        while self.worker.ready(&mut failed_batches).await {
            // A receive that is cut off may have been answered: those messages come again in their time.
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
                        tracing::error!(sqs.queue = queue, error = chain(&error), "cannot receive, trying on");
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

    /// Adds to a first receive as long as receives are full: a large batch costs hardly more than a small one. An error
    /// is left to the next poll.
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
        let mut back = Vec::new();
        let mut waiting = batch.into_iter();
        loop {
            let before = back.len();
            let (deliveries, receipts) = self.next_part(&mut waiting, &mut back).await;
            let unread = (back.len() - before) as u64;
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
            let (done, again) = by_outcome(receipts, report.as_ref());
            self.queue.delete(&done).await;
            back.extend(again);
            if !is_written {
                // The rest would wait as long as this part did, and for nothing.
                back.extend(waiting.by_ref().map(|received| received.receipt));
            }
        }
        // Before messages are handed back, or it would shorten their delay.
        drop(heartbeat);
        let back: Vec<_> = back.into_iter().map(|receipt| (delay(receipt.receives), receipt)).collect();
        if !back.is_empty() {
            tracing::warn!(messages = back.len(), delay_s = back[0].0.as_secs(), "handed back to the queue");
        }
        self.queue.hide(&back.into_iter().map(|(delay, receipt)| (receipt, delay)).collect::<Vec<_>>()).await;
        total
    }

    /// The next messages of a batch, with their payloads from S3: all that are left, unless those payloads are large.
    /// What cannot be read from S3 now goes to `back`.
    async fn next_part(
        &self,
        waiting: &mut impl Iterator<Item = Received>,
        back: &mut Vec<Receipt>,
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
                Err(pointer::Later) => back.push(receipt),
            }
        }
        (deliveries, receipts)
    }
}

/// The receipts of what is done with, and of what has to come again: all of it when there is no report.
fn by_outcome(receipts: Vec<Receipt>, report: Option<&Report>) -> (Vec<Receipt>, Vec<Receipt>) {
    let Some(report) = report else { return (Vec::new(), receipts) };
    let mut outcomes = report.outcomes().iter();
    // A report has an outcome for each; should it not, the message comes again.
    receipts.into_iter().partition(|_| outcomes.next().is_some_and(|outcome| *outcome != Outcome::Again))
}

/// How long a message that could not be tried stays away: a minute, then four times as long each time, at most an
/// hour. With the five receives that the queue's redrive policy allows at least, that is more than two hours.
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
