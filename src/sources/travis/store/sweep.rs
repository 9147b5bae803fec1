//! The sweep: ends stuck jobs, and deletes pending messages whose build never arrived.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{load, save};
use crate::checks::Touched;
use crate::db::{StoreError, Stuck, Tx};
use crate::outbox::Announcer;
use crate::sources::travis::record::{Details, Event, Message, Object, State};
use crate::sources::travis::rules::{PENDING_FOR, STUCK_AFTER};

/// Limit of the rows of each kind that one sweep processes; the next sweep continues.
const LIMIT: i64 = 1000;

const STUCK: &str = include_str!("sql/stuck_jobs.sql");

/// Ends stuck jobs and deletes old pending messages. Without `write`, only finds them. Returns them.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(
    tx: &Tx<'_>,
    now: Timestamp,
    write: bool,
    announcer: &mut Announcer,
    touched: &mut Touched,
) -> Result<Vec<Stuck>, StoreError> {
    let mut stuck = end_stuck_jobs(tx, now, write, announcer, touched).await?;
    stuck.extend(prune_pending(tx, now, write).await?);
    Ok(stuck)
}

/// Deletes messages that have been pending for too long, the oldest first. Without `write`, only finds them.
async fn prune_pending(tx: &Tx<'_>, now: Timestamp, write: bool) -> Result<Vec<Stuck>, StoreError> {
    let before = now.saturating_sub(PENDING_FOR).unwrap_or(now);
    let sql = if write { include_str!("sql/prune_pending.sql") } else { include_str!("sql/old_pending.sql") };
    let read = |row: &Row| Stuck {
        kind: "travis_pending",
        name: format!("{} {}", row.get::<_, &str>("object"), row.get::<_, i64>("object_id")),
        state: row.get("event"),
        since: row.get("updated_at"),
    };
    Ok(tx.query(sql, &[&before, &LIMIT]).await?.iter().map(read).collect())
}

/// Ends jobs that have been queued, received or started for too long without a message: they are errored as of `now`,
/// and so are stage and build. Without `write`, only finds them.
async fn end_stuck_jobs(
    tx: &Tx<'_>,
    now: Timestamp,
    write: bool,
    announcer: &mut Announcer,
    touched: &mut Touched,
) -> Result<Vec<Stuck>, StoreError> {
    let found = stuck(tx, now).await?;
    if !write || found.is_empty() {
        return Ok(found.into_values().collect());
    }
    let jobs: Vec<i64> = found.keys().copied().collect();
    let mut builds: Vec<i64> = load::find(tx, &jobs, &[]).await?.into_values().collect();
    builds.sort_unstable();
    builds.dedup();
    let before = load::builds(tx, &builds).await?;
    // Messages may have arrived while the locks were awaited.
    let mut still_stuck = stuck(tx, now).await?;
    let mut after = before.clone();
    let mut ended = Vec::new();
    for rows in &mut after {
        let ids: Vec<i64> = rows.jobs.iter().map(|job| job.id).collect();
        for id in ids {
            let Some(stuck) = still_stuck.remove(&id) else { continue };
            let event = Event::Finish(State::Errored);
            let sweep = format!("sweep {now}");
            let message =
                Message { object: Object::Job(id), event, details: Details::default(), id: sweep, sent_at: Some(now) };
            if rows.end_stuck_job(id, &message) {
                ended.push(stuck);
            }
        }
    }
    save::save(tx, &before, &after, std::iter::empty(), Some(now), announcer, touched).await?;
    Ok(ended)
}

/// Stuck jobs, by id.
async fn stuck(tx: &Tx<'_>, now: Timestamp) -> Result<HashMap<i64, Stuck>, StoreError> {
    let before = now.saturating_sub(STUCK_AFTER).unwrap_or(now);
    let read = |row: &Row| {
        let id: i64 = row.get("id");
        let stuck =
            Stuck { kind: "travis_job", name: id.to_string(), state: row.get("state"), since: row.get("updated_at") };
        (id, stuck)
    };
    Ok(tx.query(STUCK, &[&before, &LIMIT]).await?.iter().map(read).collect())
}
