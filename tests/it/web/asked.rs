//! Query parameters with an effect, commits by their first digits, and waiting deliveries.

use std::collections::BTreeSet;

use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use super::{NOW, Site, filled, links, take};
use crate::support;

/// The addresses that the document has for GET, with names for what is in braces, and the names of their query
/// parameters.
pub async fn addresses(site: &Site) -> Vec<(String, BTreeSet<String>)> {
    let document = site.json("/api/v1/openapi.json").await;
    let paths = document["paths"].as_object().unwrap().iter().filter(|(_, item)| item["get"].is_object());
    let of = |(path, item): (&String, &Value)| {
        let parameters = item["get"]["parameters"].as_array().into_iter().flatten();
        let names = parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned());
        let path =
            path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/");
        (path, names.collect())
    };
    paths.map(of).collect()
}

#[tokio::test]
async fn operations_have_names_of_their_own() {
    let db = support::database().await;
    let site = Site::of(&db.store, NOW).await;
    let document = site.json("/api/v1/openapi.json").await;
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let names: Vec<&str> = operations.filter_map(|operation| operation["operationId"].as_str()).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert!(names.len() > 40 && distinct.len() == names.len(), "{names:?}");
    let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    assert!(distinct.iter().all(is_name), "{distinct:?}");
}

#[tokio::test]
async fn a_parameter_without_effect_is_rejected() {
    let db = filled().await;
    let site = Site::of(&db.store, NOW).await;
    let all = addresses(&site).await;
    assert!(all.len() > 40, "{all:?}");
    for (path, known) in &all {
        let before = site.get(path).await.status;
        for wrong in ["nosuch=1", "rows=5", "nosuch", "=", "q%00=1"] {
            let answer = site.get(&format!("{path}?{wrong}")).await;
            assert_eq!(answer.status, 400, "{path}?{wrong}: {}", answer.body);
        }
        assert_eq!(site.get(&format!("{path}?")).await.status, before, "{path}");
        for name in known {
            // Empty, as forms send what is not filled in.
            assert_eq!(site.get(&format!("{path}?{name}=")).await.status, before, "{path}?{name}=");
            assert_eq!(site.get(&format!("{path}?{name}=&{name}=")).await.status, 400, "{path}: {name} twice");
            let long = "x".repeat(301);
            let answer = site.get(&format!("{path}?{name}={long}")).await.status;
            assert!(answer == 400 || (name == "after" && answer == 404), "{path}?{name}=x..: {answer}");
        }
        for other in ["q", "state", "sort", "days", "refresh", "format", "after", "stale_days", "branch", "show"] {
            if !known.contains(other) {
                assert_eq!(site.get(&format!("{path}?{other}=1")).await.status, 400, "{path}?{other}=1");
            }
        }
    }
    for wrong in [
        "/?refresh=1",
        "/?refresh=4",
        "/?refresh=3601",
        "/?refresh=x",
        "/?refresh=-30",
        "/?refresh=5.5",
        "/?format=xml",
        "/bots?show=all",
        "/bots?status=odd",
        "/bots?format=json&q=a",
        "/trends?days=0",
        "/trends?days=91",
        "/api/v1/trends?days=1000",
        "/api/v1/mrs?limit=5",
        "/mrs?stale=1&stale_days=0",
        "/mrs?stale=1&stale_days=3651",
        "/mrs?draft=maybe",
        "/checkouts?failed=1",
        "/badge/bots/a.svg?branch=main",
        "/api/v1/mrs?refresh=30",
        "/builds?state=odd",
        "/releases?sort=name",
        "/feed.atom?limit=5",
        "/metrics?x=1",
        "/deliveries?state=delivered",
    ] {
        let answer = site.get_with(wrong, &[("accept", "application/json")]).await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(problem.to_string().len() < 1_500, "{wrong}: {problem}");
    }
    for right in [
        "/?refresh=5",
        "/?refresh=3600",
        "/?format=json",
        "/bots?show=gone&q=&status=",
        "/trends?days=90",
        "/mrs?stale=1&stale_days=3650&draft=no",
    ] {
        assert_eq!(site.get(right).await.status, 200, "{right}");
    }
}

fn run(name: &str, sha: &str, created: &str) -> Delivery {
    let run = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": name, "uid": name,
        "resourceVersion": "1",
        "creationTimestamp": created, "labels": {"pipelines.appstudio.openshift.io/type": "build",
        "pipelinesascode.tekton.dev/sha": sha,
        "appstudio.openshift.io/component": name, "appstudio.openshift.io/application": "a"}}});
    Delivery { id: name.to_owned(), body: run.to_string().into_bytes(), ..Delivery::default() }
}

