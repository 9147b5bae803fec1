//! Unwraps a delivery: removes encodings and envelopes, outermost first, until a message is left.
//!
//! Two kinds of layer: bytes to text ([`Unwrapper::bytes`]: gzip, base64, strings of JSON) and document to inner
//! document ([`Unwrapper::document`]: envelopes, which are recognised by their members). Layers of either kind count
//! against [`Limits::depth`], and their output against [`Limits::decoded_bytes`].

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::codec::{self, GunzipError};
use super::context::Context;
use super::head::string;
use super::inner::may_hold_several;
use super::lambda::is_transport;
use super::mq::{self, QueueMessage};
use super::{Delivery, Head, Limits, Message, Rejection, Unwrapped, pointer, tekton};

/// The record separator of JSON text sequences (RFC 7464), before each document.
const SEPARATOR: char = '\u{1e}';

/// Decodes a delivery and passes each part to `sink`, in order. Calls it at least once, unless the delivery is an empty
/// list.
pub fn unwrap(delivery: &Delivery, limits: Limits, sink: &mut dyn FnMut(Unwrapped<'_>)) {
    let context = Context::of(delivery);
    let mut unwrapper = Unwrapper { bytes_left: limits.decoded_bytes, messages_left: limits.messages, sink };
    let depth = Depth { encodings: limits.depth, envelopes: limits.depth };
    unwrapper.bytes(&context, &delivery.body, depth);
}

/// How many layers of each kind may still be removed.
#[derive(Clone, Copy)]
struct Depth {
    encodings: usize,
    envelopes: usize,
}

impl Depth {
    fn encoding(self) -> Option<Self> {
        Some(Self { encodings: self.encodings.checked_sub(1)?, ..self })
    }

    fn envelope(self) -> Option<Self> {
        Some(Self { envelopes: self.envelopes.checked_sub(1)?, ..self })
    }
}

struct Unwrapper<'s> {
    bytes_left: usize,
    messages_left: usize,
    sink: &'s mut dyn FnMut(Unwrapped<'_>),
}

