//! Regular expressions of issues that exceed the time limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hummingbird_status::db::{Retrying, Store};
use hummingbird_status::ingest::ingest;
use hummingbird_status::reconcile::{self, Options};
use hummingbird_status::sources::Settings;
use hummingbird_status::sources::kcidb::{CHUNK, Triage};
use hummingbird_status::transport::Delivery;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::reconcile::fake::{Fake, item, webhook};
use crate::reconcile::sns;
use crate::support::{self, Db, deadline, render};

async fn take(store: &Store, id: &str, body: &Value) -> Option<String> {
    let delivery = Delivery {
        id: id.to_owned(),
        body: body.to_string().into_bytes(),
        sent_at: Some(Timestamp::now()),
        ..Delivery::default()
    };
    let report = ingest(store, &[delivery], &Settings::default(), deadline()).await;
    assert_eq!(report.error, None);
    report.reasons.keys().next().cloned()
}

fn expression(id: &str, text: &str) -> Value {
    let object = json!({"id": id, "issue_id": "o:i", "text_match": text});
    json!({"object_type": "issue_regex", "status": "new", "object": object})
}

fn failed(number: usize, log: &str) -> Value {
    let now = Timestamp::now().to_string();
    json!({"id": format!("o:{number:04}"), "origin": "o", "build_id": "o:b", "status": "FAIL", "start_time": now,
        "log_excerpt": log})
}

fn submission(tests: &[Value]) -> Value {
    json!({"version": {"major": 5, "minor": 3}, "checkouts": [{"id": "o:c", "origin": "o"}],
        "builds": [{"id": "o:b", "origin": "o", "checkout_id": "o:c", "status": "PASS"}], "tests": tests})
}

/// An expression and tests that failed and wait to be looked at.
async fn with_failures(count: usize) -> Db {
    let db = support::database().await;
    assert_eq!(take(&db.store, "e", &expression("o:good", "kernel BUG")).await, None);
    let tests: Vec<Value> = (0..count).map(|number| failed(number, "line\nkernel BUG at a.c:1\n")).collect();
    assert_eq!(take(&db.store, "s", &submission(&tests)).await, None);
    // The work of the new expression is announced; the queue already has all tests.
    db.store.script("UPDATE kcidb_requeue SET stage = 3", deadline()).await.unwrap();
    db
}

async fn queued(db: &Db) -> usize {
    render::rows(&db.store, "SELECT id FROM kcidb_triage_queue").await.len()
}

const PRESENT: &str = "SELECT test_id FROM kcidb_incidents WHERE present ORDER BY test_id";

/// The expression of the review: 7,000 repeats of a class, then a text that never comes.
const REVIEW: &str = "[a-q][ -t]{7000}~\\z";

#[tokio::test]
async fn an_expression_with_too_many_repeats_is_rejected() {
    let db = support::database().await;
    assert_eq!(take(&db.store, "m", &expression("o:r", REVIEW)).await.as_deref(), Some("refused: bad-field"));
    let detail = render::rows(&db.store, "SELECT detail FROM refused").await;
    assert!(detail[0].contains("more than 3000 copies"), "{detail:?}");
}

/// An expression from before the limit existed is disabled: it matches nothing, and the others do.
#[tokio::test]
async fn an_old_expression_with_too_many_repeats_is_disabled_visibly() {
    let db = with_failures(3).await;
    let old = format!(
        "INSERT INTO kcidb_issue_regexes (id, issue_id, text_match, deleted, message_id) VALUES ('o:bad', 'o:i', \
            '{REVIEW}', false, 'm')"
    );
    db.store.script(&old, deadline()).await.unwrap();
    let report = reconcile(&db, &Fake::start().await).await;
    assert_eq!((report.stopped.as_deref(), report.worked.len()), (None, 1));
    assert_eq!(render::rows(&db.store, PRESENT).await.len(), 3);
    let aside =
        render::rows(&db.store, "SELECT id || ': ' || set_aside FROM kcidb_issue_regexes WHERE set_aside IS NOT NULL")
            .await;
    let why = "text_match: repeats that stand for more than 3000 copies of what they repeat";
    assert_eq!(aside, [format!("o:bad: {why}")]);
    let issue = submission(&[]).as_object().map(|_| {
        json!({"version": {"major": 5, "minor": 3},
        "issues": [{"id": "o:i", "origin": "o", "version": 1}]})
    });
    take(&db.store, "i", &issue.unwrap()).await;
    let thing = hummingbird_status::reports::EXPLAINED.iter().find(|thing| thing.name == "issue").unwrap();
    let parts =
        db.store.in_tx("explain", deadline(), async |tx| hummingbird_status::reports::explain(tx, thing, "o:i").await);
    let lines: Vec<String> = parts.await.unwrap().into_iter().filter_map(|part| part.what).collect();
    assert!(lines.contains(&format!("o:bad, set aside: {why}")), "{lines:?}");
    // Changed, it is used again.
    take(&db.store, "again", &expression("o:bad", "BUG")).await;
    assert_eq!(
        render::rows(&db.store, "SELECT id FROM kcidb_issue_regexes WHERE set_aside IS NOT NULL").await,
        [""; 0]
    );
}

