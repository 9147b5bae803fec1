//! Poison messages in a batch, and an unavailable database.

use std::time::Duration;

use hummingbird_status::ingest::{Outcome, ingest};
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use crate::support::generate::pack;
use crate::support::{self, deadline, render};

fn run(name: &str) -> String {
    format!(
        r#"{{"apiVersion":"tekton.dev/v1","kind":"PipelineRun","metadata":{{"name":{name},"uid":"u","resourceVersion":"1"}}}}"#
    )
}

fn delivery(id: &str, body: impl Into<Vec<u8>>) -> Delivery {
    Delivery { id: id.to_owned(), body: body.into(), ..Delivery::default() }
}

/// Poison messages of each kind, and valid ones between them.
fn poisoned() -> Vec<Delivery> {
    vec![
        delivery("good-1", run(r#""a""#)),
        delivery("not-json", "certainly not JSON"),
        delivery("bomb", pack(&vec![b' '; 40 << 20])),
        delivery("nul", run(r#""n\u0000ul""#)),
        delivery("wrong-type", run("42")),
        delivery("good-2", run(r#""b""#)),
        delivery("surrogate", run(r#""\ud800""#)),
        delivery("over-long", run(&format!("\"{}\"", "x".repeat(5000)))),
        delivery("unknown-kind", r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}}"#),
        delivery("good-3", run(r#""c""#)),
    ]
}

#[tokio::test]
async fn poison_harms_no_other_message() {
    let db = support::database().await;
    let report = ingest(&db.store, &poisoned(), &Settings::default(), deadline()).await;
    assert_eq!(report.to_retry().count(), 0);
    let outcomes: Vec<_> = poisoned().iter().map(|d| d.id.clone()).zip(report.outcomes().to_vec()).collect();
    for (id, outcome) in outcomes {
        let expected = match id.as_str() {
            good if good.starts_with("good") => Outcome::Kept,
            "unknown-kind" => Outcome::Ignored,
            _ => Outcome::Rejected,
        };
        assert_eq!(outcome, expected, "{id}");
    }
    insta::assert_snapshot!(render::table(&db.store, &["name"], "FROM pipelineruns ORDER BY name").await, @r"
    a
    b
    c
    ");
    let columns = ["id", "family", "reason", "detail", "octet_length(body)"];
    insta::assert_snapshot!(render::table(&db.store, &columns, "FROM refused ORDER BY id").await, @r"
    bomb | - | too-large | 405328 bytes decode to more than one delivery may hold | 540440
    not-json | - | not-json | text of 18 bytes that is neither JSON nor base64 | 18
    nul | konflux | bad-field | metadata.name: string of 4 bytes with a NUL (\u0000), which PostgreSQL does not store at line 1 column 81 | 115
    over-long | konflux | bad-field | metadata.name: string of 5000 bytes, at most 1024 are kept at line 1 column 5072 | 5106
    surrogate | konflux | not-json | metadata.name: unexpected end of hex escape at line 1 column 78 | 112
    wrong-type | konflux | bad-field | metadata.name: invalid type: integer `42`, expected a string at line 1 column 72 | 106
    ");
}

/// A message that decodes but that PostgreSQL rejects, for instance by a CHECK, is found by bisection with savepoints.
#[tokio::test]
async fn a_message_that_only_postgresql_rejects_is_found() {
    let db = support::database().await;
    let check = "ALTER TABLE pipelineruns ADD CONSTRAINT no_unlucky_names CHECK (name NOT LIKE '%13%')";
    db.store.script(check, deadline()).await.unwrap();
    let batch: Vec<_> = (0..40).map(|n| delivery(&format!("m{n}"), run(&format!("\"run-{n}\"")))).collect();
    let report = ingest(&db.store, &batch, &Settings::default(), deadline()).await;
    let counts = report.counts();
    assert_eq!((counts.kept, counts.refused, counts.again), (39, 1, 0), "{:?}", report.error);
    let columns = ["id", "family", "reason", "detail", "convert_from(body, 'UTF8')"];
    insta::assert_snapshot!(render::table(&db.store, &columns, "FROM refused").await,
        @r##"m13 | konflux | database | upsert_pipelineruns: 23514 new row for relation "pipelineruns" violates check constraint "no_unlucky_names" (no_unlucky_names) | {"apiVersion":"tekton.dev/v1","kind":"PipelineRun","metadata":{"name":"run-13","uid":"u","resourceVersion":"1"}}"##);
}

#[tokio::test]
async fn while_the_database_is_unavailable_all_messages_are_retried() {
    let db = support::database().await;
    let name = db.url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let admin = support::admin_store();
    let away = |state: &str| {
        format!(
            "ALTER DATABASE {name} ALLOW_CONNECTIONS {state}; \
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
    };
    admin.script(&away("false"), deadline()).await.unwrap();

    let batch = poisoned();
    let started = std::time::Instant::now();
    let short = Deadline::within(Duration::from_secs(3));
    let report = ingest(&db.store, &batch, &Settings::default(), short).await;
    let again: Vec<_> = report.to_retry().collect();
    let expected: Vec<_> = batch.iter().map(|d| d.id.as_str()).filter(|id| *id != "unknown-kind").collect();
    assert_eq!(again, expected, "all but what there is nothing to do for");
    assert!(started.elapsed() > Duration::from_secs(1), "it gave up without waiting: {:?}", started.elapsed());
    assert!(started.elapsed() < support::LONGEST / 3, "it missed its deadline: {:?}", started.elapsed());

    admin.script(&away("true"), deadline()).await.unwrap();
    let report = ingest(&db.store, &batch, &Settings::default(), deadline()).await;
    assert_eq!((report.counts().kept, report.counts().again), (3, 0), "{:?}", report.error);
}

/// A broken connection is replaced, and the batch is ingested.
#[tokio::test]
async fn a_lost_connection_is_replaced() {
    let db = support::database().await;
    let admin = support::admin_store();
    let name = db.url.split('?').next().unwrap().rsplit('/').next().unwrap();
    for round in 0..5 {
        let batch = [delivery("m", run(&format!("\"run-{round}\"")))];
        let report = ingest(&db.store, &batch, &Settings::default(), deadline()).await;
        assert_eq!(report.counts().kept, 1, "{:?}", report.error);
        let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        admin.script(&cut, deadline()).await.unwrap();
    }
}

/// After a fail-over a connection may lead to a read-only server (SQLSTATE 25006), while a new one leads to the writer.
#[tokio::test]
async fn a_connection_to_a_read_only_server_is_replaced() {
    let db = support::database().await;
    let store = support::store_of(&db.url, 1);
    let name = db.url.split('?').next().unwrap().rsplit('/').next().unwrap();
    let admin = support::admin_store();
    let reads = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    admin.script(&reads, deadline()).await.unwrap();
    store.check_schema(deadline()).await.unwrap();
    admin.script(&format!("ALTER DATABASE {name} RESET default_transaction_read_only"), deadline()).await.unwrap();
    let batch = [delivery("m", run("\"a\""))];
    let report = ingest(&store, &batch, &Settings::default(), deadline()).await;
    assert_eq!((report.counts().kept, &report.error), (1, &None));
}

#[tokio::test]
async fn a_database_without_schema_is_reported_and_nothing_is_lost() {
    let url = support::bare_database("bare_for_faults").await;
    let store = support::store_of(&url, 1);
    let batch = [delivery("m", run("\"a\""))];
    let report = ingest(&store, &batch, &Settings::default(), Deadline::within(Duration::from_secs(1))).await;
    assert_eq!(report.to_retry().collect::<Vec<_>>(), ["m"]);
    let (_, error) = report.error.unwrap();
    assert!(error.contains("has schema 0, this program needs") && error.contains("migrate"), "{error}");
}
