//! Ingests the messages of an archive, in runs that can be stopped and resumed.
//!
//! ```text
//! Archive::list ─► feeder: reads N objects at a time, makes batches in order of keys
//!                   │ at most 64 MiB of objects are in memory
//!                   ▼
//!                 writers: W batches at a time through `ingest`
//!                   ▼
//!                 ledger: cursor = last key before which every batch is committed ─► backfill_runs, twice a second
//! ```
//!
//! Messages are ingested at least once: after a crash, messages that were committed after the last saved cursor are
//! ingested again. Ingest is idempotent, so they change nothing. A lease keeps two processes from working on the same
//! run.

mod error;
mod feeder;
mod function;
mod ledger;
mod progress;
mod request;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

pub use self::error::BackfillError;
pub use self::function::{Invocation, invoked};
pub use self::ledger::{Totals, Unreadable};
pub use self::progress::every_few_seconds;
pub use self::request::{Parameters, Request, Resume};
use super::range::Range;
use super::s3;
use super::source::Archive;
use crate::db::{self, Progress, Retrying, Run, Store, StoreError, Tx};
use crate::platform::aws;
use crate::platform::clock::{self, Deadline};
use crate::platform::environment::Lookup;
use crate::platform::shutdown::{Stop, Stopper, on_a_thread};
use crate::sources::Settings;
use feeder::{Ended, Feeder};
use ledger::Ledger;
use writer::Writer;

/// How often the owner of a run renews its lease, and saves counts and cursor.
const SAVE: Duration = Duration::from_millis(500);
/// The lease of a run expires after this time, and another process may take the run over. If the first owner still
/// runs, it ends at its next renewal; until then both do the same work, which is harmless.
pub const LEASE: Duration = Duration::from_secs(3);
/// The most messages in the batches of all writers: about 100 MB with payloads of 40 kB.
const IN_HAND: usize = 2000;
/// The time limit of a transaction on the table of runs, retries included.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The limits of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Messages in a batch, at most.
    pub batch_messages: usize,
    /// Bytes of messages in a batch, as they are stored; a larger message is a batch by itself.
    pub batch_bytes: usize,
    /// How long an archive or a database may be unavailable before the run fails.
    pub time_limit: Duration,
    /// When retries of a batch end; the batch is left to the next process that resumes the run.
    pub deadline: Option<Deadline>,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_messages: 500, batch_bytes: 8 << 20, time_limit: Duration::from_secs(300), deadline: None }
    }
}

impl Options {
    /// The most messages in a batch with this number of writers: together they hold at most [`IN_HAND`], to bound the
    /// memory.
    fn batch_messages_for(&self, writers: usize) -> usize {
        self.batch_messages.min(IN_HAND / writers.max(1)).max(1)
    }
}

/// A run whose lease this process holds.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Its id.
    pub id: String,
    /// The name of this owner.
    pub owner: String,
    /// What the run is to do.
    pub parameters: Parameters,
    /// The saved cursor.
    pub cursor: Option<String>,
    /// The saved counts.
    pub totals: Totals,
    /// The saved list of unreadable objects.
    pub unreadable: Vec<Unreadable>,
    /// How often it was claimed, this time included.
    pub invocations: i32,
}

/// The state in which a run was left.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Summary {
    /// Its id, by which it can be resumed.
    pub run: String,
    /// `running` (stopped, can be resumed), `done`, `failed` or `cancelled`.
    pub state: String,
    /// The last key up to which everything is committed.
    pub cursor: Option<String>,
    /// The counts of all invocations.
    #[serde(flatten)]
    pub totals: Totals,
    /// The first 1,000 objects that could not be read.
    pub unreadable_objects: Vec<Unreadable>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Begins a run with this id. A run of this id that exists and has not ended is continued, so that a retry is
/// idempotent.
///
/// # Errors
/// When the database does not answer, the run has ended, or another process holds its lease.
pub async fn begin(store: &Store, id: &str, parameters: &Parameters, owner: &str) -> Result<Claim, BackfillError> {
    let (json, counts) = (parameters.to_json(), Totals::default().to_json());
    retrying(store).in_tx("create_run", async |tx| db::create_run(tx, id, &json, &counts).await).await?;
    claim(store, id, owner, &["running"]).await
}

/// Resumes a run that was stopped, failed or was cancelled.
///
/// # Errors
/// When there is no such run, it is done, another process holds its lease, or the database does not answer.
pub async fn resume(store: &Store, id: &str, owner: &str) -> Result<Claim, BackfillError> {
    claim(store, id, owner, &["running", "failed", "cancelled"]).await
}

