//! Writes messages to the tables: the number of statements depends on the tables, never on the number of messages.
//!
//! The builds of a batch are locked in the order of their ids and read with their stages and jobs. The rules apply the
//! messages of each build in the order of their arrival, and the changed rows are written back.

mod checks;
mod create;
mod load;
mod pending;
pub mod reads;
mod save;
mod sweep;

use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::record::{Create, Message, Object, Record};
use super::rules::Rows;
use crate::checks::Touched;
use crate::db::{StoreError, Tx};
use crate::outbox::Announcer;

pub use self::checks::{checks, lock_rows};
pub use self::save::TABLE;
pub use self::sweep::sweep;

/// Writes a batch and returns the numbers of the records that changed something; the changed builds are added to
/// `touched`.
///
/// A message about a build or a job that does not exist yet is stored in `travis_pending` until its `build:create`
/// arrives.
///
/// # Errors
/// When a statement fails.
pub async fn write(
    tx: &Tx<'_>,
    batch: &[(usize, &Record)],
    announcer: &mut Announcer,
    touched: &mut Touched,
) -> Result<Vec<usize>, StoreError> {
    let clock = clock(tx, batch).await?;
    let mut batch = Batch::new(batch, clock);
    let fresh = batch.resolve(tx).await?;
    let mut changed = pending::insert(tx, batch.without_build()).await?;
    changed.extend(fresh.iter().filter_map(|id| batch.creates.get(id)).map(|(number, _)| *number));
    let mut queues = batch.queues(&fresh);
    for (build, message) in pending::take(tx, &batch, &fresh).await? {
        queues.entry(build).or_default().messages.push((None, message));
    }
    for queue in queues.values_mut().filter(|queue| queue.is_new) {
        // Pending messages arrived in any order: they are applied in the order in which they were sent.
        queue.messages.sort_by(|(_, a), (_, b)| (a.at(), &a.id).cmp(&(b.at(), &b.id)));
    }

    let builds: Vec<i64> = queues.keys().copied().collect();
    let mut before = load::builds(tx, &builds).await?;
    for rows in &mut before {
        let create = batch.creates.get(&rows.build.id).and_then(|(_, create)| create.build.as_ref());
        if let Some((repository, _)) = create {
            // Repositories are written last, so a new one has no row yet.
            rows.repository = repository.over(&rows.repository);
        }
    }
    let mut after = before.clone();
    for number in 0..after.len() {
        // In the order of their ids: the previous build of a build may end in the same batch.
        let (earlier, rest) = after.split_at_mut(number);
        let Some(rows) = rest.first_mut() else { continue };
        rows.resolve_previous(earlier.iter());
        let Some(queue) = queues.get(&rows.build.id) else { continue };
        let creates = queue.create.iter().map(|message| (None, message));
        let others = queue.messages.iter().map(|(number, message)| (*number, message));
        for (number, message) in creates.chain(others) {
            let before = rows.outcome.happened.len();
            let has_changed = rows.apply(message);
            rows.outcome.happened[before..].iter_mut().for_each(|announcement| announcement.message = number);
            changed.extend(number.filter(|_| has_changed));
        }
    }
    touched.add(TABLE, fresh.iter().map(ToString::to_string));
    let creates = batch.creates.values().map(|(_, create)| *create);
    save::save(tx, &before, &after, creates, clock, announcer, touched).await?;
    Ok(Vec::from_iter(BTreeSet::from_iter(changed)))
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

/// The database's clock, if a message of the batch lacks the time when it was sent.
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

/// A batch, with the builds of its messages.
struct Batch<'r> {
    /// `build:create` messages by id of the build; if there are two, the one that was sent first.
    creates: BTreeMap<i64, (usize, &'r Create)>,
    /// All other messages, in the order of arrival.
    messages: Vec<(usize, Message)>,
    /// Ids of the builds of existing jobs and builds.
    build_ids: HashMap<Object, i64>,
    clock: Option<Timestamp>,
}

/// The messages of one build.
#[derive(Default)]
struct Queue {
    is_new: bool,
    /// Applied before all others.
    create: Vec<Message>,
    messages: Vec<(Option<usize>, Message)>,
}

impl<'r> Batch<'r> {
    fn new(batch: &[(usize, &'r Record)], clock: Option<Timestamp>) -> Self {
        let mut new = Self { creates: BTreeMap::new(), messages: Vec::new(), build_ids: HashMap::new(), clock };
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

    /// Finds the builds of all messages, and inserts new builds. Returns the ids of the new ones.
    async fn resolve(&mut self, tx: &Tx<'_>) -> Result<HashSet<i64>, StoreError> {
        self.find(tx).await?;
        let has_pending = self.without_build().next().is_some();
        if has_pending || !self.creates.is_empty() {
            tx.query(include_str!("sql/lock_early.sql"), &[&has_pending]).await?;
        }
        let fresh = create::insert(tx, &self.creates, self.clock).await?;
        if has_pending {
            self.find(tx).await?;
        }
        Ok(fresh)
    }

    /// Finds the builds of messages whose build is not known yet.
    async fn find(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let (mut jobs, mut builds) = (Vec::new(), Vec::new());
        for (_, message) in &self.messages {
            match message.object {
                _ if self.build_ids.contains_key(&message.object) => {}
                Object::Job(id) => jobs.push(id),
                Object::Build(id) => builds.push(id),
            }
        }
        if !jobs.is_empty() || !builds.is_empty() {
            self.build_ids.extend(load::find(tx, &jobs, &builds).await?);
        }
        Ok(())
    }

    /// Messages whose build does not exist.
    fn without_build(&self) -> impl Iterator<Item = &(usize, Message)> {
        self.messages.iter().filter(|(_, message)| !self.build_ids.contains_key(&message.object))
    }

    /// The messages of each build, by id.
    fn queues(&self, fresh: &HashSet<i64>) -> BTreeMap<i64, Queue> {
        let mut queues: BTreeMap<i64, Queue> = BTreeMap::new();
        for (id, (_, create)) in &self.creates {
            let queue = queues.entry(*id).or_default();
            queue.is_new = fresh.contains(id);
            queue.create.push(dated(&create.message, self.clock));
        }
        for (number, message) in &self.messages {
            if let Some(build) = self.build_ids.get(&message.object) {
                queues.entry(*build).or_default().messages.push((Some(*number), message.clone()));
            }
        }
        queues
    }
}

fn dated(message: &Message, clock: Option<Timestamp>) -> Message {
    Message { sent_at: message.sent_at.or(clock), ..message.clone() }
}

/// The rows of builds, sorted by id of the build.
type Builds = Vec<Rows>;
