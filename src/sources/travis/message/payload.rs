//! The payload of messages about existing jobs and builds: an allow-list, so that no message chooses columns. A message
//! is rejected only because of the id of its object, or the state that a `finish` reports.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::State;
use crate::sources::travis::record::Details;
use crate::transport::Rejection;
use crate::transport::field::{Bounded, Name, NumberOrName, Text, owned};
use crate::transport::lenient::Optional;
use crate::transport::time;

#[derive(Deserialize)]
pub(super) struct Raw<'a> {
    id: Option<Id>,
    #[serde(borrow, default)]
    state: Optional<Name<'a>>,
    #[serde(default, deserialize_with = "time::known")]
    queued_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::known")]
    received_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::known")]
    started_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::known")]
    finished_at: Option<Timestamp>,
    #[serde(borrow, default)]
    vm_size: Optional<Name<'a>>,
    #[serde(default)]
    restarted_by: Optional<Id>,
    #[serde(borrow, default)]
    reason: Optional<Text<'a>>,
    #[serde(default)]
    attempt: Optional<i32>,
    #[serde(borrow, default)]
    meta: Optional<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default)]
    uuid: Optional<Name<'a>>,
    #[serde(default)]
    state_update_count: Optional<i64>,
    #[serde(default)]
    attempt: Optional<i32>,
    #[serde(borrow, default)]
    reason: Optional<Text<'a>>,
    #[serde(default)]
    auto: Optional<bool>,
}

/// A payload and its text; `build:create` reads more members of the text.
pub(super) struct Payload<'a> {
    pub(super) raw: Raw<'a>,
    pub(super) text: &'a str,
}

impl Payload<'_> {
    pub(super) fn id(&self) -> Result<i64, Rejection> {
        self.raw.id.map(|id| id.0).ok_or_else(|| Rejection::new("bad-field", "payload.id: missing"))
    }

    /// The state that `finish` reports.
    pub(super) fn finish_state(&self) -> Result<State, Rejection> {
        let name = self.raw.state.as_ref().map_or("", Bounded::as_str);
        State::named(name).filter(|state| state.is_finished()).ok_or_else(|| {
            let shape = if name.is_empty() { "missing".to_owned() } else { format!("`{}`", super::short(name)) };
            let detail = format!("payload.state: {shape}, expected passed, failed, errored or cancelled");
            Rejection::new("invalid-finish-state", detail)
        })
    }

    pub(super) fn details(&self) -> Details {
        let raw = &self.raw;
        let meta = raw.meta.as_ref();
        Details {
            queued_at: raw.queued_at,
            // Clocks differ: a job is not received before it was queued.
            received_at: raw.received_at.map(|at| raw.queued_at.map_or(at, |queued| at.max(queued))),
            started_at: raw.started_at,
            finished_at: raw.finished_at,
            uuid: owned(meta.and_then(|meta| meta.uuid.as_ref())),
            count: meta.and_then(|meta| meta.state_update_count.0),
            attempt: raw.attempt.0.or(meta.and_then(|meta| meta.attempt.0)),
            vm_size: owned(raw.vm_size.as_ref()),
            restarted_by: raw.restarted_by.as_ref().map(|id| id.0),
            reason: owned(raw.reason.as_ref()).or_else(|| owned(meta.and_then(|meta| meta.reason.as_ref()))),
            auto: meta.and_then(|meta| meta.auto.0).unwrap_or(false),
        }
    }
}

/// An id: a positive number, or a string of its digits.
#[derive(Clone, Copy)]
pub(super) struct Id(pub(super) i64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = match NumberOrName::deserialize(deserializer)? {
            NumberOrName::Number(id) => Some(id),
            NumberOrName::Name(digits) => digits.as_str().parse().ok(),
        };
        match id.filter(|id| *id > 0) {
            Some(id) => Ok(Self(id)),
            None => Err(serde::de::Error::custom("id: expected a positive number, or a string of its digits")),
        }
    }
}
