//! Reads the headers of GitLab's rate limit. Pure.
//!
//! Sources: docs.gitlab.com `administration/settings/user_and_ip_rate_limits`, and gitlab-org/gitlab#365728: a 429 of
//! gitlab.com may have none of these headers.

use std::time::Duration;

use jiff::Timestamp;

/// The wait that a header `Retry-After` requires: seconds, or an HTTP date.
pub(super) fn retry_after(value: Option<&str>, now: Timestamp) -> Option<Duration> {
    let value = value?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // The only time zone of HTTP dates is GMT.
    let date = value.strip_suffix("GMT").map_or_else(|| value.to_owned(), |date| format!("{date}+0000"));
    let at = jiff::fmt::rfc2822::parse(&date).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

/// The wait until the rate limit is reset, when `RateLimit-Remaining` is 0. `RateLimit-Reset` is a time in seconds
/// since 1970.
pub(super) fn reset(remaining: Option<&str>, reset: Option<&str>, now: Timestamp) -> Option<Duration> {
    let remaining: u64 = remaining?.trim().parse().ok()?;
    let at = Timestamp::from_second(reset?.trim().parse().ok()?).ok()?;
    (remaining == 0).then(|| Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-10T10:00:00Z".parse().expect("time")
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (value, expected) in [
            ("0", Some(0)),
            (" 30 ", Some(30)),
            ("Tue, 10 Mar 2026 10:01:00 GMT", Some(60)),
            ("Tue, 10 Mar 2026 09:01:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(retry_after(Some(value), now()), expected.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(None, now()), None);
    }

    #[test]
    fn the_reset_counts_when_nothing_is_left() {
        let at = (now().as_second() + 45).to_string();
        assert_eq!(reset(Some("0"), Some(&at), now()), Some(Duration::from_secs(45)));
        assert_eq!(reset(Some("1"), Some(&at), now()), None);
        assert_eq!(reset(None, Some(&at), now()), None);
        assert_eq!(reset(Some("0"), Some("x"), now()), None);
        assert_eq!(reset(Some("0"), Some("1"), now()), Some(Duration::ZERO));
    }
}
