//! Maintenance and retention: what is deleted and what is kept; beside writers, with two concurrent runs, and
//! interrupted anywhere.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use hummingbird_status::db::{Retrying, Store};
use hummingbird_status::ingest::{Outcome, ingest};
use hummingbird_status::maintenance::Retention;
use hummingbird_status::maintenance::{self, Report};
use hummingbird_status::platform::clock::{self, Deadline};
use hummingbird_status::sources::Settings;
use hummingbird_status::sources::kcidb;
use hummingbird_status::transport::Delivery;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::{self, Db, deadline, render};

async fn keep(store: &Store, dry_run: bool) -> Report {
    keep_at(store, clock::now(), dry_run).await
}

async fn keep_at(store: &Store, now: Timestamp, dry_run: bool) -> Report {
    let retrying = Retrying::until(store, deadline()).at_most(5);
    maintenance::run(&retrying, &Retention::default(), now, deadline(), dry_run).await
}

async fn script(db: &Db, sql: &str) {
    db.store.script(sql, deadline()).await.unwrap();
}

async fn one(db: &Db, sql: &str) -> String {
    render::rows(&db.store, sql).await.join(" ")
}

fn gone(report: &Report) -> String {
    let rows = report.gone.iter().map(|gone| format!("{} {}", gone.table, gone.rows));
    rows.collect::<Vec<_>>().join(", ")
}

/// Rejected messages of today, of 40 days ago, and of long ago; the last ones came when they were sent, or only now.
const REJECTED: &str = "INSERT INTO refused (id, sent_at, reason, detail, attributes, body, received_at)
    SELECT k || n, sent, 'not-json', 'd', '{}', 'x', came
    FROM generate_series(1, 5) AS g (n), (VALUES
        ('today', now(), now()), ('lately', now() - interval '40 days', now() - interval '40 days'),
        ('old', now() - interval '500 days', now() - interval '500 days'),
        ('late', now() - interval '500 days', now()), ('ahead', '9000-01-01Z', now())
    ) AS v (k, sent, came)";

#[tokio::test]
async fn partitions_are_made_and_filled_and_old_ones_are_dropped() {
    let db = support::database().await;
    // One moment for all of it, as a month may end meanwhile.
    let now = clock::now();
    script(&db, &REJECTED.replace("now()", &format!("'{now}'::timestamptz"))).await;
    let dry = keep_at(&db.store, now, true).await;
    assert_eq!((dry.made.len(), gone(&dry)), (4, "refused 5".to_owned()), "{dry:?}");
    assert_eq!(one(&db, "SELECT count(*)::text FROM refused_default").await, "25", "a dry run");

    let report = keep_at(&db.store, now, false).await;
    assert_eq!((report.made.len(), report.moved, gone(&report)), (4, 10, "refused 5".to_owned()), "{report:?}");
    assert!(report.is_whole() && !report.busy);
    let kept = "SELECT k || count(*) FROM (SELECT rtrim(id, '12345') AS k FROM refused) AS r GROUP BY k ORDER BY k \
        COLLATE \"C\"";
    assert_eq!(one(&db, kept).await, "ahead5 late5 lately5 today5");
    assert_eq!(one(&db, "SELECT count(*)::text FROM refused_default").await, "10", "ahead and late have no month");
    // Those of the months are where they are looked for.
    let month = now.strftime("refused_%Y_%m").to_string();
    assert_eq!(one(&db, &format!("SELECT count(*)::text FROM {month}")).await, "5");
    let again = keep_at(&db.store, now, false).await;
    assert_eq!(again, Report::default(), "a second run has nothing to do");

    // A month whose time is over: it goes, unless something in it came later.
    script(
        &db,
        "CREATE TABLE refused_2020_01 PARTITION OF refused FOR VALUES FROM ('2020-01-01Z') TO ('2020-02-01Z');
        CREATE TABLE refused_2020_02 PARTITION OF refused FOR VALUES FROM ('2020-02-01Z') TO ('2020-03-01Z');
        INSERT INTO refused (id, sent_at, reason, detail, attributes, body, received_at) VALUES
            ('a', '2020-01-10Z', 'r', 'd', '{}', 'x', '2020-01-10Z'), ('b', '2020-01-11Z', 'r', 'd', '{}', 'x', \
            '2020-01-11Z'),
            ('c', '2020-02-10Z', 'r', 'd', '{}', 'x', '2020-02-10Z'), ('d', '2020-02-11Z', 'r', 'd', '{}', 'x', now())",
    )
    .await;
    let report = keep_at(&db.store, now, false).await;
    assert_eq!((report.dropped.clone(), gone(&report)), (vec!["2020-01".to_owned()], "refused 2".to_owned()));
    assert_eq!(one(&db, "SELECT id FROM refused WHERE id IN ('a', 'b', 'c', 'd') ORDER BY id").await, "c d");
}

