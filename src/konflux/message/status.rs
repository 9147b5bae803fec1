//! Parts of `spec` and `status` that several kinds share.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::envelope::field::{Name, Text, owned};
use crate::envelope::lenient::{self, Optional};
use crate::envelope::{Refusal, time};
use crate::sorted;

/// One of `status.conditions`. Found by type, never by place.
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

/// When the last of the conditions changed.
pub(super) fn changed_at(conditions: &[Condition<'_>]) -> Option<Timestamp> {
    conditions.iter().filter_map(|condition| condition.last_transition_time).max()
}

/// The status of a condition. One that cannot be read is no detail, if the condition is one that decides.
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

/// Conditions as they are listed. One that has no type decides nothing.
pub(super) fn conditions(listed: Option<Vec<Optional<Condition<'_>>>>) -> Vec<Condition<'_>> {
    listed.unwrap_or_default().into_iter().filter_map(|condition| condition.0).collect()
}

/// The condition of the first of the given types that is there.
///
/// # Errors
/// When its status cannot be read: then the state is not known.
pub(super) fn condition<'c, 'a>(
    conditions: &'c [Condition<'a>],
    kinds: &[&str],
) -> Result<Option<&'c Condition<'a>>, Refusal> {
    let of = |kind: &&str| conditions.iter().find(|condition| condition.kind.as_str() == *kind);
    let found = kinds.iter().find_map(of);
    match found.map(|found| (found, &found.status.0)) {
        Some((found, Err(error))) => {
            let detail = format!("status.conditions, type {}: status: {error}", found.kind.as_str());
            Err(Refusal::new("bad-field", detail))
        }
        _ => Ok(found),
    }
}

/// All conditions in short, sorted by type.
pub(super) fn slim(conditions: &[Condition<'_>]) -> Value {
    let mut by_type: Vec<_> = conditions.iter().collect();
    sorted::by(&mut by_type, |a, b| a.kind.cmp(&b.kind));
    let slim = |c: &&Condition<'_>| json!({"type": c.kind.as_str(), "status": c.status(), "reason": c.reason()});
    by_type.iter().map(slim).collect()
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
    /// The value as a name, if it is a string that can be kept as one.
    pub(super) fn text(&self) -> Option<String> {
        let value: Name<'_> = serde_json::from_str(self.value?.get()).ok()?;
        value.filled().map(str::to_owned)
    }

    /// The value, whatever it is; null if it cannot be kept.
    pub(super) fn json(&self) -> Value {
        self.value.and_then(|raw| storable(raw.get())).unwrap_or_default()
    }
}

/// The first of several names that has a text.
pub(super) fn named(list: &[Named<'_>], name: &str) -> Option<String> {
    list.iter().find(|named| named.name.as_str() == name).and_then(Named::text)
}

/// Reads JSON that will be kept as `jsonb`, which takes neither NUL nor lone surrogates: none, and counted, when it is no
/// JSON, or none that PostgreSQL stores.
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
