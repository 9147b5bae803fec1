//! Which checks failed lately and which are stuck, by the one definition of both: what pages list and count.

use jiff::Timestamp;

use crate::checks::check::{Check, Outcome, unfinished_states};
use crate::db::{Param, Reader, StoreError, rows};
use crate::outbox::State;

rows! {
    /// The row of a source that a check is of.
    pub struct CheckKey {
        /// Its table.
        pub kind: String,
        /// Its key there.
        pub key: String,
    }

    /// Numbers of the checks of a table.
    pub struct CheckCounts {
        /// The table.
        pub kind: String,
        /// Failed since a time.
        pub failed: i64,
        /// Passed since that time.
        pub passed: i64,
        /// Not ended.
        pub unfinished: i64,
        /// Not ended, and beyond the time limit of their source.
        pub stuck: i64,
        /// When one of them changed last.
        pub newest: Option<Timestamp>,
    }
}

/// Checks of some tables that failed since a time, the newest first; of each table and state at most `most`.
///
/// # Errors
/// As [`Reader::read`].
pub async fn failed_checks(
    reader: &mut Reader,
    kinds: &[&str],
    since: Timestamp,
    most: i64,
) -> Result<Vec<CheckKey>, StoreError> {
    reader.read(include_str!("sql/failed_checks.sql"), &[&kinds, &Outcome::Bad.states(), &since, &most]).await
}

/// Checks of some tables that are stuck, the longest first; of each table at most `most`.
///
/// # Errors
/// As [`Reader::read`].
pub async fn stuck_checks(
    reader: &mut Reader,
    kinds: &[&str],
    now: Timestamp,
    most: i64,
) -> Result<Vec<CheckKey>, StoreError> {
    reader.read(include_str!("sql/stuck_checks.sql"), &[&kinds, &unfinished_states(), &now, &most]).await
}

/// Numbers of the checks of each of some tables; of results since a time.
///
/// # Errors
/// As [`Reader::read`].
pub async fn count_checks(
    reader: &mut Reader,
    kinds: &[&str],
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<CheckCounts>, StoreError> {
    let all: Vec<&str> = State::ALL.iter().map(|state| state.name()).collect();
    let (failed, passed) = (Outcome::Bad.states(), Outcome::Ok.states());
    let params: &[Param<'_>] = &[&kinds, &failed, &passed, &unfinished_states(), &all, &since, &now];
    reader.read(include_str!("sql/count_checks.sql"), params).await
}

/// Checks of a source by the rows that they are of.
///
/// # Errors
/// As [`Reader::read`].
pub async fn checks_by_key(reader: &mut Reader, system: &str, rows: &[CheckKey]) -> Result<Vec<Check>, StoreError> {
    let (kinds, keys): (Vec<&str>, Vec<&str>) = rows.iter().map(|row| (row.kind.as_str(), row.key.as_str())).unzip();
    let systems = vec![system; rows.len()];
    reader.read(super::BY_KEY, &[&systems, &kinds, &keys]).await
}
