//! The list of sources, and the dispatch from a message to its source.
//!
//! A source is one module: [`konflux`], [`gitlab`], [`kcidb`], [`buildkite`], [`travis`], [`bots`]. Each has the
//! functions `recognise` (is the message of this source?), `decode` (bytes -> records; pure) and `write` (records ->
//! tables, in the transaction of the batch). A new source is a variant of [`Source`] and of [`Record`] and an arm in
//! each `match` here.
//!
//! A source can also have work that is not caused by one message: [`Source::sweep`] finds what got stuck, and a
//! [`Task`] is background work in chunks. Reconcile calls both.

pub mod bots;
pub mod buildkite;
mod checks;
pub mod gitlab;
pub mod kcidb;
pub mod konflux;
mod settings;
pub mod travis;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

pub use self::checks::write_checks;
pub use self::settings::Settings;
use crate::checks::Touched;
use crate::db::{ChunkResult, Retrying, StoreError, Stuck, Tx};
use crate::outbox::{Announcer, Due, announcing};
use crate::transport::{Decoded, Latest, Message, Rejection};

/// A source of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// See [`konflux`].
    Konflux,
    /// See [`gitlab`].
    Gitlab,
    /// See [`kcidb`].
    Kcidb,
    /// See [`buildkite`].
    Buildkite,
    /// See [`travis`].
    Travis,
    /// See [`bots`].
    Bots,
}

impl Source {
    /// All sources, in the order in which [`Source::recognise`] asks them.
    pub const ALL: &[Self] = &[Self::Konflux, Self::Gitlab, Self::Kcidb, Self::Buildkite, Self::Travis, Self::Bots];

    /// The name of the source, as in tables (column `family`), folders and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Konflux => "konflux",
            Self::Gitlab => "gitlab",
            Self::Kcidb => "kcidb",
            Self::Buildkite => "buildkite",
            Self::Travis => "travis",
            Self::Bots => "bots",
        }
    }

    /// The first source that recognises the message by its content. `None` is no error: other systems publish to the
    /// same topic.
    #[must_use]
    pub fn recognise(message: &Message<'_>) -> Option<Self> {
        Self::ALL.iter().copied().find(|source| match source {
            Self::Konflux => konflux::recognise(message),
            Self::Gitlab => gitlab::recognise(message),
            Self::Kcidb => kcidb::recognise(message),
            Self::Buildkite => buildkite::recognise(message),
            Self::Travis => travis::recognise(message),
            Self::Bots => bots::recognise(message),
        })
    }

    /// The records in a message of this source. Times that are too far ahead of the message are limited.
    ///
    /// # Errors
    /// When the message cannot be stored; the rejection names the field.
    pub fn decode(self, message: &Message<'_>, settings: &Settings) -> Result<Decoded<Record>, Rejection> {
        let mut decoded = match self {
            Self::Konflux => records(konflux::decode(message)?, Record::Konflux),
            Self::Gitlab => records(gitlab::decode(message, &settings.gitlab)?, Record::Gitlab),
            Self::Kcidb => records(kcidb::decode(message)?, Record::Kcidb),
            Self::Buildkite => records(buildkite::decode(message)?, Record::Buildkite),
            Self::Travis => records(travis::decode(message)?, Record::Travis),
            Self::Bots => records(bots::decode(message)?, Record::Bots),
        };
        if let Decoded::Records(records) = &mut decoded {
            for record in records {
                record.limit_times(message.latest)?;
            }
        }
        Ok(decoded)
    }
}

/// Makes records of one source records of any source.
fn records<R>(decoded: Decoded<R>, record: impl Fn(R) -> Record) -> Decoded<Record> {
    match decoded {
        Decoded::Records(records) => Decoded::Records(records.into_iter().map(record).collect()),
        Decoded::Ignored(why) => Decoded::Ignored(why),
    }
}

