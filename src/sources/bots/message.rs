//! Decodes a heartbeat: `{"name", "status", "comment"?, "meta"?, "interval"?, "ts"?}`. Pure.
//!
//! Protocol: openSUSE/bot-status `lib/SUSE/BotStatus/Model/Status.pm`, which accepts any name and any status. Here a
//! message with an invalid or duplicate `name` or `status` is rejected. The optional members (`comment`, `meta`,
//! `interval`, `ts`) never cause a rejection: an invalid one is cut or left out with a warning, and the status still
//! counts.

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use super::record::{Beat, Record, Status};
use crate::transport::field::{Text, parse};
use crate::transport::time::{micros, rfc3339};
use crate::transport::{Decoded, Latest, Message, Rejection};

/// Longest name, in characters.
const NAME: usize = 100;
/// Longest comment that is kept, in characters.
const COMMENT: usize = 500;
/// Largest `meta`, in bytes.
const META: usize = 4 << 10;
/// Most levels of objects and lists in `meta`, including `meta` itself.
const META_DEPTH: usize = 5;
/// Longest `interval`: a year, in seconds.
const INTERVAL: f64 = 366.0 * 86_400.0;

/// Decodes a heartbeat.
///
/// # Errors
/// A rejection that names the field when `name` or `status` is invalid or duplicate.
pub fn decode(message: &Message<'_>) -> Result<Decoded<Record>, Rejection> {
    let text = message.payload;
    let raw: Raw<'_> = parse(text)?;
    let name = raw.name.as_str().trim();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        let shape = format!("string of {} characters", name.chars().count());
        let detail = format!("name: {shape}, expected 1 to {NAME} without control characters");
        return Err(Rejection::new("bad-field", detail));
    }
    let Some(status) = Status::of(raw.status.as_str()) else {
        let detail = "status: expected \"ok\", \"warning\", \"failed\" or \"gone\"";
        let shape = format!("{detail}, got a string of {} characters", raw.status.as_str().chars().count());
        return Err(Rejection::new("bad-field", shape));
    };
    let mut warnings = Vec::new();
    // Of a duplicate optional member the last one counts, as everywhere in JSON.
    let detail = |name| message.head.get(name).filter(|raw| raw.get() != "null");
    let comment = comment(detail("comment"), &mut warnings);
    let mut or_warn = |what: &str, reason: Result<(), &'static str>| {
        if let Err(reason) = reason {
            warnings.push(format!("{what}: {reason}, left out"));
        }
    };
    let meta = meta(detail("meta"));
    or_warn("meta", meta.as_ref().map(|_| ()).map_err(|reason| *reason));
    let interval = interval(detail("interval"));
    or_warn("interval", interval.map(|_| ()));
    let ts = time(detail("ts"), message.latest);
    or_warn("ts", ts.map(|_| ()));
    let at = ts.ok().flatten().or(message.sent_at).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(Decoded::Records(vec![Box::new(Beat {
        name: name.to_owned(),
        status,
        comment,
        meta: meta.unwrap_or_else(|_| "{}".to_owned()),
        interval_seconds: interval.ok().flatten(),
        warnings,
        at: micros(at),
        message_id: message.id.clone(),
        message_at: message.sent_at,
    })]))
}

#[derive(serde::Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
}

/// The comment, cut to [`COMMENT`] characters and without NUL, which PostgreSQL does not store. `None` if it is no
/// string.
fn comment(raw: Option<&RawValue>, warnings: &mut Vec<String>) -> Option<String> {
    let Ok(text) = serde_json::from_str::<String>(raw?.get()) else {
        warnings.push("comment: not a string of characters, left out".to_owned());
        return None;
    };
    let text = text.replace('\0', "\u{fffd}");
    if text.chars().nth(COMMENT).is_none() {
        return Some(text).filter(|text| !text.is_empty());
    }
    warnings.push(format!("comment: longer than {COMMENT} characters, cut"));
    // The ellipsis is one of the characters.
    Some(text.chars().take(COMMENT - 1).chain(['…']).collect())
}

fn meta(raw: Option<&RawValue>) -> Result<String, &'static str> {
    let Some(raw) = raw else { return Ok("{}".to_owned()) };
    if raw.get().len() > META {
        return Err("more than 4096 bytes");
    }
    let value: Value = serde_json::from_str(raw.get()).map_err(|_| "a number or a string that cannot be stored")?;
    if !value.is_object() {
        return Err("not an object");
    }
    if depth(&value) > META_DEPTH {
        return Err("more than 5 levels");
    }
    let text = value.to_string();
    // PostgreSQL stores no NUL. In canonical JSON it is written `\u0000`, as is nothing else but an escaped backslash
    // before `u0000`.
    if text.replace(r"\\", "").contains(r"\u0000") {
        return Err("text with a NUL");
    }
    Ok(text)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be between 1 and a year")]
