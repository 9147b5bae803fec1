//! Replay of rejected messages and redrive of dead letters: both are ingested like new messages.

use std::process::Command;

use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use hummingbird_status::db::Store;
use hummingbird_status::db::rejected::Chosen;
use hummingbird_status::ingest::replay::replay;
use hummingbird_status::ingest::{Counts, ingest};
use hummingbird_status::platform::shutdown::Stopper;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use crate::support::archive::{Published, time};
use crate::support::moto::Moto;
use crate::support::{self, deadline, difference, render};

fn run(name: &str) -> String {
    format!(
        r#"{{"apiVersion":"tekton.dev/v1","kind":"PipelineRun","metadata":{{"name":"{name}","uid":"u","resourceVersion":"1"}}}}"#
    )
}

/// With a time of their own, and without; several in one; and what can never be kept.
fn deliveries() -> Vec<Delivery> {
    let plain = |id: String, body: String| Delivery { id, body: body.into_bytes(), ..Delivery::default() };
    let mut all: Vec<_> = (0..40).map(|n| plain(format!("plain-{n}"), run(&format!("plain-{n}")))).collect();
    all.extend((0..40).map(|number| {
        let payload = run(&format!("sent-{number}"));
        let id = format!("m{number}");
        Published { id, at: time(number), payload, event_type: "DELETED", packed: number % 2 == 0 }.delivery()
    }));
    all.push(plain("several".to_owned(), [run("a13"), run("b13"), run("c")].join("\n")));
    all.push(plain("never".to_owned(), "certainly no JSON".to_owned()));
    all
}

async fn again(store: &Store, settings: &Settings, chosen: &Chosen) -> (Counts, usize) {
    let (_stopper, stop) = Stopper::new();
    replay(store, settings, chosen, &stop, |_| {}).await.unwrap()
}

#[tokio::test]
async fn messages_that_can_be_kept_now_are_kept_and_removed() {
    let undisturbed = support::database().await;
    let deliveries = deliveries();
    ingest(&undisturbed.store, &deliveries, &Settings::default(), deadline()).await;
    let expected = render::all(&undisturbed.store).await;

    let db = support::database().await;
    let check = "ALTER TABLE pipelineruns ADD CONSTRAINT no_unlucky_names CHECK (name NOT LIKE '%13%')";
    db.store.script(check, deadline()).await.unwrap();
    let mut strict = Settings::default();
    strict.limits.decoded_bytes = 150;
    let (first, second) = deliveries.split_at(60);
    ingest(&db.store, first, &Settings::default(), deadline()).await;
    ingest(&db.store, second, &strict, deadline()).await;
    let columns = ["reason", "coalesce(family, '-')", "count(*)"];
    let counted = render::table(&db.store, &columns, "FROM refused GROUP BY reason, family ORDER BY 1").await;
    insta::assert_snapshot!(counted, @r"
    database | konflux | 4
    not-json | - | 1
    too-large | - | 10
    ");

    // Nothing has changed: nothing is removed.
    let (counts, removed) =
        again(&db.store, &strict, &Chosen { reason: Some("database".to_owned()), ..Chosen::default() }).await;
    assert_eq!((counts.received, counts.refused, removed), (4, 4, 0));

    db.store.script("ALTER TABLE pipelineruns DROP CONSTRAINT no_unlucky_names", deadline()).await.unwrap();
    let chosen = Chosen { id: Some("plain-13".to_owned()), ..Chosen::default() };
    let (counts, removed) = again(&db.store, &strict, &chosen).await;
    assert_eq!((counts.kept, removed), (1, 1));
    let (counts, removed) = again(&db.store, &Settings::default(), &Chosen::default()).await;
    assert_eq!((counts.refused, removed as u64), (1, counts.received - 1), "{counts:?}");
    assert!(removed > 10);
    let found = render::all(&db.store).await;
    assert!(found == expected, "{}", difference(&expected, &found));
    // To repeat it does nothing.
    let (counts, removed) = again(&db.store, &Settings::default(), &Chosen::default()).await;
    assert_eq!((counts.received, counts.refused, removed), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_redriven() {
    let Some(moto) = Moto::start().await else { return };
    let sqs = aws_sdk_sqs::Client::new(&moto.aws());
    let dead = sqs.create_queue().queue_name("dead").send().await.unwrap().queue_url.unwrap();
    let arn = sqs.get_queue_attributes().queue_url(&dead).attribute_names(QueueAttributeName::QueueArn).send().await;
    let arn = arn.unwrap().attributes.unwrap()[&QueueAttributeName::QueueArn].clone();
    let policy = serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": 5}).to_string();
    let queue =
        sqs.create_queue().queue_name("live").attributes(QueueAttributeName::RedrivePolicy, policy).send().await;
    let queue = queue.unwrap().queue_url.unwrap();
    let deliveries = deliveries();
    for batch in deliveries.chunks(10) {
        let entries = batch.iter().enumerate().map(|(number, delivery)| {
            let body = String::from_utf8(delivery.body.clone()).unwrap();
            SendMessageBatchRequestEntry::builder().id(number.to_string()).message_body(body).build().unwrap()
        });
        let sent = sqs.send_message_batch().queue_url(&dead).set_entries(Some(entries.collect())).send().await.unwrap();
        assert_eq!(sent.successful.len(), batch.len());
    }
    let db = support::database().await;
    let redrive = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
        command.arg("redrive").args(arguments).env("DATABASE_URL", &db.url).env("SQS_QUEUE_URL", &queue);
        command.env("AWS_ENDPOINT_URL", &moto.endpoint).env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "x");
        command.output().unwrap()
    };
    let output = redrive(&[]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    // A queue may deliver a message twice.
    assert!(
        said.contains(" 83 kept, ") && said.contains(" 0 ignored, ") && said.contains(" rejected, 0 to be retried"),
        "{said}"
    );
    assert_eq!(render::rows(&db.store, "SELECT count(*)::text FROM refused").await, ["1"]);
    assert_eq!(render::rows(&db.store, "SELECT count(*)::text FROM pipelineruns").await, ["83"]);
    let output = redrive(&[&dead]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("0 messages"), "{said}");
    let output = redrive(&["http://127.0.0.1:1/queue/none"]);
    assert!(!output.status.success());
}