#[tokio::test]
async fn a_month_with_too_many_rows_is_left_to_deletes() {
    let db = support::database().await;
    script(
        &db,
        "INSERT INTO refused (id, sent_at, reason, detail, attributes, body)
        SELECT n::text, now(), 'r', 'd', '{}', 'x' FROM generate_series(1, 20001) AS g (n)",
    )
    .await;
    let report = keep(&db.store, false).await;
    assert_eq!((report.made.len(), report.moved, report.is_whole()), (2, 0, true), "{report:?}");
    assert_eq!(one(&db, "SELECT count(*)::text FROM refused_default").await, "20001");
}

/// Events of all kinds, and what they led to.
const EVENTS: &str = "INSERT INTO outbox (family, event, key, attributes, payload, created_at, routed_at)
    SELECT 'kcidb', kind || ' ' || age, n::text, '{}', '{}', now() - age * interval '1 day',
        CASE WHEN kind <> 'unrouted' THEN now() END
    FROM generate_series(1, 700) AS g (n), (VALUES (10), (100)) AS a (age),
        (VALUES ('unrouted'), ('nowhere'), ('delivered'), ('dead'), ('pending'), ('half')) AS k (kind)
    ORDER BY n, age DESC, kind;
    INSERT INTO deliveries (outbox_id, target, created_at, family, key, state)
    SELECT o.id, t.name, o.created_at, o.family, o.key,
        CASE WHEN split_part(o.event, ' ', 1) = 'half' THEN t.state ELSE split_part(o.event, ' ', 1) END
    FROM outbox AS o, (VALUES ('a', 'pending'), ('b', 'delivered')) AS t (name, state)
    WHERE split_part(o.event, ' ', 1) NOT IN ('unrouted', 'nowhere');
    INSERT INTO commit_statuses (target, repo, sha, context, name, wanted_state, wanted_description, version_number, \
    version_at,
        version_tie, outbox_id, wanted_at, state)
    SELECT 't', 'r', n || state || age, 'c', 'c', 's', 'd', 1, now(), '', 1, now() - age * interval '1 day', state
    FROM generate_series(1, 700) AS g (n), (VALUES (10), (100)) AS a (age),
        (VALUES ('pending'), ('delivered'), ('dead')) AS k (state)";

const LEFT: &str = "SELECT x FROM (
    SELECT event || ' ' || count(*) FROM outbox GROUP BY event
    UNION ALL SELECT 'd ' || event || ' ' || count(*) FROM deliveries JOIN outbox ON id = outbox_id GROUP BY event
    UNION ALL SELECT 's ' || state || ' ' || (wanted_at < now() - interval '50 days') || ' ' || count(*) FROM \
    commit_statuses
        GROUP BY state, wanted_at < now() - interval '50 days'
    UNION ALL SELECT 'without event ' || count(*) FROM deliveries WHERE outbox_id NOT IN (SELECT id FROM outbox)
) AS r (x) ORDER BY x";

