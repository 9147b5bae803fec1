//! Reads objects, several at a time, and makes batches of them in the order of their keys. A semaphore bounds the
//! memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::ledger::{Part, Unreadable};
use super::{BackfillError, Options};
use crate::archive::range::{self, Range};
use crate::archive::s3::Listed;
use crate::archive::source::{Archive, NotRead};
use crate::archive::split;
use crate::platform::clock::Deadline;
use crate::platform::shutdown::Stop;
use crate::transport::Delivery;

/// The most KiB of objects in memory: those that are being read, wait for their batch, or are being written.
const CAPACITY: u32 = 64 << 10;
/// The run fails when this many objects, from the first one on, cannot be read.
const MOST_UNREADABLE: usize = 100;
/// The longest time for which an archive that does not answer is retried.
const LONGEST_TIME_LIMIT: Duration = Duration::from_secs(120);

/// A batch is sent after this time, full or not, so that a slow archive does not delay the writing of messages.
const LONGEST_BATCH: Duration = Duration::from_secs(1);

/// Messages to be committed together.
#[derive(Default)]
pub(super) struct Batch {
    /// From 0.
    pub(super) number: u64,
    /// The messages.
    pub(super) deliveries: Vec<Delivery>,
    /// The objects that are done when the batch is committed.
    pub(super) part: Part,
    /// Bytes of the deliveries.
    bytes: usize,
    /// When the batch is sent although it is not full.
    due: Option<Deadline>,
    /// Its permits of the semaphore, released when the batch is dropped.
    capacity: Option<OwnedSemaphorePermit>,
}

/// How the feeder ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every object is in a batch; the number of batches that were sent. They may not be written yet.
    Everything(u64),
    /// It was stopped before the last object.
    Stopped,
}

/// Reads the objects of a range and sends batches.
pub(super) struct Feeder {
    pub(super) source: Archive,
    pub(super) range: Range,
    /// The key after which to begin.
    pub(super) cursor: Option<String>,
    /// Objects that are read at a time.
    pub(super) reads: usize,
    /// Bytes that one message may have.
    pub(super) most: usize,
    pub(super) options: Options,
    pub(super) stop: Stop,
    pub(super) batches: mpsc::Sender<Batch>,
}

/// An object that is being read.
struct Reading {
    object: Listed,
    bytes: JoinHandle<Result<Vec<u8>, NotRead>>,
    capacity: OwnedSemaphorePermit,
}

/// The receiver of batches is closed.
struct Stopped;

impl Feeder {
    /// Runs until every object is in a batch, or `stop` is set.
    pub(super) async fn run(self) -> Result<Ended, BackfillError> {
        let stop = self.stop.clone();
        let fed = stop.unless(self.feed()).await;
        fed.unwrap_or(Ok(Ended::Stopped))
    }

