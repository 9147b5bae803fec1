//! What is asked for in an address, made fit for a statement: PostgreSQL takes no NUL, and nobody types so much.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{FromRequestParts, MatchedPath, Query, Request};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::api;
use super::problem::Problem;

/// Characters of a value, at most.
const LONGEST: usize = 300;
/// The same of a place in a list, which holds the names of what is there.
const LONGEST_PLACE: usize = 8192;
/// Seconds between two loads of a page, at least and at most.
const REFRESH: (i64, i64) = (5, 3600);
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
        Self::new(pairs, accepts_json || parts.uri.path().starts_with("/api/"))
    }
}

/// Answers 400 to a parameter that the address does not have: one that has no effect looks as if it had worked.
pub(super) async fn check(request: Request, next: Next) -> Response {
    match unknown(&request) {
        Some(text) => Problem::Bad(text).into_response(),
        None => next.run(request).await,
    }
}

/// What is wrong with the names of the parameters of a request.
fn unknown(request: &Request) -> Option<String> {
    let query = request.uri().query().filter(|query| !query.is_empty())?;
    let path = request.extensions().get::<MatchedPath>()?.as_str().replace("{*", "{");
    let known = api::query_parameters(&path);
    let pairs: Query<Vec<(String, String)>> = Query::try_from_uri(request.uri()).ok()?;
    let mut seen = BTreeSet::new();
    let wrong = pairs.0.iter().find_map(|(name, _)| match (known.contains(name), seen.insert(name)) {
        (true, true) => None,
        (true, false) => Some(format!("{}: given twice", shown(name))),
        (false, _) => Some(format!("{}: no such parameter", shown(name))),
    })?;
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let list = if known.is_empty() { "there are none here".to_owned() } else { known.join(", ") };
    Some(format!("{wrong} in {:?}; known are: {list}", query.chars().take(LONGEST).collect::<String>()))
}

/// A name that a client made up, as a part of a message.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

impl Params {
    fn new(pairs: Vec<(String, String)>, is_json: bool) -> Result<Self, Problem> {
        let clean = |(name, value): (String, String)| {
            let most = if name == "after" { LONGEST_PLACE } else { LONGEST };
            match value.chars().nth(most) {
                Some(_) => Err(Problem::Bad(format!("{}: longer than {most} characters", shown(&name)))),
                None => Ok((name, value.replace('\0', "\u{fffd}"))),
            }
        };
        let values = pairs.into_iter().map(clean).collect::<Result<_, _>>()?;
        let mut params = Self { values, wants_json: is_json };
        params.wants_json |= params.one_of("format", &["json", "html"])? == Some("json");
        params.number("refresh", REFRESH.0, REFRESH.0, REFRESH.1)?;
        Ok(params)
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

    /// A whole number in a range.
    pub(super) fn number(&self, name: &str, default: i64, least: i64, most: i64) -> Result<i64, Problem> {
        let Some(value) = self.text(name) else { return Ok(default) };
        let number = value.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| Problem::Bad(format!("{name}: expected a whole number from {least} to {most}")))
    }

    /// `?refresh=`: seconds after which a browser loads the page again.
    pub(super) fn refresh(&self) -> Option<i64> {
        self.text("refresh")?.parse().ok()
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
        asked(pairs).expect("they can be asked for")
    }

    fn asked(pairs: &[(&str, &str)]) -> Result<Params, Problem> {
        Params::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(), false)
    }

    #[test]
    fn values_are_bounded() {
        let given = params(&[("q", " a\0b "), ("n", "50"), ("e", " ")]);
        assert_eq!((given.text("q"), given.text("e"), given.refresh()), (Some("a\u{fffd}b"), None, None));
        assert_eq!((given.number("n", 1, 0, 50).ok(), given.number("m", 1, 0, 50).ok()), (Some(50), Some(1)));
        assert!(given.number("n", 1, 0, 49).is_err() && given.number("n", 60, 51, 70).is_err());
        assert!(given.number("q", 1, 0, 50).is_err() && given.one_of("q", &["a"]).is_err());
        for refresh in ["5", "3600"] {
            assert_eq!(
                params(&[("refresh", refresh)]).refresh().map(|seconds| seconds.to_string()).as_deref(),
                Some(refresh)
            );
        }
        for refresh in ["4", "3601", "-5", "0;url=//evil", "5.5", "1e3"] {
            assert!(asked(&[("refresh", refresh)]).is_err(), "{refresh}");
        }
        assert!(asked(&[("format", "xml")]).is_err() && params(&[("format", "json")]).wants_json);
        assert!(asked(&[("q", &"ä".repeat(LONGEST))]).is_ok() && asked(&[("q", &"ä".repeat(LONGEST + 1))]).is_err());
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
