//! Messages at every extreme that `decode` accepts: each fixture in rounds, with each of its values at another extreme
//! of its kind.

use hummingbird_status::ingest;
use hummingbird_status::sources::{Settings, Source};
use hummingbird_status::transport::{Attributes, Delivery, Limits, Unwrapped, unwrap};
use serde_json::{Value, json};

use crate::support::files;

/// Rounds over each fixture.
const ROUNDS: usize = 6;
/// A fixture that is larger says nothing that a smaller one does not.
const LARGEST: usize = 24_000;

/// Texts that stand for JSON that a tree does not hold.
const RAW: &[(&str, &str)] = &[
    ("@@large@@", "1e400"),
    ("@@long@@", "123456789012345678901234567890"),
    ("@@half@@", "\"a\\ud800b\""),
    (
        "@@deep@@",
        "{\"deep\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
    ),
];

fn times() -> Vec<Value> {
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "0000-01-01T00:00:00Z",
        "-000044-03-15T12:00:00Z",
        "-009999-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999999Z",
        "2016-12-31T23:59:60Z",
        "9999-12-30T21:59:59.999999Z",
        "9999-12-30T22:00:00.5Z",
        "9999-12-31T00:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:59-12:00",
        "9999-12-31 23:59:59 UTC",
        "0000-00-00 00:00:00 UTC",
        "10000-01-01T00:00:00Z",
        "+010000-01-01T00:00:00Z",
        "infinity",
        "-infinity",
    ]
    .map(Value::from)
    .to_vec()
}

fn numbers() -> Vec<Value> {
    let whole =
        [0, -1, 1 << 31, (1 << 31) - 1, -(1 << 31), 1 << 53, i64::MAX, i64::MIN, 253_402_300_800, -62_135_596_801];
    let real = [1e308, -1e308, 5e-324, 0.1, 1e18];
    let mut numbers: Vec<Value> = whole.into_iter().map(Value::from).chain(real.map(Value::from)).collect();
    numbers.extend([json!(u64::MAX), json!("@@large@@"), json!("@@long@@"), json!("12"), Value::Null]);
    numbers
}

fn texts() -> Vec<Value> {
    // No algorithm packs it, so that an index cannot hold it.
    let mut state = 1_u64;
    let noise: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + (state >> 57) as u8 % 90)
    })
    .take(6_000)
    .collect();
    let texts = [
        "",
        " ",
        "\0",
        "a\u{0}b",
        "\u{fffe}",
        "x\u{ffff}y",
        "\u{1fffe}\u{10ffff}\u{fdd0}",
        "\u{80}\u{85}\u{9f}\u{7f}",
        "\u{1}\u{b}\u{c}\u{1b}[31m\u{7}",
        "\u{202e}\u{2028}\u{feff}\u{200d}",
        "]]><!--&amp;<script>\"'",
        "\r\n\t",
        "🏳️‍🌈é\u{301}日本",
        "javascript:alert(1)",
        "../..//%2e?#",
        "NaN",
        "null",
        "{pages}",
    ];
    let mut texts: Vec<Value> = texts.map(Value::from).to_vec();
    texts.extend([300, 1_024, 1_025, 70_000].map(|length| Value::from("ä".repeat(length / 2))));
    texts.extend([json!(noise), json!("@@half@@"), Value::Null, json!(7), json!([]), json!({})]);
    texts
}

fn others() -> Vec<Value> {
    vec![Value::Null, json!("x"), json!(-1), json!([]), json!({}), json!(true), json!("@@deep@@"), json!("@@large@@")]
}

/// A fixture, out of what carries it.
struct Fixture {
    name: String,
    source: Source,
    attributes: Attributes,
    payload: Value,
}

fn fixtures() -> Vec<Fixture> {
    let mut fixtures = Vec::new();
    for source in Source::ALL {
        for (name, body) in
            files(&format!("events/{source}"), ".json").into_iter().filter(|(_, body)| body.len() < LARGEST)
        {
            let delivery = Delivery { id: name.clone(), body, ..Delivery::default() };
            unwrap(&delivery, Limits::default(), &mut |part| {
                if let Unwrapped::Message(message) = part
                    && let Ok(payload) = serde_json::from_str(message.payload)
                {
                    let attributes = message.attributes.clone().into_owned();
                    fixtures.push(Fixture { name: format!("{source}/{name}"), source: *source, attributes, payload });
                }
            });
        }
    }
    fixtures
}

