//! Parts of `spec` and `status` that several kinds share.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::envelope::Refusal;
use crate::envelope::field::{Name, Text, owned};
use crate::sorted;

/// One of `status.conditions`. Found by type, never by place.
#[derive(Deserialize)]
pub(super) struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Name<'a>,
    pub(super) status: Option<Name<'a>>,
    pub(super) reason: Option<Name<'a>>,
    pub(super) message: Option<Text<'a>>,
}

impl Condition<'_> {
    pub(super) fn status(&self) -> Option<&str> {
        self.status.as_ref().and_then(Name::filled)
    }

    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.as_ref().and_then(Name::filled)
    }

    pub(super) fn message(&self) -> Option<String> {
        owned(self.message.as_ref())
    }
}

/// The condition of the first of the given types that is there.
pub(super) fn condition<'c, 'a>(conditions: &'c [Condition<'a>], kinds: &[&str]) -> Option<&'c Condition<'a>> {
    kinds.iter().find_map(|kind| conditions.iter().find(|condition| condition.kind.as_str() == *kind))
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

    /// The value, whatever it is.
    ///
    /// # Errors
    /// A refusal that names it when it cannot be kept.
    pub(super) fn json(&self) -> Result<Value, Refusal> {
        let Some(raw) = self.value else { return Ok(Value::Null) };
        storable(&format!("result {}", self.name.as_str()), raw.get())
    }
}

/// The first of several names that has a text.
pub(super) fn named(list: &[Named<'_>], name: &str) -> Option<String> {
    list.iter().find(|named| named.name.as_str() == name).and_then(Named::text)
}

/// Reads JSON that will be kept as `jsonb`, which takes neither NUL nor lone surrogates.
///
/// # Errors
/// A refusal that names `what` when it is no JSON, or none that PostgreSQL stores.
pub(super) fn storable(what: &str, text: &str) -> Result<Value, Refusal> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| Refusal::new("bad-field", format!("{what}: {error}")))?;
    if text.contains("\\u0000") && holds_nul(&value) {
        return Err(Refusal::new(
            "bad-field",
            format!("{what}: holds a NUL (\\u0000), which PostgreSQL does not store"),
        ));
    }
    Ok(value)
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
