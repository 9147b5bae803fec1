//! Work that messages of kcidb queue: done once by a run, however often it is killed.

use std::process::{Command, Stdio};
use std::time::Duration;

use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fake::Fake;
use super::{Db, Options, options, run};
use crate::support::gate::Gate;
use crate::support::{self, deadline, render};

/// More than two chunks.
const TESTS: usize = 1200;

async fn take_in(db: &Db, second: i64, body: &Value) {
    let sent_at = Timestamp::from_second(Timestamp::now().as_second() - 3600 + second).ok();
    let delivery = Delivery { id: format!("m{second}"), body: body.to_string().into(), sent_at, ..Delivery::default() };
    let report = ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
    assert_eq!(report.counts().kept, 1, "{:?} {:?}", report.error, report.reasons);
}

/// A checkout with tests that failed, every second of them for a reason that the expression knows.
async fn with_failures() -> Db {
    let db = support::database().await;
    let now = Timestamp::now().to_string();
    let test = |number: usize| {
        json!({"id": format!("o:{number:04}"), "origin": "o", "build_id": "o:b", "status": "FAIL", "start_time": now,
            "comment": if number.is_multiple_of(2) { "even" } else { "odd" }})
    };
    let submission = json!({
        "version": {"major": 5, "minor": 3},
        "checkouts": [{"id": "o:c", "origin": "o", "start_time": now}],
        "builds": [{"id": "o:b", "origin": "o", "checkout_id": "o:c", "status": "PASS", "start_time": now}],
        "tests": (0..TESTS).map(test).collect::<Vec<_>>(),
    });
    take_in(&db, 1, &submission).await;
    let regex = json!({"id": "o:r", "issue_id": "o:i", "test_name_match": "^even$"});
    take_in(&db, 2, &json!({"object_type": "issue_regex", "status": "new", "object": regex})).await;
    db
}

/// How many events there are of each name, with the number of keys that they are about.
async fn announced(db: &Db) -> Vec<String> {
    let sql = "SELECT replace(event, 'datawarehouse.', '') || ' ' || count(*) || ' of ' || count(DISTINCT key) \
               FROM outbox GROUP BY event ORDER BY event";
    render::rows(&db.store, sql).await
}

fn all_done() -> Vec<String> {
    let half = TESTS / 2;
    let more = [
        "build.new 1 of 1".to_owned(),
        "checkout.build_setups_finished 1 of 1".to_owned(),
        "checkout.needs_triage 1 of 1".to_owned(),
        "checkout.new 1 of 1".to_owned(),
        "checkout.tests_finished 1 of 1".to_owned(),
        format!("incident.updated {half} of {half}"),
        format!("test.needs_triage {TESTS} of {TESTS}"),
        format!("test.new {TESTS} of {TESTS}"),
    ];
    more.to_vec()
}

/// Without events that each chunk may repeat, because each adds incidents to the checkout.
async fn announced_once(db: &Db) -> Vec<String> {
    let mut all = announced(db).await;
    all.retain(|line| !line.contains("checkout_issueoccurrences_changed"));
    all
}

