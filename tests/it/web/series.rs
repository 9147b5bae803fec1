//! What is broken now, the history of a series, and the formats for other programs.

use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use super::{Site, take};
use crate::support;

const NOW: &str = "2026-03-10T12:00:00Z";

/// A commit: 40 times the digit.
fn sha(digit: &str) -> String {
    digit.repeat(40)
}

/// An event of a Buildkite build of `acme/app`, at a minute.
fn build(minute: u32, digit: &str, state: &str, branch: &str) -> Delivery {
    let event = json!({"version": "0", "id": format!("{minute} {state}"), "detail-type": "Build",
    "source": "aws.partner/buildkite.com/acme/1", "time": format!("2026-03-10T09:{minute:02}:30Z"),
    "detail": {
        "build": {"uuid": format!("b{minute}"), "number": minute, "state": state, "branch": branch,
            "commit": sha(digit), "started_at": format!("2026-03-10T09:{minute:02}:00Z"), "source": "webhook"},
        "pipeline": {"uuid": "p", "slug": "app", "repo": "https://gitlab.example/acme/app.git"},
        "organization": {"uuid": "o", "slug": "acme"},
    }});
    Delivery { id: format!("{minute} {state}"), body: event.to_string().into_bytes(), ..Delivery::default() }
}

/// A push hook of GitLab; a commit of zeros deletes the branch.
fn push(minute: u32, before: &str, after: &str, branch: &str) -> Delivery {
    let body = json!({"object_kind": "push", "before": sha(before), "after": sha(after),
        "ref": format!("refs/heads/{branch}"), "project_id": 7, "user_username": "ada",
        "project": {"id": 7, "path_with_namespace": "acme/app", "default_branch": "main",
            "web_url": "https://gitlab.example/acme/app"},
        "commits": [{"id": sha(after), "title": format!("Change {after}"), "author": {"name": "Ada"},
            "timestamp": "2026-03-10T08:00:00Z", "url": format!("https://gitlab.example/acme/app/-/commit/{after}")}],
        "total_commits_count": 1});
    let sent_at = format!("2026-03-10T09:{minute:02}:00Z").parse().ok();
    let id = format!("push {minute} {branch}");
    Delivery { id, body: body.to_string().into_bytes(), sent_at, ..Delivery::default() }
}

/// Good `a`, bad `b` and `c`; each pushed in its minute.
fn broken() -> Vec<Delivery> {
    vec![
        push(1, "0", "a", "main"),
        build(2, "a", "passed", "main"),
        push(3, "a", "b", "main"),
        build(4, "b", "failed", "main"),
        push(5, "b", "c", "main"),
        build(6, "c", "failed", "main"),
    ]
}

#[tokio::test]
async fn what_is_broken_names_the_last_good_and_the_first_bad_commit_and_who_pushed_it() {
    let db = support::database().await;
    // A rerun of the good commit that ends last changes nothing: `b` and `c` were pushed after it.
    let mut messages = broken();
    messages.push(build(9, "a", "passed", "main"));
    messages.push(build(10, "d", "failed", "topic"));
    messages.reverse();
    take(&db.store, &messages).await;
    let site = Site::of(&db.store, NOW).await;
    let found = site.json("/api/v1/broken").await;
    let all = found["results"].as_array().unwrap();
    assert_eq!(all.len(), 1, "{found}");
    let series = &all[0];
    let fields = ["system", "repo", "branch", "name", "state", "first_point", "before_point", "sha", "count", "since"];
    let expected = json!([
        "buildkite",
        "acme/app",
        "main",
        "app",
        "failed",
        sha("b"),
        sha("a"),
        sha("c"),
        2,
        "2026-03-10T09:04:30Z"
    ]);
    assert_eq!(json!(fields.map(|field| &series[field])), expected);
    let suspects = [(&series["suspects"][0]["sha"], &series["suspects"][0]["author"])];
    assert_eq!((suspects, series["suspects"].as_array().map(Vec::len)), ([(&json!(sha("b")), &json!("Ada"))], Some(1)));
    assert_eq!(series["suspects_complete"], true);
    // Other branches on request.
    for query in ["branch=topic", "all=1&name=AP", "all=1&lane=push&system=buildkite"] {
        let found = site.json(&format!("/api/v1/broken?{query}")).await;
        let branches: Vec<&str> =
            found["results"].as_array().unwrap().iter().filter_map(|s| s["branch"].as_str()).collect();
        assert!(branches.contains(&"topic"), "{query}: {branches:?}");
    }
    let overview = site.get("/").await.body;
    assert!(overview.contains("Broken now") && overview.contains("buildkite app"), "{overview}");
    let counts = &site.json("/api/v1/summary").await["broken"];
    assert_eq!(*counts, json!([{"system": "buildkite", "lane": "push", "broken": 1}]));
    let page = site.get("/broken").await;
    assert!(page.body.contains("Broken now") && page.body.contains("Ada"), "{}", page.body);
    let metrics = site.get("/metrics").await;
    assert!(
        metrics.body.contains("hummingbird_series_broken{system=\"buildkite\",lane=\"push\"} 1\n"),
        "{}",
        metrics.body
    );
}

