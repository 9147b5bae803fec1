//! The source kcidb against PostgreSQL: order, repetition, events, and all real submissions that are at hand.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use hummingbird_status::db::{Retrying, Store, Tx};
use hummingbird_status::ingest::ingest;
use hummingbird_status::outbox::announcing;
use hummingbird_status::sources::Settings;
use hummingbird_status::sources::kcidb::{self, Kind, Query};
use hummingbird_status::transport::Delivery;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

use crate::support::random::Random;
use crate::support::{self, deadline, difference, project, render, schema, zip};

/// The time at which the first message is sent: recent, so that current times in it are not in its future.
static BEGIN: LazyLock<i64> = LazyLock::new(|| Timestamp::now().as_second() - 3600);

/// A submission as a message, sent at that second.
pub fn said(second: i64, id: &str, lists: &Value) -> Delivery {
    let mut document = lists.clone();
    document["version"] = json!({"major": 5, "minor": 3});
    let sent_at = Some(Timestamp::from_second(*BEGIN + second).unwrap());
    Delivery { id: id.to_owned(), body: document.to_string().into_bytes(), sent_at, ..Delivery::default() }
}

async fn take_in(store: &Store, batch: &[Delivery]) -> u64 {
    let report = ingest(store, batch, &Settings::default(), deadline()).await;
    assert_eq!((&report.error, report.counts().refused), (&None, 0), "{:?}", report.reasons);
    report.counts().kept
}

/// What has been announced, oldest first, as `test.new o:t`.
async fn events(store: &Store) -> Vec<String> {
    let sql =
        "SELECT replace(event, 'datawarehouse.', '') || ' ' || (payload #>> '{object,id}') FROM outbox ORDER BY id";
    render::rows(store, sql).await
}

/// The tables of objects in one text, with all stamps.
async fn tables(store: &Store) -> String {
    let mut text = String::new();
    for table in ["checkouts", "builds", "tests", "issues", "incidents", "log_excerpts", "occurrences"] {
        let all = format!("SELECT (to_jsonb(t) - 'received_at')::text FROM kcidb_{table} AS t");
        let sql = format!("SELECT x FROM ({all}) AS s (x) ORDER BY x COLLATE \"C\"");
        text.push_str(&format!("== {table}\n{}\n", render::rows(store, &sql).await.join("\n")));
    }
    let checks = "SELECT x FROM (SELECT to_jsonb(t)::text FROM checks AS t) AS s (x) ORDER BY x COLLATE \"C\"";
    text.push_str(&format!("== checks\n{}\n", render::rows(store, checks).await.join("\n")));
    text
}

fn checkout(more: Value) -> Value {
    with(json!({"id": "o:c", "origin": "o"}), more)
}

fn build(more: Value) -> Value {
    with(json!({"id": "o:b", "origin": "o", "checkout_id": "o:c"}), more)
}

fn test(more: Value) -> Value {
    with(json!({"id": "o:t", "origin": "o", "build_id": "o:b"}), more)
}

