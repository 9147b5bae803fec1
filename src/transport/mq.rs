//! Events of Amazon MQ for `RabbitMQ` (`aws:rmq`), in the form of a Lambda event source mapping
//! (`{"rmqMessagesByQueue": {"QUEUE::VHOST": [..]}}`) and in that of an EventBridge pipe (an array of such messages).
//!
//! Exchange and routing key are not in the event. The body is base64, which [`super::unwrap()`] decodes.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Attributes, Delivery, Head, time};
use crate::platform::hex::hex;

/// The `eventSource` of such an event.
pub(super) const SOURCE: &str = "aws:rmq";
/// The member that holds its messages.
pub(super) const BY_QUEUE: &str = "rmqMessagesByQueue";

/// A message of a queue.
#[derive(Debug)]
pub(super) struct QueueMessage<'a> {
    /// The property `messageId`, else a hash of queue and body, so that a redelivery has the same id.
    pub(super) id: String,
    /// From the property `timestamp`, or in milliseconds from a header that brokers add if configured to.
    pub(super) sent_at: Option<Timestamp>,
    /// The headers, and the properties that describe the body.
    pub(super) attributes: Attributes,
    /// The body: usually a JSON string of base64.
    pub(super) data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(borrow)]
    basic_properties: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    /// Only in the form of pipes.
    event_source_key: Option<String>,
}

/// The messages of all queues, in the order of the event.
///
/// # Errors
/// When the event has another form.
pub(super) fn by_queue(queues: &RawValue) -> Result<Vec<QueueMessage<'_>>, serde_json::Error> {
    let mut messages = Vec::new();
    for (queue, list) in Head::read(queues.get())?.members() {
        for one in serde_json::from_str::<Vec<&RawValue>>(list.get())? {
            messages.push(QueueMessage::read(one, Some(queue))?);
        }
    }
    Ok(messages)
}

impl<'a> QueueMessage<'a> {
    /// Reads a message. Without `queue` it has the form of EventBridge pipes, which holds the queue itself.
    ///
    /// # Errors
    /// When it is no object.
    pub(super) fn read(raw: &'a RawValue, queue: Option<&str>) -> Result<Self, serde_json::Error> {
        let Raw { basic_properties, data, event_source_key } = serde_json::from_str(raw.get())?;
        let queue = queue.or(event_source_key.as_deref()).unwrap_or_default();
        // A property that cannot be read must not block the queue: the message is read without it.
        let properties: Value =
            basic_properties.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let text = |name: &str| properties[name].as_str().filter(|text| !text.is_empty());
        let headers = properties["headers"].as_object();
        let mut attributes: Attributes =
            headers.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), header(value)?))).collect();
        let sent_at = attributes.get("timestamp_in_ms").and_then(|millis| time::epoch_millis(millis));
        let sent_at = sent_at.or_else(|| text("timestamp").and_then(timestamp));
        // The name of a queue may hold `::` as well.
        let (name, vhost) = queue.rsplit_once("::").unwrap_or((queue, ""));
        for (attribute, value) in [
            ("amqp_queue", Some(name)),
            ("amqp_vhost", Some(vhost)),
            ("type", text("type")),
            ("content_encoding", text("contentEncoding")),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                attributes.insert(attribute.to_owned(), value.to_owned());
            }
        }
        let id = text("messageId").map_or_else(|| hash(queue, data), str::to_owned);
        Ok(Self { id, sent_at, attributes, data })
    }

    /// The message as a delivery of its own.
    pub(super) fn into_delivery(self) -> Delivery {
        let body = match self.data.map(|data| super::head::string(data).ok_or_else(|| data.get())) {
            None | Some(Err("null")) => Cow::Borrowed(""),
            Some(Ok(text)) => text,
            Some(Err(other)) => Cow::Borrowed(other),
        };
        Delivery {
            id: self.id,
            body: body.into_owned().into_bytes(),
            attributes: self.attributes,
            sent_at: self.sent_at,
            is_moved: false,
            received_at: None,
        }
    }
}

fn hash(queue: &str, data: Option<&RawValue>) -> String {
    let mut hash = Sha256::new_with_prefix(queue);
    hash.update([0]);
    hash.update(data.map_or("", RawValue::get));
    format!("rmq:{}", hex(&hash.finalize()[..16]))
}

/// The text of a header: `{"bytes": [..]}` in UTF-8, a number, a boolean. Lists and tables, such as `x-death`, are left
/// out.
fn header(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Object(members) => {
            let bytes = members.get("bytes")?.as_array()?.iter();
            let bytes: Option<Vec<u8>> = bytes.map(|byte| u8::try_from(byte.as_i64()? & 0xff).ok()).collect();
            String::from_utf8(bytes?).ok()
        }
        Value::Null | Value::Array(_) => None,
    }
}

/// `Jan 1, 1970, 12:33:41 AM`, in UTC; newer versions of Java write U+202F before `AM`.
fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.replace('\u{202f}', " ");
    let civil = DateTime::strptime("%b %d, %Y, %I:%M:%S %p", text).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: &str, queue: &str) -> Delivery {
        let raw = format!(r#"{{"basicProperties":{properties},"redelivered":false,"data":"e30="}}"#);
        let raw: &RawValue = serde_json::from_str(&raw).expect("JSON");
        QueueMessage::read(raw, Some(queue)).expect("a message").into_delivery()
    }

    #[test]
    fn properties_and_headers_are_attributes() {
        let read = read(
            r#"{"messageId":"m","timestamp":"Jan 1, 1970, 12:33:41 AM","type":"job:started","contentEncoding":"gzip",
               "headers":{"source":{"bytes":[98,111,116]},"n":7,"x-death":[{"count":1}],
               "bad":{"bytes":[-1,"x"]},"signed":{"bytes":[-61,-92]}}}"#,
            "a::b::/",
        );
        assert_eq!((read.id.as_str(), read.body.as_slice()), ("m", b"e30=".as_slice()));
        assert_eq!(read.sent_at.map(|at| at.to_string()).as_deref(), Some("1970-01-01T00:33:41Z"));
        let attributes: Vec<_> = read.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            attributes,
            [
                "amqp_queue=a::b",
                "amqp_vhost=/",
                "content_encoding=gzip",
                "n=7",
                "signed=ä",
                "source=bot",
                "type=job:started"
            ]
        );
    }

    #[test]
    fn a_message_without_properties_has_an_id() {
        let (one, redelivered, other) = (read("null", "a::/"), read("{}", "a::/"), read("[]", "b::/"));
        assert_eq!(one.id, redelivered.id);
        assert_ne!(one.id, other.id);
        assert!(one.id.starts_with("rmq:") && one.sent_at.is_none());
    }

    #[test]
    fn times_of_java_are_read() {
        for (text, expected) in [
            ("Nov 29, 2026, 5:03:00 PM", Some("2026-11-29T17:03:00Z")),
            ("Nov 29, 2026, 5:03:00\u{202f}PM", Some("2026-11-29T17:03:00Z")),
            ("Nov 31, 2026, 5:03:00 PM", None),
            ("2026-11-29T17:03:00Z", None),
        ] {
            assert_eq!(timestamp(text).map(|at| at.to_string()).as_deref(), expected, "{text}");
        }
        let broker =
            read(r#"{"timestamp":"Jan 1, 1970, 12:00:00 AM","headers":{"timestamp_in_ms":1772610591200}}"#, "a::/");
        assert_eq!(broker.sent_at.map(|at| at.to_string()).as_deref(), Some("2026-03-04T07:49:51.2Z"));
    }
}
