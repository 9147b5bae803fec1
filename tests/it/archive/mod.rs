//! The archive: from a mirror and from a server of S3, whole, in parts, disturbed, and beside live messages.

mod faults;
mod function;
mod init;
mod kill;
mod same;

use std::path::Path;

use hummingbird_status::archive::Source;
use hummingbird_status::archive::backfill::{self, BackfillError, Options, Parameters, Summary};
use hummingbird_status::envelope::Delivery;
use hummingbird_status::family::Settings;
use hummingbird_status::pipeline::ingest;
use hummingbird_status::store::Store;
use hummingbird_status::tasks::Stopper;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::support::archive::{Published, time};
use crate::support::generate::said;
use crate::support::random::Random;
use crate::support::{self, deadline, render};

/// So many random messages of all kinds, among them what cannot be kept; and all fixtures.
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
    for (number, family) in ["konflux", "gitlab"].iter().enumerate() {
        for (name, body) in support::files(&format!("events/{family}"), ".json") {
            let payload = String::from_utf8(body).unwrap();
            let at = time(messages.len() * 3 + number);
            messages.push(Published {
                id: format!("{family}-{name}"),
                at,
                payload,
                event_type: "MODIFIED",
                packed: true,
            });
        }
    }
    messages
}

/// What the objects of the archiver hold.
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

/// All tables; of what was refused without the bytes, which come in another wrapping.
async fn tables(store: &Store) -> String {
    let all = render::all(store).await;
    let (kept, _) = all.split_once("== refused\n").unwrap();
    let refused = render::table(store, &["id", "sent_at", "family", "reason"], "FROM refused ORDER BY id").await;
    format!("{kept}== refused\n{refused}")
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
pub async fn work(store: &Store, parameters: &Parameters, source: &Source) -> Result<Summary, BackfillError> {
    let (_stopper, stop) = Stopper::new();
    let claim = backfill::begin(store, &backfill::new_id(), parameters, "test").await?;
    backfill::run(store, &Settings::default(), source, claim, &options(), &stop, |_, _| {}).await
}
