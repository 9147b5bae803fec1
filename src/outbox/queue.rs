//! Leases of deliveries, and the results of attempts. All times are the database's, so that clocks of processes need
//! not agree.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::check_run;
use super::due::{Attempts, EventDue};
use super::payload::{self, StoredPayload};
use super::texts;
use crate::db::{Json, StoreError, Tx, column};

/// The outcome of an attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target accepted it.
    Delivered,
    /// To be retried after a wait (backoff).
    Retry {
        /// The wait.
        wait: Duration,
        /// Whether the wait is random up to that time (full jitter).
        jitter: bool,
        /// Whether the target understood and rejected it: the number of such retries is small.
        refused: bool,
        /// Whether it is certain that the target did not accept it.
        certain: bool,
        /// Response of the target.
        why: String,
    },
    /// The target accepts nothing now; this does not count as an attempt.
    Pause {
        /// Response of the target.
        why: String,
    },
    /// Permanent failure (a dead letter). A reason that begins with `status_cap` holds for all later statuses of the
    /// commit.
    Dead {
        /// Response of the target.
        why: String,
    },
    /// It was not tried.
    NotTried,
}

/// An outcome and its lease.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The lease.
    pub lease: String,
    /// The outcome.
    pub outcome: Outcome,
    /// The delivery is given up after this time.
    pub max_age: Duration,
    /// The delivery is given up after this number of attempts.
    pub max_attempts: i32,
}

/// The health of a target, by its responses: input of the circuit breaker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether it accepted anything.
    pub delivered: bool,
    /// Consecutive faults since it last accepted anything.
    pub faults: i32,
    /// How long to pause deliveries (`Retry-After`, for instance), and whether to double that each consecutive time.
    pub pause: Option<(Duration, bool)>,
    /// Its last response.
    pub reason: Option<String>,
}

/// Free capacity of a target.
#[derive(Clone, Debug)]
pub struct Capacity<'t> {
    /// Its name.
    pub target: &'t str,
    /// Most deliveries to lease.
    pub slots: i32,
    /// Time between two deliveries (rate limit); zero for no limit.
    pub interval: Duration,
}

/// The content of a commit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Path of the repository.
    pub repo: String,
    /// Commit.
    pub sha: String,
    /// Name of the status, as shown; hosts compare it without regard to case.
    pub name: String,
    /// State, by the host's name for it.
    pub state: String,
    /// Description.
    pub description: String,
    /// URL of a page with details.
    pub url: Option<String>,
}

/// A commit status to be posted, under lease.
#[derive(Clone, Debug)]
pub struct StatusDue {
    /// Name of the target.
    pub target: String,
    /// The lease.
    pub lease: String,
    /// The status.
    pub status: Status,
    /// Attempts so far.
    pub attempts: Attempts,
    /// Age of the message that caused it.
    pub age: Duration,
}

/// Converts whole seconds from SQL.
fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// Converts to whole milliseconds for SQL.
fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The capacity parameters of both claims.
fn capacities<'t>(capacities: &[Capacity<'t>]) -> (Vec<&'t str>, Vec<i32>, Vec<i32>) {
    let interval = |capacity: &Capacity<'_>| i32::try_from(capacity.interval.as_millis()).unwrap_or(i32::MAX);
    (
        column(capacities, |capacity| capacity.target),
        column(capacities, |capacity| capacity.slots),
        column(capacities, interval),
    )
}

