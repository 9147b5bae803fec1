use super::*;

#[test]
fn a_record_without_body_is_a_delivery() {
    let event = r#"{"Records":[{"messageId":"m1","body":null,"eventSource":"aws:sqs"},
        {"messageId":"m2","receiptHandle":"r","body":"{}","attributes":{"SentTimestamp":"1772610591200"},
         "messageAttributes":{"source":{"stringValue":"gitlab","dataType":"String"}}}]}"#;
    let read = Invocation::read(event.as_bytes());
    assert!(read.partial);
    let ids: Vec<_> = read.deliveries.iter().map(|delivery| (delivery.id.as_str(), delivery.body.len())).collect();
    assert_eq!(ids, [("m1", 0), ("m2", 2)]);
    assert_eq!(read.deliveries[1].attributes["source"], "gitlab");
}

#[test]
fn other_callers_have_no_parts() {
    for text in [
        r#"{"a":1}"#,
        "not json",
        r#"{"Records":[{"Sns":{"Message":"{}"}}]}"#,
        r#"{"Records":[{"s3":{}}]}"#,
        r#"[{"a":1},{"b":2}]"#,
        r#"["job:finish",{"id":1}]"#,
    ] {
        let read = Invocation::read(text.as_bytes());
        assert!(!read.partial && read.deliveries.len() == 1, "{text}");
        assert_eq!(read.deliveries[0].body, text.as_bytes());
    }
    assert!(Invocation::read(br#"{"Records":[]}"#).deliveries.is_empty());
}

/// A deployed function and the command line read the same, and nothing of the event is lost.
#[test]
fn unknown_transports_are_detected() {
    for (event, source, polled) in [
        (r#"{"Records":[{"eventSource":"aws:kinesis","kinesis":{"data":"e30="}}]}"#, "aws:kinesis", true),
        (r#"{"Records":[{"eventSource":"aws:dynamodb","dynamodb":{"Keys":{}}}]}"#, "aws:dynamodb", true),
        (r#"{"eventSource":"aws:kafka","records":{"t-0":[{"value":"e30="}]}}"#, "aws:kafka", true),
        (r#"{"eventSource":"SelfManagedKafka","records":{"t-0":[{"value":"e30="}]}}"#, "SelfManagedKafka", true),
        (r#"{"eventSource":"aws:mq","messages":[{"data":"e30="}]}"#, "aws:mq", true),
        (r#"{"eventSource":"aws:docdb","events":[{"event":{}}]}"#, "aws:docdb", true),
        (r#"{"eventSource":"aws:new","x":[1.50]}"#, "aws:new", false),
        (r#"{"Records":[{"eventSource":"aws:s3","s3":{"object":{"key":"k"}}}]}"#, "aws:s3", false),
        (r#"{"Records":[{"eventSource":"aws:ses","ses":{}}]}"#, "aws:ses", false),
        (r#"{"Records":[{"what":"ever"}]}"#, "unnamed", false),
        (r#"[{"eventSource":"aws:kinesis","data":"e30="}]"#, "aws:kinesis", true),
        (
            r#"[{"eventSource":"aws:dynamodb","dynamodb":{}},{"eventSource":"aws:dynamodb","dynamodb":{}}]"#,
            "aws:dynamodb",
            true,
        ),
        (r#"[{"name":"a","status":"ok"},{"eventSource":"aws:kafka","value":"e30="}]"#, "aws:kafka", true),
        (r#"["x",{"eventSource":"aws:codecommit"}]"#, "aws:codecommit", false),
        (
            r#"{"Records":[{"messageId":"m","body":"{}","eventSource":"aws:sqs"},
                {"eventSource":"aws:kinesis","kinesis":{}}]}"#,
            "aws:kinesis",
            true,
        ),
    ] {
        let invoked: Invocation = serde_json::from_str(event).expect(event);
        for read in [Invocation::read(event.as_bytes()), invoked] {
            let unknown = Unknown { source: source.to_owned(), polled };
            assert_eq!(read.unknown, Some(unknown), "{event}");
            assert_eq!(read.to_be_taken().is_empty(), polled, "{event}");
            assert!(!read.partial && read.deliveries.len() == 1, "{event}");
            let kept: serde_json::Value = serde_json::from_slice(&read.deliveries[0].body).expect("JSON");
            assert_eq!(kept, serde_json::from_str::<serde_json::Value>(event).expect("JSON"));
        }
    }
}

#[test]
fn batches_of_eventbridge_pipes_are_read() {
    let sqs = r#"[{"messageId":"m1","receiptHandle":"r","body":"{}","eventSource":"aws:sqs"},
        {"messageId":"m2","body":"[]","eventSource":"aws:sqs"}]"#;
    let read = Invocation::read(sqs.as_bytes());
    assert!(read.partial && read.unknown.is_none());
    let ids: Vec<_> = read.deliveries.iter().map(|delivery| delivery.id.as_str()).collect();
    assert_eq!(ids, ["m1", "m2"]);
    let rmq = r#"[{"eventSource":"aws:rmq","eventSourceKey":"bots::/","basicProperties":{"messageId":"m"},
        "redelivered":false,"data":"e30="}]"#;
    let read = Invocation::read(rmq.as_bytes());
    assert!(!read.partial && read.unknown.is_none());
    assert_eq!((read.deliveries[0].id.as_str(), read.deliveries[0].body.as_slice()), ("m", b"e30=".as_slice()));
    assert_eq!(read.deliveries[0].attributes["amqp_queue"], "bots");
}

#[test]
fn queues_of_rabbitmq_are_read_message_by_message() {
    let event = r#"{"eventSource":"aws:rmq","eventSourceArn":"arn:aws:mq:eu-west-1:1:broker:b:b-1",
        "rmqMessagesByQueue":{
        "bots::/":[{"basicProperties":{"messageId":"m1"},"redelivered":false,"data":"e30="},
                   {"basicProperties":null,"redelivered":true,"data":null},{"data":{"a":1}}],
        "empty::/":[]}}"#;
    let read = Invocation::read(event.as_bytes());
    assert!(!read.partial && read.unknown.is_none());
    let bodies: Vec<_> = read.deliveries.iter().map(|delivery| String::from_utf8_lossy(&delivery.body)).collect();
    assert_eq!(bodies, ["e30=", "", r#"{"a":1}"#]);
    let none = r#"{"eventSource":"aws:rmq","rmqMessagesByQueue":{"bots::/":[]}}"#;
    assert!(Invocation::read(none.as_bytes()).deliveries.is_empty());
    // An unexpected form: the invocation fails, as for any event that cannot be read.
    let odd = r#"{"eventSource":"aws:rmq","rmqMessagesByQueue":[1]}"#;
    assert!(serde_json::from_str::<Invocation>(odd).is_err());
    assert_eq!(Invocation::read(odd.as_bytes()).deliveries[0].body, odd.as_bytes());
}

#[test]
fn the_answer_never_holds_an_empty_id() {
    assert!(batch_response(["a", ""].into_iter()).is_none());
    let answer = batch_response(["a"].into_iter()).expect("ids");
    assert_eq!(serde_json::to_string(&answer).expect("JSON"), r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#);
    assert_eq!(batch_response([].into_iter()).map(|a| a.batch_item_failures.len()), Some(0));
}
