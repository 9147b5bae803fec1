//! Stored payloads of events, and the long texts that they omit because each text is stored once, by its hash. The
//! column `texts` of an event names them: `{"log_excerpt": "sha256:.."}`. The deliverer puts them into `object` where
//! they fit, and otherwise names them in the attribute `omitted`. A hash always stands for the same text, so the
//! delivered text is the announced one.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::commit_status::{STATUS, UNDELIVERABLE};
use super::notice::NOTICE;
use crate::platform::hex::bytes;

/// Member of a payload that the texts belong to.
const OBJECT: &str = "object";
/// Attribute with the names of omitted texts; in rows of earlier releases a member of the payload.
pub const OMITTED: &str = "omitted";

/// The payload for consumers: a JSON object, byte for byte as it was written. It is not held as a tree, which limits
/// depth and numbers where JSON does not.
#[derive(Clone, Debug)]
pub struct StoredPayload(Box<RawValue>);

impl StoredPayload {
    pub(super) fn new(json: Box<RawValue>) -> Self {
        Self(json)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The JSON.
    #[must_use]
    pub fn raw(&self) -> &RawValue {
        &self.0
    }

    /// The members that this program reads. All other members are for consumers only.
    #[must_use]
    pub fn ours(&self) -> Map<String, Value> {
        let members = self.members();
        let read = |name: &&str| Some(((*name).to_owned(), serde_json::from_str(members.get(*name)?.get()).ok()?));
        serde_json::Map::from_iter([STATUS, UNDELIVERABLE, NOTICE].iter().filter_map(read))
    }

    fn member(&self, name: &str) -> Option<Value> {
        serde_json::from_str(self.members().get(name)?.get()).ok()
    }

    fn members(&self) -> BTreeMap<String, &RawValue> {
        serde_json::from_str(self.as_str()).unwrap_or_default()
    }
}

impl From<Value> for StoredPayload {
    fn from(value: Value) -> Self {
        // The text of a tree is valid JSON.
        Self(RawValue::from_string(value.to_string()).unwrap_or_default())
    }
}

/// The texts that an event omits: the member of each, and its hash.
pub(super) fn omitted(texts: Option<&Value>, payload: &StoredPayload) -> BTreeMap<String, Vec<u8>> {
    let of_payload: Option<Value> = match texts {
        Some(_) => None,
        None => payload.member(OMITTED),
    };
    let members = texts.or(of_payload.as_ref()).and_then(Value::as_object).into_iter().flatten();
    let hash = |hash: &Value| bytes(hash.as_str()?.strip_prefix("sha256:")?).filter(|hash| hash.len() == 32);
    members.filter_map(|(member, value)| Some((member.clone(), hash(value)?))).collect()
}

/// A payload with texts inserted into its object, as JSON.
pub(super) fn whole(payload: &StoredPayload, texts: &BTreeMap<String, String>) -> String {
    let mut members = payload.members();
    members.remove(OMITTED);
    let object = members.get(OBJECT).filter(|_| !texts.is_empty()).and_then(|object| put(object, texts));
    if let Some(object) = &object {
        members.insert(OBJECT.to_owned(), object);
    }
    // Infallible: keys are strings and values are JSON.
    serde_json::to_string(&members).unwrap_or_default()
}

fn put(object: &RawValue, texts: &BTreeMap<String, String>) -> Option<Box<RawValue>> {
    let inside = object.get().strip_prefix('{')?.strip_suffix('}')?.trim();
    let texts =
        texts.iter().map(|(member, text)| format!("{}:{}", Value::from(member.as_str()), Value::from(text.as_str())));
    let parts: Vec<String> =
        Some(inside).filter(|inside| !inside.is_empty()).map(str::to_owned).into_iter().chain(texts).collect();
    RawValue::from_string(format!("{{{}}}", parts.join(","))).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_replace_their_hashes() {
        let hash = "0f".repeat(32);
        let names = json!({"log": format!("sha256:{hash}"), "x": "y", "z": "sha256:0"});
        let payload = StoredPayload::from(json!({"object": {"id": 1}}));
        assert_eq!(omitted(Some(&names), &payload), BTreeMap::from([("log".to_owned(), vec![15; 32])]));
        // As an earlier release wrote it.
        let earlier = StoredPayload::from(json!({"object": {"id": 1}, "omitted": names}));
        assert_eq!(omitted(None, &earlier), BTreeMap::from([("log".to_owned(), vec![15; 32])]));
        let texts = BTreeMap::from([("log".to_owned(), "a\nb".to_owned())]);
        for payload in [payload, earlier] {
            assert_eq!(whole(&payload, &texts), r#"{"object":{"id":1,"log":"a\nb"}}"#);
            assert_eq!(whole(&payload, &BTreeMap::new()), r#"{"object":{"id":1}}"#);
        }
        let empty = StoredPayload::from(json!({"object": {}}));
        assert_eq!(whole(&empty, &texts), r#"{"object":{"log":"a\nb"}}"#);
    }

    #[test]
    fn json_that_no_tree_can_hold_is_delivered_unchanged() {
        let deep = format!(r#"{{"object":{{"misc":{{"n":1e400,"deep":{}{}}}}}}}"#, "[".repeat(500), "]".repeat(500));
        let payload = StoredPayload::new(RawValue::from_string(deep.clone()).unwrap());
        assert_eq!(whole(&payload, &BTreeMap::new()), deep);
        let texts = BTreeMap::from([("log".to_owned(), "x".to_owned())]);
        assert!(whole(&payload, &texts).ends_with(r#","log":"x"}}"#));
        assert!(payload.ours().is_empty());
    }
}
