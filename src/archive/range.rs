//! Which keys of an archive belong to a span of time. Pure.
//!
//! Keys hold the time at which they were archived: `sns/YYYY/MM/DD/HH/MM/..` where each message has an object, and
//! whatever a prefix of Firehose gives, down to the hour at least. So their order is that of time, and a span of time is
//! a span of keys.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A delivery stream gathers messages for so long at most before it writes them under the time of the first one
/// (Firehose, `BufferingHints`), so an object may reach that far into the time after its key.
const GATHERED: SignedDuration = SignedDuration::from_mins(15);

/// A span of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// What keys begin with.
    pub prefix: String,
    /// Of this time or later; whole minutes count.
    pub from: Option<Timestamp>,
    /// Before this time; whole minutes count.
    pub to: Option<Timestamp>,
}

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the range.
    In,
    /// Not in it, but a later key may be.
    Out,
    /// Behind it, as all that follow.
    Behind,
}

impl Range {
    /// The key after which the listing begins: empty for the first one. `cursor` is what was done with already.
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
        // What is behind the last slash is the beginning of a name.
        let whole = self.prefix[..length].rfind('/').map_or(0, |slash| slash + 1);
        &self.prefix[..whole]
    }

    /// Where a key is. Without bounds every key is in; with one, a key without a time is out.
    pub(super) fn place(&self, key: &str) -> Place {
        if self.from.is_none() && self.to.is_none() {
            return Place::In;
        }
        let Some(span) = Span::of(key.strip_prefix(self.root()).unwrap_or(key)) else { return Place::Out };
        let after = |margin: SignedDuration| {
            let end = self.to.and_then(|to| to.checked_add(margin).ok());
            end.is_some_and(|end| span.first >= end)
        };
        // Where both have written, objects of a whole hour lie behind those of its minutes.
        if after(SignedDuration::from_hours(1)) {
            return Place::Behind;
        }
        let before = self.from.is_some_and(|from| span.last <= from);
        if before || after(SignedDuration::ZERO) { Place::Out } else { Place::In }
    }
}

/// The time that a key stands for.
struct Span {
    first: Timestamp,
    /// No message in it is of this time or later.
    last: Timestamp,
}

impl Span {
    /// Of a key without its root. `None` when there is no time in it.
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
        // The archiver's own names begin with the time of their one message.
        let name = key.rsplit('/').next().unwrap_or_default();
        let is_alone = name.split_once('#').is_some_and(|(time, _)| time.parse::<Timestamp>().is_ok());
        let gathered = if is_alone { SignedDuration::ZERO } else { GATHERED };
        Some(Self { first, last: first.checked_add(unit + gathered).ok()? })
    }
}

/// When the message of a key was sent, where the key says so: `../2026-03-11T10:00:00.123Z#abc12345::...json.gz`.
pub(super) fn sent_at(key: &str) -> Option<Timestamp> {
    key.rsplit('/').next()?.split_once('#')?.0.parse().ok()
}

/// A time as people write it: `2026-03-11T10:00:00Z`, `2026-03-11T10:00`, `2026-03-11`; of UTC if it does not say.
///
/// # Errors
/// When it is none of these; the text says what is expected.
pub fn time(text: &str) -> Result<Timestamp, String> {
    let whole = text.parse::<Timestamp>().ok();
    let local = || text.parse::<DateTime>().ok().and_then(|time| TimeZone::UTC.to_timestamp(time).ok());
    whole.or_else(local).ok_or_else(|| format!("{text:?} is no time such as 2026-03-11 or 2026-03-11T10:00:00Z"))
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
    fn spans_of_time_are_spans_of_keys() {
        let range = range("sns/", "2026-03-11T10:00", "2026-03-11T11:00:00Z");
        for (key, place) in [
            (alone("09/59"), Place::Out),
            (alone("10/00"), Place::In),
            (alone("10/59"), Place::In),
            (alone("11/00"), Place::Out),
            (alone("12/00"), Place::Behind),
            // What was gathered reaches 15 minutes further.
            ("sns/2026/03/11/09/44/stream-1".to_owned(), Place::Out),
            ("sns/2026/03/11/09/46/stream-1".to_owned(), Place::In),
            ("sns/2026/03/11/09/stream-1".to_owned(), Place::In),
            ("sns/2026/03/11/10/stream-1".to_owned(), Place::In),
            ("sns/2026/03/11/11/stream-1".to_owned(), Place::Out),
            ("sns/2026/03/11/08/stream-1".to_owned(), Place::Out),
            ("sns/readme.json".to_owned(), Place::Out),
            ("sns/2026/13/11/08/stream-1".to_owned(), Place::Out),
        ] {
            assert_eq!(range.place(&key), place, "{key}");
        }
        assert_eq!(Range::default().place("anything"), Place::In);
    }

    #[test]
    fn two_spans_that_touch_share_no_message_of_its_own() {
        let (one, other) = (range("sns/", "", "2026-03-11T10:30"), range("sns/", "2026-03-11T10:30", ""));
        for minute in 0..60 {
            let key = alone(&format!("10/{minute:02}"));
            let places = [one.place(&key), other.place(&key)];
            assert_eq!(places.iter().filter(|place| **place == Place::In).count(), 1, "{key}: {places:?}");
        }
    }

    #[test]
    fn the_listing_begins_where_there_may_be_something() {
        let start = |prefix: &str, cursor| range(prefix, "2026-03-11T10:10", "").start_after(cursor);
        assert_eq!(start("sns/", None), "sns/2026/03/11/09/");
        assert_eq!(start("a/sns/2026/03/", None), "a/sns/2026/03/11/09/");
        assert_eq!(start("sns/", Some("sns/2026/03/11/12/x")), "sns/2026/03/11/12/x");
        assert_eq!(start("sns/", Some("sns/2026/03/10")), "sns/2026/03/11/09/");
        assert_eq!(start("", None), "2026/03/11/09/");
        assert_eq!(range("sns/", "", "").start_after(None), "");
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for text in ["2026-03-11T00:00:00Z", "2026-03-11T01:00:00+01:00", "2026-03-11T00:00", "2026-03-11"] {
            assert_eq!(time(text).expect(text).to_string(), "2026-03-11T00:00:00Z");
        }
        assert!(time("yesterday").is_err() && time("2026-03").is_err());
    }

    #[test]
    fn names_tell_when_their_message_was_sent() {
        assert_eq!(sent_at(&alone("10/00")).map(|at| at.to_string()).as_deref(), Some("2026-03-11T10:00:59.999Z"));
        assert_eq!(sent_at("sns/2026/03/11/10/stream-1"), None);
    }
}
