//! Concurrent writers of the checks of the same commits, and old rows that are read while messages arrive: no deadlock,
//! and the checks and verdicts of a single writer.

use std::thread;

use hummingbird_status::db::Store;
use hummingbird_status::reports::verdicts;
use hummingbird_status::sources::{Source, Task};
use hummingbird_status::transport::Delivery;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::konflux::Run;
use crate::support::builds::{Build, Job};
use crate::support::checks::{take_in, whole};
use crate::support::hot::deadlocks;
use crate::support::random::Random;
use crate::support::{self, buildkite, deadline, difference, render, run_task, store_of};

/// Commits that all writers write checks of; each has some twenty messages. In a long run there are more.
fn commits() -> std::ops::RangeInclusive<usize> {
    1..=support::cases(80) as usize
}

fn sha(commit: usize) -> String {
    format!("{commit:040x}")
}

fn at(commit: usize, second: i64) -> String {
    let start: Timestamp = "2026-03-10T08:00:00Z".parse().unwrap();
    (start + SignedDuration::from_secs(60 * commit as i64 + second)).to_string()
}

/// A message in the envelope of SNS.
fn enveloped(id: String, sent: &str, payload: &Value) -> Delivery {
    let body = json!({"Type": "Notification", "MessageId": id, "TopicArn": "t", "Message": payload.to_string(),
        "Timestamp": sent});
    Delivery { id, body: body.to_string().into_bytes(), ..Delivery::default() }
}

/// A build, a test that fails and is corrected, and a Release.
fn konflux(commit: usize) -> Vec<Delivery> {
    let of = |run: Run, version: u32, condition: (&'static str, &'static str)| {
        let run = run.marked(&[("sha", &sha(commit))]).with(|run| run.version = version);
        Run { condition, ..run }
    };
    let name = |what: &str| format!("{what}-{commit}");
    let (running, done) = (("Unknown", "Running"), ("True", "Completed"));
    let output = |result| Some(if result { "{\"result\": \"SUCCESS\"}" } else { "{\"result\": \"FAILURE\"}" });
    let ended = if commit.is_multiple_of(3) { ("False", "Failed") } else { done };
    let runs = [
        of(Run::build(&name("build")), 1, running),
        of(Run::build(&name("build")), 2, ended),
        of(Run::test(&name("test")), 1, running),
        Run { output: output(false), ..of(Run::test(&name("test")), 2, done) },
        Run { output: output(!commit.is_multiple_of(5)), ..of(Run::test(&name("test")), 3, done) },
        of(Run::release(&name("release")), 1, ("False", "Progressing")),
        of(Run::release(&name("release")), 2, ended),
    ];
    runs.iter().map(Run::delivery).collect()
}

/// Hooks about a pipeline of GitLab CI with one job, which runs and ends.
fn pipeline(commit: usize) -> Vec<Delivery> {
    let ended = if commit.is_multiple_of(5) { "failed" } else { "success" };
    let hook = |(second, status): (i64, &str)| {
        let time = |second: i64| at(commit, second).replace('T', " ").replace('Z', " UTC");
        let finished = (status != "running").then(|| time(second));
        let message = json!({"object_kind": "pipeline", "merge_request": null, "commit": {"id": sha(commit)},
            "object_attributes": {"id": commit, "iid": commit, "ref": "main", "tag": false, "sha": sha(commit),
                "source": "push", "status": status, "detailed_status": status, "stages": ["test"],
                "created_at": time(0), "finished_at": finished},
            "project": {"id": 7, "path_with_namespace": "acme/app", "web_url": "https://gitlab.example/acme/app",
                "default_branch": "main"},
            "builds": [{"id": commit, "stage": "test", "name": "unit", "status": status, "created_at": time(0),
                "started_at": time(1), "finished_at": finished, "allow_failure": false}]});
        enveloped(format!("pipeline {commit} {status}"), &at(commit, second), &message)
    };
    [(2, "running"), (3, ended)].map(hook).into()
}