/// A record of any source.
#[derive(Clone, Debug)]
pub enum Record {
    /// Of [`konflux`].
    Konflux(konflux::Record),
    /// Of [`gitlab`].
    Gitlab(gitlab::Record),
    /// Of [`kcidb`].
    Kcidb(kcidb::Record),
    /// Of [`buildkite`].
    Buildkite(buildkite::Record),
    /// Of [`travis`].
    Travis(travis::Record),
    /// Of [`bots`].
    Bots(bots::Record),
}

impl Record {
    /// Limits the times that the sender wrote.
    fn limit_times(&mut self, latest: Latest) -> Result<(), Rejection> {
        match self {
            Self::Konflux(record) => record.limit_times(latest),
            Self::Gitlab(record) => record.limit_times(latest),
            Self::Kcidb(record) => record.limit_times(latest),
            Self::Buildkite(record) => record.limit_times(latest),
            Self::Travis(record) => record.limit_times(latest),
            Self::Bots(record) => record.limit_times(latest),
        }
    }
}

/// Writes records, each with the number of its message. The sources are written in a fixed order, so that two
/// transactions lock tables in the same order and cannot deadlock. Returns the numbers of the records that changed
/// something. The events that follow from the changes are added to the announcer, which the caller flushes, and the
/// changed rows to `touched`, whose checks the caller writes ([`write_checks`]).
///
/// # Errors
/// When a statement fails.
pub async fn write(
    tx: &Tx<'_>,
    records: &[&(usize, Record)],
    announcer: &mut Announcer,
    touched: &mut Touched,
) -> Result<Vec<usize>, StoreError> {
    let mut konflux = Vec::new();
    let mut gitlab = Vec::new();
    let mut kcidb = Vec::new();
    let mut buildkite = Vec::new();
    let mut travis = Vec::new();
    let mut bots = Vec::new();
    for (number, record) in records {
        match record {
            Record::Konflux(record) => konflux.push((*number, record)),
            Record::Gitlab(record) => gitlab.push((*number, record)),
            Record::Kcidb(record) => kcidb.push((*number, record)),
            Record::Buildkite(record) => buildkite.push((*number, record)),
            Record::Travis(record) => travis.push((*number, record)),
            Record::Bots(record) => bots.push((*number, record)),
        }
    }
    // Each future is boxed, so that the future of this function does not hold those of all sources.
    let mut changed = Vec::new();
    if !konflux.is_empty() {
        changed.extend(Box::pin(konflux::write(tx, &konflux, touched)).await?);
    }
    if !gitlab.is_empty() {
        changed.extend(Box::pin(gitlab::write(tx, &gitlab, touched)).await?);
    }
    if !kcidb.is_empty() {
        changed.extend(Box::pin(kcidb::write(tx, &kcidb, announcer, touched)).await?);
    }
    if !buildkite.is_empty() {
        changed.extend(Box::pin(buildkite::write(tx, &buildkite, announcer, touched)).await?);
    }
    if !travis.is_empty() {
        changed.extend(Box::pin(travis::write(tx, &travis, announcer, touched)).await?);
    }
    if !bots.is_empty() {
        changed.extend(Box::pin(bots::write(tx, &bots, touched)).await?);
    }
    Ok(changed)
}

impl Source {
    /// Finds the stuck objects in the source's tables: those that should have ended long ago, and about which no
    /// message will arrive any more. With `write` the source also marks or ends them.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn sweep(
        self,
        tx: &Tx<'_>,
        settings: &Settings,
        now: Timestamp,
        write: bool,
    ) -> Result<(Vec<Stuck>, Due), StoreError> {
        let sweep = async |announcer: &mut Announcer, touched: &mut Touched| {
            self.find_stuck(tx, settings, now, write, announcer, touched).await
        };
        working(tx, sweep).await
    }

    async fn find_stuck(
        self,
        tx: &Tx<'_>,
        settings: &Settings,
        now: Timestamp,
        write: bool,
        announcer: &mut Announcer,
        touched: &mut Touched,
    ) -> Result<Vec<Stuck>, StoreError> {
        match self {
            Self::Konflux => konflux::sweep(tx, now, write).await,
            // The module reconcile asks GitLab for each open merge request and pipeline instead.
            Self::Gitlab => gitlab::sweep(tx, now).await,
            Self::Kcidb => kcidb::sweep(tx, &settings.kcidb, write, announcer).await,
            // Buildkite ends builds that run for too long, and sends an event. It sends none for builds that never
            // start.
            Self::Buildkite => buildkite::sweep(tx, now, write, announcer, touched).await,
            Self::Travis => travis::sweep(tx, now, write, announcer, touched).await,
            // Whether a bot is silent is computed on read. Only old heartbeats are deleted.
            Self::Bots => bots::sweep(tx, now, write).await,
        }
    }
}

