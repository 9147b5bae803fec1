//! Builds whose commits get statuses, in batches of 100, a millisecond away from PostgreSQL: how many a second, and
//! round trips.

use std::time::Duration;

use hummingbird_status::db::{Store, Tx};
use hummingbird_status::deliver::targets::{Target, targets};
use hummingbird_status::ingest::ingest;
use hummingbird_status::outbox::registry;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use crate::measure::{ROUNDS, median, print, rate, timed};
use crate::proxy::{self, Proxy};
use crate::server::Server;
use crate::support::buildkite::{Event, HOST, event};
use crate::support::{deadline, store_of};

/// Messages in each measurement.
const MESSAGES: usize = 2000;
/// Messages in a batch.
const BATCH: usize = 100;

/// Measures and prints.
pub async fn run(server: &Server) {
    let url = server.database("builds").await;
    let store = store_of(&url, 1);
    register(&store).await;
    let far = Proxy::start(proxy::address_in(&url), Duration::from_micros(500), false);
    let counted = Proxy::start(proxy::address_in(&url), Duration::ZERO, true);
    let mut all = (0..).map(build);
    let mut next = |count: usize| all.by_ref().take(count).collect::<Vec<Delivery>>();
    let mut row = Vec::new();
    for (way, url) in [("near", url.clone()), ("+1 ms", far.url(&url))] {
        let store = store_of(&url, 1);
        let mut found = Vec::new();
        for round in 0..=ROUNDS {
            let (_, time) = timed(take_in(&store, &next(MESSAGES))).await;
            if round > 0 {
                found.push(rate(MESSAGES, time));
            }
        }
        let (least, most) = (found.iter().copied().fold(f64::MAX, f64::min), found.iter().copied().fold(0.0, f64::max));
        row.push([way.to_owned(), format!("{:.0} ({least:.0} to {most:.0})", median(found))]);
    }
    let store = store_of(&counted.url(&url), 1);
    take_in(&store, &next(2 * BATCH)).await;
    counted.take_trips();
    take_in(&store, &next(BATCH)).await;
    row.push(["round trips of a batch".to_owned(), counted.take_trips().len().to_string()]);
    print("Builds with statuses, batches of 100: messages a second", ["PostgreSQL", "builds/s"], &row);
}

/// A build that passed, of a commit of its own.
fn build(number: usize) -> Delivery {
    let sha = format!("{number:040x}");
    Event { build: &sha, sha: &sha, ..event("passed", 1) }.delivery()
}

async fn take_in(store: &Store, deliveries: &[Delivery]) {
    for batch in deliveries.chunks(BATCH) {
        let report = ingest(store, batch, &Settings::default(), deadline()).await;
        assert_eq!(report.counts().kept, batch.len() as u64, "{:?}", report.error);
    }
}

/// A target for their host.
async fn register(store: &Store) {
    let document = format!(
        "[[target]]\nname = 'ghe'\nkind = 'github'\nhosts = ['{HOST}']\napi = 'https://x'\ntoken = 'env:TOKEN'\n"
    );
    let lookup = |name: &str| match name {
        "DELIVERY_TARGETS" => Some(document.clone()),
        "TOKEN" => Some("x".to_owned()),
        _ => None,
    };
    let targets: Vec<_> = targets(&lookup).unwrap().iter().map(Target::registration).collect();
    let register = async |tx: &mut Tx<'_>| registry::register(tx, &targets).await;
    store.in_tx("register", deadline(), register).await.unwrap();
}
