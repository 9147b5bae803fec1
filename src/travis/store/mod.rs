//! From messages to rows: a number of statements that depends on the tables, never on the number of messages.
//!
//! Builds that the batch is about are locked in the order of their ids, loaded with all that belongs to them, moved by
//! the rules, each by its messages in the order of their arrival, and written back.

mod create;
mod load;
mod pending;
pub mod reads;
mod save;
mod sweep;

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::record::{Create, Message, Object, Record};
use super::rules::Rows;
use crate::outbox::Announcer;
use crate::sorted;
use crate::store::{StoreError, Tx};

pub use self::sweep::sweep;

/// Writes a batch and returns the numbers of the records that changed something.
///
/// A message about a build or a job that is not there is kept in `travis_pending` until its `build:create` comes.
///
/// # Errors
/// When a statement fails.
pub async fn write(
    tx: &Tx<'_>,
    batch: &[(usize, &Record)],
    announcer: &mut Announcer,
) -> Result<Vec<usize>, StoreError> {
    let clock = clock(tx, batch).await?;
    let mut batch = Batch::new(batch, clock);
    let fresh = batch.place(tx).await?;
    let mut kept = pending::keep(tx, batch.homeless()).await?;
    kept.extend(fresh.iter().filter_map(|id| batch.creates.get(id)).map(|(number, _)| *number));
    let mut queues = batch.queues(&fresh);
    for (build, message) in pending::take(tx, &batch, &fresh).await? {
        queues.entry(build).or_default().messages.push((None, message));
    }
    for queue in queues.values_mut().filter(|queue| queue.is_new) {
        // What came before its build came in no order that means anything: now in the order in which it was sent.
        sorted::by(&mut queue.messages, |(_, a), (_, b)| (a.at(), &a.id).cmp(&(b.at(), &b.id)));
    }

    let builds: Vec<i64> = queues.keys().copied().collect();
    let mut before = load::builds(tx, &builds).await?;
    for rows in &mut before {
        let create = batch.creates.get(&rows.build.id).and_then(|(_, create)| create.build.as_ref());
        if let Some((repository, _)) = create {
            // Written last of all, so not there yet if it is new.
            rows.repository = repository.over(&rows.repository);
        }
    }
    let mut after = before.clone();
    for number in 0..after.len() {
        // In the order of their ids: a build may follow one that ends in this very batch.
        let (earlier, rest) = after.split_at_mut(number);
        let Some(rows) = rest.first_mut() else { continue };
        rows.follow(earlier.iter());
        let Some(queue) = queues.get(&rows.build.id) else { continue };
        let creates = queue.create.iter().map(|message| (None, message));
        let others = queue.messages.iter().map(|(number, message)| (*number, message));
        for (number, message) in creates.chain(others) {
            let before = rows.outcome.happened.len();
            let changed = rows.apply(message);
            rows.outcome.happened[before..].iter_mut().for_each(|happened| happened.message = number);
            kept.extend(number.filter(|_| changed));
        }
    }
    save::save(tx, &before, &after, batch.creates.values().map(|(_, create)| *create), clock, announcer).await?;
    Ok(sorted::unique(kept))
}

/// A job that may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startable {
    /// Its id.
    pub id: i64,
    /// Its build.
    pub build_id: i64,
    /// Its repository.
    pub repository_id: i64,
    /// Queue of workers.
    pub queue: Option<String>,
}

/// Jobs that may start now, for a scheduler: at most `limit`, higher priority first, then the oldest.
///
/// # Errors
/// When the statement fails.
pub async fn startable(tx: &Tx<'_>, limit: i64) -> Result<Vec<Startable>, StoreError> {
    let rows = tx.query(include_str!("sql/startable.sql"), &[&limit]).await?;
    let read = |row: &tokio_postgres::Row| Startable {
        id: row.get("id"),
        build_id: row.get("build_id"),
        repository_id: row.get("repository_id"),
        queue: row.get("queue"),
    };
    Ok(rows.iter().map(read).collect())
}

