//! The four measures of DORA, stages and flaky tests, for rows with results that can be computed by hand.

use serde_json::{Value, json};

use super::{NOW, Site};
use crate::support::{self, deadline};

/// An application with releases at 10:00 (good), 11:00 (bad), 11:30 (bad), 12:00 (good); the commits were pushed one
/// hour before each, and the last one three hours before. A pipeline of Buildkite that is broken. A build of a pull
/// request and one of another branch, which deliver nothing. Runs of three tests: one that did both on a commit, one
/// that always fails, one that failed twice in six runs on other commits each.
const ROWS: &str = "
INSERT INTO releases (name, uid, resource_version, rank, tie, application, sha, state, attempt_count, attempts, \
conditions,
    created_at, finished_at, message_id)
SELECT 'r' || n, 'u' || n, 1, 1, 0, 'app', 'sha' || n, CASE WHEN n IN (1, 4) THEN 'succeeded' ELSE 'failed' END, 1, \
'[]', '[]', at, at, 'm'
FROM (VALUES (1, '2026-03-10T10:00:00Z'::timestamptz), (2, '2026-03-10T11:00:00Z'), (3, '2026-03-10T11:30:00Z'),
    (4, '2026-03-10T12:00:00Z')) AS v (n, at);
INSERT INTO gitlab_pushes (sha, repo, ref, pushed_at, commit_count, changed_files, files_complete, message_id) VALUES
    ('sha1', 'g/p', 'main', '2026-03-10T09:00:00Z', 1, '{}', true, 'm'), ('sha1', 'g/p', 'other', \
    '2026-03-10T09:30:00Z', 1, '{}', true, 'm'),
    ('sha2', 'g/p', 'main', '2026-03-10T10:00:00Z', 1, '{}', true, 'm'), ('sha4', 'g/p', 'main', \
    '2026-03-10T09:00:00Z', 1, '{}', true, 'm');
INSERT INTO buildkite_builds (id, number, state, branch, pipeline, event_at, message_id) VALUES
    ('b1', 1, 'failed', 'main', 'pipe', '2026-03-10T10:00:00Z', 'm'), ('b2', 2, 'failed', 'work', 'work', \
    '2026-03-10T10:00:00Z', 'm');
INSERT INTO travis_builds (id, repository_id, state, branch, event_type, finished_at, message_id, message_at) VALUES
    (1, 9, 'passed', 'main', 'pull_request', '2026-03-10T10:00:00Z', 'm', '2026-03-10T10:00:00Z');
INSERT INTO pipelineruns (name, uid, resource_version, created_at, rank, tie, type, component, sha, scenario, state, \
results, labels, message_id)
SELECT v.scenario || n, v.scenario || n, 1, '2026-03-10T10:00:00Z', 1, 0, 'test', 'c', CASE WHEN v.scenario = 'both' \
THEN 'sha' ELSE 'sha' || n END,
    v.scenario, CASE WHEN n <= v.failed THEN 'failed' ELSE 'succeeded' END, '[]', '{}', 'm'
FROM (VALUES ('both', 2, 1), ('broken', 6, 6), ('now-and-then', 6, 2), ('sound', 6, 1)) AS v (scenario, runs, failed),
    generate_series(1, v.runs) AS n;
UPDATE pipelineruns SET state = 'succeeded', verdict = 'failed' WHERE name = 'now-and-then1'";

#[tokio::test]
async fn delivery_and_flaky_tests_are_counted() {
    let db = support::database().await;
    let site = Site::of(&db.store, NOW).await;
    assert!(site.get("/trends").await.body.contains("No deliveries in this period"));
    db.store.script(ROWS, deadline()).await.unwrap();
    let trends = site.json("/api/v1/trends").await;
    let expected = |since: &str| {
        json!([
            {"system": "buildkite", "project": "pipe", "deployments": 0, "failed": 1, "lead_p50": null,
            "lead_p90": null,
                "restore_p50": null, "broken": true, "since": since},
            {"system": "konflux", "project": "app", "deployments": 2, "failed": 2, "lead_p50": 7200.0,
            "lead_p90": 10080.0,
                "restore_p50": 3600.0, "broken": false, "since": since},
        ])
    };
    // Nothing is known of the time before the first one.
    assert_eq!(trends["projects"], expected("2026-03-10T10:00:00Z"));
    let flaky: Vec<&Value> = trends["flaky"].as_array().unwrap().iter().collect();
    let named = |name: &str, runs: i64, failed: i64, both: i64| {
        json!({"component": "c", "scenario": name,
        "runs": runs, "failed": failed, "commits_with_both": both})
    };
    assert_eq!(flaky, [&named("both", 2, 1, 1), &named("now-and-then", 6, 2, 0)]);
    let later = Site::of(&db.store, "2026-04-10T13:00:00Z").await;
    assert_eq!(later.json("/api/v1/trends?days=30").await["projects"], json!([]));
    assert_eq!(later.json("/api/v1/trends?days=90").await["projects"], expected("2026-03-10T10:00:00Z"));
    let page = site.get("/trends").await.body;
    assert!(page.contains("broken") && page.contains("50.0 %") && page.contains("33.3 %"), "{page}");
}

/// The views say the same as the page.
#[tokio::test]
async fn the_views_agree_with_the_page() {
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
        rows(
            "SELECT system || ' ' || failed || '/' || deployments || ' ' || rate FROM dora_change_failure_rate ORDER \
            BY 1"
        )
        .await,
        ["buildkite 1/1 1", "konflux 2/4 0.5"]
    );
    assert_eq!(
        rows("SELECT system || ' ' || week::date || ' ' || deployments FROM dora_deployment_frequency ORDER BY 1")
            .await,
        ["konflux 2026-03-09 2"]
    );
}

