//! Reads column values for display: every stored value can be read, whichever program wrote it.
//!
//! PostgreSQL stores more than this program can represent: times from 4713 BC to the year 294276 and infinity, and JSON
//! with numbers of any length and any depth. Such a value must not make a page fail. A time out of range becomes the
//! nearest time in range (as in [`transport::time`](crate::transport::time)); a number or a depth out of range is shown
//! as its JSON text.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type, accepts};

use crate::transport::time::{LATEST, bounded_micros};

/// Levels of JSON that are shown as such; deeper levels are shown as text. JSON parsers have limits, the limit of this
/// one is 128.
const LEVELS: usize = 100;

/// A value that can be displayed.
pub trait Shown: Sized {
    /// The type that can hold all values of the column.
    type Stored: for<'r> FromSql<'r>;

    /// The displayed value.
    fn of(stored: Self::Stored) -> Self;
}

/// The value of a column.
///
/// # Errors
/// When the column is missing or of another type.
pub fn shown<T: Shown>(row: &Row, name: &str) -> Result<T, tokio_postgres::Error> {
    row.try_get::<_, T::Stored>(name).map(T::of)
}

macro_rules! as_stored {
    ($($Type:ty),*) => {
        $(impl Shown for $Type {
            type Stored = $Type;

            fn of(stored: Self) -> Self {
                stored
            }
        })*
    };
}

as_stored!(String, Vec<String>, Vec<i64>, bool, i32, i64, f64);

impl<T: Shown> Shown for Option<T> {
    type Stored = Option<T::Stored>;

    fn of(stored: Self::Stored) -> Self {
        stored.map(T::of)
    }
}

impl Shown for Timestamp {
    type Stored = StoredTime;

    fn of(stored: StoredTime) -> Self {
        stored.0
    }
}

impl Shown for Value {
    type Stored = StoredJson;

    fn of(stored: StoredJson) -> Self {
        stored.0
    }
}

/// A time of a column, within the bounds.
#[derive(Clone, Copy, Debug)]
pub struct StoredTime(pub Timestamp);

/// Seconds from 1970 to 2000, where PostgreSQL begins to count.
const EPOCH: i64 = 946_684_800;

impl<'r> FromSql<'r> for StoredTime {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        // The extremes of the type are the infinities.
        let micros = i64::from_be_bytes(raw.try_into()?).saturating_add(EPOCH * 1_000_000);
        Ok(Self(Timestamp::from_microsecond(bounded_micros(micros)).unwrap_or(LATEST)))
    }

    accepts!(TIMESTAMPTZ);
}

/// JSON of a column.
#[derive(Clone, Debug)]
pub struct StoredJson(pub Value);

impl<'r> FromSql<'r> for StoredJson {
    fn from_sql(kind: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        // jsonb begins with the version of its form.
        let text = if *kind == Type::JSONB { raw.get(1..).unwrap_or_default() } else { raw };
        Ok(Self(json(std::str::from_utf8(text)?)))
    }

    accepts!(JSON, JSONB);
}

/// JSON as a tree, with text where a tree holds less than JSON does.
#[must_use]
pub fn json(text: &str) -> Value {
    level(text.trim(), LEVELS)
}

fn level(text: &str, left: usize) -> Value {
    let as_text = || Value::String(text.to_owned());
    match text.as_bytes().first() {
        Some(b'{' | b'[') if left == 0 => as_text(),
        Some(b'{') => match serde_json::from_str::<BTreeMap<String, &RawValue>>(text) {
            Ok(members) => members.into_iter().map(|(name, raw)| (name, level(raw.get(), left - 1))).collect(),
            Err(_) => as_text(),
        },
        Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) => items.into_iter().map(|raw| level(raw.get(), left - 1)).collect(),
            Err(_) => as_text(),
        },
        Some(b'-' | b'0'..=b'9') => match serde_json::from_str::<Value>(text) {
            // A whole number that would lose digits.
            Ok(Value::Number(number))
                if number.is_f64() && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) =>
            {
                as_text()
            }
            Ok(number) => number,
            Err(_) => as_text(),
        },
        _ => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_out_of_range_is_shown_as_text() {
        let deep = format!("{}1{}", "[".repeat(900), "]".repeat(900));
        let text =
            format!(r#"{{"a":[1,-2.50,1e400,12345678901234567890123,"x"],"b":{{"c":null,"d":{deep}}},"e":true}}"#);
        let shown = super::json(&text);
        assert_eq!(shown["a"], json!([1, -2.5, "1e400", "12345678901234567890123", "x"]));
        assert_eq!((&shown["b"]["c"], &shown["e"]), (&Value::Null, &json!(true)));
        let mut inner = &shown["b"]["d"];
        let mut levels = 2;
        while let Value::Array(items) = inner {
            (inner, levels) = (&items[0], levels + 1);
        }
        assert_eq!(levels, LEVELS);
        assert!(inner.as_str().is_some_and(|rest| rest.starts_with("[[") && rest.len() < deep.len()));
        assert!(serde_json::from_str::<Value>(&shown.to_string()).is_ok());
    }

    #[test]
    fn all_times_of_postgresql_can_be_shown() {
        for (micros, expected) in [
            (0, "2000-01-01T00:00:00Z"),
            (-1, "1999-12-31T23:59:59.999999Z"),
            (i64::MAX, "9999-12-30T22:00:00Z"),
            (i64::MIN, "0001-01-01T00:00:00Z"),
            (252_455_616_000_000_000, "9999-12-30T22:00:00Z"),
            (-211_813_488_000_000_000, "0001-01-01T00:00:00Z"),
        ] {
            let read = StoredTime::from_sql(&Type::TIMESTAMPTZ, &i64::to_be_bytes(micros)).expect("a time");
            assert_eq!(read.0.to_string(), expected);
        }
    }
}
