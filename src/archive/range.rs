//! Decides which keys of an archive belong to a time range. Pure.
//!
//! Keys contain the time at which they were archived: `sns/YYYY/MM/DD/HH/MM/..` where each message has its own object,
//! and at least `YYYY/MM/DD/HH` in objects of Firehose. Keys therefore sort by time, and a time range is a range of
//! keys.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The longest time for which Firehose buffers messages (`BufferingHints`). It writes them under the time of the first
/// one, so an object may contain messages that are this much later than its key.
const GATHERED: SignedDuration = SignedDuration::from_mins(15);

/// A range of keys: a prefix and a time range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Keys begin with this.
    pub prefix: String,
    /// Messages of this time or later; compared in whole minutes.
    pub from: Option<Timestamp>,
    /// Messages before this time; compared in whole minutes.
    pub to: Option<Timestamp>,
}

/// The position of a key relative to a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// In the range.
    In,
    /// Not in it, but a later key may be.
    Out,
    /// After the range, like all keys that follow.
    After,
}

impl Range {
    /// The key after which the listing begins; empty to list from the first key. `cursor` is the last key that is done.
    pub(super) fn start_after(&self, cursor: Option<&str>) -> String {
        let from = self.from.and_then(|from| from.checked_sub(GATHERED).ok());
        let start = from.map(|from| {
            let hour = TimeZone::UTC.to_datetime(from).strftime("%Y/%m/%d/%H/").to_string();
            format!("{}{hour}", self.root())
        });
        start.into_iter().chain(cursor.map(str::to_owned)).max().unwrap_or_default()
    }

    /// The prefix without the part of it that is a time: `sns/` of `sns/2026/03/`.
    fn root(&self) -> &str {
        let is_year = |part: &&str| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_digit());
        let at = self.prefix.split_inclusive('/').take_while(|part| !is_year(&part.trim_end_matches('/')));
        let length: usize = at.map(str::len).sum();
        // The part after the last slash is the beginning of a name.
        let whole = self.prefix[..length].rfind('/').map_or(0, |slash| slash + 1);
        &self.prefix[..whole]
    }

    /// The position of a key. Without bounds every key is in the range; with a bound, a key without a time is not.
    pub(super) fn position(&self, key: &str) -> Position {
        if self.from.is_none() && self.to.is_none() {
            return Position::In;
        }
        let Some(span) = Span::of(key.strip_prefix(self.root()).unwrap_or(key)) else { return Position::Out };
        let after = |margin: SignedDuration| {
            let end = self.to.and_then(|to| to.checked_add(margin).ok());
            end.is_some_and(|end| span.first >= end)
        };
        // Where an archive has keys with and without minutes, those of a whole hour sort after those of its minutes.
        if after(SignedDuration::from_hours(1)) {
            return Position::After;
        }
        let before = self.from.is_some_and(|from| span.last <= from);
        if before || after(SignedDuration::ZERO) { Position::Out } else { Position::In }
    }
}

/// The times that the messages of an object may have.
struct Span {
    first: Timestamp,
    /// All messages are before this time.
    last: Timestamp,
}

impl Span {
    /// Reads a key without its root. `None` when the key contains no time.
    fn of(key: &str) -> Option<Self> {
        let mut parts = key.split('/');
        let mut number = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            part.parse::<i16>().ok()
        };
        let small = |number: i16| i8::try_from(number).ok();
        let date = Date::new(number(4)?, small(number(2)?)?, small(number(2)?)?).ok()?;
        let hour = number(2)?;
        let minute = number(2);
        let start = date.at(small(hour)?, small(minute.unwrap_or(0))?, 0, 0);
        let first = TimeZone::UTC.to_timestamp(start).ok()?;
        let unit = SignedDuration::from_mins(if minute.is_some() { 1 } else { 60 });
        // Objects of the archiver hold one message each, and their names begin with its time.
        let name = key.rsplit('/').next().unwrap_or_default();
        let is_alone = name.split_once('#').is_some_and(|(time, _)| time.parse::<Timestamp>().is_ok());
        let gathered = if is_alone { SignedDuration::ZERO } else { GATHERED };
        Some(Self { first, last: first.checked_add(unit + gathered).ok()? })
    }
}

/// The time at which the message of an object was sent, if the key contains it:
/// `../2026-03-11T10:00:00.123Z#abc12345::...json.gz`.
pub(super) fn sent_at(key: &str) -> Option<Timestamp> {
    key.rsplit('/').next()?.split_once('#')?.0.parse().ok()
}