/// A push, the events of builds of two pipelines and of a build of Travis, a checkout with a build, and heartbeats of
/// bots that many commits share.
fn others(commit: usize) -> Vec<Delivery> {
    let (sha, id) = (sha(commit), i64::try_from(commit).unwrap());
    let push = json!({"object_kind": "push", "ref": "refs/heads/main", "after": sha,
        "project": {"id": 7, "path_with_namespace": "acme/app", "web_url": "https://gitlab.example/acme/app",
            "default_branch": "main"},
        "commits": [{"id": sha, "timestamp": at(commit, 0)}]});
    let mut messages = vec![enveloped(format!("push {commit}"), &at(commit, 1), &push)];
    for pipeline in ["app", "lint"] {
        let ended = if commit.is_multiple_of(4) { "failed" } else { "passed" };
        for (second, state) in [(1, "scheduled"), (2, "started"), (3, ended)] {
            let build = format!("{pipeline}-{commit}");
            let repo = "https://gitlab.example/acme/app.git";
            let number = commit as u64;
            let event = buildkite::Event { build: &build, number, sha: &sha, state, second, repo, pipeline };
            messages.push(event.delivery());
        }
    }
    let job = |state| Job { state, allow_failure: false, reports_all: true };
    let jobs = vec![job("passed"), job(if commit.is_multiple_of(7) { "failed" } else { "passed" })];
    let build = Build { id, repository: 7, fast_finish: false, staged: false, jobs };
    let mut created = build.create();
    let text = String::from_utf8(created.body).unwrap();
    created.body = text.replace("62aae5f70ceee39123ef", &sha).into_bytes();
    messages.push(created);
    messages.extend(build.run());
    let submission = |number: i64, lists: Value| {
        let mut document = lists;
        document["version"] = json!({"major": 5, "minor": 3});
        let sent_at = Some(at(commit, number).parse().unwrap());
        let id = format!("kcidb {commit} {number}");
        Delivery { id, body: document.to_string().into_bytes(), sent_at, ..Delivery::default() }
    };
    messages.push(submission(
        1,
        json!({"checkouts": [{"id": format!("o:{commit}"), "origin": "o",
        "tree_name": "mainline", "git_commit_hash": sha, "git_repository_url": "https://gitlab.example/acme/app.git",
        "git_repository_branch": "main", "start_time": at(commit, 0)}]}),
    ));
    let status = if commit.is_multiple_of(6) { "FAIL" } else { "PASS" };
    messages.push(submission(
        2,
        json!({"builds": [{"id": format!("o:b{commit}"), "origin": "o",
        "checkout_id": format!("o:{commit}"), "status": status}]}),
    ));
    messages.push(submission(
        3,
        json!({"checkouts": [{"id": format!("o:{commit}"), "origin": "o",
        "origin_builds_finish_time": at(commit, 3), "origin_tests_finish_time": at(commit, 4)}]}),
    ));
    let status = ["ok", "failed", "warning"][commit % 4 % 3];
    let beat = json!({"name": format!("bot{}", commit % 3), "status": status, "ts": at(commit, 0)});
    messages.push(enveloped(format!("beat {commit}"), &at(commit, 1), &beat));
    messages
}

fn messages() -> Vec<Delivery> {
    commits().flat_map(|commit| [konflux(commit), pipeline(commit), others(commit)].concat()).collect()
}

/// All checks, default branches, and the verdict of each commit.
async fn found(store: &Store) -> String {
    let now: Timestamp = "2026-05-05T00:00:00Z".parse().unwrap();
    let mut reader = store.reader(deadline()).await.unwrap();
    let mut text = whole(store).await;
    text += "\n";
    text += &render::rows(store, "SELECT r::text FROM repositories AS r ORDER BY host, repo").await.join("\n");
    for commit in commits() {
        for one in verdicts(&mut reader, &sha(commit), None, &[], now).await.unwrap() {
            let checks = one.checks.len();
            text += &format!("\n{} {}/{} {checks} {}", one.sha, one.host, one.repo, json!(one.verdict));
        }
    }
    text
}

