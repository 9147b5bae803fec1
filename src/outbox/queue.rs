//! Leases: who delivers what, and what became of it. Time is the database's everywhere, so that clocks need not agree.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::check_run::{self, CheckRun};
use super::texts::{self, StoredPayload};
use crate::store::{Json, StoreError, Tx, column};

/// What became of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target has it.
    Delivered,
    /// To be tried again after a wait.
    Retry {
        /// How long.
        wait: Duration,
        /// Whether that is the longest of a random wait.
        jitter: bool,
        /// Whether the target understood, and refused: few of those are tried.
        refused: bool,
        /// Whether it is certain that the target has not taken it.
        certain: bool,
        /// What the target said.
        why: String,
    },
    /// The target takes nothing now; this counts as no attempt.
    Pause {
        /// What the target said.
        why: String,
    },
    /// It can never be delivered. A reason that begins with `status_cap` holds for all statuses to come.
    Dead {
        /// What the target said.
        why: String,
    },
    /// It was not tried.
    Back,
}

/// An outcome, and the lease that it is about.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The lease.
    pub lease: String,
    /// What became of it.
    pub outcome: Outcome,
    /// After that time it is given up.
    pub max_age: Duration,
    /// After so many attempts it is given up.
    pub max_attempts: i32,
}

/// What answers say about a target as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether it took something.
    pub delivered: bool,
    /// Faults in a row, since it last took something.
    pub faults: i32,
    /// How long nothing is to be sent, and whether for twice as long each time in a row.
    pub pause: Option<(Duration, bool)>,
    /// What it said.
    pub reason: Option<String>,
}

/// How much a target takes at present.
#[derive(Clone, Debug)]
pub struct Room<'t> {
    /// Its name.
    pub target: &'t str,
    /// Deliveries that may be leased.
    pub slots: i32,
    /// Time between two; none for no pace.
    pub interval: Duration,
}

/// What was tried so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Attempts that failed.
    pub attempts: i32,
    /// Those of them in which the target understood, and refused.
    pub refusals: i32,
}

/// What a commit is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Path of the repository.
    pub repo: String,
    /// Commit.
    pub sha: String,
    /// Name of the status, as it is shown; hosts do not tell upper from lower case.
    pub name: String,
    /// State, in the host's word.
    pub state: String,
    /// Sentence beside it.
    pub description: String,
    /// Page with more.
    pub url: Option<String>,
}

/// A commit status to be posted, under lease.
#[derive(Clone, Debug)]
pub struct StatusDue {
    /// Name of the target.
    pub target: String,
    /// The lease.
    pub lease: String,
    /// What the commit is told.
    pub status: Status,
    /// What was tried so far.
    pub tries: Tries,
    /// How long ago the message was sent that caused it.
    pub age: Duration,
}

/// An event to be delivered, under lease.
#[derive(Clone, Debug)]
pub struct EventDue {
    /// Name of the target.
    pub target: String,
    /// The lease.
    pub lease: String,
    /// What was tried so far.
    pub tries: Tries,
    /// Id of the event.
    pub id: i64,
    /// Family.
    pub family: String,
    /// What happened.
    pub event: String,
    /// What it happened to.
    pub key: String,
    /// For filters of subscribers.
    pub attributes: BTreeMap<String, String>,
    /// What consumers read.
    pub payload: StoredPayload,
    /// Hashes of the texts that the payload leaves out, by member.
    pub omitted: BTreeMap<String, Vec<u8>>,
    /// Those of the texts that are still kept.
    pub texts: BTreeMap<String, String>,
    /// When.
    pub created_at: Timestamp,
    /// How long ago the message was sent that caused it.
    pub age: Duration,
    /// The check run that it is about, where one was made.
    pub check_run: Option<CheckRun>,
}

impl EventDue {
    /// The payload with the texts that it leaves out, as JSON.
    #[must_use]
    pub fn whole(&self) -> String {
        texts::whole(&self.payload, &self.texts)
    }

    /// The payload without them.
    #[must_use]
    pub fn short(&self) -> String {
        texts::whole(&self.payload, &BTreeMap::new())
    }

