//! An event that is due for delivery, with its earlier attempts.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::payload::{self, StoredPayload};

/// Attempts so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Failed attempts.
    pub attempts: i32,
    /// Failed attempts that the target understood and rejected.
    pub rejections: i32,
}

/// An existing check run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckRun {
    /// Target that created it.
    pub target: String,
    /// Path of the repository.
    pub repo: String,
    /// Commit.
    pub sha: String,
    /// Id of the object that it shows.
    pub external_id: String,
    /// Its id at GitHub.
    pub run_id: i64,
    /// Whether it is completed.
    pub completed: bool,
}

/// An event to be delivered, under lease.
#[derive(Clone, Debug)]
pub struct EventDue {
    /// Name of the target.
    pub target: String,
    /// The lease.
    pub lease: String,
    /// Attempts so far.
    pub attempts: Attempts,
    /// Id of the event.
    pub id: i64,
    /// Source.
    pub family: String,
    /// Name of the event.
    pub event: String,
    /// Key of the object.
    pub key: String,
    /// For filters of subscribers.
    pub attributes: BTreeMap<String, String>,
    /// The payload for consumers.
    pub payload: StoredPayload,
    /// Hashes of the texts that the payload omits, by member.
    pub omitted: BTreeMap<String, Vec<u8>>,
    /// The omitted texts that are still stored.
    pub texts: BTreeMap<String, String>,
    /// When the event was written.
    pub created_at: Timestamp,
    /// Age of the message that caused it.
    pub age: Duration,
    /// The check run that it updates, if one exists.
    pub check_run: Option<CheckRun>,
}

impl EventDue {
    /// The payload with the omitted texts, as JSON.
    #[must_use]
    pub fn whole(&self) -> String {
        payload::whole(&self.payload, &self.texts)
    }

    /// The payload without the omitted texts, as JSON.
    #[must_use]
    pub fn short(&self) -> String {
        payload::whole(&self.payload, &BTreeMap::new())
    }

    /// The attributes of either form: `omitted` names the texts that the form does not hold.
    #[must_use]
    pub fn attributes(&self, is_whole: bool) -> BTreeMap<String, String> {
        let mut attributes = self.attributes.clone();
        let names = self.omitted.keys().filter(|name| !is_whole || !self.texts.contains_key(*name));
        let names: Vec<&str> = names.map(String::as_str).collect();
        match names.is_empty() {
            true => attributes.remove(payload::OMITTED),
            false => attributes.insert(payload::OMITTED.to_owned(), names.join(",")),
        };
        attributes
    }
}
