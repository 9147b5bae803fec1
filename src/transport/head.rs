//! Reads the top-level members of a JSON object in one pass, without building a tree.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Top-level members of an object as raw JSON, in order of appearance.
///
/// Reading stops early at a document that has named its kind (`apiVersion` and `kind`, or `object_kind`): those are the
/// large ones (a `PipelineRun` has 40 kB and these members come first), and its source parses the whole text again with
/// its own type. So [`Head::get`] may miss later members of such a document.
#[derive(Debug, Default)]
pub struct Head<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Which of the members are there by which a document says what it is: kept, as it is asked after each member.
    said: Said,
}

#[derive(Clone, Copy, Debug, Default)]
struct Said {
    api_version: bool,
    kind: bool,
    object_kind: bool,
}

impl<'a> Head<'a> {
    /// Reads the members of the object in `text`.
    ///
    /// # Errors
    /// When `text` is not a JSON object, as far as it had to be read.
    pub fn read(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut head = Self::default();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let result = Members(&mut head).deserialize(&mut deserializer);
        match result {
            Ok(()) => deserializer.end().map(|()| head),
            // The parser reports an error when the visitor leaves the map before its end; here this is intended.
            Err(_) if head.names_its_kind() => Ok(head),
            Err(error) => Err(error),
        }
    }

    /// The raw value of a member; the last one if it appears twice.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// Names of the members, in order of appearance.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(key, _)| &**key)
    }

    /// Members with their raw values, in order of appearance; a repeated member is listed twice.
    pub fn members(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members.iter().map(|(key, value)| (&**key, *value))
    }

    /// Whether the member is present, with a value other than `null`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.get() != "null")
    }

    /// The member's value if it is a string.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        string(self.get(name)?)
    }

    /// Whether the document names its own kind, as Kubernetes objects and GitLab webhooks do.
    #[must_use]
    pub fn names_its_kind(&self) -> bool {
        (self.said.api_version && self.said.kind) || self.said.object_kind
    }

    fn push(&mut self, name: Cow<'a, str>, value: &'a RawValue) {
        match &*name {
            "apiVersion" => self.said.api_version = true,
            "kind" => self.said.kind = true,
            "object_kind" => self.said.object_kind = true,
            _ => {}
        }
        self.members.push((name, value));
    }
}

/// The string that a raw JSON value holds, borrowed where it has no escapes.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    // The parser has already validated the text; without escapes it can be borrowed.
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<Key<'_>>(raw.get()).ok().map(|key| key.0)
}

/// A string that borrows where possible; `Cow` alone never does.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct Members<'h, 'a>(&'h mut Head<'a>);

impl<'de> DeserializeSeed<'de> for Members<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Key<'de>>()? {
            self.0.push(key.0, map.next_value()?);
            if self.0.names_its_kind() {
                return Ok(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reading_stops_when_the_document_has_named_its_kind() {
        let head = Head::read(r#"{"apiVersion":"v1","kind":"Pod","metadata":{},"broken"#).expect("early exit");
        assert_eq!(head.string("kind").as_deref(), Some("Pod"));
        assert!(!head.has("metadata"));
    }

    #[test]
    fn other_documents_are_read_whole_and_null_differs_from_absent() {
        let head = Head::read(r#"{"a":null,"b":{"c":[1]},"d":"x\ny"}"#).expect("object");
        assert!(!head.has("a") && head.get("a").is_some());
        assert_eq!(head.get("b").map(RawValue::get), Some(r#"{"c":[1]}"#));
        assert_eq!(head.string("d").as_deref(), Some("x\ny"));
        assert!(Head::read(r#"{"a":1} x"#).is_err());
        assert!(Head::read(r#"{"a":1"#).is_err());
        assert!(Head::read("[1]").is_err());
    }

    proptest! {
        /// A string borrowed without parsing equals the one that the parser reads; other values are no strings.
        #[test]
        fn a_string_is_what_the_parser_reads(text in "([\"\\\\a-cß\n\u{0}]|\\\\(n|ud800)){0,12}") {
            for json in [serde_json::to_string(&text).expect("text"), "[\"a\"]".to_owned(), format!("\"{text}\"")] {
                if let Ok(raw) = serde_json::from_str::<&RawValue>(&json) {
                    prop_assert_eq!(string(raw).map(Cow::into_owned), serde_json::from_str::<String>(&json).ok());
                }
            }
        }
    }
}
