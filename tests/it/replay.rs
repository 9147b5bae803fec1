//! Any order, any duplication, any batching of the same messages gives the same rows.

use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::support::generate::{Said, said};
use crate::support::{self, deadline, difference, render, schema};

async fn take_in(store: &Store, batches: &[Vec<Delivery>]) -> String {
    schema::clear(store).await;
    for batch in batches {
        let report = ingest(store, batch, &Settings::default(), deadline()).await;
        assert_eq!(report.counts().again, 0, "{:?}", report.error);
    }
    render::all(store).await
}

/// A set of messages, and a history: an order with repetitions, split into batches.
fn histories() -> impl Strategy<Value = (Vec<Said>, Vec<Vec<usize>>)> {
    prop::collection::vec(said(), 1..40).prop_flat_map(|messages| {
        let indexes: Vec<usize> = (0..messages.len()).collect();
        let repeated = prop::collection::vec(0..messages.len(), 0..8);
        let cuts = prop::collection::vec(1..9_usize, 1..24);
        let history = (Just(indexes), repeated, cuts).prop_flat_map(|(mut order, repeated, cuts)| {
            order.extend(repeated);
            (Just(order).prop_shuffle(), Just(cuts)).prop_map(|(order, cuts)| {
                let mut rest = order.as_slice();
                let mut batches = Vec::new();
                for size in cuts.into_iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    let (batch, left) = rest.split_at(size.min(rest.len()));
                    batches.push(batch.to_vec());
                    rest = left;
                }
                batches
            })
        });
        (Just(messages), history)
    })
}

#[test]
fn any_history_of_the_same_messages_gives_the_same_tables() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(support::database());
    let mut runner = TestRunner::new(Config {
        cases: support::cases(100),
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    });
    let result = runner.run(&histories(), |(messages, history)| {
        let deliveries: Vec<Delivery> = messages.iter().map(Said::delivery).collect();
        let batches: Vec<Vec<Delivery>> =
            history.iter().map(|batch| batch.iter().map(|&index| deliveries[index].clone()).collect()).collect();
        let (expected, found) = runtime.block_on(async {
            let expected = take_in(&db.store, std::slice::from_ref(&deliveries)).await;
            (expected, take_in(&db.store, &batches).await)
        });
        if expected == found { Ok(()) } else { Err(TestCaseError::fail(difference(&expected, &found))) }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