#[tokio::test]
async fn a_commit_is_found_by_its_first_digits() {
    let db = support::database().await;
    let (one, two, three) =
        (format!("abcd{}", "1".repeat(36)), format!("abcd1{}", "2".repeat(35)), format!("ef01{}", "3".repeat(60)));
    let at = "2026-03-10T10:00:00Z";
    take(&db.store, &[run("one", &one, at), run("two", &two, at), run("three", &three, at), run("head", "HEAD", at)])
        .await;
    let push = json!({"object_kind": "push", "ref": "refs/heads/main", "after": two, "before": one,
        "user_username": "u",
        "project": {"path_with_namespace": "g/p", "default_branch": "main"}, "commits": [{"id": two, "title": "t",
        "timestamp": at}]});
    let build = json!({"build": {"uuid": "b", "number": 7, "state": "failed", "commit": one, "branch": "m"},
        "pipeline": {"uuid": "p", "slug": "s"}, "organization": {"uuid": "o", "slug": "s"}});
    let more = [push, build].into_iter().enumerate();
    take(
        &db.store,
        &more
            .map(|(n, body)| Delivery {
                id: format!("m{n}"),
                body: body.to_string().into_bytes(),
                ..Delivery::default()
            })
            .collect::<Vec<_>>(),
    )
    .await;
    let site = Site::of(&db.store, NOW).await;
    for (asked, found) in [
        (one.clone(), &one),
        (one[..39].to_owned(), &one),
        ("abcd11".to_owned(), &one),
        ("ABCD11".to_owned(), &one),
        (one.to_uppercase(), &one),
        ("abcd12".to_owned(), &two),
        ("ef01".to_owned(), &three),
        (three[..41].to_owned(), &three),
        (three[..63].to_owned(), &three),
    ] {
        assert_eq!(&site.json(&format!("/api/v1/commits/{asked}")).await["sha"], found, "{asked}");
        let page = site.get(&format!("/commits/{asked}?refresh=30")).await;
        let leads = page.headers.get("location").is_some_and(|to| *to == format!("/commits/{found}?refresh=30"));
        assert!(
            (page.status == 200 && page.body.contains(found.as_str())) || (page.status == 307 && leads),
            "{asked}: {}",
            page.status
        );
        assert!(page.status == 200 || asked != **found, "{asked}");
    }
    for asked in ["abcd", "abcd1"] {
        let answer = site.get(&format!("/api/v1/commits/{asked}")).await;
        assert!(
            answer.status == 404 && answer.body.contains(&one) && answer.body.contains(&two),
            "{asked}: {}",
            answer.body
        );
        assert_eq!(site.get(&format!("/commits/{asked}")).await.status, 404);
    }
    for asked in ["abc", "a", "abcdz", "abcd3", "0000", "HEA", &"a".repeat(40), &"a".repeat(65)] {
        assert_eq!(site.get(&format!("/commits/{asked}")).await.status, 404, "{asked}");
    }
    assert_eq!(site.get("/commits/HEAD").await.status, 200);
}

#[tokio::test]
async fn runs_of_a_merge_request_are_sorted_by_version() {
    let db = support::database().await;
    let shas = ["e".repeat(40), "1".repeat(40), "9".repeat(40)];
    let mut all: Vec<Delivery> = shas
        .iter()
        .enumerate()
        .map(|(number, sha)| {
            let body = json!({"object_kind": "merge_request", "user": {"id": 1, "username": "u"},
                "project": {"path_with_namespace": "g/p"},
                "object_attributes": {"iid": 7, "author_id": 1, "title": "t", "state": "opened",
                "action": if number == 0 { "open" } else { "update" },
                    "oldrev": (number > 0).then_some("x"), "source_branch": "s", "target_branch": "main",
                    "updated_at": format!("2026-03-10T1{number}:00:00Z"),
                    "last_commit": {"id": sha}}});
            Delivery { id: format!("mr{number}"), body: body.to_string().into_bytes(), ..Delivery::default() }
        })
        .collect();
    // The newest run of all is of the oldest version.
    for (number, (version, hour)) in [(0, 9), (1, 8), (2, 7), (0, 20), (1, 12), (2, 6)].into_iter().enumerate() {
        all.push(run(&format!("c{number}"), &shas[version], &format!("2026-03-10T{hour:02}:00:00Z")));
    }
    take(&db.store, &all).await;
    let site = Site::of(&db.store, NOW).await;
    let found = site.json("/api/v1/mr/g/p/7").await;
    let names: Vec<&str> = found["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["c2", "c5", "c4", "c1", "c3", "c0"], "{}", found["versions"]);
    let page = site.get("/mr/g/p/7").await.body;
    let runs = page.split("<h2>Runs</h2>").nth(1).unwrap();
    let places: Vec<usize> = names.iter().map(|name| runs.find(&format!("/components/{name}\"")).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
}

/// A run names its merge request; the page that it links is there also when GitLab has said nothing of the merge
/// request.
#[tokio::test]
async fn a_merge_request_that_only_runs_name_has_a_page() {
    let db = support::database().await;
    let run = |name: &str, project: &str, state: &str, hour: usize| {
        let body = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": name, "uid": name,
            "creationTimestamp": format!("2026-03-10T{hour:02}:00:00Z"),
            "labels": {"appstudio.openshift.io/component": "curl", "pipelines.appstudio.openshift.io/type": "build",
                "pipelinesascode.tekton.dev/pull-request": "9", "pipelinesascode.tekton.dev/sha": "a".repeat(40)},
            "annotations": {"pipelinesascode.tekton.dev/repo-url": format!("https://gitlab.example/{project}")}},
            "status": {"conditions": [{"type": "Succeeded", "status": state}]}});
        Delivery { id: name.to_owned(), body: body.to_string().into_bytes(), ..Delivery::default() }
    };
    let all = [run("older", "g/p", "False", 9), run("newer", "g/p", "True", 10), run("other", "g/q", "True", 11)];
    take(&db.store, &all).await;
    let site = Site::of(&db.store, NOW).await;
    let component = site.get("/components/curl").await.body;
    assert!(links(&component).contains(&"/mr/g/p/9".to_owned()), "{component}");
    let page = site.get("/mr/g/p/9").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("g/p!9") && page.body.contains("only about its runs"), "{}", page.body);
    let found = site.json("/api/v1/mr/g/p/9").await;
    let names: Vec<&str> = found["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["newer", "older"]);
    assert_eq!((&found["project"], &found["iid"], &found["merge_request"]), (&json!("g/p"), &json!(9), &Value::Null));
    let feed = site.get("/feed/mr/g/p/9").await;
    assert!(feed.status == 200 && feed.body.contains("older"), "{}", feed.body);
    assert_eq!(site.get("/badge/mr/g/p/9.svg").await.status, 200);
    assert_eq!(site.get("/mr/g/p/10").await.status, 404);
}

