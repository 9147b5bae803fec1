//! The requests to backfill, as the JSON event of the function or by a command, and the parameters that are stored with
//! a run.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

use super::BackfillError;
use crate::archive::range;
use crate::sources::Source;

/// The default number of batches that are worked on at a time: while one is read, another one is written.
const WRITERS: usize = 2;
/// The most writers; each needs a connection to the database.
const MOST_WRITERS: usize = 16;
/// The most messages in a batch. Larger batches take more memory and are not faster.
const MOST_MESSAGES: usize = 10_000;
/// Objects that are read at a time for each writer: an answer of S3 takes some 20 ms.
const READS: usize = 16;

/// The event of the function, with these optional members: `{"bucket", "prefix", "from", "to", "families",
/// "concurrency", "batch", "dry_run", "announce", "resume", "status", "cancel"}`. Other members are rejected.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// The bucket of the archive, instead of the one of the deployment.
    pub bucket: Option<String>,
    /// Only keys that begin with this.
    pub prefix: Option<String>,
    /// Messages of this time or later: `2026-03-11`, `2026-03-11T10:00:00Z`.
    #[serde(deserialize_with = "time")]
    pub from: Option<Timestamp>,
    /// Messages before this time.
    #[serde(deserialize_with = "time")]
    pub to: Option<Timestamp>,
    /// Sources by name; empty or missing for all.
    pub families: Option<Vec<String>>,
    /// Batches that are worked on at a time.
    pub concurrency: Option<usize>,
    /// Messages in a batch, at most.
    pub batch: Option<usize>,
    /// Count messages without writing them.
    pub dry_run: Option<bool>,
    /// Announce the changes to targets.
    pub announce: Option<bool>,
    /// Resume a run instead of beginning one.
    pub resume: Option<Resume>,
    /// Report the state of a run instead.
    pub status: Option<String>,
    /// Cancel a run instead.
    pub cancel: Option<String>,
    /// Sent by the function to itself: continue a run, unless it was cancelled meanwhile.
    #[serde(rename = "continue")]
    pub continuation: Option<String>,
    /// The number of such invocations in a row.
    pub chain: Option<u32>,
}

/// The run to resume.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Resume {
    /// The latest one that is neither done nor cancelled; `false` begins a new run.
    Latest(bool),
    /// The one of this id.
    Run(String),
}

/// The parameters of a run. They are stored with it, so that a process that resumes it uses the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// The bucket, unless a mirror is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The folder of the mirror, unless a bucket is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<PathBuf>,
    /// Only keys that begin with this.
    pub prefix: String,
    /// Messages of this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Messages before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Sources by name; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<String>,
    /// Batches that are worked on at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<usize>,
    /// Messages in a batch, at most; by default 500, and fewer with more than 4 writers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// Count messages without writing them.
    pub dry_run: bool,
    /// Announce the changes to targets, as live messages do; else they are only stored.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub announce: bool,
}

impl Parameters {
    /// Validates the parameters.
    ///
    /// # Errors
    /// When a source is unknown, a number is out of bounds, or the time range is empty.
    pub fn check(&self) -> Result<(), BackfillError> {
        self.chosen()?;
        if self.concurrency.is_some_and(|writers| !(1..=MOST_WRITERS).contains(&writers)) {
            return Err(BackfillError::Request(format!("concurrency: expected 1 to {MOST_WRITERS}")));
        }
        if self.batch.is_some_and(|messages| !(1..=MOST_MESSAGES).contains(&messages)) {
            return Err(BackfillError::Request(format!("batch: expected 1 to {MOST_MESSAGES}")));
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(BackfillError::Request(format!("the time range from {from} to {to} is empty")));
        }
        Ok(())
    }

    /// The requested sources; empty for all.
    pub(super) fn chosen(&self) -> Result<Vec<Source>, BackfillError> {
        let of_name = |name: &String| {
            Source::ALL.iter().copied().find(|source| source.name() == name).ok_or_else(|| {
                let all: Vec<_> = Source::ALL.iter().map(|source| source.name()).collect();
                BackfillError::Request(format!("families: there is no {name:?}, only {}", all.join(", ")))
            })
        };
        self.families.iter().map(of_name).collect()
    }

    /// Batches that are worked on at a time, each with a connection of its own.
    #[must_use]
    pub fn writers(&self) -> usize {
        self.concurrency.unwrap_or(WRITERS).clamp(1, MOST_WRITERS)
    }

    /// Objects that are read at a time.
    pub(super) fn reads(&self) -> usize {
        self.writers() * READS
    }

    /// The JSON for the table of runs.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// Reads the JSON of the table of runs.
    ///
    /// # Errors
    /// When a release with other parameters wrote it.
    pub fn from_json(json: &str) -> Result<Self, BackfillError> {
        serde_json::from_str(json).map_err(|error| BackfillError::Request(format!("parameters of the run: {error}")))
    }
}

/// Reads a time; `null` and an empty text are `None`.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.filter(|text| !text.is_empty()).map(|text| range::time(&text)).transpose().map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_members_are_rejected() {
        let read = |json: &str| serde_json::from_str::<Request>(json);
        let request = read(r#"{"from":"2026-03-11","to":null,"families":["konflux"],"resume":"x","dry_run":true}"#);
        let request = request.expect("request");
        assert_eq!(request.from.map(|from| from.to_string()).as_deref(), Some("2026-03-11T00:00:00Z"));
        assert_eq!(request.resume, Some(Resume::Run("x".to_owned())));
        assert_eq!(read("{}").expect("nothing"), Request::default());
        assert_eq!(read(r#"{"resume":true}"#).expect("latest").resume, Some(Resume::Latest(true)));
        for wrong in [r#"{"form":"2026-03-11"}"#, r#"{"from":"yesterday"}"#, r#"{"concurrency":-1}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parameters_are_validated_and_stored() {
        let parameters = Parameters {
            bucket: Some("b".to_owned()),
            prefix: "sns/".to_owned(),
            from: range::time("2026-03-11").ok(),
            families: vec!["gitlab".to_owned()],
            ..Parameters::default()
        };
        parameters.check().expect("fine");
        assert_eq!(Parameters::from_json(&parameters.to_json()).expect("JSON"), parameters);
        let wrong = [
            Parameters { families: vec!["gitlap".to_owned()], ..parameters.clone() },
            Parameters { concurrency: Some(0), ..parameters.clone() },
            Parameters { to: parameters.from, ..parameters.clone() },
        ];
        for wrong in wrong {
            assert!(matches!(wrong.check(), Err(BackfillError::Request(_))), "{wrong:?}");
        }
    }
}
