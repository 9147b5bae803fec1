//! Time formats of GitLab: five, depending on the age and kind of the sender.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::transport::field::Name;
use crate::transport::lenient;
use crate::transport::time::rfc3339;

/// Reads `2025-08-05 21:48:27 UTC` (webhooks), RFC 3339 (documentation, system hooks, API, commits),
/// `2024-05-06 05:34:38 -0500`, and times without a zone as UTC. `None` for anything else.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let end = rest.find(['Z', 'z', '+', '-', ' ', 'U']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(end);
    let zone = match zone.trim() {
        "" | "Z" | "z" | "UTC" => "Z".to_owned(),
        zone if zone.len() == 5 => format!("{}:{}", &zone.get(..3)?, &zone.get(3..)?),
        zone => zone.to_owned(),
    };
    rfc3339(&format!("{date}T{time}{zone}"))
}

/// For `#[serde(deserialize_with)]`: `null`, `""` and the text `None` of some senders are `None`.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<Name<'de>>::deserialize(deserializer)? else { return Ok(None) };
    match text.as_str().trim() {
        "" | "None" => Ok(None),
        text => read(text).map(Some).ok_or_else(|| serde::de::Error::custom("expected a time such as GitLab writes")),
    }
}

/// The same for an optional time: `None`, and counted, if it is invalid. The date of a commit can be anything, because
/// its author sets it.
pub(super) fn detail<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    lenient::or_none(deserializer, optional)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_read() {
        for (text, expected) in [
            ("2025-08-05 21:48:27 UTC", "2025-08-05T21:48:27Z"),
            ("2013-12-03T17:23:34Z", "2013-12-03T17:23:34Z"),
            ("2017-09-28T12:23:42.365Z", "2017-09-28T12:23:42.365Z"),
            ("2021-09-27T05:01:20+00:00", "2021-09-27T05:01:20Z"),
            ("2017-12-10T08:28:36-08:00", "2017-12-10T16:28:36Z"),
            ("2024-05-06 05:34:38 -0500", "2024-05-06T10:34:38Z"),
            ("2024-05-06 05:34:38", "2024-05-06T05:34:38Z"),
            ("2024-05-06 05:34:38.123456789 UTC", "2024-05-06T05:34:38.123456Z"),
            ("9999-12-31 23:59:59 UTC", "9999-12-30T22:00:00Z"),
            ("0000-01-01 00:00:00 UTC", "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(read(text).map(|time| time.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "None", "yesterday", "2024-05-06", "2024-13-06 05:34:38 UTC", "5 May 2024 at noon"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
