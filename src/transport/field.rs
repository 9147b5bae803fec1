//! Strings of foreign documents in a form that can be stored: bounded, and without NUL.
//!
//! PostgreSQL stores no NUL in text, and no key above 2.7 kB in an index. A value that cannot be stored must not reach
//! a statement, where it would fail the whole batch: the message is rejected here, by field.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, Unexpected, Visitor};

use super::{Rejection, dropped};

/// A name, key, hash or URL: at most 1,024 bytes.
pub type Name<'a> = Bounded<'a, 1024>;
/// Free text such as a title or a message: at most 64 KiB.
pub type Text<'a> = Bounded<'a, 65_536>;
/// A document inside a string, such as an annotation that holds JSON: at most 1 MiB.
pub type Document<'a> = Bounded<'a, 1_048_576>;

/// A string of at most `MAX` bytes that holds no NUL; borrowed where it has no escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bounded<'a, const MAX: usize>(Cow<'a, str>);

impl<'a, const MAX: usize> Bounded<'a, MAX> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, unless it is empty.
    #[must_use]
    pub fn filled(&self) -> Option<&str> {
        Some(self.as_str()).filter(|text| !text.is_empty())
    }

    /// Checks a string.
    ///
    /// # Errors
    /// When it is too long or holds NUL; the error describes the shape, not the content.
    pub fn new(text: Cow<'a, str>) -> Result<Self, String> {
        if text.len() > MAX {
            return Err(format!("string of {} bytes, at most {MAX} are kept", text.len()));
        }
        if memchr::memchr(0, text.as_bytes()).is_some() {
            return Err(format!(
                "string of {} bytes with a NUL (\\u0000), which PostgreSQL does not store",
                text.len()
            ));
        }
        Ok(Self(text))
    }
}

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Bounded<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(StringVisitor)
    }
}

struct StringVisitor<const MAX: usize>;

/// Checks a text; in an optional member it is cut instead of rejected.
fn bounded<E: Error, const MAX: usize>(text: Cow<'_, str>) -> Result<Bounded<'_, MAX>, E> {
    let text = if dropped::cuts() { dropped::cut(text, MAX) } else { text };
    Bounded::new(text).map_err(E::custom)
}

impl<'de, const MAX: usize> Visitor<'de> for StringVisitor<MAX> {
    type Value = Bounded<'de, MAX>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        bounded(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        bounded(Cow::Owned(text.to_owned()))
    }
}

/// A number, or a name in its place (its digits, for instance), since senders differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberOrName<'a> {
    /// A number without a fraction.
    Number(i64),
    /// A string.
    Name(Name<'a>),
}

impl<'de: 'a, 'a> Deserialize<'de> for NumberOrName<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = NumberOrName<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number or a string")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(NumberOrName::Number(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                let too_large = |_| E::invalid_value(Unexpected::Unsigned(number), &self);
                i64::try_from(number).map(NumberOrName::Number).map_err(too_large)
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                StringVisitor.visit_borrowed_str(text).map(NumberOrName::Name)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                StringVisitor.visit_str(text).map(NumberOrName::Name)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// A URL without the user and password before its host; any other text unchanged.
#[must_use]
pub fn without_credentials(url: Cow<'_, str>) -> Cow<'_, str> {
    let Some(start) = url.find("://").map(|at| at + 3) else { return url };
    let authority = url[start..].split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => Cow::Owned([&url[..start], &url[start + at + 1..]].concat()),
        None => url,
    }
}

/// The owned text of an optional field; `None` for `""`.
#[must_use]
pub fn owned<const MAX: usize>(field: Option<&Bounded<'_, MAX>>) -> Option<String> {
    field.and_then(Bounded::filled).map(str::to_owned)
}

/// Reads a document into a source's raw type.
///
/// # Errors
/// A rejection that names the path of the field and the shape of its value.
pub fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Rejection> {
    serde_json::from_str(text).map_err(|error| rejection(text, &error))
}

/// As [`parse`], with a seed that carries context for the reader.
///
/// # Errors
/// As for [`parse`].
pub fn parse_seed<'a, S: DeserializeSeed<'a>>(text: &'a str, seed: S) -> Result<S::Value, Rejection> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| rejection(text, &error))
}

fn rejection(text: &str, error: &serde_json::Error) -> Rejection {
    let reason = if error.is_data() { "bad-field" } else { "not-json" };
    let detail = error.to_string();
    match path_at(text, error.line(), error.column()) {
        path if path.is_empty() => Rejection::new(reason, detail),
        path => {
            // A reader that could not rely on the path names the member itself.
            let member = path.rsplit('.').next().unwrap_or_default();
            let detail = detail.strip_prefix(member).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&detail);
            Rejection::new(reason, format!("{path}: {detail}"))
        }
    }
}

/// Levels of a path that are reported. A parser that only looks for the end of a value goes as deep as the text does,
/// and that may be 32 MiB of brackets.
const LEVELS: usize = 64;

