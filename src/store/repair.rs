//! Rows that a time of the future protects from all messages, and their repair.
//!
//! Messages whose times cannot be true are limited when they are read ([`crate::envelope::Latest`]). What is left are rows
//! of before, and rows of files that have no time of their own.

use jiff::Timestamp;
use serde_json::Value;

use super::{StoreError, Tx};
use crate::clock;
use crate::envelope::time::AHEAD;

/// Statements by the kind of thing as in [`super::EXPLAINED`]. Each lowers times of a row ($1) that are after a latest one ($2) to the
/// time at which the row was written.
const REPAIRS: &[(&str, &[&str])] = &[
    ("mr", &[include_str!("sql/repair_merge_request.sql"), include_str!("sql/repair_mr_versions.sql")]),
    ("component", &[include_str!("sql/repair_component.sql")]),
    ("pipelinerun", &[include_str!("sql/repair_pipelinerun.sql")]),
    ("snapshot", &[include_str!("sql/repair_snapshot.sql")]),
    ("release", &[include_str!("sql/repair_release.sql")]),
    ("build", &[include_str!("sql/repair_build.sql")]),
    ("travis-build", &[include_str!("sql/repair_travis_build.sql")]),
    ("travis-job", &[include_str!("sql/repair_travis_job.sql")]),
    ("checkout", &[include_str!("sql/repair_checkout.sql")]),
    ("kcidb-build", &[include_str!("sql/repair_kcidb_build.sql")]),
    ("kcidb-test", &[include_str!("sql/repair_kcidb_test.sql")]),
    ("issue", &[include_str!("sql/repair_issue.sql"), include_str!("sql/repair_issue_regexes.sql")]),
    (BOT, &[include_str!("sql/repair_bot.sql"), include_str!("sql/repair_bot_beats.sql")]),
];

/// The kind whose heartbeats have neighbours, which are others once a time was lowered.
const BOT: &str = "bot";

/// Members of a row that say how new it is.
const VERSIONS: &[&str] = &["created_at", "event_at", "message_at", "updated_at", "version_at"];

/// Kinds of things whose rows can be repaired.
pub fn repairable() -> impl Iterator<Item = &'static str> {
    REPAIRS.iter().map(|(kind, _)| *kind)
}

/// Lowers the times of a row that lie in the future, so that the next message about it counts. How many rows changed.
///
/// # Errors
/// When a statement fails.
pub async fn repair(tx: &Tx<'_>, kind: &str, key: &str) -> Result<usize, StoreError> {
    let Ok(latest) = clock::now().checked_add(AHEAD) else { return Ok(0) };
    let mut changed = 0;
    for sql in REPAIRS.iter().filter(|(known, _)| *known == kind).flat_map(|(_, statements)| *statements) {
        changed += tx.query(sql, &[&key, &latest]).await?.len();
    }
    if kind == BOT {
        changed += tx.query(include_str!("sql/repair_bot_transitions.sql"), &[&key]).await?.len();
    }
    Ok(changed)
}

/// The latest time of a row by which it is newer than every message until then, and the member that holds it.
#[must_use]
pub fn frozen_until(row: &Value, now: Timestamp) -> Option<(Timestamp, &'static str)> {
    let at = |member: &&'static str| Some((row.get(member)?.as_str()?.parse::<Timestamp>().ok()?, *member));
    VERSIONS.iter().filter_map(at).max().filter(|(at, _)| now.checked_add(AHEAD).is_ok_and(|latest| *at > latest))
}
