//! Puts an archive through the pipeline, from wherever it was left.
//!
//! ```text
//! Source::list ─► feeder: reads N objects at a time, makes batches in order of keys
//!                   │ at most 64 MiB of objects are in memory
//!                   ▼
//!                 writers: W batches at a time through pipeline::ingest
//!                   ▼
//!                 ledger: cursor = last key before which every batch is committed ─► backfill_runs, twice a second
//! ```
//!
//! At least once: what was committed after the cursor was saved last is done again after a crash, and changes nothing.

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
use super::source::Source;
use crate::aws;
use crate::clock::{self, Deadline};
use crate::config::Lookup;
use crate::family::Settings;
use crate::store::{self, Patient, Progress, Run, Store, StoreError, Tx};
use crate::tasks::{Stop, Stopper, on_a_thread};
use feeder::{Ended, Feeder};
use ledger::Ledger;
use writer::Writer;

/// Who works on a run says so at least this often; and how far it got.
const SAVE: Duration = Duration::from_millis(500);
/// Who has not said so for this long counts as gone. Should it live all the same, it ends when it notices: two that work
/// on the same do twice the work and no harm.
pub const LEASE: Duration = Duration::from_secs(3);
/// Messages that all writers together have in hand, at most: about 100 MB with payloads of 40 kB.
const IN_HAND: usize = 2000;
/// How long the database may take for what is asked of it here.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a run is worked on.
#[derive(Clone, Debug)]
pub struct Options {
    /// Messages in a batch, at most.
    pub batch_messages: usize,
    /// Bytes of messages in a batch, as they are stored; a larger message is a batch by itself.
    pub batch_bytes: usize,
    /// How long an archive or a database may be away before the run fails.
    pub patience: Duration,
    /// Batches that fail by then are left to the next one who goes on.
    pub deadline: Option<Deadline>,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_messages: 500, batch_bytes: 8 << 20, patience: Duration::from_secs(300), deadline: None }
    }
}

impl Options {
    /// Messages in a batch when so many writers each have one in hand: what they hold together bounds the memory.
    fn batch_messages_for(&self, writers: usize) -> usize {
        self.batch_messages.min(IN_HAND / writers.max(1)).max(1)
    }
}

/// A run in hand.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Its id.
    pub id: String,
    /// Who we are.
    pub owner: String,
    /// What was asked for.
    pub parameters: Parameters,
    /// How far it got before.
    pub cursor: Option<String>,
    /// What was counted before.
    pub totals: Totals,
    /// What could not be read before.
    pub unreadable: Vec<Unreadable>,
    /// How often it was begun or gone on with, this time included.
    pub invocations: i32,
}

/// How a run was left.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Summary {
    /// Its id: what to go on with.
    pub run: String,
    /// `running` (stopped, to be gone on with), `done`, `failed` or `cancelled`.
    pub state: String,
    /// The last key up to which everything is committed.
    pub cursor: Option<String>,
    /// All that was counted, also before.
    #[serde(flatten)]
    pub totals: Totals,
    /// The first of those objects that could not be read.
    pub unreadable_objects: Vec<Unreadable>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Begins a run with this id, or goes on with it if it is there already and still to be done.
///
/// # Errors
/// When the database does not answer, or somebody else works on it.
pub async fn begin(store: &Store, id: &str, parameters: &Parameters, owner: &str) -> Result<Claim, BackfillError> {
    let (json, counts) = (parameters.to_json(), Totals::default().to_json());
    patient(store).in_tx("create_run", async |tx| store::create_run(tx, id, &json, &counts).await).await?;
    claim(store, id, owner, &["running"]).await
}

/// Goes on with a run that was left, failed or was cancelled.
///
/// # Errors
/// When there is no such run, it is done, somebody else works on it, or the database does not answer.
pub async fn resume(store: &Store, id: &str, owner: &str) -> Result<Claim, BackfillError> {
    claim(store, id, owner, &["running", "failed", "cancelled"]).await
}