/// Each round is about things of its own, or only the newest would be there to be looked at.
fn renamed(fixture: &Fixture, round: usize) -> Value {
    let suffix = format!("-x{round}");
    let number = (round as i64 + 1) * 1_000_000;
    fn walk(value: &mut Value, parent: &str, change: &impl Fn(&str, &str, &mut Value)) {
        match value {
            Value::Object(members) => {
                for (name, value) in members.iter_mut() {
                    change(parent, name, value);
                    walk(value, name, change);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, parent, change)),
            _ => {}
        }
    }
    let add = |value: &mut Value, suffix: &str| {
        if let Value::String(text) = value {
            text.push_str(suffix);
        }
    };
    let mut payload = fixture.payload.clone();
    walk(&mut payload, "", &|parent, name, value| match (fixture.source, parent, name) {
        (Source::Konflux, "metadata", "name" | "uid")
        | (Source::Bots, "", "name")
        | (Source::Buildkite, "build", "uuid" | "id") => {
            add(value, &suffix);
        }
        (Source::Gitlab, _, "iid") | (Source::Travis, _, "id") => {
            if let Some(id) = value.as_i64() {
                *value = json!(id + number);
            }
        }
        (Source::Gitlab, "", "after" | "checkout_sha") => add(value, &suffix),
        (Source::Kcidb, _, "id" | "checkout_id" | "build_id" | "test_id" | "issue_id") => add(value, &suffix),
        _ => {}
    });
    payload
}

/// Where values are, as pointers.
fn places(value: &Value, place: &str, found: &mut Vec<String>) {
    let escape = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| places(value, &format!("{place}/{}", escape(name)), found))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| places(value, &format!("{place}/{index}"), found))
        }
        _ => {}
    }
    if !place.is_empty() {
        found.push(place.to_owned());
    }
}

fn delivery(fixture: &Fixture, round: usize, payload: &Value) -> Delivery {
    let text = RAW.iter().fold(payload.to_string(), |text, (word, raw)| text.replace(&format!("\"{word}\""), raw));
    let sent_at = jiff::Timestamp::from_second(1_773_136_800 + round as i64).ok();
    Delivery {
        id: format!("{}#{round}", fixture.name),
        body: text.into_bytes(),
        attributes: fixture.attributes.clone(),
        sent_at,
        ..Delivery::default()
    }
}

fn is_accepted(fixture: &Fixture, round: usize, payload: &Value, settings: &Settings) -> bool {
    let batch = ingest::read(&[delivery(fixture, round, payload)], settings);
    batch.refused.is_empty() && !batch.records.is_empty()
}

/// Puts as many of the changes into a payload as are accepted together.
fn put(fixture: &Fixture, round: usize, payload: &mut Value, changes: &[(String, Value)], settings: &Settings) {
    let mut changed = payload.clone();
    for (place, value) in changes {
        if let Some(there) = changed.pointer_mut(place) {
            *there = value.clone();
        }
    }
    if is_accepted(fixture, round, &changed, settings) {
        *payload = changed;
    } else if changes.len() > 1 {
        let (left, right) = changes.split_at(changes.len() / 2);
        put(fixture, round, payload, left, settings);
        put(fixture, round, payload, right, settings);
    }
}

/// All messages.
pub(super) fn messages() -> Vec<Delivery> {
    let settings = Settings { gitlab: hummingbird_status::sources::gitlab::Settings::default(), ..Settings::default() };
    let (times, numbers, texts, others) = (times(), numbers(), texts(), others());
    let mut messages = Vec::new();
    for fixture in &fixtures() {
        for round in 0..ROUNDS {
            let mut payload = renamed(fixture, round);
            if !is_accepted(fixture, round, &payload, &settings) {
                continue;
            }
            let mut found = Vec::new();
            places(&payload, "", &mut found);
            let changes = found.into_iter().enumerate().map(|(number, place)| {
                let value = payload.pointer(&place).unwrap_or(&Value::Null);
                let extremes = match value {
                    Value::String(text)
                        if text.len() >= 19 && text.as_bytes()[4] == b'-' && text.as_bytes()[13] == b':' =>
                    {
                        &times
                    }
                    Value::String(_) => &texts,
                    Value::Number(_) => &numbers,
                    // Whole objects go in one round of two only, or nothing would be left in them.
                    Value::Object(_) | Value::Array(_) if round % 2 == 0 => return (place.clone(), value.clone()),
                    _ => &others,
                };
                // Each value meets each extreme after enough rounds, and its neighbours others.
                (place.clone(), extremes[(round + number * 7) % extremes.len()].clone())
            });
            let changes: Vec<(String, Value)> = changes.collect();
            put(fixture, round, &mut payload, &changes, &settings);
            messages.push(delivery(fixture, round, &payload));
        }
    }
    messages
}
