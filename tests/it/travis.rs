//! Builds and jobs: any order gives the same rows, concurrent writers lose nothing, and each event is announced once.

mod endings;

use std::thread;

use hummingbird_status::db::{Store, Tx};
use hummingbird_status::ingest::{Outcome, ingest};
use hummingbird_status::sources::travis::rules::Rows;
use hummingbird_status::sources::travis::{self, Message, Record};
use hummingbird_status::sources::{Settings, Source};
use hummingbird_status::transport::{Decoded, Delivery, Limits, Unwrapped, unwrap};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;

use crate::support::builds::{Build, Job, at, delivery};
use crate::support::hot::deadlocks;
use crate::support::random::Random;
use crate::support::{self, deadline, difference, render, schema, store_of};

async fn take_in(store: &Store, deliveries: &[Delivery], size: usize) {
    for batch in deliveries.chunks(size) {
        let report = ingest(store, batch, &Settings::default(), deadline()).await;
        assert!(report.error.is_none(), "{:?}", report.error);
        assert_eq!(report.counts().refused, 0, "{:?}", report.reasons);
    }
}

/// Events that were announced more than once.
async fn announced_twice(store: &Store) -> Vec<String> {
    let sql = "SELECT event || ' ' || (payload->>'id') || ' ' || (payload->>'state') FROM outbox \
               WHERE event <> 'worker:cancel_job' GROUP BY 1 HAVING count(*) > 1";
    render::rows(store, &format!("SELECT x FROM ({sql}) AS t (x)")).await
}

async fn events(store: &Store) -> Vec<String> {
    let sql = "SELECT event || ' ' || coalesce(payload->>'id', payload->>'job_id') || coalesce(' ' || \
        (payload->>'state'), '') \
               FROM outbox WHERE event NOT LIKE 'notify:%' ORDER BY id";
    render::rows(store, sql).await
}

fn job() -> impl Strategy<Value = Job> {
    let states = prop::sample::select(vec!["passed", "passed", "passed", "failed", "errored", "cancelled"]);
    (states, prop::bool::weighted(0.3), any::<bool>()).prop_map(|(state, allow_failure, reports_all)| Job {
        state,
        allow_failure,
        reports_all,
    })
}

/// A build of any kind.
pub fn build() -> impl Strategy<Value = Build> {
    (prop::collection::vec(job(), 1..5), any::<bool>(), any::<bool>()).prop_map(|(jobs, fast_finish, staged)| Build {
        id: 1,
        repository: 1,
        fast_finish,
        staged,
        jobs,
    })
}

/// All messages of builds, in the order in which they are sent.
fn messages(builds: &[Build]) -> Vec<Delivery> {
    builds.iter().flat_map(|build| [vec![build.create()], build.run()].concat()).collect()
}

/// Some builds, an order of their messages with some of them twice, and the size of a batch.
fn histories() -> impl Strategy<Value = (Vec<Build>, Vec<usize>, usize)> {
    prop::collection::vec(build(), 1..4).prop_flat_map(|mut builds| {
        for (number, build) in builds.iter_mut().enumerate() {
            build.id = number as i64 + 1;
        }
        let count = messages(&builds).len();
        let again = prop::collection::vec(0..count, 0..6);
        let came = again.prop_flat_map(move |again| Just((0..count).chain(again).collect::<Vec<_>>()).prop_shuffle());
        (Just(builds), came, 1..8_usize)
    })
}

/// Records of a message.
fn decoded(delivery: &Delivery) -> Record {
    let mut found = None;
    unwrap(delivery, Limits::default(), &mut |part| {
        let Unwrapped::Message(message) = part else { panic!("{part:?}") };
        let Decoded::Records(mut records) = travis::decode(&message).unwrap() else { panic!("ignored") };
        found = records.pop();
    });
    found.unwrap()
}

/// The rules alone: the rows of a build after messages in an order, and the announced events.
fn by_rules(build: &Build, came: &[Message]) -> (String, Vec<String>) {
    let Record::Create(create) = decoded(&build.create()) else { panic!("no build") };
    let (repository, row) = create.build.unwrap();
    let mut rows = Rows::new(repository, row, create.stages, create.jobs);
    rows.apply(&create.message);
    for message in came {
        rows.apply(message);
    }
    let announced = rows.outcome.happened.iter().filter(|happened| happened.event != "worker:cancel_job");
    let mut announced: Vec<String> =
        announced.map(|h| format!("{} {} {}", h.event, h.payload["id"], h.payload["state"])).collect();
    announced.sort();
    let line = |row: &dyn std::fmt::Debug| format!("{row:?}\n");
    let jobs: String = rows.jobs.iter().map(|row| line(row)).collect();
    let stages: String = rows.stages.iter().map(|row| line(row)).collect();
    let last = (rows.outcome.is_last, rows.outcome.is_current);
    (format!("{jobs}{stages}{:?}\n{last:?}", rows.build), announced)
}

