//! Checkouts: what they come to, and how far they are.

use serde_json::{Value, json};

use super::{NOW, Site, take};
use crate::support;
use hummingbird_status::transport::Delivery;

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
            builds.push(json!({"id": format!("o:b{id}"), "origin": "o", "checkout_id": format!("o:c{id:03}"),
                "status": of_build}));
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
        (json!({"tests": test(json!("FAIL"))}), "failures to be triaged"),
        (
            json!({"issues": [{"id": "o:i", "origin": "o", "version": 1, "comment": "known",
                "report_url": "https://bugs.example.org/1"}],
            "incidents": [{"id": "o:n", "origin": "o", "issue_id": "o:i", "issue_version": 1, "test_id": "o:t",
            "present": true}]}),
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

/// Numbers are of what the words say, one of a thing is one, and all that was submitted is there.
#[tokio::test]
async fn all_of_a_checkout_is_shown() {
    let db = support::database().await;
    let files = json!([{"name": "out.tar", "url": "https://user:hunter2@files.example.org/out.tar"}]);
    let test = |id: usize, status: Option<&str>| {
        let mut test = json!({"id": format!("o:t{id}"), "origin": "o", "build_id": "o:b1", "output_files": files,
            "input_files": files,
            "environment": {"comment": "board", "compatible": ["acme,board"], "misc": {"platform": "qemu-arm"}},
            "misc": {"runtime": "lava"},
            "number": {"value": 1.5, "unit": "B/s", "prefix": "binary"}});
        if let Some(status) = status {
            test["status"] = json!(status);
        }
        test
    };
    let mut tests: Vec<Value> = (0..5).map(|id| test(id, Some("FAIL"))).collect();
    tests.extend((5..8).map(|id| test(id, None)));
    // Of an unknown build and of an unknown checkout.
    tests.push(json!({"id": "o:orphan", "origin": "o", "build_id": "o:ghost", "status": "PASS"}));
    let mut first = checkout(1, "2026-03-10T12:00:00Z");
    first.as_object_mut().unwrap().extend(
        json!({"git_commit_message": "one\ntwo", "git_commit_tags": ["v6.1"], "log_excerpt": "fatal: no space",
            "misc": {"iid": 7},
            "patchset_files": files, "git_repository_branch_tip": true})
        .as_object()
        .unwrap()
        .clone(),
    );
    let builds = json!([
        {"id": "o:b1", "origin": "o", "checkout_id": "o:c001", "status": "PASS", "output_files": files,
        "misc": {"job": "gcc-12"}},
        {"id": "o:b2", "origin": "o", "checkout_id": "o:c001", "status": "FAIL"},
        {"id": "o:b3", "origin": "o", "checkout_id": "o:nowhere", "status": "PASS"}
    ]);
    let issues = json!([{"id": "o:i", "origin": "o", "version": 1, "report_subject": "boot hangs"}]);
    let incidents = json!([{"id": "o:n", "origin": "o", "issue_id": "o:i", "issue_version": 1, "test_id": "o:t0",
        "present": true}]);
    let lists =
        json!({"checkouts": [first], "builds": builds, "tests": tests, "issues": issues, "incidents": incidents});
    take(&db.store, &[submission("m", &lists)]).await;
    let site = Site::of(&db.store, NOW).await;
    let found = site.json("/api/v1/checkouts/o:c001").await;
    assert_eq!((&found["progress"]["tests_running"], &found["progress"]["untriaged"]), (&json!(3), &json!(5)));
    assert_eq!((&found["progress"]["builds"], &found["progress"]["builds_running"]), (&json!(2), &json!(0)));
    let of = &found["checkout"];
    assert_eq!(
        (&of["misc"]["iid"], &of["git_commit_tags"], &found["log_excerpt"]),
        (&json!(7), &json!(["v6.1"]), &json!("fatal: no space"))
    );
    assert_eq!(of["git_repository_url"], "https://git.example.org/linux.git");
    assert_eq!(of["patchset_files"][0]["url"], "https://files.example.org/out.tar");
    let page = site.get("/checkouts/o:c001").await.body;
    for said in [
        "3 tests without a result",
        "5 failures without a known cause",
        "fatal: no space",
        "v6.1",
        "one\ntwo",
        "boot hangs",
        "&quot;iid&quot;: 7",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("hunter2"));
    let build = site.json("/api/v1/kcidb/builds/o:b1").await;
    assert_eq!(
        (&build["build"]["output_files"][0]["name"], &build["build"]["misc"]["job"]),
        (&json!("out.tar"), &json!("gcc-12"))
    );
    assert!(site.get("/kcidb/builds/o:b1").await.body.contains("https://files.example.org/out.tar"));
    let test = site.json("/api/v1/kcidb/tests/o:t1").await;
    assert_eq!(
        (&test["test"]["environment_misc"]["platform"], &test["test"]["number_prefix"]),
        (&json!("qemu-arm"), &json!("binary"))
    );
    let page = site.get("/kcidb/tests/o:t1").await.body;
    for said in ["qemu-arm", "acme,board", "out.tar", "lava", "binary prefixes"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    // Known by what belongs to it alone.
    let ghost = site.json("/api/v1/kcidb/builds/o:ghost").await;
    assert_eq!(
        (&ghost["id"], &ghost["build"], &ghost["tests"][0]["id"]),
        (&json!("o:ghost"), &Value::Null, &json!("o:orphan"))
    );
    assert!(site.get("/kcidb/builds/o:ghost").await.body.contains("o:orphan"));
    assert!(site.get("/kcidb/tests/o:orphan").await.body.contains("href=\"/kcidb/builds/o%3Aghost\""));
    assert!(site.get("/checkouts/o:nowhere").await.body.contains("o:b3"));
    for path in ["/checkouts/o:none", "/kcidb/builds/o:none"] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
    // One of each.
    let one = json!({"checkouts": [checkout(2, "2026-03-10T12:00:00Z")], "builds": [{"id": "o:b4", "origin": "o",
        "checkout_id": "o:c002"}]});
    take(&db.store, &[submission("n", &one)]).await;
    assert!(site.get("/checkouts/o:c002").await.body.contains("1 build without a result"));
}
