//! What carriers say about what they carry: id, time and attributes. Inner carriers overrule outer ones.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::field::Name;
use super::{Attributes, Delivery, Head, REPLAY, attributes, time};

/// What the layers so far have said about what they carry.
#[derive(Clone)]
pub(super) struct Context<'c> {
    pub(super) id: Option<String>,
    pub(super) sent_at: Option<Timestamp>,
    pub(super) attributes: Cow<'c, Attributes>,
}

impl<'c> Context<'c> {
    /// What the transport says.
    pub(super) fn of(delivery: &'c Delivery) -> Self {
        let mut context = Self { id: None, sent_at: delivery.sent_at, attributes: Cow::Borrowed(&delivery.attributes) };
        context.read_id(Some(Cow::Borrowed(&delivery.id)));
        context.read_binary_cloudevent(&delivery.attributes);
        context
    }

    /// The context of one of several parts.
    pub(super) fn part(&self, index: usize) -> Self {
        Self { id: self.id.as_ref().map(|id| format!("{id}#{index}")), ..self.clone() }
    }

    pub(super) fn note(&mut self, name: &str, value: &str) {
        self.attributes.to_mut().insert(name.to_owned(), value.to_owned());
    }

    /// The id, else one that depends on nothing but the content.
    pub(super) fn id_of(&self, bytes: &[u8]) -> String {
        self.id.clone().unwrap_or_else(|| {
            let hash = Sha256::digest(bytes);
            hash[..16].iter().fold(String::from("sha256:"), |id, byte| format!("{id}{byte:02x}"))
        })
    }
}

/// What each envelope says about what it carries.
impl Context<'_> {
    pub(super) fn read_sqs(&mut self, head: &Head<'_>) {
        self.read_id(head.string("messageId").or_else(|| head.string("MessageId")));
        for name in ["messageAttributes", "MessageAttributes"] {
            self.read_attributes(head.get(name));
        }
        for name in ["attributes", "Attributes"] {
            let attributes = head.get(name).map(attributes::read).unwrap_or_default();
            let sent_at = attributes.get("SentTimestamp").and_then(|millis| time::epoch_millis(millis));
            self.sent_at = sent_at.or(self.sent_at);
        }
    }

    pub(super) fn read_sns(&mut self, head: &Head<'_>) {
        self.read_id(head.string("MessageId"));
        let sent_at = head.string("Timestamp").and_then(|text| time::rfc3339(&text));
        self.sent_at = sent_at.or(self.sent_at);
        self.read_attributes(head.get("MessageAttributes"));
    }

    pub(super) fn read_cloudevent(&mut self, head: &Head<'_>) {
        self.read_cloudevent_attributes(|name| head.string(name));
    }

    /// Headers of an HTTP request, as API Gateway and function URLs hand them to a function: those of a CloudEvent. No others
    /// are kept, for some hold secrets.
    pub(super) fn read_headers(&mut self, head: &Head<'_>) {
        let mut headers = head.get("headers").map(attributes::read).unwrap_or_default();
        headers.retain(|name, _| name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("ce-")));
        self.read_binary_cloudevent(&headers);
    }

    /// What a CloudEvent in binary mode says beside its data: in headers (`ce-type`) and what bindings make of those
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
        // A CloudEvent's id is unique with its source only (CloudEvents 1.0, 'id').
        if let (Some(source), Some(id)) = (attribute("source"), attribute("id")) {
            self.read_id(Some(format!("{source}#{id}").into()));
        }
        let sent_at = attribute("time").and_then(|text| time::rfc3339(&text));
        self.sent_at = sent_at.or(self.sent_at);
        if attribute("type").is_some_and(|kind| says_deleted(&kind)) {
            self.note("event_type", "DELETED");
        }
    }

    pub(super) fn read_eventbridge(&mut self, head: &Head<'_>, kind: &str) {
        self.read_id(head.string("id"));
        let sent_at = head.string("time").and_then(|text| time::rfc3339(&text));
        self.sent_at = sent_at.or(self.sent_at);
        self.note("event_type", kind);
        if let Some(replay) = head.string(REPLAY) {
            self.note(REPLAY, &replay);
        }
        if let Some(source) = head.string("source") {
            self.note("source", &source);
        }
    }

    /// Takes an id that can be a key; any other is as good as none.
    pub(super) fn read_id(&mut self, id: Option<Cow<'_, str>>) {
        let id = id.filter(|id| !id.is_empty() && Name::new(Cow::Borrowed(id)).is_ok());
        self.id = id.map(Cow::into_owned).or_else(|| self.id.take());
    }

    fn read_attributes(&mut self, raw: Option<&RawValue>) {
        self.add(raw.map(attributes::read).unwrap_or_default());
    }

    /// Adds attributes of a carrier.
    pub(super) fn add(&mut self, attributes: Attributes) {
        if !attributes.is_empty() {
            self.attributes.to_mut().extend(attributes.clone());
            // After the others: the type of a CloudEvent says more than an attribute of its carrier.
            self.read_binary_cloudevent(&attributes);
        }
    }
}

/// Whether the type of a CloudEvent says that its object is gone: Knative's sources (`.delete`), others after them (`.deleted`),
/// and `KubeArchive`, whose `archive-on-delete` follows a deletion. Its `delete-when` comes before one, which is announced when it
/// has happened.
fn says_deleted(kind: &str) -> bool {
    [".delete", ".deleted", ".archive-on-delete"].iter().any(|end| kind.ends_with(end))
}