async fn what_is_left(db: &Db) -> String {
    render::rows(&db.store, LEFT).await.join("\n")
}

const EXPECTED: &str = "d dead 10 1400
d delivered 10 1400
d half 10 1400
d half 100 1400
d pending 10 1400
d pending 100 1400
dead 10 700
delivered 10 700
half 10 700
half 100 700
nowhere 10 700
pending 10 700
pending 100 700
s dead false 700
s delivered false 700
s pending false 700
s pending true 700
without event 0";

/// What waits for a target stays as long as one that is registered can receive it.
#[tokio::test]
async fn events_that_no_target_can_receive_are_deleted() {
    let unrouted = "SELECT event FROM outbox WHERE routed_at IS NULL GROUP BY event ORDER BY event";
    for (registered, disabled, left) in
        [("50 days", false, "unrouted 10"), ("5 days", false, ""), ("200 days", true, "")]
    {
        let db = support::database().await;
        script(&db, EVENTS).await;
        let target = format!(
            "INSERT INTO delivery_targets (name, registered_at, seen_at, disabled_at) VALUES
                ('t', now() - interval '{registered}', now(), CASE WHEN {disabled} THEN now() END)"
        );
        script(&db, &target).await;
        keep(&db.store, false).await;
        assert_eq!(render::rows(&db.store, unrouted).await.join(" "), left, "{registered} {disabled}");
    }
    // A target that no process has named for a week is gone, too.
    let db = support::database().await;
    script(
        &db,
        "INSERT INTO delivery_targets (name, registered_at, seen_at) VALUES
        ('gone', '2020-01-01', now() - interval '9 days'), ('there', '2020-01-01', now() - interval '7 days')",
    )
    .await;
    keep(&db.store, false).await;
    let left = "SELECT name FROM delivery_targets WHERE disabled_at IS NULL";
    assert_eq!(render::rows(&db.store, left).await, ["there"]);
}

#[tokio::test]
async fn events_without_waiting_deliveries_are_deleted() {
    let db = support::database().await;
    script(&db, EVENTS).await;
    let counted = "outbox 3500, deliveries 2800, commit_statuses 1400";
    let before = what_is_left(&db).await;
    let dry = keep(&db.store, true).await;
    assert_eq!((gone(&dry), what_is_left(&db).await == before), (counted.to_owned(), true));
    let report = keep(&db.store, false).await;
    assert_eq!((gone(&report), report.is_whole()), (counted.to_owned(), true), "{report:?}");
    assert_eq!(what_is_left(&db).await, EXPECTED);
}

/// Drops a future at its n-th suspension point; returns its result if it ended before.
async fn cut_after<T>(polls: usize, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut left) = (std::pin::pin!(work), polls);
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending if left == 1 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Runs that are interrupted anywhere give, when repeated, the same result as one that is not.
#[tokio::test]
async fn an_interrupted_run_is_resumed() {
    let db = support::database().await;
    script(&db, EVENTS).await;
    script(&db, REJECTED).await;
    script(
        &db,
        "INSERT INTO kcidb_log_excerpts (sha256, text, received_at)
        SELECT sha256(n::text::bytea), n::text, now() - interval '8 days' FROM generate_series(1, 5000) AS g (n)",
    )
    .await;
    let mut cuts = 0;
    for polls in [1, 2, 4, 8, 12, 16, 20, 25, 30, 40, 50, 60, 80, 100, 120] {
        cuts += usize::from(cut_after(polls, keep(&db.store, false)).await.is_none());
    }
    assert!(cuts > 3, "only {cuts} runs were cut");
    // While PostgreSQL has not rolled back the transaction of the last one, maintenance counts as busy.
    let mut report = keep(&db.store, false).await;
    while report.busy {
        tokio::time::sleep(Duration::from_millis(50)).await;
        report = keep(&db.store, false).await;
    }
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(what_is_left(&db).await, EXPECTED);
    let kept = "SELECT count(*)::text FROM refused UNION ALL SELECT count(*)::text FROM kcidb_log_excerpts";
    assert_eq!(one(&db, kept).await, "20 0");
    assert_eq!(one(&db, "SELECT cursor || '.' || (finished_at IS NOT NULL) FROM upkeep_passes").await, ".true .true");
}

