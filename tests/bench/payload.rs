//! Messages as they come from the forwarder of Kubernetes: whole `PipelineRuns` of 40 kB in 7 kB of base64 and gzip,
//! each in an SNS envelope in an SQS record. Made from a fixture, and the same in each run.

use std::sync::LazyLock;

use flate2::Compression;
use hummingbird_status::transport::Delivery;
use hummingbird_status::transport::lambda::Invocation;
use serde_json::{Value, json};

use crate::support::generate::pack_at;
use crate::support::random::Random;

/// The size of the JSON of a large build in production.
const SIZE: usize = 40_000;

/// Members of the fixture that differ from one `PipelineRun` to the next.
const NAME: &str = "hummingbird-base-main-on-push-6w2zt";
const UID: &str = "de1cdfe2-a2e9-483c-b5a3-2398d627967e";
const SHA: &str = "72a311740f60aab4d4b4a4a1bfc3a0e785c20e43";
const DIGEST: &str = "842f13fc49d23cbb382d02b4b4082a26901498d16b28a7f8d2b604c3dd5d9082";
const COMPONENT: &str = "\"hummingbird-base-main\"";
const VERSION: &str = "1003729781";
const DAY: &str = "2026-03-11T";

/// The fixture without white space, with more tasks, until it is as large as builds in production.
static TEMPLATE: LazyLock<String> = LazyLock::new(|| {
    let text = include_str!("../../events/konflux/pipelinerun-build-succeeded-large.json");
    let mut run: Value = serde_json::from_str(text).unwrap();
    let tasks = run["spec"]["pipelineSpec"]["tasks"].as_array().unwrap().clone();
    for (round, task) in tasks.iter().cycle().enumerate() {
        let missing = SIZE.saturating_sub(run.to_string().len());
        let digest = hex(&mut Random::new(round as u64), 64);
        let mut text = task.to_string();
        if missing < text.len() / 2 {
            break;
        }
        // Digests limit how well these documents compress; with this many of them the ratio is that of production.
        if round % 3 == 0
            && let Some(at) = text.find("sha256:")
        {
            text.replace_range(at + 7..at + 7 + 64, &digest);
        }
        let mut task: Value = serde_json::from_str(&text).unwrap();
        let name = format!("{}-{round}", task["name"].as_str().unwrap());
        let child = json!({
            "apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": format!("{NAME}-{name}"),
            "pipelineTaskName": name,
        });
        task["name"] = json!(name);
        run["spec"]["pipelineSpec"]["tasks"].as_array_mut().unwrap().push(task);
        run["status"]["childReferences"].as_array_mut().unwrap().push(child);
    }
    run.to_string()
});

/// The `PipelineRun` with this number in one of its states, as JSON.
pub fn json(number: usize, version: usize) -> String {
    let mut random = Random::new(number as u64);
    let uid = hex(&mut random, 32);
    let uid = format!("{}-{}-4{}-8{}-{}", &uid[..8], &uid[8..12], &uid[13..16], &uid[17..20], &uid[20..]);
    TEMPLATE
        .replace(NAME, &format!("hummingbird-base-main-on-push-{}", hex(&mut random, 8)))
        .replace(UID, &uid)
        .replace(SHA, &hex(&mut random, 40))
        .replace(DIGEST, &hex(&mut random, 64))
        .replace(COMPONENT, &format!("\"component-{}\"", number % 50))
        .replace(DAY, &format!("2026-03-{:02}T", 1 + random.next() % 28))
        .replace(VERSION, &format!("{}", 1_003_729_781 + number + 1_000_000 * version))
}

/// An SQS record around an SNS envelope around a message.
pub fn record(id: u64, message: &str) -> Value {
    let mut random = Random::new(id);
    let envelope = json!({
        "Type": "Notification",
        "MessageId": format!("{}-0000-4000-8000-{}", hex(&mut random, 8), hex(&mut random, 12)),
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:events",
        "Message": message,
        "Timestamp": "2026-03-30T13:15:04.123Z",
        "SignatureVersion": "1",
        "Signature": hex(&mut random, 344),
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0000000000000000.pem",
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
        "MessageAttributes": {
            "source": {"Type": "String", "Value": "kubernetes"},
            "event_type": {"Type": "String", "Value": "MODIFIED"},
        },
    });
    json!({
        "messageId": format!("{}-0000-4000-9000-{}", hex(&mut random, 8), hex(&mut random, 12)),
        "receiptHandle": hex(&mut random, 180),
        "body": envelope.to_string(),
        "attributes": {
            "ApproximateReceiveCount": "1", "SentTimestamp": "1774876504150", "SenderId": "AIDAIT2UOQQY3AUEKVGXU",
            "ApproximateFirstReceiveTimestamp": "1774876504160",
        },
        "messageAttributes": {},
        "md5OfBody": hex(&mut random, 32),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:events",
        "awsRegion": "eu-west-1",
    })
}

/// The SQS event with `count` compressed `PipelineRuns` in one of their states.
pub fn event(count: usize, version: usize) -> Vec<u8> {
    event_of((0..count).map(|number| (number, pack(&json(number, version)))), version)
}

/// The SQS event with messages and their numbers.
pub fn event_of(messages: impl Iterator<Item = (usize, String)>, version: usize) -> Vec<u8> {
    let record = |(number, message): (usize, String)| record((version << 32 | number) as u64, &message);
    json!({"Records": messages.map(record).collect::<Vec<_>>()}).to_string().into_bytes()
}

/// A message as the forwarder compresses it.
pub fn pack(text: &str) -> String {
    pack_at(Compression::default(), text.as_bytes())
}

/// The deliveries of [`event`], as ingest gets them.
pub fn deliveries(count: usize, version: usize) -> Vec<Delivery> {
    Invocation::read(&event(count, version)).deliveries
}

/// So many hexadecimal digits.
fn hex(random: &mut Random, digits: usize) -> String {
    let mut text = String::with_capacity(digits + 16);
    while text.len() < digits {
        text.push_str(&format!("{:016x}", random.next()));
    }
    text.truncate(digits);
    text
}