/// Waits for who has just fallen silent.
async fn claim(store: &Store, id: &str, owner: &str, states: &[&str]) -> Result<Claim, BackfillError> {
    let time = Deadline::within(LEASE * 2);
    loop {
        let claimed =
            patient(store).in_tx("claim_run", async |tx| store::claim_run(tx, id, owner, states, LEASE).await).await?;
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

/// For something small in the database.
fn patient(store: &Store) -> Patient {
    Patient::until(store, Deadline::within(PATIENCE))
}

/// A run by its id.
///
/// # Errors
/// When the database does not answer.
pub async fn find(store: &Store, id: &str) -> Result<Option<Run>, StoreError> {
    let found = patient(store).in_tx("runs", async |tx| store::runs(tx, Some(id), 1, LEASE).await).await?;
    Ok(found.into_iter().next())
}

/// The latest runs, at most so many.
///
/// # Errors
/// When the database does not answer.
pub async fn latest(store: &Store, most: i64) -> Result<Vec<Run>, StoreError> {
    patient(store).in_tx("runs", async |tx| store::runs(tx, None, most, LEASE).await).await
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

/// Cancels a run: who works on it stops within a second. `false` when no such run is running.
///
/// # Errors
/// When the database does not answer.
pub async fn cancel(store: &Store, id: &str) -> Result<bool, StoreError> {
    patient(store).in_tx("cancel_run", async |tx| store::cancel_run(tx, id).await).await
}

/// Works on a run until it is done, fails, is cancelled, or the word to stop is said; `watch` is told twice a second
/// what was counted so far, and the cursor.
///
/// # Errors
/// When the database does not answer, or somebody else has taken the run over. That a run fails is no error here: the
/// summary says so.
pub async fn run(
    store: &Store,
    settings: &Settings,
    source: &Source,
    claim: Claim,
    options: &Options,
    stop: &Stop,
    watch: impl Fn(&Totals, Option<&str>),
) -> Result<Summary, BackfillError> {
    let mut settings = settings.clone();
    settings.families = claim.parameters.chosen()?;
    settings.silent = !claim.parameters.announce;
    // The parts' own word: said when one of them fails, or the run is cancelled.
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
                    // The writers will notice as well, and know how long to wait.
                    Err(error) => tracing::warn!(error = store::chain(&error), "cannot note how far backfill got"),
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
    let error = state.as_ref().err().map(|error| store::chain(error));
    let state = state.unwrap_or(Some("failed"));
    let (id, owner) = (&claim.id, &claim.owner);
    let (counts, unreadable) = (ledger.totals().to_json(), ledger.new_unreadable());
    let progress = Progress { cursor: ledger.cursor(), counts: &counts, unreadable: unreadable.as_deref() };
    let end = async |tx: &mut Tx<'_>| {
        store::save_run(tx, id, owner, progress).await?;
        store::end_run(tx, id, owner, state, error.as_deref()).await
    };
    let ended = patient(store).in_tx("end_run", end).await?;
    let state = match ended {
        Some(state) => state,
        // By the try before, whose answer got lost; or it is somebody else's.
        None => match find(store, id).await? {
            Some(run) if run.owner.is_none() => run.state,
            _ => return Err(BackfillError::Lost(claim.id)),
        },
    };
    Ok(ledger.summary(claim.id, state, error))
}

/// Notes how far it got; the state of the run, `None` when it is somebody else's by now.
async fn save(store: &Store, claim: &Claim, ledger: &mut Ledger) -> Result<Option<String>, StoreError> {
    let (counts, unreadable) = (ledger.totals().to_json(), ledger.new_unreadable());
    let progress = Progress { cursor: ledger.cursor(), counts: &counts, unreadable: unreadable.as_deref() };
    let (id, owner) = (&claim.id, &claim.owner);
    let save = async |tx: &mut Tx<'_>| store::save_run(tx, id, owner, progress).await;
    let saved = store.in_tx("save_run", Deadline::within(LEASE), save).await?;
    if unreadable.is_some() {
        ledger.unreadable_saved();
    }
    Ok(saved)
}

impl Parameters {
    /// The keys that were asked for.
    #[must_use]
    pub fn range(&self) -> Range {
        Range { prefix: self.prefix.clone(), from: self.from, to: self.to }
    }

    /// Where they are. Clients are made as the environment says.
    ///
    /// # Errors
    /// When neither a bucket nor a mirror was asked for.
    pub async fn source(&self, lookup: Lookup<'_>) -> Result<Source, BackfillError> {
        match (&self.bucket, &self.mirror) {
            (Some(name), None) => {
                let s3 = s3::client(&aws::config(lookup).await, aws::has_own_endpoint(lookup));
                Ok(Source::Bucket { s3, name: name.clone() })
            }
            (None, Some(root)) => Ok(Source::Mirror(root.clone())),
            _ => Err(BackfillError::Request("expected a bucket or a mirror, and one of them".to_owned())),
        }
    }
}

/// An id for a run that nobody has given one: when it begins, and something that no other has.
#[must_use]
pub fn new_id() -> String {
    let now = clock::now();
    format!("{}-{:05x}", now.strftime("%Y-%m-%dT%H:%M:%SZ"), now.subsec_nanosecond() >> 10)
}

/// A name for who works on a run, that nobody else has: `name` and when it was asked for.
#[must_use]
pub fn new_owner(name: &str) -> String {
    format!("{name}/{:x}", clock::now().as_nanosecond())
}
