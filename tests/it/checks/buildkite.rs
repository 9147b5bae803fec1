//! Checks of Buildkite builds.

use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use crate::support::{self, deadline, render};

/// An event of build `b` in a state, at a second; `more` replaces members of its detail, by their paths.
fn event(state: &str, second: u32, more: &[(&str, Value)]) -> Delivery {
    let mut detail = json!({
        "build": {"uuid": "b", "number": 7, "state": state, "blocked_state": null, "branch": "main",
            "commit": "AB".repeat(20), "started_at": "2026-03-10T09:00:00Z", "source": "webhook"},
        "pipeline": {"uuid": "p", "slug": "app", "repo": "https://ghe.acme.example/acme/app.git"},
        "organization": {"uuid": "o", "slug": "acme"},
    });
    for (path, value) in more {
        *detail.pointer_mut(path).unwrap() = value.clone();
    }
    let event = json!({"version": "0", "id": format!("{state} {second}"), "detail-type": "Build",
        "source": "aws.partner/buildkite.com/acme/1", "time": format!("2026-03-10T09:00:{second:02}Z"),
        "detail": detail});
    Delivery { id: format!("{state} {second}"), body: event.to_string().into_bytes(), ..Delivery::default() }
}

async fn take(store: &Store, deliveries: &[Delivery]) {
    let report = ingest(store, deliveries, &Settings::default(), deadline()).await;
    assert!(report.error.is_none(), "{:?}", report.error);
}

#[tokio::test]
async fn each_state_of_a_build_has_a_state_of_its_check() {
    let db = support::database().await;
    for (state, blocked, expected) in [
        ("scheduled", None, "pending"),
        ("started", None, "running"),
        ("failing", None, "failing"),
        ("passed", None, "passed"),
        ("failed", None, "failed"),
        ("blocked", None, "blocked"),
        ("blocked", Some("passed"), "blocked"),
        ("blocked", Some("failed"), "blocked_failed"),
        // Without a result it waits, and has not passed.
        ("blocked", Some("running"), "blocked"),
        ("canceling", None, "canceling"),
        ("canceled", None, "canceled"),
        ("skipped", None, "superseded"),
        ("not_run", None, "not_run"),
        ("a_new_one", None, "unknown"),
    ] {
        db.store.script("TRUNCATE buildkite_builds, checks", deadline()).await.unwrap();
        take(&db.store, &[event(state, 1, &[("/build/blocked_state", json!(blocked))])]).await;
        let found = render::rows(&db.store, "SELECT state || ' ' || original FROM checks").await;
        assert_eq!(found, [format!("{expected} {state}")]);
    }
    let sql = "SELECT concat_ws(' ', system, kind, key, stage, name, host, repo, sha, branch, lane, run, seq, url) \
               FROM checks";
    let sha = "ab".repeat(20);
    assert_eq!(
        render::rows(&db.store, sql).await,
        [format!(
            "buildkite buildkite_builds b build app ghe.acme.example acme/app {sha} main push b 7 \
             https://buildkite.com/acme/app/builds/7"
        )]
    );
}

#[tokio::test]
async fn a_schedule_has_a_lane_of_its_own_and_an_unresolved_commit_is_none() {
    let db = support::database().await;
    let more = [("/build/source", json!("schedule")), ("/build/commit", json!("HEAD"))];
    take(&db.store, &[event("passed", 1, &more)]).await;
    assert_eq!(
        render::rows(&db.store, "SELECT lane || ' ' || (sha IS NULL)::text FROM checks").await,
        ["schedule true"]
    );
}

/// A build that failed and was then repaired by a retried job has been bad, in whatever order its messages arrive.
#[tokio::test]
async fn a_failure_stays_known() {
    let db = support::database().await;
    let (failed, passed) = (event("failed", 1, &[]), event("passed", 9, &[]));
    let sql = "SELECT state || ' ' || ever_bad::text FROM checks";
    for batches in [
        vec![vec![failed.clone()], vec![passed.clone()]],
        vec![vec![passed.clone()], vec![failed.clone()]],
        vec![vec![passed.clone(), failed.clone()]],
        vec![vec![passed.clone()], vec![failed.clone(), passed.clone()]],
    ] {
        db.store.script("TRUNCATE buildkite_builds, checks", deadline()).await.unwrap();
        for batch in &batches {
            take(&db.store, batch).await;
        }
        assert_eq!(render::rows(&db.store, sql).await, ["passed true"]);
    }
    db.store.script("TRUNCATE buildkite_builds, checks", deadline()).await.unwrap();
    take(&db.store, &[passed]).await;
    assert_eq!(render::rows(&db.store, sql).await, ["passed false"]);
}

/// Texts that no index can hold are left out, and the message is kept.
#[tokio::test]
async fn a_text_that_is_too_long_for_an_index_harms_no_batch() {
    let db = support::database().await;
    // Random enough that PostgreSQL cannot compress it.
    let long: String =
        (0..9000_u32).map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 27) as u8 % 26)).collect();
    let more = [("/build/branch", json!(long)), ("/pipeline/slug", json!(long))];
    take(&db.store, &[event("passed", 1, &more)]).await;
    let found =
        render::rows(&db.store, "SELECT state || ' ' || (branch IS NULL)::text || ' ' || length(name) FROM checks")
            .await;
    assert_eq!(found, ["passed true 1000"]);
}
