//! The order of things: decode, write in one transaction, say what became of each delivery. The only file that
//! knows it, and the only way by which messages reach the tables.

mod answer;
mod commit;
mod read;
mod report;

use std::time::Instant;

use crate::clock::{self, Deadline};
use crate::envelope::Delivery;
use crate::family::Settings;
use crate::store::Store;

pub use self::answer::{NotTaken, answer};
pub use self::read::{Batch, Source, read};
pub use self::report::{Counts, Outcome, Report};

/// Takes a batch in. Every delivery gets an outcome, and all that is kept or refused is committed together.
///
/// While the database is away this waits and tries again until the deadline: SQS would deliver at full speed what
/// comes back at once, and count each delivery. What could not be tried by then is [`Outcome::Again`].
pub async fn ingest(store: &Store, deliveries: &[Delivery], settings: &Settings, deadline: Deadline) -> Report {
    let start = Instant::now();
    let batch = read(deliveries, settings);
    let decoded = start.elapsed();
    let mut report = Report::new(deliveries, &batch, clock::now());
    if batch.has_something_to_write() {
        match commit::commit(store, &batch, deliveries, settings, deadline).await {
            Ok(committed) => report.committed(&committed),
            Err(error) => report.failed(&error),
        }
    }
    report.finish(decoded, start.elapsed());
    report
}

/// Reads a batch and writes nothing: what would be offered to the tables counts as [`Outcome::Stale`].
#[must_use]
pub fn rehearse(deliveries: &[Delivery], settings: &Settings) -> Report {
    let start = Instant::now();
    let batch = read(deliveries, settings);
    let mut report = Report::new(deliveries, &batch, clock::now());
    report.finish(start.elapsed(), start.elapsed());
    report
}
