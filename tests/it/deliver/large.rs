//! Broadcasts of objects near and above the size limit of SNS: against a server that enforces SNS's limits and forwards
//! to SQS.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::MessageSystemAttributeName;
use hummingbird_status::archive::s3;
use hummingbird_status::deliver::{Deliverer, Topics};
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::{Delivery, pointer};
use serde_json::{Value, json};

use super::{read, run};
use crate::support::moto::Moto;
use crate::support::{self, Db, deadline, render};

const BUCKET: &str = "large-broadcasts";
const EXCERPT: &str = "kernel BUG at net/core/dev.c:2648!\n";

/// A topic, and a queue that receives all its messages, raw.
async fn subscribed(moto: &Moto) -> (String, String) {
    let (sns, sqs) = (aws_sdk_sns::Client::new(&moto.aws()), aws_sdk_sqs::Client::new(&moto.aws()));
    let topic = sns.create_topic().name("broadcast").send().await.unwrap().topic_arn.unwrap();
    let queue = sqs.create_queue().queue_name("consumer").send().await.unwrap().queue_url.unwrap();
    let arn = "arn:aws:sqs:us-east-1:123456789012:consumer";
    let subscribe = sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn);
    subscribe.attributes("RawMessageDelivery", "true").send().await.unwrap();
    (topic, queue)
}

/// Bodies and attribute names of all messages, by the id of the object; pointers are resolved.
async fn received(moto: &Moto, queue: &str) -> BTreeMap<String, (String, Vec<String>, Value)> {
    let (sqs, s3) = (aws_sdk_sqs::Client::new(&moto.aws()), s3::client(&moto.aws(), true));
    let mut all = BTreeMap::new();
    loop {
        let receive = sqs.receive_message().queue_url(queue).max_number_of_messages(10).message_attribute_names("All");
        let answer = receive.message_system_attribute_names(MessageSystemAttributeName::All).send().await.unwrap();
        let messages = answer.messages.unwrap_or_default();
        if messages.is_empty() {
            return all;
        }
        for message in messages {
            let body = message.body.unwrap();
            let names = message.message_attributes.unwrap_or_default().into_keys().collect();
            let document: Value = match pointer::find(&body) {
                None => serde_json::from_str(&body).unwrap(),
                Some(place) => {
                    let object = s3.get_object().bucket(place.bucket).key(place.key).send().await.unwrap();
                    serde_json::from_slice(&object.body.collect().await.unwrap().into_bytes()).unwrap()
                }
            };
            all.insert(document["object"]["id"].as_str().unwrap().to_owned(), (body, names, document));
        }
    }
}

/// Ingests failed tests, with so many bytes beside the excerpt.
pub async fn with_tests(tests: &[(&str, usize)]) -> Db {
    let db = support::database().await;
    let test = |(id, bytes): &(&str, usize)| {
        let excerpt = EXCERPT.repeat(16_384 / EXCERPT.len());
        json!({"id": id, "origin": "o", "build_id": "o:b", "status": "FAIL", "log_excerpt": excerpt,
            "misc": {"more": "x".repeat(*bytes)}})
    };
    let tests: Vec<Value> = tests.iter().map(test).collect();
    let body = json!({"version": {"major": 5, "minor": 3}, "tests": tests}).to_string().into_bytes();
    let delivery = Delivery { id: "m".to_owned(), body, ..Delivery::default() };
    let report = ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
    assert_eq!(report.counts().kept, 1, "{:?} {:?}", report.error, report.reasons);
    db
}

async fn deliver(db: &Db, moto: &Moto, topic: &str, more: &str) {
    let targets = read(&format!("[[target]]\nname = 'broadcast'\nkind = 'sns'\ntopic_arn = '{topic}'\n{more}"));
    let topics =
        Topics { sns: aws_sdk_sns::Client::new(&moto.aws()), s3: s3::client(&moto.aws(), true), credentials: None };
    let deliverer = Deliverer::new(db.store.clone(), targets, Some(topics)).unwrap();
    run(&deliverer).await;
}

#[tokio::test]
async fn large_objects_are_sent_without_excerpt_and_larger_ones_by_pointer() {
    let Some(moto) = Moto::start().await else { return };
    moto.bucket(BUCKET, &[]).await;
    let (topic, queue) = subscribed(&moto).await;
    let db = with_tests(&[("o:small", 10), ("o:large", 250 << 10), ("o:larger", 300 << 10)]).await;
    deliver(&db, &moto, &topic, &format!("overflow = 's3://{BUCKET}/of/'")).await;
    assert_eq!(render::rows(&db.store, "SELECT DISTINCT state FROM deliveries").await, ["delivered"]);
    let all = received(&moto, &queue).await;
    assert_eq!(all.keys().collect::<Vec<_>>(), ["o:large", "o:larger", "o:small"]);
    for (id, (body, names, document)) in &all {
        assert!(body.len() <= 256 << 10 && names.len() <= 10, "{id}: {} bytes, {names:?}", body.len());
        assert_eq!(names.contains(&"ExtendedPayloadSize".to_owned()), id == "o:larger");
        let excerpt = document["object"]["log_excerpt"].as_str();
        let members: Vec<&String> = document.as_object().unwrap().keys().collect();
        assert_eq!(members, ["object", "object_type", "status", "timestamp"], "{id}");
        // An attribute names the omitted member.
        assert_eq!(names.contains(&"omitted".to_owned()), id == "o:large", "{id}: {names:?}");
        match id.as_str() {
            "o:large" => assert!(excerpt.is_none()),
            _ => assert!(excerpt.unwrap().starts_with(EXCERPT), "{id}"),
        }
        assert_eq!(document["object"]["status"], "FAIL");
        assert_eq!((&document["status"], &document["object_type"]), (&json!("new"), &json!("test")));
    }
    let pointer = pointer::find(&all["o:larger"].0).unwrap();
    assert!(pointer.bucket == BUCKET && pointer.key.starts_with("of/kcidb/"), "{pointer:?}");
}

#[tokio::test]
async fn a_missing_bucket_blocks_no_other_event() {
    let Some(moto) = Moto::start().await else { return };
    let (topic, queue) = subscribed(&moto).await;
    let db = with_tests(&[("o:1", 10), ("o:larger", 300 << 10), ("o:3", 10)]).await;
    deliver(&db, &moto, &topic, "overflow = 's3://not-there/of/'").await;
    assert_eq!(received(&moto, &queue).await.keys().collect::<Vec<_>>(), ["o:1", "o:3"]);
    let waiting = "SELECT key || ' ' || reason FROM deliveries WHERE state = 'pending'";
    let waiting = render::rows(&db.store, waiting).await;
    assert!(waiting.len() == 1 && waiting[0].starts_with("test o:larger S3: NoSuchBucket"), "{waiting:?}");
    // Without a configured bucket, it is dead at once.
    let db = with_tests(&[("o:larger", 300 << 10)]).await;
    deliver(&db, &moto, &topic, "").await;
    let dead = render::rows(&db.store, "SELECT state || ' ' || reason FROM deliveries").await;
    assert!(dead[0].starts_with("dead too large: "), "{dead:?}");
}
