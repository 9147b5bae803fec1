//! Heartbeats as they come: `{"name", "status", "comment"?, "meta"?, "interval"?, "ts"?}`. Pure.
//!
//! Protocol: openSUSE/bot-status `lib/SUSE/BotStatus/Model/Status.pm`, which takes any name and any status. What decides
//! about a bot (name, status, comment) is refused where it is wrong. What only adds to it, or means nothing to
//! bot-status (`meta`, `interval`, `ts`), is left out with a warning instead: the status still counts.

use std::collections::HashSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::record::{Beat, Record, Status};
use crate::envelope::field::Text;
use crate::envelope::time::{micros, rfc3339};
use crate::envelope::{Decoded, Message, Refusal, parse};

/// Bytes of a heartbeat.
const LONGEST: usize = 16 << 10;
/// Characters of a name.
const NAME: usize = 100;
/// Characters of a comment that are kept.
const COMMENT: usize = 500;
/// Bytes of `meta`.
const META: usize = 4 << 10;
/// Levels of objects and lists in `meta`, itself included.
const META_DEPTH: usize = 5;
/// Longest `interval`: a year, in seconds.
const INTERVAL: f64 = 366.0 * 86_400.0;
/// A bot's clock may go ahead of the carrier's by so much. One that is set to next year would silence the bot until then.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// Reads a heartbeat.
///
/// # Errors
/// A refusal that names the field when the name, status or comment is wrong, or a key is there twice.
pub fn decode(message: &Message<'_>) -> Result<Decoded<Record>, Refusal> {
    let text = message.payload;
    if text.len() > LONGEST {
        let detail = format!("a heartbeat of {} bytes, at most {LONGEST} are taken", text.len());
        return Err(Refusal::new("too-large", detail));
    }
    parse::<UniqueKeys>(text)?;
    let raw: Raw<'_> = parse(text)?;
    let name = raw.name.as_str().trim();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        let shape = format!("string of {} characters", name.chars().count());
        let detail = format!("name: {shape}, expected 1 to {NAME} without control characters");
        return Err(Refusal::new("bad-field", detail));
    }
    let Some(status) = Status::of(raw.status.as_str()) else {
        let detail = "status: expected \"ok\", \"warning\", \"failed\" or \"gone\"";
        let shape = format!("{detail}, got a string of {} characters", raw.status.as_str().chars().count());
        return Err(Refusal::new("bad-field", shape));
    };
    let mut warnings = Vec::new();
    let comment = raw.comment.as_ref().and_then(Text::filled).map(|text| cut(text, &mut warnings));
    let mut or_warn = |what: &str, reason: Result<(), &'static str>| {
        if let Err(reason) = reason {
            warnings.push(format!("{what}: {reason}, left out"));
        }
    };
    let meta = meta(raw.meta);
    or_warn("meta", meta.as_ref().map(|_| ()).map_err(|reason| *reason));
    let interval = interval(raw.interval);
    or_warn("interval", interval.map(|_| ()));
    let ts = time(raw.ts, message.sent_at);
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
    #[serde(borrow)]
    comment: Option<Text<'a>>,
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
    #[serde(borrow)]
    interval: Option<&'a RawValue>,
    #[serde(borrow)]
    ts: Option<&'a RawValue>,
}

fn cut(text: &str, warnings: &mut Vec<String>) -> String {
    match text.char_indices().nth(COMMENT) {
        None => text.to_owned(),
        Some(_) => {
            warnings.push(format!("comment: longer than {COMMENT} characters, cut"));
            // The mark is one of them.
            text.chars().take(COMMENT - 1).chain(['…']).collect()
        }
    }
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
    // PostgreSQL stores no NUL. In canonical JSON nothing else is written so, but for a backslash before `u0000`.
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
fn time(raw: Option<&RawValue>, sent_at: Option<Timestamp>) -> Result<Option<Timestamp>, &'static str> {
    let Some(raw) = raw else { return Ok(None) };
    let time = match serde_json::from_str(raw.get()) {
        Ok(Value::String(text)) => rfc3339(&text),
        Ok(Value::Number(number)) => number.as_f64().and_then(epoch_seconds),
        _ => None,
    };
    let time = time.ok_or("neither a time of RFC 3339 nor seconds since 1970")?;
    match sent_at.map(|sent_at| sent_at.saturating_add(AHEAD)) {
        Some(Ok(latest)) if time > latest => Err("more than 5 minutes after the message was sent"),
        _ => Ok(Some(time)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be in the range of jiff")]
fn epoch_seconds(seconds: f64) -> Option<Timestamp> {
    let micros = (seconds * 1e6).round();
    (0.0..=253_402_207_200.0 * 1e6).contains(&micros).then(|| Timestamp::from_microsecond(micros as i64).ok())?
}

/// Any JSON whose objects have each key once. serde keeps one of two and says nothing.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys: HashSet<String> = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<Self>()?;
            if !keys.insert(key) {
                return Err(A::Error::custom("a key that is there twice"));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }
}
