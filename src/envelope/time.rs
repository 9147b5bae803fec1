//! Points in time as the transports and Kubernetes write them.

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Deserializer};

use super::lenient;

/// Cut to microseconds, which is what PostgreSQL keeps: what is compared here must compare the same there.
#[must_use]
pub fn micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// Reads RFC 3339 with any offset. `None` for anything else.
#[must_use]
pub fn rfc3339(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok().map(micros)
}

/// Reads whole milliseconds since 1970, as SQS gives `SentTimestamp`.
#[must_use]
pub fn epoch_millis(text: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(text.trim().parse().ok()?).ok()
}

/// The second that `time` lies in: webhooks of GitLab know no more.
#[must_use]
pub fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_microsecond().div_euclid(1_000_000)).unwrap_or_else(|_| {
        // Out of jiff's range only at its very edges, where cutting does no harm either way.
        time.round(Unit::Second).unwrap_or(time)
    })
}

/// For `#[serde(deserialize_with)]`: RFC 3339, with `null` and `""` as none.
///
/// # Errors
/// When the value is neither a string nor `null`, or no time.
pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<super::field::Name<'de>>::deserialize(deserializer)? else { return Ok(None) };
    match text.as_str() {
        "" => Ok(None),
        text => rfc3339(text).map(Some).ok_or_else(|| serde::de::Error::custom("expected a time of RFC 3339")),
    }
}

/// The same for a time that is a detail: none, and counted, where it cannot be read.
///
/// # Errors
/// As [`lenient::or_none`].
pub fn detail<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    lenient::or_none(deserializer, optional)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_as_postgresql_keeps_them() {
        let time = rfc3339("2026-03-04T07:49:27.800365688Z").expect("time");
        assert_eq!(time.to_string(), "2026-03-04T07:49:27.800365Z");
        assert_eq!(second(time).to_string(), "2026-03-04T07:49:27Z");
        assert_eq!(rfc3339("2026-03-04T08:49:27+01:00"), rfc3339("2026-03-04T07:49:27Z"));
        assert_eq!(epoch_millis("1772610591200").map(|t| t.to_string()).as_deref(), Some("2026-03-04T07:49:51.2Z"));
        assert_eq!(rfc3339("yesterday"), None);
        let before = rfc3339("1969-12-31T23:59:59.5Z").expect("time");
        assert_eq!(second(before).to_string(), "1969-12-31T23:59:59Z");
    }
}
