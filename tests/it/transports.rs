//! Transports other than SQS: decoded messages give the same tables, and events of unknown transports are not lost.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hummingbird_status::db::Store;
use hummingbird_status::ingest::{InvocationFailed, Report, answer, ingest};
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use hummingbird_status::transport::lambda::Invocation;
use serde_json::{Value, json};

use crate::support::{self, Db, deadline, difference, files, render};

/// Takes an event in as the function does that is invoked with it.
async fn invoke(store: &Store, event: &[u8]) -> (Report, Result<Value, InvocationFailed>) {
    let invocation: Invocation = serde_json::from_slice(event).unwrap();
    let report = ingest(store, invocation.to_be_taken(), &Settings::default(), deadline()).await;
    let answer = answer(&invocation, &report).map(|answer| json!(answer));
    (report, answer)
}

/// The same messages, each in the envelope of a transport: SQS, Amazon MQ by a mapping, Amazon MQ and SQS by a pipe.
fn carried(messages: &[(String, Vec<u8>)]) -> [Value; 4] {
    let millis = |number: usize| 1_772_610_591_000 + 1000 * number as i64;
    let sqs: Vec<Value> = messages
        .iter()
        .enumerate()
        .map(|(number, (id, body))| {
            json!({"messageId": id, "receiptHandle": "r", "body": String::from_utf8_lossy(body),
                "eventSource": "aws:sqs",
                "attributes": {"SentTimestamp": millis(number).to_string()}, "messageAttributes": {}})
        })
        .collect();
    let rmq: Vec<Value> = messages
        .iter()
        .enumerate()
        .map(|(number, (id, body))| {
            let at = jiff::Timestamp::from_millisecond(millis(number)).unwrap();
            let at = at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%b %-d, %Y, %-I:%M:%S %p").to_string();
            json!({"eventSource": "aws:rmq", "eventSourceKey": "all::/", "redelivered": number % 2 == 0,
                "data": STANDARD.encode(body),
                "basicProperties": {"messageId": id, "timestamp": at, "headers": null, "bodySize": body.len()}})
        })
        .collect();
    let mapped = json!({"eventSource": "aws:rmq", "eventSourceArn": "arn:aws:mq:eu-west-1:1:broker:b:b-1",
        "rmqMessagesByQueue": {"all::/": rmq}});
    [json!({"Records": sqs}), mapped, json!(rmq), json!(sqs)]
}

#[tokio::test]
async fn all_transports_lead_to_the_same_tables() {
    let mut messages = Vec::new();
    for folder in ["konflux", "gitlab", "buildkite", "kcidb", "bots"] {
        messages.extend(files(&format!("events/{folder}"), ".json"));
    }
    messages.push(("poison".to_owned(), b"not json".to_vec()));
    let mut expected: Option<String> = None;
    for event in carried(&messages) {
        let db = support::database().await;
        let (report, answer) = invoke(&db.store, event.to_string().as_bytes()).await;
        assert_eq!(answer.unwrap(), json!({"batchItemFailures": []}), "{:?}", report.error);
        // Rejected messages are stored as received; their attributes name the queue.
        let forget = "UPDATE refused SET body = '', attributes = '{}'";
        db.store.script(forget, deadline()).await.unwrap();
        let found = render::all(&db.store).await;
        match &expected {
            None => expected = Some(found),
            Some(expected) => assert!(*expected == found, "{}", difference(expected, &found)),
        }
    }
}

/// The database is unavailable: a batch with messages to write is retried as a whole; ignored messages do not delay it.
#[tokio::test]
async fn a_batch_that_could_not_be_tried_is_retried() {
    let away = support::store_of("postgres://none@127.0.0.1:1/none", 1);
    let event = |messages: &[(String, Vec<u8>)]| carried(messages)[1].to_string();
    for (body, fails) in
        [(&br#"{"name": "a", "status": "ok"}"#[..], true), (b"not json", true), (br#"{"neither": "nor"}"#, false)]
    {
        let invocation = Invocation::read(event(&[("m".to_owned(), body.to_vec())]).as_bytes());
        let now = Deadline::within(std::time::Duration::ZERO);
        let report = ingest(&away, invocation.to_be_taken(), &Settings::default(), now).await;
        assert_eq!(answer(&invocation, &report).is_err(), fails, "{}", String::from_utf8_lossy(body));
    }
}

async fn rejected(db: &Db) -> Vec<String> {
    render::rows(&db.store, "SELECT reason FROM refused ORDER BY id").await
}

#[tokio::test]
async fn events_of_unknown_transports_fail_and_are_not_lost() {
    let kinesis = json!({"kinesis": {"data": "e30="}, "eventSource": "aws:kinesis"});
    for (event, kept, in_a_file) in [
        // A poller still has its messages, and retries until they are accepted.
        (json!({"Records": [kinesis]}), [""; 0].as_slice(), 1),
        (json!([kinesis]), &[], 1),
        (json!({"Records": [{"dynamodb": {"Keys": {}}, "eventSource": "aws:dynamodb"}]}), &[], 1),
        (json!({"eventSource": "aws:kafka", "records": {"t-0": [{"topic": "t", "value": "e30="}]}}), &[], 1),
        (json!({"eventSource": "SelfManagedKafka", "records": {"t-0": []}}), &[], 1),
        (json!({"eventSource": "aws:mq", "messages": [{"data": "e30="}]}), &[], 1),
        // No other copy of these exists.
        (
            json!({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]}),
            &["pointer"],
            1,
        ),
        (json!({"Records": [{"eventSource": "aws:ses", "ses": {"mail": {}}}]}), &["transport"], 1),
        (json!({"eventSource": "aws:tomorrow", "events": [1]}), &["transport"], 1),
        (
            json!([{"eventSource": "aws:tomorrow", "data": 1}, {"eventSource": "aws:tomorrow", "data": 2}]),
            &["transport", "transport"],
            2,
        ),
    ] {
        let db = support::database().await;
        for _ in 0..2 {
            let (_, answer) = invoke(&db.store, event.to_string().as_bytes()).await;
            assert!(matches!(answer, Err(InvocationFailed::Transport { .. })), "{event}: {answer:?}");
            // However often it is delivered.
            assert_eq!(rejected(&db).await, kept, "{event}");
        }
        // A file or a queue has no sender that retries.
        let db = support::database().await;
        let file = Delivery { id: "file".to_owned(), body: event.to_string().into_bytes(), ..Delivery::default() };
        let report = ingest(&db.store, &[file], &Settings::default(), deadline()).await;
        assert_eq!(report.counts().refused, in_a_file, "{event}");
    }
}

#[tokio::test]
async fn a_json_sequence_is_its_documents() {
    let db = support::database().await;
    let document = |id: &str| json!({"version": {"major": 5, "minor": 3}, "checkouts": [{"id": id, "origin": "o"}]});
    let text = format!("\u{1e}{}\n\u{1e}{{\"cut\n\u{1e}\n\u{1e}{}\u{1e}12\n", document("o:1"), document("o:2"));
    let delivery = Delivery { id: "d".to_owned(), body: text.into_bytes(), ..Delivery::default() };
    ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
    assert_eq!(render::rows(&db.store, "SELECT id FROM kcidb_checkouts ORDER BY id").await, ["o:1", "o:2"]);
    assert_eq!(rejected(&db).await, ["not-json", "not-json"]);
}
