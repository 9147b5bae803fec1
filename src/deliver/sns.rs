//! Publishes events to an SNS topic, ten in a call. It must not be the topic that feeds the queue.
//!
//! A message that is too large is sent without the long texts of its object, and names them (attribute `omitted`). One
//! that is still too large is sent as a pointer to a bucket, where the target has one; else it is dead.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sns::Client;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::operation::publish_batch::PublishBatchError;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use futures_util::future::join_all;

use super::overflow::{self, Location};
use super::policy::{Decision, Lost};
use super::targets::{Kind, Target};
use crate::outbox::{Attempts, EventDue};
use crate::platform::aws;
use crate::platform::environment::Lookup;
use crate::platform::secret::Mask;

/// Most entries in a call.
pub(super) const ENTRIES: usize = 10;
/// Bytes of a message, and of a call, attributes included.
const BYTES: usize = 256 << 10;
/// Most attributes of a message: subscriptions with raw delivery to SQS drop messages with more.
const ATTRIBUTES: usize = 10;

/// Clients for topics, and for the buckets of too large payloads.
#[derive(Clone, Debug)]
pub struct Topics {
    /// Client of SNS.
    pub sns: Client,
    /// Client of S3, for too large payloads.
    pub s3: aws_sdk_s3::Client,
    /// Credentials that sign the requests.
    pub credentials: Option<SharedCredentialsProvider>,
}

impl Topics {
    /// The secrets, which are masked in answers.
    async fn mask(&self) -> Mask {
        let mut mask = Mask::default();
        let Some(provider) = &self.credentials else { return mask };
        if let Ok(credentials) = provider.provide_credentials().await {
            mask.add(credentials.secret_access_key());
            mask.add(credentials.session_token().unwrap_or_default());
        }
        mask
    }
}

/// Clients with the credentials, region and endpoint of the environment; `None` when no target is a topic.
pub async fn sns_client(targets: &[Target], lookup: Lookup<'_>) -> Option<Topics> {
    if !targets.iter().any(|target| matches!(target.kind, Kind::Sns { .. })) {
        return None;
    }
    let config = aws::config(lookup).await.into_builder();
    let timeouts = |time: Duration| TimeoutConfig::builder().operation_timeout(time).build();
    // No retries in the client: the row says when the next attempt is. Both time limits together are those of any other
    // delivery.
    let config = config.retry_config(aws_config::retry::RetryConfig::disabled()).build();
    let sns = aws_sdk_sns::config::Builder::from(&config).timeout_config(timeouts(Duration::from_secs(7)));
    let s3 = aws_sdk_s3::config::Builder::from(&config)
        .timeout_config(timeouts(Duration::from_secs(3)))
        .force_path_style(aws::has_own_endpoint(lookup));
    let (sns, s3) = (Client::from_conf(sns.build()), aws_sdk_s3::Client::from_conf(s3.build()));
    Some(Topics { sns, s3, credentials: config.credentials_provider() })
}

/// Publishes to one topic.
#[derive(Clone, Debug)]
pub struct SnsPublisher {
    topics: Topics,
    topic_arn: String,
    overflow: Option<Location>,
}

/// A message as it is published.
struct Message {
    body: String,
    attributes: BTreeMap<String, String>,
    /// Bytes of the payload in the bucket, if the body is a pointer to it.
    stored: Option<usize>,
}

impl Message {
    /// The payload, with `source` and `event` in addition to the event's own attributes. SNS accepts no empty ones.
    /// Long texts of the object are left out where they would make it too large.
    fn of(due: &EventDue) -> Self {
        let whole = Self::with(due, due.whole(), true, None);
        if due.texts.is_empty() || whole.bytes() <= BYTES {
            return whole;
        }
        Self::with(due, due.short(), false, None)
    }

    fn with(due: &EventDue, body: String, is_whole: bool, stored: Option<usize>) -> Self {
        // The attribute of a pointer counts, too.
        let most = ATTRIBUTES - usize::from(stored.is_some());
        let own = due.attributes(is_whole);
        let mut attributes = BTreeMap::from([("source".to_owned(), due.family.clone())]);
        let event = ("event".to_owned(), due.event.clone());
        // For an event with a routing key of its own, `event` repeats it.
        let is_said = own.get("routing_key") == Some(&due.event);
        attributes.extend((!is_said).then(|| event.clone()));
        for (name, value) in own.into_iter().filter(|(name, value)| is_name(name) && !value.is_empty()) {
            if attributes.len() < most {
                attributes.entry(name).or_insert(value);
            }
        }
        if attributes.len() < most {
            attributes.entry(event.0).or_insert(event.1);
        }
        Self { body, attributes, stored }
    }

