//! The slots of a commit: the checks of one system, lane, branch and name, of which the newest one with a result
//! decides.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::check::{Check, Lane, Outcome};
use super::rules::Rules;
use crate::outbox::State;

/// The checks of one system, lane, branch and name of a commit.
#[derive(Clone, Debug)]
pub struct Slot<'c> {
    /// All of them, oldest first.
    pub checks: Vec<&'c Check>,
    /// The newest one that is not void: a cancelled rerun undoes no result.
    pub newest: Option<&'c Check>,
    /// The outcome of the newest one.
    pub outcome: Outcome,
    /// Whether it does not count for the verdict.
    pub is_optional: bool,
}

impl Slot<'_> {
    /// The check that is shown for the slot: the newest one that is not void, or else the newest one.
    #[must_use]
    pub fn shown(&self) -> Option<&Check> {
        self.newest.or_else(|| self.checks.last().copied())
    }

    /// Whether it succeeded after a failure for the same commit.
    #[must_use]
    pub fn is_flaky(&self) -> bool {
        self.outcome == Outcome::Ok && self.checks.iter().any(|check| check.was_bad())
    }

    /// Whether it has no result, and its newest check is in this state.
    pub(super) fn is_void(&self, state: State) -> bool {
        self.newest.is_none() && self.checks.last().is_some_and(|check| check.state == state)
    }

    /// `SYSTEM:NAME`.
    pub(super) fn label(&self) -> String {
        self.checks.last().map(|check| check.label()).unwrap_or_default()
    }
}

/// System, lane, branch or merge request, and name.
type Key<'c> = (&'c str, Lane, Option<&'c str>, Option<i64>, &'c str);

/// The slots of a commit that are of lanes that count, in order of their keys, from all its checks.
#[must_use]
pub fn slots<'c>(checks: &'c [Check], rules: &Rules, now: Timestamp) -> Vec<Slot<'c>> {
    let mut newest_attempt: BTreeMap<(&str, &str), i32> = BTreeMap::new();
    for check in checks {
        let attempt = newest_attempt.entry((&check.system, &check.run)).or_insert(check.attempt);
        *attempt = (*attempt).max(check.attempt);
    }
    let mut by_key: BTreeMap<Key<'_>, Vec<&Check>> = BTreeMap::new();
    let is_ignored = |check: &Check| rules.ignored.iter().any(|pattern| pattern.fits(&check.label()));
    for check in checks.iter().filter(|check| check.lane.counts() && !is_ignored(check)) {
        let key = (check.system.as_str(), check.lane, check.branch.as_deref(), check.mr, check.name.as_str());
        by_key.entry(key).or_default().push(check);
    }
    let mut slots = BTreeMap::new();
    for (key, all) in by_key {
        // A newer attempt of a run replaces the checks of older attempts whose names it does not have.
        let is_replaced = |check: &&Check| {
            let is_older = check.attempt < newest_attempt[&(check.system.as_str(), check.run.as_str())];
            let has_newer = all.iter().any(|other| other.run == check.run && other.attempt > check.attempt);
            check.attempt_is_whole && is_older && !has_newer
        };
        let mut checks: Vec<&Check> = all.iter().copied().filter(|check| !is_replaced(check)).collect();
        checks.sort_by(|a, b| (a.seq, a.attempt, &a.run, &a.key).cmp(&(b.seq, b.attempt, &b.run, &b.key)));
        let Some(last) = checks.last() else { continue };
        let is_allowed_to_fail = last.optional && !last.is_required_job(rules);
        let is_optional = is_allowed_to_fail || rules.optional.iter().any(|pattern| pattern.fits(&last.label()));
        let newest = checks.iter().rev().find(|check| check.outcome(now) != Outcome::Void).copied();
        let outcome = newest.map_or(Outcome::Void, |check| check.outcome(now));
        slots.insert(key, Slot { checks, newest, outcome, is_optional });
    }
    // The pipeline of a merge request replaces that of the branch, once it has a result or runs.
    let of_requests: BTreeSet<(&str, &str)> = slots
        .iter()
        .filter(|((_, lane, ..), slot)| *lane == Lane::Mr && slot.newest.is_some())
        .map(|((system, .., name), _)| (*system, *name))
        .collect();
    slots.retain(|(system, lane, _, _, name), _| *lane != Lane::Push || !of_requests.contains(&(*system, *name)));
    slots.into_values().collect()
}
