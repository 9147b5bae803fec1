//! Reads the input of a Lambda invocation, and builds the response to SQS.
//!
//! `aws_lambda_events::sqs::SqsEventObj` reads all bodies together, so that one bad body fails the batch; and a
//! function may be invoked by SNS, EventBridge or a person as well. So the input is read leniently here, and each body
//! is left as received. The response is the type of that library.
//!
//! An unknown caller may delete its messages after a success. So an event of a transport that is not decoded
//! ([`Unknown`]) fails the invocation.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::mq::{self, QueueMessage};
use super::{Delivery, attributes, time};

/// The input of an invocation.
#[derive(Debug, Default)]
pub struct Invocation {
    /// The parts that are acknowledged one by one; for an unknown transport the event as a whole.
    pub deliveries: Vec<Delivery>,
    /// Whether the caller is SQS, which accepts a partial batch response. Any other caller only knows success and
    /// failure of the whole.
    pub partial: bool,
    /// The transport, if it is an AWS transport that is not decoded here.
    pub unknown: Option<Unknown>,
    /// Whether the event has a known form, so that the deliveries are its parts.
    is_event: bool,
}

/// An AWS transport that is not decoded here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Its `eventSource`.
    pub source: String,
    /// Whether the caller keeps its messages until the invocation succeeds, and delivers them again. An asynchronous
    /// caller retries twice and then drops them.
    pub polled: bool,
}

/// Sources whose messages Lambda or a pipe of EventBridge polls for.
const POLLED: [&str; 8] =
    ["aws:sqs", "aws:kinesis", "aws:dynamodb", "aws:kafka", "SelfManagedKafka", mq::SOURCE, "aws:mq", "aws:docdb"];

/// Whether an `eventSource` names an AWS transport.
pub(super) fn is_transport(source: &str) -> bool {
    source.starts_with("aws:") || POLLED.contains(&source)
}

impl Invocation {
    /// Sets when the invocation arrived: no time in it can be much later.
    #[must_use]
    pub fn received(mut self, at: Timestamp) -> Self {
        self.deliveries.iter_mut().for_each(|delivery| delivery.received_at = Some(at));
        self
    }

    /// Reads bytes: a Lambda event, or any input of [`super::unwrap()`].
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).ok().filter(|found: &Self| found.is_event).unwrap_or_else(|| Self::whole(bytes))
    }

    /// The deliveries to ingest. None for a polled transport that is not decoded: the caller keeps the messages, and
    /// each redelivery would be stored again.
    #[must_use]
    pub fn to_be_taken(&self) -> &[Delivery] {
        if self.unknown.as_ref().is_some_and(|unknown| unknown.polled) { &[] } else { &self.deliveries }
    }

    fn whole(bytes: &[u8]) -> Self {
        Self { deliveries: vec![Delivery { body: bytes.to_vec(), ..Delivery::default() }], ..Self::default() }
    }

    /// An event of an unknown transport, stored as a whole.
    fn unknown<E: Error>(source: &str, event: &impl Serialize) -> Result<Self, E> {
        let body = serde_json::to_vec(event).map_err(E::custom)?;
        let unknown = Unknown { source: source.to_owned(), polled: POLLED.contains(&source) };
        Ok(Self { unknown: Some(unknown), is_event: true, ..Self::whole(&body) })
    }

    fn of_queues<'m>(messages: impl IntoIterator<Item = QueueMessage<'m>>) -> Self {
        let deliveries = messages.into_iter().map(QueueMessage::into_delivery).collect();
        Self { deliveries, is_event: true, ..Self::default() }
    }

    /// An event that consists of `Records`.
    fn of_records<E: Error>(records: Vec<Record>) -> Result<Self, E> {
        let partial = records.iter().all(Record::is_sqs);
        let Some(other) = records.iter().find(|record| !record.is_sqs() && record.sns.is_none()) else {
            let deliveries = records.into_iter().map(Delivery::from).collect();
            return Ok(Self { deliveries, partial, is_event: partial, unknown: None });
        };
        let source = other.source().unwrap_or("unnamed").to_owned();
        Self::unknown(&source, &BTreeMap::from([("Records", &records)]))
    }

    /// An event that is an array: the batch of an EventBridge pipe, or documents.
    fn of_elements<E: Error>(elements: &[Box<RawValue>]) -> Result<Self, E> {
        let records: Vec<Record> = elements.iter().map_while(|raw| serde_json::from_str(raw.get()).ok()).collect();
        let all = !records.is_empty() && records.len() == elements.len();
        if all && records.iter().all(|record| record.is_sqs() && record.source() == Some("aws:sqs")) {
            return Self::of_records(records);
        }
        if all && records.iter().all(|record| record.source() == Some(mq::SOURCE)) {
            let messages: Result<Vec<_>, _> = elements.iter().map(|raw| QueueMessage::read(raw, None)).collect();
            return messages.map(Self::of_queues).map_err(E::custom);
        }
        // One such record is enough: success would acknowledge all.
        let source = elements.iter().find_map(|raw| {
            let record: Record = serde_json::from_str(raw.get()).ok()?;
            record.source().filter(|source| is_transport(source)).map(str::to_owned)
        });
        match source {
            Some(source) => Self::unknown(&source, &elements),
            None => Ok(Self::whole(&serde_json::to_vec(elements).map_err(E::custom)?)),
        }
    }

    /// Names the parts without an id by their origin, so that a user can find them.
    pub fn name_parts(&mut self, name: &str) {
        let several = self.deliveries.len() > 1;
        let unnamed = self.deliveries.iter_mut().enumerate().filter(|(_, delivery)| delivery.id.is_empty());
        for (number, delivery) in unnamed {
            delivery.id = if several { format!("{name}#{number}") } else { name.to_owned() };
        }
    }
}

