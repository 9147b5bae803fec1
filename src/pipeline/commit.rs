//! One transaction for a batch; poison in it is found by halving, not by a savepoint a row.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::read::{self, Batch};
use crate::clock::{self, Deadline};
use crate::envelope::Delivery;
use crate::family::{self, Record, Settings};
use crate::outbox::{Announcer, Due};
use crate::store::{Refused, Store, StoreError, Tx, Verdict, chain, refuse};

/// What was committed.
#[derive(Default)]
pub(super) struct Committed {
    /// Messages that changed something.
    pub(super) kept: HashSet<usize>,
    /// Messages that PostgreSQL did not take, and why.
    pub(super) poison: HashMap<usize, String>,
    /// What is to be delivered by that.
    pub(super) due: Due,
}

/// Longest wait between two tries while the database is away.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Writes a batch; tries until the deadline while the database is away.
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
            0 => tracing::warn!(wait_ms, error = chain(&error), "cannot write yet, waiting"),
            _ => tracing::debug!(attempt, wait_ms, error = chain(&error), "cannot write yet, waiting"),
        }
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

/// One try: all at once, and only if PostgreSQL does not take some of the data, by halves.
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
            let kept = family::write(tx, &batch.records.iter().collect::<Vec<_>>(), &mut announcer).await?;
            refuse(tx, &refusals(batch)).await?;
            let due = announcer.finish(tx).await?;
            Ok(Committed { kept: kept.into_iter().collect(), poison: HashMap::new(), due })
        })
        .await;
    match whole {
        Err(error) if error.verdict() == Verdict::Poison => {
            tracing::warn!(error = chain(&error), "data that PostgreSQL does not take, looking for it by halves");
            store.in_tx("ingest_by_halves", deadline, async |tx| by_halves(tx, batch, deliveries, settings).await).await
        }
        other => other,
    }
}

/// Announces what happens in a batch, unless it is to be known only.
fn announcer(batch: &Batch, settings: &Settings) -> Announcer {
    let announcer = Announcer::of_messages(batch.messages.iter().map(|message| message.own_time).collect());
    if settings.silent { announcer.silent() } else { announcer }
}

fn refusals(batch: &Batch) -> Vec<&Refused> {
    batch.refused.iter().map(|(_, refused)| refused).collect()
}

/// Writes what can be written, and refuses the messages that cannot: about two savepoints for each halving.
async fn by_halves(
    tx: &mut Tx<'_>,
    batch: &Batch,
    deliveries: &[Delivery],
    settings: &Settings,
) -> Result<Committed, StoreError> {
    let mut committed = Committed::default();
    let mut announcer = announcer(batch, settings);
    let mut ranges = Vec::from([(0, batch.messages.len())]);
    while let Some((start, end)) = ranges.pop() {
        let records: Vec<&(usize, Record)> =
            batch.records.iter().filter(|(message, _)| (start..end).contains(message)).collect();
        let part = tx.savepoint().await?;
        let written = async {
            let kept = family::write(&part, &records, &mut announcer).await?;
            Ok::<_, StoreError>((kept, announcer.flush(&part).await?))
        };
        match written.await {
            Ok((kept, due)) => {
                part.keep().await?;
                committed.kept.extend(kept);
                committed.due = committed.due.and(due);
            }
            Err(error) if error.verdict() == Verdict::Poison => {
                part.take_back().await?;
                announcer.clear();
                if end - start > 1 {
                    let middle = start.midpoint(end);
                    ranges.extend([(middle, end), (start, middle)]);
                } else {
                    committed.poison.insert(start, error.complaint());
                }
            }
            Err(error) => return Err(error),
        }
    }
    let mut of_delivery: HashMap<usize, Vec<usize>> = HashMap::new();
    for number in committed.poison.keys() {
        of_delivery.entry(batch.messages[*number].delivery).or_default().push(*number);
    }
    let (many, few): (Vec<_>, Vec<_>) = of_delivery.into_iter().partition(|(_, all)| all.len() > read::MOST_REFUSED);
    let once = many.iter().filter_map(|(delivery, all)| {
        let first = all.iter().min()?;
        let family = Some(batch.messages[*first].family.name());
        Some(read::whole(&deliveries[*delivery], all.len(), "database", &committed.poison[first], family))
    });
    let poison = few.iter().flat_map(|(_, all)| all).map(|number| {
        let complaint = &committed.poison[number];
        let message = &batch.messages[*number];
        let (attributes, body) = read::part(&deliveries[message.delivery], &message.id, settings.limits);
        Refused {
            id: message.id.clone(),
            sent_at: message.sent_at,
            family: Some(message.family.name()),
            reason: "database",
            detail: crate::envelope::Refusal::new("database", complaint).detail,
            attributes,
            body,
        }
    });
    let poison: Vec<Refused> = poison.chain(once).collect();
    refuse(tx, &refusals(batch).into_iter().chain(&poison).collect::<Vec<_>>()).await?;
    Ok(committed)
}
