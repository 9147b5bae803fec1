//! The payload of messages about what is there: an allow-list, so that no message writes columns by their names.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::State;
use crate::envelope::Refusal;
use crate::envelope::field::{Bounded, Name, NumberOrName, Text, owned};
use crate::envelope::time::rfc3339;
use crate::travis::record::Told;

#[derive(Deserialize)]
pub(super) struct Raw<'a> {
    #[serde(default, deserialize_with = "id::optional")]
    id: Option<i64>,
    #[serde(borrow)]
    state: Option<Name<'a>>,
    #[serde(default, deserialize_with = "time")]
    queued_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    received_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    started_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    finished_at: Option<Timestamp>,
    #[serde(borrow)]
    vm_size: Option<Name<'a>>,
    #[serde(default, deserialize_with = "id::optional")]
    restarted_by: Option<i64>,
    #[serde(borrow)]
    reason: Option<Text<'a>>,
    attempt: Option<i32>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    uuid: Option<Name<'a>>,
    state_update_count: Option<i64>,
    attempt: Option<i32>,
    #[serde(borrow)]
    reason: Option<Text<'a>>,
}

/// A payload and its text, of which `build:create` reads more.
pub(super) struct Payload<'a> {
    pub(super) raw: Raw<'a>,
    pub(super) text: &'a str,
}

impl Payload<'_> {
    pub(super) fn id(&self) -> Result<i64, Refusal> {
        self.raw.id.ok_or_else(|| Refusal::new("bad-field", "payload.id: missing"))
    }

    /// The state that `finish` reports.
    pub(super) fn finish_state(&self) -> Result<State, Refusal> {
        let word = self.raw.state.as_ref().map_or("", Bounded::as_str);
        State::named(word).filter(|state| state.is_finished()).ok_or_else(|| {
            let shape = if word.is_empty() { "missing".to_owned() } else { format!("`{}`", super::short(word)) };
            let detail = format!("payload.state: {shape}, expected passed, failed, errored or cancelled");
            Refusal::new("invalid-finish-state", detail)
        })
    }

    pub(super) fn told(&self) -> Told {
        let raw = &self.raw;
        let meta = raw.meta.as_ref();
        Told {
            queued_at: raw.queued_at,
            // Clocks differ: nothing is received before it was queued.
            received_at: raw.received_at.map(|at| raw.queued_at.map_or(at, |queued| at.max(queued))),
            started_at: raw.started_at,
            finished_at: raw.finished_at,
            uuid: owned(meta.and_then(|meta| meta.uuid.as_ref())),
            count: meta.and_then(|meta| meta.state_update_count),
            attempt: raw.attempt.or(meta.and_then(|meta| meta.attempt)),
            vm_size: owned(raw.vm_size.as_ref()),
            restarted_by: raw.restarted_by,
            reason: owned(raw.reason.as_ref()).or_else(|| owned(meta.and_then(|meta| meta.reason.as_ref()))),
        }
    }
}

/// Ids are numbers, or strings of digits.
pub(super) mod id {
    use super::{Deserialize, Deserializer, NumberOrName};

    pub(in crate::travis::message) fn optional<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<i64>, D::Error> {
        let id = match Option::<NumberOrName<'de>>::deserialize(deserializer)? {
            None => return Ok(None),
            Some(NumberOrName::Number(id)) => Some(id),
            Some(NumberOrName::Name(digits)) => digits.as_str().parse().ok(),
        };
        match id.filter(|id| *id > 0) {
            Some(id) => Ok(Some(id)),
            None => Err(serde::de::Error::custom("id: expected a positive number, or a string of its digits")),
        }
    }
}

/// RFC 3339; none for `null`, `""` and the year 1, which is how Go writes that it knows no time.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<Name<'de>>::deserialize(deserializer)? else { return Ok(None) };
    match text.as_str() {
        "" => Ok(None),
        text if text.starts_with("0001-") => Ok(None),
        text => rfc3339(text).map(Some).ok_or_else(|| serde::de::Error::custom("expected a time of RFC 3339")),
    }
}