    /// The size, as SNS counts it.
    fn bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.len() + "String".len());
        self.body.len() + attributes.sum::<usize>()
    }

    fn entry(&self, index: usize) -> Option<PublishBatchRequestEntry> {
        let mut entry = PublishBatchRequestEntry::builder().id(index.to_string()).message(&self.body);
        for (name, value) in &self.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build().ok()?;
            entry = entry.message_attributes(name, value);
        }
        if let Some(bytes) = self.stored {
            let size = MessageAttributeValue::builder().data_type("Number").string_value(bytes.to_string());
            entry = entry.message_attributes(overflow::SIZE, size.build().ok()?);
        }
        entry.build().ok()
    }
}

/// Whether SNS accepts a name of an attribute.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 256
        && !name.starts_with('.')
        && !name.ends_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

/// Divides a list into parts that fit into one call each; returns indexes.
fn calls(messages: &[Message]) -> Vec<Vec<usize>> {
    let mut calls: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, message) in messages.iter().enumerate().filter(|(_, message)| message.bytes() <= BYTES) {
        match calls.last_mut().filter(|call| call.len() < ENTRIES && bytes + message.bytes() <= BYTES) {
            Some(call) => call.push(index),
            None => {
                calls.push(vec![index]);
                bytes = 0;
            }
        }
        bytes += message.bytes();
    }
    calls
}

impl SnsPublisher {
    /// Publishes to a topic.
    #[must_use]
    pub fn new(topics: &Topics, topic_arn: &str, overflow: Option<Location>) -> Self {
        Self { topics: topics.clone(), topic_arn: topic_arn.to_owned(), overflow }
    }

    /// The message of an event. A decision is returned when its payload was too large and could not be stored.
    async fn message(&self, due: &EventDue) -> (Message, Option<Decision>) {
        let message = Message::of(due);
        let (Some(location), true) = (&self.overflow, message.bytes() > BYTES) else { return (message, None) };
        let payload = due.whole();
        match overflow::store(&self.topics.s3, location, &format!("{}/{}", due.family, due.id), &payload).await {
            Ok(pointer) => (Message::with(due, pointer, true, Some(payload.len())), None),
            // A fault of the bucket: the topic still accepts all other messages.
            Err(why) => {
                let why = self.topics.mask().await.masked(&why);
                (message, Some(Decision { fault: false, ..Decision::backoff(due.attempts, why) }))
            }
        }
    }

    /// Publishes events of different keys; returns the decision for each, in order.
    pub async fn publish(&self, due: &[EventDue]) -> Vec<Decision> {
        let made = join_all(due.iter().map(|due| self.message(due))).await;
        let (messages, mut decisions): (Vec<Message>, Vec<Option<Decision>>) = made.into_iter().unzip();
        for call in calls(&messages) {
            let entries: Vec<_> = call.iter().filter_map(|index| messages[*index].entry(*index)).collect();
            let request = self.topics.sns.publish_batch().topic_arn(&self.topic_arn);
            match request.set_publish_batch_request_entries(Some(entries)).send().await {
                Ok(answer) => {
                    let mask = self.topics.mask().await;
                    let index_of =
                        |id: Option<&str>| id.and_then(|id| id.parse::<usize>().ok()).filter(|p| *p < due.len());
                    for done in answer.successful() {
                        if let Some(index) = index_of(done.id()) {
                            decisions[index] = Some(Decision::delivered());
                        }
                    }
                    for failed in answer.failed() {
                        if let Some(index) = index_of(Some(failed.id())) {
                            let why = format!("{}: {}", failed.code(), failed.message().unwrap_or_default());
                            let why = mask.masked(&why);
                            decisions[index] = Some(entry_failed(failed.sender_fault(), due[index].attempts, &why));
                        }
                    }
                }
                Err(error) => {
                    let mask = self.topics.mask().await;
                    for index in call {
                        decisions[index] = Some(call_failed(&error, due[index].attempts, &mask));
                    }
                }
            }
        }
        let decide = |((decision, message), due): ((Option<Decision>, &Message), &EventDue)| match decision {
            Some(decision) => decision,
            None if message.bytes() > BYTES => {
                Decision::dead(format!("too large: {} bytes, of at most {BYTES}", message.bytes()))
            }
            None => Decision::backoff(due.attempts, "the answer of SNS does not name it"),
        };
        decisions.into_iter().zip(&messages).zip(due).map(decide).collect()
    }
}