fn with(mut object: Value, more: Value) -> Value {
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

fn incident(more: Value) -> Value {
    with(json!({"id": "o:n", "origin": "o", "issue_id": "o:i", "issue_version": 1}), more)
}

/// The events of each of several submissions.
async fn announced(store: &Store, steps: &[Value]) -> Vec<Vec<String>> {
    let mut known = 0;
    let mut announced = Vec::new();
    for (second, step) in (0..).zip(steps) {
        take_in(store, &[said(second, &format!("m{second}"), step)]).await;
        let all = events(store).await;
        announced.push(all[known..].to_vec());
        known = all.len();
    }
    announced
}

/// Results of builds come before the plan of tests: in the window between, nothing is finished.
#[tokio::test]
async fn a_checkout_is_not_finished_before_its_tests_are_planned() {
    let db = support::database().await;
    let announced = announced(
        &db.store,
        &[
            json!({"checkouts": [checkout(json!({}))], "builds": [build(json!({}))]}),
            json!({"builds": [build(json!({"status": "PASS"}))]}),
            json!({"tests": [test(json!({}))]}),
            json!({"tests": [test(json!({"status": "PASS"}))]}),
        ],
    )
    .await;
    assert_eq!(announced[1], ["build.updated o:b"]);
    assert_eq!(announced[2], ["test.new o:t", "checkout.build_setups_finished o:c"]);
    assert_eq!(announced[3], ["test.updated o:t", "checkout.tests_finished o:c", "checkout.ready_to_report o:c"]);
}

/// Nearly all real tests arrive before their builds, and builds before their checkouts.
#[tokio::test]
async fn a_checkout_that_arrives_last_finds_its_builds_and_tests() {
    let db = support::database().await;
    let announced = announced(
        &db.store,
        &[
            json!({"incidents": [incident(json!({"test_id": "o:t", "present": true}))]}),
            json!({"tests": [test(json!({"status": "FAIL"}))]}),
            json!({"builds": [build(json!({"status": "PASS"}))]}),
            json!({"checkouts": [checkout(json!({}))]}),
        ],
    )
    .await;
    assert_eq!(announced[..3], [["incident.updated o:n"], ["test.new o:t"], ["build.new o:b"]]);
    assert_eq!(
        announced[3],
        [
            "checkout.new o:c",
            "checkout.checkout_issueoccurrences_changed o:c",
            "checkout.build_setups_finished o:c",
            "checkout.tests_finished o:c",
            "checkout.ready_to_report o:c"
        ]
    );
}

#[tokio::test]
async fn an_origin_can_report_that_it_is_done() {
    let db = support::database().await;
    let time = "2026-03-10T10:00:00Z";
    let announced = announced(
        &db.store,
        &[
            json!({"checkouts": [checkout(json!({}))], "builds": [build(json!({"status": "PASS"}))]}),
            json!({"checkouts": [checkout(json!({"origin_builds_finish_time": time}))]}),
            json!({"tests": [test(json!({}))]}),
            json!({"checkouts": [checkout(json!({"origin_tests_finish_time": time}))]}),
        ],
    )
    .await;
    assert_eq!(announced[1], ["checkout.updated o:c", "checkout.build_setups_finished o:c"]);
    assert_eq!(announced[2], ["test.new o:t"]);
    assert_eq!(announced[3], ["checkout.updated o:c", "checkout.tests_finished o:c", "checkout.ready_to_report o:c"]);
}

/// A test that moves to another checkout no longer delays the first one.
#[tokio::test]
async fn a_test_that_moves_no_longer_delays_its_checkout() {
    let db = support::database().await;
    let other = |more: Value| with(json!({"id": "o:t2", "origin": "o", "build_id": "o:b"}), more);
    let announced = announced(
        &db.store,
        &[
            json!({"checkouts": [checkout(json!({}))], "builds": [build(json!({"status": "PASS"}))],
                "tests": [test(json!({"status": "PASS"})), other(json!({}))]}),
            json!({"tests": [other(json!({"build_id": "o:elsewhere"}))]}),
        ],
    )
    .await;
    assert_eq!(announced[1], ["test.updated o:t2", "checkout.tests_finished o:c", "checkout.ready_to_report o:c"]);
}

/// Some origins give their builds no status and never say that they are done.
#[tokio::test]
async fn a_checkout_that_is_silent_for_long_counts_as_finished() {
    let db = support::database().await;
    let all = json!({"checkouts": [checkout(json!({}))], "builds": [build(json!({}))], "tests": [test(json!({}))]});
    take_in(&db.store, &[said(1, "m1", &all)]).await;
    let sweep = async |silence: u64| {
        let silence = Duration::from_secs(silence);
        db.store
            .in_tx("sweep", deadline(), async |tx| {
                announcing(tx, async |a| kcidb::finish_overdue(tx, silence, 10, true, a).await).await
            })
            .await
            .unwrap()
            .0
            .len()
    };
    let known = events(&db.store).await.len();
    assert_eq!(sweep(3600).await, 0);
    assert_eq!(sweep(0).await, 1);
    assert_eq!(sweep(0).await, 0);
    let announced = events(&db.store).await[known..].to_vec();
    assert_eq!(
        announced,
        ["checkout.build_setups_finished o:c", "checkout.tests_finished o:c", "checkout.ready_to_report o:c"]
    );
    let overdue = render::rows(&db.store, "SELECT DISTINCT overdue::text FROM kcidb_milestones").await;
    assert_eq!(overdue, ["true"]);
}

/// It still counts as finished when its failures are explained later.
#[tokio::test]
async fn a_checkout_that_was_silent_is_ready_once_its_failures_are_explained() {
    let db = support::database().await;
    let running = test(json!({"id": "o:running"}));
    let all = json!({"checkouts": [checkout(json!({}))], "builds": [build(json!({}))],
        "tests": [test(json!({"status": "FAIL"})), running]});
    take_in(&db.store, &[said(1, "m1", &all)]).await;
    let sweep = async |tx: &mut Tx<'_>| {
        announcing(tx, async |a| kcidb::finish_overdue(tx, Duration::ZERO, 10, true, a).await).await
    };
    let (found, _) = db.store.in_tx("sweep", deadline(), sweep).await.unwrap();
    assert_eq!((found.len(), found[0].name.as_str(), found[0].state.as_str()), (1, "o:c", "testing"));
    let known = events(&db.store).await;
    assert_eq!(known.last().unwrap(), "checkout.tests_finished o:c");
    let explained = incident(json!({"test_id": "o:t", "present": true}));
    take_in(&db.store, &[said(2, "m2", &json!({"incidents": [explained]}))]).await;
    assert_eq!(events(&db.store).await.last().unwrap(), "checkout.ready_to_report o:c");
    let overdue = "SELECT milestone || ' ' || overdue FROM kcidb_milestones ORDER BY milestone";
    let overdue = render::rows(&db.store, overdue).await;
    assert_eq!(overdue, ["build_setups_finished false", "ready_to_report true", "tests_finished true"]);
}

