//! Series: the results of one check by name on one branch, in the order of the commits. Which results there are follows
//! from the checks; nothing depends on the order in which messages arrive.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::check::{Check, Lane, Outcome};
use crate::outbox::State;
use crate::platform::hex::hex;

/// What a series is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// Name of the source.
    pub system: String,
    /// Host of the repository; empty if unknown.
    pub host: String,
    /// Path of the repository; empty if there is none.
    pub repo: String,
    /// The branch; empty if there is none. Each tag has a name of its own, so the checks of tags have none.
    pub branch: String,
    /// Why the checks ran.
    pub lane: Lane,
    /// Name of the checks.
    pub name: String,
}

impl SeriesKey {
    /// The series of a check; `None` for checks of merge requests and of merge queues, which have none.
    #[must_use]
    pub fn of(check: &Check) -> Option<Self> {
        check.lane.has_series().then(|| Self {
            system: check.system.clone(),
            host: check.host.clone(),
            repo: check.repo.clone(),
            branch: branch(check.lane, check.branch.as_deref()).to_owned(),
            lane: check.lane,
            name: check.name.clone(),
        })
    }

    /// Its id: 32 hexadecimal digits, a function of all its parts. No part can have the separator, which PostgreSQL
    /// cannot store.
    #[must_use]
    pub fn id(&self) -> String {
        let parts = [&self.system, &self.host, &self.repo, &self.branch, self.lane.name(), &self.name];
        hex(&Sha256::digest(parts.join("\0"))[..16])
    }
}

/// The branch of a series.
fn branch(lane: Lane, branch: Option<&str>) -> &str {
    branch.filter(|_| lane != Lane::Tag).unwrap_or_default()
}

/// The states that are results: `Ok` or `Bad`, and ended.
#[must_use]
pub fn result_states(outcome: Outcome) -> Vec<&'static str> {
    let is_result = |state: &&State| result(**state) == Some(outcome);
    State::ALL.iter().filter(is_result).map(|state| state.name()).collect()
}

/// The outcome of a state that is a result. `failing` and `blocked_failed` have not ended yet.
#[must_use]
pub fn result(state: State) -> Option<Outcome> {
    match (state, Outcome::of(state)) {
        (State::Failing | State::BlockedFailed, _) => None,
        (_, outcome @ (Outcome::Ok | Outcome::Bad)) => Some(outcome),
        _ => None,
    }
}

/// A commit on a branch, as (repository, branch, hash): what has a place in the order of the branch. The branch is
/// empty for checks without one.
pub type BranchCommit = (String, String, String);

/// One result of a series: that of a commit, or of a check without a commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The series.
    pub series: SeriesKey,
    /// Hash of the commit, or key of the check.
    pub point: String,
    /// Table of the check that has no commit.
    pub kind: Option<String>,
}

/// What the series depend on, of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    point: Point,
    commit: Option<BranchCommit>,
    created_at: Timestamp,
    result: Option<ResultOfCheck>,
}

/// What a result depends on, of one check: state and whether it is optional, whether it was ever bad, its place among
/// the checks of its commit, and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ResultOfCheck {
    state: State,
    marks: (bool, Option<bool>),
    place: (i64, i32, String),
    at: Timestamp,
}

impl Trace {
    /// What series depend on, of a check that has a series.
    #[must_use]
    pub fn of(check: &Check) -> Option<Self> {
        let series = SeriesKey::of(check)?;
        let result = result(check.state).map(|_| ResultOfCheck {
            state: check.state,
            marks: (check.optional, check.ever_bad),
            place: (check.seq, check.attempt, check.run.clone()),
            at: check.finished_at.unwrap_or(check.changed_at),
        });
        let commit = check.sha.as_ref().map(|sha| (series.repo.clone(), series.branch.clone(), sha.clone()));
        let (point, kind) = match &check.sha {
            Some(sha) => (sha.clone(), None),
            None => (check.key.clone(), Some(check.kind.clone())),
        };
        Some(Self { point: Point { series, point, kind }, commit, created_at: check.created_at, result })
    }
}

impl Trace {
    /// The result that it is of.
    #[must_use]
    pub fn into_point(self) -> Point {
        self.point
    }
}

/// What a transaction has to settle: the results whose checks changed, and the commits whose place may have changed.
#[derive(Clone, Debug, Default)]
pub struct Unsettled {
    /// Results whose checks changed.
    pub points: BTreeSet<Point>,
    /// All commits of the results and those with new checks; with the earliest of the new checks.
    pub commits: BTreeMap<BranchCommit, Option<Timestamp>>,
    /// Commits that lost a check.
    pub left: BTreeSet<BranchCommit>,
}

impl Unsettled {
    /// Adds the change of one check: `None` for one that was not there, or is no more.
    pub fn add(&mut self, before: Option<&Trace>, now: Option<&Trace>) {
        if before == now {
            return;
        }
        for trace in [before, now].into_iter().flatten().filter(|trace| trace.result.is_some()) {
            self.points.insert(trace.point.clone());
        }
        let commit = |trace: Option<&Trace>| trace.and_then(|t| Some((t.commit.clone()?, t.created_at)));
        let (before, now) = (commit(before), commit(now));
        if let Some((commit, created_at)) = &now {
            let first = self.commits.entry(commit.clone()).or_default();
            *first = Some(first.map_or(*created_at, |known| known.min(*created_at)));
        }
        if let Some((commit, created_at)) = before
            && now.is_none_or(|(other, later)| other != commit || later > created_at)
        {
            self.commits.entry(commit.clone()).or_default();
            self.left.insert(commit);
        }
    }
}
