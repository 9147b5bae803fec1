//! Decides which monthly partitions of a table are to be made and dropped. Pure.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// The number of future months that have a partition: maintenance may be missing for this long without consequences.
const AHEAD: i32 = 2;

/// The time before which rows may be deleted.
pub(super) fn cutoff(now: Timestamp, days: i32) -> Timestamp {
    now.saturating_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The first day of the month (UTC) of a time.
pub(super) fn month_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date().first_of_month()
}

/// The months that are kept: from the one of the cutoff to the first one, exclusive, that needs no partition yet.
pub(super) fn kept(now: Timestamp, days: i32) -> (Date, Date) {
    (month_of(cutoff(now, days)), month_of(now).saturating_add((AHEAD + 1).months()))
}

/// The months to be made, oldest first: the current one, those ahead, and older ones whose rows are in another
/// partition.
/// `found` holds months and whether they have a partition.
pub(super) fn to_make(now: Timestamp, found: &[(Date, bool)]) -> Vec<Date> {
    let ahead = (0..=AHEAD).map(|months| month_of(now).saturating_add(months.months()));
    let mut months: Vec<Date> = ahead.chain(found.iter().filter(|(_, made)| !made).map(|(month, _)| *month)).collect();
    months.retain(|month| !found.contains(&(*month, true)));
    months.sort_unstable();
    months.dedup();
    months
}

/// The months that end before the cutoff. Their messages may have arrived later than they were sent, so the caller
/// checks the rows.
pub(super) fn to_drop(now: Timestamp, days: i32, found: &[(Date, bool)]) -> Vec<Date> {
    let (first, _) = kept(now, days);
    found.iter().filter(|(month, made)| *made && *month < first).map(|(month, _)| *month).collect()
}

/// `2026-03`.
pub(super) fn name(month: Date) -> String {
    month.strftime("%Y-%m").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(months: &[Date]) -> Vec<String> {
        months.iter().copied().map(name).collect()
    }

    fn month(text: &str) -> Date {
        format!("{text}-01").parse().expect("month")
    }

    #[test]
    fn months_follow_the_calendar_of_utc() {
        let now: Timestamp = "2026-12-31T23:59:59Z".parse().expect("time");
        assert_eq!(names(&to_make(now, &[])), ["2026-12", "2027-01", "2027-02"]);
        let later: Timestamp = "2027-01-01T00:00:00Z".parse().expect("time");
        let found = [(month("2026-11"), false), (month("2027-01"), true), (month("2027-03"), false)];
        assert_eq!(names(&to_make(later, &found)), ["2026-11", "2027-02", "2027-03"]);
    }

    #[test]
    fn a_month_is_dropped_when_all_of_it_is_old() {
        let found = ["2026-01", "2026-02", "2026-03"].map(|text| (month(text), true));
        let at = |text: &str| names(&to_drop(text.parse().expect("time"), 30, &found));
        assert_eq!(at("2026-03-02T23:59:59Z"), [""; 0]);
        assert_eq!(at("2026-03-03T00:00:00Z"), ["2026-01"]);
        assert_eq!(at("2026-04-30T23:59:59Z"), ["2026-01", "2026-02"]);
        assert_eq!(at("2030-01-01T00:00:00Z"), ["2026-01", "2026-02", "2026-03"]);
        assert_eq!(to_drop("2030-01-01T00:00:00Z".parse().expect("time"), 30, &[(month("2026-01"), false)]), []);
    }
}
