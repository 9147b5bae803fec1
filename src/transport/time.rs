//! Points in time as the transports and Kubernetes write them.
//!
//! One rule for times out of range: a calendar time that this program or its output formats cannot represent becomes
//! the nearest one that they can ([`EARLIEST`], [`LATEST`]). Senders use such times for *never* (.NET's
//! `DateTime.MaxValue`, the year 1 of Go), and their order is kept. A text that is no time gives `None`.

use jiff::fmt::temporal::DateTimeParser;
use jiff::{SignedDuration, Timestamp, Unit};
use serde::{Deserialize, Deserializer};

use super::lenient;

/// The earliest time that is stored and shown: the first of RFC 3339 that Python and .NET can read as well.
pub const EARLIEST: Timestamp = Timestamp::constant(-62_135_596_800, 0);
/// The latest time: the last whole second of [`Timestamp`], 9999-12-30T22:00:00Z. PostgreSQL goes further, and rounds
/// to the year 10000.
pub const LATEST: Timestamp = Timestamp::constant(253_402_207_200, 0);

/// A time within [`EARLIEST`] and [`LATEST`].
#[must_use]
pub fn bounded(time: Timestamp) -> Timestamp {
    time.clamp(EARLIEST, LATEST)
}

/// [`bounded`] for microseconds since 1970.
#[must_use]
pub fn bounded_micros(micros: i64) -> i64 {
    micros.clamp(EARLIEST.as_microsecond(), LATEST.as_microsecond())
}

/// A time cut to microseconds, the precision of PostgreSQL: a comparison here must give the same result there.
#[must_use]
pub fn micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// How far the clock of a sender may be ahead of the time of the envelope of its message.
pub const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// The latest time that is accepted from a sender: the outermost known time of its message plus [`AHEAD`].
///
/// Part of the version guard: a row is replaced only by a message with a later time, so a time in the future would
/// protect its row from all messages until then. Without a known time (a file, for instance) every time is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latest(Option<Timestamp>);

impl Latest {
    /// The latest time for a message whose time is known.
    #[must_use]
    pub fn of(known: Option<Timestamp>) -> Self {
        Self(known)
    }

    /// Whether a time can be true.
    #[must_use]
    pub fn allows(self, at: Timestamp) -> bool {
        self.0.and_then(|known| known.checked_add(AHEAD).ok()).is_none_or(|latest| at <= latest)
    }

    /// Replaces a time that cannot be true by the known time of the message.
    pub fn cut(self, at: &mut Timestamp) {
        if let Some(known) = self.0.filter(|_| !self.allows(*at)) {
            *at = known;
        }
    }

    /// [`Self::cut`] for optional times.
    pub fn cut_all<'t>(self, times: impl IntoIterator<Item = &'t mut Option<Timestamp>>) {
        times.into_iter().flatten().for_each(|at| self.cut(at));
    }

    /// [`Self::cut`] for microseconds since 1970, which may exceed the range of [`Timestamp`].
    pub fn cut_micros(self, at: &mut i64) {
        if let Some((_, known)) = self.micros().filter(|(latest, _)| *at > *latest) {
            *at = known;
        }
    }

    /// The latest time as microseconds since 1970, for times out of the range of [`Timestamp`]: the bound, and the
    /// known time.
    #[must_use]
    pub fn micros(self) -> Option<(i64, i64)> {
        let known = self.0?;
        Some((known.checked_add(AHEAD).ok()?.as_microsecond(), known.as_microsecond()))
    }
}

/// Reads RFC 3339 with any offset, within the bounds. `None` for anything else.
#[must_use]
pub fn rfc3339(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let time = text.parse().ok().or_else(|| beyond(text))?;
    Some(bounded(micros(time)))
}

/// The nearest representable time for a calendar time out of the range of [`Timestamp`]: the last day of the year 9999,
/// and the first of the year -9999.
fn beyond(text: &str) -> Option<Timestamp> {
    let pieces = DateTimeParser::new().parse_pieces(text).ok()?;
    let civil = pieces.date().to_datetime(pieces.time()?);
    let offset = pieces.to_numeric_offset()?;
    Some(offset.to_timestamp(civil).unwrap_or(if civil.year() > 0 { LATEST } else { EARLIEST }))
}

/// Reads whole milliseconds since 1970, the form of `SentTimestamp` in SQS.
#[must_use]
pub fn epoch_millis(text: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(text.trim().parse().ok()?).ok().map(bounded)
}

/// The second that `time` lies in, the precision of GitLab's webhooks.
#[must_use]
pub fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_microsecond().div_euclid(1_000_000)).unwrap_or_else(|_| {
        // Out of jiff's range only at its ends, where the difference does not matter.
        time.round(Unit::Second).unwrap_or(time)
    })
}