#[tokio::test]
async fn a_repeated_submission_writes_and_announces_nothing() {
    let db = support::database().await;
    let document = json!({
        "checkouts": [checkout(json!({"start_time": "2026-03-10T10:00:00Z", "git_commit_tags": ["a"]}))],
        "builds": [build(json!({"status": "PASS", "misc": {"a": 1.0}}))],
        "tests": [test(json!({"status": "FAIL", "log_excerpt": "x", "duration": 1.5}))],
    });
    let first = said(1, "m1", &document);
    assert_eq!(take_in(&db.store, std::slice::from_ref(&first)).await, 1);
    let versions =
        "SELECT xmin::text || ctid::text FROM kcidb_tests UNION ALL SELECT xmin::text || ctid::text FROM kcidb_builds";
    let (rows, announced) = (render::rows(&db.store, versions).await, events(&db.store).await);
    assert_eq!(take_in(&db.store, &[first.clone(), first]).await, 0);
    assert_eq!(render::rows(&db.store, versions).await, rows);
    // The same in a message of its own: it is the newest now, which is kept, and that is all.
    assert_eq!(take_in(&db.store, &[said(2, "m2", &document)]).await, 0);
    assert_eq!(events(&db.store).await, announced);
    let newest = render::rows(&db.store, "SELECT message_id FROM kcidb_tests").await;
    assert_eq!(newest, ["m2"]);
}

#[tokio::test]
async fn a_submission_is_kept_or_rejected_as_a_whole() {
    let db = support::database().await;
    let document = json!({"tests": [test(json!({})), test(json!({"id": "o:t2", "status": "pass"}))]});
    let report = ingest(&db.store, &[said(1, "m1", &document)], &Settings::default(), deadline()).await;
    assert_eq!(report.counts().refused, 1);
    assert_eq!(render::rows(&db.store, "SELECT id FROM kcidb_tests").await, [""; 0]);
    let detail = render::rows(&db.store, "SELECT reason || ' ' || detail FROM refused").await;
    assert!(detail[0].starts_with("kcidb-schema tests[1].status: a string of 4 bytes, expected one of"), "{detail:?}");
}

#[tokio::test]
async fn an_excerpt_is_kept_once() {
    let db = support::database().await;
    let tests: Vec<Value> =
        (0..5).map(|n| test(json!({"id": format!("o:{n}"), "log_excerpt": format!("log {}", n % 2)}))).collect();
    take_in(
        &db.store,
        &[
            said(1, "m1", &json!({"tests": tests})),
            said(2, "m2", &json!({"builds": [build(json!({"log_excerpt": "log 0"}))]})),
        ],
    )
    .await;
    let texts = render::rows(&db.store, "SELECT text FROM kcidb_log_excerpts ORDER BY text").await;
    assert_eq!(texts, ["log 0", "log 1"]);
    let mut query = Query { parents: true, ..Query::default() };
    query.keys[Kind::Test as usize].insert(("o:3".to_owned(), 0));
    let found = db.store.in_tx("find", deadline(), async |tx| kcidb::find(tx, &query).await).await.unwrap();
    let found: Value = serde_json::from_str(&found.document()).unwrap();
    assert_eq!(found["tests"][0]["log_excerpt"], "log 1");
    assert_eq!(found["builds"][0]["log_excerpt"], "log 0");
}

