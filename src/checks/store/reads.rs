//! Queries about checks.

use jiff::Timestamp;

use crate::checks::check::{Check, Outcome};
use crate::db::{Param, Reader, StoreError};
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

/// Checks, newest first, after a position if given; at most `limit`. Conditions without an index are evaluated on the
/// first 10,000 checks that match the others.
///
/// # Errors
/// As [`Reader::read`].
pub async fn list_checks(
    reader: &mut Reader,
    filter: &CheckFilter,
    after: Option<&Position>,
    limit: i64,
) -> Result<Vec<Check>, StoreError> {
    let CheckFilter { outcome, state, system, kind, repo, branch, name } = filter;
    let states = state.map(|state| Vec::from([state.name()])).or_else(|| outcome.map(Outcome::states));
    let bad = Outcome::Bad.states();
    let is_bad = states.as_ref().is_some_and(|states| states.iter().all(|state| bad.contains(state)));
    let (at, of_system) = (after.map(|after| after.created_at), after.map(|after| &after.system));
    let (of_kind, key) = (after.map(|after| &after.kind), after.map(|after| &after.key));
    let mut params: Vec<Param<'_>> = vec![&at, &of_system, &of_kind, &key, &limit, &states, system, kind, name];
    let sql = match (repo, branch) {
        (Some(_), None) => include_str!("sql/list_checks_of_repository.sql"),
        (Some(_), Some(_)) => include_str!("sql/list_checks_of_branch.sql"),
        (None, _) if is_bad => include_str!("sql/list_bad_checks.sql"),
        (None, _) => include_str!("sql/list_checks.sql"),
    };
    if repo.is_some() {
        params.push(repo);
    }
    if repo.is_none() || branch.is_some() {
        params.push(branch);
    }
    reader.read(sql, &params).await
}
