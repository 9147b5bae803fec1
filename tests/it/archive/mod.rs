//! Backfill from a mirror and from an S3 server: whole, in parts, with faults, and beside live messages.

mod faults;
mod function;
mod init;
mod kill;
mod same;

use std::path::Path;

use hummingbird_status::archive::Archive;
use hummingbird_status::archive::backfill::{self, BackfillError, Options, Parameters, Summary};
use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::platform::shutdown::Stopper;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::support::archive::{Published, time};
use crate::support::generate::said;
use crate::support::random::Random;
use crate::support::{self, deadline, render};

/// So many random messages of all kinds, some of them invalid, and all fixtures.
fn messages(count: usize) -> Vec<Published> {
    let mut runner = TestRunner::deterministic();
    let random = (0..count).map(|number| {
        let said = said().new_tree(&mut runner).unwrap().current();
        Published {
            id: format!("{number:08x}-{}", said.payload.to_string().len()),
            at: time(number),
            payload: said.payload.to_string(),
            event_type: said.event_type,
            packed: said.packed,
        }
    });
    let mut messages: Vec<_> = random.collect();
    for (number, source) in ["konflux", "gitlab"].iter().enumerate() {
        for (name, body) in support::files(&format!("events/{source}"), ".json") {
            let payload = String::from_utf8(body).unwrap();
            let at = time(messages.len() * 3 + number);
            messages.push(Published {
                id: format!("{source}-{name}"),
                at,
                payload,
                event_type: "MODIFIED",
                packed: true,
            });
        }
    }
    messages
}

/// The objects of the archiver.
fn objects(messages: &[Published]) -> Vec<(String, Vec<u8>)> {
    let mut objects: Vec<_> = messages.iter().map(Published::object).collect();
    objects.sort();
    objects.dedup_by(|one, other| one.0 == other.0);
    objects
}

/// The tables after live messages in random order.
async fn live(messages: &[Published]) -> String {
    let db = support::database().await;
    let mut deliveries: Vec<Delivery> = messages.iter().map(Published::delivery).collect();
    Random::new(7).shuffle(&mut deliveries);
    for batch in deliveries.chunks(150) {
        let report = ingest(&db.store, batch, &Settings::default(), deadline()).await;
        assert_eq!(report.counts().again, 0, "{:?}", report.error);
    }
    tables(&db.store).await
}

/// All tables; the rejected messages without their bytes, which have another envelope here.
async fn tables(store: &Store) -> String {
    let all = render::all(store).await;
    let (kept, _) = all.split_once("== refused\n").unwrap();
    let rejected = render::table(store, &["id", "sent_at", "family", "reason"], "FROM refused ORDER BY id").await;
    format!("{kept}== refused\n{rejected}")
}

/// All objects of a folder.
pub fn of_mirror(root: &Path) -> Parameters {
    Parameters { mirror: Some(root.to_owned()), prefix: "sns/".to_owned(), ..Parameters::default() }
}

/// Small batches, so that there are many of them.
fn options() -> Options {
    Options { batch_messages: 100, ..Options::default() }
}

/// A run from its beginning to its end.
pub async fn work(store: &Store, parameters: &Parameters, source: &Archive) -> Result<Summary, BackfillError> {
    let (_stopper, stop) = Stopper::new();
    let claim = backfill::begin(store, &backfill::new_id(), parameters, "test").await?;
    backfill::run(store, &Settings::default(), source, claim, &options(), &stop, |_, _| {}).await
}