/// Parses a time: `2026-03-11T10:00:00Z`, `2026-03-11T10:00` or `2026-03-11`; UTC without a time zone.
///
/// # Errors
/// When it has none of these forms; the text names the expected form.
pub fn time(text: &str) -> Result<Timestamp, String> {
    let whole = text.parse::<Timestamp>().ok();
    let local = || text.parse::<DateTime>().ok().and_then(|time| TimeZone::UTC.to_timestamp(time).ok());
    whole.or_else(local).ok_or_else(|| format!("{text:?} is not a time such as 2026-03-11 or 2026-03-11T10:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(prefix: &str, from: &str, to: &str) -> Range {
        let read = |text: &str| (!text.is_empty()).then(|| time(text).expect(text));
        Range { prefix: prefix.to_owned(), from: read(from), to: read(to) }
    }

    fn alone(minute: &str) -> String {
        format!(
            "sns/2026/03/11/{minute}/2026-03-11T{}:59.999Z#abc::k::PipelineRun::n.json.gz",
            minute.replace('/', ":")
        )
    }

    #[test]
    fn a_time_range_is_a_range_of_keys() {
        let range = range("sns/", "2026-03-11T10:00", "2026-03-11T11:00:00Z");
        for (key, position) in [
            (alone("09/59"), Position::Out),
            (alone("10/00"), Position::In),
            (alone("10/59"), Position::In),
            (alone("11/00"), Position::Out),
            (alone("12/00"), Position::After),
            // Objects of Firehose reach 15 minutes further.
            ("sns/2026/03/11/09/44/stream-1".to_owned(), Position::Out),
            ("sns/2026/03/11/09/46/stream-1".to_owned(), Position::In),
            ("sns/2026/03/11/09/stream-1".to_owned(), Position::In),
            ("sns/2026/03/11/10/stream-1".to_owned(), Position::In),
            ("sns/2026/03/11/11/stream-1".to_owned(), Position::Out),
            ("sns/2026/03/11/08/stream-1".to_owned(), Position::Out),
            ("sns/readme.json".to_owned(), Position::Out),
            ("sns/2026/13/11/08/stream-1".to_owned(), Position::Out),
        ] {
            assert_eq!(range.position(&key), position, "{key}");
        }
        assert_eq!(Range::default().position("anything"), Position::In);
    }

    #[test]
    fn adjacent_ranges_share_no_object_of_one_message() {
        let (one, other) = (range("sns/", "", "2026-03-11T10:30"), range("sns/", "2026-03-11T10:30", ""));
        for minute in 0..60 {
            let key = alone(&format!("10/{minute:02}"));
            let found = [one.position(&key), other.position(&key)];
            assert_eq!(found.iter().filter(|position| **position == Position::In).count(), 1, "{key}: {found:?}");
        }
    }

    #[test]
    fn the_listing_begins_at_the_first_key_that_may_be_in_the_range() {
        let start = |prefix: &str, cursor| range(prefix, "2026-03-11T10:10", "").start_after(cursor);
        assert_eq!(start("sns/", None), "sns/2026/03/11/09/");
        assert_eq!(start("a/sns/2026/03/", None), "a/sns/2026/03/11/09/");
        assert_eq!(start("sns/", Some("sns/2026/03/11/12/x")), "sns/2026/03/11/12/x");
        assert_eq!(start("sns/", Some("sns/2026/03/10")), "sns/2026/03/11/09/");
        assert_eq!(start("", None), "2026/03/11/09/");
        assert_eq!(range("sns/", "", "").start_after(None), "");
    }

    #[test]
    fn times_are_read_in_all_forms() {
        for text in ["2026-03-11T00:00:00Z", "2026-03-11T01:00:00+01:00", "2026-03-11T00:00", "2026-03-11"] {
            assert_eq!(time(text).expect(text).to_string(), "2026-03-11T00:00:00Z");
        }
        assert!(time("yesterday").is_err() && time("2026-03").is_err());
    }

    #[test]
    fn the_time_of_the_message_is_read_from_the_name() {
        assert_eq!(sent_at(&alone("10/00")).map(|at| at.to_string()).as_deref(), Some("2026-03-11T10:00:59.999Z"));
        assert_eq!(sent_at("sns/2026/03/11/10/stream-1"), None);
    }
}
