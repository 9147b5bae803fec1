//! Queries about checks.

use jiff::Timestamp;

use crate::checks::check::{Check, Outcome};
use crate::db::{Reader, StoreError};
use crate::outbox::State;

/// Most checks of a commit that are read.
const MOST_OF_COMMIT: i64 = 5000;

/// Which checks to list; `None` for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckFilter {
    /// Outcome of the state.
    pub outcome: Option<Outcome>,
    /// State.
    pub state: Option<State>,
    /// Name of the source.
    pub system: Option<String>,
    /// Table of the source's row.
    pub kind: Option<String>,
    /// Path of the repository.
    pub repo: Option<String>,
    /// Branch.
    pub branch: Option<String>,
    /// A part of the name, in any case.
    pub name: Option<String>,
}

/// Place of a check in a list: stable while rows are inserted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// When the check was created.
    pub created_at: Timestamp,
    /// Name of the source.
    pub system: String,
    /// Table of the source's row.
    pub kind: String,
    /// Key of the source's row.
    pub key: String,
}

/// All checks of a commit, by its whole hash; of one repository if given.
///
/// # Errors
/// As [`Reader::read`].
pub async fn checks_of_commit(reader: &mut Reader, sha: &str, repo: Option<&str>) -> Result<Vec<Check>, StoreError> {
    reader.read(include_str!("sql/checks_of_commit.sql"), &[&sha, &repo, &MOST_OF_COMMIT]).await
}

/// Checks, newest first, after a position if given; at most `limit`.
///
/// # Errors
/// As [`Reader::read`].
pub async fn list_checks(
    reader: &mut Reader,
    filter: &CheckFilter,
    after: Option<&Position>,
    limit: i64,
) -> Result<Vec<Check>, StoreError> {
    let states: Option<Vec<&str>> = match (filter.state, filter.outcome) {
        (Some(state), _) => Some(Vec::from([state.name()])),
        (None, Some(outcome)) => {
            Some(State::ALL.iter().filter(|state| Outcome::of(**state) == outcome).map(|state| state.name()).collect())
        }
        (None, None) => None,
    };
    reader
        .read(
            include_str!("sql/list_checks.sql"),
            &[
                &states,
                &filter.system,
                &filter.kind,
                &filter.repo,
                &filter.branch,
                &filter.name,
                &after.map(|after| after.created_at),
                &after.map(|after| &after.system),
                &after.map(|after| &after.kind),
                &after.map(|after| &after.key),
                &limit,
            ],
        )
        .await
}
