//! The number of round trips of a batch to PostgreSQL, and the effects of a transaction whose first or last statement
//! fails.

use std::time::Duration;

use hummingbird_status::db::{Store, StoreError, Tx};
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::json;

use crate::counting::{self, Proxy};
use crate::deliver::{github, register};
use crate::support::buildkite::{Event, HOST, event};
use crate::support::forge::{Forge, created};
use crate::support::{self, deadline, render, store_of};

/// Takes a batch in, and returns what was asked in each round trip.
async fn take_in(store: &Store, proxy: &Proxy, batch: &[Delivery]) -> Vec<String> {
    proxy.take_trips();
    let report = ingest(store, batch, &Settings::default(), deadline()).await;
    assert_eq!(report.counts().kept, batch.len() as u64, "{:?} {:?}", report.error, report.reasons);
    proxy.take_trips().into_iter().map(|(asked, _)| asked).collect()
}

fn runs(count: usize, version: usize) -> Vec<Delivery> {
    let run = |number: usize| {
        let metadata = json!({"name": format!("r-{number}"), "uid": format!("u-{number}"),
            "resourceVersion": version.to_string(),
            "labels": {"pipelines.appstudio.openshift.io/type": "build", "version": version.to_string()}});
        let body = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": metadata});
        Delivery { id: format!("m-{number}-{version}"), body: body.to_string().into_bytes(), ..Delivery::default() }
    };
    (0..count).map(run).collect()
}

#[tokio::test]
async fn a_batch_of_runs_costs_a_constant_number_of_round_trips() {
    let db = support::database().await;
    let proxy = Proxy::start(counting::address_in(&db.url), Duration::ZERO, true);
    let store = store_of(&proxy.url(&db.url), 1);
    // The first batch prepares the statements.
    take_in(&store, &proxy, &runs(500, 1)).await;
    let mut sent = Vec::new();
    for (size, version) in [(1, 2), (10, 3), (500, 4)] {
        let trips = take_in(&store, &proxy, &runs(size, version)).await;
        // The answer to the beginning of a long message looks like a round trip of its own.
        if size < 500 {
            // Another version of the same state changes no check.
            let statements = ["BEGIN + upsert_pipelineruns", "checks_by_key", "COMMIT"];
            assert_eq!(trips, statements, "{size}");
        }
        sent.push(trips.join(" + "));
    }
    sent.dedup();
    assert_eq!(sent.len(), 1, "{sent:?}");
}

#[tokio::test]
async fn builds_with_many_notifications_cost_a_constant_number_of_round_trips() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    register(&db.store, &github(&forge, HOST)).await;
    let proxy = Proxy::start(counting::address_in(&db.url), Duration::ZERO, true);
    let store = store_of(&proxy.url(&db.url), 1);
    let builds = |count: u64, state: &str, second: u32| -> Vec<Delivery> {
        let names: Vec<String> = (1..=count).map(|number| number.to_string()).collect();
        let shas: Vec<String> = (1..=count).map(|number| format!("{number:040x}")).collect();
        names
            .iter()
            .zip(&shas)
            .zip(1..)
            .map(|((build, sha), number)| Event { build, sha, number, ..event(state, second) }.delivery())
            .collect()
    };
    // The first batches prepare the statements.
    take_in(&store, &proxy, &builds(1, "running", 1)).await;
    take_in(&store, &proxy, &builds(1, "failed", 2)).await;
    let few = take_in(&store, &proxy, &builds(2, "passed", 3)).await;
    let many = take_in(&store, &proxy, &builds(200, "failed", 4)).await;
    assert_eq!(few, many);
    assert_eq!(few.first().map(String::as_str), Some("BEGIN + upsert_builds"));
    assert_eq!(few.last().map(String::as_str), Some("notify_due + COMMIT"));
    assert!(few.len() <= 9, "{few:?}");
    drop(store);
    let posted = "SELECT count(*)::text FROM commit_statuses WHERE state = 'pending'";
    assert_eq!(render::rows(&db.store, posted).await, ["200"]);
}