async fn reconcile(db: &Db, gitlab: &Fake) -> reconcile::Report {
    let options = Options { sweep: false, ..Options::default() };
    reconcile::run(&db.store, &[gitlab.instance()], options, deadline(), |_, _| ()).await.unwrap()
}

/// However slow the machine and the match: each chunk makes progress.
#[tokio::test]
async fn a_chunk_ends_by_time_and_keeps_its_results() {
    let db = with_failures(5).await;
    let retrying = Retrying::until(&db.store, deadline());
    // Two seconds pass with each look at the clock: three objects would take longer than a chunk may.
    let time = AtomicU64::new(0);
    let mut triage = Triage::new(move || Duration::from_millis(time.fetch_add(100, Ordering::Relaxed)));
    assert_eq!(triage.chunk(&retrying, CHUNK).await.unwrap().0.objects, 5, "a chunk has the time for five");
    for number in 0..5 {
        let again = submission(&[failed(number, &format!("kernel BUG {number}"))]);
        take(&db.store, &format!("again{number}"), &again).await;
    }
    let time = AtomicU64::new(0);
    let mut triage = Triage::new(move || Duration::from_millis(time.fetch_add(2000, Ordering::Relaxed)));
    let mut left = queued(&db).await;
    assert_eq!(left, 5);
    for _ in 0..10 {
        let step = triage.chunk(&retrying, CHUNK).await.unwrap().0;
        if step.objects == 0 {
            break;
        }
        assert!((1..3).contains(&step.objects), "{step:?}");
        let now = queued(&db).await;
        assert_eq!((now, step.more), (left - step.objects, now > 0));
        left = now;
    }
    assert_eq!(left, 0);
}

/// While expressions are matched, no transaction is open and no lock is held: a message about one of the objects is
/// kept, and the object is looked at again.
#[tokio::test(flavor = "multi_thread")]
async fn objects_that_change_during_a_match_are_matched_again() {
    let db = with_failures(2).await;
    let retrying = Retrying::until(&db.store, deadline());
    let (url, seen) = (db.url.clone(), Arc::new(AtomicU64::new(0)));
    let reads = Arc::clone(&seen);
    let mut triage = Triage::new(move || {
        if reads.fetch_add(1, Ordering::Relaxed) == 0 {
            let url = url.clone();
            let other = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let store = support::store_of(&url, 2);
                    let changed = submission(&[failed(0, "nothing to be found")]);
                    assert_eq!(take(&store, "meanwhile", &changed).await, None);
                    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                        AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
                    let open = store.in_tx("open", deadline(), async |tx| tx.query(open, &[]).await).await.unwrap();
                    assert_eq!(open[0].get::<_, i64>(0), 0, "no transaction is open while expressions are matched");
                });
            });
            other.join().unwrap();
        }
        Duration::ZERO
    });
    let step = triage.chunk(&retrying, CHUNK).await.unwrap().0;
    assert_eq!((step.objects, step.written), (2, 1));
    assert_eq!(render::rows(&db.store, PRESENT).await, ["o:0001"]);
    assert_eq!(render::rows(&db.store, "SELECT id FROM kcidb_triage_queue").await, ["o:0000"]);
    let step = triage.chunk(&retrying, CHUNK).await.unwrap().0;
    assert_eq!((step.objects, step.written), (1, 0));
    assert_eq!((queued(&db).await, render::rows(&db.store, PRESENT).await), (0, vec!["o:0001".to_owned()]));
}