impl Unwrapper<'_> {
    fn reject(&mut self, context: &Context<'_>, bytes: &[u8], reason: &'static str, detail: impl AsRef<str>) {
        (self.sink)(Unwrapped::Rejected {
            id: context.id_of(bytes),
            attributes: Cow::Borrowed(&context.attributes),
            sent_at: context.sent_at,
            rejection: Rejection::new(reason, detail),
            bytes,
        });
    }

    /// Takes `size` bytes from the decoding budget; false when fewer are left.
    fn spend(&mut self, size: usize) -> bool {
        self.bytes_left.checked_sub(size).map(|left| self.bytes_left = left).is_some()
    }

    fn too_deep(&mut self, context: &Context<'_>, bytes: &[u8]) {
        self.reject(context, bytes, "too-deep", "more layers of encoding or of envelopes than are decoded");
    }

    fn bytes(&mut self, context: &Context<'_>, data: &[u8], depth: Depth) {
        if codec::is_gzip(data) {
            return match codec::gunzip(data, self.bytes_left) {
                Ok(inner) => self.decoded(context, data, &inner, depth),
                Err(GunzipError::TooLarge) => self.too_large(context, data),
                Err(GunzipError::Damaged(error)) => {
                    self.reject(context, data, "bad-gzip", format!("gzip of {} bytes: {error}", data.len()));
                }
            };
        }
        let Ok(text) = std::str::from_utf8(data) else {
            let detail = format!("{} bytes that are neither gzip nor UTF-8 text", data.len());
            return self.reject(context, data, "not-json", detail);
        };
        let text = text.trim_start_matches('\u{feff}').trim();
        match text.as_bytes().first() {
            None => self.reject(context, data, "empty", "an empty body"),
            Some(b'{' | b'[') => self.documents(context, text, depth),
            Some(0x1e) => self.sequence(context, text, depth),
            Some(b'"') => match serde_json::from_str::<Cow<'_, str>>(text) {
                Ok(inner) => self.decoded(context, data, inner.as_bytes(), depth),
                Err(error) => self.reject(context, data, "not-json", format!("a string of JSON: {error}")),
            },
            // `null`, a number or a boolean may be base64 as well, but hardly ever is.
            Some(_) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                let shown: String = text.chars().take(40).collect();
                let detail = format!("JSON that is neither an object nor a list: {shown}");
                self.reject(context, data, "not-json", detail);
            }
            Some(_) => match codec::base64(text) {
                Some(inner) => self.decoded(context, data, &inner, depth),
                None => {
                    let detail = format!("text of {} bytes that is neither JSON nor base64", text.len());
                    self.reject(context, data, "not-json", detail);
                }
            },
        }
    }

    /// Continues with the output of a layer of encoding.
    fn decoded(&mut self, context: &Context<'_>, outer: &[u8], inner: &[u8], depth: Depth) {
        match depth.encoding() {
            None => self.too_deep(context, outer),
            Some(depth) if self.spend(inner.len()) => self.bytes(context, inner, depth),
            Some(_) => self.too_large(context, outer),
        }
    }

    fn too_large(&mut self, context: &Context<'_>, data: &[u8]) {
        let detail = format!("{} bytes decode to more than one delivery may hold", data.len());
        self.reject(context, data, "too-large", detail);
    }

    /// One document or several after each other (NDJSON, Firehose).
    fn documents(&mut self, context: &Context<'_>, text: &str, depth: Depth) {
        if !may_hold_several(text) {
            return self.document(context, text, depth);
        }
        let mut documents = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let mut found = Vec::new();
        let mut end = 0;
        while let Some(document) = documents.next() {
            let Ok(document) = document else { break };
            found.push(document);
            end = documents.byte_offset();
        }
        let rest = text.get(end..).unwrap_or_default().trim();
        if rest.starts_with(SEPARATOR) {
            return self.sequence(context, text, depth);
        }
        let alone = found.len() == 1 && rest.is_empty();
        for (index, document) in found.iter().enumerate() {
            let part = if alone { context.clone() } else { context.part(index) };
            self.document(&part, document.get(), depth);
        }
        if !rest.is_empty() {
            let part = if found.is_empty() { context.clone() } else { context.part(found.len()) };
            let detail = format!("{} bytes of text that are no JSON, after {} documents", rest.len(), found.len());
            self.reject(&part, rest.as_bytes(), "not-json", detail);
        }
    }

    /// Documents of a JSON text sequence. A damaged document does not affect the others.
    fn sequence(&mut self, context: &Context<'_>, text: &str, depth: Depth) {
        let elements: Vec<&str> = text.split(SEPARATOR).map(str::trim).filter(|element| !element.is_empty()).collect();
        if elements.is_empty() {
            return self.reject(context, text.as_bytes(), "empty", "a JSON text sequence without a document");
        }
        for (index, element) in elements.iter().enumerate() {
            let part = if elements.len() == 1 { context.clone() } else { context.part(index) };
            match element.as_bytes()[0] {
                b'{' | b'[' => self.documents(&part, element, depth),
                _ => {
                    let detail = format!("{} bytes in a JSON text sequence that are no document", element.len());
                    self.reject(&part, element.as_bytes(), "not-json", detail);
                }
            }
        }
    }

    /// One document: an envelope, or the message itself.
    fn document(&mut self, context: &Context<'_>, text: &str, depth: Depth) {
        if text.starts_with('[') {
            return self.array(context, text, depth);
        }
        let head = match Head::read(text) {
            Ok(head) => head,
            Err(error) => return self.reject(context, text.as_bytes(), "not-json", error.to_string()),
        };
        if head.names_its_kind() {
            return match head.string("kind") {
                Some(kind) if kind.ends_with("List") => self.list(context, text, head, depth),
                _ => self.message(context, text, head),
            };
        }
        match depth.envelope() {
            Some(depth) => self.envelope(context, text, head, depth),
            None => self.too_deep(context, text.as_bytes()),
        }
    }

    /// A document that does not name its kind: an envelope, recognised by its members, else the message.
    fn envelope(&mut self, context: &Context<'_>, text: &str, head: Head<'_>, depth: Depth) {
        let mut inner = context.clone();
        if let Some(records) = head.get("Records") {
            return self.array(&inner, records.get(), depth);
        }
        if let Some(sns) = head.get("Sns") {
            return self.document(&inner, sns.get(), depth);
        }
        if head.has("s3") && (head.has("eventSource") || head.has("eventName")) {
            let detail = "a notification that names an object in S3: it is read by backfill, not here";
            return self.reject(context, text.as_bytes(), "pointer", detail);
        }
        if let Some(body) = head.get("body").or_else(|| head.get("Body"))
            && ["messageId", "MessageId", "receiptHandle", "ReceiptHandle"].iter().any(|name| head.has(name))
        {
            inner.read_sqs(&head);
            return self.value(&inner, body, depth);
        }
        if let Some(body) = head.get("Message")
            && ["Type", "TopicArn", "MessageId", "MessageAttributes", "Timestamp"].iter().any(|name| head.has(name))
        {
            if head.string("Type").is_some_and(|kind| kind.ends_with("Confirmation")) {
                return (self.sink)(Unwrapped::Ignored("confirmation"));
            }
            inner.read_sns(&head);
            return self.value(&inner, body, depth);
        }
        if head.has("specversion")
            && let Some(data) = head.get("data").or_else(|| head.get("data_base64"))
        {
            inner.read_cloudevent(&head);
            return self.value(&inner, data, depth);
        }
        if let Some(body) = head.get("body")
            && head.has("headers")
            && ["requestContext", "httpMethod", "routeKey"].iter().any(|name| head.has(name))
        {
            inner.read_headers(&head);
            return self.value(&inner, body, depth);
        }
        if let Some(kind) = head.string("type")
            && let Some(object) = head.get("object")
        {
            return match &*kind {
                "ADDED" | "MODIFIED" | "DELETED" => {
                    inner.note("event_type", &kind);
                    self.value(&inner, object, depth)
                }
                "BOOKMARK" | "ERROR" => (self.sink)(Unwrapped::Ignored("watch-bookmark")),
                _ => self.message(context, text, head),
            };
        }
        if let Some(value) = head.get("data").and_then(tekton::record) {
            return self.value(&inner, value, depth);
        }
        if let Some(object) = tekton::event(&head) {
            return match self.spend(object.len()) {
                true => self.document(&inner, &object, depth),
                false => self.too_large(context, text.as_bytes()),
            };
        }
        if let (Some(_), Some(detail)) = (head.get("detail-type"), head.get("detail")) {
            inner.read_eventbridge(&head, &head.string("detail-type").unwrap_or_default());
            // An event that names its kind needs no envelope any more; others are recognised by source and type of the
            // envelope.
            let plain = Head::read(detail.get()).is_ok_and(|detail| {
                detail.names_its_kind() || detail.has("specversion") || tekton::event(&detail).is_some()
            });
            return if plain { self.value(&inner, detail, depth) } else { self.message(&inner, text, head) };
        }
        if let Some(queues) = head.get(mq::BY_QUEUE) {
            return match mq::by_queue(queues) {
                Ok(messages) => self.queue_messages(context, messages, depth),
                Err(error) => self.reject(context, text.as_bytes(), "transport", format!("{}: {error}", mq::SOURCE)),
            };
        }
        match head.string("eventSource").filter(|source| is_transport(source)) {
            Some(source) => self.transport(context, text, &source, depth),
            None => self.message(context, text, head),
        }
    }

    /// A record of an AWS transport without an envelope of its own. A transport that is not decoded is rejected, so
    /// that its bytes are stored.
    fn transport(&mut self, context: &Context<'_>, text: &str, source: &str, depth: Depth) {
        let message = serde_json::from_str(text).ok().filter(|_| source == mq::SOURCE);
        match message.and_then(|raw: &RawValue| QueueMessage::read(raw, None).ok()).filter(|read| read.data.is_some()) {
            Some(message) => self.queue_messages(context, vec![message], depth),
            None => {
                let source: String = source.chars().take(100).collect();
                let detail = format!("an event of {source}, which is a transport that is not decoded here");
                self.reject(context, text.as_bytes(), "transport", detail);
            }
        }
    }

    fn queue_messages(&mut self, context: &Context<'_>, messages: Vec<QueueMessage<'_>>, depth: Depth) {
        for QueueMessage { id, sent_at, attributes, data } in messages {
            let mut inner = context.clone();
            inner.read_id(Some(id.into()));
            inner.sent_at = sent_at.or(inner.sent_at);
            inner.add(attributes);
            match data {
                Some(data) => self.value(&inner, data, depth),
                None => self.reject(&inner, b"", "empty", "a message of a queue without a body"),
            }
        }
    }

    /// A value inside an envelope: a document, or a string that encodes one.
    fn value(&mut self, context: &Context<'_>, value: &RawValue, depth: Depth) {
        match value.get().as_bytes().first() {
            Some(b'{' | b'[') => self.document(context, value.get(), depth),
            Some(b'"') => match string(value) {
                Some(text) if self.spend(text.len()) => self.bytes(context, text.as_bytes(), depth),
                Some(_) => self.too_large(context, value.get().as_bytes()),
                None => {
                    let detail = "a string in an envelope with invalid escapes, such as a lone surrogate";
                    self.reject(context, value.get().as_bytes(), "not-json", detail);
                }
            },
            _ => self.reject(context, value.get().as_bytes(), "not-json", "an envelope without content"),
        }
    }

    /// A list of documents is split; any other array (Travis' `["job:finish", {..}]`) is a message itself.
    fn array(&mut self, context: &Context<'_>, text: &str, depth: Depth) {
        if let Some(found) = pointer::find(text) {
            let detail = format!(
                "payload lies in S3 ({} / {}), and this reader has no S3 client for it",
                found.bucket, found.key
            );
            return self.reject(context, text.as_bytes(), "pointer", detail);
        }
        match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) if items.iter().all(|item| item.get().starts_with('{')) => self.each(context, &items, depth),
            Ok(_) => self.message(context, text, Head::default()),
            Err(error) => self.reject(context, text.as_bytes(), "not-json", error.to_string()),
        }
    }

    /// A Kubernetes `List` holds objects in `items`; any other kind that ends in `List` is a message.
    fn list(&mut self, context: &Context<'_>, text: &str, head: Head<'_>, depth: Depth) {
        #[derive(Deserialize)]
        struct List<'a> {
            #[serde(borrow)]
            items: Option<Vec<&'a RawValue>>,
        }
        match serde_json::from_str::<List<'_>>(text) {
            Ok(List { items: Some(items) }) => match depth.envelope() {
                Some(depth) => self.each(context, &items, depth),
                None => self.too_deep(context, text.as_bytes()),
            },
            Ok(List { items: None }) => self.message(context, text, head),
            Err(error) => self.reject(context, text.as_bytes(), "not-json", error.to_string()),
        }
    }

    fn each(&mut self, context: &Context<'_>, items: &[&RawValue], depth: Depth) {
        for (index, item) in items.iter().enumerate() {
            let part = if items.len() == 1 { context.clone() } else { context.part(index) };
            self.document(&part, item.get(), depth);
        }
    }

    fn message(&mut self, context: &Context<'_>, payload: &str, head: Head<'_>) {
        let Some(left) = self.messages_left.checked_sub(1) else {
            let detail = "more messages in one delivery than the limit";
            return self.reject(context, payload.as_bytes(), "too-large", detail);
        };
        self.messages_left = left;
        (self.sink)(Unwrapped::Message(Message {
            id: context.id_of(payload.as_bytes()),
            attributes: Cow::Borrowed(&context.attributes),
            payload,
            head,
            sent_at: context.sent_at,
            latest: context.latest(),
        }));
    }
}

#[cfg(test)]
#[path = "unwrap_tests.rs"]
mod tests;