fn entry_failed(ours: bool, attempts: Attempts, why: &str) -> Decision {
    if ours { Decision::dead(why) } else { Decision::backoff(attempts, why) }
}

/// The decision for each entry of a failed call.
fn call_failed(error: &SdkError<PublishBatchError>, attempts: Attempts, mask: &Mask) -> Decision {
    let lost = |why: &str, certain| Decision::lost(attempts, &Lost { why: why.to_owned(), certain });
    match error {
        SdkError::ConstructionFailure(_) => lost("the call cannot be made", true),
        SdkError::TimeoutError(_) => lost("no answer in time", false),
        SdkError::DispatchFailure(failure) => lost("no connection to SNS", failure.is_io()),
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("no code");
            let why = mask.masked(&format!("{code}: {}", service.err().message().unwrap_or_default()));
            match code {
                "Throttled" | "ThrottlingException" | "Throttling" | "KMSThrottling" => {
                    Decision::paused(Duration::from_secs(5), why)
                }
                // About the topic, the key or our role: no message is accepted until that is repaired.
                "AuthorizationError"
                | "NotFound"
                | "InvalidClientTokenId"
                | "SignatureDoesNotMatch"
                | "AccessDenied"
                | "ExpiredToken"
                | "KMSAccessDenied"
                | "KMSDisabled"
                | "KMSNotFound"
                | "KMSInvalidState"
                | "KMSOptInRequired" => Decision::paused(Duration::from_secs(60), why),
                "InvalidParameter"
                | "InvalidParameterValue"
                | "ParameterValueInvalid"
                | "ValidationException"
                | "BatchEntryIdsNotDistinct"
                | "InvalidBatchEntryId"
                | "BatchRequestTooLong" => Decision::dead(why),
                _ => Decision::backoff(attempts, why),
            }
        }
        _ => lost("an answer that cannot be read", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Message {
        Message { body: "x".repeat(bytes), attributes: BTreeMap::new(), stored: None }
    }

    #[test]
    fn calls_hold_ten_and_so_many_bytes() {
        let small: Vec<Message> = (0..23).map(|_| message(10)).collect();
        assert_eq!(calls(&small).iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 3]);
        let large = [message(200 << 10), message(100 << 10), message(BYTES + 1), message(100 << 10), message(1)];
        assert_eq!(calls(&large), [vec![0], vec![1, 3, 4]]);
    }

    #[test]
    fn attributes_are_ten_at_most_and_never_empty() {
        let own = (0..20).map(|n| (format!("a{n:02}"), "v".to_owned()));
        let own = own.chain([
            ("".to_owned(), "v".to_owned()),
            ("A".to_owned(), String::new()),
            ("event".to_owned(), "x".to_owned()),
        ]);
        let due = EventDue {
            target: "t".to_owned(),
            lease: String::new(),
            attempts: Attempts::default(),
            id: 1,
            family: "travis".to_owned(),
            event: "job:started".to_owned(),
            key: "1".to_owned(),
            attributes: own.collect(),
            payload: serde_json::json!({"id": 1}).into(),
            omitted: BTreeMap::new(),
            texts: BTreeMap::new(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            age: Duration::ZERO,
            check_run: None,
        };
        let message = Message::of(&due);
        assert_eq!(message.attributes.len(), ATTRIBUTES);
        assert_eq!((&*message.attributes["event"], &*message.attributes["source"]), ("job:started", "travis"));
        assert!(message.entry(0).is_some());
        let pointer = Message::with(&due, "[]".to_owned(), true, Some(300_000)).entry(0).unwrap();
        let attributes = pointer.message_attributes.unwrap();
        assert_eq!(attributes.len(), ATTRIBUTES);
        assert_eq!(attributes[overflow::SIZE].string_value.as_deref(), Some("300000"));
    }
}
