//! Concurrent writers: no deadlock, no lost message, and the tables of a single writer.

use std::thread;

use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::support::generate::{Said, said};
use crate::support::hot::{HotKeys, deadlocks};
use crate::support::random::Random;
use crate::support::{self, deadline, render, store_of};

/// The number of messages that both workers receive.
const MESSAGES: usize = 4_000;

#[tokio::test]
async fn hot_keys_do_not_deadlock() {
    let db = support::database().await;
    HotKeys { keys: 1000, writers: 4, batch: 200, batches: 25, seed: 1 }.write(&db.url);
    assert_eq!(render::rows(&db.store, "SELECT count(*)::text FROM pipelineruns").await, ["1000"]);
    drop(db.store);
    assert_eq!(deadlocks(&db.url).await, 0);
}

/// Checks the counter itself: without this, a counter that never rises would look like no deadlock.
#[tokio::test]
async fn a_deadlock_would_be_counted() {
    let db = support::database().await;
    HotKeys { keys: 2, writers: 1, batch: 50, batches: 1, seed: 1 }.write(&db.url);
    // Each transaction holds its first row before one of them requests its second.
    let both = "DO $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7002);
        WHILE (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7002
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) < 2 LOOP
            PERFORM pg_sleep(0.01);
        END LOOP; END $$;";
    let crosswise = async |first: &str, second: &str| {
        let touch = |key: &str| format!("UPDATE pipelineruns SET reason = 'x' WHERE name = '{key}';");
        let sql = format!("BEGIN; {} {both} {} COMMIT", touch(first), touch(second));
        store_of(&db.url, 1).script(&sql, deadline()).await
    };
    let (one, other) = tokio::join!(crosswise("hot-0", "hot-1"), crosswise("hot-1", "hot-0"));
    assert!(one.is_err() != other.is_err(), "{one:?} {other:?}");
    drop(db.store);
    assert_eq!(deadlocks(&db.url).await, 1);
}

#[tokio::test]
async fn two_workers_write_what_one_writes() {
    let deliveries = messages();
    let one = support::database().await;
    work(&one.store, &deliveries, 1000).await;
    let expected = render::all(&one.store).await;

    let two = support::database().await;
    thread::scope(|scope| {
        for (seed, batch) in [(1, 100), (2, 170)] {
            let (deliveries, url) = (&deliveries, &two.url);
            scope.spawn(move || {
                let mut shuffled = deliveries.clone();
                Random::new(seed).shuffle(&mut shuffled);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async { work(&store_of(url, 1), &shuffled, batch).await });
            });
        }
    });
    let found = render::all(&two.store).await;
    assert!(expected == found, "{}", support::difference(&expected, &found));
    for table in ["components", "pipelineruns", "snapshots", "releases", "replaced", "gitlab_mr_versions", "refused"] {
        let count = render::rows(&two.store, &format!("SELECT count(*)::text FROM {table}")).await;
        println!("{table}: {} rows", count[0]);
        assert_ne!(count, ["0"], "{table}: the messages say nothing of it");
    }
    drop(two.store);
    assert_eq!(deadlocks(&two.url).await, 0);
}

async fn work(store: &Store, deliveries: &[Delivery], batch: usize) {
    for batch in deliveries.chunks(batch) {
        let report = ingest(store, batch, &Settings::default(), deadline()).await;
        assert!(report.error.is_none(), "{:?}", report.error);
    }
}

/// Messages of all kinds; half of them about a few contended objects, half about many objects.
fn messages() -> Vec<Delivery> {
    let (mut runner, strategy) = (TestRunner::deterministic(), said());
    let mut random = Random::new(0);
    let mut message = || {
        let mut said = strategy.new_tree(&mut runner).unwrap().current();
        if random.below(2) == 0 {
            widen(&mut said, random.below(400));
        }
        said.delivery()
    };
    (0..MESSAGES).map(|_| message()).collect()
}

/// Changes a message so that it is about one of many objects instead of one of few.
fn widen(said: &mut Said, which: usize) {
    let payload = &mut said.payload;
    if let Some(name) = payload.pointer_mut("/metadata/name")
        && let Some(text) = name.as_str()
    {
        *name = json!(format!("{text}-{which}"));
    } else if let Some(iid) = payload.pointer_mut("/object_attributes/iid") {
        *iid = json!(which + 10);
    } else if let Some(after) = payload.get("after").cloned() {
        let sha = format!("{}-{which}", after.as_str().unwrap());
        payload["after"] = json!(sha);
        payload["commits"][0]["id"] = json!(sha);
    }
}