/// The database's clock, for messages that do not say when they were sent.
async fn clock(tx: &Tx<'_>, batch: &[(usize, &Record)]) -> Result<Option<Timestamp>, StoreError> {
    let undated = |record: &Record| match record {
        Record::Create(create) => create.message.sent_at.is_none(),
        Record::Message(message) => message.sent_at.is_none(),
    };
    if !batch.iter().any(|(_, record)| undated(record)) {
        return Ok(None);
    }
    let rows = tx.query(include_str!("sql/clock.sql"), &[]).await?;
    Ok(rows.first().map(|row| row.get("now")))
}

/// A batch, and where in the tables it belongs.
struct Batch<'r> {
    /// By build, the earliest should there be two.
    creates: BTreeMap<i64, (usize, &'r Create)>,
    /// In the order of arrival.
    messages: Vec<(usize, Message)>,
    /// Builds of jobs and builds that are there.
    homes: HashMap<Object, i64>,
    clock: Option<Timestamp>,
}

/// What is asked of one build.
#[derive(Default)]
struct Queue {
    is_new: bool,
    /// Comes before all others: rows are created before they are moved.
    create: Vec<Message>,
    messages: Vec<(Option<usize>, Message)>,
}

impl<'r> Batch<'r> {
    fn new(batch: &[(usize, &'r Record)], clock: Option<Timestamp>) -> Self {
        let mut new = Self { creates: BTreeMap::new(), messages: Vec::new(), homes: HashMap::new(), clock };
        for (number, record) in batch {
            match record {
                Record::Create(create) => {
                    if let Object::Build(id) = create.message.object
                        && create.build.is_some()
                    {
                        let order = |create: &Create| (create.message.sent_at.or(clock), create.message.id.clone());
                        let first = new.creates.entry(id).or_insert((*number, create));
                        if order(create) < order(first.1) {
                            *first = (*number, create);
                        }
                    } else {
                        new.messages.push((*number, dated(&create.message, clock)));
                    }
                }
                Record::Message(message) => new.messages.push((*number, dated(message, clock))),
            }
        }
        new
    }

    /// Finds the builds of all messages, and creates those that are new. Returns the new ones.
    async fn place(&mut self, tx: &Tx<'_>) -> Result<HashSet<i64>, StoreError> {
        self.find(tx).await?;
        let alone = self.homeless().next().is_some();
        if alone || !self.creates.is_empty() {
            tx.query(include_str!("sql/lock_early.sql"), &[&alone]).await?;
        }
        let fresh = create::insert(tx, &self.creates, self.clock).await?;
        if alone {
            self.find(tx).await?;
        }
        Ok(fresh)
    }

    /// Looks for the builds of messages.
    async fn find(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let (mut jobs, mut builds) = (Vec::new(), Vec::new());
        for (_, message) in &self.messages {
            match message.object {
                _ if self.homes.contains_key(&message.object) => {}
                Object::Job(id) => jobs.push(id),
                Object::Build(id) => builds.push(id),
            }
        }
        if !jobs.is_empty() || !builds.is_empty() {
            self.homes.extend(load::find(tx, &jobs, &builds).await?);
        }
        Ok(())
    }

    /// Messages whose build is not there.
    fn homeless(&self) -> impl Iterator<Item = &(usize, Message)> {
        self.messages.iter().filter(|(_, message)| !self.homes.contains_key(&message.object))
    }

    /// What is asked of each build, by id.
    fn queues(&self, fresh: &HashSet<i64>) -> BTreeMap<i64, Queue> {
        let mut queues: BTreeMap<i64, Queue> = BTreeMap::new();
        for (id, (_, create)) in &self.creates {
            let queue = queues.entry(*id).or_default();
            queue.is_new = fresh.contains(id);
            queue.create.push(dated(&create.message, self.clock));
        }
        for (number, message) in &self.messages {
            if let Some(build) = self.homes.get(&message.object) {
                queues.entry(*build).or_default().messages.push((Some(*number), message.clone()));
            }
        }
        queues
    }
}

fn dated(message: &Message, clock: Option<Timestamp>) -> Message {
    Message { sent_at: message.sent_at.or(clock), ..message.clone() }
}

/// Rows by build, in order.
type Builds = Vec<Rows>;
