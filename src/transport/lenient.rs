//! Lenient reading of details. A member that identifies the object, its state or the age of that state must be valid.
//! Any other member of a wrong type is left out, and a text that is too long or holds NUL is cut or cleaned. Each such
//! detail is counted, and the message is kept.
//!
//! A document is read strictly first, at full speed. Only if that fails is it read again, leniently in members of the
//! types [`Optional`] and [`Each`].

use serde::de::value::StringDeserializer;
use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::dropped::{DROPPED, MODE, Mode, with};
pub use super::dropped::{counted, cut, dropped, has_dropped};
use super::{Rejection, field};

/// Reads a document into a source's raw type; details that cannot be kept are dropped and counted.
///
/// # Errors
/// A rejection that names the path of a required member that cannot be read.
pub fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Rejection> {
    let before = DROPPED.get();
    match with(Mode::Strict, || serde_json::from_str(text)) {
        Ok(value) => Ok(value),
        Err(_) => {
            DROPPED.set(before);
            with(Mode::Lenient, || field::parse(text))
        }
    }
}

/// The value of a raw member; `None`, and counted, when it cannot be read.
pub fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    let value = with(Mode::Inside, || match serde_json::from_str::<Option<T>>(raw.get()) {
        Ok(value) => Some(value),
        Err(_) => {
            let text = whole_surrogates(raw.get())?;
            let value = T::deserialize(StringDeserializer::<serde_json::Error>::new(text)).ok()?;
            dropped();
            Some(Some(value))
        }
    });
    value.unwrap_or_else(|| {
        dropped();
        None
    })
}

/// The string in a raw value that holds lone surrogates, which no JSON parser accepts: senders that cut texts in the
/// middle of a character write them. Each is replaced by U+FFFD; `None` where there are none.
fn whole_surrogates(raw: &str) -> Option<String> {
    if !raw.starts_with('"') {
        return None;
    }
    let code = |at: usize| {
        let digits = raw.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let mut text = String::with_capacity(raw.len());
    let (mut at, mut has_lone) = (0, false);
    while let Some(character) = raw.get(at..).and_then(|rest| rest.chars().next()) {
        let length = match (character, code(at), code(at + 6)) {
            ('\\', Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            ('\\', Some(0xd800..=0xdfff), _) => {
                text.push('\u{fffd}');
                has_lone = true;
                at += 6;
                continue;
            }
            ('\\', ..) => 1 + raw[at + 1..].chars().next().map_or(0, char::len_utf8),
            _ => character.len_utf8(),
        };
        text.push_str(&raw[at..at + length]);
        at += length;
    }
    if has_lone { serde_json::from_str(&text).ok() } else { None }
}

/// For `#[serde(deserialize_with)]`: a member that is required to be valid if it is an object, and a detail otherwise.
///
/// # Errors
/// When it is an object that cannot be read.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    match raw.get().starts_with('{') {
        true => serde_json::from_str(raw.get()).map(Some).map_err(serde::de::Error::custom),
        false => Ok(read(raw)),
    }
}

/// An optional member. It is `None` if it is `null`, missing or of a wrong type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optional<T>(pub Option<T>);

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Optional<T> {
    /// The value, if there is one.
    pub fn as_ref(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Optional<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match MODE.get() {
            Mode::Strict => Option::deserialize(deserializer).map(Self),
            Mode::Lenient | Mode::Inside => Ok(Self(read(<&RawValue>::deserialize(deserializer)?))),
        }
    }
}

/// A list; empty for a value that is no list, and without the elements of a wrong type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Each<T>(pub Vec<T>);

impl<T> Default for Each<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Each<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match MODE.get() {
            Mode::Strict => Ok(Self(Option::deserialize(deserializer)?.unwrap_or_default())),
            Mode::Lenient | Mode::Inside => {
                let items: Option<Vec<&RawValue>> = read(<&RawValue>::deserialize(deserializer)?);
                Ok(Self(items.unwrap_or_default().into_iter().filter_map(read).collect()))
            }
        }
    }
}

