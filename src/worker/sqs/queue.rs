//! The calls to SQS, ten messages at a time as it takes them.

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
use crate::clock;
use crate::store::chain;

/// The queue, as a part whose health is watched.
pub(super) const QUEUE: &str = "queue";
/// Messages in one call (SQS API, `MaxNumberOfMessages` and the batch operations).
pub(super) const CALL: usize = 10;
/// The default of SQS, for a queue that does not say its visibility timeout.
pub(super) const VISIBILITY: Duration = Duration::from_secs(30);
/// How often it is tried to delete a message.
const DELETE_ATTEMPTS: u32 = 4;

/// A queue.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    client: Client,
    url: String,
}

/// Where in a call a message is.
type Place = usize;

impl Queue {
    /// The queue at a URL.
    pub(super) fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// How long a received message is hidden from other receivers; the default of SQS if the queue does not say.
    pub(super) async fn visibility(&self) -> Duration {
        let name = QueueAttributeName::VisibilityTimeout;
        let answer = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone()).send().await;
        let seconds = match answer {
            Ok(answer) => answer.attributes.and_then(|found| found.get(&name)?.parse().ok()).map(Duration::from_secs),
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    sqs.visibility_s = VISIBILITY.as_secs(),
                    "the queue does not say its visibility timeout, using the default"
                );
                None
            }
        };
        seconds.unwrap_or(VISIBILITY)
    }

    /// The URL of the queue that gets this one's dead letters. `Err` says why it is not known.
    pub(super) async fn dead_letter_queue(&self) -> Result<String, String> {
        let name = QueueAttributeName::RedrivePolicy;
        let asked = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone()).send().await;
        let attributes = asked.map_err(|error| chain(&error))?.attributes.unwrap_or_default();
        let arn = attributes.get(&name).and_then(|policy| dead_letter_arn(policy));
        let arn = arn.ok_or("the queue has no dead-letter queue")?;
        // arn:aws:sqs:region:account:name
        let mut parts = arn.rsplit(':');
        let (queue, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let asked = self.client.get_queue_url().queue_name(queue).queue_owner_aws_account_id(account).send().await;
        let url = asked.map_err(|error| chain(&error))?.queue_url;
        url.ok_or_else(|| format!("SQS does not tell the URL of {arn}"))
    }

    /// Up to ten messages; none when none came while it waited. `Err` when the queue cannot be reached or used.
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

    /// Deletes messages. What cannot be deleted after a few tries is left: it comes again and changes nothing.
    pub(super) async fn delete(&self, receipts: &[Receipt]) {
        for ten in receipts.chunks(CALL) {
            let mut left: Vec<Place> = (0..ten.len()).collect();
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
                tracing::warn!(messages = left.len(), "cannot delete, they come again");
            }
        }
    }

    /// One call; returns the places of those that are worth another one.
    async fn delete_call(&self, ten: &[Receipt], places: Vec<Place>) -> Vec<Place> {
        let entries = places.iter().filter_map(|place| {
            let handle = &ten[*place].handle;
            DeleteMessageBatchRequestEntry::builder().id(place.to_string()).receipt_handle(handle).build().ok()
        });
        let call = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
        match call.send().await {
            Ok(answer) => worth_a_try(&answer.failed, "delete"),
            Err(error) => {
                tracing::debug!(error = chain(&error), "delete failed");
                places
            }
        }
    }

    /// Hides messages from other receivers, each for the given time from now. Tried once: a message for which it fails
    /// comes again when its time is over.
    pub(super) async fn hide(&self, receipts: &[(Receipt, Duration)]) {
        for ten in receipts.chunks(CALL) {
            let entries = ten.iter().enumerate().filter_map(|(place, (receipt, time))| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(place.to_string())
                    .receipt_handle(&receipt.handle)
                    .visibility_timeout(i32::try_from(time.as_secs()).unwrap_or(i32::MAX))
                    .build()
                    .ok()
            });
            let call = self.client.change_message_visibility_batch().queue_url(&self.url);
            match call.set_entries(Some(entries.collect())).send().await {
                Ok(answer) => drop(worth_a_try(&answer.failed, "change of visibility")),
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

/// The places of entries that failed through no fault of ours. An expired receipt stays expired.
fn worth_a_try(failed: &[BatchResultErrorEntry], what: &'static str) -> Vec<Place> {
    for entry in failed {
        tracing::debug!(what, code = entry.code, sender_fault = entry.sender_fault, "an entry failed");
    }
    failed.iter().filter(|entry| !entry.sender_fault).filter_map(|entry| entry.id.parse().ok()).collect()
}
