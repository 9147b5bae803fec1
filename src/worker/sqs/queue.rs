//! The calls to SQS, with at most ten messages each.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, QueueAttributeName,
};
use metrics::counter;

use super::message::{Receipt, Received};
use crate::platform::clock;
use crate::platform::failure::chain;

/// The name of the queue in the health of the worker.
pub(super) const QUEUE: &str = "queue";
/// Messages in one call (SQS API, `MaxNumberOfMessages` and the batch operations).
pub(super) const CALL: usize = 10;
/// The default visibility timeout of SQS, where that of the queue is unknown.
pub(super) const VISIBILITY: Duration = Duration::from_secs(30);
/// Attempts to delete a message.
const DELETE_ATTEMPTS: u32 = 4;

/// A queue.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    client: Client,
    url: String,
}

/// The index of a message in a call.
type Index = usize;

impl Queue {
    /// The queue at a URL.
    pub(super) fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// The visibility timeout: how long a received message is hidden from other receivers. The default of SQS if the
    /// queue does not answer it.
    pub(super) async fn visibility(&self) -> Duration {
        let name = QueueAttributeName::VisibilityTimeout;
        let answer = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone()).send().await;
        let seconds = match answer {
            Ok(answer) => answer.attributes.and_then(|found| found.get(&name)?.parse().ok()).map(Duration::from_secs),
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    sqs.visibility_s = VISIBILITY.as_secs(),
                    "the visibility timeout of the queue is unknown, using the default"
                );
                None
            }
        };
        seconds.unwrap_or(VISIBILITY)
    }

    /// The URL of the dead-letter queue of this queue. `Err` is the reason why it is not known.
    pub(super) async fn dead_letter_queue(&self) -> Result<String, String> {
        let name = QueueAttributeName::RedrivePolicy;
        let answer = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone()).send().await;
        let attributes = answer.map_err(|error| chain(&error))?.attributes.unwrap_or_default();
        let arn = attributes.get(&name).and_then(|policy| dead_letter_arn(policy));
        let arn = arn.ok_or("the queue has no dead-letter queue")?;
        // arn:aws:sqs:region:account:name
        let mut parts = arn.rsplit(':');
        let (queue, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let answer = self.client.get_queue_url().queue_name(queue).queue_owner_aws_account_id(account).send().await;
        let url = answer.map_err(|error| chain(&error))?.queue_url;
        url.ok_or_else(|| format!("SQS does not return the URL of {arn}"))
    }

    /// Receives up to ten messages; waits up to `wait` for the first. `Err` when the queue cannot be reached or used.
    pub(super) async fn receive(&self, wait: Duration) -> Result<Vec<Received>, SdkError<ReceiveMessageError>> {
        let receive = self.client.receive_message().queue_url(&self.url).max_number_of_messages(CALL as i32);
        let receive = receive
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or(20))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::DeadLetterQueueSourceArn)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = receive.send().await?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(Received::from).collect())
    }

    /// Deletes messages, with retries and backoff. A message that cannot be deleted is delivered again, which is
    /// harmless because ingest is idempotent.
    pub(super) async fn delete(&self, receipts: &[Receipt]) {
        for ten in receipts.chunks(CALL) {
            let mut left: Vec<Index> = (0..ten.len()).collect();
            for attempt in 0..DELETE_ATTEMPTS {
                if attempt > 0 {
                    let wait = clock::backoff(attempt, Duration::from_millis(200), Duration::from_secs(2));
                    tokio::time::sleep(wait).await;
                }
                left = self.delete_call(ten, left).await;
                if left.is_empty() {
                    break;
                }
            }
            if !left.is_empty() {
                counter!("sqs_not_deleted").increment(left.len() as u64);
                tracing::warn!(messages = left.len(), "cannot delete messages, they will be delivered again");
            }
        }
    }

    /// Makes one call; returns the indexes of the messages to retry.
    async fn delete_call(&self, ten: &[Receipt], indexes: Vec<Index>) -> Vec<Index> {
        let entries = indexes.iter().filter_map(|index| {
            let handle = &ten[*index].handle;
            DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(handle).build().ok()
        });
        let call = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
        match call.send().await {
            Ok(answer) => to_retry(&answer.failed, "delete"),
            Err(error) => {
                tracing::debug!(error = chain(&error), "delete failed");
                indexes
            }
        }
    }

    /// Sets the visibility timeout of messages, each to the given time from now. Not retried: a message for which it
    /// fails is delivered again after its previous timeout.
    pub(super) async fn hide(&self, receipts: &[(Receipt, Duration)]) {
        for ten in receipts.chunks(CALL) {
            let entries = ten.iter().enumerate().filter_map(|(index, (receipt, time))| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(&receipt.handle)
                    .visibility_timeout(i32::try_from(time.as_secs()).unwrap_or(i32::MAX))
                    .build()
                    .ok()
            });
            let call = self.client.change_message_visibility_batch().queue_url(&self.url);
            match call.set_entries(Some(entries.collect())).send().await {
                Ok(answer) => drop(to_retry(&answer.failed, "change of visibility")),
                Err(error) => tracing::warn!(error = chain(&error), "cannot change the visibility of messages"),
            }
        }
    }
}

/// The ARN in a redrive policy.
fn dead_letter_arn(policy: &str) -> Option<String> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    Some(policy["deadLetterTargetArn"].as_str()?.to_owned())
}

/// The indexes of entries that failed on the side of SQS. Other failures are permanent, such as an expired receipt.
fn to_retry(failed: &[BatchResultErrorEntry], what: &'static str) -> Vec<Index> {
    for entry in failed {
        tracing::debug!(what, code = entry.code, sender_fault = entry.sender_fault, "an entry failed");
    }
    failed.iter().filter(|entry| !entry.sender_fault).filter_map(|entry| entry.id.parse().ok()).collect()
}
