//! The verdict of a commit: a pure function of its checks, of what is known of its place on its branch, and of the
//! rules. The first line of the decision table that fits decides.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::check::{Check, Outcome};
use super::rules::{Pattern, Rules};
use super::slots::{Slot, slots};
use crate::outbox::State;

/// The answer for a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// At least one check succeeded, and none that counts says otherwise.
    Passed,
    /// A check that counts failed.
    Failed,
    /// A check is open, missing for now, or has only just changed.
    Pending,
    /// It waits for a person.
    Blocked,
    /// No check says anything about it.
    None,
}

impl Answer {
    /// Its name in JSON, pages and badges.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Blocked => "blocked",
            Self::None => "none",
        }
    }
}

/// Why the answer is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Checks failed.
    Failed,
    /// Checks are open.
    Running,
    /// No check fits a required pattern.
    Missing,
    /// The newest change is too recent.
    Settling,
    /// Checks wait for a person.
    Held,
    /// Checks are open beyond the time limit of their source.
    Stuck,
    /// A newer head replaced the commit.
    Superseded,
    /// Checks were cancelled.
    Canceled,
    /// Checks succeeded after a failure of the same commit.
    Flaky,
    /// Checks succeeded with warnings.
    Warning,
    /// Rows from before checks existed are still being projected.
    BeingComputed,
    /// Several repositories have the commit; one has to be named.
    Ambiguous,
}

/// One reason, and the checks (`SYSTEM:NAME`) or patterns that it is about, sorted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
pub struct Reason {
    /// The reason.
    pub why: Why,
    /// What it is about.
    pub of: Vec<String>,
}

/// The verdict of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
pub struct Verdict {
    /// The answer.
    pub verdict: Answer,
    /// Why; the first reason decided.
    pub reasons: Vec<Reason>,
    /// Whether only a new message can change the answer.
    pub settled: bool,
}

/// What is known of the place of a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// When it was pushed first.
    pub pushed_at: Option<Timestamp>,
    /// Whether a branch or merge request that it was the head of has a newer head, or is gone.
    pub is_superseded: bool,
}

/// Times that are further ahead of `now` than this count as now: the clock of their sender is wrong.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// The verdict of a commit, from all its checks.
#[must_use]
pub fn verdict(checks: &[Check], head: Head, rules: &Rules, now: Timestamp) -> Verdict {
    verdict_of_slots(&slots(checks, rules, now), head, rules, now)
}

/// The worst of single checks that need not be of one commit, such as the newest build, tests and release of a
/// component. Optional ones do not count.
#[must_use]
pub fn worst(checks: &[Check], now: Timestamp) -> Answer {
    let all: BTreeSet<Outcome> =
        checks.iter().filter(|check| !check.optional).map(|check| check.outcome(now)).collect();
    let order = [
        (Outcome::Bad, Answer::Failed),
        (Outcome::Open, Answer::Pending),
        (Outcome::Held, Answer::Blocked),
        (Outcome::Ok, Answer::Passed),
    ];
    order.into_iter().find(|(outcome, _)| all.contains(outcome)).map_or(Answer::None, |(_, answer)| answer)
}