const TABLE: &str =
    "CREATE TABLE t (x int PRIMARY KEY); CREATE TABLE late (x int UNIQUE DEFERRABLE INITIALLY DEFERRED)";
const ADD: &str = "-- add\nINSERT INTO t VALUES (1)";
const BREAK: &str = "-- break\nSELECT 1 / x FROM (VALUES (0)) AS v (x)";
const BREAK_LATE: &str = "-- break_late\nINSERT INTO late VALUES (1), (1)";

async fn of(store: &Store, body: impl AsyncFn(&mut Tx<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
    store.in_tx("test", deadline(), body).await
}

/// Whatever fails, and whether it is prepared already or not: nothing is kept, and the one connection serves the next
/// transaction.
#[tokio::test]
async fn a_failure_of_the_first_or_last_statement_rolls_back_and_the_connection_stays() {
    let db = support::database().await;
    let store = store_of(&db.url, 1);
    store.script(TABLE, deadline()).await.unwrap();
    let rows = "SELECT (SELECT count(*) FROM t) || ' ' || (SELECT count(*) FROM late)";
    for _ in 0..2 {
        let failures = [
            of(&store, async |tx| tx.query(BREAK, &[]).await.map(drop)).await,
            of(&store, async |tx| {
                tx.query(ADD, &[]).await?;
                tx.query(BREAK, &[]).await.map(drop)
            })
            .await,
            of(&store, async |tx| tx.query_last(BREAK, &[]).await.map(drop)).await,
            of(&store, async |tx| {
                tx.query(ADD, &[]).await?;
                tx.query_last(BREAK, &[]).await.map(drop)
            })
            .await,
            // Only the commit itself finds this out.
            of(&store, async |tx| {
                tx.query(ADD, &[]).await?;
                tx.query_last(BREAK_LATE, &[]).await.map(drop)
            })
            .await,
        ];
        for (number, failure) in failures.iter().enumerate() {
            assert!(matches!(failure, Err(StoreError::Statement { .. })), "{number}: {failure:?}");
        }
        assert_eq!(render::rows(&store, rows).await, ["0 0"]);
    }
    of(&store, async |tx| tx.query_last(ADD, &[]).await.map(drop)).await.unwrap();
    assert_eq!(render::rows(&store, rows).await, ["1 0"]);
}

/// A savepoint is released or rolled back by itself, and does not end the transaction around it.
#[tokio::test]
async fn the_last_statement_of_a_part_commits_nothing() {
    let db = support::database().await;
    let store = store_of(&db.url, 1);
    store.script(TABLE, deadline()).await.unwrap();
    let failed = of(&store, async |tx| {
        let part = tx.savepoint().await?;
        part.query_last(ADD, &[]).await?;
        part.release().await?;
        let part = tx.savepoint().await?;
        part.query(BREAK, &[]).await.unwrap_err();
        part.rollback().await?;
        tx.query(BREAK, &[]).await.map(drop)
    })
    .await;
    assert!(failed.is_err());
    assert_eq!(render::rows(&store, "SELECT count(*)::text FROM t").await, ["0"]);
}

/// A transaction that is given up while a statement runs leaves no open transaction in the pool.
#[tokio::test]
async fn a_transaction_that_is_given_up_is_rolled_back() {
    let db = support::database().await;
    let store = store_of(&db.url, 1);
    store.script(TABLE, deadline()).await.unwrap();
    let added = tokio::sync::Notify::new();
    let work = of(&store, async |tx| {
        tx.query(ADD, &[]).await?;
        added.notify_one();
        std::future::pending().await
    });
    tokio::select! {
        _ = work => panic!("ended"),
        () = added.notified() => {}
    }
    // The same connection would see the row.
    assert_eq!(render::rows(&store, "SELECT count(*)::text FROM t").await, ["0"]);
    of(&store, async |tx| tx.query(ADD, &[]).await.map(drop)).await.unwrap();
}
