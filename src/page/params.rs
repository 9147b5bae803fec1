//! What is asked for in an address, made fit for a statement: PostgreSQL takes no NUL, and nobody types so much.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::problem::Problem;

/// Characters of a value.
const LONGEST: usize = 300;
/// What stands in a query as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The query of an address.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    values: BTreeMap<String, String>,
    /// Whether JSON is wanted: by an address of the API or `?format=json`, or because the client accepts it and no HTML.
    pub(super) wants_json: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let pairs = query.map_err(|_| Problem::Bad("the query cannot be read".to_owned()))?.0;
        let accept = parts.headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let accepts_json = accept.contains("application/json") && !accept.contains("text/html");
        Ok(Self::new(pairs, accepts_json || parts.uri.path().starts_with("/api/")))
    }
}

impl Params {
    fn new(pairs: Vec<(String, String)>, is_json: bool) -> Self {
        let clean = |text: String| -> String { text.replace('\0', "\u{fffd}").chars().take(LONGEST).collect() };
        let values: BTreeMap<String, String> = pairs.into_iter().map(|(key, value)| (key, clean(value))).collect();
        let wants_json = is_json || values.get("format").is_some_and(|format| format == "json");
        Self { values, wants_json }
    }

    /// A value, trimmed; `None` when it is empty, as forms send what is not filled in.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Whether a filter is set: anything but how the list is shown.
    pub(super) fn filters(&self) -> bool {
        let shows = |name: &str| matches!(name, "after" | "format" | "refresh" | "sort");
        self.values.keys().any(|name| !shows(name) && self.text(name).is_some())
    }

    /// Whether a list begins with what is oldest.
    pub(super) fn oldest_first(&self) -> Result<bool, Problem> {
        Ok(self.one_of("sort", &["newest", "oldest"])? == Some("oldest"))
    }

    /// A value out of a list.
    pub(super) fn one_of<'a>(&self, name: &str, choices: &[&'a str]) -> Result<Option<&'a str>, Problem> {
        let Some(value) = self.text(name) else { return Ok(None) };
        match choices.iter().find(|choice| **choice == value) {
            Some(choice) => Ok(Some(choice)),
            None => Err(Problem::Bad(format!("{name}: expected one of {}", choices.join(", ")))),
        }
    }

    /// A whole number, brought into a range.
    pub(super) fn number(&self, name: &str, default: i64, least: i64, most: i64) -> Result<i64, Problem> {
        let Some(value) = self.text(name) else { return Ok(default) };
        let number: i64 = value.parse().map_err(|_| Problem::Bad(format!("{name}: expected a whole number")))?;
        Ok(number.clamp(least, most))
    }

    /// `?refresh=`: seconds after which a browser loads the page again, 5 to 3600.
    pub(super) fn refresh(&self) -> Option<i64> {
        let seconds = self.text("refresh")?.parse::<i64>().ok()?;
        Some(seconds.clamp(5, 3600))
    }

    /// Where the last page ended.
    pub(super) fn after(&self) -> Result<Option<Vec<String>>, Problem> {
        let Some(text) = self.text("after") else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let keys = bytes.and_then(|bytes| serde_json::from_slice::<Vec<String>>(&bytes).ok());
        let keys = keys.map(|keys| keys.iter().map(|key| key.replace('\0', "\u{fffd}")).collect());
        keys.map(Some).ok_or_else(bad_after)
    }

    /// The query with other values; `None` takes one out.
    pub(super) fn with(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut values: BTreeMap<&str, &str> =
            self.values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        for (key, value) in changes {
            match value {
                Some(value) => values.insert(key, value),
                None => values.remove(key),
            };
        }
        let pairs = values.iter().filter(|(_, value)| !value.is_empty());
        let pairs: Vec<_> = pairs.map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
        format!("?{}", pairs.join("&"))
    }
}

pub(super) fn bad_after() -> Problem {
    Problem::NotFound("after: there is no such page; start at the first one".to_owned())
}

/// A place in a list, for an address.
pub(super) fn cursor(keys: &[&str]) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::json!(keys).to_string())
}

/// A time out of a cursor.
pub(super) fn time(text: &str) -> Result<Timestamp, Problem> {
    text.parse().map_err(|_| bad_after())
}

/// A piece of an address.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// A name at the end of a path. Its slashes stay where they do no harm: browsers take `/../` away, encoded dots
/// included, so a name with such a piece has its slashes encoded, and one that is nothing else gets one.
pub(super) fn encode_path(text: &str) -> String {
    let is_dots = |piece: &str| matches!(piece, "" | "." | "..");
    match text {
        "." | ".." => format!("{text}%2F"),
        _ if text.split('/').any(is_dots) => encode(text),
        _ => text.split('/').map(encode).collect::<Vec<_>>().join("/"),
    }
}

/// The name that stands at the end of a path, fit for a statement.
pub(super) fn name(path: &str) -> String {
    match path {
        "./" | "../" => path.trim_end_matches('/').to_owned(),
        _ => path.replace('\0', "\u{fffd}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(), false)
    }

    #[test]
    fn values_are_bounded() {
        let long = "x".repeat(1000);
        let asked = params(&[("q", " a\0b "), ("refresh", "0;url=//evil"), ("long", &long), ("n", "7000"), ("e", " ")]);
        assert_eq!((asked.text("q"), asked.text("e"), asked.refresh()), (Some("a\u{fffd}b"), None, None));
        assert_eq!(asked.text("long").map(str::len), Some(LONGEST));
        assert_eq!(asked.number("n", 1, 0, 50).ok(), Some(50));
        assert_eq!(params(&[("refresh", "1")]).refresh(), Some(5));
        assert_eq!(params(&[("refresh", "99999")]).refresh(), Some(3600));
        assert!(asked.number("q", 1, 0, 50).is_err() && asked.one_of("q", &["a"]).is_err());
    }

    #[test]
    fn names_come_back_from_paths() {
        for name in ["a/b", "a b", "..", ".", "../..", "a/../b", "/", "a//b", "%2e%2e", "a?b#c"] {
            let path = encode_path(name);
            let kept = path.split('/').all(|piece| !matches!(piece, "" | "." | ".." | "%2e%2e"));
            let decoded = percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned();
            assert!(kept && super::name(&decoded) == name, "{name}: {path}");
        }
    }

    #[test]
    fn cursors_come_back() {
        let cursor = cursor(&["2026-03-10T10:00:00Z", "a/b \"c\""]);
        let asked = params(&[("after", &cursor), ("q", "a&b")]);
        assert_eq!(asked.after().ok().flatten().map(|keys| keys[1].clone()), Some("a/b \"c\"".to_owned()));
        assert!(params(&[("after", "x")]).after().is_err());
        assert_eq!(asked.with(&[("after", None), ("s", Some("1"))]), "?q=a%26b&s=1");
    }
}
