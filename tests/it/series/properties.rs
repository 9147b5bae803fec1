//! Any history of checks, pushes and deleted branches leaves what a computation from scratch gives.

use std::collections::{BTreeMap, BTreeSet};

use hummingbird_status::checks::store::{self, BranchDeletion, Derived};
use hummingbird_status::checks::{Check, Lane, Touched};
use hummingbird_status::db::{Store, StoreError};
use hummingbird_status::outbox::State;
use hummingbird_status::sources::Task;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::model::{Commit, World, stored};
use crate::support::{self, deadline, run_task};

const KIND: &str = "buildkite_builds";

/// One change. Numbers stand for names, times are minutes.
#[derive(Clone, Debug)]
enum Change {
    Check(u8, Box<Check>),
    Gone(u8),
    Push(Commit, Option<Timestamp>),
    Deleted(&'static str, &'static str, Timestamp),
}

fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + 60 * minutes).unwrap()
}

fn any_of<T: Clone + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(values)
}

/// Mostly one branch, so that commits share series.
const BRANCHES: &[&str] = &["main", "main", "main", "topic", ""];
const LANES: &[Lane] = &[Lane::Push, Lane::Push, Lane::Push, Lane::Schedule, Lane::Mr, Lane::Tag];
const STATES: &[State] = &[
    State::Passed,
    State::Passed,
    State::Failed,
    State::Failed,
    State::Errored,
    State::Running,
    State::Failing,
    State::Canceled,
];

fn sha() -> impl Strategy<Value = String> {
    (0..6_u8).prop_map(|sha| format!("{sha}").repeat(40))
}

fn check() -> impl Strategy<Value = Check> {
    let of = (prop::option::weighted(0.9, sha()), any_of(BRANCHES), any_of(LANES), any_of(&["x", "x", "y"]));
    let how = (any_of(STATES), prop::option::of(any::<bool>()), any::<bool>());
    let when = (0..20_i64, 0..20_i64, prop::option::of(0..20_i64), 0..4_i64, 1..3_i32);
    (of, how, when).prop_map(|((sha, branch, lane, name), (state, ever_bad, optional), when)| Check {
        system: "buildkite".to_owned(),
        kind: KIND.to_owned(),
        key: String::new(),
        stage: "build".to_owned(),
        name: name.to_owned(),
        host: "h".to_owned(),
        repo: String::new(),
        sha,
        branch: Some(branch.to_owned()).filter(|branch| !branch.is_empty()),
        mr: None,
        lane,
        run: "r".to_owned(),
        attempt: when.4,
        attempt_is_whole: false,
        seq: when.3,
        state,
        original: state.name().to_owned(),
        warn: false,
        optional,
        ever_bad,
        waived_by: None,
        url: None,
        log_url: None,
        created_at: minute(when.0),
        started_at: None,
        finished_at: when.2.map(minute),
        changed_at: minute(when.1),
        stuck_since: None,
    })
}

fn change() -> impl Strategy<Value = Change> {
    let push = (any_of(BRANCHES), sha(), prop::option::weighted(0.8, 0..20_i64))
        .prop_map(|(branch, sha, at)| Change::Push((String::new(), branch.to_owned(), sha), at.map(minute)));
    prop_oneof![
        12 => (0..12_u8, check()).prop_map(|(key, check)| Change::Check(key, Box::new(check))),
        2 => (0..12_u8).prop_map(Change::Gone),
        3 => push,
        1 => (any_of(&["main", "topic"]), any_of(&["p", "q"]), 0..14_i64)
            .prop_map(|(branch, before, at)| Change::Deleted(branch, before, minute(at))),
    ]
}

/// Writes changes in one transaction, as the sources do: a check, a push or a branch once.
async fn write(store: &Store, repo: &str, changes: &[Change]) {
    let mut checks: BTreeMap<String, Option<Check>> = BTreeMap::new();
    let mut pushes: BTreeMap<Commit, Option<Timestamp>> = BTreeMap::new();
    let mut deleted: Vec<BranchDeletion> = Vec::new();
    for change in changes {
        match change {
            Change::Check(key, check) => {
                let key = format!("{repo} {key:02}");
                let check = Check { key: key.clone(), repo: repo.to_owned(), ..(**check).clone() };
                checks.insert(key, Some(check));
            }
            Change::Gone(key) => drop(checks.insert(format!("{repo} {key:02}"), None)),
            Change::Push((_, branch, sha), at) => {
                pushes.entry((repo.to_owned(), branch.clone(), sha.clone())).insert_entry(*at);
            }
            Change::Deleted(branch, before, at) => deleted.push(BranchDeletion {
                repo: repo.to_owned(),
                branch: (*branch).to_owned(),
                before_sha: (*before).to_owned(),
                deleted_at: *at,
            }),
        }
    }
    let deleted: Vec<&BranchDeletion> = deleted.iter().collect();
    let written = store.in_tx("series", deadline(), async |tx| {
        let mut touched = Touched::default();
        touched.add(KIND, checks.keys().cloned());
        store::delete_branches(tx, &deleted, &mut touched).await?;
        let before = store::known(tx, |_| "buildkite", &touched).await?;
        let checks = checks.values().flatten().cloned().collect();
        store::write(tx, &touched, Derived { checks, before, pushes: pushes.clone(), old: Vec::new() }).await?;
        Ok::<_, StoreError>(())
    });
    written.await.unwrap();
}