#[test]
fn any_order_of_a_run_gives_the_same_result_by_the_rules() {
    let history = build().prop_flat_map(|build| {
        let count = build.run().len();
        let again = prop::collection::vec(0..count, 0..6);
        let came = again.prop_flat_map(move |again| Just((0..count).chain(again).collect::<Vec<_>>()).prop_shuffle());
        (Just(build), came)
    });
    let config = Config { cases: support::cases(1500), failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&history, |(build, order)| {
        let sent: Vec<Message> = build
            .run()
            .iter()
            .map(|delivery| {
                let Record::Message(message) = decoded(delivery) else { panic!("no message") };
                *message
            })
            .collect();
        let came: Vec<Message> = order.iter().map(|&index| sent[index].clone()).collect();
        let ((expected, _), (found, announced)) = (by_rules(&build, &sent), by_rules(&build, &came));
        prop_assert!(announced.windows(2).all(|pair| pair[0] != pair[1]), "announced twice: {announced:?}");
        if expected == found { Ok(()) } else { Err(TestCaseError::fail(difference(&expected, &found))) }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// The same with the tables: several builds, which may come after their messages, in batches.
#[test]
fn any_order_of_a_run_gives_the_same_rows() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(support::database());
    let config =
        Config { cases: support::cases(50), failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    let result = TestRunner::new(config).run(&histories(), |(builds, order, size)| {
        let sent = messages(&builds);
        let came: Vec<Delivery> = order.iter().map(|&index| sent[index].clone()).collect();
        let (expected, found, twice) = runtime.block_on(async {
            schema::clear(&db.store).await;
            take_in(&db.store, &sent, 5).await;
            let expected = render::all(&db.store).await;
            schema::clear(&db.store).await;
            take_in(&db.store, &came, size).await;
            (expected, render::all(&db.store).await, announced_twice(&db.store).await)
        });
        prop_assert!(twice.is_empty(), "{twice:?}");
        if expected == found { Ok(()) } else { Err(TestCaseError::fail(difference(&expected, &found))) }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn many(builds: usize, jobs: usize) -> Vec<Build> {
    let state = |index: usize| ["passed", "passed", "failed", "errored"][index % 4];
    let job = |index: usize| Job {
        state: state(index),
        allow_failure: index.is_multiple_of(3),
        reports_all: index.is_multiple_of(2),
    };
    let build = |id: usize| Build {
        id: id as i64 + 1,
        repository: id as i64 % 10 + 1,
        fast_finish: id.is_multiple_of(5),
        staged: false,
        jobs: (0..jobs).map(|index| job(index + id)).collect(),
    };
    (0..builds).map(build).collect()
}

/// Eight writers with the messages of all builds, dealt out at random, some of them to two.
async fn eight_writers(builds: usize, jobs: usize) {
    let builds = many(builds, jobs);
    let mut messages: Vec<Delivery> =
        builds.iter().flat_map(|build| [vec![build.create()], build.run()].concat()).collect();
    let one = support::database().await;
    take_in(&one.store, &messages, 500).await;
    let expected = render::all(&one.store).await;
    let mut expected_events = events(&one.store).await;

    let eight = support::database().await;
    let mut random = Random::new(1);
    random.shuffle(&mut messages);
    let mut shares = vec![Vec::new(); 8];
    for message in messages {
        for _ in 0..1 + usize::from(random.below(10) == 0) {
            shares[random.below(8)].push(message.clone());
        }
    }
    thread::scope(|scope| {
        for (number, share) in shares.iter().enumerate() {
            let url = &eight.url;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async { take_in(&store_of(url, 1), share, 20 + 10 * number).await });
            });
        }
    });
    let found = render::all(&eight.store).await;
    assert!(expected == found, "{}", difference(&expected, &found));
    assert_eq!(announced_twice(&eight.store).await, [""; 0]);
    // Events about the middle of a run depend on the order; those about its ends do not.
    let mut found_events = events(&eight.store).await;
    for events in [&mut expected_events, &mut found_events] {
        events.retain(|event| event.contains("finished") || event.contains("created"));
        events.sort();
    }
    assert!(expected_events == found_events, "{}", difference(&expected_events.join("\n"), &found_events.join("\n")));
    assert_eq!(render::rows(&eight.store, "SELECT object_id::text FROM travis_pending").await, [""; 0]);
    drop(eight.store);
    assert_eq!(deadlocks(&eight.url).await, 0);
}

#[tokio::test]
async fn eight_writers_write_what_one_writes() {
    eight_writers(60, 6).await;
}

/// The full size.
#[tokio::test]
#[ignore = "takes a minute or two"]
async fn eight_writers_write_what_one_writes_of_a_thousand_builds() {
    eight_writers(1000, 20).await;
}

fn two_jobs() -> Build {
    let job = Job { state: "passed", allow_failure: false, reports_all: true };
    Build { id: 1, repository: 1, fast_finish: false, staged: false, jobs: vec![job.clone(), job] }
}

/// Restart, reset and cancel, each delivered twice, and the messages of the run before once more after them.
#[tokio::test]
async fn duplicates_of_first_and_last_messages_of_a_run_change_nothing() {
    let db = support::database().await;
    let build = two_jobs();
    let first = [vec![build.create()], build.run()].concat();
    take_in(&db.store, &first, 1).await;
    for (event, payload, second, state) in [
        ("job:restart", json!({"id": 100, "restarted_by": 7}), 200, "created"),
        ("job:test:start", json!({"id": 100, "started_at": at(210)}), 211, "started"),
        ("job:test:reset", json!({"id": 100, "state": "reset", "started_at": at(210)}), 220, "created"),
        ("job:cancel", json!({"id": 100, "reason": "enough"}), 230, "canceled"),
        ("build:restart", json!({"id": 1}), 240, "created"),
        ("build:cancel", json!({"id": 1}), 250, "canceled"),
    ] {
        let message = delivery(event, &payload, second);
        take_in(&db.store, std::slice::from_ref(&message), 1).await;
        let (rows, announced) = (render::all(&db.store).await, events(&db.store).await);
        assert!(rows.contains(&format!("\"state\": \"{state}\"")), "{event}");
        take_in(&db.store, &[vec![message.clone(), message], first.clone()].concat(), 5).await;
        let found = render::all(&db.store).await;
        assert!(rows == found, "{event}{}", difference(&rows, &found));
        let found = events(&db.store).await;
        let new = found[announced.len()..].iter().filter(|event| !event.starts_with("worker:")).count();
        assert_eq!(new, 0, "{event}: {found:?}");
    }
    let versions =
        render::table(&db.store, &["job_id", "number", "state"], "FROM travis_job_versions ORDER BY job_id, number");
    assert_eq!(versions.await, "100 | 1 | passed\n100 | 2 | canceled\n101 | 1 | passed");
}

#[tokio::test]
async fn notifications_are_due_once() {
    let db = support::database().await;
    let job = |state, allow_failure| Job { state, allow_failure, reports_all: true };
    // Fails early: the bad news wait for the job that may fail, and may pass.
    let build = Build { fast_finish: true, jobs: vec![job("failed", false), job("passed", true)], ..two_jobs() };
    let due = async || {
        render::rows(
            &db.store,
            "SELECT event || ' ' || (payload->>'full') FROM outbox WHERE event LIKE 'notify:%' ORDER BY id",
        )
        .await
    };
    let run = build.run();
    take_in(&db.store, &[vec![build.create()], run[..3].to_vec()].concat(), 2).await;
    assert_eq!(due().await, [""; 0]);
    take_in(&db.store, &[run.clone(), run].concat(), 5).await;
    assert_eq!(due().await, ["notify:email The build was broken."]);
}

#[tokio::test]
async fn messages_wait_for_their_build() {
    let db = support::database().await;
    let build = two_jobs();
    let report = ingest(&db.store, &build.run(), &Settings::default(), deadline()).await;
    assert!(report.outcomes().iter().all(|outcome| *outcome == Outcome::Kept), "{:?}", report.outcomes());
    let again = ingest(&db.store, &build.run(), &Settings::default(), deadline()).await;
    assert!(again.outcomes().iter().all(|outcome| *outcome == Outcome::Outdated), "{:?}", again.outcomes());
    assert_eq!(events(&db.store).await, [""; 0]);
    take_in(&db.store, &[build.create()], 1).await;
    let announced = events(&db.store).await;
    assert_eq!(announced[..3], ["build:created 1 created", "job:created 100 created", "job:created 101 created"]);
    assert_eq!(announced[3..6], ["job:received 100 received", "build:started 1 started", "job:started 100 started"]);
    assert_eq!(announced[announced.len() - 2..], ["build:finished 1 passed", "job:finished 101 passed"]);
    assert_eq!(render::rows(&db.store, "SELECT object_id::text FROM travis_pending").await, [""; 0]);
}

#[tokio::test]
async fn the_sweep_ends_builds_without_messages() {
    let db = support::database().await;
    let build = two_jobs();
    take_in(&db.store, &[vec![build.create()], build.run()[..2].to_vec()].concat(), 9).await;
    let sweep = async |now: Timestamp, write| {
        let settings = Settings::default();
        let sweep = async |tx: &mut Tx<'_>| Source::Travis.sweep(tx, &settings, now, write).await;
        let swept = db.store.in_tx("sweep", deadline(), sweep).await;
        swept
            .unwrap()
            .0
            .iter()
            .map(|stuck| format!("{} {} {}", stuck.kind, stuck.name, stuck.state))
            .collect::<Vec<_>>()
    };
    // Rows were stored just now, whatever their messages say.
    let now = hummingbird_status::platform::clock::now();
    assert_eq!(sweep(now + SignedDuration::from_hours(5), true).await, [""; 0]);
    let late = "2100-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(sweep(late, false).await, ["travis_job 100 started"]);
    assert_eq!(sweep(late, true).await, ["travis_job 100 started"]);
    assert_eq!(sweep(late, true).await, [""; 0]);
    let states = "SELECT state || coalesce(' ' || finished_at, '') FROM travis_jobs ORDER BY id";
    assert_eq!(render::rows(&db.store, states).await, ["errored 2100-01-01 00:00:00+00", "created"]);
}

#[tokio::test]
async fn a_scheduler_sees_one_stage_after_the_other() {
    let db = support::database().await;
    let build = Build { staged: true, ..two_jobs() };
    let startable = async || {
        let jobs = db.store.in_tx("startable", deadline(), async |tx| travis::startable(tx, 10).await).await.unwrap();
        jobs.iter().map(|job| job.id).collect::<Vec<_>>()
    };
    take_in(&db.store, &[build.create()], 1).await;
    assert_eq!(startable().await, [100]);
    let run = build.run();
    take_in(&db.store, &run[..1], 1).await;
    assert_eq!(startable().await, [0; 0]);
    take_in(&db.store, &run[1..3], 1).await;
    assert_eq!(startable().await, [101]);
    take_in(&db.store, &[delivery("build:cancel", &json!({"id": 1}), 300)], 1).await;
    assert_eq!(startable().await, [0; 0]);
}

/// Messages whose build never comes are thrown away after a while.
#[tokio::test]
async fn messages_without_a_build_are_deleted() {
    let db = support::database().await;
    take_in(&db.store, &two_jobs().run(), 9).await;
    let sweep = async |now: Timestamp, write| {
        let swept = db
            .store
            .in_tx("sweep", deadline(), async |tx| Source::Travis.sweep(tx, &Settings::default(), now, write).await)
            .await;
        swept
            .unwrap()
            .0
            .iter()
            .map(|stuck| format!("{} {} {}", stuck.kind, stuck.name, stuck.state))
            .collect::<Vec<_>>()
    };
    let waiting = async || render::rows(&db.store, "SELECT event FROM travis_pending").await.len();
    let now = hummingbird_status::platform::clock::now();
    assert_eq!(sweep(now + SignedDuration::from_hours(29 * 24), true).await, [""; 0]);
    let late = now + SignedDuration::from_hours(31 * 24);
    let mut found = sweep(late, false).await;
    found.sort();
    let one = |job: i64| ["passed", "receive", "start"].map(|event| format!("travis_pending job {job} {event}"));
    assert_eq!(found, [one(100), one(101)].concat());
    assert_eq!(waiting().await, 6);
    assert_eq!(sweep(late, true).await.len(), 6);
    assert_eq!((waiting().await, sweep(late, true).await.len()), (0, 0));
}

/// An event has all that a consumer would have to look up, from the first message on.
#[tokio::test]
async fn events_have_what_consumers_need() {
    let db = support::database().await;
    let build = two_jobs();
    take_in(&db.store, &[vec![build.create()], build.run()].concat(), 100).await;
    let sql = "SELECT DISTINCT concat_ws(' ', key, attributes->>'repository', payload#>>'{repository,slug}', \
               payload#>>'{commit,sha}', payload#>>'{build,id}') FROM outbox WHERE event NOT LIKE 'notify:%'";
    assert_eq!(render::rows(&db.store, sql).await, ["build/1 sven/r1 sven/r1 62aae5f70ceee39123ef 1"]);
}

/// A build that ends late says nothing about its repository when a newer one has.
#[tokio::test]
async fn the_last_build_is_never_replaced_by_an_older_one() {
    let db = support::database().await;
    let (old, new) = (two_jobs(), Build { id: 2, ..two_jobs() });
    take_in(&db.store, &[vec![old.create(), new.create()], new.run(), old.run()].concat(), 3).await;
    let row = render::table(
        &db.store,
        &["last_build_id", "last_build_state", "current_build_id"],
        "FROM travis_repositories",
    );
    assert_eq!(row.await, "2 | passed | 2");
}