#[tokio::test]
async fn a_run_does_the_work_of_a_changed_expression() {
    let db = with_failures().await;
    let gitlab = Fake::start().await;
    let before = announced(&db).await;
    let dry = run(&db, &gitlab, Options { dry_run: true, ..options() }).await;
    assert_eq!((dry.worked.len(), announced(&db).await), (0, before));

    let report = run(&db, &gitlab, options()).await;
    let worked: Vec<String> =
        report.worked.iter().map(|w| format!("{} {} {} {}", w.task, w.objects, w.written, w.left)).collect();
    let (all, half) = (TESTS + 1, TESTS / 2);
    assert_eq!(worked, [format!("kcidb_requeue {all} {all} false"), format!("kcidb_triage {TESTS} {half} false")]);
    assert!(report.is_whole());
    assert_eq!(announced_once(&db).await, all_done());
    let incidents = "SELECT count(*) || ' ' || bool_and(present) FROM kcidb_incidents";
    assert_eq!(render::rows(&db.store, incidents).await, [format!("{half} true")]);

    // There is nothing left to do.
    let before = announced(&db).await;
    assert_eq!(run(&db, &gitlab, options()).await.worked, []);
    assert_eq!(announced(&db).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_between_and_within_chunks_repeats_nothing_and_leaves_nothing() {
    let db = with_failures().await;
    let gitlab = Fake::start().await;
    let gate = Gate::before(&db, "outbox").await;
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
        command.args(["reconcile", "--database-url", &db.url, "--gitlab-url", &gitlab.url]).stdout(Stdio::piped());
        command.stderr(Stdio::null()).spawn().unwrap()
    };
    // In which transaction of its own each process dies, and whether the server still does what was sent to it.
    for (nth, is_done) in [(1, false), (2, true), (2, false), (1, true), (1, false)] {
        gate.close(nth).await;
        let mut child = start();
        let pid = gate.reached(Some(&mut child)).await.expect("there is work left for all of them");
        child.kill().unwrap();
        child.wait().unwrap();
        if is_done { gate.open(pid).await } else { gate.cut(pid).await }
    }
    let child = start();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let objects: u64 = report["worked"].as_array().unwrap().iter().map(|task| task["objects"].as_u64().unwrap()).sum();
    // The last one was killed in a transaction, and those before had done something.
    assert!(objects > 0 && objects < (2 * TESTS) as u64, "{objects} objects, of {TESTS} in each task: {report}");
    assert_eq!(announced_once(&db).await, all_done());
}

#[tokio::test]
async fn silent_checkouts_are_finished_where_that_is_wanted() {
    let db = support::database().await;
    let gitlab = Fake::start().await;
    let submission = json!({
        "version": {"major": 5, "minor": 3},
        "checkouts": [{"id": "o:c", "origin": "o"}, {"id": "o:heard", "origin": "o"}, {"id": "o:empty", "origin": "o"}],
        "builds": [{"id": "o:b", "origin": "o", "checkout_id": "o:c"}, {"id": "o:b2", "origin": "o",
        "checkout_id": "o:heard"}],
        "tests": [{"id": "o:t", "origin": "o", "build_id": "o:b2"}],
    });
    take_in(&db, 1, &submission).await;
    let silent = "UPDATE kcidb_checkouts SET received_at = received_at - interval '3 hours'; \
                  UPDATE kcidb_builds SET received_at = received_at - interval '3 hours'";
    db.store.script(silent, deadline()).await.unwrap();
    let mut wanted = options();
    assert_eq!(run(&db, &gitlab, wanted.clone()).await.stale, []);
    wanted.settings.kcidb.silence = Some(Duration::from_secs(2 * 3600));
    let finished = "SELECT checkout_id || ' ' || milestone FROM kcidb_milestones ORDER BY milestone";
    for (dry_run, milestones) in
        [(true, vec![]), (false, vec!["build_setups_finished", "ready_to_report", "tests_finished"])]
    {
        let report = run(&db, &gitlab, Options { dry_run, ..wanted.clone() }).await;
        let stuck: Vec<String> = report.stale.iter().map(|s| format!("{} {} {}", s.kind, s.name, s.state)).collect();
        assert_eq!(stuck, ["kcidb_checkout o:c building"]);
        let since = Timestamp::now().duration_since(report.stale[0].since);
        assert!((59..=119).contains(&since.as_mins()), "overdue for {since:#}");
        let milestones: Vec<String> = milestones.iter().map(|milestone| format!("o:c {milestone}")).collect();
        assert_eq!(render::rows(&db.store, finished).await, milestones);
    }
    assert_eq!(run(&db, &gitlab, wanted).await.stale, []);
}