/// The path of the value that a parser has just read when it stops at a line and column, such as
/// `status.results[2].name`.
///
/// Computed from the text after an error: tracking the path while reading, as `serde_path_to_error` does, costs time on
/// every field, or a second copy of the reader of every type (a tenth of the ingest function).
fn path_at(text: &str, line: usize, column: usize) -> String {
    enum Level<'t> {
        Object { key: &'t str, expects_key: bool },
        Array(usize),
    }
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let read = text.get(..(before + column).min(text.len())).unwrap_or(text);
    let mut levels: Vec<Level<'_>> = Vec::new();
    // Open levels below the last one that is reported.
    let mut deeper = 0_usize;
    let mut at = 0;
    while let Some(&byte) = read.as_bytes().get(at) {
        at += 1;
        match byte {
            b'{' | b'[' if levels.len() == LEVELS => deeper += 1,
            b'}' | b']' if deeper > 0 => deeper -= 1,
            b'{' => levels.push(Level::Object { key: "", expects_key: true }),
            b'[' => levels.push(Level::Array(0)),
            b'}' | b']' => drop(levels.pop()),
            b',' if deeper == 0 => match levels.last_mut() {
                Some(Level::Object { expects_key, .. }) => *expects_key = true,
                Some(Level::Array(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                let start = at;
                while read.as_bytes().get(at).is_some_and(|byte| *byte != b'"') {
                    at += if read.as_bytes()[at] == b'\\' { 2 } else { 1 };
                }
                if let Some(Level::Object { key, expects_key: expects_key @ true }) = levels.last_mut()
                    && deeper == 0
                {
                    *key = read.get(start..at).unwrap_or_default();
                    *expects_key = false;
                }
                at += 1;
            }
            _ => {}
        }
    }
    if read.ends_with('[') && deeper == 0 {
        // A list where none was expected: the path of the list itself, not of an element.
        levels.pop();
    }
    levels.iter().fold(String::new(), |path, level| match level {
        Level::Object { key: "", .. } => path,
        Level::Object { key, .. } if path.is_empty() => (*key).to_owned(),
        Level::Object { key, .. } => format!("{path}.{key}"),
        Level::Array(index) => format!("{path}[{index}]"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug)]
    struct Doc<'a> {
        #[serde(borrow)]
        meta: Meta<'a>,
    }

    #[derive(serde::Deserialize, Debug)]
    struct Meta<'a> {
        #[serde(borrow)]
        name: Name<'a>,
    }

    #[test]
    fn addresses_lose_their_credentials() {
        for (url, kept) in [
            ("https://user:p%40ss@h/a.git", "https://h/a.git"),
            ("https://token@h:8443/a@b?c=d@e", "https://h:8443/a@b?c=d@e"),
            ("https://u@x:p@h", "https://h"),
            ("https://h/a@b", "https://h/a@b"),
            ("https://h?a@b", "https://h?a@b"),
            ("https://@h/", "https://h/"),
            ("mailto:a@b", "mailto:a@b"),
            ("https://", "https://"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(Cow::Borrowed(url)), kept, "{url}");
        }
    }

    #[test]
    fn a_number_or_a_name_is_read_and_nothing_else() {
        let read = |text| parse::<NumberOrName<'_>>(text);
        assert_eq!(read("-7"), Ok(NumberOrName::Number(-7)));
        assert_eq!(read("9223372036854775807"), Ok(NumberOrName::Number(i64::MAX)));
        for name in [r#""12""#, r#""\u0031\u0032""#] {
            assert_eq!(read(name), Ok(NumberOrName::Name(Name::new("12".into()).expect("short"))));
        }
        for (text, detail) in [
            (
                "9223372036854775808",
                "invalid value: integer `9223372036854775808`, expected a whole number or a string",
            ),
            ("1.5", "invalid type: floating point `1.5`, expected a whole number or a string"),
            ("[]", "invalid type: sequence, expected a whole number or a string"),
            (r#""a\u0000""#, "string of 2 bytes with a NUL"),
        ] {
            let rejection = read(text).expect_err(text);
            assert!(rejection.detail.contains(detail), "{}", rejection.detail);
        }
    }

    /// Found by `tests/fuzz`: each level copied the whole path, which took days for the number of brackets that a
    /// delivery may decode to.
    #[test]
    fn a_path_is_bounded() {
        for text in ["[".repeat(1 << 22), r#"{"a":["#.repeat(1 << 20), format!("{}x", "[1,".repeat(1 << 20))] {
            let rejection = parse::<&serde_json::value::RawValue>(&text).expect_err("no JSON");
            assert_eq!(rejection.reason, "not-json");
            assert!(rejection.detail.len() < 600, "{}", rejection.detail);
        }
        let deep = format!(r#"{{"list":[{}{}, {{"k":1}},x]}}"#, "[".repeat(100), "]".repeat(100));
        let rejection = parse::<&serde_json::value::RawValue>(&deep).expect_err("no JSON");
        assert!(rejection.detail.starts_with("list[2]: expected value"), "{}", rejection.detail);
    }

    #[test]
    fn a_rejection_names_the_field_and_the_shape() {
        let long = format!(r#"{{"meta":{{"name":"{}"}}}}"#, "x".repeat(1025));
        for (text, expected) in [
            (r#"{"meta":{"name":"a\u0000b"}}"#, "meta.name: string of 3 bytes with a NUL"),
            (r#"{"meta":{"name":42}}"#, "meta.name: invalid type: integer `42`, expected a string"),
            (r#"{"meta":{"name":"\ud800"}}"#, "meta.name: unexpected end of hex escape"),
            (r#"{"meta":{}}"#, "meta: missing field `name`"),
            (
                r#"{"x":[1,{"a":"}\""}],"meta":{"y":{},"name":[]}}"#,
                "meta.name: invalid type: sequence, expected a string",
            ),
            (r#"{"meta":{"name":"a"},"list":[{"k":1},x]}"#, "list[1]: expected value"),
            (long.as_str(), "meta.name: string of 1025 bytes, at most 1024 are kept"),
        ] {
            let rejection = parse::<Doc<'_>>(text).map(|doc| doc.meta.name.filled().map(str::len)).expect_err(text);
            assert!(rejection.detail.starts_with(expected), "{}", rejection.detail);
        }
    }
}