#[tokio::test]
async fn a_fix_ends_it_and_both_changes_are_in_the_history_and_in_the_feed() {
    let db = support::database().await;
    let mut messages = broken();
    take(&db.store, &messages).await;
    let site = Site::of(&db.store, NOW).await;
    let id = site.json("/api/v1/broken").await["results"][0]["id"].as_str().unwrap().to_owned();
    messages.extend([push(7, "c", "d", "main"), build(8, "d", "passed", "main")]);
    take(&db.store, &messages[6..]).await;
    assert_eq!(site.json("/api/v1/broken").await["results"], json!([]));
    let found = site.json(&format!("/api/v1/series/{id}")).await;
    let history: Vec<(&Value, &Value)> =
        found["history"].as_array().unwrap().iter().map(|r| (&r["sha"], &r["transition"])).collect();
    let expected = [("d", json!("fixed")), ("c", Value::Null), ("b", json!("broken")), ("a", Value::Null)];
    let expected: Vec<(Value, Value)> = expected.map(|(digit, change)| (json!(sha(digit)), change)).into();
    assert_eq!(history, expected.iter().map(|(sha, change)| (sha, change)).collect::<Vec<_>>());
    let feed = site.get("/feed/transitions.atom").await;
    for title in ["buildkite app broken: acme/app main", "buildkite app fixed: acme/app main"] {
        assert!(feed.body.contains(title), "{}", feed.body);
    }
    assert!(site.get(&format!("/series/{id}")).await.body.contains("fixed"));
    assert_eq!(site.get("/api/v1/series/00000000-0000-0000-0000-000000000000").await.status, 404);
    assert_eq!(site.get("/api/v1/series/x").await.status, 404);
}

#[tokio::test]
async fn a_deleted_branch_has_no_series_and_a_new_one_of_its_name_begins_anew() {
    let db = support::database().await;
    let deletion = push(20, "b", "0", "topic");
    take(&db.store, &[build(4, "b", "failed", "topic")]).await;
    let site = Site::of(&db.store, NOW).await;
    let id = site.json("/api/v1/broken?branch=topic").await["results"][0]["id"].as_str().unwrap().to_owned();
    take(&db.store, std::slice::from_ref(&deletion)).await;
    assert_eq!(site.json("/api/v1/broken?branch=topic").await["results"], json!([]));
    assert_eq!(site.get(&format!("/api/v1/series/{id}")).await.status, 404);
    take(&db.store, &[build(30, "c", "failed", "topic")]).await;
    // The hook that deleted the branch, sent again: it does not delete the new branch.
    let again = Delivery { id: "again".into(), sent_at: "2026-03-10T11:00:00Z".parse().ok(), ..deletion };
    take(&db.store, &[again]).await;
    let found = site.json("/api/v1/broken?branch=topic").await;
    assert_eq!(
        (&found["results"][0]["first_point"], &found["results"][0]["before_point"]),
        (&json!(sha("c")), &Value::Null)
    );
}

#[tokio::test]
async fn monitors_of_builds_get_the_state_of_each_series() {
    let db = support::database().await;
    take(&db.store, &broken()).await;
    let site = Site::of(&db.store, NOW).await;
    let answer = site.get_with("/cctray.xml", &[("host", "status.example")]).await;
    assert_eq!(answer.status, 200);
    let xml = &answer.body;
    for part in [
        "name=\"buildkite gitlab.example acme/app main app\"",
        "lastBuildStatus=\"Failure\"",
        "activity=\"Sleeping\"",
        &format!("lastBuildLabel=\"{}\"", sha("c")),
        "lastBuildTime=\"2026-03-10T09:06:30Z\"",
        "webUrl=\"https://buildkite.com/acme/app/builds/6\"",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    assert!(site.get("/cctray.xml?branch=other").await.body.contains("<Projects></Projects>"));
    assert_eq!(site.get("/cctray.xml?lane=mr").await.status, 400);
}
