//! The version of the schema that a document declares (kcidb-io `schema/abstract.py`, `schema/v01_01.py`).

use serde_json::Value;

use crate::transport::{Head, Rejection};

/// A version of the schema of KCIDB submissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    V1_1,
    V2_0,
    V3_0,
    V4_0,
    V4_1,
    V4_2,
    V4_3,
    V4_4,
    V4_5,
    V5_0,
    V5_1,
    V5_2,
    V5_3,
}

use Version::{V1_1, V2_0, V3_0, V4_0, V4_1, V4_2, V4_3, V4_4, V4_5, V5_0, V5_1, V5_2, V5_3};

const NUMBERS: &[(i64, i64, Version)] = &[
    (1, 1, V1_1),
    (2, 0, V2_0),
    (3, 0, V3_0),
    (4, 0, V4_0),
    (4, 1, V4_1),
    (4, 2, V4_2),
    (4, 3, V4_3),
    (4, 4, V4_4),
    (4, 5, V4_5),
    (5, 0, V5_0),
    (5, 1, V5_1),
    (5, 2, V5_2),
    (5, 3, V5_3),
];

impl Version {
    /// The version that all others are upgraded to.
    pub(super) const NEWEST: Self = V5_3;

    /// The version in the member `version`.
    pub(super) fn read(head: &Head<'_>) -> Result<Self, Rejection> {
        let raw = head.get("version").ok_or_else(|| rejection("missing"))?;
        let value: Value = serde_json::from_str(raw.get()).map_err(|error| rejection(&error.to_string()))?;
        Self::of(&value).ok_or_else(|| rejection("not one of 1.1 to 5.3, as {\"major\": 5, \"minor\": 3}"))
    }

    fn of(value: &Value) -> Option<Self> {
        let numbers = match value {
            // In Python, `$` matches before a final line feed.
            Value::String(text) => return (text.strip_suffix('\n').unwrap_or(text) == "1").then_some(V1_1),
            Value::Object(numbers) => numbers,
            _ => return None,
        };
        if numbers.keys().any(|key| key != "major" && key != "minor") {
            return None;
        }
        let (major, minor) = (numbers.get("major")?, numbers.get("minor"));
        match (major.as_i64(), minor.map_or(Some(0), Value::as_i64)) {
            (Some(major), Some(minor)) => {
                NUMBERS.iter().find(|(a, b, _)| (*a, *b) == (major, minor)).map(|(.., version)| *version)
            }
            // To JSON Schema, 5.0 is an integer as well as 5. Python does not treat it as one, and reads the newest
            // version.
            _ => {
                let fits = major.as_f64() == Some(5.0)
                    && minor.is_none_or(|minor| minor.as_f64().is_some_and(|n| [0.0, 1.0, 2.0, 3.0].contains(&n)));
                fits.then_some(V5_3)
            }
        }
    }
}

fn rejection(what: &str) -> Rejection {
    Rejection::new("kcidb-schema", format!("version: {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_exact_versions_are_known() {
        for (value, version) in [
            (json!("1"), Some(V1_1)),
            (json!("1\n"), Some(V1_1)),
            (json!("1.0"), None),
            (json!("1.1"), None),
            (json!("5.3"), None),
            (json!({"major": 1, "minor": 1}), Some(V1_1)),
            (json!({"major": 1}), None),
            (json!({"major": 2}), Some(V2_0)),
            (json!({"major": 4}), Some(V4_0)),
            (json!({"major": 4, "minor": 6}), None),
            (json!({"major": 5, "minor": 3}), Some(V5_3)),
            (json!({"major": 5, "minor": 4}), None),
            (json!({"major": 5, "minor": -1}), None),
            (json!({"major": 5, "minor": null}), None),
            (json!({"major": 5.0}), Some(V5_3)),
            (json!({"major": 5.0, "minor": 0.0}), Some(V5_3)),
            (json!({"major": 5, "minor": 2.0}), Some(V5_3)),
            (json!({"major": 4.0, "minor": 5}), None),
            (json!({"major": true, "minor": 1}), None),
            (json!({"minor": 3}), None),
            (json!({"major": 5, "minor": 3, "patch": 1}), None),
            (json!(null), None),
            (json!([5, 3]), None),
        ] {
            assert_eq!(Version::of(&value), version, "{value}");
        }
    }
}
