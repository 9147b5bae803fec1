//! Announces the events of a transaction: they are collected while it writes, and written with their deliveries and
//! commit statuses in one statement at its end. An event that no registered target can receive is not written.

use std::fmt::Debug;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};

use super::plan::{Candidate, age, plan};
use super::receiver::{Receiver, Rules};
use super::registry::{Registered, receivers};
use super::write::{Due, Row, write_events};
use super::{CommitReport, Event, Notice};
use crate::db::{Json, Param, StoreError, Tx, Type};

/// The payload of an event.
pub trait Payload: Serialize + Debug {
    /// Its report about a commit.
    fn commit_report(&self) -> CommitReport {
        CommitReport::Nothing
    }

    /// The notice in it, if it is one.
    fn notice(&self) -> Option<Notice> {
        None
    }
}

impl Payload for Map<String, Value> {
    fn commit_report(&self) -> CommitReport {
        CommitReport::of(self)
    }

    fn notice(&self) -> Option<Notice> {
        Notice::of(self)
    }
}

/// Collects the events of one transaction.
#[derive(Debug, Default)]
pub struct Announcer {
    silent: bool,
    /// The time at which each message of the batch was sent.
    times: Vec<Option<Timestamp>>,
    registered: Option<Registered>,
    events: Vec<Row>,
}

impl Announcer {
    /// An announcer for a batch of messages, with the time at which each of them was sent; `None` counts as now.
    #[must_use]
    pub fn of_messages(times: Vec<Option<Timestamp>>) -> Self {
        Self { times, ..Self::default() }
    }

    /// An announcer for work that no message causes: sweeps, and work that messages left behind.
    #[must_use]
    pub fn of_now() -> Self {
        Self::default()
    }

    /// Announces nothing. Commit statuses are still recorded, so that an older one that arrives later is not posted.
    #[must_use]
    pub fn silent(self) -> Self {
        Self { silent: true, ..self }
    }

    /// Reads the registered targets. Sources call it before they add the first event.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn open(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        if self.registered.is_none() {
            self.registered = Some(receivers(tx).await?);
        }
        Ok(())
    }

    /// The time at which a message of the batch was sent.
    #[must_use]
    pub fn time_of(&self, message: usize) -> Option<Timestamp> {
        self.times.get(message).copied().flatten()
    }

    /// The time at which the last message of the batch was sent.
    #[must_use]
    pub fn time_of_last(&self) -> Option<Timestamp> {
        self.times.iter().copied().max().flatten()
    }

    /// Whether no target can receive anything, so that no event has to be built.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        match &self.registered {
            Some(Registered::Known { receivers, .. }) => receivers.is_empty(),
            Some(Registered::Unknown) | None => self.silent,
        }
    }

    /// Whether a target may receive events of this name as they are.
    #[must_use]
    pub fn wants(&self, source: &str, event: &str) -> bool {
        let takes =
            |receiver: &Receiver| matches!(&receiver.rules, Some(Rules::Events(filter)) if filter.takes(source, event));
        !self.silent
            && match &self.registered {
                Some(Registered::Known { receivers, .. }) => receivers.iter().any(takes),
                Some(Registered::Unknown) | None => true,
            }
    }

    /// Adds an event; ids follow the order in which events are added. The event is dropped if no target can receive it.
    pub fn add<P: Payload>(&mut self, event: Event<P>) {
        let (attributes, payload, texts) = (event.attributes, event.payload, event.texts);
        let mut row = Row {
            id: None,
            source: event.family.to_owned(),
            event: event.event,
            key: event.key,
            attributes: None,
            payload: None,
            texts: None,
            created_at: None,
            message_at: event.at,
            plan: None,
        };
        if let Some(Registered::Known { receivers, now }) = &self.registered {
            let (commit, notice) = (payload.commit_report(), payload.notice());
            let candidate = Candidate {
                source: &row.source,
                event: &row.event,
                commit: &commit,
                notice: notice.as_ref(),
                age: event.at.map(|at| age(at, *now)).unwrap_or_default(),
            };
            let plan = plan(candidate, receivers.iter());
            let plan = if self.silent { plan.silent() } else { plan };
            if !plan.announces() && plan.statuses.is_empty() && (plan.note.is_none() || plan.is_foreign) {
                return;
            }
            let is_written = plan.announces() || plan.note.is_some();
            row.plan = Some(plan);
            if !is_written {
                return self.events.push(row);
            }
        } else if self.silent {
            return;
        }
        match (to_raw_value(&attributes), to_raw_value(&payload)) {
            (Ok(attributes), Ok(payload)) => {
                (row.attributes, row.payload) = (Some(attributes), Some(payload));
                // A map of texts is always JSON.
                row.texts = if texts.is_empty() { None } else { to_raw_value(&texts).ok() };
                self.events.push(row);
            }
            // A map key that is no string: a fault of the source, which must not cause its message to be lost.
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(error = %error, event = row.event, alarm = true, "an event cannot be written as JSON")
            }
        }
    }

    /// Writes the added events with their deliveries and commit statuses. Returns what became due.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn flush(&mut self, tx: &Tx<'_>) -> Result<Due, StoreError> {
        self.write(tx, false).await
    }

    /// As [`Announcer::flush`], at the end of the transaction: if something becomes due, it is committed in the same
    /// round trip.
    ///
    /// # Errors
    /// As there; also when the transaction cannot be committed.
    pub async fn finish(&mut self, tx: &Tx<'_>) -> Result<Due, StoreError> {
        self.write(tx, true).await
    }

    async fn write(&mut self, tx: &Tx<'_>, is_last: bool) -> Result<Due, StoreError> {
        let events = std::mem::take(&mut self.events);
        let (known, unknown): (Vec<Row>, Vec<Row>) = events.into_iter().partition(|row| row.plan.is_some());
        if !unknown.is_empty() {
            write_unrouted(tx, &unknown).await?;
        }
        write_events(tx, &known, is_last).await
    }

    /// Drops the added events after a rollback of their cause.
    pub fn clear(&mut self) {
        self.events.clear();
    }
}

/// Runs work that no message causes, and announces its events. Returns what became due.
///
/// # Errors
/// When a statement fails.
pub async fn announcing<T>(
    tx: &Tx<'_>,
    body: impl AsyncFnOnce(&mut Announcer) -> Result<T, StoreError>,
) -> Result<(T, Due), StoreError> {
    let mut announcer = Announcer::of_now();
    let done = body(&mut announcer).await?;
    Ok((done, announcer.flush(tx).await?))
}

/// Writes events that wait until the targets are registered.
async fn write_unrouted(tx: &Tx<'_>, events: &[Row]) -> Result<(), StoreError> {
    let json: Vec<_> = events
        .iter()
        .map(|row| [&row.attributes, &row.payload, &row.texts].map(|raw| raw.as_deref().map(Json)))
        .collect();
    let rows = events.iter().zip(&json).map(|(row, [attributes, payload, texts])| -> [Param<'_>; 7] {
        [&row.source, &row.event, &row.key, attributes, payload, texts, &row.message_at]
    });
    let types = [Type::TEXT, Type::TEXT, Type::TEXT, Type::JSON, Type::JSON, Type::JSON, Type::TIMESTAMPTZ];
    tx.copy(include_str!("sql/announce_unrouted.sql"), &types, rows).await
}
