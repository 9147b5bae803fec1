//! Bytes of a transport in, [`Message`]s out. Knows no family.
//!
//! A [`Delivery`] is what a transport hands over and wants acknowledged: one SQS record, one file, one
//! archive object. Inside may be one message or many, in any nesting of gzip, base64 and the envelopes of
//! SNS, SQS, Lambda, EventBridge, Amazon MQ for `RabbitMQ`, CloudEvents, Kubernetes watch events and lists, Tekton Results,
//! NDJSON and JSON text sequences (RFC 7464).
//! [`unwrap()`] looks at the bytes and never trusts a label.
//!
//! Everything here is pure: no I/O, no clock, no environment.

mod attributes;
mod codec;
mod context;
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
use crate::shown;

/// Message attributes by name, whatever form the transport gave them (SNS, SQS, boto, plain).
pub type Attributes = BTreeMap<String, String>;

/// Attribute of what an archive of EventBridge sends once more: the name of the replay.
pub(crate) const REPLAY: &str = "replay-name";

/// What a transport delivers and wants acknowledged as one.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// The transport's own identifier, for instance the SQS `messageId`; empty when it gave none.
    pub id: String,
    /// The bytes as they came.
    pub body: Vec<u8>,
    /// Attributes that travelled beside the body.
    pub attributes: Attributes,
    /// When the transport accepted it, if it says so.
    pub sent_at: Option<Timestamp>,
    /// Whether that is when it was moved from another queue, and not when it was sent.
    pub is_moved: bool,
    /// When this program received it; not for what may be older than that by any time, such as files.
    pub received_at: Option<Timestamp>,
}

/// One announcement of one system, stripped of everything that carried it.
#[derive(Debug)]
pub struct Message<'a> {
    /// SNS `MessageId`, else the transport's id, else a hash of the payload. Parts of one carrier get `#n`.
    pub id: String,
    /// Attributes of all layers; inner layers win.
    pub attributes: Cow<'a, Attributes>,
    /// The JSON document.
    pub payload: &'a str,
    /// Its top-level members, as far as they had to be read.
    pub head: Head<'a>,
    /// When the innermost system that can be right says that it was sent (SNS `Timestamp`, EventBridge `time`, SQS
    /// `SentTimestamp`). A carrier counts up to the time of the carriers around it, and five minutes.
    pub sent_at: Option<Timestamp>,
    /// The latest time that can be true in its payload.
    pub latest: Latest,
}

impl Delivery {
    /// An id for it: the transport's, else one that depends on nothing but the content.
    #[must_use]
    pub fn known_id(&self) -> String {
        context::Context::of(self).id_of(&self.body)
    }
}

impl Message<'_> {
    /// How old it is counts from here: when the transport accepted it; for what was moved or replayed, when it was first sent.
    #[must_use]
    pub fn own_time(&self, delivery: &Delivery) -> Option<Timestamp> {
        let again = delivery.is_moved || self.attributes.contains_key(REPLAY);
        delivery.sent_at.filter(|_| !again).or(self.sent_at)
    }

    /// The attribute `source`, a hint only.
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

/// What [`unwrap()`] finds inside a delivery.
#[derive(Debug)]
pub enum Unwrapped<'a> {
    /// A message for the families.
    Message(Message<'a>),
    /// Something that belongs to the transport itself, such as a subscription confirmation.
    Ignored(&'static str),
    /// Something that cannot be read.
    Refused {
        /// Identifier as for [`Message::id`].
        id: String,
        /// Attributes as for [`Message::attributes`].
        attributes: Cow<'a, Attributes>,
        /// Time as for [`Message::sent_at`].
        sent_at: Option<Timestamp>,
        /// Why.
        refusal: Refusal,
        /// The bytes that could not be read.
        bytes: &'a [u8],
    },
}

/// Why a message is kept in the table `refused` and not tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Short stable word for counting and selecting, for instance `not-json`.
    pub reason: &'static str,
    /// One sentence for people: the field and the shape of its value. Holds no NUL, at most 500 characters.
    pub detail: String,
}

impl Refusal {
    /// All reasons, for people who choose by them.
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

    /// A refusal; `detail` is cut to 500 characters. It may quote the message, so that invisible characters are escaped:
    /// NUL, which PostgreSQL does not store, too.
    #[must_use]
    pub fn new(reason: &'static str, detail: impl AsRef<str>) -> Self {
        let detail = shown::line(detail.as_ref());
        let detail = match detail.char_indices().nth(500) {
            Some((end, _)) => format!("{}…", &detail[..end]),
            None => detail.into_owned(),
        };
        Self { reason, detail }
    }
}

/// Bounds on what one delivery may unfold to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that all decompression and decoding inside one delivery may produce together.
    pub decoded_bytes: usize,
    /// Layers of encoding (gzip, base64, strings of JSON), and as many of envelopes.
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

/// What a family makes of a message that it recognised.
#[derive(Debug)]
pub enum Decoded<R> {
    /// Records to be kept.
    Records(Vec<R>),
    /// Nothing that is kept; the word says why, for the counters.
    Ignored(&'static str),
}
