//! SQS event in, tables out.

use hummingbird_status::ingest::{Outcome, ingest};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use crate::support::{self, deadline, render};

/// Every fixture of the sources, as one delivery each.
fn fixtures() -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for folder in ["konflux", "gitlab", "buildkite"] {
        for (name, body) in support::files(&format!("events/{folder}"), ".json") {
            deliveries.push(Delivery { id: format!("{folder}/{name}"), body, ..Delivery::default() });
        }
    }
    deliveries
}

#[tokio::test]
async fn ingest_is_idempotent() {
    let db = support::database().await;
    let fixtures = fixtures();
    let first = ingest(&db.store, &fixtures, &Settings::default(), deadline()).await;
    let tables = render::all(&db.store).await;
    let again = ingest(&db.store, &fixtures, &Settings::default(), deadline()).await;
    assert_eq!(render::all(&db.store).await, tables);
    assert!(first.counts().kept > 50, "{:?}", first.counts());
    assert_eq!(again.counts().kept, 0, "{:?}", again.counts());
    for (delivery, outcome) in fixtures.iter().zip(first.outcomes()) {
        println!("{:?} {}", outcome, delivery.id);
        assert_ne!(*outcome, Outcome::Retry, "{}", delivery.id);
    }
    println!("{:?} {tables}", first.reasons);
}