fn interval(raw: Option<&RawValue>) -> Result<Option<i64>, &'static str> {
    let Some(raw) = raw else { return Ok(None) };
    let seconds: Result<f64, _> = serde_json::from_str(raw.get());
    let seconds = seconds.ok().filter(|seconds| (1.0..=INTERVAL).contains(seconds));
    seconds.map(|seconds| Some(seconds.ceil() as i64)).ok_or("not a number of seconds from 1 to a year")
}

/// `ts`: RFC 3339, or seconds since 1970 as a number.
fn time(raw: Option<&RawValue>, latest: Latest) -> Result<Option<Timestamp>, &'static str> {
    let Some(raw) = raw else { return Ok(None) };
    let time = match serde_json::from_str(raw.get()) {
        Ok(Value::String(text)) => rfc3339(&text),
        Ok(Value::Number(number)) => number.as_f64().and_then(epoch_seconds),
        _ => None,
    };
    let time = time.ok_or("neither a time of RFC 3339 nor seconds since 1970")?;
    // A heartbeat from a clock that is a year ahead would outrank all later heartbeats of the bot for a year.
    latest.allows(time).then_some(Some(time)).ok_or("more than 5 minutes after the message was sent")
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be in the range of jiff")]
fn epoch_seconds(seconds: f64) -> Option<Timestamp> {
    let micros = (seconds * 1e6).round();
    (0.0..=253_402_207_200.0 * 1e6).contains(&micros).then(|| Timestamp::from_microsecond(micros as i64).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Delivery, Limits, Unwrapped, unwrap};

    fn read(body: &str) -> Result<Beat, Rejection> {
        let delivery = Delivery { id: "m".to_owned(), body: body.into(), ..Delivery::default() };
        let mut found = None;
        unwrap(&delivery, Limits::default(), &mut |part| {
            if let Unwrapped::Message(message) = part {
                found = Some(decode(&message));
            }
        });
        match found.expect("a message")? {
            Decoded::Records(beats) => Ok(*beats.into_iter().next().expect("a heartbeat")),
            Decoded::Ignored(why) => panic!("{why}"),
        }
    }

    /// An optional member of any wrong form does not lose the status.
    #[test]
    fn an_invalid_optional_member_does_not_lose_the_status() {
        let long = format!("\"{}\"", "x".repeat(100_000));
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(2_000), "]".repeat(2_000));
        let wrong = [
            "null",
            "true",
            "-1",
            "1e400",
            "1e308",
            "\"\"",
            "\"\\ud800\"",
            "\"a\\u0000b\"",
            "[]",
            "{}",
            "[1]",
            "{\"a\":{\"a\":1},\"a\":2}",
            "\"9999-12-31T23:59:59.9999999Z\"",
            "\"0000-00-00T00:00:00Z\"",
            "99999999999999999999999",
            &long,
            &deep,
        ];
        for member in ["comment", "meta", "interval", "ts", "other"] {
            for value in wrong {
                let body = format!(r#"{{"name":"b","status":"failed","{member}":{value},"{member}":{value}}}"#);
                let beat = read(&body).unwrap_or_else(|rejection| panic!("{member} {value:.60}: {rejection:?}"));
                assert_eq!((beat.name.as_str(), beat.status), ("b", Status::Failed));
                assert!(
                    beat.comment.is_none_or(|comment| comment.chars().count() <= COMMENT && !comment.contains('\0'))
                );
                assert!(serde_json::from_str::<Value>(&beat.meta).is_ok_and(|meta| meta.is_object()));
            }
        }
        assert_eq!(
            read(r#"{"name":"b","status":"ok","comment":7}"#).expect("kept").warnings,
            ["comment: not a string of characters, left out"]
        );
    }

    #[test]
    fn invalid_names_and_statuses_are_rejected() {
        for body in [
            r#"{"name":"b","status":"ok","name":"b"}"#,
            r#"{"name":"b","status":"ok","status":"failed"}"#,
            r#"{"name":["b"],"status":"ok"}"#,
            r#"{"name":"b","status":null}"#,
            r#"{"name":"b","status":"OK"}"#,
            r#"{"name":"a\u0000b","status":"ok"}"#,
            r#"{"name":" ","status":"ok"}"#,
        ] {
            assert!(read(body).is_err_and(|rejection| rejection.reason == "bad-field"), "{body}");
        }
    }
}