/// For `#[serde(deserialize_with)]`: the value of `strictly`, or `None` if that fails.
///
/// # Errors
/// The error of `strictly` in the strict pass.
pub fn or_none<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    strictly: impl FnOnce(&'de RawValue) -> Result<Option<T>, serde_json::Error>,
) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    match (strictly(raw), MODE.get()) {
        (Ok(value), _) => Ok(value),
        (Err(error), Mode::Strict) => Err(serde::de::Error::custom(error)),
        (Err(_), _) => {
            dropped();
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::transport::field::{Bounded, Name};

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Doc<'a> {
        #[serde(borrow)]
        name: Name<'a>,
        #[serde(borrow)]
        title: Optional<Bounded<'a, 8>>,
        number: Optional<i64>,
        #[serde(borrow)]
        list: Each<Bounded<'a, 4>>,
        #[serde(borrow)]
        part: Optional<Part<'a>>,
    }

    #[derive(Debug, Deserialize)]
    struct Part<'a> {
        #[serde(borrow)]
        word: Name<'a>,
        #[serde(default)]
        count: Optional<u8>,
    }

    fn read_doc(text: &str) -> (Result<String, Rejection>, u64) {
        counted(|| {
            let doc: Doc<'_> = parse(text)?;
            let list: Vec<&str> = doc.list.0.iter().map(Bounded::as_str).collect();
            let part = doc.part.as_ref().map(|part| format!("{}{:?}", part.word.as_str(), part.count.0));
            let title = doc.title.as_ref().map(Bounded::as_str);
            Ok(format!("{} {title:?} {:?} {list:?} {part:?}", doc.name.as_str(), doc.number.0))
        })
    }

    #[test]
    fn details_are_dropped_or_cut_and_counted() {
        for (text, expected, count) in [
            (r#"{"name":"n"}"#, "n None None [] None", 0),
            (
                r#"{"name":"n","title":"t","number":1,"list":["a"],"part":{"word":"w","count":2}}"#,
                "n Some(\"t\") Some(1) [\"a\"] Some(\"wSome(2)\")",
                0,
            ),
            (r#"{"name":"n","title":7,"number":"x","list":{},"part":[]}"#, "n None None [] None", 4),
            (r#"{"name":"n","title":null,"list":null}"#, "n None None [] None", 0),
            (
                r#"{"name":"n","title":"ßßßßßß","list":["abcdef","b\u0000c",3,"d"]}"#,
                "n Some(\"ßßßß\") None [\"abcd\", \"b c\", \"d\"] None",
                4,
            ),
            (r#"{"name":"n","part":{"word":"w","count":900}}"#, "n None None [] Some(\"wNone\")", 1),
            (r#"{"name":"n","part":{"word":[]}}"#, "n None None [] None", 1),
            // Lone surrogates.
            (r#"{"name":"n","title":"a\ud83d"}"#, "n Some(\"a\u{fffd}\") None [] None", 1),
            (r#"{"name":"n","title":"\ud83d\udc26\udc26\\n"}"#, "n Some(\"🐦\u{fffd}\\\\\") None [] None", 2),
            (r#"{"name":"n","list":["\udc26\"",7]}"#, "n None None [\"\u{fffd}\\\"\"] None", 2),
        ] {
            let (result, dropped) = read_doc(text);
            assert_eq!((result.as_deref().unwrap_or("rejected"), dropped), (expected, count), "{text}");
        }
        // A required member is rejected by name, as in strict reading.
        let rejection = read_doc(r#"{"title":7,"name":42}"#).0.expect_err("name");
        assert!(
            rejection.detail.starts_with("name: invalid type: integer `42`, expected a string"),
            "{}",
            rejection.detail
        );
        assert!(read_doc(r#"{"name":"n","title":"t""#).0.is_err());
    }

    #[test]
    fn leniency_ends_with_the_document() {
        let _ = read_doc(r#"{"name":"n","title":7}"#);
        assert!(serde_json::from_str::<Bounded<'_, 2>>(r#""abc""#).is_err());
    }
}
