use std::io::Write;

use base64::Engine;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

const OBJECT: &str = r#"{"apiVersion":"tekton.dev/v1","kind":"PipelineRun","metadata":{"name":"a"}}"#;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn base64(data: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(data)
}

/// One line per part: `id | event_type | time | payload`, `ignored: ..` or `rejected: reason`.
fn unfold(body: impl AsRef<[u8]>) -> Vec<String> {
    let delivery = Delivery { id: "d".to_owned(), body: body.as_ref().to_vec(), ..Delivery::default() };
    let mut lines = Vec::new();
    unwrap(&delivery, Limits { decoded_bytes: 10_000, ..Limits::default() }, &mut |part| {
        lines.push(match part {
            Unwrapped::Message(message) => {
                let kind = message.event_type().unwrap_or("-").to_owned();
                let time = message.sent_at.map_or("-".to_owned(), |time| time.to_string());
                format!("{} | {kind} | {time} | {}", message.id, message.payload)
            }
            Unwrapped::Ignored(reason) => format!("ignored: {reason}"),
            Unwrapped::Rejected { id, rejection, .. } => format!("rejected: {id} {}", rejection.reason),
        });
    });
    lines
}

fn sns(message: &str) -> String {
    format!(
        r#"{{"Type":"Notification","MessageId":"m","TopicArn":"t","Message":{message},
        "Timestamp":"2026-03-04T07:49:51.123Z",
        "MessageAttributes":{{"event_type":{{"Type":"String","Value":"ADDED"}}}}}}"#
    )
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text")
}

#[test]
fn encodings_nest() {
    let bare = [format!("d | - | - | {OBJECT}")];
    for body in [
        OBJECT.as_bytes().to_vec(),
        format!("\u{feff} {OBJECT}\n").into_bytes(),
        gzip(OBJECT.as_bytes()),
        base64(&gzip(OBJECT.as_bytes())).into_bytes(),
        base64(OBJECT.as_bytes()).trim_end_matches('=').as_bytes().to_vec(),
        quoted(&quoted(OBJECT)).into_bytes(),
        gzip(base64(&gzip(quoted(OBJECT).as_bytes())).as_bytes()),
    ] {
        assert_eq!(unfold(body), bare);
    }
}

