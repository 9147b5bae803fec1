//! States of jobs over HTTP. The recorded cases of upstream run in `conformance/travis.rs`, against the same routes.

use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, CRON, OPERATORS, Site, signed};
use crate::support::{self, Db, deadline, render};

/// A build with two jobs, 11 and 12.
async fn built() -> Db {
    let db = support::database().await;
    let job = |id: u32| json!({"id": id, "number": format!("1.{id}"), "state": "created"});
    let create = json!({"event": "build:create", "payload": {
        "id": 1, "number": "1", "event_type": "push", "state": "created",
        "repository": {"id": 1, "owner_name": "acme", "name": "app"}, "jobs": [job(11), job(12)],
    }});
    let delivery = Delivery { id: "c".to_owned(), body: create.to_string().into_bytes(), ..Delivery::default() };
    let report = ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
    assert_eq!(report.counts().kept, 1, "{:?}", report.reasons);
    db
}

async fn patch(site: &Site, job: &str, token: &str, body: &Value) -> Answer {
    site.call(Method::PATCH, &format!("/jobs/{job}/state"), token, body.to_string()).await
}

#[tokio::test]
async fn a_worker_reports_its_job() {
    let db = built().await;
    let site = Site::open(&db.store).await;
    let token = signed(&json!({"sub": "11"}));
    let now = jiff::Timestamp::now().as_second();
    for (new, status, state) in [
        ("received", 200, "received"),
        ("started", 200, "started"),
        ("started", 200, "started"),
        ("received", 409, "started"),
        ("passed", 200, "passed"),
        ("passed", 200, "passed"),
        ("failed", 200, "failed"),
        ("cancelled", 409, "failed"),
    ] {
        let answer = patch(&site, "11", &token, &json!({"new": new, "id": 12, "state": "canceled"})).await;
        let why = answer.body["message"].as_str().unwrap_or_default();
        assert_eq!(
            (answer.status, &answer.body["id"], &answer.body["state"]),
            (status, &json!(11), &json!(state)),
            "{new}"
        );
        assert_eq!(why.is_empty(), status == 200, "{new}: {why}");
    }
    let states = "SELECT id || ' ' || state FROM travis_jobs ORDER BY id";
    assert_eq!(
        render::rows(&db.store, states).await,
        ["11 failed", "12 created"],
        "the address says which, not the body"
    );
    let events = render::rows(&db.store, "SELECT event FROM outbox WHERE event LIKE 'job:%' ORDER BY id").await;
    let count = |event: &str| events.iter().filter(|other| *other == event).count();
    assert_eq!((count("job:received"), count("job:started")), (1, 1), "{events:?}");

    for (job, token, status) in [
        ("12", &token, 403),
        ("11", &signed(&json!({"sub": "11", "exp": now - 120})), 401),
        ("11", &signed(&json!({"sub": "11", "nbf": now + 120})), 401),
        ("11", &signed(&json!({"origin": "maestro"})), 403),
        ("11", &token[..token.len() - 2].to_owned(), 401),
        ("11", &CRON.to_owned(), 403),
        ("99", &signed(&json!({"sub": 99})), 404),
        ("x", &token, 404),
        ("-1", &token, 404),
    ] {
        assert_eq!(patch(&site, job, token, &json!({"new": "started"})).await.status, status, "{job} {token}");
    }
    let all = "SELECT to_jsonb(j)::text FROM travis_jobs AS j WHERE id = 12 UNION ALL SELECT id FROM refused \
               UNION ALL SELECT 'pending' FROM travis_pending";
    let before = render::rows(&db.store, all).await;
    for (body, reason) in [
        (json!({"new": "canceled"}), "unknown-state"),
        (json!({"old": "x"}), "bad-field"),
        // A time is a detail: it is left out.
        (json!({"new": "started", "started_at": 7}), ""),
        (json!({"new": "started", "event": "build:cancel", "payload": {"id": 1}}), ""),
    ] {
        let answer = patch(&site, "12", OPERATORS, &body).await;
        if reason.is_empty() {
            // Whatever else it says, it is a report about this job.
            assert_eq!(answer.status, 200, "{answer:?}");
        } else {
            assert_eq!((answer.status, &answer.body["reason"]), (400, &json!(reason)), "{body}");
            assert_eq!(render::rows(&db.store, all).await, before);
        }
    }
}

#[tokio::test]
async fn the_worker_of_a_canceled_job_is_answered_to_stop() {
    let db = built().await;
    let site = Site::open(&db.store).await;
    let token = signed(&json!({"sub": "11"}));
    assert_eq!(patch(&site, "11", &token, &json!({"new": "cancelled"})).await.status, 200);
    for new in ["received", "started", "passed", "created", "cancelled"] {
        let answer = patch(&site, "11", &token, &json!({"new": new})).await;
        assert_eq!((answer.status, &answer.body["state"]), (409, &json!("canceled")), "{new}");
    }
}

/// Eight workers that say the same at once: the job moves once.
#[tokio::test]
async fn reports_at_once_are_one() {
    let db = built().await;
    let site = Site::open(&db.store).await;
    let token = signed(&json!({"sub": "11"}));
    let body = json!({"new": "started", "started_at": "2026-03-10T10:00:00Z"});
    let answers = futures_util::future::join_all((0..8).map(|_| patch(&site, "11", &token, &body))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let events = "SELECT event FROM outbox WHERE event = 'job:started'";
    assert_eq!(render::rows(&db.store, events).await.len(), 1);
}