/// Without any time left a run does nothing and reports that.
#[tokio::test]
async fn tasks_without_time_are_left() {
    let db = support::database().await;
    script(&db, EVENTS).await;
    let retrying = Retrying::until(&db.store, deadline());
    let none = Deadline::within(Duration::ZERO);
    let report = maintenance::run(&retrying, &Retention::default(), clock::now(), none, false).await;
    assert_eq!((report.is_whole(), report.left.len(), report.gone.len()), (false, 10, 0));
}

#[tokio::test]
async fn two_concurrent_runs_are_harmless() {
    let db = support::database().await;
    script(&db, EVENTS).await;
    script(&db, REJECTED).await;
    let other = support::store_of(&db.url, 2);
    for _ in 0..3 {
        let (one, two) = tokio::join!(keep(&db.store, false), keep(&other, false));
        for report in [one, two] {
            assert!(report.is_whole(), "{report:?}");
        }
    }
    let report = keep(&db.store, false).await;
    assert!(!report.busy && report.is_whole(), "{report:?}");
    assert_eq!(what_is_left(&db).await, EXPECTED);
    assert_eq!(one(&db, "SELECT count(*)::text FROM refused").await, "20");
}

/// Runs something on a thread of its own, with connections of its own.
fn beside<T: Send + 'static>(work: impl AsyncFnOnce() -> T + Send + 'static) -> std::thread::JoinHandle<T> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work())
    })
}

/// A message that is rejected, in an SNS envelope.
fn poison(id: &str, sent_at: Timestamp) -> Delivery {
    let body = json!({
        "Type": "Notification", "MessageId": id, "TopicArn": "arn:aws:sns:x:1:t", "Message": "certainly no JSON",
        "Timestamp": sent_at.to_string(), "MessageAttributes": {},
    });
    Delivery { id: id.to_owned(), body: body.to_string().into_bytes(), ..Delivery::default() }
}

/// Partitions are made, filled and dropped while writers insert into them: each message is kept once, and no writer
/// gets an error.
#[tokio::test]
async fn nothing_is_lost_beside_live_messages() {
    let db = support::database().await;
    let writer = support::store_of(&db.url, 3);
    let runs = Arc::new(AtomicUsize::new(0));
    let seen = runs.clone();
    let writing = beside(async move || {
        let mut written = 0;
        // Until there were two runs beside it, which on a busy machine takes longer than to write these.
        for round in (0..10_000_i64).take_while(|round| *round < 40 || seen.load(Ordering::Relaxed) < 2) {
            // Of now, of other months that have rows, and of next month, which is empty at the beginning.
            let days = [0, 35, 70, 200, -31, -60];
            let sent = |place: i64| {
                let days = days[usize::try_from((round + place) % 6).unwrap()];
                clock::now().checked_sub(SignedDuration::from_hours(24 * days)).unwrap()
            };
            let batch: Vec<_> = (0..5).map(|place| poison(&format!("m{round}-{place}"), sent(place))).collect();
            let report = ingest(&writer, &batch, &Settings::default(), deadline()).await;
            assert!(report.outcomes().iter().all(|outcome| *outcome == Outcome::Rejected), "{:?}", report.error);
            assert_eq!(report.error, None);
            assert!(!report.reasons.keys().any(|reason| reason.contains("database")), "{:?}", report.reasons);
            written += batch.len();
        }
        written
    });
    while !writing.is_finished() {
        // As before the first run: all partitions are made anew while writers insert.
        let report = keep(&db.store, false).await;
        assert!(report.dropped.is_empty() && report.gone.is_empty(), "{report:?}");
        runs.fetch_add(1, Ordering::Relaxed);
        unmake(&db).await;
    }
    let written = writing.join().unwrap();
    assert!(runs.load(Ordering::Relaxed) > 1);
    keep(&db.store, false).await;
    let all = "SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || count(*) FILTER (WHERE reason = 'not-json') \
        FROM refused";
    assert_eq!(one(&db, all).await, format!("{written} {written} {written}"));
    assert_eq!(one(&db, "SELECT count(*)::text FROM refused_default").await, "0");
}

