//! A message that is delivered again, under a new id and later, changes no row: webhooks are sent again by hand, copied by a second
//! hook, and late. What a message says decides, never when it came.

use hummingbird_status::envelope::Delivery;
use hummingbird_status::family::{Family, Settings};
use hummingbird_status::pipeline::ingest;
use hummingbird_status::store::Store;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

use crate::support::generate::{Said, said};
use crate::support::{self, deadline, difference, files, render, schema};

/// Sources whose messages say nothing of their own time, and why a message that is delivered again is news for them.
const UNDATED: &[(&str, &str)] = &[
    (
        "kcidb",
        "an object has no version: a submission that is sent again is one more word of its origin, and the last one counts",
    ),
    (
        "travis",
        "a message is an order to the state machine of a job, without a version: a restart that is sent again restarts again",
    ),
    ("bots", "each message is a heartbeat, and one without a time says that the bot is alive when it is sent"),
];

/// Fixtures of the other sources that say nothing of their own time.
const UNDATED_FILES: &[&str] = &["buildkite/detail-only.json"];

/// A message as SNS brings it.
fn sns(id: &str, message: &Value, attributes: &Value, at: &str) -> Delivery {
    let text = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
    let body = json!({"Type": "Notification", "MessageId": id, "TopicArn": "arn:aws:sns:eu-west-1:123456789012:events",
        "Message": text, "Timestamp": at, "MessageAttributes": attributes});
    Delivery { id: format!("sqs of {id}"), body: body.to_string().into_bytes(), ..Delivery::default() }
}

async fn take(store: &Store, deliveries: &[Delivery]) {
    for batch in deliveries.chunks(7) {
        let report = ingest(store, batch, &Settings::default(), deadline()).await;
        assert_eq!((report.error.as_ref(), report.counts().again), (None, 0));
    }
}

/// All rows but those of what was refused, which is kept each time.
async fn rows(store: &Store) -> String {
    let all = render::all(store).await;
    all.split("== refused").next().unwrap().to_owned()
}

/// The messages of a fixture: those of SNS are there with ids and times of their own.
fn messages(body: &[u8]) -> Vec<(Value, Value)> {
    let document: Value = serde_json::from_slice(body).unwrap();
    match document.as_array() {
        Some(all) if all.iter().all(|message| message["Type"] == "Notification") => {
            all.iter().map(|message| (message["Message"].clone(), message["MessageAttributes"].clone())).collect()
        }
        _ => vec![(document, json!({}))],
    }
}

#[tokio::test]
async fn fixtures_that_are_delivered_again_change_nothing() {
    for family in Family::ALL {
        if let Some((name, why)) = UNDATED.iter().find(|(name, _)| *name == family.name()) {
            println!("{name}: {why}");
            continue;
        }
        let db = support::database().await;
        let mut first = Vec::new();
        let mut again = Vec::new();
        for (name, body) in files(&format!("events/{family}"), ".json") {
            if UNDATED_FILES.contains(&format!("{family}/{name}").as_str()) {
                continue;
            }
            for (index, (message, attributes)) in messages(&body).into_iter().enumerate() {
                let id = format!("{name} {index}");
                first.push(sns(
                    &id,
                    &message,
                    &attributes,
                    &format!("2026-03-20T00:{:02}:{:02}Z", first.len() / 60, first.len() % 60),
                ));
                again.push(sns(&format!("{id} again"), &message, &attributes, "2027-01-01T00:00:00Z"));
            }
        }
        take(&db.store, &first).await;
        let before = rows(&db.store).await;
        for copy in &again {
            take(&db.store, std::slice::from_ref(copy)).await;
            let after = rows(&db.store).await;
            assert!(after == before, "{family}: {}{}", copy.id, difference(&before, &after));
        }
    }
}

#[test]
fn messages_that_are_delivered_again_change_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(support::database());
    let is_dated = |said: &Said| said.payload.get("name").is_none();
    let all = prop::collection::vec(said().prop_filter("dated", is_dated), 1..24);
    let config = Config { cases: 150, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let result = TestRunner::new(config).run(&(all, any::<prop::sample::Index>()), |(all, which)| {
        let first: Vec<Delivery> = all.iter().map(Said::delivery).collect();
        let again = Said { sent: 59, ..all[which.index(all.len())].clone() };
        let (before, after) = runtime.block_on(async {
            schema::clear(&db.store).await;
            take(&db.store, &first).await;
            let before = rows(&db.store).await;
            take(&db.store, &[again.delivery()]).await;
            (before, rows(&db.store).await)
        });
        if before == after { Ok(()) } else { Err(TestCaseError::fail(difference(&before, &after))) }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
