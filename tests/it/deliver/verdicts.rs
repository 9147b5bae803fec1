//! The verdict of a commit as one status, for targets that ask for it.

use hummingbird_status::checks::store::register_rules;
use hummingbird_status::db::{Store, Tx};
use hummingbird_status::deliver::targets::Target;
use hummingbird_status::deliver::{Deliverer, Until};
use hummingbird_status::ingest::ingest;
use hummingbird_status::platform::clock;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{drain, read, register, target};
use crate::support::buildkite::HOST;
use crate::support::forge::{Forge, created};
use crate::support::{self, deadline, render};

const ASKS: &str = "verdict = 'ci/verdict'\nverdict_page = 'https://status.acme.example/'";

/// An event about a build of a pipeline for a commit, some seconds before `now`.
fn build(number: u64, pipeline: &str, sha: &str, state: &str, (now, ago): (Timestamp, i64)) -> Delivery {
    let at = now - SignedDuration::from_secs(ago);
    let event = json!({
        "version": "0", "id": format!("{number} {pipeline} {state} {sha}"), "detail-type": "Build",
        "source": "aws.partner/buildkite.com/acme/1", "time": at.to_string(),
        "detail": {
            "build": {"uuid": format!("{pipeline}-{number}-{sha}"), "number": number, "commit": sha, "state": state,
                "branch": "main", "started_at": at.to_string()},
            "pipeline": {"slug": pipeline, "uuid": pipeline, "repo": format!("git@{HOST}:acme/app.git")},
            "organization": {"slug": "acme"},
        },
    });
    let id = format!("{number} {pipeline} {state} {sha}");
    Delivery { id, body: event.to_string().into_bytes(), sent_at: Some(now), ..Delivery::default() }
}

async fn take(store: &Store, deliveries: &[Delivery], settings: &Settings) {
    let report = ingest(store, deliveries, settings, deadline()).await;
    assert_eq!((report.error.as_ref(), report.counts().again), (None, 0));
}

async fn rules(store: &Store, settle: &str) {
    let document = format!("[[rule]]\nsettle = '{settle}'\n");
    let register = async |tx: &mut Tx<'_>| register_rules(tx, &document).await;
    store.in_tx("rules", deadline(), register).await.unwrap();
}

/// The posted statuses of a context: state, of a commit if given.
fn posted(forge: &Forge, context: &str, sha: &str) -> Vec<String> {
    let is_of = |body: &Value, path: &str| body["context"] == context && path.ends_with(sha);
    let posts = forge.posts();
    let found = posts.iter().filter(|post| is_of(&post.body, &post.path));
    found.map(|post| post.body["state"].as_str().unwrap().to_owned()).collect()
}

fn asking(forge: &Forge) -> Vec<Target> {
    read(&target("ghe", "github", forge, HOST, ASKS))
}

#[tokio::test]
async fn each_change_of_a_verdict_is_posted_under_the_name_of_the_target() {
    let db = support::database().await;
    let (forge, other) = (Forge::start(|_| created()).await, Forge::start(|_| created()).await);
    let document = [target("ghe", "github", &forge, HOST, ASKS), target("plain", "github", &other, HOST, "")];
    let targets = read(&document.concat());
    register(&db.store, &targets).await;
    rules(&db.store, "0s").await;
    let (sha, now, settings) = ("a".repeat(40), clock::now(), Settings::default());
    for (deliveries, expected) in [
        (vec![build(1, "app", &sha, "started", (now, 60))], vec!["pending"]),
        (vec![build(1, "app", &sha, "failed", (now, 50))], vec!["pending", "failure"]),
        // Another success repairs no failure.
        (vec![build(1, "lint", &sha, "passed", (now, 45))], vec!["pending", "failure"]),
        (vec![build(2, "app", &sha, "started", (now, 40))], vec!["pending", "failure", "pending"]),
        (vec![build(2, "app", &sha, "passed", (now, 30))], vec!["pending", "failure", "pending", "success"]),
        // Nothing new.
        (vec![build(1, "app", &sha, "failed", (now, 50))], vec!["pending", "failure", "pending", "success"]),
    ] {
        take(&db.store, &deliveries, &settings).await;
        drain(&db.store, &targets).await;
        assert_eq!(posted(&forge, "ci/verdict", &sha), expected);
    }
    let last = forge.posts().into_iter().rfind(|post| post.body["context"] == "ci/verdict").unwrap();
    assert_eq!(last.body["target_url"], format!("https://status.acme.example/commits/{sha}"));
    assert_eq!(last.body["description"], "flaky: buildkite:app");
    // The statuses of the builds are posted as before; the target that asks for no verdict gets only these.
    let contexts = |forge: &Forge| {
        let mut all: Vec<String> = forge.posts().iter().map(|post| post.body["context"].to_string()).collect();
        all.sort();
        all.dedup();
        all.join(" ")
    };
    assert_eq!(contexts(&forge), "\"buildkite/app\" \"buildkite/lint\" \"ci/verdict\"");
    assert_eq!(contexts(&other), "\"buildkite/app\" \"buildkite/lint\"");
    assert_eq!(render::rows(&db.store, "SELECT count(*)::text FROM verdict_changes").await, ["0"]);
}