/// For `#[serde(deserialize_with)]`: RFC 3339; `None` for `null` and `""`.
///
/// # Errors
/// When the value is neither a string nor `null`, or the string is no time.
pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<super::field::Name<'de>>::deserialize(deserializer)? else { return Ok(None) };
    match text.as_str() {
        "" => Ok(None),
        text => rfc3339(text).map(Some).ok_or_else(|| serde::de::Error::custom("expected a time of RFC 3339")),
    }
}

/// As [`optional`] for a detail: `None`, and counted, if it cannot be read.
///
/// # Errors
/// As [`lenient::or_none`].
pub fn detail<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    lenient::or_none(deserializer, optional)
}

/// As [`detail`], and `None` for the year 1, which is how Go writes an unknown time.
///
/// # Errors
/// As [`lenient::or_none`].
pub fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    known_in(deserializer, rfc3339)
}

/// As [`known`] in another form than RFC 3339.
///
/// # Errors
/// As [`lenient::or_none`].
pub fn known_in<'de, D: Deserializer<'de>>(
    deserializer: D,
    read: impl FnOnce(&str) -> Option<Timestamp>,
) -> Result<Option<Timestamp>, D::Error> {
    lenient::or_none(deserializer, |raw| {
        let text = Option::<super::field::Name<'_>>::deserialize(raw)?;
        match text.as_ref().map_or("", |text| text.as_str().trim()) {
            unknown if unknown.is_empty() || unknown.starts_with("0001-") => Ok(None),
            text => {
                let time = read(text).filter(|at| *at >= FIRST);
                time.map(Some).ok_or_else(|| serde::de::Error::custom("expected a time"))
            }
        }
    })
}

/// The beginning of the year 2: earlier times mean *unknown*.
const FIRST: Timestamp = Timestamp::constant(-62_104_060_800, 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_more_than_five_minutes_ahead_becomes_the_known_one() {
        let at = |text: &str| rfc3339(text).expect("time");
        let latest = Latest::of(Some(at("2026-03-04T07:00:00Z")));
        for (text, expected) in [
            ("2026-03-04T07:05:00Z", "2026-03-04T07:05:00Z"),
            ("2026-03-04T07:05:00.000001Z", "2026-03-04T07:00:00Z"),
            ("2998-01-01T00:00:00Z", "2026-03-04T07:00:00Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ] {
            let mut time = Some(at(text));
            latest.cut_all([&mut time]);
            assert_eq!(time, Some(at(expected)), "{text}");
            let mut time = at(text);
            Latest::default().cut(&mut time);
            assert_eq!(time, at(text), "without a known time every time is accepted");
        }
        assert!(Latest::of(Some(Timestamp::MAX)).allows(Timestamp::MAX));
    }

    #[test]
    fn times_are_kept_as_postgresql_keeps_them() {
        let time = rfc3339("2026-03-04T07:49:27.800365688Z").expect("time");
        assert_eq!(time.to_string(), "2026-03-04T07:49:27.800365Z");
        assert_eq!(second(time).to_string(), "2026-03-04T07:49:27Z");
        assert_eq!(rfc3339("2026-03-04T08:49:27+01:00"), rfc3339("2026-03-04T07:49:27Z"));
        assert_eq!(epoch_millis("1772610591200").map(|t| t.to_string()).as_deref(), Some("2026-03-04T07:49:51.2Z"));
        assert_eq!(rfc3339("yesterday"), None);
        assert_eq!(rfc3339("infinity"), None);
        let before = rfc3339("1969-12-31T23:59:59.5Z").expect("time");
        assert_eq!(second(before).to_string(), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn a_time_out_of_range_becomes_the_nearest_one() {
        let (earliest, latest) = ("0001-01-01T00:00:00Z", "9999-12-30T22:00:00Z");
        assert_eq!((EARLIEST.to_string().as_str(), LATEST.to_string().as_str()), (earliest, latest));
        for (text, expected) in [
            (earliest, earliest),
            (latest, latest),
            ("9999-12-30T22:00:00.5Z", latest),
            ("9999-12-31T23:59:59.9999999Z", latest),
            ("9999-12-31T23:59:59-12:00", latest),
            ("9999-12-30T21:59:59.999999Z", "9999-12-30T21:59:59.999999Z"),
            ("0000-12-31T23:59:59Z", earliest),
            ("0001-01-01T00:00:00+14:00", earliest),
            ("-009999-01-01T00:00:00Z", earliest),
            ("-000044-03-15T12:00:00Z", earliest),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(text).map(|time| time.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "9999-12-31",
            "9999-12-31T23:59:59",
            "10000-01-01T00:00:00Z",
            "+010000-01-01T00:00:00Z",
            "9999-13-01T00:00:00Z",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
        assert_eq!(bounded_micros(i64::MAX), LATEST.as_microsecond());
    }
}