/// Takes the months away again, and puts their rows where they were.
async fn unmake(db: &Db) {
    script(
        db,
        "DO $$ DECLARE part text; BEGIN
            LOCK TABLE refused IN ACCESS EXCLUSIVE MODE;
            FOR part IN SELECT inhrelid::regclass::text FROM pg_inherits
                WHERE inhparent = 'refused'::regclass AND inhrelid <> 'refused_default'::regclass LOOP
                EXECUTE format('ALTER TABLE refused DETACH PARTITION %I', part);
                EXECUTE format('INSERT INTO refused SELECT * FROM %I', part);
                EXECUTE format('DROP TABLE %I', part);
            END LOOP;
        END $$",
    )
    .await;
}

/// A submission that gives a test the text of its log.
fn submission(number: i64, test: &str, text: &str) -> Delivery {
    let payload = json!({
        "version": {"major": 5, "minor": 3},
        "tests": [{"id": test, "build_id": "o:b", "origin": "o", "status": "PASS", "log_excerpt": text}],
    });
    let sent_at = Timestamp::from_second(1_770_000_000 + number).unwrap();
    let id = format!("s{number}");
    Delivery { id, body: payload.to_string().into_bytes(), sent_at: Some(sent_at), ..Delivery::default() }
}

async fn submit(store: &Store, delivery: Delivery) {
    let report = ingest(store, &[delivery], &Settings::default(), deadline()).await;
    assert_eq!(report.outcomes(), [Outcome::Kept], "{:?} {:?}", report.reasons, report.error);
}

async fn prune(store: &Store) -> i64 {
    let prune = store.in_tx("prune", deadline(), async |tx| kcidb::prune_log_excerpts(tx, &[], 1000, false).await);
    prune.await.unwrap().gone
}

const AGED: &str = "ALTER TABLE kcidb_log_excerpts ALTER received_at SET DEFAULT now() - interval '8 days'";

#[tokio::test]
async fn texts_without_references_are_deleted() {
    let db = support::database().await;
    submit(&db.store, submission(1, "o:t", "young")).await;
    script(&db, AGED).await;
    for (number, text) in [(2, "first"), (3, "second"), (4, "third")] {
        submit(&db.store, submission(number, "o:t", text)).await;
    }
    // Events wait that name them all.
    assert_eq!(prune(&db.store).await, 0);
    script(&db, "UPDATE outbox SET routed_at = now()").await;
    let delivery = |state: &str, text: &str| {
        format!(
            "INSERT INTO deliveries (outbox_id, target, created_at, family, key, state)
            SELECT id, 't', created_at, family, key, '{state}' FROM outbox
            WHERE texts ->> 'log_excerpt' = 'sha256:' || encode(sha256('{text}'), 'hex')"
        )
    };
    script(&db, &delivery("dead", "first")).await;
    script(&db, &delivery("pending", "second")).await;
    script(&db, &delivery("delivered", "third")).await;
    assert_eq!(prune(&db.store).await, 0);
    script(&db, "UPDATE deliveries SET state = 'delivered' WHERE state = 'dead'").await;
    assert_eq!(prune(&db.store).await, 1);
    assert_eq!(one(&db, "SELECT text FROM kcidb_log_excerpts ORDER BY text").await, "second third young");
    script(&db, "UPDATE deliveries SET state = 'delivered'; UPDATE kcidb_tests SET log_excerpt_sha256 = NULL").await;
    assert_eq!(prune(&db.store).await, 2);
    assert_eq!(one(&db, "SELECT text FROM kcidb_log_excerpts ORDER BY text").await, "young");
    let names = "UPDATE kcidb_log_excerpts SET received_at = now() - interval '8 days'; INSERT INTO kcidb_builds
        (id, checkout_id, origin, message_id, log_excerpt_sha256) SELECT 'o:b', 'o:c', 'o', 'm', sha256 FROM \
        kcidb_log_excerpts";
    script(&db, names).await;
    assert_eq!(prune(&db.store).await, 0);
    script(&db, "DELETE FROM kcidb_builds").await;
    assert_eq!(prune(&db.store).await, 1);
}

