//! Checkouts: what they come to, and how far they are.

use serde_json::{Value, json};

use super::{NOW, Site, take};
use crate::support;
use hummingbird_status::envelope::Delivery;

fn submission(id: &str, lists: &Value) -> Delivery {
    let mut body = json!({"version": {"major": 5, "minor": 3}});
    body.as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
    Delivery { id: id.to_owned(), body: body.to_string().into_bytes(), ..Delivery::default() }
}

fn checkout(id: usize, at: &str) -> Value {
    json!({"id": format!("o:c{id:03}"), "origin": "o", "tree_name": "mainline", "start_time": at, "valid": true,
        "git_repository_url": "https://user:hunter2@git.example.org/linux.git", "git_commit_hash": "a".repeat(40)})
}

/// Each pair of results, in a build and in a test, comes to the worse of the two.
#[tokio::test]
async fn the_worst_result_counts() {
    const WORST_FIRST: [&str; 6] = ["FAIL", "ERROR", "MISS", "PASS", "DONE", "SKIP"];
    let db = support::database().await;
    let (mut checkouts, mut builds, mut tests, mut expected) = (vec![], vec![], vec![], vec![]);
    for (a, of_build) in WORST_FIRST.iter().enumerate() {
        for (b, of_test) in WORST_FIRST.iter().enumerate() {
            let id = 10 * a + b;
            checkouts.push(checkout(id, "2026-03-10T12:00:00Z"));
            builds.push(json!({"id": format!("o:b{id}"), "origin": "o", "checkout_id": format!("o:c{id:03}"), "status": of_build}));
            tests.push(
                json!({"id": format!("o:t{id}"), "origin": "o", "build_id": format!("o:b{id}"), "status": of_test}),
            );
            tests.push(json!({"id": format!("o:u{id}"), "origin": "o", "build_id": format!("o:b{id}"), "path": "x"}));
            expected.push((format!("o:c{id:03}"), WORST_FIRST[a.min(b)]));
        }
    }
    take(&db.store, &[submission("m", &json!({"checkouts": checkouts, "builds": builds, "tests": tests}))]).await;
    let site = Site::of(&db.store, NOW).await;
    let list = site.json("/api/v1/checkouts").await;
    for (id, status) in &expected {
        let found = list["results"].as_array().unwrap().iter().find(|item| item["id"] == **id).unwrap();
        assert_eq!(found["status"], **status, "{id}");
        let detail = site.json(&format!("/api/v1/checkouts/{id}")).await;
        assert_eq!(detail["status"], **status, "{id}");
        let to_come = detail["counts"].as_array().unwrap().iter().filter(|count| count["status"].is_null());
        assert_eq!(to_come.map(|count| count["count"].as_i64().unwrap()).sum::<i64>(), 1);
    }
    let failed = expected.iter().filter(|(_, status)| matches!(*status, "FAIL" | "ERROR")).count();
    for (query, number) in
        [("failed=yes", failed), ("failed=no", 36 - failed), ("finished=yes", 0), ("finished=no", 36)]
    {
        let found = site.json(&format!("/api/v1/checkouts?{query}")).await;
        assert_eq!(found["results"].as_array().unwrap().len(), number, "{query}");
    }
    let page = site.get("/checkouts/o:c000").await;
    assert!(page.body.contains("git.example.org/linux.git") && !page.body.contains("hunter2"));
    assert_eq!(site.json("/api/v1/summary").await["checkouts"]["failed"], failed);
}

#[tokio::test]
async fn completion_follows_the_tests() {
    let db = support::database().await;
    let site = Site::of(&db.store, NOW).await;
    let build = |status: &str| json!([{"id": "o:b", "origin": "o", "checkout_id": "o:c001", "status": status}]);
    let test = |status: Value| json!([{"id": "o:t", "origin": "o", "build_id": "o:b", "status": status}]);
    let planned = json!([{"id": "o:t", "origin": "o", "build_id": "o:b", "path": "boot"}]);
    let steps = [
        (json!({"checkouts": [checkout(1, "2026-03-10T12:00:00Z")]}), "builds running"),
        (json!({"builds": build("PASS")}), "builds running"),
        (json!({"tests": planned}), "tests running"),
        (json!({"tests": test(json!("FAIL"))}), "failures to be explained"),
        (
            json!({"issues": [{"id": "o:i", "origin": "o", "version": 1, "comment": "known", "report_url": "https://bugs.example.org/1"}],
            "incidents": [{"id": "o:n", "origin": "o", "issue_id": "o:i", "issue_version": 1, "test_id": "o:t", "present": true}]}),
            "ready to report",
        ),
    ];
    for (number, (lists, said)) in steps.iter().enumerate() {
        take(&db.store, &[submission(&format!("m{number}"), lists)]).await;
        for path in ["/checkouts", "/checkouts/o:c001"] {
            let body = site.get(path).await.body;
            assert!(body.contains(said), "{number} {path}: {said}");
        }
    }
    for path in ["/checkouts/o:c001", "/kcidb/tests/o:t"] {
        assert!(site.get(path).await.body.contains("https://bugs.example.org/1"), "{path}");
    }
    assert_eq!(site.get("/checkouts/o:none").await.status, 404);
}

#[tokio::test]
async fn checkouts_are_read_page_by_page() {
    let db = support::database().await;
    let checkouts: Vec<Value> = (0..120).map(|id| checkout(id, &format!("2026-03-01T00:{:02}:00Z", id % 7))).collect();
    take(&db.store, &[submission("m", &json!({"checkouts": checkouts}))]).await;
    let site = Site::of(&db.store, NOW).await;
    let mut orders = Vec::new();
    for sort in ["newest", "oldest"] {
        let (mut after, mut seen) = (String::new(), Vec::new());
        loop {
            let list = site.json(&format!("/api/v1/checkouts?sort={sort}&after={after}")).await;
            seen.extend(list["results"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            let Some(next) = list["next"].as_str() else { break };
            after = next.to_owned();
        }
        orders.push(seen);
    }
    orders[1].reverse();
    assert_eq!(orders[0], orders[1]);
    orders[0].sort();
    orders[0].dedup();
    assert_eq!(orders[0].len(), 120);
}
