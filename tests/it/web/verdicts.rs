//! Verdicts of commits and the list of checks: JSON, HTML, CSV, badges, and requests that wait.

use hummingbird_status::checks::store::register_rules;
use hummingbird_status::db::{Store, Tx};
use hummingbird_status::sources::Task;
use hummingbird_status::transport::Delivery;
use hummingbird_status::web::App;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Site, take};
use crate::support::{self, deadline, render};

/// Later than the messages of these tests by more than the time in which a verdict settles.
const NOW: &str = "2026-03-10T12:00:00Z";

/// An event of a Buildkite build of `acme/app` for a commit of repeated digits.
fn build(number: i64, digit: &str, state: &str, more: &[(&str, Value)]) -> Delivery {
    let mut detail = json!({
        "build": {"uuid": format!("b{number}"), "number": number, "state": state, "branch": "main",
            "commit": digit.repeat(40), "started_at": format!("2026-03-10T09:{number:02}:00Z"), "source": "webhook"},
        "pipeline": {"uuid": "p", "slug": "app", "repo": "https://ghe.acme.example/acme/app.git"},
        "organization": {"uuid": "o", "slug": "acme"},
    });
    for (path, value) in more {
        *detail.pointer_mut(path).unwrap() = value.clone();
    }
    let event = json!({"version": "0", "id": format!("{number} {state}"), "detail-type": "Build",
        "source": "aws.partner/buildkite.com/acme/1", "time": format!("2026-03-10T09:{number:02}:30Z"),
        "detail": detail});
    Delivery { id: format!("{number} {state}"), body: event.to_string().into_bytes(), ..Delivery::default() }
}

async fn rules(store: &Store, document: &str) {
    let register = async |tx: &mut Tx<'_>| register_rules(tx, document).await;
    store.in_tx("rules", deadline(), register).await.unwrap();
}

fn sha(digit: &str) -> String {
    digit.repeat(40)
}

#[tokio::test]
async fn the_commit_has_a_verdict_with_its_checks() {
    let db = support::database().await;
    take(&db.store, &[build(1, "a", "failed", &[]), build(2, "b", "passed", &[])]).await;
    let site = Site::of(&db.store, NOW).await;
    let found = site.json(&format!("/api/v1/commits/{}", sha("a"))).await;
    assert_eq!((&found["verdict"], &found["settled"]), (&json!("failed"), &json!(true)));
    assert_eq!(found["reasons"], json!([{"why": "failed", "of": ["buildkite:app"]}]));
    let check = &found["checks"][0];
    assert_eq!((&check["state"], &check["class"], &check["name"]), (&json!("failed"), &json!("bad"), &json!("app")));
    assert_eq!(check["url"], "https://buildkite.com/acme/app/builds/1");
    let short = site.json("/api/v1/verdict?sha=bbbb&repo=acme/app").await;
    assert_eq!((&short["verdict"], &short["sha"]), (&json!("passed"), &json!(sha("b"))));
    assert_eq!(short["counts"], json!({"ok": 1}));
    // The page and the JSON come from the same rows.
    let page = site.get(&format!("/commits/{}", sha("a"))).await;
    assert!(page.body.contains("buildkite:app"), "{}", page.body);
    // The version changes with the answer only.
    let answer = site.get(&format!("/api/v1/verdict?sha={}", sha("a"))).await;
    let tag = answer.headers["etag"].clone();
    assert_eq!(tag, format!("\"{}\"", found["version"].as_str().unwrap()));
    take(&db.store, &[build(1, "a", "failed", &[])]).await;
    let path = format!("/api/v1/commits/{}", sha("a"));
    assert_eq!(site.get_with(&path, &[("if-none-match", &tag)]).await.status, 304);
    take(&db.store, &[build(3, "a", "passed", &[])]).await;
    let again = site.get_with(&path, &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.headers["etag"] != tag), (200, true));
}

#[tokio::test]
async fn a_branch_has_the_verdict_of_its_newest_commit_and_a_rerun_of_an_old_one_changes_nothing() {
    let db = support::database().await;
    take(&db.store, &[build(1, "a", "passed", &[]), build(2, "b", "passed", &[])]).await;
    let site = Site::of(&db.store, NOW).await;
    let verdict = async |query: &str| site.json(&format!("/api/v1/verdict?repo=acme/app{query}")).await;
    assert_eq!(verdict("&branch=main").await["sha"], sha("b"));
    // Of the default branch, which is main where the host does not say.
    assert_eq!(verdict("").await["sha"], sha("b"));
    take(&db.store, &[build(3, "a", "failed", &[])]).await;
    let found = verdict("&branch=main").await;
    assert_eq!((&found["sha"], &found["verdict"]), (&json!(sha("b")), &json!("passed")));
    let unknown = verdict("&branch=other").await;
    assert_eq!(
        (&unknown["sha"], &unknown["verdict"], &unknown["settled"]),
        (&json!(null), &json!("none"), &json!(false))
    );
    for (name, text) in [("acme/app.svg", "passed"), ("acme/app.svg?branch=other", "no results")] {
        let badge = site.get(&format!("/badge/verdict/{name}")).await;
        assert!(badge.status == 200 && badge.body.contains(text), "{name}: {}", badge.body);
    }
}

