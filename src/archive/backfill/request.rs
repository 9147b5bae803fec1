//! What is asked of backfill, as JSON or by a command; and what is kept of it with the run.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

use super::BackfillError;
use crate::archive::range;
use crate::family::Family;

/// Batches that are worked on at a time, if nothing else is asked for: while one is read, another one is written.
const WRITERS: usize = 2;
/// A connection of the database for each.
const MOST_WRITERS: usize = 16;
/// Larger batches bring nothing but memory.
const MOST_MESSAGES: usize = 10_000;
/// Objects that are read at a time for each of them: an answer of S3 takes some 20 ms.
const READS: usize = 16;

/// The event of the function:
/// `{"bucket", "prefix", "from", "to", "families", "concurrency", "batch", "dry_run", "announce", "resume", "status", "cancel"}`, each
/// of them optional, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// The archive, instead of the one of the deployment.
    pub bucket: Option<String>,
    /// What keys begin with.
    pub prefix: Option<String>,
    /// Of this time or later: `2026-03-11`, `2026-03-11T10:00:00Z`.
    #[serde(deserialize_with = "time")]
    pub from: Option<Timestamp>,
    /// Before this time.
    #[serde(deserialize_with = "time")]
    pub to: Option<Timestamp>,
    /// Families by name; none for all.
    pub families: Option<Vec<String>>,
    /// Batches that are worked on at a time.
    pub concurrency: Option<usize>,
    /// Messages in a batch, at most.
    pub batch: Option<usize>,
    /// Count, and write nothing but that.
    pub dry_run: Option<bool>,
    /// Announce what happens by it.
    pub announce: Option<bool>,
    /// Go on with a run instead.
    pub resume: Option<Resume>,
    /// Say how a run stands instead.
    pub status: Option<String>,
    /// Cancel a run instead.
    pub cancel: Option<String>,
    /// What the function sends to itself: go on with a run, unless it was cancelled meanwhile.
    #[serde(rename = "continue")]
    pub continuation: Option<String>,
    /// How often it has done so in a row.
    pub chain: Option<u32>,
}

/// Which run to go on with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Resume {
    /// The latest one that is not done; `false` for none.
    Latest(bool),
    /// The one of this id.
    Run(String),
}

/// What a run is to do: kept with it, so that whoever goes on does the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// The bucket; else there is a mirror.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The folder of a mirror.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<PathBuf>,
    /// What keys begin with.
    pub prefix: String,
    /// Of this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Families by name; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<String>,
    /// Batches that are worked on at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<usize>,
    /// Messages in a batch, at most; 500 if nothing is said, and fewer with more than 4 writers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// Count, and write nothing but that.
    pub dry_run: bool,
    /// Announce what happens by it, as live messages do; without, it is only known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub announce: bool,
}

impl Parameters {
    /// Checks what can be checked before anything is done.
    ///
    /// # Errors
    /// When a family is unknown, the concurrency is out of bounds, or the time is empty.
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
            return Err(BackfillError::Request(format!("there is no time from {from} to {to}")));
        }
        Ok(())
    }

    /// The families that were asked for; empty for all.
    pub(super) fn chosen(&self) -> Result<Vec<Family>, BackfillError> {
        let of_name = |name: &String| {
            Family::ALL.iter().copied().find(|family| family.name() == name).ok_or_else(|| {
                let all: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
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

    /// As it is kept in the table.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// From the table.
    ///
    /// # Errors
    /// When it is of a program that knew other parameters.
    pub fn from_json(json: &str) -> Result<Self, BackfillError> {
        serde_json::from_str(json).map_err(|error| BackfillError::Request(format!("parameters of the run: {error}")))
    }
}

/// A time, or `null`, or an empty text.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.filter(|text| !text.is_empty()).map(|text| range::time(&text)).transpose().map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_misspelt_is_not_passed_over() {
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
    fn parameters_are_checked_and_kept() {
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