/// Runs work that no message causes: writes the checks of what it changed, and announces its events. Returns what
/// became due.
async fn working<T>(
    tx: &Tx<'_>,
    body: impl AsyncFnOnce(&mut Announcer, &mut Touched) -> Result<T, StoreError>,
) -> Result<(T, Due), StoreError> {
    let whole = async |announcer: &mut Announcer| {
        let mut touched = Touched::default();
        let done = body(announcer, &mut touched).await?;
        let due = Box::pin(write_checks(tx, &touched)).await?;
        Ok((done, due))
    };
    let ((done, of_verdicts), due) = announcing(tx, whole).await?;
    Ok((done, due.and(of_verdicts)))
}

/// Background work that messages cause and that takes too long for the transaction that stored them. It is done in
/// chunks, outside of ingest, and each chunk goes on where the last one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// See [`konflux::fill_hosts`].
    KonfluxHosts,
    /// See [`gitlab::fill_hosts`].
    GitlabHosts,
    /// See [`kcidb::requeue`].
    KcidbRequeue,
    /// See [`kcidb::Triage`].
    KcidbTriage,
    /// Checks of rows from before checks existed.
    Checks,
}

impl Task {
    /// All tasks, each before those that it makes work for.
    pub const ALL: &[Self] =
        &[Self::KonfluxHosts, Self::GitlabHosts, Self::KcidbRequeue, Self::KcidbTriage, Self::Checks];

    /// The name of the task, as in reports and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KonfluxHosts => "konflux_hosts",
            Self::GitlabHosts => "gitlab_hosts",
            Self::KcidbRequeue => "kcidb_requeue",
            Self::KcidbTriage => "kcidb_triage",
            Self::Checks => "checks",
        }
    }

    /// Does the next chunk in a transaction. The position in the work is committed with it.
    async fn chunk(self, tx: &Tx<'_>, settings: &Settings) -> Result<(ChunkResult, Due), StoreError> {
        let host = settings.gitlab.hosts.first().map(String::as_str);
        let chunk = async |announcer: &mut Announcer, touched: &mut Touched| match self {
            Self::KonfluxHosts => Box::pin(konflux::fill_hosts(tx, host, touched)).await,
            Self::GitlabHosts => Box::pin(gitlab::fill_hosts(tx, host)).await,
            Self::KcidbRequeue => Box::pin(kcidb::requeue(tx, kcidb::CHUNK, announcer)).await,
            // Matching happens outside of transactions: see `Tasks::chunk`.
            Self::KcidbTriage => Ok(ChunkResult::default()),
            Self::Checks => Box::pin(checks::next_old_rows(tx, touched)).await,
        };
        working(tx, chunk).await
    }
}

/// Runs tasks, and keeps prepared state between their chunks.
pub struct Tasks {
    triage: kcidb::Triage,
}

impl Tasks {
    /// Nothing is prepared yet. `clock` returns the CPU time of this thread.
    #[must_use]
    pub fn new(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { triage: kcidb::Triage::new(clock) }
    }

    /// Does the next chunk of a task. The position in the work is committed with it.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn chunk(
        &mut self,
        task: Task,
        store: &Retrying,
        settings: &Settings,
    ) -> Result<(ChunkResult, Due), StoreError> {
        if task == Task::KcidbTriage {
            return self.triage.chunk(store, kcidb::CHUNK).await;
        }
        store.in_tx(task.name(), async |tx| task.chunk(tx, settings).await).await
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
