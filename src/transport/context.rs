//! What envelopes say about their content: id, time and attributes. Inner envelopes override outer ones, except for
//! times that cannot be true: the sender writes inner envelopes, and the transport writes the outer ones.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::field::Name;
use super::{Attributes, Delivery, Head, Latest, REPLAY, attributes, time};
use crate::platform::hex::hex;

/// What the envelopes so far have said about their content.
#[derive(Clone)]
pub(super) struct Context<'c> {
    pub(super) id: Option<String>,
    pub(super) sent_at: Option<Timestamp>,
    /// The earliest of the times of the envelopes: nothing inside was sent later.
    known: Option<Timestamp>,
    /// When this program received the delivery.
    received_at: Option<Timestamp>,
    /// Whether the only envelope so far is a queue's: an SNS notification in it is then written by SNS, not by the
    /// sender.
    queue_only: bool,
    pub(super) attributes: Cow<'c, Attributes>,
}

impl<'c> Context<'c> {
    /// The context that the transport gives.
    pub(super) fn of(delivery: &'c Delivery) -> Self {
        // In some transports the sender writes the time (AMQP's property `timestamp`).
        let sent_at = delivery.sent_at.filter(|at| Latest::of(delivery.received_at).allows(*at));
        let mut context = Self {
            id: None,
            sent_at,
            known: sent_at.or(delivery.received_at),
            received_at: delivery.received_at,
            queue_only: true,
            attributes: Cow::Borrowed(&delivery.attributes),
        };
        context.read_id(Some(Cow::Borrowed(&delivery.id)));
        context.read_binary_cloudevent(&delivery.attributes);
        context
    }

    /// The context of one of several parts.
    pub(super) fn part(&self, index: usize) -> Self {
        Self { id: self.id.as_ref().map(|id| format!("{id}#{index}")), ..self.clone() }
    }

    /// The latest time that is accepted in the content.
    pub(super) fn latest(&self) -> Latest {
        Latest::of(self.known)
    }

    /// Takes the time and the id of an envelope. Neither is used when the time cannot be true by the known time.
    fn read_time_and_id(&mut self, known: Option<Timestamp>, at: Option<Timestamp>, id: Option<Cow<'_, str>>) {
        if let Some(at) = at {
            if !Latest::of(known).allows(at) {
                return;
            }
            self.sent_at = Some(at);
            self.known = Some(known.map_or(at, |known| known.min(at)));
        }
        self.read_id(id);
    }

    pub(super) fn note(&mut self, name: &str, value: &str) {
        self.attributes.to_mut().insert(name.to_owned(), value.to_owned());
    }

    /// The id, else a hash of the content.
    pub(super) fn id_of(&self, bytes: &[u8]) -> String {
        self.id.clone().unwrap_or_else(|| format!("sha256:{}", hex(&Sha256::digest(bytes)[..16])))
    }
}