#[tokio::test]
async fn no_delivery_waits_without_a_target() {
    let db = filled().await;
    let site = Site::of(&db.store, NOW).await;
    for path in ["/api/v1/deliveries", "/api/v1/deliveries?sort=newest", "/api/v1/deliveries?state=pending"] {
        assert_eq!(site.json(path).await["results"], json!([]), "{path}");
    }
    assert!(site.get("/deliveries").await.body.contains("No undelivered commit statuses or events."));
    // Asked for, they are listed, in the order of their numbers.
    let ids = |found: &Value| -> Vec<u64> {
        let rows = found["results"].as_array().unwrap();
        rows.iter().map(|row| row["id"].as_str().unwrap()[1..].parse().unwrap()).collect()
    };
    for sort in ["oldest", "newest"] {
        let (mut all, mut next) = (Vec::new(), Some(String::new()));
        while let Some(after) = next {
            let found = site.json(&format!("/api/v1/deliveries?state=unrouted&sort={sort}&after={after}")).await;
            all.extend(ids(&found));
            next = found["next"].as_str().map(str::to_owned);
        }
        let mut sorted = all.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sort == "newest" {
            sorted.reverse();
        }
        assert!(all.len() > 60 && all == sorted, "{sort}: {all:?}");
    }
}

#[tokio::test]
async fn a_weekly_rate_covers_the_known_time_only() {
    let db = support::database().await;
    let now: jiff::Timestamp = NOW.parse().unwrap();
    // Two a day for 30 days, until now.
    let build = |number: i64| {
        let at = now.checked_sub(jiff::SignedDuration::from_hours(12 * (60 - number))).unwrap();
        let build = json!({"build": {"uuid": format!("b{number}"), "number": number + 1, "state": "passed",
            "commit": format!("{number:040}"), "branch": "main",
            "finished_at": at}, "pipeline": {"uuid": "p", "slug": "cli", "repo": "git@github.com:acme/cli.git"},
            "organization": {"uuid": "o", "slug": "acme"}});
        Delivery {
            id: format!("b{number}"),
            body: build.to_string().into_bytes(),
            sent_at: Some(at),
            ..Delivery::default()
        }
    };
    take(&db.store, &(0..60).map(build).collect::<Vec<_>>()).await;
    let site = Site::of(&db.store, NOW).await;
    let rate = async |days: u32| {
        let page = site.get(&format!("/trends?days={days}")).await.body;
        let row = page.split("<tr>").find(|row| row.contains("acme/cli") || row.contains("cli")).unwrap().to_owned();
        let cell = row.split("data-label=\"A week\">").nth(1).unwrap_or_else(|| panic!("{row}"));
        cell.split('<').next().unwrap().parse::<f64>().unwrap()
    };
    for days in [7, 14, 30, 90] {
        let found = rate(days).await;
        assert!((13.0..=15.0).contains(&found), "{days} days: {found}");
    }
}