/// The checks of a single writer, in the order in which the messages were sent.
async fn expected(messages: &[Delivery]) -> String {
    let db = support::database().await;
    take_in(&db.store, messages, 100).await;
    let expected = found(&db.store).await;
    for source in Source::ALL {
        let has_check = source.check_tables().iter().all(|table| expected.contains(&format!("\"{table}\"")));
        assert!(has_check, "no check of {source}");
    }
    for verdict in ["passed", "failed"] {
        assert!(expected.contains(&format!("\"verdict\":\"{verdict}\"")), "{verdict}: {expected}");
    }
    expected
}

/// Takes messages in, in an order of its own. Blocks: a writer has a thread and a runtime, as a function would.
fn write(url: &str, messages: &[Delivery], seed: u64, batch: usize) {
    let mut shuffled = messages.to_vec();
    Random::new(seed).shuffle(&mut shuffled);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { take_in(&store_of(url, 1), &shuffled, batch).await });
}

#[tokio::test]
async fn four_writers_of_the_same_commits_write_what_one_writes() {
    let messages = messages();
    let expected = expected(&messages).await;
    let db = support::database().await;
    thread::scope(|scope| {
        for (seed, batch) in [(1, 30), (2, 50), (3, 80), (4, 130)] {
            let (messages, url) = (&messages, &db.url);
            scope.spawn(move || write(url, messages, seed, batch));
        }
    });
    let found = found(&db.store).await;
    assert!(expected == found, "{}", difference(&expected, &found));
    drop(db.store);
    assert_eq!(deadlocks(&db.url).await, 0);
}

/// A database that had rows before it had checks, and whose old rows are read while messages arrive, has the checks of
/// one that had them from the beginning.
#[tokio::test]
async fn an_updated_database_equals_one_that_was_fed_live() {
    let mut messages = messages();
    let expected = expected(&messages).await;
    let db = support::database().await;
    Random::new(5).shuffle(&mut messages);
    let (before, after) = messages.split_at(messages.len() / 2);
    take_in(&db.store, before, 100).await;
    let tables = Source::ALL.iter().flat_map(|source| source.check_tables());
    let tables = tables.chain(&["gitlab_pushes"]);
    let tables: Vec<String> = tables.map(|table| format!("('{table}')")).collect();
    let begin = format!(
        "DELETE FROM checks; DELETE FROM repositories; INSERT INTO check_projections (kind) VALUES {}",
        tables.join(", ")
    );
    db.store.script(&begin, deadline()).await.unwrap();
    thread::scope(|scope| {
        for (seed, batch) in [(6, 40), (7, 90)] {
            let (after, url) = (&after, &db.url);
            scope.spawn(move || write(url, after, seed, batch));
        }
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { run_task(&store_of(&db.url, 1), Task::Checks).await });
        });
    });
    let found = found(&db.store).await;
    assert!(expected == found, "{}", difference(&expected, &found));
    drop(db.store);
    assert_eq!(deadlocks(&db.url).await, 0);
}

/// A repeated message changes no check: nothing is written.
#[tokio::test]
async fn repeated_messages_write_no_check() {
    let db = support::database().await;
    let messages = messages();
    take_in(&db.store, &messages, 100).await;
    // The place of each version of a row: an update would make a new one, even with the same values.
    let versions = "SELECT ctid::text || xmin::text FROM checks ORDER BY system, kind, key";
    let before = render::rows(&db.store, versions).await;
    assert!(before.len() > 5 * commits().count(), "{}", before.len());
    take_in(&db.store, &messages, 100).await;
    for table in ["buildkite_builds", "travis_builds", "pipelineruns", "releases", "kcidb_checkouts", "bots"] {
        db.store.script(&format!("INSERT INTO check_projections (kind) VALUES ('{table}')"), deadline()).await.unwrap();
    }
    run_task(&db.store, Task::Checks).await;
    assert_eq!(render::rows(&db.store, versions).await, before);
}
