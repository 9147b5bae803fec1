//! Reads objects, several at a time, and makes batches of them in the order of their keys.

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
use crate::archive::source::{NotRead, Source};
use crate::archive::split;
use crate::clock::Deadline;
use crate::envelope::Delivery;
use crate::tasks::Stop;

/// Objects that are being read, wait for their batch or are being written have so many KiB together, at most.
const ROOM: u32 = 64 << 10;
/// When so many objects could not be read and not one could, going on is of no use.
const TELLING: usize = 100;
/// How long an archive that does not answer is waited for, at most.
const LONGEST_PATIENCE: Duration = Duration::from_secs(120);

/// A batch is handed on after this time, full or not: however slow the archive, what was read is not lost.
const LONGEST_BATCH: Duration = Duration::from_secs(1);

/// Messages to be committed together.
#[derive(Default)]
pub(super) struct Batch {
    /// From 0.
    pub(super) number: u64,
    /// What is to be ingested.
    pub(super) deliveries: Vec<Delivery>,
    /// What is done with then.
    pub(super) part: Part,
    /// Bytes of the deliveries.
    bytes: usize,
    /// When it is not waited any longer for more.
    due: Option<Deadline>,
    /// Their share of the room, given back with the batch.
    room: Option<OwnedSemaphorePermit>,
}

/// How far it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every object is in a batch, and so many batches were handed on. Whether they are written is another matter.
    Everything(u64),
    /// It was stopped.
    Stopped,
}

/// See the module.
pub(super) struct Feeder {
    pub(super) source: Source,
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
    room: OwnedSemaphorePermit,
}

/// Nobody takes batches any more.
struct Stopped;

impl Feeder {
    /// Feeds until everything is in batches, or the word is said.
    pub(super) async fn run(self) -> Result<Ended, BackfillError> {
        let stop = self.stop.clone();
        let fed = stop.unless(self.feed()).await;
        fed.unwrap_or(Ok(Ended::Stopped))
    }

    async fn feed(self) -> Result<Ended, BackfillError> {
        let patience = self.options.patience.min(LONGEST_PATIENCE);
        let room = Arc::new(Semaphore::new(ROOM as usize));
        let mut keys = self.source.list(&self.range, self.cursor.as_deref(), patience);
        let mut reading: VecDeque<Reading> = VecDeque::new();
        let mut next: Option<Listed> = None;
        let mut listed_all = false;
        let mut batch = Batch::default();
        // Objects that could not be read before the first one that could, and why the first one could not.
        let mut in_vain: Option<(usize, String)> = Some((0, String::new()));
        loop {
            while reading.len() < self.reads && !listed_all {
                let object = match next.take() {
                    Some(object) => object,
                    None => {
                        let key = match keys.try_recv() {
                            // There is something to go on with meanwhile.
                            Err(TryRecvError::Empty) if !reading.is_empty() => break,
                            Err(TryRecvError::Empty) => keys.recv().await,
                            Err(TryRecvError::Disconnected) => None,
                            Ok(key) => Some(key),
                        };
                        match key {
                            Some(Ok(object)) => object,
                            Some(Err(why)) => return Err(BackfillError::List { place: self.source.to_string(), why }),
                            None => {
                                listed_all = true;
                                break;
                            }
                        }
                    }
                };
                let share = share(object.size);
                let permit = match Arc::clone(&room).try_acquire_many_owned(share) {
                    Ok(permit) => permit,
                    Err(_) if !reading.is_empty() => {
                        next = Some(object);
                        break;
                    }
                    Err(_) => {
                        // The room is taken by this batch and by those before it, which will give it back.
                        if self.send(&mut batch).await.is_err() {
                            return Ok(Ended::Stopped);
                        }
                        match Arc::clone(&room).acquire_many_owned(share).await {
                            Ok(permit) => permit,
                            Err(_) => return Ok(Ended::Stopped),
                        }
                    }
                };
                let (source, wanted) = (self.source.clone(), object.clone());
                let bytes = tokio::spawn(async move { source.read(&wanted, patience).await });
                reading.push_back(Reading { object, bytes, room: permit });
            }
            let Some(Reading { object, bytes, room }) = reading.pop_front() else {
                let sent = self.send(&mut batch).await;
                return Ok(if sent.is_ok() { Ended::Everything(batch.number) } else { Ended::Stopped });
            };
            let taken = match bytes.await.map_err(BackfillError::Panicked)? {
                Ok(bytes) => {
                    in_vain = None;
                    self.take(&mut batch, &object, bytes, room).await
                }
                Err(NotRead::Unreadable(reason)) => {
                    tracing::warn!(archive.key = object.key, error = reason, "an object cannot be read");
                    if let Some((objects, why)) = &mut in_vain {
                        *objects += 1;
                        if why.is_empty() {
                            why.clone_from(&reason);
                        }
                        if *objects >= TELLING {
                            let (place, objects, why) = (self.source.to_string(), *objects, std::mem::take(why));
                            return Err(BackfillError::AllUnreadable { place, objects, why });
                        }
                    }
                    batch.part.unreadable.push(Unreadable { key: object.key.clone(), reason });
                    Ok(())
                }
                Err(NotRead::Away(why)) => {
                    return Err(BackfillError::Away { place: self.source.to_string(), why });
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

    /// Puts an object into the batch; one with many messages into as many batches as it takes.
    async fn take(
        &self,
        batch: &mut Batch,
        object: &Listed,
        bytes: Vec<u8>,
        room: OwnedSemaphorePermit,
    ) -> Result<(), Stopped> {
        let delivery = |id: String, body: Vec<u8>| Delivery {
            id,
            body,
            sent_at: range::sent_at(&object.key),
            ..Delivery::default()
        };
        let Some(documents) = split::documents(&bytes, self.most) else {
            batch.push(delivery(object.key.clone(), bytes));
            match &mut batch.room {
                Some(all) => all.merge(room),
                none => *none = Some(room),
            }
            return Ok(());
        };
        // Its room is given back here: from now on it is what the batches hold that counts.
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

    /// Hands the batch on, if there is anything in it, and begins the next one.
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

/// The room that an object of so many bytes takes, in KiB; all of it for one that is larger.
fn share(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(ROOM).clamp(1, ROOM)
}