#[test]
fn envelopes_are_removed_and_give_id_time_and_attributes() {
    let message = format!("m | ADDED | 2026-03-04T07:49:51.123Z | {OBJECT}");
    let packed = quoted(&base64(&gzip(OBJECT.as_bytes())));
    for body in [
        sns(OBJECT),
        sns(&quoted(OBJECT)),
        sns(&packed),
        format!(r#"{{"Records":[{{"EventSource":"aws:sns","Sns":{}}}]}}"#, sns(&packed)),
        format!(r#"{{"Records":[{{"messageId":"x","body":{}}}]}}"#, quoted(&sns(&packed))),
        format!(r#"{{"MessageId":"x","ReceiptHandle":"r","Body":{}}}"#, quoted(&sns(&packed))),
    ] {
        assert_eq!(unfold(&body), [message.as_str()], "{body}");
    }
    for (body, expected) in [
        (format!(r#"{{"type":"DELETED","object":{OBJECT}}}"#), format!("d | DELETED | - | {OBJECT}")),
        (
            format!(
                r#"{{"specversion":"1.0","type":"org.kubearchive.sinkfilters.resource.delete","source":"s","id":"i",
                "time":"2026-03-04T07:49:51Z","data":{OBJECT}}}"#
            ),
            format!("s#i | DELETED | 2026-03-04T07:49:51Z | {OBJECT}"),
        ),
        (format!(r#"{{"specversion":"1.0","data":{{"pipelineRun":{OBJECT}}}}}"#), format!("d | - | - | {OBJECT}")),
        (
            format!(
                r#"{{"name":"r","data":{{"type":"tekton.dev/v1.PipelineRun","value":"{}"}}}}"#,
                base64(OBJECT.as_bytes())
            ),
            format!("d | - | - | {OBJECT}"),
        ),
        (
            format!(
                r#"{{"version":"0","id":"e","detail-type":"K","source":"s","time":"2026-03-04T07:49:51Z",
                "detail":{OBJECT}}}"#
            ),
            format!("e | K | 2026-03-04T07:49:51Z | {OBJECT}"),
        ),
        (
            r#"{"messageId":"r","body":"{\"x\":1}","attributes":{"SentTimestamp":"1772610591200"},
            "messageAttributes":{"event_type":{"dataType":"String","stringValue":"push"}}}"#
                .to_owned(),
            r#"r | push | 2026-03-04T07:49:51.2Z | {"x":1}"#.to_owned(),
        ),
    ] {
        assert_eq!(unfold(&body), [expected], "{body}");
    }
}

#[test]
fn several_messages_in_one_delivery_get_numbers() {
    let expected = [format!("d#0 | - | - | {OBJECT}"), r#"d#1 | - | - | {"x":"}{"}"#.to_owned()];
    let second = r#"{"x":"}{"}"#;
    for body in [
        format!("{OBJECT}\n{second}\n"),
        format!("{OBJECT}{second}"),
        format!("{OBJECT} {second}"),
        format!("[{OBJECT},{second}]"),
        format!(r#"{{"apiVersion":"v1","kind":"List","items":[{OBJECT},{second}]}}"#),
    ] {
        assert_eq!(unfold(&body), expected, "{body}");
    }
    assert_eq!(unfold(second), [format!("d | - | - | {second}")], "a brace in a string is no boundary");
    let broken = unfold(format!("{OBJECT}\nnot json"));
    assert_eq!(broken, [format!("d#0 | - | - | {OBJECT}"), "rejected: d#1 not-json".to_owned()]);
    assert_eq!(unfold(r#"["job:finish",{"id":1}]"#), [r#"d | - | - | ["job:finish",{"id":1}]"#]);
}

proptest! {
    /// For any strings in the documents and any space between them.
    #[test]
    fn all_documents_of_a_delivery_are_found(
        documents in proptest::collection::vec(("[]{}\\[,\\\\\" \n1]{0,6}", any::<bool>()), 1..4),
        between in proptest::sample::select(vec!["", " ", "\n", "\r\n", "\t", " \n "]),
    ) {
        let document = |(text, is_list): &(String, bool)| match is_list {
            true => serde_json::json!([text, [1, {"y": text}]]).to_string(),
            false => serde_json::json!({"x": text, "y": [{}, []]}).to_string(),
        };
        let documents: Vec<String> = documents.iter().map(document).collect();
        let alone = documents.len() == 1;
        let expected = documents.iter().enumerate().map(|(number, document)| match alone {
            true => format!("d | - | - | {document}"),
            false => format!("d#{number} | - | - | {document}"),
        });
        prop_assert_eq!(unfold(documents.join(between)), expected.collect::<Vec<_>>());
    }
}

#[test]
fn a_json_sequence_is_its_documents() {
    let second = r#"{"x":1}"#;
    let expected = [format!("d#0 | - | - | {OBJECT}"), format!("d#1 | - | - | {second}")];
    for body in [
        format!("\u{1e}{OBJECT}\n\u{1e}{second}\n"),
        format!("\u{1e}{OBJECT}\u{1e}{second}"),
        format!("{OBJECT}\n\u{1e}{second}"),
        format!("\u{1e}\n\u{1e}{OBJECT}\n\u{1e}{second}\n\u{1e}"),
    ] {
        assert_eq!(unfold(&body), expected, "{body:?}");
    }
    assert_eq!(unfold(format!("\u{1e}{OBJECT}\n")), [format!("d | - | - | {OBJECT}")]);
    let cut = unfold(format!("\u{1e}{OBJECT}\n\u{1e}{{\"cut\n\u{1e}{second}"));
    let rejected = "rejected: d#1 not-json".to_owned();
    assert_eq!(cut, [expected[0].clone(), rejected, format!("d#2 | - | - | {second}")]);
}

#[test]
fn messages_of_rabbitmq_come_out_of_their_event() {
    let queue_message = |id: &str, body: &str| {
        format!(r#"{{"basicProperties":{{"messageId":"{id}"}},"data":"{}"}}"#, base64(body.as_bytes()))
    };
    let event = format!(
        r#"{{"eventSource":"aws:rmq","rmqMessagesByQueue":{{"a::/":[{},{}],"b::/":[{{"data":null}}]}}}}"#,
        queue_message("m1", OBJECT),
        queue_message("m2", "no JSON!")
    );
    let lines = unfold(event);
    assert_eq!(lines[..2], [format!("m1 | - | - | {OBJECT}"), "rejected: m2 not-json".to_owned()]);
    assert!(lines[2].starts_with("rejected: rmq:"), "{lines:?}");
    let pipe = format!(r#"[{{"eventSource":"aws:rmq","eventSourceKey":"a::/",{}]"#, &queue_message("m1", OBJECT)[1..]);
    assert_eq!(unfold(pipe), [format!("m1 | - | - | {OBJECT}")]);
}

#[test]
fn messages_of_the_transport_itself_are_ignored() {
    assert_eq!(
        unfold(r#"{"Type":"SubscriptionConfirmation","Message":"You have chosen","TopicArn":"t"}"#),
        ["ignored: confirmation"]
    );
    assert_eq!(unfold(r#"{"type":"BOOKMARK","object":{"kind":"PipelineRun"}}"#), ["ignored: watch-bookmark"]);
}

#[test]
fn unreadable_parts_are_rejected_with_a_reason() {
    let bomb = gzip(&vec![b' '; 20_000]);
    let mut deep = OBJECT.to_owned();
    for _ in 0..7 {
        deep = base64(deep.as_bytes());
    }
    let deep_envelopes = (0..7).fold(OBJECT.to_owned(), |inner, _| sns(&inner));
    for (body, reason) in [
        (b"".to_vec(), "empty"),
        (b"  \n".to_vec(), "empty"),
        (b"certainly not JSON".to_vec(), "not-json"),
        (b"{\"a\":".to_vec(), "not-json"),
        (b"[1,".to_vec(), "not-json"),
        (vec![0xff, 0xfe, 0x00], "not-json"),
        (gzip(OBJECT.as_bytes())[..30].to_vec(), "bad-gzip"),
        (bomb.clone(), "too-large"),
        (base64(&bomb).into_bytes(), "too-large"),
        (deep.into_bytes(), "too-deep"),
        (deep_envelopes.into_bytes(), "too-deep"),
        (
            br#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]"#.to_vec(),
            "pointer",
        ),
        (br#"{"Records":[{"eventSource":"aws:s3","s3":{"object":{"key":"k"}}}]}"#.to_vec(), "pointer"),
        (br#"{"Records":[{"eventSource":"aws:kinesis","kinesis":{}}]}"#.to_vec(), "transport"),
        (br#"[{"eventSource":"aws:dynamodb","dynamodb":{}}]"#.to_vec(), "transport"),
        (br#"{"eventSource":"SelfManagedKafka","records":{}}"#.to_vec(), "transport"),
        (br#"{"eventSource":"aws:rmq","rmqMessagesByQueue":[]}"#.to_vec(), "transport"),
        (br#"[{"eventSource":"aws:rmq"}]"#.to_vec(), "transport"),
        ("\u{1e}\n\u{1e}".into(), "empty"),
        ("\u{1e}not json".into(), "not-json"),
        (b"null".to_vec(), "not-json"),
        (b"12345678".to_vec(), "not-json"),
    ] {
        let lines = unfold(&body);
        assert!(
            lines.len() == 1 && lines[0].starts_with("rejected: ") && lines[0].ends_with(reason),
            "{reason}: {lines:?}"
        );
    }
    assert!(unfold(sns(r#""\ud800""#))[0].ends_with("not-json"), "a lone surrogate in an envelope");
}

#[test]
fn an_id_by_content_is_stable() {
    let delivery = Delivery { body: OBJECT.into(), ..Delivery::default() };
    let mut ids = Vec::new();
    for _ in 0..2 {
        unwrap(&delivery, Limits::default(), &mut |part| {
            if let Unwrapped::Message(message) = part {
                ids.push(message.id);
            }
        });
    }
    assert!(ids[0].starts_with("sha256:") && ids[0] == ids[1] && ids[0].len() == 39, "{ids:?}");
}

/// The time and the id of the message in a body, and whether its payload may hold any time.
fn dated(body: &str, sent_at: Option<&str>, received_at: Option<&str>) -> (Option<String>, String, bool) {
    let at = |text: &str| text.parse::<jiff::Timestamp>().expect("time");
    let delivery = Delivery {
        id: "d".to_owned(),
        body: body.into(),
        sent_at: sent_at.map(at),
        received_at: received_at.map(at),
        ..Delivery::default()
    };
    let mut found = Vec::new();
    unwrap(&delivery, Limits::default(), &mut |part| {
        let Unwrapped::Message(message) = part else { panic!("{body}") };
        let free = message.latest.allows(at("2998-01-01T00:00:00Z"));
        found.push((message.sent_at.map(|time| time.to_string()), message.id, free));
    });
    assert_eq!(found.len(), 1, "{body}");
    found.remove(0)
}

/// The sender writes each of these envelopes; the time of the outer envelope bounds its time, and so whether its id is
/// used.
#[test]
fn an_inner_envelope_counts_up_to_the_time_of_the_outer_one() {
    let cloudevent = |time: &str, data: &str| {
        format!(r#"{{"specversion":"1.0","id":"c","source":"/s","type":"t","time":"{time}","data":{data}}}"#)
    };
    let eventbridge =
        |time: &str| format!(r#"{{"id":"e","detail-type":"T","source":"s","time":"{time}","detail":{OBJECT}}}"#);
    let sns_at = |time: &str, message: &str| {
        format!(
            r#"{{"Type":"Notification","MessageId":"s-{time}","Message":{},"Timestamp":"{time}"}}"#,
            quoted(message)
        )
    };
    let sqs = |millis: i64| {
        let body = quoted(OBJECT);
        format!(r#"{{"messageId":"q","body":{body},"attributes":{{"SentTimestamp":"{millis}"}}}}"#)
    };
    let (now, soon, late) = ("2026-03-04T07:49:51Z", "2026-03-04T07:54:51Z", "2026-03-04T07:54:52Z");
    for (name, early_id, inner) in [
        ("cloudevent", "/s#c", &(|time: &str| cloudevent(time, OBJECT)) as &dyn Fn(&str) -> String),
        ("eventbridge", "e", &eventbridge),
        ("sqs", "q", &|time: &str| sqs(time.parse::<jiff::Timestamp>().expect("time").as_millisecond())),
        ("sns in a cloudevent", "s-", &|time: &str| cloudevent(now, &sns_at(time, OBJECT))),
    ] {
        for (time, counts) in [(now, true), (soon, true), (late, false), ("2998-01-01T00:00:00Z", false)] {
            for (body, sent_at, received_at) in [
                (inner(time), Some(now), None),
                (sns_at(now, &inner(time)), None, None),
                (sns_at(now, &inner(time)), Some("2026-01-01T00:00:00Z"), Some("2027-01-01T00:00:00Z")),
                (sns_at(now, &sns_at(now, &inner(time))), Some(now), None),
            ] {
                let (at, id, free) = dated(&body, sent_at, received_at);
                let expected = if counts { time } else { now };
                assert_eq!(at.as_deref(), Some(expected), "{name} {time}: {body}");
                let is_inner = if name.starts_with("sns") { id == format!("s-{time}") } else { id == early_id };
                assert!(is_inner == counts || (name.starts_with("sns") && time == now), "{name} {time}: {id}");
                assert!(!free, "{name}: the payload is bounded as well");
            }
        }
    }
    // The five minutes of several layers do not add up.
    let steps = ["07:53:00", "07:57:00", "08:01:00"].map(|time| format!("2026-03-04T{time}Z"));
    let deep = steps.iter().rev().fold(OBJECT.to_owned(), |inner, time| cloudevent(time, &inner));
    assert_eq!(dated(&deep, Some(now), None).0.as_deref(), Some(&*steps[0]));
}

/// The time of a queue is older than that of a topic where a queue is filled again; our own clock bounds both.
#[test]
fn the_notification_that_a_queue_holds_is_bounded_by_the_time_of_receipt() {
    let body = sns(&quoted(OBJECT));
    let said = Some("2026-03-04T07:49:51.123Z".to_owned());
    assert_eq!(dated(&body, Some("2026-01-01T00:00:00Z"), None), (said.clone(), "m".to_owned(), false));
    assert_eq!(dated(&body, Some("2026-01-01T00:00:00Z"), Some("2026-03-04T07:45:00Z")), (said, "m".to_owned(), false));
    let early = dated(&body, Some("2026-01-01T00:00:00Z"), Some("2026-03-04T07:44:00Z"));
    assert_eq!(early, (Some("2026-01-01T00:00:00Z".to_owned()), "d".to_owned(), false));
    assert_eq!(dated(OBJECT, None, None), (None, "d".to_owned(), true), "nothing is known");
    assert_eq!(dated(OBJECT, None, Some("2026-03-04T07:44:00Z")), (None, "d".to_owned(), false));
}
