//! Submissions to KCIDB over HTTP, and their status.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::submit::Intake;
use hummingbird_status::transport::Delivery;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{ALL, CRON, MAESTRO, Site, gzip, intake, open, serve, signed};
use crate::support::{self, deadline, project, render, zip};

fn submission(id: &str) -> Value {
    json!({
        "version": {"major": 5, "minor": 3},
        "checkouts": [{"id": id, "origin": "maestro", "tree_name": "mainline"}],
        "builds": [{"id": "maestro:b", "origin": "maestro", "checkout_id": id, "status": "PASS"}],
    })
}

/// The number of checkouts and builds, and of rejected messages.
async fn rows(db: &support::Db) -> (usize, usize) {
    let objects = "SELECT id FROM kcidb_checkouts UNION ALL SELECT id FROM kcidb_builds";
    let rejected = "SELECT id FROM refused";
    (render::rows(&db.store, objects).await.len(), render::rows(&db.store, rejected).await.len())
}

#[tokio::test]
async fn a_submission_is_kept_and_its_status_is_found() {
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    let answer = site.post("/submit", MAESTRO, &submission("maestro:1")).await;
    let id = answer.body["id"].as_str().unwrap().to_owned();
    assert_eq!((answer.status, &answer.body), (200, &json!({"id": id, "status": "ok", "outcome": "kept"})));
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(rows(&db).await, (2, 0));
    let events = "SELECT event FROM outbox ORDER BY id";
    let events = render::rows(&db.store, events).await;
    assert!(events.contains(&"datawarehouse.checkout.new".to_owned()), "{events:?}");

    // Again, packed, in the form of DataWarehouse: the same submission, which says nothing new.
    let packed = gzip(json!({"data": submission("maestro:1")}).to_string().as_bytes());
    let headers = [("authorization", &*format!("Bearer {MAESTRO}")), ("content-encoding", "gzip")];
    let again = site.send(Method::POST, "/submit", &headers, packed).await;
    assert_eq!((again.status, &again.body), (201, &json!({"id": id, "status": "ok", "outcome": "stale"})));
    assert_eq!(render::rows(&db.store, "SELECT event FROM outbox").await.len(), events.len());

    let status = site.get(&format!("/status?id={id}"), MAESTRO).await;
    assert_eq!((status.status, &status.body["status"], &status.body["objects"]), (200, &json!("processed"), &json!(2)));
    // Other tokens get no answer about it.
    let other = site.get(&format!("/status?id={id}"), ALL).await;
    assert_eq!((other.status, &other.body["status"]), (404, &json!("notfound")));
    assert_eq!(other.body["reason"], "not-found", "what goes wrong has a reason and a message, as documented");
    for (query, status) in [("", 400), ("?id=", 400), ("?id=a-b", 400), ("?id=%00", 400), ("?id=abc", 404)] {
        assert_eq!(site.get(&format!("/status{query}"), MAESTRO).await.status, status, "{query}");
    }
    // An empty one is one, too.
    let empty = site.post("/submit", MAESTRO, &json!({"version": {"major": 5, "minor": 3}})).await;
    assert_eq!((empty.status, &empty.body["outcome"]), (200, &json!("stale")));
    let id = empty.body["id"].as_str().unwrap();
    assert_eq!(site.get(&format!("/status?id={id}"), MAESTRO).await.body["objects"], json!(0));
}