#[tokio::test]
async fn the_same_commit_in_a_fork_changes_nothing() {
    let db = support::database().await;
    let fork = ("/pipeline/repo", json!("https://ghe.acme.example/fork/app.git"));
    take(&db.store, &[build(1, "a", "passed", &[]), build(2, "a", "failed", &[fork])]).await;
    let site = Site::of(&db.store, NOW).await;
    let verdict = async |query: &str| site.json(&format!("/api/v1/verdict?sha={}{query}", sha("a"))).await;
    assert_eq!(verdict("&repo=acme/app").await["verdict"], "passed");
    assert_eq!(verdict("&repo=fork/app").await["verdict"], "failed");
    let both = verdict("").await;
    assert_eq!(both["verdict"], "none");
    assert_eq!(
        both["reasons"][0],
        json!({"why": "ambiguous", "of": ["ghe.acme.example/acme/app", "ghe.acme.example/fork/app"]})
    );
}

/// A cancelled commit is no failure: a newer one replaced it, or a person stopped it.
#[tokio::test]
async fn a_cancelled_commit_is_superseded_or_blocked() {
    let db = support::database().await;
    take(&db.store, &[build(1, "a", "canceled", &[])]).await;
    let site = Site::of(&db.store, NOW).await;
    let verdict = async || {
        let found = site.json(&format!("/api/v1/verdict?sha={}", sha("a"))).await;
        (found["verdict"].clone(), found["reasons"][0]["why"].clone())
    };
    assert_eq!(verdict().await, (json!("blocked"), json!("canceled")));
    take(&db.store, &[build(2, "b", "started", &[])]).await;
    assert_eq!(verdict().await, (json!("none"), json!("superseded")));
}

#[tokio::test]
async fn rules_decide_what_counts() {
    let db = support::database().await;
    take(&db.store, &[build(1, "a", "failed", &[]), build(2, "a", "passed", &[("/pipeline/slug", json!("lint"))])])
        .await;
    let site = Site::of(&db.store, NOW).await;
    let path = format!("/api/v1/verdict?sha={}", sha("a"));
    assert_eq!(site.json(&path).await["verdict"], "failed");
    rules(&db.store, "[[rule]]\nrepositories = ['*/acme/*']\noptional = ['buildkite:app']").await;
    assert_eq!(site.json(&path).await["verdict"], "passed");
    rules(&db.store, "[[rule]]\noptional = ['buildkite:app']\nrequired = ['gitlab:build']\nmissing_after = '1h'").await;
    let found = site.json(&path).await;
    assert_eq!((&found["verdict"], &found["reasons"][0]["why"]), (&json!("blocked"), &json!("missing")));
    assert_eq!(render::rows(&db.store, "SELECT revision::text FROM verdict_rules").await, ["2"]);
}