/// Takes the lease of a run in one of `states`. Waits up to two lease times for the lease of a process that has ended.
async fn claim(store: &Store, id: &str, owner: &str, states: &[&str]) -> Result<Claim, BackfillError> {
    let time = Deadline::within(LEASE * 2);
    loop {
        let claimed =
            retrying(store).in_tx("claim_run", async |tx| db::claim_run(tx, id, owner, states, LEASE).await).await?;
        let run = find(store, id).await?.ok_or_else(|| BackfillError::NoRun(id.to_owned()))?;
        if claimed {
            return Ok(Claim {
                id: run.id,
                owner: owner.to_owned(),
                parameters: Parameters::from_json(&run.parameters)?,
                cursor: run.cursor,
                totals: Totals::from_json(&run.counts),
                unreadable: serde_json::from_str(&run.unreadable).unwrap_or_default(),
                invocations: run.invocations,
            });
        }
        if !states.contains(&run.state.as_str()) {
            return Err(BackfillError::Ended { id: run.id, state: run.state });
        }
        if time.remaining().is_zero() {
            return Err(BackfillError::Busy { id: run.id, owner: run.owner.unwrap_or_default() });
        }
        tokio::time::sleep(LEASE / 8).await;
    }
}

/// The retry policy of transactions on the table of runs.
fn retrying(store: &Store) -> Retrying {
    Retrying::until(store, Deadline::within(TIME_LIMIT))
}

/// Finds a run by its id.
///
/// # Errors
/// When the database does not answer.
pub async fn find(store: &Store, id: &str) -> Result<Option<Run>, StoreError> {
    let found = retrying(store).in_tx("runs", async |tx| db::runs(tx, Some(id), 1, LEASE).await).await?;
    Ok(found.into_iter().next())
}

/// The latest runs, at most `most`.
///
/// # Errors
/// When the database does not answer.
pub async fn latest(store: &Store, most: i64) -> Result<Vec<Run>, StoreError> {
    retrying(store).in_tx("runs", async |tx| db::runs(tx, None, most, LEASE).await).await
}

/// The id of the latest run that is neither done nor cancelled.
///
/// # Errors
/// When the database does not answer.
pub async fn unfinished(store: &Store) -> Result<Option<String>, StoreError> {
    let runs = latest(store, 100).await?;
    let run = runs.into_iter().find(|run| run.state == "running" || run.state == "failed");
    Ok(run.map(|run| run.id))
}

/// Cancels a run; the process that works on it stops within a second. `false` when no such run is running.
///
/// # Errors
/// When the database does not answer.
pub async fn cancel(store: &Store, id: &str) -> Result<bool, StoreError> {
    retrying(store).in_tx("cancel_run", async |tx| db::cancel_run(tx, id).await).await
}

