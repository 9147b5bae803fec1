//! The closed set of families, and the way from a message to one of them: one line a family.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::envelope::{Decoded, Limits, Message, Refusal};
use crate::outbox::{Announcer, Due, announcing};
use crate::store::{Patient, Stale, Step, StoreError, Tx};
use crate::{bots, buildkite, gitlab, kcidb, konflux, travis};

/// What a deployment chooses about the families.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Bounds of the envelope.
    pub limits: Limits,
    /// Choices of the family gitlab.
    pub gitlab: gitlab::Settings,
    /// Choices of the family kcidb.
    pub kcidb: kcidb::Settings,
    /// Families that are taken; empty for all. Messages of the others are ignored.
    pub families: Vec<Family>,
    /// Whether what happens is known and not announced.
    pub silent: bool,
}

impl Settings {
    /// Whether messages of a family are taken.
    #[must_use]
    pub fn takes(&self, family: Family) -> bool {
        self.families.is_empty() || self.families.contains(&family)
    }
}

macro_rules! families {
    ($($Family:ident => $room:ident, |$message:ident, $settings:ident| $decode:expr, |$tx:ident, $batch:ident, $announcer:ident| $write:expr;)*) => {
        /// A family of messages.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Family {
            $(#[doc = concat!("See [`", stringify!($room), "`](crate::", stringify!($room), ").")] $Family,)*
        }

        impl Family {
            /// All of them, in the order in which they are asked.
            pub const ALL: &[Self] = &[$(Self::$Family),*];

            /// The name, as in tables, folders and metrics.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$Family => stringify!($room)),* }
            }

            /// The family that a message is of, by its bytes. `None` is no error: other systems share the topic.
            #[must_use]
            pub fn recognise(message: &Message<'_>) -> Option<Self> {
                $(if $room::recognise(message) { return Some(Self::$Family); })*
                None
            }

            /// What the message says, in the family's own words.
            ///
            /// # Errors
            /// When the message cannot be kept; the refusal names the field.
            pub fn decode(self, message: &Message<'_>, settings: &Settings) -> Result<Decoded<Record>, Refusal> {
                match self {
                    $(Self::$Family => {
                        let ($message, $settings) = (message, settings);
                        let _ = $settings;
                        Ok(match $decode? {
                            Decoded::Records(mut records) => {
                                for record in &mut records {
                                    record.limit_times(message.latest)?;
                                }
                                Decoded::Records(records.into_iter().map(Record::$Family).collect())
                            }
                            Decoded::Ignored(why) => Decoded::Ignored(why),
                        })
                    })*
                }
            }
        }

        /// A record of any family.
        #[derive(Clone, Debug)]
        pub enum Record {
            $(#[doc = concat!("Of [`", stringify!($room), "`](crate::", stringify!($room), ").")] $Family($room::Record),)*
        }

        /// Writes records, numbered by their messages, family by family: always in the same order, so that
        /// two batches never wait for each other crosswise. Returns the numbers that changed something. What happened by
        /// that is added to the announcer, which the caller flushes.
        ///
        /// # Errors
        /// When a statement fails.
        pub async fn write(
            tx: &Tx<'_>,
            records: &[&(usize, Record)],
            announcer: &mut Announcer,
        ) -> Result<Vec<usize>, StoreError> {
            $(let mut $room = Vec::new();)*
            for (number, record) in records {
                match record { $(Record::$Family(record) => $room.push((*number, record)),)* }
            }
            let mut kept = Vec::new();
            $(if !$room.is_empty() {
                let ($tx, $batch, $announcer) = (tx, &$room, &mut *announcer);
                let _ = &$announcer;
                kept.extend(Box::pin($write).await?);
            })*
            Ok(kept)
        }
    };
}