#[tokio::test]
async fn a_checkout_has_its_worst_result() {
    let db = support::database().await;
    let tests: Vec<Value> =
        [json!({"id": "o:1", "status": "SKIP"}), json!({"id": "o:2", "status": "MISS"}), json!({"id": "o:3"})]
            .into_iter()
            .map(test)
            .collect();
    take_in(&db.store, &[said(1, "m", &json!({"builds": [build(json!({"status": "PASS"}))], "tests": tests}))]).await;
    let summaries = db.store.in_tx("summary", deadline(), async |tx| kcidb::summaries(tx, &["o:c", "o:x"]).await);
    let summaries = summaries.await.unwrap();
    assert_eq!(summaries.len(), 1);
    assert_eq!(summaries["o:c"].status(), Some("MISS"));
    assert_eq!(summaries["o:c"].tests.values().sum::<i64>(), 3);
}

/// Two transactions that each bring a part of a checkout: the later of them sees both.
#[tokio::test]
async fn concurrent_parts_finish_a_checkout() {
    let db = support::database().await;
    for round in 0..20 {
        let name = |what: &str| format!("o:{what}{round}");
        let batches = [
            vec![said(1, "a", &json!({"checkouts": [{"id": name("c"), "origin": "o"}]}))],
            vec![said(
                2,
                "b",
                &json!({"builds": [{"id": name("b"), "origin": "o", "checkout_id": name("c"), "status": "PASS"}]}),
            )],
            vec![said(
                3,
                "c",
                &json!({"tests": [{"id": name("t"), "origin": "o", "build_id": name("b"), "status": "PASS"}]}),
            )],
        ];
        let [a, b, c] = &batches;
        tokio::join!(take_in(&db.store, a), take_in(&db.store, b), take_in(&db.store, c));
    }
    let finished = "SELECT count(*)::text FROM kcidb_milestones WHERE milestone = 'ready_to_report'";
    assert_eq!(render::rows(&db.store, finished).await, ["20"]);
    let announced = events(&db.store).await.iter().filter(|event| event.contains("ready_to_report")).count();
    assert_eq!(announced, 20);
}

/// Which members there are, id, parent, status, second of sending, kind.
type Members = (Vec<bool>, u8, usize, usize, i64, u8);

/// The change of an expression, sent at that second.
fn expression(second: i64, status: &str, more: Value) -> Delivery {
    let object = with(json!({"id": "o:r", "issue_id": "o:i"}), more);
    let document = json!({"object_type": "issue_regex", "status": status, "object": object});
    Delivery { body: document.to_string().into_bytes(), ..said(second, &format!("r{second}"), &json!({})) }
}

/// All chunks of the work that expressions cause.
async fn work(store: &Store, chunk: usize) -> (usize, usize) {
    let (mut announced, mut incidents) = (0, 0);
    let (mut triage, retrying) = (kcidb::Triage::new(|| Duration::ZERO), Retrying::until(store, deadline()));
    for _ in 0..1000 {
        let requeue = async |tx: &mut Tx<'_>| announcing(tx, async |a| kcidb::requeue(tx, chunk, a).await).await;
        let (step, _) = store.in_tx("requeue", deadline(), requeue).await.unwrap();
        announced += step.written;
        let (found, _) = triage.chunk(&retrying, chunk).await.unwrap();
        incidents += found.written;
        if !step.more && !found.more {
            return (announced, incidents);
        }
    }
    panic!("it never ends");
}