/// Works on a run until it is done, fails, is cancelled, or `stop` is set. `watch` is called twice a second with the
/// counts and the cursor.
///
/// # Errors
/// When the database does not answer, or another process has taken the lease. A run that fails is not an error here:
/// its summary has the state `failed`.
pub async fn run(
    store: &Store,
    settings: &Settings,
    source: &Archive,
    claim: Claim,
    options: &Options,
    stop: &Stop,
    watch: impl Fn(&Totals, Option<&str>),
) -> Result<Summary, BackfillError> {
    let mut settings = settings.clone();
    settings.sources = claim.parameters.chosen()?;
    settings.silent = !claim.parameters.announce;
    // Stops the feeder and the writers: when `stop` is set, one of them fails, or the run is cancelled.
    let (stopper, inner) = Stopper::new();
    let (batches, queue) = mpsc::channel(1);
    let feeder = Feeder {
        source: source.clone(),
        range: claim.parameters.range(),
        cursor: claim.cursor.clone(),
        reads: claim.parameters.reads(),
        most: settings.limits.decoded_bytes,
        options: Options {
            batch_messages: claim
                .parameters
                .batch
                .unwrap_or_else(|| options.batch_messages_for(claim.parameters.writers())),
            ..options.clone()
        },
        stop: inner.clone(),
        batches,
    };
    let feeder = tokio::spawn(on_a_thread(move || feeder.run()));
    let (done, mut written) = mpsc::channel(1);
    let queue = Arc::new(Mutex::new(queue));
    let mut writers = JoinSet::new();
    for _ in 0..claim.parameters.writers() {
        let writer = Writer {
            store: store.clone(),
            settings: settings.clone(),
            dry_run: claim.parameters.dry_run,
            options: options.clone(),
            stop: inner.clone(),
            queue: Arc::clone(&queue),
            done: done.clone(),
        };
        writers.spawn(on_a_thread(move || writer.run()));
    }
    drop((done, queue));

    let mut ledger = Ledger::new(&claim);
    let mut failure: Option<BackfillError> = None;
    let mut cancelled = false;
    let mut tick = tokio::time::interval(SAVE);
    let mut stopped = false;
    loop {
        tokio::select! {
            batch = written.recv() => match batch {
                Some(Ok(batch)) => ledger.add(batch),
                Some(Err(error)) => {
                    failure.get_or_insert(error);
                    stopper.stop();
                }
                None => break,
            },
            _ = tick.tick() => {
                match save(store, &claim, &mut ledger).await {
                    Ok(Some(state)) => cancelled = state != "running",
                    Ok(None) => return Err(BackfillError::Lost(claim.id)),
                    // The writers get errors of the database too, and have a time limit.
                    Err(error) => {
                        let error = crate::platform::failure::chain(&error);
                        tracing::warn!(error, "cannot save the cursor of backfill");
                    }
                }
                if cancelled {
                    stopper.stop();
                }
                watch(ledger.totals(), ledger.cursor());
            },
            () = stop.wait(), if !stopped => {
                stopped = true;
                stopper.stop();
            }
        }
    }
    while let Some(writer) = writers.join_next().await {
        if let Ok(Err(error)) | Err(error) = writer {
            failure.get_or_insert(BackfillError::Panicked(error));
        }
    }
    let ended = match feeder.await {
        Ok(Ok(ended)) => ended,
        Ok(Err(error)) | Err(error) => Err(BackfillError::Panicked(error)),
    };
    let state = match (failure, ended) {
        (Some(error), _) | (None, Err(error)) => Err(error),
        (None, Ok(Ended::Everything(batches))) if ledger.is_complete(batches) => Ok(Some("done")),
        (None, Ok(_)) => Ok(None),
    };
    watch(ledger.totals(), ledger.cursor());
    let error = state.as_ref().err().map(|error| crate::platform::failure::chain(error));
    let state = state.unwrap_or(Some("failed"));
    let (id, owner) = (&claim.id, &claim.owner);
    let (counts, unreadable) = (ledger.totals().to_json(), ledger.new_unreadable());
    let progress = Progress { cursor: ledger.cursor(), counts: &counts, unreadable: unreadable.as_deref() };
    let end = async |tx: &mut Tx<'_>| {
        db::save_run(tx, id, owner, progress).await?;
        db::end_run(tx, id, owner, state, error.as_deref()).await
    };
    let ended = retrying(store).in_tx("end_run", end).await?;
    let state = match ended {
        Some(state) => state,
        // A previous attempt ended the run and its answer was lost; or another process holds the lease.
        None => match find(store, id).await? {
            Some(run) if run.owner.is_none() => run.state,
            _ => return Err(BackfillError::Lost(claim.id)),
        },
    };
    Ok(ledger.summary(claim.id, state, error))
}

/// Renews the lease, and saves counts and cursor. Returns the state of the run, `None` when another process holds its
/// lease.
async fn save(store: &Store, claim: &Claim, ledger: &mut Ledger) -> Result<Option<String>, StoreError> {
    let (counts, unreadable) = (ledger.totals().to_json(), ledger.new_unreadable());
    let progress = Progress { cursor: ledger.cursor(), counts: &counts, unreadable: unreadable.as_deref() };
    let (id, owner) = (&claim.id, &claim.owner);
    let save = async |tx: &mut Tx<'_>| db::save_run(tx, id, owner, progress).await;
    let saved = store.in_tx("save_run", Deadline::within(LEASE), save).await?;
    if unreadable.is_some() {
        ledger.unreadable_saved();
    }
    Ok(saved)
}

impl Parameters {
    /// The keys of the run.
    #[must_use]
    pub fn range(&self) -> Range {
        Range { prefix: self.prefix.clone(), from: self.from, to: self.to }
    }

    /// The storage of the archive. The client of S3 is configured by the environment.
    ///
    /// # Errors
    /// When not exactly one of bucket and mirror is set.
    pub async fn source(&self, lookup: Lookup<'_>) -> Result<Archive, BackfillError> {
        match (&self.bucket, &self.mirror) {
            (Some(name), None) => {
                let s3 = s3::client(&aws::config(lookup).await, aws::has_own_endpoint(lookup));
                Ok(Archive::Bucket { s3, name: name.clone() })
            }
            (None, Some(root)) => Ok(Archive::Mirror(root.clone())),
            _ => Err(BackfillError::Request("expected either a bucket or a mirror".to_owned())),
        }
    }
}

/// Makes an id for a run: its time, and a suffix that makes it unique.
#[must_use]
pub fn new_id() -> String {
    let now = clock::now();
    format!("{}-{:05x}", now.strftime("%Y-%m-%dT%H:%M:%SZ"), now.subsec_nanosecond() >> 10)
}

/// Makes a unique name for an owner of a run: `name` and the time.
#[must_use]
pub fn new_owner(name: &str) -> String {
    format!("{name}/{:x}", clock::now().as_nanosecond())
}
