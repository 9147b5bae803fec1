//! The input of a Lambda invocation, and the answer to SQS.
//!
//! `aws_lambda_events::sqs::SqsEventObj` reads all bodies together, so that one bad body fails the batch; and a
//! function may be invoked by SNS, EventBridge or a person as well. So the input is read leniently here, and
//! each body is left as it came. The answer is the library's type.

use std::collections::HashMap;
use std::fmt;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Delivery, attributes, time};

/// What a function was invoked with.
#[derive(Debug, Default)]
pub struct Invocation {
    /// The parts that are acknowledged one by one.
    pub deliveries: Vec<Delivery>,
    /// Whether the caller is SQS, which takes an answer part by part. Any other caller only knows
    /// success and failure of the whole.
    pub partial: bool,
}

impl Invocation {
    /// Reads bytes of any kind: a Lambda event, or whatever [`super::unwrap()`] understands.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).ok().filter(|found: &Self| found.partial).unwrap_or_else(|| Self {
            deliveries: vec![Delivery { body: bytes.to_vec(), ..Delivery::default() }],
            partial: false,
        })
    }
}

/// The answer that makes SQS deliver the given messages again and delete the others.
///
/// `None` when one of the ids is empty: an empty id in the answer would mean the whole batch failed, and to leave it
/// out would delete the message. The caller then has to fail the invocation.
#[must_use]
pub fn batch_response<'a>(again: impl Iterator<Item = &'a str>) -> Option<SqsBatchResponse> {
    let mut response = SqsBatchResponse::default();
    for id in again {
        if id.is_empty() {
            return None;
        }
        let mut failure = BatchItemFailure::default();
        id.clone_into(&mut failure.item_identifier);
        response.batch_item_failures.push(failure);
    }
    Some(response)
}

/// One entry of `Records`, of SQS or of another sender.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: Option<String>,
    receipt_handle: Option<String>,
    body: Option<String>,
    attributes: Option<HashMap<String, String>>,
    message_attributes: Option<Box<RawValue>>,
    #[serde(rename = "Sns")]
    sns: Option<Box<RawValue>>,
}

impl Record {
    fn is_sqs(&self) -> bool {
        self.sns.is_none() && (self.message_id.is_some() || self.receipt_handle.is_some())
    }
}

impl From<Record> for Delivery {
    fn from(record: Record) -> Self {
        let millis = record.attributes.as_ref().and_then(|attributes| attributes.get("SentTimestamp"));
        Self {
            id: record.message_id.unwrap_or_default(),
            sent_at: millis.and_then(|millis| time::epoch_millis(millis)),
            attributes: record.message_attributes.map(|raw| attributes::read(&raw)).unwrap_or_default(),
            body: match record.sns {
                Some(envelope) => String::from(Box::<str>::from(envelope)).into_bytes(),
                None => record.body.unwrap_or_default().into_bytes(),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Invocation {
    /// Written by hand so that a batch of 10 MB is held once and not as a tree beside its bodies.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Invocation;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the JSON object of a Lambda event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Invocation, A::Error> {
                let mut invocation = Invocation::default();
                let mut others = serde_json::Map::new();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "Records" {
                        let records: Vec<Record> = map.next_value()?;
                        invocation.partial = records.iter().all(Record::is_sqs);
                        if let Some(other) = records.iter().position(|record| !record.is_sqs() && record.sns.is_none())
                        {
                            return Err(serde::de::Error::custom(format!(
                                "Records[{other}] is neither of SQS nor of SNS"
                            )));
                        }
                        invocation.deliveries.extend(records.into_iter().map(Delivery::from));
                    } else {
                        others.insert(key, map.next_value()?);
                    }
                }
                if invocation.deliveries.is_empty() && !invocation.partial {
                    let body = serde_json::Value::Object(others).to_string().into_bytes();
                    invocation.deliveries.push(Delivery { body, ..Delivery::default() });
                }
                Ok(invocation)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_body_is_a_delivery_all_the_same() {
        let event = r#"{"Records":[{"messageId":"m1","body":null,"eventSource":"aws:sqs"},
            {"messageId":"m2","receiptHandle":"r","body":"{}","attributes":{"SentTimestamp":"1772610591200"},
             "messageAttributes":{"source":{"stringValue":"gitlab","dataType":"String"}}}]}"#;
        let read = Invocation::read(event.as_bytes());
        assert!(read.partial);
        let ids: Vec<_> = read.deliveries.iter().map(|delivery| (delivery.id.as_str(), delivery.body.len())).collect();
        assert_eq!(ids, [("m1", 0), ("m2", 2)]);
        assert_eq!(read.deliveries[1].attributes["source"], "gitlab");
    }

    #[test]
    fn other_callers_have_no_parts() {
        for text in
            [r#"{"a":1}"#, "not json", r#"{"Records":[{"Sns":{"Message":"{}"}}]}"#, r#"{"Records":[{"s3":{}}]}"#]
        {
            let read = Invocation::read(text.as_bytes());
            assert!(!read.partial && read.deliveries.len() == 1, "{text}");
        }
        assert!(Invocation::read(br#"{"Records":[]}"#).deliveries.is_empty());
    }

    #[test]
    fn the_answer_never_holds_an_empty_id() {
        assert!(batch_response(["a", ""].into_iter()).is_none());
        let answer = batch_response(["a"].into_iter()).expect("ids");
        assert_eq!(serde_json::to_string(&answer).expect("JSON"), r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#);
        assert_eq!(batch_response([].into_iter()).map(|a| a.batch_item_failures.len()), Some(0));
    }
}