/// A text is referenced again while it is being deleted.
#[tokio::test]
async fn a_text_that_is_referenced_again_is_not_lost() {
    let db = support::database().await;
    script(&db, AGED).await;
    let writer = support::store_of(&db.url, 2);
    let enough = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&enough);
    let writing = beside(async move || {
        let mut number = 0;
        while !ended.load(Ordering::Relaxed) {
            submit(&writer, submission(number, "o:t", if number % 2 == 0 { "even" } else { "odd" })).await;
            number += 1;
            // Long enough for a concurrent round to find a text without references.
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    });
    let (mut thrown, deadline) = (0, deadline());
    while thrown < 5 && !deadline.remaining().is_zero() {
        script(&db, "UPDATE outbox SET routed_at = now() WHERE routed_at IS NULL").await;
        thrown += prune(&db.store).await;
        let lost = "SELECT t.id FROM kcidb_tests AS t
            WHERE NOT EXISTS (SELECT FROM kcidb_log_excerpts AS e WHERE e.sha256 = t.log_excerpt_sha256)";
        assert_eq!(one(&db, lost).await, "");
    }
    enough.store(true, Ordering::Relaxed);
    writing.join().unwrap();
    assert!(thrown > 0, "nothing was thrown away");
}

#[tokio::test]
async fn old_transitions_are_deleted_except_the_last_of_a_bot() {
    let db = support::database().await;
    script(
        &db,
        "INSERT INTO bots (name, status, meta, warnings, updated_at, message_id)
        SELECT name, 'ok', '{}', '{}', now(), 'm' FROM (VALUES ('silent'), ('loud')) AS v (name);
        INSERT INTO bot_beats (name, at, message_id, status, before)
        SELECT 'silent', now() - n * interval '100 days', 'm', 'ok', 'failed' FROM generate_series(1, 15) AS g (n);
        INSERT INTO bot_beats (name, at, message_id, status, before)
        SELECT 'loud', now() - n * interval '50 days', 'm', 'ok', 'failed' FROM generate_series(0, 29) AS g (n)",
    )
    .await;
    let report = keep(&db.store, false).await;
    // Of 15 the last eleven stay, however old; of the other, those of 730 days.
    assert_eq!(gone(&report), "bot_beats 19");
    assert_eq!(one(&db, "SELECT name || count(*) FROM bot_beats GROUP BY name ORDER BY name").await, "loud15 silent11");
}

#[tokio::test]
async fn the_command_reports_its_work() {
    let db = support::database().await;
    script(&db, EVENTS).await;
    let run = |arguments: &[&str], days: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
        command.arg("maintenance").args(arguments).env("DATABASE_URL", &db.url).env("DELIVERY_RETENTION_DAYS", days);
        command.output().unwrap()
    };
    let wrong = run(&[], "0");
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(!wrong.status.success() && said.contains("DELIVERY_RETENTION_DAYS: expected 1 to 36500"), "{said}");
    let report = |output: std::process::Output| {
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    assert_eq!(report(run(&["--dry-run"], "5"))["gone"][0], json!({"table": "outbox", "rows": 5600}));
    let report = report(run(&[], "200"));
    assert_eq!(
        (&report["gone"], report["made"].as_array().unwrap().len()),
        (&json!([{"table": "outbox", "rows": 1400}]), 3)
    );
}
