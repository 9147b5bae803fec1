//! Properties of verdicts, over random checks of a commit.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use super::{Answer, Check, Head, Lane, Outcome, Rules, Verdict, slots, verdict};
use crate::outbox::State;

/// A time, in minutes after a fixed one.
fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + 60 * minutes).unwrap()
}

/// One of these values.
fn any_of<T: Clone + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(values)
}

fn check() -> impl Strategy<Value = Check> {
    let what =
        (any_of(&["x", "y", "z"]), any_of(State::ALL), any_of(&[Lane::Push, Lane::Push, Lane::Mr, Lane::Schedule]));
    let run = (1..4_u8, 1..3_i32, prop::bool::weighted(0.2), 0..40_i64);
    let marks = (prop::bool::weighted(0.1), prop::option::of(any::<bool>()), prop::option::weighted(0.2, 0..300_i64));
    (what, run, marks, 0..20_i64, 0..50_i64, any::<u16>()).prop_map(
        |((name, state, lane), (run, attempt, whole, seq), (optional, ever_bad, stuck), created, changed, key)| Check {
            system: "gitlab".to_owned(),
            kind: "jobs".to_owned(),
            key: format!("{run} {attempt} {name} {key}"),
            stage: "job".to_owned(),
            name: name.to_owned(),
            host: "h".to_owned(),
            repo: "acme/app".to_owned(),
            sha: Some("a".repeat(40)),
            branch: Some("main".to_owned()),
            mr: None,
            lane,
            run: run.to_string(),
            attempt,
            attempt_is_whole: whole,
            seq,
            state,
            original: state.name().to_owned(),
            warn: false,
            optional,
            ever_bad,
            waived_by: None,
            url: None,
            log_url: None,
            created_at: minute(created),
            started_at: None,
            finished_at: None,
            changed_at: minute(changed),
            stuck_since: stuck.map(minute),
        },
    )
}

fn rules() -> impl Strategy<Value = Rules> {
    let required = any_of(&[None, Some("gitlab:x"), Some("gitlab:q")]);
    required.prop_map(|required| Rules {
        required: required.into_iter().map(|pattern| pattern.to_owned().into()).collect(),
        ..Rules::default()
    })
}

#[derive(Clone, Debug)]
struct History {
    checks: Vec<Check>,
    rules: Rules,
    head: Head,
    now: i64,
}

impl History {
    fn verdict(&self) -> Verdict {
        verdict(&self.checks, self.head, &self.rules, minute(self.now))
    }
}

fn history() -> impl Strategy<Value = History> {
    let head = (prop::option::of(0..20_i64), any::<bool>());
    (prop::collection::vec(check(), 0..8), rules(), head, 50..300_i64).prop_map(|(checks, rules, head, now)| History {
        checks,
        rules,
        head: Head { pushed_at: head.0.map(minute), is_superseded: head.1 },
        now,
    })
}

/// Tries a property with so many histories as the issue of verdicts asks for.
fn holds<S: Strategy>(strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: 20_000, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&strategy, property).unwrap();
}

#[test]
fn the_order_and_repetition_of_checks_does_not_matter() {
    let shuffled = history().prop_flat_map(|history| {
        let checks = Just(history.checks.clone()).prop_shuffle();
        (Just(history), checks)
    });
    holds(shuffled, |(history, checks)| {
        prop_assert_eq!(verdict(&checks, history.head, &history.rules, minute(history.now)), history.verdict());
        Ok(())
    });
}

#[test]
fn nothing_passes_without_a_success_or_without_what_is_required() {
    holds(history(), |history| {
        if history.verdict().verdict == Answer::Passed {
            let now = minute(history.now);
            let slots = slots(&history.checks, &history.rules, now);
            let counting = || slots.iter().filter(|slot| !slot.is_optional);
            prop_assert!(counting().any(|slot| slot.outcome == Outcome::Ok));
            prop_assert!(counting().all(|slot| matches!(slot.outcome, Outcome::Ok | Outcome::Void)));
            for pattern in &history.rules.required {
                prop_assert!(counting().any(|slot| slot.shown().is_some_and(|check| pattern.fits(&check.label()))));
            }
        }
        Ok(())
    });
}

#[test]
fn a_failure_of_what_is_newest_never_passes_and_another_success_repairs_no_failure() {
    holds((history(), any::<prop::sample::Index>()), |(mut history, index)| {
        let now = minute(history.now);
        let before = history.verdict();
        let newest: Vec<String> = slots(&history.checks, &history.rules, now)
            .iter()
            .filter(|slot| !slot.is_optional)
            .filter_map(|slot| slot.newest.map(|check| check.key.clone()))
            .collect();
        if !newest.is_empty() {
            let key = &newest[index.index(newest.len())];
            let mut failed = history.clone();
            for check in failed.checks.iter_mut().filter(|check| check.key == *key) {
                check.state = State::Failed;
            }
            prop_assert_eq!(failed.verdict().verdict, Answer::Failed);
        }
        if let (Answer::Failed, Some(other)) = (before.verdict, history.checks.first()) {
            let (key, name, run) = ("other".to_owned(), "other".to_owned(), "other".to_owned());
            let other = Check { key, name, run, lane: Lane::Push, state: State::Passed, ..other.clone() };
            history.checks.push(other);
            prop_assert_eq!(history.verdict().verdict, Answer::Failed);
        }
        Ok(())
    });
}

#[test]
fn optional_checks_and_lanes_that_do_not_count_change_no_answer() {
    let lanes = any_of(&[None, Some(Lane::Schedule), Some(Lane::Tag), Some(Lane::Release), Some(Lane::Dispatch)]);
    holds((history(), check(), lanes), |(history, mut other, lane)| {
        // Of a name and run of its own: a check becomes optional by what its newest one says.
        (other.name, other.run, other.key) = ("other".to_owned(), "other".to_owned(), "other".to_owned());
        match lane {
            Some(lane) => other.lane = lane,
            None => other.optional = true,
        }
        // Of a pushed commit, and later than each check settles: an optional check says when something changed, too.
        let head = Head { pushed_at: Some(minute(0)), ..history.head };
        let mut later = History { now: 100_000, head, ..history };
        let before = later.verdict();
        later.checks.push(other);
        prop_assert_eq!((before.verdict, before.reasons), (later.verdict().verdict, later.verdict().reasons));
        Ok(())
    });
}

/// A settled answer changes by a new message only.
#[test]
fn what_is_settled_does_not_change_with_time() {
    holds((history(), 1..10_000_i64), |(history, minutes)| {
        let before = history.verdict();
        let can_get_stuck = history.checks.iter().any(|check| check.stuck_since.is_some());
        if before.settled && !can_get_stuck {
            let later = History { now: history.now + minutes, ..history };
            prop_assert_eq!(before, later.verdict());
        }
        Ok(())
    });
}

#[test]
fn times_in_the_future_count_as_now() {
    let mut check = proptest_value();
    (check.state, check.lane, check.optional) = (State::Passed, Lane::Push, false);
    check.changed_at = minute(1_000_000);
    let rules = Rules { settle: SignedDuration::ZERO, ..Rules::default() };
    let answer = verdict(std::slice::from_ref(&check), Head::default(), &rules, minute(100));
    assert_eq!(answer.verdict, Answer::Passed);
}

/// One check, always the same.
fn proptest_value() -> Check {
    let mut runner = TestRunner::deterministic();
    check().new_tree(&mut runner).unwrap().current()
}
