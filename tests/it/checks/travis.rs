//! Checks of builds of Travis.

use std::thread;

use hummingbird_status::db::Retrying;
use hummingbird_status::platform::clock;
use hummingbird_status::sources::{Settings, Source};
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use crate::support::checks::{checks, project_again, take_in, whole};
use crate::support::hot::deadlocks;
use crate::support::random::Random;
use crate::support::{self, deadline, difference, store_of};

const SHA: &str = "62AAE5F70ceee39123ef62aae5f70ceee39123ef";
const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";

/// A message, sent at a second.
fn said(event: &str, second: i64, payload: &Value) -> Delivery {
    Delivery {
        id: format!("{event}-{}-{second}", payload["id"]),
        body: json!({"event": event, "payload": payload}).to_string().into_bytes(),
        sent_at: Some(format!("2026-05-04T10:{:02}:{:02}Z", second / 60, second % 60).parse().unwrap()),
        ..Delivery::default()
    }
}

/// A build of `acme/app` with a job that has ten times its id.
fn created(id: i64, more: &Value) -> Delivery {
    let mut build = json!({
        "id": id, "number": id, "event_type": "push", "branch": "main",
        "repository": {"id": 7, "owner_name": "acme", "name": "app", "url": "https://GHE.acme.example:8443/acme/app"},
        "commit": {"sha": SHA}, "jobs": [{"id": 10 * id}],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        build[name] = value.clone();
    }
    said("build:create", 0, &build)
}

fn job(event: &str, id: i64, state: &str, second: i64) -> Delivery {
    said(&format!("job:{event}"), second, &json!({"id": id, "state": state}))
}

/// Each state of a build, and its time limit: six hours after its newest message.
#[tokio::test]
async fn each_state_of_a_build_is_a_state() {
    for (messages, expected) in [
        (vec![], "pending | created | false | - | 2026-05-04 16:00:00+00"),
        (vec![job("receive", 10, "received", 1)], "pending | created | false | - | 2026-05-04 16:00:01+00"),
        (vec![job("start", 10, "started", 2)], "running | started | false | - | 2026-05-04 16:00:02+00"),
        (vec![job("finish", 10, "passed", 3)], "passed | passed | false | 2026-05-04 10:00:03+00 | -"),
        (vec![job("finish", 10, "failed", 3)], "failed | failed | true | 2026-05-04 10:00:03+00 | -"),
        (vec![job("finish", 10, "errored", 3)], "errored | errored | true | 2026-05-04 10:00:03+00 | -"),
        (vec![said("build:cancel", 3, &json!({"id": 1}))], "canceled | canceled | false | 2026-05-04 10:00:03+00 | -"),
    ] {
        let db = support::database().await;
        take_in(&db.store, &[vec![created(1, &json!({}))], messages].concat(), 1).await;
        let columns = ["state", "original", "ever_bad", "finished_at", "stuck_since"];
        assert_eq!(checks(&db.store, &columns).await, [expected]);
    }
}

/// Lane, branch, merge request, commit and repository.
#[tokio::test]
async fn each_build_has_its_place() {
    let request = json!({"number": 12, "head_commit": HEAD, "head_ref": "topic", "base_ref": "main"});
    let bare = json!({"id": 7, "owner_name": "acme", "name": "app"});
    let (sha, app) = (SHA.to_lowercase(), "ghe.acme.example | acme/app");
    for (more, expected) in [
        (json!({}), format!("push | main | - | {sha} | {app}")),
        (json!({"event_type": "api"}), format!("push | main | - | {sha} | {app}")),
        (json!({"event_type": "cron"}), format!("schedule | main | - | {sha} | {app}")),
        (json!({"event_type": "pull_request", "pull_request": request}), format!("mr | topic | 12 | {HEAD} | {app}")),
        (json!({"event_type": "pull_request", "pull_request": {"number": "x"}}), format!("mr | - | - | {sha} | {app}")),
        (json!({"commit": {"sha": "62aae5f"}}), format!("push | main | - | - | {app}")),
        (
            json!({"repository": bare, "commit": {"sha": SHA, "compare_url": "https://github.com/acme/app/compare/1"}}),
            format!("push | main | - | {sha} | github.com | acme/app"),
        ),
        (json!({"repository": bare}), format!("push | main | - | {sha} |  | acme/app")),
        (json!({"repository": {"id": 7}}), format!("push | main | - | {sha} |  | ")),
    ] {
        let db = support::database().await;
        take_in(&db.store, &[created(5, &more)], 1).await;
        let found = checks(&db.store, &["lane", "branch", "mr", "sha", "host", "repo"]).await;
        assert_eq!(found, [expected], "{more}");
        let of = checks(&db.store, &["system", "kind", "key", "stage", "name", "run", "attempt", "seq"]).await;
        assert_eq!(of, ["travis | travis_builds | 5 | build | travis | 5 | 1 | 5"]);
    }
}

/// A failure of a run that a restart ended, in whatever order its messages arrive, also before the build itself.
#[tokio::test]
async fn a_failure_is_recorded_in_any_order() {
    let create = |allow: bool| created(1, &json!({"jobs": [{"id": 10, "allow_failure": allow}, {"id": 11}]}));
    let run = [
        job("finish", 10, "failed", 10),
        said("job:restart", 20, &json!({"id": 10})),
        job("finish", 10, "passed", 30),
        job("finish", 11, "passed", 31),
    ];
    for order in [[0, 1, 2, 3], [1, 0, 2, 3], [1, 2, 3, 0], [3, 1, 2, 0]] {
        for (required, expected) in [(true, "passed | true"), (false, "passed | false")] {
            for place in [0, 4] {
                for size in [1, 5] {
                    let db = support::database().await;
                    let mut came: Vec<Delivery> = order.iter().map(|&index| run[index].clone()).collect();
                    came.insert(place, create(!required));
                    take_in(&db.store, &came, size).await;
                    let found = checks(&db.store, &["state", "ever_bad"]).await;
                    assert_eq!(found, [expected], "{order:?} {place} {size}");
                }
            }
        }
    }
}

/// Rows from before failures were recorded: unknown, until a message says that they failed.
#[tokio::test]
async fn without_a_record_a_failure_is_unknown() {
    let db = support::database().await;
    take_in(&db.store, &[created(1, &json!({})), created(2, &json!({})), created(30, &json!({}))], 3).await;
    let before = whole(&db.store).await;
    project_again(&db.store, "travis_builds").await;
    assert_eq!(whole(&db.store).await, before);
    db.store.script("UPDATE travis_builds SET ever_bad = NULL", deadline()).await.unwrap();
    let ends = [job("finish", 10, "passed", 9), job("finish", 20, "failed", 9), job("start", 300, "started", 9)];
    take_in(&db.store, &ends, 3).await;
    let found = checks(&db.store, &["key", "state", "ever_bad"]).await;
    assert_eq!(found, ["1 | passed | -", "2 | failed | true", "30 | running | -"]);
}

#[tokio::test]
async fn a_build_that_the_sweep_ends_has_failed() {
    let db = support::database().await;
    take_in(&db.store, &[created(1, &json!({})), job("start", 10, "started", 1)], 2).await;
    db.store.script("UPDATE travis_jobs SET updated_at = now() - interval '7 hours'", deadline()).await.unwrap();
    let sweep = async |write: bool| {
        let (settings, now) = (Settings::default(), clock::now());
        Retrying::until(&db.store, deadline())
            .in_tx("sweep", async |tx| Source::Travis.sweep(tx, &settings, now, write).await)
            .await
            .unwrap();
        checks(&db.store, &["state", "ever_bad", "stuck_since IS NULL"]).await
    };
    assert_eq!(sweep(false).await, ["running | false | false"]);
    assert_eq!(sweep(true).await, ["errored | true | true"]);
}

/// The newest build names the repository, and moves the checks of all its builds.
#[tokio::test]
async fn a_renamed_repository_moves_the_checks_of_its_builds() {
    let named = |id: i64, name: &str| {
        let url = format!("https://ghe.acme.example/acme/{name}");
        created(id, &json!({"repository": {"id": 7, "owner_name": "acme", "name": name, "url": url}}))
    };
    let other = created(9, &json!({"repository": {"id": 8, "owner_name": "acme", "name": "other"}}));
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        for size in [1, 3] {
            let db = support::database().await;
            let builds = [named(1, "old"), named(2, "new"), other.clone()];
            let came: Vec<Delivery> = order.iter().map(|&index| builds[index].clone()).collect();
            take_in(&db.store, &came, size).await;
            let found = checks(&db.store, &["key", "host", "repo"]).await;
            let expected = ["1 | ghe.acme.example | acme/new", "2 | ghe.acme.example | acme/new", "9 |  | acme/other"];
            assert_eq!(found, expected, "{order:?} {size}");
        }
    }
    // An address that arrives later moves them as well.
    let db = support::database().await;
    let bare = created(1, &json!({"repository": {"id": 7, "owner_name": "acme", "name": "app"}}));
    take_in(&db.store, &[bare, created(2, &json!({}))], 1).await;
    assert_eq!(checks(&db.store, &["host"]).await, ["ghe.acme.example", "ghe.acme.example"]);
}