/// One method for each kind of envelope.
impl Context<'_> {
    pub(super) fn read_sqs(&mut self, head: &Head<'_>) {
        let mut sent_at = ["attributes", "Attributes"].into_iter().filter_map(|name| {
            let attributes = attributes::read(head.get(name)?);
            attributes.get("SentTimestamp").and_then(|millis| time::epoch_millis(millis))
        });
        let sent_at = sent_at.next_back();
        self.read_time_and_id(self.known, sent_at, head.string("messageId").or_else(|| head.string("MessageId")));
        // Read after the attributes of the queue: these may be the attributes of a CloudEvent.
        for name in ["messageAttributes", "MessageAttributes"] {
            self.read_attributes(head.get(name));
        }
    }

    pub(super) fn read_sns(&mut self, head: &Head<'_>) {
        let sent_at = head.string("Timestamp").and_then(|text| time::rfc3339(&text));
        // The first notification was written by the topic that feeds the queue. Only our own clock bounds it: a queue
        // that is filled again from an archive holds notifications that are newer than its own records.
        let known = if self.queue_only { self.received_at } else { self.known };
        self.read_time_and_id(known, sent_at, head.string("MessageId"));
        self.queue_only = false;
        self.read_attributes(head.get("MessageAttributes"));
    }

    pub(super) fn read_cloudevent(&mut self, head: &Head<'_>) {
        self.read_cloudevent_attributes(|name| head.string(name));
    }

    /// The CloudEvent headers of an HTTP request, as API Gateway and function URLs pass them to a function. Other
    /// headers are dropped, since some hold secrets.
    pub(super) fn read_headers(&mut self, head: &Head<'_>) {
        let mut headers = head.get("headers").map(attributes::read).unwrap_or_default();
        headers.retain(|name, _| name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("ce-")));
        self.read_binary_cloudevent(&headers);
    }

    /// Attributes of a CloudEvent in binary mode: headers (`ce-type`), and the forms that bindings give them
    /// (CloudEvents 1.0.2, HTTP, Kafka and AMQP protocol bindings).
    fn read_binary_cloudevent(&mut self, attributes: &Attributes) {
        const PREFIXES: [&str; 4] = ["ce-", "ce_", "cloudEvents:", "cloudEvents_"];
        if attributes.is_empty() {
            return;
        }
        let find = |prefix: &str, name: &str| {
            let is_named = |key: &str| {
                let rest = key.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix));
                rest.is_some() && key[prefix.len()..].eq_ignore_ascii_case(name)
            };
            attributes.iter().find(|(key, _)| is_named(key)).map(|(_, value)| Cow::Borrowed(value.as_str()))
        };
        if let Some(prefix) = PREFIXES.into_iter().find(|prefix| find(prefix, "type").is_some()) {
            self.read_cloudevent_attributes(|name| find(prefix, name));
        }
    }

    fn read_cloudevent_attributes<'v>(&mut self, attribute: impl Fn(&str) -> Option<Cow<'v, str>>) {
        // The id of a CloudEvent is unique only together with its source (CloudEvents 1.0, 'id').
        let id = attribute("source").zip(attribute("id")).map(|(source, id)| format!("{source}#{id}").into());
        let sent_at = attribute("time").and_then(|text| time::rfc3339(&text));
        self.read_time_and_id(self.known, sent_at, id);
        self.queue_only = false;
        if attribute("type").is_some_and(|kind| says_deleted(&kind)) {
            self.note("event_type", "DELETED");
        }
    }

    pub(super) fn read_eventbridge(&mut self, head: &Head<'_>, kind: &str) {
        let sent_at = head.string("time").and_then(|text| time::rfc3339(&text));
        self.read_time_and_id(self.known, sent_at, head.string("id"));
        self.queue_only = false;
        self.note("event_type", kind);
        if let Some(replay) = head.string(REPLAY) {
            self.note(REPLAY, &replay);
        }
        if let Some(source) = head.string("source") {
            self.note("source", &source);
        }
    }

    /// Takes an id that can be a key; any other is ignored.
    pub(super) fn read_id(&mut self, id: Option<Cow<'_, str>>) {
        let id = id.filter(|id| !id.is_empty() && Name::new(Cow::Borrowed(id)).is_ok());
        self.id = id.map(Cow::into_owned).or_else(|| self.id.take());
    }

    fn read_attributes(&mut self, raw: Option<&RawValue>) {
        self.add(raw.map(attributes::read).unwrap_or_default());
    }

    /// Adds attributes of an envelope.
    pub(super) fn add(&mut self, attributes: Attributes) {
        if !attributes.is_empty() {
            self.attributes.to_mut().extend(attributes.clone());
            // Read last: the type of a CloudEvent is more specific than an attribute of its envelope.
            self.read_binary_cloudevent(&attributes);
        }
    }
}

/// Whether the type of a CloudEvent says that its object was deleted: Knative's sources (`.delete`), other senders that
/// follow them (`.deleted`), and `KubeArchive`, whose `archive-on-delete` follows a deletion. Its `delete-when`
/// precedes a deletion, which has an event of its own.
fn says_deleted(kind: &str) -> bool {
    [".delete", ".deleted", ".archive-on-delete"].iter().any(|end| kind.ends_with(end))
}