#[tokio::test]
async fn problems_are_reported_object_by_object() {
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    let mut wrong = submission("maestro:1");
    wrong["builds"] = json!([
        {"id": "maestro:b", "origin": "maestro", "checkout_id": "maestro:1", "status": "GOOD"},
        {"id": "maestro:c", "origin": "maestro"},
        {"id": "maestro:d", "origin": "maestro", "checkout_id": "maestro:1"},
    ]);
    let answer = site.post("/submit", MAESTRO, &wrong).await;
    assert_eq!(
        (answer.status, &answer.body["status"], &answer.body["reason"]),
        (400, &json!("error"), &json!("invalid"))
    );
    let errors = answer.body["errors"].as_array().unwrap();
    let is = |error: &Value, id: &str, says: &str| {
        error[0] == "builds" && error[1] == id && error[2].as_str().unwrap().contains(says)
    };
    assert!(errors.len() == 2 && is(&errors[0], "maestro:b", "status"), "{errors:?}");
    assert!(is(&errors[1], "maestro:c", "checkout_id"), "{errors:?}");
    // A submission is one unit: no part is kept; it is stored once as a rejected message.
    site.post("/submit", MAESTRO, &wrong).await;
    let count = "SELECT count(DISTINCT id)::text FROM refused";
    assert_eq!((rows(&db).await.0, render::rows(&db.store, count).await.join("")), (0, "1".to_owned()));
    let id = answer.body["id"].as_str().unwrap();
    let status = site.get(&format!("/status?id={id}"), MAESTRO).await;
    assert_eq!((status.status, &status.body["status"]), (200, &json!("failed")));
    assert!(status.body["detail"].as_str().unwrap().contains("status"), "{status:?}");
    // It may be replayed successfully later: then it counts as kept.
    let receipt = format!("INSERT INTO kcidb_receipts (id, submitter, objects) VALUES ('{id}', 'maestro', 4)");
    db.store.script(&receipt, deadline()).await.unwrap();
    assert_eq!(site.get(&format!("/status?id={id}"), MAESTRO).await.body["status"], json!("processed"));

    for (body, said) in [
        ("{", "not-json"),
        ("", "empty"),
        ("[]", "empty"),
        ("\u{1}", "not-json"),
        (r#"{"version":{"major":5,"minor":3}} {"version":{"major":5,"minor":3}}"#, "several"),
        (r#"{"data":"test"}"#, "invalid"),
        (r#"{"data":{"version":{"major":9}}}"#, "invalid"),
        (r#"{"x":1}"#, "invalid"),
    ] {
        let answer = site.call(Method::POST, "/submit", MAESTRO, body).await;
        assert_eq!((answer.status, &answer.body["reason"]), (400, &json!(said)), "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn a_token_is_for_its_origins_and_for_nothing_else() {
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    let mut foreign = submission("maestro:1");
    foreign["tests"] = json!([
        {"id": "redhat:t", "origin": "redhat", "build_id": "maestro:b"},
        {"id": "redhat:u", "origin": "maestro", "build_id": "maestro:b"},
    ]);
    let answer = site.post("/submit", MAESTRO, &foreign).await;
    assert_eq!((answer.status, answer.body["errors"].as_array().unwrap().len()), (403, 2), "{answer:?}");
    assert!(answer.body["errors"][0][2].as_str().unwrap().starts_with("origin: "));
    assert!(answer.body["errors"][1][2].as_str().unwrap().starts_with("id: "));
    assert_eq!(rows(&db).await, (0, 0), "nor is it kept anywhere");
    // Wrong and foreign: wrong, and still nothing is written that is not its own to write.
    foreign["builds"][0]["status"] = json!("GOOD");
    assert_eq!(site.post("/submit", MAESTRO, &foreign).await.status, 400);
    assert_eq!(rows(&db).await.0, 0);

    // Messages of other sources are rejected here, in any encoding.
    let konflux = json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "x", "uid": "u"},
        "version": {"major": 5, "minor": 3},
    });
    let bot = json!({"name": "a", "status": "ok"});
    let wrapped = json!({
        "Type": "Notification", "MessageId": "m", "Message": bot.to_string(),
        "MessageAttributes": {"source": {"Type": "String", "Value": "bot"}},
    });
    let both =
        json!({"version": {"major": 5, "minor": 3}, "event": "job:finish", "payload": {"id": 1, "state": "passed"}});
    for body in [&konflux, &bot, &wrapped, &both, &json!({"data": bot})] {
        let answer = site.post("/submit", ALL, body).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    for table in ["pipelineruns", "bots", "travis_pending"] {
        assert_eq!(render::rows(&db.store, &format!("SELECT 1::text FROM {table}")).await.len(), 0, "{table}");
    }
    let sub = signed(&json!({"origin": "maestro"}));
    assert_eq!(site.post("/submit", &sub, &submission("maestro:9")).await.status, 200);
    assert_eq!(site.post("/submit", &signed(&json!({"origin": "redhat"})), &submission("maestro:8")).await.status, 403);
    assert_eq!(site.post("/submit", &signed(&json!({"sub": "1"})), &submission("maestro:8")).await.status, 403);
    assert_eq!(site.post("/submit", CRON, &submission("maestro:8")).await.status, 403);
    for headers in [&[][..], &[("authorization", "Bearer no-such-token-at-all")], &[("authorization", "Basic eDp5")]] {
        for (method, path) in [(Method::POST, "/submit"), (Method::GET, "/status?id=a")] {
            let answer = site.send(method, path, headers, submission("maestro:8").to_string().into()).await;
            assert_eq!((answer.status, &answer.headers["www-authenticate"]), (401, &"Bearer".parse().unwrap()));
            assert_eq!((&answer.body["id"], &answer.body["status"]), (&json!("0"), &json!("error")));
        }
    }
}

#[tokio::test]
async fn bodies_have_bounds() {
    let db = support::database().await;
    let mut settings = Settings::default();
    settings.limits.decoded_bytes = 100_000;
    let small = Intake::new(db.store.clone(), settings, &open).unwrap();
    let site = serve(&db.store, small, &open).await;
    let mut large = submission("maestro:1");
    large["checkouts"][0]["misc"] = json!({"text": "x".repeat(99_000)});
    assert!(large.to_string().len() < 100_000);
    assert_eq!(site.post("/submit", ALL, &large).await.status, 200);
    large["checkouts"][0]["misc"] = json!({"text": "x".repeat(101_000)});
    assert_eq!(site.post("/submit", ALL, &large).await.status, 413);
    let bomb = gzip(large.to_string().as_bytes());
    assert!(bomb.len() < 2_000);
    let answer = site.call(Method::POST, "/submit", ALL, bomb).await;
    assert_eq!((answer.status, &answer.body["reason"]), (413, &json!("too-large")));
    for coding in ["br", "zstd", "gzip, br"] {
        let headers = [("authorization", &*format!("Bearer {ALL}")), ("content-encoding", coding)];
        let answer = site.send(Method::POST, "/submit", &headers, b"{}".to_vec()).await;
        assert_eq!(answer.status, 415, "{coding}");
    }
}

/// Forty requests at once of these tokens, of which none gets to the database before all others are answered: how many
/// of each token are accepted, and how many of all say that they kept something.
async fn accepted_of_many(tokens: &[&str]) -> (Vec<usize>, usize) {
    let db = support::database().await;
    let one = support::store_of(&db.url, 1);
    let site = serve(&one, intake(&one).waiting(support::LONGEST), &open).await;
    let body = submission("maestro:1");
    let places = 8 * tokens.len();
    let (held, released) = (Arc::new(Notify::new()), AtomicBool::new(false));
    // The only connection is not free while this is under way.
    let hold = one.in_tx("hold", deadline(), async |tx| {
        held.notify_one();
        while !released.load(Ordering::Relaxed) {
            tx.query("SELECT 1", &[]).await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    });
    let send = async {
        held.notified().await;
        let posts = (0..40).map(|number| {
            let token = number % tokens.len();
            let answer = site.post("/submit", tokens[token], &body);
            async move { (token, answer.await) }
        });
        let mut posts: FuturesUnordered<_> = posts.collect();
        for _ in places..40 {
            let (_, answer) = posts.next().await.unwrap();
            assert_eq!((answer.status, &answer.body["reason"]), (503, &json!("busy")), "{answer:?}");
            assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
        }
        released.store(true, Ordering::Relaxed);
        posts.collect::<Vec<_>>().await
    };
    let (held, answers) = tokio::join!(hold, send);
    held.unwrap();
    assert!(answers.iter().all(|(_, answer)| answer.status == 200), "{answers:?}");
    assert_eq!(rows(&db).await, (2, 0));
    let of = |token| answers.iter().filter(|(of, _)| *of == token).count();
    let kept = answers.iter().filter(|(_, answer)| answer.body["outcome"] == "kept").count();
    let receipts = render::rows(&db.store, "SELECT id FROM kcidb_receipts").await.len();
    assert_eq!(receipts, tokens.len(), "one of each token");
    ((0..tokens.len()).map(of).collect(), kept)
}

/// Sixteen requests are worked on at a time, and half of them are the most that one token has.
#[tokio::test]
async fn concurrent_submissions_are_kept_once_or_answered_to_retry() {
    assert_eq!(accepted_of_many(&[MAESTRO]).await, (vec![8], 1));
    assert_eq!(accepted_of_many(&[MAESTRO, ALL]).await, (vec![8, 8], 1));
}

#[tokio::test]
async fn without_the_database_nothing_is_accepted_and_retry_after_is_sent() {
    let away = support::store_of("postgres://none:x@127.0.0.1:1/none?sslmode=disable", 1);
    let site = serve(&away, intake(&away).waiting(Duration::from_millis(300)), &open).await;
    for answer in [
        site.post("/submit", MAESTRO, &submission("maestro:1")).await,
        site.get("/status?id=abc", MAESTRO).await,
        site.post("/bots", CRON, &json!({"name": "nightly-a", "status": "ok"})).await,
        site.call(Method::PATCH, "/jobs/1/state", &signed(&json!({"sub": "1"})), r#"{"new":"started"}"#).await,
    ] {
        assert_eq!((answer.status, &answer.body["reason"]), (503, &json!("away")), "{answer:?}");
        assert_eq!(answer.headers["retry-after"], "10");
    }
    // Without a token, the answer does not even say that.
    assert_eq!(site.post("/submit", "x", &json!({})).await.status, 401);
}

#[tokio::test]
async fn old_receipts_go() {
    let db = support::database().await;
    let old = "INSERT INTO kcidb_receipts SELECT 'old' || n, 'maestro', 1, now() - interval '91 days' FROM \
        generate_series(1, 150) n; \
               INSERT INTO kcidb_receipts SELECT 'new' || n, 'maestro', 1, now() - interval '89 days' FROM \
               generate_series(1, 5) n";
    db.store.script(old, deadline()).await.unwrap();
    let site = Site::open(&db.store).await;
    for number in 0..2 {
        assert_eq!(site.post("/submit", MAESTRO, &submission(&format!("maestro:{number}"))).await.status, 200);
    }
    assert_eq!(render::rows(&db.store, "SELECT id FROM kcidb_receipts").await.len(), 7);
}

/// Real submissions, a third of them, packed and posted one by one, give the rows that they give by the queue, to the
/// last stamp.
#[tokio::test]
async fn real_submissions_are_the_same_by_http_and_by_the_queue() {
    let Some(folder) = std::env::var("CONFORMANCE_DIR").ok().filter(|name| !name.is_empty()) else { return };
    let Ok(archive) = std::fs::read(project(&folder).join("samples/kcidb/submissions.zip")) else { return };
    let (posted, queued) = (support::database().await, support::database().await);
    let second = Arc::new(AtomicI64::new(0));
    let at = |second: i64| jiff::Timestamp::from_second(1_750_000_000 + second).unwrap();
    let clock = Arc::clone(&second);
    let site = serve(&posted.store, intake(&posted.store).at(move || at(clock.load(Ordering::Relaxed))), &open).await;
    let files = zip::files(&archive).into_iter().filter(|(name, _)| name.ends_with(".json")).step_by(3);
    let start = std::time::Instant::now();
    let mut deliveries = Vec::new();
    for (number, (name, body)) in (0..).zip(files) {
        second.store(number, Ordering::Relaxed);
        let answer = site.call(Method::POST, "/submit", ALL, gzip(&body)).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        let id = answer.body["id"].as_str().unwrap().to_owned();
        deliveries.push(Delivery { id, body, sent_at: Some(at(number)), ..Delivery::default() });
    }
    println!("{} submissions posted in {:.1} s (unoptimised)", deliveries.len(), start.elapsed().as_secs_f64());
    for batch in deliveries.chunks(100) {
        ingest(&queued.store, batch, &Settings::default(), deadline()).await;
    }
    for table in ["checkouts", "builds", "tests", "issues", "incidents", "log_excerpts", "occurrences"] {
        let sql = format!("SELECT (to_jsonb(t) - 'received_at')::text AS row FROM kcidb_{table} AS t ORDER BY 1");
        let (found, expected) = (render::rows(&posted.store, &sql).await, render::rows(&queued.store, &sql).await);
        assert!(found == expected, "{table}: {} rows beside {}", found.len(), expected.len());
    }
    let receipts = render::rows(&posted.store, "SELECT count(*)::text FROM kcidb_receipts").await;
    let ids: std::collections::BTreeSet<_> = deliveries.iter().map(|delivery| &delivery.id).collect();
    assert_eq!(receipts, [ids.len().to_string()]);
}