/// Merge requests are reconciled before expressions are matched, whatever the outcome of the latter.
#[tokio::test]
async fn merge_requests_come_before_expressions() {
    let db = with_failures(3).await;
    let gitlab = Fake::start().await;
    let opened = item(1, "opened", "2026-03-10T10:00:00Z");
    let delivery = sns(&webhook("g/p", &opened, "open"), "2026-03-10T10:00:01Z");
    ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
    gitlab.put("g/p", item(1, "merged", "2026-03-10T11:00:00Z"));
    let fails = "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'triage fails'; END $$; \
                 CREATE TRIGGER fails BEFORE INSERT ON kcidb_incidents EXECUTE FUNCTION fails()";
    db.store.script(fails, deadline()).await.unwrap();
    let report = reconcile(&db, &gitlab).await;
    assert!(report.stopped.is_some_and(|why| why.contains("triage fails")));
    assert_eq!(render::rows(&db.store, "SELECT state FROM gitlab_merge_requests").await, ["merged"]);
    assert_eq!(queued(&db).await, 3, "nothing is lost");
}

/// An expression as people write them, of five kinds.
fn usual(number: usize) -> String {
    match number % 5 {
        0 => format!(r"kernel BUG at .*file_{number}\.c:\d+!"),
        1 => format!(r"(?s)WARNING.{{0,300}}Call Trace.{{0,1000}}sym_{number}"),
        2 => format!(r"BUG: KASAN: \S+ in sym_{number}"),
        3 => format!(r"^\[ *\d+\.\d+\] .*oops_{number}$"),
        _ => format!(r"(?i)error -{number}: timeout after \d{{1,5}} ms"),
    }
}

/// A log like that of a kernel, of some 16 kB, in which a few of the expressions find something.
fn log(number: usize) -> String {
    let mut text = String::new();
    let mut line = 0;
    while text.len() < 16_000 {
        let at = format!("[{:5}.{:06}]", line / 7, (line * 7919 + number) % 1_000_000);
        text += &match line % 9 {
            0 => format!(
                "{at} WARNING: CPU: {} PID: {line} at kernel/file_{}.c:{line} sym_{}+0x2c/0x40\n",
                line % 8,
                line % 50,
                line % 300
            ),
            1 => format!("{at} Call Trace:\n"),
            2 => format!("{at}  <TASK>\n"),
            8 if line % 90 == 8 => format!("{at} something oops_{}\n", (number * 5 + 3) % 300),
            other => format!("{at}  ? sym_{}+0x{:x}/0x{:x}\n", (line * 31 + number) % 400, other * 16, line),
        };
        line += 1;
    }
    text
}

/// What the review measured: 300 expressions and 500 failed tests with 16 kB of log each, and beside them the one that
/// stopped everything. One run does all of it, with progress after each chunk. Fewer tests here than in the
/// measurement, for which `TESTS=500 cargo test --test it -- --ignored --nocapture the_load_of_the_review`.
async fn one_run_does_all(tests: usize) {
    let db = support::database().await;
    for number in 0..300 {
        assert_eq!(
            take(&db.store, &format!("e{number}"), &expression(&format!("o:e{number}"), &usual(number))).await,
            None
        );
    }
    for chunk in (0..tests).collect::<Vec<_>>().chunks(50) {
        let tests: Vec<Value> = chunk.iter().map(|number| failed(*number, &log(*number))).collect();
        assert_eq!(take(&db.store, &format!("s{}", chunk[0]), &submission(&tests)).await, None);
    }
    let old = format!(
        "UPDATE kcidb_requeue SET stage = 3; INSERT INTO kcidb_issue_regexes (id, issue_id, text_match, deleted, \
            message_id) \
         VALUES ('o:bad', 'o:i', '{REVIEW}', false, 'm')"
    );
    db.store.script(&old, deadline()).await.unwrap();
    let began = hummingbird_status::platform::clock::processor_time();
    let report = reconcile(&db, &Fake::start().await).await;
    let spent = hummingbird_status::platform::clock::processor_time().saturating_sub(began);
    let worked = report.worked.iter().find(|worked| worked.task == "kcidb_triage").unwrap();
    println!(
        "{tests} tests, 300 expressions: {} incidents, {:.1} s of processor time, whole: {}",
        worked.written,
        spent.as_secs_f64(),
        report.is_whole()
    );
    assert_eq!((report.stopped, worked.objects, worked.left, queued(&db).await), (None, tests, false, 0));
    assert!(worked.written > tests, "{} incidents", worked.written);
    let aside = render::rows(&db.store, "SELECT id FROM kcidb_issue_regexes WHERE set_aside IS NOT NULL").await;
    assert_eq!(aside, ["o:bad"], "no expression as people write them is too slow");
}

#[tokio::test]
async fn all_typical_expressions_are_matched() {
    one_run_does_all(20).await;
}

#[tokio::test]
#[ignore = "a measurement"]
async fn the_load_of_the_review() {
    let tests = std::env::var("TESTS").ok().and_then(|text| text.parse().ok());
    one_run_does_all(tests.unwrap_or(500)).await;
}
