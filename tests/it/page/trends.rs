//! The four measures of DORA and flaky tests, over rows whose answers can be counted by hand.

use serde_json::{Value, json};

use super::{NOW, Site};
use crate::support::{self, deadline};

/// An application with releases at 10:00 (good), 11:00 (bad), 11:30 (bad), 12:00 (good); the commits were pushed one hour
/// before each, and the last one three hours before. A pipeline of Buildkite that is broken. A build of a pull request and one of another
/// branch, which deliver nothing. Runs of three tests: one that did both on a commit, one that always fails, one that
/// failed twice in six runs on other commits each.
const ROWS: &str = "
INSERT INTO releases (name, uid, resource_version, rank, tie, application, sha, state, attempt_count, attempts, conditions,
    created_at, finished_at, message_id)
SELECT 'r' || n, 'u' || n, 1, 1, 0, 'app', 'sha' || n, CASE WHEN n IN (1, 4) THEN 'succeeded' ELSE 'failed' END, 1, '[]', '[]', at, at, 'm'
FROM (VALUES (1, '2026-03-10T10:00:00Z'::timestamptz), (2, '2026-03-10T11:00:00Z'), (3, '2026-03-10T11:30:00Z'),
    (4, '2026-03-10T12:00:00Z')) AS v (n, at);
INSERT INTO gitlab_pushes (sha, repo, ref, pushed_at, commit_count, changed_files, files_complete, message_id) VALUES
    ('sha1', 'g/p', 'main', '2026-03-10T09:00:00Z', 1, '{}', true, 'm'), ('sha1', 'g/p', 'other', '2026-03-10T09:30:00Z', 1, '{}', true, 'm'),
    ('sha2', 'g/p', 'main', '2026-03-10T10:00:00Z', 1, '{}', true, 'm'), ('sha4', 'g/p', 'main', '2026-03-10T09:00:00Z', 1, '{}', true, 'm');
INSERT INTO buildkite_builds (id, number, state, branch, pipeline, event_at, message_id) VALUES
    ('b1', 1, 'failed', 'main', 'pipe', '2026-03-10T10:00:00Z', 'm'), ('b2', 2, 'failed', 'work', 'work', '2026-03-10T10:00:00Z', 'm');
INSERT INTO travis_builds (id, repository_id, state, branch, event_type, finished_at, message_id, message_at) VALUES
    (1, 9, 'passed', 'main', 'pull_request', '2026-03-10T10:00:00Z', 'm', '2026-03-10T10:00:00Z');
INSERT INTO pipelineruns (name, uid, resource_version, created_at, rank, tie, type, component, sha, scenario, state, results, labels, message_id)
SELECT v.scenario || n, v.scenario || n, 1, '2026-03-10T10:00:00Z', 1, 0, 'test', 'c', CASE WHEN v.scenario = 'both' THEN 'sha' ELSE 'sha' || n END,
    v.scenario, CASE WHEN n <= v.failed THEN 'failed' ELSE 'succeeded' END, '[]', '{}', 'm'
FROM (VALUES ('both', 2, 1), ('broken', 6, 6), ('now-and-then', 6, 2), ('sound', 6, 1)) AS v (scenario, runs, failed),
    generate_series(1, v.runs) AS n;
UPDATE pipelineruns SET state = 'succeeded', verdict = 'failed' WHERE name = 'now-and-then1'";

#[tokio::test]
async fn delivery_and_flaky_tests_are_counted() {
    let db = support::database().await;
    let site = Site::of(&db.store, NOW).await;
    assert!(site.get("/trends").await.body.contains("Nothing was delivered"));
    db.store.script(ROWS, deadline()).await.unwrap();
    let trends = site.json("/api/v1/trends").await;
    let expected = json!([
        {"system": "buildkite", "project": "pipe", "deployments": 0, "failed": 1, "lead_p50": null, "lead_p90": null,
            "restore_p50": null, "broken": true},
        {"system": "konflux", "project": "app", "deployments": 2, "failed": 2, "lead_p50": 7200.0, "lead_p90": 10080.0,
            "restore_p50": 3600.0, "broken": false},
    ]);
    assert_eq!(trends["projects"], expected);
    let flaky: Vec<&Value> = trends["flaky"].as_array().unwrap().iter().collect();
    let named = |name: &str, runs: i64, failed: i64, both: i64| json!({"component": "c", "scenario": name, "runs": runs, "failed": failed, "commits_with_both": both});
    assert_eq!(flaky, [&named("both", 2, 1, 1), &named("now-and-then", 6, 2, 0)]);
    let later = Site::of(&db.store, "2026-04-10T13:00:00Z").await;
    assert_eq!(later.json("/api/v1/trends?days=30").await["projects"], json!([]));
    assert_eq!(later.json("/api/v1/trends?days=90").await["projects"], expected);
    let page = site.get("/trends").await.body;
    assert!(page.contains("broken") && page.contains("50.0 %") && page.contains("33.3 %"), "{page}");
}

/// The views say the same as the page.
#[tokio::test]
async fn the_views_tell_the_same() {
    let db = support::database().await;
    db.store.script(ROWS, deadline()).await.unwrap();
    let rows = async |sql: &str| support::render::rows(&db.store, sql).await;
    assert_eq!(
        rows("SELECT id || ' ' || lead_time FROM dora_lead_times ORDER BY id").await,
        ["r1 01:00:00", "r4 03:00:00"]
    );
    assert_eq!(
        rows("SELECT id || ' ' || coalesce(time_to_restore::text, 'broken') FROM dora_time_to_restore ORDER BY id")
            .await,
        ["b1 broken", "r2 01:00:00"]
    );
    assert_eq!(
        rows("SELECT system || ' ' || failed || '/' || deployments || ' ' || rate FROM dora_change_failure_rate ORDER BY 1").await,
        ["buildkite 1/1 1", "konflux 2/4 0.5"]
    );
    assert_eq!(
        rows("SELECT system || ' ' || week::date || ' ' || deployments FROM dora_deployment_frequency ORDER BY 1")
            .await,
        ["konflux 2026-03-09 2"]
    );
}