/// A push that is released 50 minutes later, with known times between; a release of which no more than itself is known.
/// Two merge requests. A job of Travis that failed and passed, and one that failed twice.
const WAYS: &str = "
INSERT INTO gitlab_pushes (sha, repo, ref, pushed_at, commit_count, changed_files, files_complete, message_id) VALUES
    ('sha', 'g/p', 'main', '2026-03-10T09:00:00Z', 1, '{}', true, 'm');
INSERT INTO pipelineruns (name, uid, resource_version, created_at, started_at, finished_at, rank, tie, type, \
component, sha, snapshot, state, results, labels, message_id)
VALUES ('b', 'b', 1, '2026-03-10T09:01:00Z', '2026-03-10T09:02:00Z', '2026-03-10T09:12:00Z', 1, 0, 'build', 'c', \
'sha', NULL, 'succeeded', '[]', '{}', 'm'),
    ('t', 't', 1, '2026-03-10T09:14:00Z', '2026-03-10T09:15:00Z', '2026-03-10T09:33:00Z', 1, 0, 'test', 'c', 'sha', \
    's', 'succeeded', '[]', '{}', 'm');
INSERT INTO snapshots (name, uid, resource_version, created_at, rank, tie, component_count, source_plr, \
group_members, scenarios, conditions, message_id)
VALUES ('s', 's', 1, '2026-03-10T09:13:00Z', 1, 0, 1, 'b', '[]', '[]', '[]', 'm');
INSERT INTO releases (name, uid, resource_version, rank, tie, application, snapshot, state, attempt_count, attempts, \
conditions, created_at, finished_at, message_id)
VALUES ('r', 'r', 1, 1, 0, 'app', 's', 'succeeded', 1, '[]', '[]', '2026-03-10T09:43:00Z', '2026-03-10T09:50:00Z', 'm'),
    ('q', 'q', 1, 1, 0, 'more', NULL, 'succeeded', 1, '[]', '[]', '2026-03-10T09:00:00Z', '2026-03-10T09:21:00Z', 'm');
INSERT INTO gitlab_merge_requests (project, iid, state, state_rank, draft, labels, version_at, source, message_id, \
message_at, created_at, merged_at)
SELECT 'g/p', n, 'merged', 3, false, '{}', '2026-03-10T09:00:00Z', 'webhook', 'm', '2026-03-10T09:00:00Z',
    '2026-03-10T09:00:00Z'::timestamptz - n * interval '1 hour', '2026-03-10T09:00:00Z' FROM generate_series(1, 2) AS n;
INSERT INTO travis_jobs (id, build_id, repository_id, number, state, attempt, message_id, message_at) VALUES
    (1, 7, 3, '41.2', 'passed', 2, 'm', '2026-03-10T09:00:00Z'), (2, 7, 3, '41.1', 'failed', 2, 'm', \
    '2026-03-10T09:00:00Z');
INSERT INTO travis_job_versions (job_id, number, state, message_id, message_at) VALUES
    (1, 1, 'failed', 'm', '2026-03-10T09:00:00Z'), (2, 1, 'errored', 'm', '2026-03-10T09:00:00Z')";

#[tokio::test]
async fn stages_are_timed_and_flaky_jobs_found() {
    let db = support::database().await;
    db.store.script(WAYS, deadline()).await.unwrap();
    let trends = Site::of(&db.store, NOW).await.json("/api/v1/trends").await;
    let stages = trends["stages"].as_array().unwrap();
    let of = |application: Value| -> Vec<(&str, i64, f64, f64)> {
        let rows = stages.iter().filter(|row| row["application"] == application);
        let number = |row: &Value, key: &str| row[key].as_f64().unwrap();
        rows.map(|row| {
            (row["stage"].as_str().unwrap(), row["releases"].as_i64().unwrap(), number(row, "p50"), number(row, "p90"))
        })
        .collect()
    };
    let known = [
        ("build", 600.0),
        ("push to build", 60.0),
        ("queue", 60.0),
        ("release", 420.0),
        ("snapshot", 60.0),
        ("tests", 1200.0),
        ("wait", 600.0),
        ("whole", 3000.0),
    ];
    assert_eq!(of(json!("app")), known.map(|(stage, seconds)| (stage, 1, seconds, seconds)));
    assert_eq!(of(json!("more")), [("release", 1, 1260.0, 1260.0)]);
    assert!(of(Value::Null).contains(&("release", 2, 840.0, 1176.0)));
    let times = json!([{"project": null, "merged": 2, "p50": 5400.0, "p90": 6840.0}, {"project": "g/p", "merged": 2,
        "p50": 5400.0, "p90": 6840.0}]);
    assert_eq!(trends["merge_times"], times);
    let job = json!([{"repository": "3", "job": "2", "jobs": 1, "runs": 2, "failed": 1, "build": 7}]);
    assert_eq!(trends["flaky_jobs"], job);
    let later = Site::of(&db.store, "2026-04-10T13:00:00Z").await.json("/api/v1/trends").await;
    assert_eq!([&later["stages"], &later["merge_times"], &later["flaky_jobs"]], [&json!([]); 3]);
    let page = Site::of(&db.store, NOW).await.get("/trends").await.body;
    assert!(page.contains("50 min / 50 min") && page.contains("all applications"), "{page}");
}
