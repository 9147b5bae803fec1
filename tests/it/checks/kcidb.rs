//! Checks of checkouts of KCIDB.

use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use crate::support::checks::{checks, project_again, take_in, whole};
use crate::support::random::Random;
use crate::support::{self, difference, schema};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

/// A submission, sent at a second.
fn said(second: i64, lists: &Value) -> Delivery {
    let mut document = lists.clone();
    document["version"] = json!({"major": 5, "minor": 3});
    Delivery {
        id: format!("m{second}"),
        body: document.to_string().into_bytes(),
        sent_at: Some(format!("2026-03-10T10:00:{second:02}Z").parse().unwrap()),
        ..Delivery::default()
    }
}

fn with(mut object: Value, more: &Value) -> Value {
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

fn checkout(more: &Value) -> Value {
    let all = json!({"id": "o:c", "origin": "o", "tree_name": "mainline", "git_commit_hash": SHA,
        "git_repository_url": "https://git.kernel.org/pub/scm/linux.git", "git_repository_branch": "master",
        "start_time": "2026-03-10T09:00:00Z"});
    with(all, more)
}

/// Builds with these results (`-` for none), and tests of the first of them with those.
fn results(builds: &str, tests: &str) -> Value {
    let objects = |results: &str, kind: &str, parent: Value| -> Vec<Value> {
        let object = |(number, status): (usize, &str)| {
            let mut object = with(json!({"id": format!("o:{kind}{number}"), "origin": "o"}), &parent);
            if status != "-" {
                object["status"] = json!(status);
            }
            object
        };
        results.split_whitespace().enumerate().map(object).collect()
    };
    let builds = objects(builds, "b", json!({"checkout_id": "o:c"}));
    json!({"builds": builds, "tests": objects(tests, "t", json!({"build_id": "o:b0"}))})
}

/// The objects of all lists one by one, as submissions of the same second each.
fn alone(lists: &[Value]) -> Vec<Delivery> {
    let each = lists
        .iter()
        .flat_map(|lists| lists.as_object().unwrap())
        .flat_map(|(name, list)| list.as_array().unwrap().iter().map(move |object| json!({name.as_str(): [object]})));
    each.zip(1..).map(|(lists, second)| said(second, &lists)).collect()
}

/// The state of a checkout with these builds and tests, whether or not its origin says that it is done.
#[tokio::test]
async fn the_worst_result_decides() {
    let done = json!({"origin_tests_finish_time": "2026-03-10T11:00:00Z"});
    let db = support::database().await;
    for (more, builds, tests, expected) in [
        (json!({}), "", "", "running | PENDING"),
        (done.clone(), "", "", "not_run | PENDING"),
        (json!({"valid": false}), "", "", "failed | INVALID"),
        (json!({"valid": false}), "PASS", "PASS", "failed | INVALID"),
        (json!({"valid": true}), "PASS", "PASS", "passed | PASS"),
        (json!({}), "PASS", "", "running | PASS"),
        (done.clone(), "PASS", "", "passed | PASS"),
        (json!({}), "PASS", "PASS -", "running | PASS"),
        (json!({}), "PASS -", "PASS", "running | PASS"),
        // Some origins send no status for builds.
        (json!({}), "-", "PASS DONE", "passed | PASS"),
        (json!({}), "DONE", "DONE SKIP", "passed | DONE"),
        (json!({}), "PASS", "PASS FAIL -", "failing | FAIL"),
        (json!({}), "PASS", "PASS FAIL", "failed | FAIL"),
        (json!({}), "FAIL -", "", "failing | FAIL"),
        (json!({}), "FAIL", "", "failed | FAIL"),
        (json!({}), "PASS", "ERROR PASS", "errored | ERROR"),
        (json!({}), "ERROR", "", "errored | ERROR"),
        (json!({}), "PASS", "MISS PASS", "errored | MISS"),
        (json!({}), "PASS", "MISS -", "failing | MISS"),
        (json!({}), "ERROR", "FAIL", "failed | FAIL"),
        (json!({}), "SKIP", "SKIP", "skipped | SKIP"),
        (done, "-", "-", "not_run | PENDING"),
    ] {
        let lists = [json!({"checkouts": [checkout(&more)]}), results(builds, tests)];
        let mut came = alone(&lists);
        for (number, size) in [(0, 100), (1, 1), (2, 2), (3, 1)] {
            schema::clear(&db.store).await;
            Random::new(number).shuffle(&mut came);
            take_in(&db.store, &came, size).await;
            let found = checks(&db.store, &["state", "original"]).await;
            assert_eq!(found, [expected], "{more} {builds} / {tests}");
        }
        let before = whole(&db.store).await;
        project_again(&db.store, "kcidb_checkouts").await;
        assert_eq!(whole(&db.store).await, before);
    }
}

/// Name, repository, branch, commit and order.
#[tokio::test]
async fn each_checkout_has_its_place() {
    let db = support::database().await;
    let (sha, null) = (SHA, Value::Null);
    let linux = "git.kernel.org | pub/scm/linux";
    let at = "1773133200000000";
    for (more, expected) in [
        (json!({}), format!("o/mainline | {linux} | master | {sha} | {at}")),
        (json!({"tree_name": null}), format!("o | {linux} | master | {sha} | {at}")),
        (json!({"git_commit_hash": null}), format!("o/mainline | {linux} | master | - | {at}")),
        (json!({"git_repository_branch": null}), format!("o/mainline | {linux} | - | {sha} | {at}")),
        (json!({"git_repository_url": null}), format!("o/mainline |  |  | master | {sha} | {at}")),
        (
            json!({"git_repository_url": "https://u:p@Gitlab.com:9418/a/b/c.git"}),
            format!("o/mainline | gitlab.com | a/b/c | master | {sha} | {at}"),
        ),
        (json!({"patchset_hash": ""}), format!("o/mainline | {linux} | master | {sha} | {at}")),
        // Without a start, the message says when.
        (json!({"start_time": null}), format!("o/mainline | {linux} | master | {sha} | 1773136801000000")),
    ] {
        let mut checkout = checkout(&more);
        checkout.as_object_mut().unwrap().retain(|_, value| *value != null);
        schema::clear(&db.store).await;
        take_in(&db.store, &[said(1, &json!({"checkouts": [checkout]}))], 1).await;
        let found = checks(&db.store, &["name", "host", "repo", "branch", "sha", "seq"]).await;
        assert_eq!(found, [expected], "{more}");
        let of = checks(&db.store, &["system", "kind", "key", "stage", "lane", "run", "attempt", "ever_bad"]).await;
        assert_eq!(of, ["kcidb | kcidb_checkouts | o:c | checkout | push | o:c | 1 | -"]);
    }
}

/// Patched code is not that of the commit.
#[tokio::test]
async fn a_checkout_with_patches_has_no_check() {
    let patched = [
        json!({"patchset_hash": "a".repeat(64)}),
        json!({"patchset_files": [{"name": "a.patch", "url": "https://e.example/a.patch"}]}),
    ];
    for more in patched {
        let db = support::database().await;
        take_in(&db.store, &[said(1, &json!({"checkouts": [checkout(&json!({}))]}))], 1).await;
        assert_eq!(checks(&db.store, &["key"]).await, ["o:c"]);
        take_in(&db.store, &[said(2, &json!({"checkouts": [checkout(&more)]}))], 1).await;
        assert_eq!(checks(&db.store, &["key"]).await, [""; 0], "{more}");
    }
}

/// A build or a test that gets another parent changes the checkouts of both.
#[tokio::test]
async fn both_parents_of_a_moved_object_change() {
    let two = json!({
        "checkouts": [checkout(&json!({})), checkout(&json!({"id": "o:d"}))],
        "builds": [
            {"id": "o:b", "origin": "o", "checkout_id": "o:c", "status": "PASS"},
            {"id": "o:e", "origin": "o", "checkout_id": "o:d", "status": "PASS"},
        ],
        "tests": [
            {"id": "o:t", "origin": "o", "build_id": "o:b", "status": "PASS"},
            {"id": "o:u", "origin": "o", "build_id": "o:e", "status": "PASS"},
            {"id": "o:v", "origin": "o", "build_id": "o:b", "status": "FAIL"},
        ],
    });
    let test = json!({"tests": [{"id": "o:v", "origin": "o", "build_id": "o:e"}]});
    let build = json!({"builds": [{"id": "o:e", "origin": "o", "checkout_id": "o:c"}]});
    let states = ["key", "state"];
    let expected =
        [["o:c | failed", "o:d | passed"], ["o:c | passed", "o:d | failed"], ["o:c | failed", "o:d | running"]];
    let steps = [said(1, &two), said(2, &test), said(3, &build)];
    let db = support::database().await;
    for (step, expected) in steps.iter().zip(expected) {
        take_in(&db.store, std::slice::from_ref(step), 1).await;
        assert_eq!(checks(&db.store, &states).await, expected);
    }
    let last = whole(&db.store).await;
    for order in [[2, 1, 0], [1, 0, 2], [2, 0, 1]] {
        schema::clear(&db.store).await;
        let came: Vec<Delivery> = order.iter().map(|&index| steps[index].clone()).collect();
        take_in(&db.store, &came, 1).await;
        let found = whole(&db.store).await;
        assert!(found == last, "{order:?}: {}", difference(&last, &found));
    }
}

/// The time limit counts from the newest message about the checkout or a build, also one that says nothing new, in
/// whatever order they arrive.
#[tokio::test]
async fn the_time_limit_counts_from_the_newest_message() {
    let build = json!({"builds": [{"id": "o:b", "origin": "o", "checkout_id": "o:c"}]});
    let checkout = json!({"checkouts": [checkout(&json!({}))]});
    for (messages, expected) in [
        (vec![(1, &checkout)], "2026-03-11 10:00:01+00"),
        (vec![(1, &checkout), (5, &checkout)], "2026-03-11 10:00:05+00"),
        (vec![(1, &checkout), (7, &build)], "2026-03-11 10:00:07+00"),
        (vec![(1, &checkout), (3, &build), (9, &build)], "2026-03-11 10:00:09+00"),
    ] {
        let forward: Vec<Delivery> = messages.iter().map(|(second, lists)| said(*second, lists)).collect();
        let backward: Vec<Delivery> = forward.iter().rev().cloned().collect();
        for came in [forward, backward] {
            let db = support::database().await;
            take_in(&db.store, &came, 1).await;
            assert_eq!(checks(&db.store, &["stuck_since"]).await, [expected]);
        }
    }
    let db = support::database().await;
    let finished = json!({"checkouts": [with(checkout["checkouts"][0].clone(), &json!({"valid": false}))]});
    take_in(&db.store, &[said(1, &finished)], 1).await;
    assert_eq!(checks(&db.store, &["stuck_since"]).await, ["-"]);
}
