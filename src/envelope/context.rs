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
        // A CloudEvent's id is unique with its source only (CloudEvents 1.0, 'id').
        if let (Some(source), Some(id)) = (head.string("source"), head.string("id")) {
            self.read_id(Some(format!("{source}#{id}").into()));
        }
        let sent_at = head.string("time").and_then(|text| time::rfc3339(&text));
        self.sent_at = sent_at.or(self.sent_at);
        if head.string("type").is_some_and(|kind| kind.ends_with(".delete")) {
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
        let read = raw.map(attributes::read).unwrap_or_default();
        if !read.is_empty() {
            self.attributes.to_mut().extend(read);
        }
    }
}