#[tokio::test]
async fn rows_from_before_are_being_computed_until_they_are_projected() {
    let db = support::database().await;
    take(&db.store, &[build(1, "a", "passed", &[])]).await;
    let site = Site::of(&db.store, NOW).await;
    let before = site.json(&format!("/api/v1/verdict?sha={}", sha("a"))).await;
    let begin = "DELETE FROM checks; INSERT INTO check_projections (kind) VALUES ('buildkite_builds')";
    db.store.script(begin, deadline()).await.unwrap();
    let path = format!("/api/v1/commits/{}", sha("a"));
    let found = site.json(&path).await;
    assert_eq!((&found["verdict"], &found["reasons"][0]["why"]), (&json!("none"), &json!("being_computed")));
    support::run_task(&db.store, Task::Checks).await;
    let after = site.json(&format!("/api/v1/verdict?sha={}", sha("a"))).await;
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_page_of_checks_stays_as_it_is_while_checks_arrive() {
    let db = support::database().await;
    let all: Vec<Delivery> = (1..=30).map(|number| build(number, "a", "passed", &[])).collect();
    take(&db.store, &all).await;
    let site = Site::of(&db.store, NOW).await;
    let first = site.json("/api/v1/checks?limit=10&system=buildkite").await;
    let keys = |page: &Value| -> Vec<String> {
        page["results"].as_array().unwrap().iter().map(|check| check["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&first)[0], "b30");
    take(&db.store, &[build(31, "b", "failed", &[])]).await;
    let next = first["next"].as_str().unwrap();
    let second = site.json(&format!("/api/v1/checks?limit=10&system=buildkite&after={next}")).await;
    assert_eq!((keys(&second)[0].as_str(), keys(&second).len()), ("b20", 10));
    for (query, count) in [
        ("class=bad", 1),
        ("state=failed&name=AP", 1),
        ("repo=acme/app&branch=main", 31),
        ("kind=buildkite_builds&class=ok", 30),
        ("name=nothing", 0),
        ("system=travis", 0),
    ] {
        let found = site.json(&format!("/api/v1/checks?limit=500&{query}")).await;
        assert_eq!(found["results"].as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(site.get("/api/v1/checks?state=green").await.status, 400);
    assert!(site.get("/checks?class=bad").await.body.contains("acme/app"));
}

#[tokio::test]
async fn csv_has_no_formulas() {
    let db = support::database().await;
    take(
        &db.store,
        &[build(1, "a", "passed", &[("/pipeline/slug", json!("=cmd()")), ("/build/branch", json!("@x,\"y"))])],
    )
    .await;
    let site = Site::of(&db.store, NOW).await;
    let answer = site.get("/api/v1/checks?format=csv").await;
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    assert!(answer.body.contains(",'=cmd(),") && answer.body.contains(",\"'@x,\"\"y\","), "{}", answer.body);
    assert_eq!(site.get("/api/v1/builds?format=csv").await.status, 400);
}

/// A request waits for a settled verdict, and is answered as soon as the change is committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_for_the_verdict() {
    let db = support::database().await;
    rules(&db.store, "[[rule]]\nsettle = '0s'").await;
    let now: Timestamp = NOW.parse().unwrap();
    let site = Site::serving(App::new(db.store.clone()).at(move || now).waiting()).await;
    let path = format!("/api/v1/verdict?wait=25&repo=acme/app&sha={}", sha("a"));
    let asked = tokio::spawn({
        let (client, address) = (site.client.clone(), format!("{}{path}", site.base));
        async move { client.get(address).send().await.unwrap().bytes().await.unwrap() }
    });
    let listening =
        "SELECT (count(*) > 0)::text FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted";
    support::until("the request listens", async || render::rows(&db.store, listening).await == ["true"]).await;
    take(&db.store, &[build(1, "a", "started", &[])]).await;
    take(&db.store, &[build(1, "a", "passed", &[("/build/started_at", json!("2026-03-10T09:01:05Z"))])]).await;
    let found: Value = serde_json::from_slice(&asked.await.unwrap()).unwrap();
    assert_eq!((&found["verdict"], &found["settled"]), (&json!("passed"), &json!(true)));
    // Where requests cannot wait, a client is asked to come again.
    let without = Site::of(&db.store, NOW).await;
    let answer = without.get("/api/v1/verdict?wait=25&sha=cccc").await;
    assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (200, "5"));
    assert_eq!(without.get("/api/v1/verdict?wait=26&sha=cccc").await.status, 400);
    for query in ["", "?mr=1", "?sha=aaaa&branch=main", "?repo=a&mr=x"] {
        assert_eq!(without.get(&format!("/api/v1/verdict{query}")).await.status, 400, "{query}");
    }
}

/// Requests beyond those that may wait get 429, and the others still get their answer.
#[tokio::test(flavor = "multi_thread")]
async fn at_most_a_hundred_requests_wait() {
    let db = support::database().await;
    let now: Timestamp = NOW.parse().unwrap();
    let site = Site::serving(App::new(db.store.clone()).at(move || now).waiting()).await;
    let path = format!("{}/api/v1/verdict?wait=25&sha={}", site.base, sha("a"));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..130 {
        let (client, path) = (site.client.clone(), path.clone());
        all.spawn(async move { client.get(path).send().await.unwrap().status().as_u16() });
    }
    // Those that may not wait are answered at once.
    for _ in 0..30 {
        assert_eq!(all.join_next().await.unwrap().unwrap(), 429);
    }
    rules(&db.store, "[[rule]]\nsettle = '0s'").await;
    take(&db.store, &[build(1, "a", "passed", &[])]).await;
    while let Some(status) = all.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
}