#[tokio::test]
async fn an_expression_matches_earlier_and_later_failures() {
    let db = support::database().await;
    let now = Timestamp::now().to_string();
    let failed = |id: &str, log: &str, start: &str| {
        test(json!({"id": id, "status": "FAIL", "log_excerpt": log, "start_time": start}))
    };
    let before = json!({
        "checkouts": [checkout(json!({"tree_name": "c9s", "start_time": now}))],
        "builds": [build(json!({"status": "PASS"}))],
        "tests": [
            failed("o:1", "kernel BUG at a.c:1", &now),
            failed("o:2", "kernel BUG at b.c:1", &now),
            failed("o:old", "kernel BUG at a.c:1", "2020-01-01T00:00:00Z"),
            test(json!({"id": "o:passed", "status": "PASS", "start_time": now})),
        ],
        "issues": [{"id": "o:i", "origin": "o", "version": 3}, {"id": "o:i", "origin": "o", "version": 7}],
    });
    take_in(&db.store, &[said(1, "m1", &before)]).await;
    assert_eq!(work(&db.store, 10).await, (0, 0));

    // Two tests and their checkout are announced, chunk by chunk, and one of them shows the issue.
    let known = events(&db.store).await.len();
    let more = json!({"text_match": "BUG at a", "tree_match": "^c9s$"});
    assert_eq!(take_in(&db.store, &[expression(2, "new", more.clone())]).await, 1);
    assert_eq!(work(&db.store, 1).await, (3, 1));
    assert_eq!(
        events(&db.store).await[known..],
        [
            "checkout.needs_triage o:c",
            "test.needs_triage o:1",
            "incident.updated o:r:test:o:1",
            "checkout.checkout_issueoccurrences_changed o:c",
            "test.needs_triage o:2",
        ]
    );
    let incident = "SELECT issue_id || ' ' || issue_version || ' ' || test_id || ' ' || present FROM kcidb_incidents";
    assert_eq!(render::rows(&db.store, incident).await, ["o:i 7 o:1 true"]);
    // The same again changes nothing; what fails from now on is looked at.
    assert_eq!(take_in(&db.store, &[expression(2, "new", more)]).await, 0);
    assert_eq!(work(&db.store, 10).await, (0, 0));
    take_in(&db.store, &[said(3, "m3", &json!({"tests": [failed("o:3", "kernel BUG at a.c:2", &now)]}))]).await;
    assert_eq!(work(&db.store, 10).await, (0, 1));

    // A changed expression withdraws incidents that no longer match, a deleted one withdraws all.
    take_in(&db.store, &[expression(4, "updated", json!({"text_match": "BUG at .\\.c:2"}))]).await;
    assert_eq!(work(&db.store, 2).await, (4, 1));
    let present = "SELECT id || ' ' || present FROM kcidb_incidents ORDER BY id";
    assert_eq!(render::rows(&db.store, present).await, ["o:r:test:o:1 false", "o:r:test:o:3 true"]);
    take_in(
        &db.store,
        &[expression(5, "deleted", json!({"text_match": "BUG"})), expression(3, "new", json!({"text_match": "x"}))],
    )
    .await;
    assert_eq!(work(&db.store, 2).await, (4, 1));
    assert_eq!(render::rows(&db.store, "SELECT id FROM kcidb_incidents WHERE present").await, [""; 0]);
}

#[tokio::test]
async fn an_invalid_expression_is_rejected() {
    let db = support::database().await;
    let bad =
        [json!({"text_match": "(?=a)"}), json!({}), json!({"text_match": ""}), json!({"id": "r", "text_match": "a"})];
    for (second, more) in (0..).zip(bad) {
        let report = ingest(&db.store, &[expression(second, "new", more)], &Settings::default(), deadline()).await;
        assert_eq!(report.counts().refused, 1);
    }
    let details = render::rows(&db.store, "SELECT reason || ' ' || left(detail, 30) FROM refused ORDER BY id").await;
    assert_eq!(
        details,
        [
            "bad-field object.text_match: regex parse",
            "bad-field object: no filter, so that it ",
            "bad-field object: no filter, so that it ",
            "bad-field object.id: expected an id such",
        ]
    );
}

/// Submissions about so few objects that they often collide, with values that identify their message.
pub fn submissions() -> impl Strategy<Value = Vec<(i64, Value)>> {
    let members = (prop::collection::vec(any::<bool>(), 8), 0..2_u8, 0..3_usize, 0..3_usize, 0..4_i64, 0..3_u8);
    prop::collection::vec(members, 1..12).prop_map(|all| {
        let lists = |(number, members): (usize, Members)| {
            let (has, id, parent, status, second, kind) = members;
            let mark = format!("of {number}");
            let mut object = json!({"id": format!("o:{id}"), "origin": "o"});
            let status = ["PASS", "FAIL", "MISS"][status];
            for (member, value) in [
                ("status", json!(status)),
                ("comment", json!(mark)),
                ("misc", json!({"by": mark})),
                ("log_excerpt", json!(status)),
                ("start_time", json!(format!("2026-03-10T10:00:0{second}Z"))),
            ]
            .into_iter()
            .zip(&has)
            .filter_map(|(member, has)| has.then_some(member))
            {
                object[member] = value;
            }
            match kind {
                0 => {
                    object["checkout_id"] = json!(format!("o:{parent}"));
                    (second, json!({"builds": [object]}))
                }
                1 => {
                    object["build_id"] = json!(format!("o:{}", parent % 2));
                    if has[5] {
                        object["environment"] = json!({"comment": mark});
                    }
                    if has[6] {
                        object["environment"]["compatible"] = json!([format!("v,{number}")]);
                    }
                    (second, json!({"tests": [object]}))
                }
                _ => {
                    let id = format!("o:{id}");
                    let more = json!({"id": id, "issue_version": number, "test_id": "o:0", "present": has[7]});
                    let checkout = checkout(json!({"id": id, "comment": mark}));
                    (second, json!({"checkouts": [checkout], "incidents": [incident(more)]}))
                }
            }
        };
        all.into_iter().enumerate().map(lists).collect()
    })
}