    /// The attributes of either form: `omitted` names the texts that are not in it.
    #[must_use]
    pub fn attributes(&self, is_whole: bool) -> BTreeMap<String, String> {
        texts::attributes(self, is_whole)
    }
}

/// A time from whole seconds of SQL.
fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// A whole number of milliseconds, for SQL.
fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The parameters of both claims.
fn rooms<'t>(rooms: &[Room<'t>]) -> (Vec<&'t str>, Vec<i32>, Vec<i32>) {
    let interval = |room: &Room<'_>| i32::try_from(room.interval.as_millis()).unwrap_or(i32::MAX);
    (column(rooms, |room| room.target), column(rooms, |room| room.slots), column(rooms, interval))
}

/// Leases commit statuses that are due. With `is_last` the transaction is committed with that, if there is a target.
///
/// # Errors
/// When the statement fails.
pub async fn claim_statuses(
    tx: &Tx<'_>,
    free: &[Room<'_>],
    lease: Duration,
    is_last: bool,
) -> Result<Vec<StatusDue>, StoreError> {
    if free.is_empty() {
        return Ok(Vec::new());
    }
    let (names, slots, intervals) = rooms(free);
    let params: [crate::store::Param<'_>; 4] = [&names, &slots, &intervals, &millis(lease)];
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
        tries: Tries { attempts: row.get("attempts"), refusals: row.get("refusals") },
        age: seconds(row.get("age_s")),
    });
    Ok(due.collect())
}

/// Leases events that are due: of each key the first only.
///
/// # Errors
/// When the statement fails.
pub async fn claim_events(tx: &Tx<'_>, free: &[Room<'_>], lease: Duration) -> Result<Vec<EventDue>, StoreError> {
    if free.is_empty() {
        return Ok(Vec::new());
    }
    let (names, slots, intervals) = rooms(free);
    let params: [crate::store::Param<'_>; 4] = [&names, &slots, &intervals, &millis(lease)];
    let rows = tx.query(include_str!("sql/claim_deliveries.sql"), &params).await?;
    let due = rows.iter().map(|row| {
        let attributes: Value = row.get("attributes");
        let attributes = attributes.as_object().into_iter().flatten();
        let payload = StoredPayload::new(row.get::<_, Json<_>>("payload").0);
        EventDue {
            target: row.get("target"),
            lease: row.get("lease"),
            tries: Tries { attempts: row.get("attempts"), refusals: row.get("refusals") },
            id: row.get("id"),
            family: row.get("family"),
            event: row.get("event"),
            key: row.get("key"),
            attributes: attributes
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
            omitted: texts::omitted(row.get::<_, Option<Value>>("texts").as_ref(), &payload),
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

/// How many rows ended in which way.
pub type States = BTreeMap<String, u64>;

/// Ends leases of commit statuses. Returns how many rows are now in which state; a lease that was not held changes none.
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
                &column(&rows, |r| r.refused),
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
    refused: bool,
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
            refused: false,
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
                (row.jitter, row.refused, row.certain) = (*jitter, *refused, *certain);
                row.reason = Some(cut(why));
            }
            Outcome::Pause { why } => (row.outcome, row.reason) = ("pause", Some(cut(why))),
            Outcome::Dead { why } => (row.outcome, row.reason) = ("dead", Some(cut(why))),
            Outcome::Back => {}
        }
        row
    }
}

/// A reason that PostgreSQL takes, and people read.
fn cut(why: &str) -> String {
    why.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// Whose commit status a lease is about, and whether it is still held: `None` when there is no such lease, or it ran out and
/// somebody else has the status now. `lease` has the form of a uuid.
///
/// # Errors
/// When the statement fails, also for a text of another form.
pub async fn lease_of(tx: &Tx<'_>, lease: &str) -> Result<Option<(String, bool)>, StoreError> {
    let rows = tx.query(include_str!("sql/lease_of_status.sql"), &[&lease]).await?;
    Ok(rows.first().map(|row| (row.get("target"), row.get("held"))))
}

/// A target that was closed off, until when.
pub type Closed = (String, Option<Timestamp>);

/// Writes what answers say about targets. Returns those that this closed off.
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
