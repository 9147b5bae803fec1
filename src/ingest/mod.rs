//! Ingests a batch: decode, write in one transaction, report an outcome for each delivery. Live consumers, backfill and
//! replay all use it; there is no other path by which messages reach the tables.

mod answer;
mod commit;
mod metrics;
mod read;
pub mod replay;
mod report;

use std::time::Instant;

use crate::db::Store;
use crate::platform::clock::{self, Deadline};
use crate::sources::Settings;
use crate::transport::Delivery;

pub use self::answer::{InvocationFailed, answer};
pub use self::metrics::record;
pub use self::read::{Batch, Origin, read};
pub use self::report::{Counts, Outcome, Report};

/// Ingests a batch. Every delivery gets an outcome, and all records and rejected messages are committed together.
///
/// While the database is away this retries with backoff until the deadline: SQS would redeliver at full speed, and
/// count each delivery. A delivery that could not be tried by then is [`Outcome::Retry`].
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

/// Decodes a batch and writes nothing (a dry run): messages with records count as [`Outcome::Outdated`].
#[must_use]
pub fn rehearse(deliveries: &[Delivery], settings: &Settings) -> Report {
    let start = Instant::now();
    let batch = read(deliveries, settings);
    let mut report = Report::new(deliveries, &batch, clock::now());
    report.finish(start.elapsed(), start.elapsed());
    report
}
