//! Events to a topic of SNS, ten a call. The topic is one of its own, never the one that feeds the queue.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::operation::publish_batch::PublishBatchError;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};

use super::policy::{Decision, Lost};
use super::targets::{Kind, Target};
use crate::aws;
use crate::config::Lookup;
use crate::outbox::queue::{EventDue, Tries};

/// Entries in a call, at most.
pub(super) const ENTRIES: usize = 10;
/// Bytes of a message, and of a call, attributes included.
const BYTES: usize = 256 << 10;
/// Attributes of a message: subscriptions with raw delivery to SQS drop messages with more.
const ATTRIBUTES: usize = 10;

/// A client with the credentials, region and endpoint of the environment; `None` when no target is a topic.
pub async fn sns_client(targets: &[Target], lookup: Lookup<'_>) -> Option<Client> {
    if !targets.iter().any(|target| matches!(target.kind, Kind::Sns { .. })) {
        return None;
    }
    let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_secs(10)).build();
    let config = aws_sdk_sns::config::Builder::from(&aws::config(lookup).await)
        // One attempt: the row says when the next one is.
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    Some(Client::from_conf(config.build()))
}

/// Publishes on one topic.
#[derive(Clone, Debug)]
pub struct SnsPublisher {
    client: Client,
    topic_arn: String,
}

/// A message as it is published.
struct Message {
    body: String,
    attributes: BTreeMap<String, String>,
}

impl Message {
    /// The payload, and `source` and `event` beside the event's own attributes. SNS takes no empty ones.
    fn of(due: &EventDue) -> Self {
        let mut attributes =
            BTreeMap::from([("source".to_owned(), due.family.clone()), ("event".to_owned(), due.event.clone())]);
        let own = due.attributes.iter().filter(|(name, value)| is_name(name) && !value.is_empty());
        for (name, value) in own {
            if attributes.len() < ATTRIBUTES {
                attributes.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        Self { body: due.payload.to_string(), attributes }
    }

    /// What SNS counts.
    fn bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.len() + "String".len());
        self.body.len() + attributes.sum::<usize>()
    }

    fn entry(&self, place: usize) -> Option<PublishBatchRequestEntry> {
        let mut entry = PublishBatchRequestEntry::builder().id(place.to_string()).message(&self.body);
        for (name, value) in &self.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build().ok()?;
            entry = entry.message_attributes(name, value);
        }
        entry.build().ok()
    }
}

/// Names that SNS takes.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 256
        && !name.starts_with('.')
        && !name.ends_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

/// Parts of a list that fit into one call each, by place.
fn calls(messages: &[Message]) -> Vec<Vec<usize>> {
    let mut calls: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for (place, message) in messages.iter().enumerate().filter(|(_, message)| message.bytes() <= BYTES) {
        match calls.last_mut().filter(|call| call.len() < ENTRIES && bytes + message.bytes() <= BYTES) {
            Some(call) => call.push(place),
            None => {
                calls.push(vec![place]);
                bytes = 0;
            }
        }
        bytes += message.bytes();
    }
    calls
}

impl SnsPublisher {
    /// Publishes on a topic.
    #[must_use]
    pub fn new(client: Client, topic_arn: &str) -> Self {
        Self { client, topic_arn: topic_arn.to_owned() }
    }

    /// Publishes events of different keys; returns what became of each, in order.
    pub async fn publish(&self, due: &[EventDue]) -> Vec<Decision> {
        let messages: Vec<Message> = due.iter().map(Message::of).collect();
        let mut decisions: Vec<Option<Decision>> = vec![None; due.len()];
        for call in calls(&messages) {
            let entries: Vec<_> = call.iter().filter_map(|place| messages[*place].entry(*place)).collect();
            let request = self.client.publish_batch().topic_arn(&self.topic_arn);
            match request.set_publish_batch_request_entries(Some(entries)).send().await {
                Ok(answer) => {
                    let places =
                        |id: Option<&str>| id.and_then(|id| id.parse::<usize>().ok()).filter(|p| *p < due.len());
                    for done in answer.successful() {
                        if let Some(place) = places(done.id()) {
                            decisions[place] = Some(Decision::delivered());
                        }
                    }
                    for failed in answer.failed() {
                        if let Some(place) = places(Some(failed.id())) {
                            let why = format!("{}: {}", failed.code(), failed.message().unwrap_or_default());
                            decisions[place] = Some(entry_failed(failed.sender_fault(), due[place].tries, &why));
                        }
                    }
                }
                Err(error) => {
                    for place in call {
                        decisions[place] = Some(call_failed(&error, due[place].tries));
                    }
                }
            }
        }
        let tell = |((decision, message), due): ((Option<Decision>, &Message), &EventDue)| match decision {
            Some(decision) => decision,
            None if message.bytes() > BYTES => {
                Decision::dead(format!("too large: {} bytes, of at most {BYTES}", message.bytes()))
            }
            None => Decision::backoff(due.tries, "SNS said nothing of it"),
        };
        decisions.into_iter().zip(&messages).zip(due).map(tell).collect()
    }
}

fn entry_failed(ours: bool, tries: Tries, why: &str) -> Decision {
    if ours { Decision::dead(why) } else { Decision::backoff(tries, why) }
}

/// What a failed call means for each of its entries.
fn call_failed(error: &SdkError<PublishBatchError>, tries: Tries) -> Decision {
    let lost = |why: &str, certain| Decision::lost(tries, &Lost { why: why.to_owned(), certain });
    match error {
        SdkError::ConstructionFailure(_) => lost("the call cannot be made", true),
        SdkError::TimeoutError(_) => lost("no answer in time", false),
        SdkError::DispatchFailure(failure) => lost("no connection to SNS", failure.is_io()),
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("no code");
            let why = format!("{code}: {}", service.err().message().unwrap_or_default());
            match code {
                "Throttled" | "ThrottlingException" | "Throttling" | "KMSThrottling" => {
                    Decision::paused(Duration::from_secs(5), why)
                }
                // Of the topic, the key or our role: nothing goes until somebody has mended it.
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
                _ => Decision::backoff(tries, why),
            }
        }
        _ => lost("an answer that cannot be read", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Message {
        Message { body: "x".repeat(bytes), attributes: BTreeMap::new() }
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
            tries: Tries::default(),
            id: 1,
            family: "travis".to_owned(),
            event: "job:started".to_owned(),
            key: "1".to_owned(),
            attributes: own.collect(),
            payload: serde_json::json!({"id": 1}),
            created_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let message = Message::of(&due);
        assert_eq!(message.attributes.len(), ATTRIBUTES);
        assert_eq!((&*message.attributes["event"], &*message.attributes["source"]), ("job:started", "travis"));
        assert!(message.entry(0).is_some());
    }
}
