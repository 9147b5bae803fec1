//! Decodes the bytes of a transport into [`Message`]s. Knows no source.
//!
//! A [`Delivery`] is what a transport hands over and wants acknowledged: one SQS record, one file, one archive object.
//! It holds one message or many, in any nesting of gzip, base64 and the envelopes of SNS, SQS, Lambda, EventBridge,
//! Amazon MQ for `RabbitMQ`, CloudEvents, Kubernetes watch events and lists, Tekton Results, NDJSON and JSON text
//! sequences (RFC 7464). [`unwrap()`] decides by the bytes and never by a label such as a content type.
//!
//! Everything here is pure: no I/O, no clock, no environment.

mod attributes;
mod codec;
mod context;
mod dropped;
pub mod field;
mod head;
mod inner;
pub mod lambda;
pub mod lenient;
mod mq;
pub mod pointer;
mod tekton;
pub mod time;
mod unwrap;

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::field::parse;
pub use self::head::Head;
pub use self::time::Latest;
pub use self::unwrap::unwrap;
use crate::platform::escape;

/// Message attributes by name, whatever their form in the transport (SNS, SQS, boto, plain).
pub type Attributes = BTreeMap<String, String>;

/// Attribute of a message that is replayed from an EventBridge archive: the name of the replay.
pub(crate) const REPLAY: &str = "replay-name";

/// A unit that a transport delivers and wants acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// The transport's own identifier, for instance the SQS `messageId`; empty when it gave none.
    pub id: String,
    /// The bytes as received.
    pub body: Vec<u8>,
    /// Attributes that the transport carried beside the body.
    pub attributes: Attributes,
    /// When the transport accepted it, if known.
    pub sent_at: Option<Timestamp>,
    /// Whether `sent_at` is when it was moved from another queue (a redrive from a dead-letter queue), not when it was
    /// sent.
    pub is_moved: bool,
    /// When this program received it; `None` for a delivery of any age, such as a file.
    pub received_at: Option<Timestamp>,
}

/// One event of one system, without the envelopes that carried it.
#[derive(Debug)]
pub struct Message<'a> {
    /// SNS `MessageId`, else the id of the transport, else a hash of the payload. Parts of one envelope get `#n`.
    pub id: String,
    /// Attributes of all layers; inner layers win.
    pub attributes: Cow<'a, Attributes>,
    /// The JSON document.
    pub payload: &'a str,
    /// Its top-level members, as far as they had to be read.
    pub head: Head<'a>,
    /// When the message was sent, by the innermost envelope whose time can be true (SNS `Timestamp`, EventBridge
    /// `time`, SQS `SentTimestamp`). The time of an envelope is accepted if it is at most five minutes after those of
    /// the envelopes around it.
    pub sent_at: Option<Timestamp>,
    /// The latest time that is accepted in its payload.
    pub latest: Latest,
}

impl Delivery {
    /// The id of the transport, else a hash of the content, so that a redelivery has the same id.
    #[must_use]
    pub fn known_id(&self) -> String {
        context::Context::of(self).id_of(&self.body)
    }
}

impl Message<'_> {
    /// The time from which its age counts: when the transport accepted it; for a moved or replayed message, when it was
    /// first sent.
    #[must_use]
    pub fn own_time(&self, delivery: &Delivery) -> Option<Timestamp> {
        let is_replayed = delivery.is_moved || self.attributes.contains_key(REPLAY);
        delivery.sent_at.filter(|_| !is_replayed).or(self.sent_at)
    }

    /// The attribute `source`. It is a hint only.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.attributes.get("source").map(String::as_str)
    }

    /// The attribute `event_type` (or the type of the watch event, or the EventBridge `detail-type`).
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        self.attributes.get("event_type").map(String::as_str)
    }
}

/// A part that [`unwrap()`] finds inside a delivery.
#[derive(Debug)]
pub enum Unwrapped<'a> {
    /// A message for the sources.
    Message(Message<'a>),
    /// A message of the transport itself, such as a subscription confirmation; the reason.
    Ignored(&'static str),
    /// A part that cannot be read.
    Rejected {
        /// Id as for [`Message::id`].
        id: String,
        /// Attributes as for [`Message::attributes`].
        attributes: Cow<'a, Attributes>,
        /// Time as for [`Message::sent_at`].
        sent_at: Option<Timestamp>,
        /// Why it is rejected.
        rejection: Rejection,
        /// The bytes that could not be read.
        bytes: &'a [u8],
    },
}

/// Why a message is rejected: it is stored in the table `refused` (a dead letter) and not retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Short stable code for counting and filtering, for instance `not-json`.
    pub reason: &'static str,
    /// One sentence for people: the field and the shape of its value. Holds no NUL, at most 500 characters.
    pub detail: String,
}

impl Rejection {
    /// All reasons that a user can filter by.
    pub const REASONS: &[&str] = &[
        "bad-event-name",
        "bad-field",
        "bad-gzip",
        "database",
        "empty",
        "future-time",
        "ignored",
        "invalid-finish-state",
        "kcidb-schema",
        "kcidb-storage",
        "kcidb-upgrade",
        "not-json",
        "panic",
        "too-deep",
        "too-large",
        "unknown-event",
        "unknown-state",
        "unknown-type",
    ];

    /// A rejection; `detail` is cut to 500 characters. It may quote the message, so invisible characters are escaped,
    /// also NUL, which PostgreSQL does not store.
    #[must_use]
    pub fn new(reason: &'static str, detail: impl AsRef<str>) -> Self {
        let detail = escape::line(detail.as_ref());
        let detail = match detail.char_indices().nth(500) {
            Some((end, _)) => format!("{}…", &detail[..end]),
            None => detail.into_owned(),
        };
        Self { reason, detail }
    }
}

/// Limits of what one delivery may decode to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that decompression and decoding inside one delivery may produce in total.
    pub decoded_bytes: usize,
    /// Layers of encoding (gzip, base64, strings of JSON), and the same number of envelopes.
    pub depth: usize,
    /// Messages in one delivery.
    pub messages: usize,
}

impl Default for Limits {
    /// 32 MiB, 6 layers of encoding and 6 of envelopes, 100,000 messages.
    fn default() -> Self {
        Self { decoded_bytes: 32 << 20, depth: 6, messages: 100_000 }
    }
}

/// The result of a source for a message that it recognised.
#[derive(Debug)]
pub enum Decoded<R> {
    /// Records to write.
    Records(Vec<R>),
    /// The message is ignored; the reason, for the counters.
    Ignored(&'static str),
}