/// The verdict of a commit, from its slots by the same rules.
#[must_use]
pub fn verdict_of_slots(slots: &[Slot<'_>], head: Head, rules: &Rules, now: Timestamp) -> Verdict {
    let counting: Vec<&Slot<'_>> = slots.iter().filter(|slot| !slot.is_optional).collect();
    let labels = |fits: &dyn Fn(&Slot<'_>) -> bool| -> Vec<String> {
        let found: BTreeSet<String> = counting.iter().filter(|slot| fits(slot)).map(|slot| slot.label()).collect();
        found.into_iter().collect()
    };
    let of = |outcome: Outcome| labels(&move |slot: &Slot<'_>| slot.outcome == outcome);
    let is_stuck = |slot: &Slot<'_>| slot.newest.is_some_and(|check| check.is_stuck(now));

    let (bad, open, ok) = (of(Outcome::Bad), of(Outcome::Open), of(Outcome::Ok));
    let stuck = labels(&|slot| slot.outcome == Outcome::Held && is_stuck(slot));
    let held = labels(&|slot| slot.outcome == Outcome::Held && !is_stuck(slot));
    let canceled = labels(&|slot| slot.is_void(State::Canceled) || slot.is_void(State::Superseded));
    let flaky = labels(&|slot| slot.is_flaky());
    let warnings = labels(&|slot| slot.outcome == Outcome::Ok && slot.newest.is_some_and(|check| check.warn));
    let missing = missing(&counting, rules);

    let (start, newest) = times(slots, head, now);
    let is_late = !missing.is_empty() && start.is_some_and(|start| now.duration_since(start) >= rules.missing_after);
    let is_awaited = !missing.is_empty() && !is_late && start.is_some();
    let is_settling = newest.is_some_and(|newest| now.duration_since(newest) < rules.settle);
    let settled = !slots.is_empty() && open.is_empty() && !is_settling && (missing.is_empty() || is_late);

    let reason = |why: Why, of: Vec<String>| Vec::from([Reason { why, of }]);
    let (verdict, reasons) = if !bad.is_empty() {
        (Answer::Failed, reason(Why::Failed, bad))
    } else if !open.is_empty() {
        (Answer::Pending, reason(Why::Running, open))
    } else if is_awaited {
        (Answer::Pending, reason(Why::Missing, missing))
    } else if is_settling {
        (Answer::Pending, reason(Why::Settling, Vec::new()))
    } else if !held.is_empty() || !stuck.is_empty() {
        let both = [(Why::Held, held), (Why::Stuck, stuck)].into_iter().filter(|(_, of)| !of.is_empty());
        (Answer::Blocked, both.map(|(why, of)| Reason { why, of }).collect())
    } else if is_late {
        (Answer::Blocked, reason(Why::Missing, missing))
    } else if !canceled.is_empty() {
        match head.is_superseded {
            true => (Answer::None, reason(Why::Superseded, canceled)),
            false => (Answer::Blocked, reason(Why::Canceled, canceled)),
        }
    } else if !ok.is_empty() {
        let notes = [(Why::Flaky, flaky), (Why::Warning, warnings)].into_iter().filter(|(_, of)| !of.is_empty());
        (Answer::Passed, notes.map(|(why, of)| Reason { why, of }).collect())
    } else {
        (Answer::None, Vec::new())
    };
    Verdict { verdict, reasons, settled }
}

/// When the first of these checks was created, or the commit was pushed; and when a check changed last.
fn times(slots: &[Slot<'_>], head: Head, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
    let known = |at: Timestamp| if at.duration_since(now) > AHEAD { now } else { at };
    let checks = slots.iter().flat_map(|slot| &slot.checks);
    let start = checks.clone().map(|check| known(check.created_at)).chain(head.pushed_at.map(known)).min();
    (start, checks.map(|check| known(check.changed_at)).max())
}

/// When time alone can change the verdict next: nothing has changed for long enough, a required check counts as
/// missing, or an open check as stuck.
#[must_use]
pub fn changes_at(slots: &[Slot<'_>], head: Head, rules: &Rules, now: Timestamp) -> Option<Timestamp> {
    let counting: Vec<&Slot<'_>> = slots.iter().filter(|slot| !slot.is_optional).collect();
    let (start, newest) = times(slots, head, now);
    let settled = newest.and_then(|newest| newest.checked_add(rules.settle).ok());
    let is_missing = !missing(&counting, rules).is_empty();
    let missed = start.filter(|_| is_missing).and_then(|start| start.checked_add(rules.missing_after).ok());
    let open = counting.iter().filter(|slot| slot.outcome == Outcome::Open).filter_map(|slot| slot.newest);
    let stuck = open.filter_map(|check| check.stuck_since);
    stuck.chain(settled).chain(missed).filter(|at| *at > now).min()
}

/// Required patterns that no slot satisfies. A skipped check satisfies one if nothing in its run is bad.
fn missing(counting: &[&Slot<'_>], rules: &Rules) -> Vec<String> {
    let run = |check: &Check| (check.system.clone(), check.run.clone());
    let bad_runs: BTreeSet<(String, String)> =
        counting.iter().filter(|slot| slot.outcome == Outcome::Bad).filter_map(|slot| slot.newest.map(run)).collect();
    let satisfies = |slot: &&&Slot<'_>| {
        let in_bad_run = || slot.checks.iter().any(|check| bad_runs.contains(&run(check)));
        slot.newest.is_some() || rules.skipped && slot.is_void(State::Skipped) && !in_bad_run()
    };
    let is_missing =
        |pattern: &&Pattern| !counting.iter().filter(|slot| pattern.fits(&slot.label())).any(|slot| satisfies(&slot));
    rules.required.iter().filter(is_missing).map(|pattern| pattern.text().to_owned()).collect()
}
