//! CloudFormation's YAML as JSON: short forms (`!Ref X`) in their long form (`{"Ref": "X"}`), anchors resolved.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// Reads a template.
pub fn read(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap();
    assert_eq!(documents.len(), 1, "one document");
    value(&documents[0])
}

fn value(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(truth)) => json!(truth),
        Yaml::Value(Scalar::Integer(number)) => json!(number),
        Yaml::Value(Scalar::FloatingPoint(number)) => json!(number.into_inner()),
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Sequence(items) => items.iter().map(value).collect(),
        Yaml::Mapping(members) => {
            let members = members.iter().map(|(key, member)| match value(key) {
                Value::String(key) => (key, value(member)),
                key => (key.to_string(), value(member)),
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        Yaml::Tagged(tag, inner) => {
            let name = match tag.suffix.as_str() {
                name @ ("Ref" | "Condition") => name.to_owned(),
                name => format!("Fn::{name}"),
            };
            json!({ name: value(inner) })
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => panic!("not resolved: {yaml:?}"),
    }
}

#[test]
fn short_forms_and_anchors_are_resolved() {
    let read =
        read("a: &x !If [c, !Ref P, !Sub \"${A}-b\"]\nb: *x\nc: {d: !GetAtt Q.Arn, e: 30, f: \"30\", g: true}\nh:\n");
    let long = json!({"Fn::If": ["c", {"Ref": "P"}, {"Fn::Sub": "${A}-b"}]});
    let rest = json!({"d": {"Fn::GetAtt": "Q.Arn"}, "e": 30, "f": "30", "g": true});
    assert_eq!(read, json!({"a": long, "b": long, "c": rest, "h": null}));
}
