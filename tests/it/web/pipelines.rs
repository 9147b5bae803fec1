//! Pages of pipelines and environments.

use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use super::{NOW, Site, filled, take};
use crate::support::{self, deadline};

fn ids(list: &Value) -> Vec<i64> {
    list["results"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap() - 1_800_000_000).collect()
}

#[tokio::test]
async fn pipelines_are_listed_newest_change_first() {
    let db = filled().await;
    let site = Site::of(&db.store, NOW).await;
    let all = site.json("/api/v1/pipelines").await;
    assert!(ids(&all).len() >= 20, "{:?}", ids(&all));
    let times: Vec<&str> =
        all["results"].as_array().unwrap().iter().map(|row| row["version_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let of = async |query: &str| {
        let mut found = ids(&site.json(&format!("/api/v1/pipelines?{query}")).await);
        found.sort_unstable();
        found
    };
    assert_eq!(of("state=failed").await, [2, 9, 20]);
    assert_eq!(of("state=waiting").await, [10, 12]);
    assert_eq!(of("state=failed&branch=main").await, [9]);
    assert_eq!(of("project=rexample/rpms").await, [20]);
    assert_eq!(of("q=!260").await, [1]);
    let failing = all["results"].as_array().unwrap().iter().find(|row| row["id"] == 1_800_000_011_i64).unwrap();
    let shown = ["status", "state", "failed_job", "failure_reason"].map(|name| failing[name].as_str().unwrap());
    assert_eq!(shown, ["running", "failing", "test/unit", "script_failure"]);
    let body = site.get("/pipelines?state=failed").await.body;
    assert!(body.contains("test/nightly: stuck or timeout failure"), "{body}");
}

#[tokio::test]
async fn lists_of_pipelines_have_pages() {
    let db = support::database().await;
    let pipeline = |id: i64| {
        let attributes = json!({"id": id, "status": "success", "ref": "main",
            "created_at": format!("2026-03-10 10:00:{:02} UTC", id % 5)});
        let body = json!({"object_kind": "pipeline", "object_attributes": attributes, "builds": [],
            "project": {"id": 7, "path_with_namespace": "g/p", "web_url": "https://h/g/p"}});
        Delivery { id: format!("p{id}"), body: body.to_string().into_bytes(), ..Delivery::default() }
    };
    take(&db.store, &(1..=120).map(pipeline).collect::<Vec<_>>()).await;
    let site = Site::of(&db.store, NOW).await;
    for query in ["", "project=g/p&"] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = site.json(&format!("/api/v1/pipelines?{query}after={after}")).await;
            seen.extend(ids(&page).into_iter().map(|id| id + 1_800_000_000));
            let Some(next) = page["next"].as_str() else { break };
            after = next.replace('+', "%2B");
        }
        let mut sorted = seen.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=120).collect::<Vec<_>>());
    }
    for path in ["/pipelines?after=x", "/environments?after=x"] {
        assert_eq!(site.get(path).await.status, site.get("/builds?after=x").await.status, "{path}");
    }
}

#[tokio::test]
async fn a_pipeline_shows_what_failed_first() {
    let db = filled().await;
    let site = Site::of(&db.store, NOW).await;
    let body = site.get("/pipelines/gitlab.com/1800000012").await.body;
    let place = |text: &str| body.find(text).unwrap_or_else(|| panic!("{text}: {body}"));
    // The failed job with its reason comes before the table of jobs.
    assert!(place("blocked failed") < place("test/unit</a>: script failure"));
    assert!(place("test/unit</a>: script failure") < place("Jobs by stage"));
    let found = site.json("/api/v1/pipelines/gitlab.com/1800000001").await;
    assert_eq!((&found["pipeline"]["state"], &found["pipeline"]["mr_iid"]), (&json!("passed"), &json!(260)));
    assert_eq!(found["children"][0]["id"], 1_800_000_002_i64);
    let jobs: Vec<(i64, bool)> = found["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (job["id"].as_i64().unwrap() - 1_850_000_000, job["is_retried"].as_bool().unwrap()))
        .collect();
    assert_eq!(jobs, [(1, false), (3, false), (9, false), (2, true)]);
    let child = site.get("/pipelines/gitlab.com/1800000002").await.body;
    assert!(child.contains("href=\"/pipelines/gitlab.com/1800000001\""), "{child}");
    // What is not known here has no page to lead to.
    let downstream = site.get("/pipelines/gitlab.com/1800000003").await.body;
    assert!(downstream.contains("1790000001") && !downstream.contains("/pipelines/gitlab.com/1790000001"));
    let of_fork = site.get("/pipelines/gitlab.com/1800000020").await.body;
    assert!(of_fork.contains("!240") && !of_fork.contains("/mr/rexample"), "{of_fork}");
    for missing in ["/pipelines/gitlab.com/1", "/pipelines/x/1800000001", "/pipelines/gitlab.com/x"] {
        assert_eq!(site.get(missing).await.status, 404, "{missing}");
    }
}

/// What is deployed: the last success, even when the last deployment failed; with the merge request that it merged.
#[tokio::test]
async fn environments_show_what_is_deployed() {
    let db = filled().await;
    let site = Site::of(&db.store, NOW).await;
    let list = site.json("/api/v1/environments").await;
    let names = ["environment", "tier", "last_status", "deployment", "since"];
    let rows: Vec<String> = list["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| names.map(|name| row[name].as_str().unwrap_or("-").to_owned()).join(" "))
        .collect();
    assert_eq!(
        rows,
        [
            "production - blocked 1860000001 2026-03-10T12:02:05Z",
            "staging staging success 1860000002 2026-03-10T12:02:05Z"
        ]
    );
    assert_eq!(list["results"][0]["mr"], 231);
    assert_eq!(ids_of(&site.json("/api/v1/environments?tier=staging").await), ["staging"]);
    assert_eq!(ids_of(&site.json("/api/v1/environments?project=g/p").await), [""; 0]);
    let body = site.get("/environments").await.body;
    assert!(body.contains("/mr/redhat/hummingbird/rpms/231") && body.contains("blocked"), "{body}");
    // Without any success nothing is deployed.
    db.store.script("DELETE FROM gitlab_deployments WHERE status = 'success'", deadline()).await.unwrap();
    let list = site.json("/api/v1/environments").await;
    assert_eq!((ids_of(&list), &list["results"][0]["deployment"]), (vec!["production".to_owned()], &Value::Null));
}

fn ids_of(list: &Value) -> Vec<String> {
    list["results"].as_array().unwrap().iter().map(|row| row["environment"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn environments_have_pages() {
    let db = support::database().await;
    let rows =
        "INSERT INTO gitlab_deployments (host, id, project, environment, status, version_at, rank, content, message_id)
        SELECT 'h', n || '/' || m, 'g/p' || n % 3, 'review/' || n, 'success', now(), 3, n, 'm'
        FROM generate_series(1, 120) AS n, generate_series(1, 3) AS m";
    db.store.script(rows, deadline()).await.unwrap();
    let site = Site::of(&db.store, NOW).await;
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = site.json(&format!("/api/v1/environments?after={after}")).await;
        seen.extend(ids_of(&page));
        let Some(next) = page["next"].as_str() else { break };
        after = next.replace('+', "%2B");
    }
    assert_eq!(seen.len(), 120);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 120);
}
