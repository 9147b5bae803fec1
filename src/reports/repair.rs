//! Repair of rows with a time in the future: by its version guard, such a row rejects all messages as outdated until
//! then.
//!
//! Times in the future are limited when messages are read ([`crate::transport::Latest`]). This repairs rows that were
//! written before that limit existed, and rows of files without a time of their own.

use jiff::Timestamp;
use serde_json::Value;

use crate::db::{StoreError, Tx};
use crate::platform::clock;
use crate::transport::time::AHEAD;

/// Statements by the kind of object as in [`super::EXPLAINED`]. Each sets times of a row ($1) that are after a latest
/// time ($2) to the time at which the row was written.
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
    ("pipeline", &[include_str!("sql/repair_pipeline.sql")]),
    ("job", &[include_str!("sql/repair_job.sql")]),
    ("deployment", &[include_str!("sql/repair_deployment.sql")]),
    (BOT, &[include_str!("sql/repair_bot.sql"), include_str!("sql/repair_bot_beats.sql")]),
];

/// The kind with heartbeats, whose order changes when a time is repaired.
const BOT: &str = "bot";

/// Members of a row that may be its version.
const VERSIONS: &[&str] = &["created_at", "event_at", "message_at", "updated_at", "version_at"];

/// Kinds of objects whose rows can be repaired.
pub fn repairable() -> impl Iterator<Item = &'static str> {
    REPAIRS.iter().map(|(kind, _)| *kind)
}

/// Repairs the times of a row that are in the future, so that the next message about it is not outdated. Returns how
/// many rows changed.
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

/// The latest time of a row, and its member, if it is in the future: until then, all messages are outdated.
#[must_use]
pub fn frozen_until(row: &Value, now: Timestamp) -> Option<(Timestamp, &'static str)> {
    let at = |member: &&'static str| Some((row.get(member)?.as_str()?.parse::<Timestamp>().ok()?, *member));
    VERSIONS.iter().filter_map(at).max().filter(|(at, _)| now.checked_add(AHEAD).is_ok_and(|latest| *at > latest))
}
