//! Reads message attributes in all forms that transports give them.

use serde_json::Value;
use serde_json::value::RawValue;

use super::Attributes;
use std::collections::BTreeMap;

/// Reads attributes of the forms `{Type,Value}` (SNS), `{dataType,stringValue}` (Lambda's SQS event),
/// `{DataType,StringValue}` (boto, the SQS API) and plain strings, numbers or booleans. A value of another form is left
/// out: an attribute is a hint, never a reason to reject a message.
pub(super) fn read(raw: &RawValue) -> Attributes {
    let Ok(Value::Object(members)) = serde_json::from_str(raw.get()) else {
        return Attributes::new();
    };
    BTreeMap::from_iter(members.into_iter().filter_map(|(name, value)| Some((name, text(value)?))))
}

/// The text of one attribute's value.
fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Object(mut members) => ["Value", "stringValue", "StringValue", "binaryValue", "BinaryValue"]
            .iter()
            .find_map(|key| members.remove(*key).filter(Value::is_string))
            .and_then(text),
        Value::Null | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_gives_the_same() {
        let raw = r#"{"a":{"Type":"String","Value":"1"},
            "b":{"dataType":"String","stringValue":"1","stringListValues":[]},
            "c":{"DataType":"String","StringValue":"1"},"d":"1","e":1,"f":null,"g":{"x":1}}"#;
        let raw: &RawValue = serde_json::from_str(raw).expect("JSON");
        let read: Vec<_> = read(raw).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(read, ["a=1", "b=1", "c=1", "d=1", "e=1"]);
    }
}
