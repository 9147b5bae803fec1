//! Query parameters, sanitised for SQL: NUL characters are replaced (PostgreSQL rejects them), and the length is
//! limited.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::problem::Problem;

/// Most characters of a value.
pub(super) const LONGEST: usize = 300;
/// Most characters of a cursor or of a list.
const LONGEST_CURSOR: usize = 8192;
/// Shortest and longest interval of reloads, in seconds.
const REFRESH: (i64, i64) = (5, 3600);
/// Characters that are not percent-encoded in a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The query parameters of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    values: BTreeMap<String, String>,
    /// Whether the answer is JSON: for an address of the API, with `?format=json`, or when the client accepts JSON and
    /// not HTML.
    pub(super) wants_json: bool,
    /// Whether the answer is CSV, with `?format=csv`.
    pub(super) wants_csv: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let pairs = query.map_err(|_| Problem::Bad("the query cannot be read".to_owned()))?.0;
        let accept = parts.headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let accepts_json = accept.contains("application/json") && !accept.contains("text/html");
        let params = Self::new(pairs, accepts_json || parts.uri.path().starts_with("/api/"))?;
        if params.wants_csv && !parts.uri.path().ends_with("/checks") {
            return Err(Problem::Bad("format: only the list of checks is there as CSV".to_owned()));
        }
        Ok(params)
    }
}

/// An unknown name, shortened for an error message.
pub(super) fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

impl Params {
    fn new(pairs: Vec<(String, String)>, is_json: bool) -> Result<Self, Problem> {
        let clean = |(name, value): (String, String)| {
            // A cursor contains names; several patterns may be required.
            let most = if matches!(name.as_str(), "after" | "required") { LONGEST_CURSOR } else { LONGEST };
            match value.chars().nth(most) {
                Some(_) => Err(Problem::Bad(format!("{}: longer than {most} characters", shown(&name)))),
                None => Ok((name, value.replace('\0', "\u{fffd}"))),
            }
        };
        let values = pairs.into_iter().map(clean).collect::<Result<_, _>>()?;
        let mut params = Self { values, wants_json: is_json, wants_csv: false };
        let format = params.one_of("format", &["json", "html", "csv"])?;
        params.wants_json |= format == Some("json");
        params.wants_csv = format == Some("csv");
        params.number("refresh", REFRESH.0, REFRESH.0, REFRESH.1)?;
        Ok(params)
    }

    /// A value, trimmed; `None` when it is empty, as forms send empty fields.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The values of a list that are separated by commas, without empty ones.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.text(name).into_iter().flat_map(|text| text.split(','));
        values.map(str::trim).filter(|value| !value.is_empty())
    }

    /// Whether a filter is set: any parameter except those for presentation.
    pub(super) fn filters(&self) -> bool {
        let is_presentation = |name: &str| matches!(name, "after" | "format" | "refresh" | "sort");
        self.values.keys().any(|name| !is_presentation(name) && self.text(name).is_some())
    }

    /// Whether a list begins with the oldest row.
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

    /// `?refresh=`: seconds after which a browser reloads the page.
    pub(super) fn refresh(&self) -> Option<i64> {
        self.text("refresh")?.parse().ok()
    }

    /// The cursor: keys of the last row of the previous page.
    pub(super) fn after(&self) -> Result<Option<Vec<String>>, Problem> {
        let Some(text) = self.text("after") else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let keys = bytes.and_then(|bytes| serde_json::from_slice::<Vec<String>>(&bytes).ok());
        let keys = keys.map(|keys| keys.iter().map(|key| key.replace('\0', "\u{fffd}")).collect());
        keys.map(Some).ok_or_else(bad_after)
    }

    /// The query with changed values; `None` removes a parameter.
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
    Problem::NotFound("after: no such page; start at the first one".to_owned())
}

/// Encodes a cursor.
pub(super) fn cursor(keys: &[&str]) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::json!(keys).to_string())
}

/// Parses a time of a cursor.
pub(super) fn time(text: &str) -> Result<Timestamp, Problem> {
    text.parse().map_err(|_| bad_after())
}

/// Percent-encodes a value of a query.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// Encodes a name at the end of a path. Slashes stay where that is safe: browsers resolve `/../`, also with encoded
/// dots, so that a name with such a segment has its slashes encoded, and a name that is only dots gets one.
pub(super) fn encode_path(text: &str) -> String {
    let is_dots = |segment: &str| matches!(segment, "" | "." | "..");
    match text {
        "." | ".." => format!("{text}%2F"),
        _ if text.split('/').any(is_dots) => encode(text),
        _ => text.split('/').map(encode).collect::<Vec<_>>().join("/"),
    }
}

/// Decodes a name at the end of a path, sanitised for SQL.
pub(super) fn name(path: &str) -> String {
    match path {
        "./" | "../" => path.trim_end_matches('/').to_owned(),
        _ => path.replace('\0', "\u{fffd}"),
    }
}

/// The address of the page of a merge request.
pub(super) fn merge_request_path(project: &str, iid: i64) -> String {
    format!("/mr/{}/{iid}", encode_path(project))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        asked(pairs).expect("valid parameters")
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
    fn names_survive_encoding_in_paths() {
        for name in ["a/b", "a b", "..", ".", "../..", "a/../b", "/", "a//b", "%2e%2e", "a?b#c"] {
            let path = encode_path(name);
            let kept = path.split('/').all(|piece| !matches!(piece, "" | "." | ".." | "%2e%2e"));
            let decoded = percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned();
            assert!(kept && super::name(&decoded) == name, "{name}: {path}");
        }
    }

    #[test]
    fn cursors_survive_encoding() {
        let cursor = cursor(&["2026-03-10T10:00:00Z", "a/b \"c\""]);
        let asked = params(&[("after", &cursor), ("q", "a&b")]);
        assert_eq!(asked.after().ok().flatten().map(|keys| keys[1].clone()), Some("a/b \"c\"".to_owned()));
        assert!(params(&[("after", "x")]).after().is_err());
        assert_eq!(asked.with(&[("after", None), ("s", Some("1"))]), "?q=a%26b&s=1");
    }
}
