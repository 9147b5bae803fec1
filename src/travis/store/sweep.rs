//! Jobs that nobody speaks of any more, and messages whose build never came.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{load, save};
use crate::outbox::Announcer;
use crate::store::{Stale, StoreError, Tx};
use crate::travis::record::{Event, Message, Object, State, Told};
use crate::travis::rules::{PATIENCE, WAITING};

/// Rows that one sweep ends at most, of each kind; the next one goes on.
const MOST: i64 = 1000;

const STALE: &str = include_str!("sql/stale_jobs.sql");

/// What is to be done about all that got stuck: see `give_up` and `forget`.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(
    tx: &Tx<'_>,
    now: Timestamp,
    write: bool,
    announcer: &mut Announcer,
) -> Result<Vec<Stale>, StoreError> {
    let mut stale = give_up(tx, now, write, announcer).await?;
    stale.extend(forget(tx, now, write).await?);
    Ok(stale)
}

/// Throws away messages that have waited for their build for too long, the oldest first. Without `write`, only finds them.
async fn forget(tx: &Tx<'_>, now: Timestamp, write: bool) -> Result<Vec<Stale>, StoreError> {
    let before = now.saturating_sub(WAITING).unwrap_or(now);
    let sql = if write { include_str!("sql/prune_pending.sql") } else { include_str!("sql/old_pending.sql") };
    let read = |row: &Row| Stale {
        kind: "travis_pending",
        name: format!("{} {}", row.get::<_, &str>("object"), row.get::<_, i64>("object_id")),
        state: row.get("event"),
        since: row.get("updated_at"),
    };
    Ok(tx.query(sql, &[&before, &MOST]).await?.iter().map(read).collect())
}

/// Ends jobs that have been queued, received or started for too long without a word: they are errored as of `now`, and
/// stage and build follow. Without `write`, only finds them.
async fn give_up(
    tx: &Tx<'_>,
    now: Timestamp,
    write: bool,
    announcer: &mut Announcer,
) -> Result<Vec<Stale>, StoreError> {
    let found = stale(tx, now).await?;
    if !write || found.is_empty() {
        return Ok(found.into_values().collect());
    }
    let jobs: Vec<i64> = found.keys().copied().collect();
    let mut builds: Vec<i64> = load::find(tx, &jobs, &[]).await?.into_values().collect();
    builds.sort_unstable();
    builds.dedup();
    let before = load::builds(tx, &builds).await?;
    // Somebody may have said something while the locks were waited for.
    let mut still = stale(tx, now).await?;
    let mut after = before.clone();
    let mut ended = Vec::new();
    for rows in &mut after {
        let ids: Vec<i64> = rows.jobs.iter().map(|job| job.id).collect();
        for id in ids {
            let Some(stale) = still.remove(&id) else { continue };
            let event = Event::Finish(State::Errored);
            let sweep = format!("sweep {now}");
            let message =
                Message { object: Object::Job(id), event, told: Told::default(), id: sweep, sent_at: Some(now) };
            if rows.give_up(id, &message) {
                ended.push(stale);
            }
        }
    }
    save::save(tx, &before, &after, std::iter::empty(), Some(now), announcer).await?;
    Ok(ended)
}

/// By id.
async fn stale(tx: &Tx<'_>, now: Timestamp) -> Result<HashMap<i64, Stale>, StoreError> {
    let before = now.saturating_sub(PATIENCE).unwrap_or(now);
    let read = |row: &Row| {
        let id: i64 = row.get("id");
        let stale =
            Stale { kind: "travis_job", name: id.to_string(), state: row.get("state"), since: row.get("updated_at") };
        (id, stale)
    };
    Ok(tx.query(STALE, &[&before, &MOST]).await?.iter().map(read).collect())
}
