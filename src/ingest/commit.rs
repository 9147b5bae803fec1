//! Writes a batch in one transaction. Data that PostgreSQL rejects (poison) is found by halving the batch, not by a
//! savepoint for each row.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::read::{self, Batch};
use crate::checks::Touched;
use crate::db::{ErrorClass, Rejected, Store, StoreError, Tx, reject};
use crate::outbox::{Announcer, Due};
use crate::platform::clock::{self, Deadline};
use crate::platform::failure::chain;
use crate::sources::{self, Record, Settings};
use crate::transport::Delivery;

/// What was committed.
#[derive(Default)]
pub(super) struct Committed {
    /// Messages that changed rows.
    pub(super) kept: HashSet<usize>,
    /// Messages that PostgreSQL rejected, and why.
    pub(super) poison: HashMap<usize, String>,
    /// The deliveries that became due.
    pub(super) due: Due,
}

/// Longest backoff between two attempts while the database is away.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Writes a batch; retries with backoff until the deadline.
pub(super) async fn commit(
    store: &Store,
    batch: &Batch,
    deliveries: &[Delivery],
    settings: &Settings,
    deadline: Deadline,
) -> Result<Committed, StoreError> {
    let mut attempt = 0;
    loop {
        let error = match once(store, batch, deliveries, settings, deadline).await {
            Ok(committed) => return Ok(committed),
            Err(error) => error,
        };
        let wait = clock::backoff(attempt, Duration::from_millis(200), LONGEST_WAIT);
        if deadline.remaining() <= wait {
            return Err(error);
        }
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        match attempt {
            0 => tracing::warn!(wait_ms, error = chain(&error), "cannot write yet, retrying after backoff"),
            _ => tracing::debug!(attempt, wait_ms, error = chain(&error), "cannot write yet, retrying after backoff"),
        }
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

/// One attempt: the whole batch at once; by halves only if PostgreSQL rejects some of the data.
async fn once(
    store: &Store,
    batch: &Batch,
    deliveries: &[Delivery],
    settings: &Settings,
    deadline: Deadline,
) -> Result<Committed, StoreError> {
    store.check_schema(deadline).await?;
    let whole = store
        .in_tx("ingest", deadline, async |tx| {
            let mut announcer = announcer(batch, settings);
            let mut touched = Touched::new(settings.silent);
            let records = batch.records.iter().collect::<Vec<_>>();
            let kept = sources::write(tx, &records, &mut announcer, &mut touched).await?;
            let of_verdicts = sources::write_checks(tx, &touched).await?;
            reject(tx, &rejections(batch)).await?;
            let due = announcer.finish(tx).await?.and(of_verdicts);
            Ok(Committed { kept: kept.into_iter().collect(), poison: HashMap::new(), due })
        })
        .await;
    match whole {
        Err(error) if error.class() == ErrorClass::Poison => {
            tracing::warn!(error = chain(&error), "PostgreSQL rejects some of the data, searching for it by halves");
            store.in_tx("ingest_by_halves", deadline, async |tx| by_halves(tx, batch, deliveries, settings).await).await
        }
        other => other,
    }
}

/// Announces the events of a batch, unless the settings are silent.
fn announcer(batch: &Batch, settings: &Settings) -> Announcer {
    let announcer = Announcer::of_messages(batch.messages.iter().map(|message| message.own_time).collect());
    if settings.silent { announcer.silent() } else { announcer }
}

fn rejections(batch: &Batch) -> Vec<&Rejected> {
    batch.refused.iter().map(|(_, rejected)| rejected).collect()
}

/// Writes the messages that can be written, and rejects the others; about two savepoints for each halving.
async fn by_halves(
    tx: &mut Tx<'_>,
    batch: &Batch,
    deliveries: &[Delivery],
    settings: &Settings,
) -> Result<Committed, StoreError> {
    let mut committed = Committed::default();
    let mut announcer = announcer(batch, settings);
    let mut touched = Touched::new(settings.silent);
    let mut ranges = Vec::from([(0, batch.messages.len())]);
    while let Some((start, end)) = ranges.pop() {
        let records: Vec<&(usize, Record)> =
            batch.records.iter().filter(|(message, _)| (start..end).contains(message)).collect();
        let part = tx.savepoint().await?;
        let written = async {
            let mut touched = Touched::default();
            let kept = sources::write(&part, &records, &mut announcer, &mut touched).await?;
            Ok::<_, StoreError>((kept, announcer.flush(&part).await?, touched))
        };
        match written.await {
            Ok((kept, due, part_touched)) => {
                part.release().await?;
                touched.extend(part_touched);
                committed.kept.extend(kept);
                committed.due = committed.due.and(due);
            }
            Err(error) if error.class() == ErrorClass::Poison => {
                part.rollback().await?;
                announcer.clear();
                if end - start > 1 {
                    let middle = start.midpoint(end);
                    ranges.extend([(middle, end), (start, middle)]);
                } else {
                    committed.poison.insert(start, error.server_message());
                }
            }
            Err(error) => return Err(error),
        }
    }
    committed.due = committed.due.and(sources::write_checks(tx, &touched).await?);
    let mut of_delivery: HashMap<usize, Vec<usize>> = HashMap::new();
    for number in committed.poison.keys() {
        of_delivery.entry(batch.messages[*number].delivery).or_default().push(*number);
    }
    let (many, few): (Vec<_>, Vec<_>) = of_delivery.into_iter().partition(|(_, all)| all.len() > read::MOST_REJECTED);
    let once = many.iter().filter_map(|(delivery, all)| {
        let first = all.iter().min()?;
        let source = Some(batch.messages[*first].source.name());
        Some(read::whole(&deliveries[*delivery], all.len(), "database", &committed.poison[first], source))
    });
    let poison = few.iter().flat_map(|(_, all)| all).map(|number| {
        let server_message = &committed.poison[number];
        let message = &batch.messages[*number];
        let (attributes, body) = read::part(&deliveries[message.delivery], &message.id, settings.limits);
        Rejected {
            id: message.id.clone(),
            sent_at: message.sent_at,
            family: Some(message.source.name()),
            reason: "database",
            detail: crate::transport::Rejection::new("database", server_message).detail,
            attributes,
            body,
        }
    });
    let poison: Vec<Rejected> = poison.chain(once).collect();
    reject(tx, &rejections(batch).into_iter().chain(&poison).collect::<Vec<_>>()).await?;
    Ok(committed)
}
