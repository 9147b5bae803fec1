//! Parses the times of KCIDB documents: RFC 3339, as strictly as the validator of kcidb-io.

/// Microseconds since 1970 of a time with its offset; `None` if the text is not valid.
///
/// Digits beyond microseconds are rounded as PostgreSQL rounds them. Second 60 and the year 0 are not valid. A final
/// line feed is accepted, as the regular expressions of Python do.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let bytes = text.as_bytes();
    let (whole, rest) = bytes.split_at_checked(19)?;
    let number = |range: std::ops::Range<usize>| digits(&whole[range]);
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let separators = whole[4] == b'-'
        && whole[7] == b'-'
        && matches!(whole[10], b'T' | b't')
        && whole[13] == b':'
        && whole[16] == b':';
    let in_range = year > 0 && (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    if !separators || !in_range || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let (fraction, zone) = match rest.split_first()? {
        (b'.', rest) => {
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (micros(&rest[..length])?, &rest[length..])
        }
        _ => (0, rest),
    };
    let seconds = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some((seconds - offset(zone)?) * 1_000_000 + fraction)
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

fn micros(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    if digits.len() <= 6 {
        let number = self::digits(digits)?;
        return Some(number * 10_i64.pow(6 - u32::try_from(digits.len()).ok()?));
    }
    let fraction: f64 = format!("0.{}", std::str::from_utf8(digits).ok()?).parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "at most 1,000,000")]
    Some((fraction * 1e6).round_ties_even() as i64)
}

/// Seconds east of Greenwich.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let seconds = (hours * 60 + minutes) * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 in the Gregorian calendar. Years begin in March, so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn times_of_the_validator_are_accepted() {
        for (text, expected) in [
            ("2020-08-14T23:08:06Z", "2020-08-14T23:08:06Z"),
            ("2020-08-14t23:08:06.5z", "2020-08-14T23:08:06.5Z"),
            ("2020-08-14T23:08:06.967000+00:00", "2020-08-14T23:08:06.967Z"),
            ("2020-08-14T23:08:06.9670001234567Z", "2020-08-14T23:08:06.967Z"),
            ("2020-08-14T23:08:06.9999999Z", "2020-08-14T23:08:07Z"),
            ("2020-02-29T00:00:00-00:00", "2020-02-29T00:00:00Z"),
            ("2020-03-01T00:30:00+23:59", "2020-02-29T00:31:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("1969-12-31T23:59:59.000001Z", "1969-12-31T23:59:59.000001Z"),
            ("2020-08-14T23:08:06Z\n", "2020-08-14T23:08:06Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(parse(text), Some(expected.as_microsecond()), "{text}");
        }
        // Beyond the range of stored times: the reader clamps it.
        assert_eq!(parse("9999-12-31T23:59:59Z"), Some(253_402_300_799_000_000));
    }

    #[test]
    fn times_that_the_validator_rejects_are_none() {
        for text in [
            "",
            "now",
            "infinity",
            "2020-08-14",
            "2020-08-14T23:08Z",
            "2020-08-14T23:08:06",
            "2020-08-14 23:08:06Z",
            "2020-08-14T23:08:60Z",
            "2016-12-31T23:59:60Z",
            "2020-02-30T00:00:00Z",
            "2021-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2020-08-14T24:00:00Z",
            "0000-01-01T00:00:00Z",
            "20200814T230806Z",
            "2020-08-14T23:08:06.Z",
            "2020-08-14T23:08:06+25:00",
            "2020-08-14T23:08:06+0000",
            "2020-08-14T23:08:06+00",
            "2020-13-14T23:08:06Z",
            "2020-00-14T23:08:06Z",
            "2020-08-14T23:08:06Zx",
            "２020-08-14T23:08:06Z",
            "2020-08-14T23:08:06\u{e9}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