fn apply(world: &mut World, repo: &str, change: &Change) {
    match change {
        Change::Check(key, check) => {
            let key = format!("{repo} {key:02}");
            let check = Check { key: key.clone(), repo: repo.to_owned(), ..(**check).clone() };
            world.checks.insert(key, check);
        }
        Change::Gone(key) => drop(world.checks.remove(&format!("{repo} {key:02}"))),
        Change::Push((_, branch, sha), at) => {
            let commit = (repo.to_owned(), branch.clone(), sha.clone());
            match at {
                Some(at) => drop(world.pushes.insert(commit, *at)),
                None => drop(world.pushes.remove(&commit)),
            }
        }
        Change::Deleted(branch, before, at) => {
            let deletion = (repo.to_owned(), (*branch).to_owned(), (*before).to_owned());
            let first = world.deleted.entry(deletion).or_insert(*at);
            *first = (*at).min(*first);
        }
    }
}

fn difference(expected: &BTreeSet<String>, found: &BTreeSet<String>) -> String {
    let missing = expected.difference(found).map(|row| format!("missing: {row}"));
    let extra = found.difference(expected).map(|row| format!("extra: {row}"));
    missing.chain(extra).collect::<Vec<_>>().join("\n")
}

/// Batches of changes of one repository.
fn history() -> impl Strategy<Value = Vec<Vec<Change>>> {
    prop::collection::vec(prop::collection::vec(change(), 1..5), 1..12)
}

#[test]
fn after_any_history_the_tables_are_as_computed_from_scratch() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(support::database());
    let config =
        Config { cases: support::cases(150), failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let number = std::cell::Cell::new(0);
    let result = TestRunner::new(config).run(&history(), |batches| {
        number.set(number.get() + 1);
        let repo = format!("r{}", number.get());
        let (mut world, mut found) = (World::default(), BTreeSet::new());
        for batch in &batches {
            batch.iter().for_each(|change| apply(&mut world, &repo, change));
            found = runtime.block_on(async {
                write(&db.store, &repo, batch).await;
                stored(&db.store, &repo).await
            });
            if found != world.expected() {
                break;
            }
        }
        let expected = world.expected();
        if expected == found { Ok(()) } else { Err(TestCaseError::fail(difference(&expected, &found))) }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Four writers, each with checks of its own, of the same commits and series.
#[tokio::test]
async fn concurrent_writers_of_the_same_commits_leave_the_same_tables() {
    let db = support::database().await;
    let mut runner = TestRunner::deterministic();
    let mut worlds = World::default();
    let mut writers: Vec<Vec<Vec<Change>>> = Vec::new();
    for writer in 0..4_u8 {
        let mut batches = Vec::new();
        for _ in 0..40 {
            let changes = prop::collection::vec((0..3_u8, check()), 2..6).new_tree(&mut runner).unwrap().current();
            // Each writer has checks of its own, as rows of sources are locked.
            let change = |(key, check): (u8, Check)| Change::Check(writer * 3 + key, Box::new(check));
            batches.push(changes.into_iter().map(change).collect::<Vec<_>>());
        }
        batches.iter().flatten().for_each(|change| apply(&mut worlds, "shared", change));
        writers.push(batches);
    }
    let run = async |batches: &[Vec<Change>]| {
        for batch in batches {
            write(&db.store, "shared", batch).await;
        }
    };
    tokio::join!(run(&writers[0]), run(&writers[1]), run(&writers[2]), run(&writers[3]));
    let (expected, found) = (worlds.expected(), stored(&db.store, "shared").await);
    assert!(expected == found, "{}", difference(&expected, &found));
    let deadlocks = "SELECT deadlocks::text FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(support::render::rows(&db.store, deadlocks).await, ["0"]);
}

#[tokio::test]
async fn old_rows_get_the_series_that_ingest_writes() {
    let db = support::database().await;
    let mut runner = TestRunner::deterministic();
    let mut world = World::default();
    for _ in 0..30 {
        let batch = prop::collection::vec(change(), 1..5).new_tree(&mut runner).unwrap().current();
        // Pushes have rows of their own in the table of GitLab, which this test does not write.
        let batch: Vec<Change> = batch.into_iter().filter(|change| !matches!(change, Change::Push(..))).collect();
        batch.iter().for_each(|change| apply(&mut world, "old", change));
        write(&db.store, "old", &batch).await;
    }
    let live = stored(&db.store, "old").await;
    assert_eq!(live, world.expected());
    let forget = "DELETE FROM commit_places; DELETE FROM series; DELETE FROM series_results; \
        DELETE FROM check_transitions; INSERT INTO series_projections (kind) VALUES ('checks'), ('gitlab_pushes')";
    db.store.script(forget, deadline()).await.unwrap();
    run_task(&db.store, Task::Checks).await;
    assert_eq!(stored(&db.store, "old").await, live);
    let unfinished = "SELECT kind FROM series_projections WHERE done_at IS NULL";
    assert_eq!(support::render::rows(&db.store, unfinished).await, Vec::<String>::new());
}