    async fn feed(self) -> Result<Ended, BackfillError> {
        let time_limit = self.options.time_limit.min(LONGEST_TIME_LIMIT);
        let capacity = Arc::new(Semaphore::new(CAPACITY as usize));
        let mut keys = self.source.list(&self.range, self.cursor.as_deref(), time_limit);
        let mut reading: VecDeque<Reading> = VecDeque::new();
        let mut next: Option<Listed> = None;
        let mut listed_all = false;
        let mut batch = Batch::default();
        // The number of unreadable objects before the first readable one, and the error of the first. `None` once an
        // object was read.
        let mut unreadable_start: Option<(usize, String)> = Some((0, String::new()));
        loop {
            while reading.len() < self.reads && !listed_all {
                let object = match next.take() {
                    Some(object) => object,
                    None => {
                        let key = match keys.try_recv() {
                            // Meanwhile the objects that are being read are put into batches.
                            Err(TryRecvError::Empty) if !reading.is_empty() => break,
                            Err(TryRecvError::Empty) => keys.recv().await,
                            Err(TryRecvError::Disconnected) => None,
                            Ok(key) => Some(key),
                        };
                        match key {
                            Some(Ok(object)) => object,
                            Some(Err(why)) => {
                                return Err(BackfillError::List { archive: self.source.to_string(), why });
                            }
                            None => {
                                listed_all = true;
                                break;
                            }
                        }
                    }
                };
                let share = share(object.size);
                let permit = match Arc::clone(&capacity).try_acquire_many_owned(share) {
                    Ok(permit) => permit,
                    Err(_) if !reading.is_empty() => {
                        next = Some(object);
                        break;
                    }
                    Err(_) => {
                        // This batch and those before it hold all permits: sending it lets them be released.
                        if self.send(&mut batch).await.is_err() {
                            return Ok(Ended::Stopped);
                        }
                        match Arc::clone(&capacity).acquire_many_owned(share).await {
                            Ok(permit) => permit,
                            Err(_) => return Ok(Ended::Stopped),
                        }
                    }
                };
                let (source, listed) = (self.source.clone(), object.clone());
                let bytes = tokio::spawn(async move { source.read(&listed, time_limit).await });
                reading.push_back(Reading { object, bytes, capacity: permit });
            }
            let Some(Reading { object, bytes, capacity }) = reading.pop_front() else {
                let sent = self.send(&mut batch).await;
                return Ok(if sent.is_ok() { Ended::Everything(batch.number) } else { Ended::Stopped });
            };
            let taken = match bytes.await.map_err(BackfillError::Panicked)? {
                Ok(bytes) => {
                    unreadable_start = None;
                    self.take(&mut batch, &object, bytes, capacity).await
                }
                Err(NotRead::Unreadable(reason)) => {
                    tracing::warn!(archive.key = object.key, error = reason, "an object cannot be read");
                    if let Some((objects, why)) = &mut unreadable_start {
                        *objects += 1;
                        if why.is_empty() {
                            why.clone_from(&reason);
                        }
                        if *objects >= MOST_UNREADABLE {
                            let (archive, objects, why) = (self.source.to_string(), *objects, std::mem::take(why));
                            return Err(BackfillError::AllUnreadable { archive, objects, why });
                        }
                    }
                    batch.part.unreadable.push(Unreadable { key: object.key.clone(), reason });
                    Ok(())
                }
                Err(NotRead::Unavailable(why)) => {
                    return Err(BackfillError::Unavailable { archive: self.source.to_string(), why });
                }
            };
            if taken.is_err() {
                return Ok(Ended::Stopped);
            }
            batch.part.objects += 1;
            batch.part.bytes += object.size;
            batch.part.cursor = Some(object.key);
            if self.is_full(&batch) && self.send(&mut batch).await.is_err() {
                return Ok(Ended::Stopped);
            }
        }
    }

    /// Puts an object into the batch; a large object with many messages is split over several batches.
    async fn take(
        &self,
        batch: &mut Batch,
        object: &Listed,
        bytes: Vec<u8>,
        capacity: OwnedSemaphorePermit,
    ) -> Result<(), Stopped> {
        let delivery = |id: String, body: Vec<u8>| Delivery {
            id,
            body,
            sent_at: range::sent_at(&object.key),
            ..Delivery::default()
        };
        let Some(documents) = split::documents(&bytes, self.most) else {
            batch.push(delivery(object.key.clone(), bytes));
            match &mut batch.capacity {
                Some(all) => all.merge(capacity),
                none => *none = Some(capacity),
            }
            return Ok(());
        };
        // The permits of the object are released when this function returns: the size of a batch bounds its documents.
        for (number, document) in documents.enumerate() {
            match document {
                Ok(document) => batch.push(delivery(format!("{}#{number}", object.key), document)),
                Err(why) => {
                    let reason = format!("after {number} documents: {why}");
                    tracing::warn!(archive.key = object.key, error = reason, "an object cannot be read to its end");
                    batch.part.unreadable.push(Unreadable { key: object.key.clone(), reason });
                    break;
                }
            }
            if self.is_full(batch) {
                self.send(batch).await?;
            }
        }
        Ok(())
    }

    fn is_full(&self, batch: &Batch) -> bool {
        batch.deliveries.len() >= self.options.batch_messages
            || batch.bytes >= self.options.batch_bytes
            || batch.due.is_some_and(|due| due.remaining().is_zero())
    }

    /// Sends the batch, unless it is empty, and begins the next one.
    async fn send(&self, batch: &mut Batch) -> Result<(), Stopped> {
        if batch.deliveries.is_empty() && batch.part.objects == 0 {
            return Ok(());
        }
        let next = Batch { number: batch.number + 1, ..Batch::default() };
        self.batches.send(std::mem::replace(batch, next)).await.map_err(|_| Stopped)
    }
}

impl Batch {
    fn push(&mut self, delivery: Delivery) {
        self.due.get_or_insert_with(|| Deadline::within(LONGEST_BATCH));
        self.bytes += delivery.body.len();
        self.deliveries.push(delivery);
    }
}

/// The permits for an object of this size, one for each KiB; all permits for a larger object.
fn share(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(CAPACITY).clamp(1, CAPACITY)
}