#[tokio::test]
async fn nothing_is_noted_while_no_target_asks() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    register(&db.store, &read(&target("plain", "github", &forge, HOST, ""))).await;
    take(&db.store, &[build(1, "app", &"a".repeat(40), "passed", (clock::now(), 60))], &Settings::default()).await;
    assert_eq!(render::rows(&db.store, "SELECT count(*)::text FROM verdict_changes").await, ["0"]);
}

#[tokio::test]
async fn a_verdict_that_only_time_changes_is_posted_when_it_is_due() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let targets = asking(&forge);
    register(&db.store, &targets).await;
    rules(&db.store, "2s").await;
    let sha = "b".repeat(40);
    // Five seconds later it has settled by itself: the clock of the test and of the program are one.
    take(&db.store, &[build(1, "app", &sha, "passed", (clock::now(), 0))], &Settings::default()).await;
    let deliverer = Deliverer::new(db.store.clone(), targets, None).unwrap().listening();
    let done = async {
        while posted(&forge, "ci/verdict", &sha).last().map(String::as_str) != Some("success") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let stopped = async { tokio::time::timeout(support::LONGEST, done).await.expect("it is posted in the end") };
    deliverer.run(Until::Stopped(stopped)).await;
    assert_eq!(posted(&forge, "ci/verdict", &sha).iter().filter(|state| *state == "success").count(), 1);
}

#[tokio::test]
async fn a_backfill_announces_no_verdict_and_the_next_change_is_one() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let targets = asking(&forge);
    register(&db.store, &targets).await;
    rules(&db.store, "0s").await;
    let (sha, now) = ("c".repeat(40), clock::now());
    let silent = Settings { silent: true, ..Settings::default() };
    take(&db.store, &[build(1, "app", &sha, "failed", (now, 60))], &silent).await;
    drain(&db.store, &targets).await;
    assert_eq!(posted(&forge, "ci/verdict", &sha), Vec::<String>::new());
    assert_eq!(render::rows(&db.store, "SELECT verdict FROM verdicts").await, ["failed"]);
    take(&db.store, &[build(2, "app", &sha, "failed", (now, 50))], &Settings::default()).await;
    drain(&db.store, &targets).await;
    assert_eq!(posted(&forge, "ci/verdict", &sha), Vec::<String>::new());
    take(&db.store, &[build(3, "app", &sha, "passed", (now, 40))], &Settings::default()).await;
    drain(&db.store, &targets).await;
    assert_eq!(posted(&forge, "ci/verdict", &sha), ["success"]);
}

/// Several processes announce at once, while messages arrive: each commit ends with its verdict.
#[tokio::test]
async fn several_processes_announce_the_last_verdict_of_each_commit() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let targets = asking(&forge);
    register(&db.store, &targets).await;
    rules(&db.store, "0s").await;
    let (now, settings) = (clock::now(), Settings::default());
    let shas: Vec<String> = (0..30).map(|number| format!("{number:040x}")).collect();
    let write = async {
        for (number, state, ago) in [(1, "started", 60), (1, "failed", 50), (2, "started", 40), (2, "passed", 30)] {
            for sha in &shas {
                take(&db.store, &[build(number, "app", sha, state, (now, ago))], &settings).await;
            }
        }
    };
    let deliverers: Vec<Deliverer> =
        (0..3).map(|_| Deliverer::new(db.store.clone(), targets.clone(), None).unwrap()).collect();
    let is_done = || shas.iter().all(|sha| posted(&forge, "ci/verdict", sha).last().is_some_and(|s| s == "success"));
    let done = async || {
        while !is_done() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let run = async |deliverer: &Deliverer| {
        let done = done();
        deliverer.run(Until::Stopped(async { drop(tokio::time::timeout(support::LONGEST, done).await) })).await
    };
    tokio::join!(write, run(&deliverers[0]), run(&deliverers[1]), run(&deliverers[2]));
    assert!(is_done());
    let wrong = "SELECT sha FROM commit_statuses WHERE context = 'ci/verdict' AND wanted_state <> 'success'";
    assert_eq!(render::rows(&db.store, wrong).await, Vec::<String>::new());
}
