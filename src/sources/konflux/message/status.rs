//! Decodes the parts of `spec` and `status` that several kinds share.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::transport::field::{Name, Text, owned};
use crate::transport::lenient::{self, Optional};
use crate::transport::{Rejection, time};

/// One of `status.conditions`. They are found by type, not by position.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Name<'a>,
    #[serde(default)]
    status: State<'a>,
    #[serde(default)]
    reason: Optional<Name<'a>>,
    #[serde(default)]
    message: Optional<Text<'a>>,
    #[serde(default, deserialize_with = "time::detail")]
    last_transition_time: Option<Timestamp>,
}

/// The latest change of a condition.
pub(super) fn changed_at(conditions: &[Condition<'_>]) -> Option<Timestamp> {
    conditions.iter().filter_map(|condition| condition.last_transition_time).max()
}

/// The status of a condition, or why it is invalid. It is an error only for a condition that decides the state.
struct State<'a>(Result<Option<Name<'a>>, String>);

impl Default for State<'_> {
    fn default() -> Self {
        Self(Ok(None))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for State<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(raw.get()).map_err(|error| error.to_string())))
    }
}

impl Condition<'_> {
    pub(super) fn status(&self) -> Option<&str> {
        self.status.0.as_ref().ok()?.as_ref().and_then(Name::filled)
    }

    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.as_ref().and_then(Name::filled)
    }

    pub(super) fn message(&self) -> Option<String> {
        owned(self.message.as_ref())
    }
}

/// The listed conditions, without those that cannot be decoded or have no type.
pub(super) fn conditions(listed: Option<Vec<Optional<Condition<'_>>>>) -> Vec<Condition<'_>> {
    listed.unwrap_or_default().into_iter().filter_map(|condition| condition.0).collect()
}

/// The condition with the first of the given types that is present.
///
/// # Errors
/// When its status cannot be decoded, so that the state is not known.
pub(super) fn condition<'c, 'a>(
    conditions: &'c [Condition<'a>],
    kinds: &[&str],
) -> Result<Option<&'c Condition<'a>>, Rejection> {
    let of = |kind: &&str| conditions.iter().find(|condition| condition.kind.as_str() == *kind);
    let found = kinds.iter().find_map(of);
    match found.map(|found| (found, &found.status.0)) {
        Some((found, Err(error))) => {
            let detail = format!("status.conditions, type {}: status: {error}", found.kind.as_str());
            Err(Rejection::new("bad-field", detail))
        }
        _ => Ok(found),
    }
}

/// The stored members of all conditions, sorted by type.
pub(super) fn summary(conditions: &[Condition<'_>]) -> Value {
    let mut by_type: Vec<_> = conditions.iter().collect();
    by_type.sort_by(|a, b| a.kind.cmp(&b.kind));
    let members = |c: &&Condition<'_>| json!({"type": c.kind.as_str(), "status": c.status(), "reason": c.reason()});
    by_type.iter().map(members).collect()
}

/// A parameter or a result: a name, and a string, array or object.
#[derive(Deserialize)]
pub(super) struct Named<'a> {
    #[serde(borrow)]
    pub(super) name: Name<'a>,
    #[serde(borrow)]
    pub(super) value: Option<&'a RawValue>,
}

impl Named<'_> {
    /// The value as a name; `None` if it is no string or cannot be stored.
    pub(super) fn text(&self) -> Option<String> {
        let value: Name<'_> = serde_json::from_str(self.value?.get()).ok()?;
        value.filled().map(str::to_owned)
    }

    /// The value as JSON; null if it cannot be stored.
    pub(super) fn json(&self) -> Value {
        self.value.and_then(|raw| storable(raw.get())).unwrap_or_default()
    }
}

/// The text of the first item with this name.
pub(super) fn named(list: &[Named<'_>], name: &str) -> Option<String> {
    list.iter().find(|named| named.name.as_str() == name).and_then(Named::text)
}

/// Parses JSON that will be stored as `jsonb`, which accepts neither NUL nor lone surrogates. `None`, and counted, if
/// the text is no JSON or PostgreSQL cannot store it.
pub(super) fn storable(text: &str) -> Option<Value> {
    let value = serde_json::from_str(text).ok();
    let value = value.filter(|value| !text.contains("\\u0000") || !holds_nul(value));
    if value.is_none() {
        lenient::dropped();
    }
    value
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