/// Builds of a repository that each of them renames, by four writers at once.
#[tokio::test]
async fn renames_beside_changes_of_builds_give_the_same_checks() {
    let builds = 1..=40_i64;
    let mut messages: Vec<Delivery> = builds
        .flat_map(|id| {
            let repository = json!({"id": 7 + id % 2, "owner_name": "acme", "name": format!("app{id}")});
            let end = if id % 3 == 0 { "failed" } else { "passed" };
            [
                created(id, &json!({"repository": repository})),
                job("start", 10 * id, "started", 10),
                job("finish", 10 * id, end, 20),
            ]
        })
        .collect();
    let one = support::database().await;
    take_in(&one.store, &messages, 500).await;
    let expected = whole(&one.store).await;

    let four = support::database().await;
    let mut random = Random::new(3);
    random.shuffle(&mut messages);
    let mut shares = vec![Vec::new(); 4];
    for message in messages {
        shares[random.below(4)].push(message);
    }
    thread::scope(|scope| {
        for share in &shares {
            let url = &four.url;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async { take_in(&store_of(url, 1), share, 3).await });
            });
        }
    });
    let found = whole(&four.store).await;
    assert!(expected == found, "{}", difference(&expected, &found));
    drop(four.store);
    assert_eq!(deadlocks(&four.url).await, 0);
}
