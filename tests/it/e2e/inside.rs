//! Messages in: from the topic, from the partner event bus, from bots.

use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use super::emulator::until;
use super::{BUS, INSIDE, World};
use crate::support::buildkite::{Event, SHA, event};
use crate::support::random::Random;
use crate::support::{deadline, difference, files, project, render};

/// Three kinds of poison messages: no JSON, a missing member, and an identity of a wrong type.
const POISON: [&str; 3] = [
    "this is no JSON",
    r#"{"object_kind": "merge_request"}"#,
    r#"{"object_kind":"merge_request","project":{"path_with_namespace":"g/poison"},"object_attributes":{"iid":{"poison":1},"title":"t","state":"opened","created_at":"2026-03-10T09:00:00Z","updated_at":"2026-03-10T09:00:00Z"}}"#,
];

/// The fixtures as they are published: text, and attributes.
fn published() -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = POISON.iter().map(|text| ((*text).to_owned(), json!({}))).collect();
    for folder in ["konflux", "gitlab", "kcidb"] {
        let texts = files(&format!("events/{folder}"), ".json").into_iter();
        all.extend(texts.map(|(_, body)| (String::from_utf8(body).unwrap(), json!({}))));
    }
    // These have SNS envelopes already. Several are about one build, whose messages may arrive in any order.
    for name in ["build-passed", "messages-before-build", "sidekiq-arguments", "stage-failed"] {
        let body = std::fs::read(project(&format!("events/travis/{name}.json"))).unwrap();
        let mut messages: Vec<Value> = serde_json::from_slice(&body).unwrap_or_default();
        messages.sort_by_key(|message| message["Timestamp"].to_string());
        for message in messages.iter().filter(|message| message["Type"] == "Notification") {
            let attributes = message["MessageAttributes"].as_object().into_iter().flatten();
            let attribute = |(name, value): (&String, &Value)| {
                (name.clone(), json!({"DataType": value["Type"], "StringValue": value["Value"]}))
            };
            all.push((message["Message"].as_str().unwrap().to_owned(), attributes.map(attribute).collect()));
        }
    }
    all
}

/// Messages of the topic, among them poison, give the same rows as without AWS, and none is in the dead-letter queue.
pub async fn messages(world: &mut World) {
    let all = published();
    for (text, attributes) in &all {
        publish(world, text, attributes);
    }
    world.aws.drained(&world.output("QueueUrl")).await;
    same_as_reference(world).await;
    let rejected = world.count("SELECT count(*) FROM refused").await;
    let poison = world.count("SELECT count(*) FROM refused WHERE family IS NULL OR detail LIKE '%iid%'").await;
    assert!(rejected >= 3 && poison >= 2, "{rejected} {poison}");
    assert_eq!(world.aws.depth(&world.output("DeadLetterQueueUrl")), 0);
    world.checked(&format!(
        "{} messages from topic to tables, as without AWS; {rejected} rejected with a reason, none in the dead-letter \
            queue",
        all.len()
    ));
}

/// Publishes a message on the topic.
pub fn publish(world: &mut World, text: &str, attributes: &Value) {
    world.aws.call(
        "sns",
        "publish",
        &json!({"TopicArn": world.topic, "Message": text, "MessageAttributes": attributes}),
    );
}

/// The messages that the topic has sent since, ingested without AWS and in another order, give the same tables.
pub async fn same_as_reference(world: &mut World) {
    let mut sent = world.aws.take(&world.tap);
    Random::new(7).shuffle(&mut sent);
    let deliveries: Vec<Delivery> = sent
        .iter()
        .map(|message| Delivery {
            id: message["MessageId"].as_str().unwrap().to_owned(),
            body: message["Body"].as_str().unwrap().as_bytes().to_vec(),
            ..Delivery::default()
        })
        .collect();
    for batch in deliveries.chunks(50) {
        let report = ingest(&world.reference.store, batch, &Settings::default(), deadline()).await;
        assert_eq!(report.error, None);
    }
    let (expected, found) = (render::all(&world.reference.store).await, render::all(&world.store).await);
    assert!(found == expected, "{}", difference(&expected, &found));
}

/// Builds come by the rule of the partner's bus; kinds that the rule does not name do not.
pub async fn events_of_a_partner(world: &mut World) {
    let inside = Event { build: "8", repo: "git@inside.acme.example:acme/app.git", ..event("started", 1) };
    let events = [event("scheduled", 0), event("started", 1), event("passed", 9), inside];
    let mut entries: Vec<Value> = events.iter().map(|event| entry("Build Finished", &event.document())).collect();
    let other = Event { build: "9", ..event("passed", 9) };
    entries.push(entry("Job Finished", &other.document()));
    let answer = world.aws.call("events", "put_partner_events", &json!({"Entries": entries}));
    assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
    until("builds are kept", async || {
        let rows =
            render::table(&world.store, &["id", "state", "repo_host"], "FROM buildkite_builds ORDER BY id").await;
        rows == format!("7 | passed | {}\n8 | started | {INSIDE}", crate::support::buildkite::HOST)
    })
    .await;
    world.aws.drained(&world.output("QueueUrl")).await;
    assert_eq!(world.count("SELECT count(*) FROM buildkite_builds").await, 2);
    world.checked("events of the partner's bus are builds; a kind that the rule does not name stays out");
}

fn entry(kind: &str, document: &Value) -> Value {
    assert_eq!(document["detail"]["build"]["commit"], SHA);
    json!({"Source": BUS, "DetailType": kind, "Detail": document["detail"].to_string()})
}

/// Bots have a queue of their own.
pub async fn heartbeats(world: &mut World) {
    let bots = files("events/bots", ".json");
    for (_, body) in &bots {
        let text = String::from_utf8(body.clone()).unwrap();
        let ask = json!({"QueueUrl": world.output("BotsQueueUrl"), "MessageBody": text});
        world.aws.call("sqs", "send_message", &ask);
    }
    world.aws.drained(&world.output("BotsQueueUrl")).await;
    let (known, rejected) =
        (world.count("SELECT count(*) FROM bots").await, "SELECT count(*) FROM refused WHERE family = 'bots'");
    assert!(known > 3, "{known}");
    assert_eq!(world.count(rejected).await, 0);
    assert_eq!(world.aws.depth(&world.output("DeadLetterQueueUrl")), 0);
    world.checked(&format!("{} heartbeats of {known} bots by their own queue", bots.len()));
}