families! {
    Konflux => konflux, |message, settings| konflux::decode(message), |tx, batch, announcer| konflux::write(tx, batch);
    Gitlab => gitlab, |message, settings| gitlab::decode(message, &settings.gitlab), |tx, batch, announcer| gitlab::write(tx, batch);
    Kcidb => kcidb, |message, settings| kcidb::decode(message), |tx, batch, announcer| kcidb::write(tx, batch, announcer);
    Buildkite => buildkite, |message, settings| buildkite::decode(message), |tx, batch, announcer| buildkite::write(tx, batch, announcer);
    Travis => travis, |message, settings| travis::decode(message), |tx, batch, announcer| travis::write(tx, batch, announcer);
    Bots => bots, |message, settings| bots::decode(message), |tx, batch, announcer| bots::write(tx, batch);
}

impl Family {
    /// Finds what got stuck in the family's tables: what should have ended long ago, and of which no message will come
    /// any more. With `write` the family does what it does about it: marks it, or ends it.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn sweep(
        self,
        tx: &Tx<'_>,
        settings: &Settings,
        now: Timestamp,
        write: bool,
    ) -> Result<(Vec<Stale>, Due), StoreError> {
        announcing(tx, async |announcer| self.find_stale(tx, settings, now, write, announcer).await).await
    }

    async fn find_stale(
        self,
        tx: &Tx<'_>,
        settings: &Settings,
        now: Timestamp,
        write: bool,
        announcer: &mut Announcer,
    ) -> Result<Vec<Stale>, StoreError> {
        match self {
            Self::Konflux => konflux::sweep(tx, now, write).await,
            // Merge requests are asked for one by one, by the room reconcile.
            Self::Gitlab => Ok(Vec::new()),
            Self::Kcidb => kcidb::sweep(tx, &settings.kcidb, write, announcer).await,
            // Buildkite itself ends what runs for too long, and says so. Of what never starts it says nothing.
            Self::Buildkite => buildkite::sweep(tx, now, write, announcer).await,
            Self::Travis => travis::sweep(tx, now, write, announcer).await,
            // A silent bot is stale to whoever looks. Only old heartbeats are thrown away.
            Self::Bots => bots::sweep(tx, now, write).await,
        }
    }
}

/// Work that messages leave behind and that is too much for the transaction that took them in. It is done outside of the
/// path of ingest, page by page, and goes on where it ended.
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
}

impl Task {
    /// All of them, each before those that it makes work for.
    pub const ALL: &[Self] = &[Self::KonfluxHosts, Self::GitlabHosts, Self::KcidbRequeue, Self::KcidbTriage];

    /// The name, as in reports and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KonfluxHosts => "konflux_hosts",
            Self::GitlabHosts => "gitlab_hosts",
            Self::KcidbRequeue => "kcidb_requeue",
            Self::KcidbTriage => "kcidb_triage",
        }
    }

    /// Does the next page in a transaction: committed with its place in the work, or not at all.
    async fn page(self, tx: &Tx<'_>, settings: &Settings) -> Result<(Step, Due), StoreError> {
        let host = settings.gitlab.hosts.first().map(String::as_str);
        let page = async |announcer: &mut Announcer| match self {
            Self::KonfluxHosts => konflux::fill_hosts(tx, host).await,
            Self::GitlabHosts => gitlab::fill_hosts(tx, host).await,
            Self::KcidbRequeue => kcidb::requeue(tx, kcidb::PAGE, announcer).await,
            // Matching happens outside of transactions: see `Tasks::chunk`.
            Self::KcidbTriage => Ok(Step::default()),
        };
        announcing(tx, page).await
    }
}

/// Does tasks, and keeps between chunks what each has made ready.
pub struct Tasks {
    triage: kcidb::Triage,
}

impl Tasks {
    /// Has nothing ready yet. The clock gives the time that this thread has worked.
    #[must_use]
    pub fn new(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { triage: kcidb::Triage::new(clock) }
    }

    /// Does the next chunk of a task: committed with its place in the work, or not at all.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn chunk(&mut self, task: Task, store: &Patient, settings: &Settings) -> Result<(Step, Due), StoreError> {
        if task == Task::KcidbTriage {
            return self.triage.chunk(store, kcidb::PAGE).await;
        }
        store.in_tx(task.name(), async |tx| task.page(tx, settings).await).await
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