#[test]
fn any_order_of_the_same_submissions_gives_the_same_rows() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(support::database());
    let mut runner = TestRunner::new(Config {
        cases: support::cases(40),
        failure_persistence: None,
        max_shrink_iters: 100,
        ..Config::default()
    });
    let strategy = (submissions(), any::<u64>(), 1..5_usize);
    let result = runner.run(&strategy, |(all, seed, size)| {
        let deliveries: Vec<Delivery> =
            all.iter().enumerate().map(|(n, (second, lists))| said(*second, &format!("m{n}"), lists)).collect();
        let (expected, found) = runtime.block_on(async {
            schema::clear(&db.store).await;
            take_in(&db.store, &deliveries).await;
            let expected = tables(&db.store).await;
            schema::clear(&db.store).await;
            let mut shuffled = [deliveries.clone(), deliveries].concat();
            Random::new(seed).shuffle(&mut shuffled);
            for batch in shuffled.chunks(size) {
                take_in(&db.store, batch).await;
            }
            (expected, tables(&db.store).await)
        });
        if expected == found { Ok(()) } else { Err(TestCaseError::fail(difference(&expected, &found))) }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// All real submissions: in order, then shuffled with each of them twice.
#[tokio::test]
async fn real_submissions_in_any_order() {
    let folder = std::env::var("CONFORMANCE_DIR").unwrap_or_default();
    let Ok(archive) = std::fs::read(project(&folder).join("samples/kcidb/submissions.zip")) else { return };
    let db = support::database().await;
    let deliveries: Vec<Delivery> = (0..)
        .zip(zip::files(&archive).into_iter().filter(|(name, _)| name.ends_with(".json")))
        .map(|(second, (id, body))| {
            let sent_at = Some(Timestamp::from_second(1_750_000_000 + second).unwrap());
            Delivery { id, body, sent_at, ..Delivery::default() }
        })
        .collect();
    let start = std::time::Instant::now();
    for batch in deliveries.chunks(100) {
        take_in(&db.store, batch).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    let expected = tables(&db.store).await;
    let count = async || {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for event in events(&db.store).await {
            *counts.entry(event.split(' ').next().unwrap().to_owned()).or_default() += 1;
        }
        counts
    };
    let first = count().await;
    println!("{} submissions in {seconds:.2} s (unoptimised): {first:?}", deliveries.len());
    for table in schema::tables(&db.store).await.iter().filter(|table| table.starts_with("kcidb")) {
        println!("  {table}: {}", render::rows(&db.store, &format!("SELECT count(*)::text FROM {table}")).await[0]);
    }
    // A part of them once more: no event.
    for batch in deliveries.chunks(100).step_by(3) {
        assert_eq!(take_in(&db.store, batch).await, 0);
    }
    assert_eq!(count().await, first);
    schema::clear(&db.store).await;
    let mut shuffled = [deliveries.clone(), deliveries].concat();
    Random::new(7).shuffle(&mut shuffled);
    for batch in shuffled.chunks(37) {
        take_in(&db.store, batch).await;
    }
    let found = tables(&db.store).await;
    assert!(found == expected, "other rows: {}", &difference(&expected, &found).chars().take(2000).collect::<String>());
    let second = count().await;
    for (event, count) in &first {
        if event.ends_with("new") {
            assert_eq!(second.get(event), Some(count), "{event}");
        }
    }
    let milestones = second.iter().filter(|(event, _)| event.contains("finished") || event.contains("ready"));
    let kept = render::rows(&db.store, "SELECT count(*)::text FROM kcidb_milestones").await;
    assert_eq!(kept, [milestones.map(|(_, count)| count).sum::<usize>().to_string()]);
    println!("shuffled and twice: {second:?}");
}
