//! Whole runs: what ends a run, what the next one continues, and the order of projects.

use std::sync::Arc;
use std::time::Duration;

use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::platform::secret::Secret;
use hummingbird_status::reconcile::{ReconcileError, SetupError};
use serde_json::json;

use super::fake::{Answer, Fake, fixed};
use super::{Db, Options, add_open, corrections, open_only, options, render, run, run_within};
use crate::support;

/// So many projects with one merge request each, which is merged by now.
async fn projects(names: &[&str]) -> (Db, Fake) {
    let db = support::database().await;
    let gitlab = Fake::start().await;
    for name in names {
        add_open(&db, &gitlab, name, [1]).await;
        gitlab.change(name, 1, json!({"state": "merged", "updated_at": "2026-03-10T11:00:00.100Z"}));
    }
    (db, gitlab)
}

fn one_by_one() -> Options {
    Options { concurrency: 1, ..open_only() }
}

#[tokio::test]
async fn a_wrong_token_ends_the_run() {
    let (db, gitlab) = projects(&["g/a", "g/b"]).await;
    gitlab.script("", fixed(401, &[], r#"{"message":"401 Unauthorized"}"#));
    let before = render::all(&db.store).await;
    let report = run(&db, &gitlab, one_by_one()).await;
    assert_eq!(gitlab.asked().len(), 1);
    assert_eq!(report.stopped.as_deref(), Some("127.0.0.1: GitLab rejects the credential (401)"));
    assert_eq!(report.left, ["g/a", "g/b"]);
    assert_eq!(render::all(&db.store).await, before);
}

#[tokio::test]
async fn forbidden_and_deleted_projects_are_skipped_and_reported() {
    let (db, gitlab) = projects(&["g/a", "g/b", "g/c"]).await;
    gitlab.script("g%2Fa", fixed(403, &[], r#"{"message":"403 Forbidden"}"#));
    gitlab.state().projects.remove("g/b");
    let report = run(&db, &gitlab, options()).await;
    let unreachable: Vec<_> = report.unreachable.iter().map(|u| (u.project.as_str(), u.problem.as_str())).collect();
    assert_eq!(unreachable, [("g/a", "GitLab answers 403"), ("g/b", "GitLab answers 404")]);
    assert_eq!(corrections(&report), ["g/c!1 state: opened -> merged"]);
    let states =
        render::table(&db.store, &["project", "state", "source"], "FROM gitlab_merge_requests ORDER BY 1").await;
    assert_eq!(states, "g/a | opened | webhook\ng/b | opened | webhook\ng/c | merged | reconcile");
    let kept = ["project", "problem", "swept_at IS NOT NULL"];
    let kept = render::table(&db.store, &kept, "FROM reconcile_projects ORDER BY 1").await;
    assert_eq!(kept, "g/a | GitLab answers 403 | false\ng/b | GitLab answers 404 | false\ng/c | - | true");
}

/// An instance that is down is not asked about each of a thousand projects.
#[tokio::test]
async fn an_unavailable_gitlab_is_not_asked_further() {
    let (db, gitlab) = projects(&["g/a", "g/b", "g/c", "g/d", "g/e"]).await;
    for _ in 0..100 {
        gitlab.script("", fixed(503, &[], "down"));
    }
    let report = run(&db, &gitlab, one_by_one()).await;
    assert_eq!(gitlab.asked().len(), 3 * 4);
    assert_eq!(report.left, ["g/d", "g/e"]);
    let why = "127.0.0.1: no usable answer from GitLab in 4 attempts: status 503";
    assert_eq!((report.stopped.as_deref(), report.unreachable.len()), (Some(why), 3));
}

/// However few projects there are: a small installation has one, and a subnet without a way out is the commonest
/// mistake.
#[tokio::test]
async fn an_instance_that_never_answers_stops_the_run() {
    let why = "127.0.0.1: no usable answer from GitLab in 4 attempts: status 503";
    for paths in [&["g/a"][..], &["g/a", "g/b"]] {
        let (db, gitlab) = projects(paths).await;
        gitlab.state().always = Some(fixed(503, &[], "down"));
        let report = run(&db, &gitlab, one_by_one()).await;
        assert_eq!((report.stopped.as_deref(), report.unreachable.len()), (Some(why), paths.len()));
        // One that answers for any of them is not away; nor is one that says no.
        gitlab.state().always = Some(fixed(403, &[], "no"));
        let report = run(&db, &gitlab, one_by_one()).await;
        assert_eq!((report.stopped.as_deref(), report.unreachable.len()), (None, paths.len()));
    }
}

/// Each answer takes so long that one run cannot do it all.
fn slow(time: Duration) -> Answer {
    Arc::new(move |state, uri| {
        std::thread::sleep(time);
        state.truth(uri)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cut_is_continued_by_the_next() {
    let names = ["g/a", "g/b", "g/c", "g/d", "g/e", "g/f"];
    let (db, gitlab) = projects(&names).await;
    for _ in 0..1000 {
        gitlab.script("", slow(Duration::from_millis(250)));
    }
    let mut merged: Vec<String> = Vec::new();
    let mut runs = 0;
    while merged.len() < names.len() {
        runs += 1;
        assert!(runs <= 100, "{merged:?}");
        // Two seconds of which are kept for what comes after the projects; on a busy machine more and more.
        let limit = Duration::from_millis(2500 + 200 * runs);
        let report = run_within(&db, &gitlab, one_by_one(), Deadline::within(limit)).await;
        let done: Vec<_> = report.corrections.iter().map(|c| c.project.clone()).collect();
        assert_eq!(done, names[merged.len()..merged.len() + done.len()], "not those that have waited longest");
        assert!(names[merged.len() + done.len()..].iter().all(|name| report.left.contains(&(*name).to_owned())));
        assert_eq!((report.unreachable.len(), report.stopped.as_deref()), (0, None));
        merged.extend(done);
    }
    assert!(runs >= 2, "it was not cut");
    let open = "SELECT project FROM gitlab_merge_requests WHERE state = 'opened'";
    assert_eq!(render::rows(&db.store, open).await, [""; 0]);
}

#[tokio::test]
async fn the_project_that_waited_longest_is_first() {
    let (db, gitlab) = projects(&["g/a", "g/b", "g/c"]).await;
    let sql = "INSERT INTO reconcile_projects (project, checked_at) VALUES \
               ('g/a', now() - interval '1 minute'), ('g/b', now() - interval '1 hour')";
    db.store.script(sql, support::deadline()).await.unwrap();
    run(&db, &gitlab, one_by_one()).await;
    let asked: Vec<_> = gitlab.asked().iter().map(|asked| asked[..3].to_owned()).collect();
    assert_eq!(asked, ["g/c", "g/b", "g/a"]);
}

#[tokio::test]
async fn a_database_that_fails_ends_the_run() {
    let (db, gitlab) = projects(&["g/a", "g/b"]).await;
    let check = "ALTER TABLE gitlab_merge_requests ADD CONSTRAINT never CHECK (state <> 'merged')";
    db.store.script(check, support::deadline()).await.unwrap();
    let report = run(&db, &gitlab, one_by_one()).await;
    let stopped = report.stopped.unwrap();
    assert!(stopped.starts_with("statement upsert_merge_requests failed: "), "{stopped}");
    assert_eq!((report.left, report.corrections.len()), (vec!["g/a".to_owned(), "g/b".to_owned()], 0));
}

#[tokio::test]
async fn instances_that_cannot_be_asked_are_named_by_their_place() {
    let db = support::database().await;
    let mut instances = [Fake::start().await.instance(), Fake::start().await.instance()];
    let run = async |instances: &[_]| {
        super::reconcile::run(&db.store, instances, options(), support::deadline(), |_, _| ())
            .await
            .map(|_| ())
            .unwrap_err()
    };
    instances[1].token = Some(Secret::new("se\ncret"));
    let error = run(&instances).await;
    assert!(matches!(error, ReconcileError::Setup(SetupError::Token { number: 2 })), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("cret"));
    instances[1].ca_bundle = Some("/nowhere/ca.pem".to_owned());
    instances[1].token = None;
    let error = run(&instances).await;
    assert_eq!(error.to_string(), "GitLab instance 2: cannot use the authorities in /nowhere/ca.pem");
    instances[0].url = "https://user:hunter2@gitlab.com".to_owned();
    let error = run(&instances).await;
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

/// A connection that slept with its function, or a fail-over.
#[tokio::test]
async fn connections_that_died_are_replaced() {
    let (db, gitlab) = projects(&["g/a", "g/b"]).await;
    let url = db.url.clone();
    let kill: Answer = Arc::new(move |state, uri| {
        let url = url.clone();
        let kill = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                          WHERE datname = current_database() AND pid <> pg_backend_pid()";
            runtime.block_on(async { support::store_of(&url, 1).script(others, support::deadline()).await }).unwrap();
        });
        kill.join().unwrap();
        state.truth(uri)
    });
    gitlab.script("g%2Fa", kill.clone());
    gitlab.script("g%2Fb", kill);
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(corrections(&report), ["g/a!1 state: opened -> merged", "g/b!1 state: opened -> merged"]);
    assert!(report.is_whole(), "{report:?}");
}