/// Leases commit statuses that are due. With `is_last` the transaction is committed with that, if there is a target.
///
/// # Errors
/// When the statement fails.
pub async fn claim_statuses(
    tx: &Tx<'_>,
    free: &[Capacity<'_>],
    lease: Duration,
    is_last: bool,
) -> Result<Vec<StatusDue>, StoreError> {
    if free.is_empty() {
        return Ok(Vec::new());
    }
    let (names, slots, intervals) = capacities(free);
    let params: [crate::db::Param<'_>; 4] = [&names, &slots, &intervals, &millis(lease)];
    let sql = include_str!("sql/claim_statuses.sql");
    let rows = if is_last { tx.query_last(sql, &params).await? } else { tx.query(sql, &params).await? };
    let due = rows.iter().map(|row| StatusDue {
        target: row.get("target"),
        lease: row.get("lease"),
        status: Status {
            repo: row.get("repo"),
            sha: row.get("sha"),
            name: row.get("name"),
            state: row.get("wanted_state"),
            description: row.get("wanted_description"),
            url: row.get("wanted_url"),
        },
        attempts: Attempts { attempts: row.get("attempts"), rejections: row.get("refusals") },
        age: seconds(row.get("age_s")),
    });
    Ok(due.collect())
}

/// Leases events that are due: for each key only the first, which keeps the order.
///
/// # Errors
/// When the statement fails.
pub async fn claim_events(tx: &Tx<'_>, free: &[Capacity<'_>], lease: Duration) -> Result<Vec<EventDue>, StoreError> {
    if free.is_empty() {
        return Ok(Vec::new());
    }
    let (names, slots, intervals) = capacities(free);
    let params: [crate::db::Param<'_>; 4] = [&names, &slots, &intervals, &millis(lease)];
    let rows = tx.query(include_str!("sql/claim_deliveries.sql"), &params).await?;
    let due = rows.iter().map(|row| {
        let attributes: Value = row.get("attributes");
        let attributes = attributes.as_object().into_iter().flatten();
        let payload = StoredPayload::new(row.get::<_, Json<_>>("payload").0);
        EventDue {
            target: row.get("target"),
            lease: row.get("lease"),
            attempts: Attempts { attempts: row.get("attempts"), rejections: row.get("refusals") },
            id: row.get("id"),
            family: row.get("family"),
            event: row.get("event"),
            key: row.get("key"),
            attributes: attributes
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
            omitted: payload::omitted(row.get::<_, Option<Value>>("texts").as_ref(), &payload),
            payload,
            texts: BTreeMap::new(),
            created_at: row.get("created_at"),
            age: seconds(row.get("age_s")),
            check_run: None,
        }
    });
    let mut due: Vec<EventDue> = due.collect();
    texts::find(tx, &mut due).await?;
    check_run::find(tx, &mut due).await?;
    Ok(due)
}

/// Numbers of rows by their state after settling.
pub type States = BTreeMap<String, u64>;

/// Ends leases of commit statuses with their outcomes. Returns the numbers of rows by state; a lease that is no longer
/// held changes nothing.
///
/// # Errors
/// When the statement fails.
pub async fn settle_statuses(tx: &Tx<'_>, settled: &[Settled]) -> Result<States, StoreError> {
    settle(tx, include_str!("sql/settle_statuses.sql"), settled).await
}

/// Ends leases of events, as [`settle_statuses`].
///
/// # Errors
/// When the statement fails.
pub async fn settle_events(tx: &Tx<'_>, settled: &[Settled]) -> Result<States, StoreError> {
    settle(tx, include_str!("sql/settle_deliveries.sql"), settled).await
}

async fn settle(tx: &Tx<'_>, sql: &'static str, settled: &[Settled]) -> Result<States, StoreError> {
    if settled.is_empty() {
        return Ok(States::new());
    }
    let rows: Vec<Row<'_>> = settled.iter().map(Row::of).collect();
    let changed = tx
        .query(
            sql,
            &[
                &column(&rows, |r| r.lease),
                &column(&rows, |r| r.outcome),
                &column(&rows, |r| r.wait_ms),
                &column(&rows, |r| r.jitter),
                &column(&rows, |r| r.rejected),
                &column(&rows, |r| r.certain),
                &column(&rows, |r| r.reason.clone()),
                &column(&rows, |r| r.max_age_s),
                &column(&rows, |r| r.max_attempts),
            ],
        )
        .await?;
    let mut states = States::new();
    for row in &changed {
        *states.entry(row.get("state")).or_default() += 1;
    }
    Ok(states)
}

/// A [`Settled`] as columns.
struct Row<'s> {
    lease: &'s str,
    outcome: &'static str,
    wait_ms: i64,
    jitter: bool,
    rejected: bool,
    certain: bool,
    reason: Option<String>,
    max_age_s: i64,
    max_attempts: i32,
}

impl<'s> Row<'s> {
    fn of(settled: &'s Settled) -> Self {
        let mut row = Self {
            lease: &settled.lease,
            outcome: "back",
            wait_ms: 0,
            jitter: false,
            rejected: false,
            certain: true,
            reason: None,
            max_age_s: i64::try_from(settled.max_age.as_secs()).unwrap_or(i64::MAX),
            max_attempts: settled.max_attempts,
        };
        match &settled.outcome {
            Outcome::Delivered => row.outcome = "delivered",
            Outcome::Retry { wait, jitter, refused, certain, why } => {
                row.outcome = "retry";
                row.wait_ms = millis(*wait);
                (row.jitter, row.rejected, row.certain) = (*jitter, *refused, *certain);
                row.reason = Some(cut(why));
            }
            Outcome::Pause { why } => (row.outcome, row.reason) = ("pause", Some(cut(why))),
            Outcome::Dead { why } => (row.outcome, row.reason) = ("dead", Some(cut(why))),
            Outcome::NotTried => {}
        }
        row
    }
}

/// A reason without control characters, cut to 300 characters.
fn cut(why: &str) -> String {
    why.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// The target of the commit status with a lease, and whether the lease is still held; `None` when there is no such
/// lease, or it expired and another process has the status now. `lease` has the form of a uuid.
///
/// # Errors
/// When the statement fails, also for a text of another form.
pub async fn lease_of(tx: &Tx<'_>, lease: &str) -> Result<Option<(String, bool)>, StoreError> {
    let rows = tx.query(include_str!("sql/lease_of_status.sql"), &[&lease]).await?;
    Ok(rows.first().map(|row| (row.get("target"), row.get("held"))))
}

/// A target whose circuit breaker opened, and until when.
pub type Closed = (String, Option<Timestamp>);

/// Writes the health of targets. Returns those whose circuit breaker opened.
///
/// # Errors
/// When the statement fails.
pub async fn settle_targets(tx: &Tx<'_>, health: &BTreeMap<String, Health>) -> Result<Vec<Closed>, StoreError> {
    if health.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(&String, &Health)> = health.iter().collect();
    let changed = tx
        .query(
            include_str!("sql/settle_targets.sql"),
            &[
                &column(&rows, |(name, _)| name.as_str()),
                &column(&rows, |(_, health)| health.delivered),
                &column(&rows, |(_, health)| health.faults),
                &column(&rows, |(_, health)| health.pause.map(|(time, _)| millis(time))),
                &column(&rows, |(_, health)| health.pause.is_some_and(|(_, doubling)| doubling)),
                &column(&rows, |(_, health)| health.reason.as_deref().map(cut)),
            ],
        )
        .await?;
    let closed = changed.iter().filter(|row| row.get("closes"));
    Ok(closed.map(|row| (row.get("name"), row.get("open_until"))).collect())
}