/// The partial batch response that makes SQS retry the given messages and delete the others.
///
/// `None` when one of the ids is empty: an empty id in the response would fail the whole batch, and leaving it out
/// would delete the message. The caller then has to fail the invocation.
#[must_use]
pub fn batch_response<'a>(retry: impl Iterator<Item = &'a str>) -> Option<SqsBatchResponse> {
    let mut response = SqsBatchResponse::default();
    for id in retry {
        if id.is_empty() {
            return None;
        }
        let mut failure = BatchItemFailure::default();
        id.clone_into(&mut failure.item_identifier);
        response.batch_item_failures.push(failure);
    }
    Some(response)
}

/// One entry of `Records`, from SQS or another sender.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<HashMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_attributes: Option<Box<RawValue>>,
    #[serde(rename = "Sns", skip_serializing_if = "Option::is_none")]
    sns: Option<Box<RawValue>>,
    /// All other members: few in records of SQS, all of them in others.
    #[serde(flatten)]
    others: BTreeMap<String, Box<RawValue>>,
}

impl<'de> Deserialize<'de> for Record {
    /// Written by hand to keep members of unknown names unchanged, which `flatten` cannot do.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Record;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a record of a Lambda event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut record = Record::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "messageId" => record.message_id = map.next_value()?,
                        "receiptHandle" => record.receipt_handle = map.next_value()?,
                        "body" => record.body = map.next_value()?,
                        "attributes" => record.attributes = map.next_value()?,
                        "messageAttributes" => record.message_attributes = map.next_value()?,
                        "Sns" => record.sns = map.next_value()?,
                        _ => drop(record.others.insert(key, map.next_value()?)),
                    }
                }
                Ok(record)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl Record {
    fn is_sqs(&self) -> bool {
        self.sns.is_none() && (self.message_id.is_some() || self.receipt_handle.is_some())
    }

    /// The `eventSource`; SNS writes it with a capital letter.
    fn source(&self) -> Option<&str> {
        let raw = self.others.get("eventSource").or_else(|| self.others.get("EventSource"))?;
        serde_json::from_str(raw.get()).ok()
    }
}

impl From<Record> for Delivery {
    fn from(record: Record) -> Self {
        let millis = record.attributes.as_ref().and_then(|attributes| attributes.get("SentTimestamp"));
        let moved_from = record.attributes.as_ref().and_then(|attributes| attributes.get("DeadLetterQueueSourceArn"));
        Self {
            is_moved: moved_from.is_some(),
            id: record.message_id.unwrap_or_default(),
            sent_at: millis.and_then(|millis| time::epoch_millis(millis)),
            attributes: record.message_attributes.map(|raw| attributes::read(&raw)).unwrap_or_default(),
            body: match record.sns {
                Some(envelope) => String::from(Box::<str>::from(envelope)).into_bytes(),
                None => record.body.unwrap_or_default().into_bytes(),
            },
            received_at: None,
        }
    }
}

impl<'de> Deserialize<'de> for Invocation {
    /// Written by hand so that a batch of 10 MB is held once, and not as a tree beside its bodies.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Event;

        impl<'de> Visitor<'de> for Event {
            type Value = Invocation;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the JSON object or array of a Lambda event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Invocation, A::Error> {
                let mut records: Option<Vec<Record>> = None;
                let mut others: BTreeMap<String, Box<RawValue>> = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "Records" {
                        records.get_or_insert_default().extend(map.next_value::<Vec<Record>>()?);
                    } else {
                        others.insert(key, map.next_value()?);
                    }
                }
                if let Some(records) = records {
                    return Invocation::of_records(records);
                }
                let source = others.get("eventSource").and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
                if let Some(queues) = others.get(mq::BY_QUEUE) {
                    return mq::by_queue(queues).map(Invocation::of_queues).map_err(A::Error::custom);
                }
                match source.filter(|source| is_transport(source)) {
                    Some(source) => Invocation::unknown(&source, &others),
                    None => Ok(Invocation::whole(&serde_json::to_vec(&others).map_err(A::Error::custom)?)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Invocation, A::Error> {
                let mut elements: Vec<Box<RawValue>> = Vec::new();
                while let Some(element) = list.next_element()? {
                    elements.push(element);
                }
                Invocation::of_elements(&elements)
            }
        }

        deserializer.deserialize_any(Event)
    }
}

#[cfg(test)]
#[path = "lambda_tests.rs"]
mod tests;
