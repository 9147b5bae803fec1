//! Pipelines whose end no webhook reported, and deleted ones.

use std::sync::Arc;

use hummingbird_status::reconcile::{Options, Report};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::fake::{Fake, answer, fixed};
use super::races::during;
use super::{ingest_webhook, open_only, run};
use crate::support::{self, Db, deadline, render};

const ID: i64 = 500;

fn ago(minutes: i64) -> Timestamp {
    let at = Timestamp::now().checked_sub(SignedDuration::from_mins(minutes)).unwrap();
    Timestamp::from_second(at.as_second()).unwrap()
}

/// A job as the API has it: created five hours ago.
fn job(id: i64, name: &str, status: &str, ended: Option<i64>) -> Value {
    json!({"id": id, "name": name, "stage": "test", "status": status, "ref": "main", "tag": false,
        "allow_failure": false, "failure_reason": if status == "failed" { json!("script_failure") } else { Value::Null },
        "created_at": ago(300).to_string(), "started_at": ago(299).to_string(),
        "finished_at": ended.map(|minutes| ago(minutes).to_string()), "web_url": format!("https://h/g/p/-/jobs/{id}"),
        "user": {"username": "sam"}, "commit": {"id": "a".repeat(40)}, "pipeline": {"id": ID}})
}

/// A pipeline as the API has it.
fn item(status: &str, ended: Option<i64>) -> Value {
    json!({"id": ID, "iid": 5, "project_id": 7, "status": status, "source": "push", "ref": "main",
        "sha": "a".repeat(40), "created_at": ago(300).to_string(), "updated_at": ago(1).to_string(),
        "finished_at": ended.map(|minutes| ago(minutes).to_string()), "detailed_status": {"label": status}})
}

/// The webhook about the same.
fn hook(status: &str, ended: Option<i64>, jobs: &[Value]) -> Value {
    let zoned = |at: &Value| match at.as_str() {
        Some(at) => json!(at.replace('T', " ").replace('Z', " UTC")),
        None => Value::Null,
    };
    let jobs = jobs.iter().cloned().map(|mut job| {
        for name in ["created_at", "started_at", "finished_at"] {
            job[name] = zoned(&job[name]);
        }
        job
    });
    let of = item(status, ended);
    json!({"object_kind": "pipeline", "project": {"id": 7, "path_with_namespace": "g/p", "web_url": "https://h/g/p"},
        "commit": {"title": "Glaze"}, "builds": jobs.collect::<Vec<_>>(), "merge_request": null,
        "object_attributes": {"id": ID, "iid": 5, "ref": "main", "tag": false, "sha": "a".repeat(40), "source": "push",
            "status": status, "detailed_status": status, "stages": ["test"], "created_at": zoned(&of["created_at"]),
            "finished_at": zoned(&of["finished_at"])}})
}

/// A database with a pipeline that runs since five hours by its last webhook, and a GitLab where it is something else.
async fn running(status: &str, ended: Option<i64>, jobs: Vec<Value>) -> (Db, Fake) {
    let db = support::database().await;
    let gitlab = Fake::start().await;
    let before = [job(1, "unit", "running", None)];
    ingest_webhook(&db.store, &hook("running", None, &before), &ago(298).to_string()).await;
    gitlab.state().projects.insert("g/p".to_owned(), Default::default());
    gitlab.state().pipelines.insert(("g/p".to_owned(), ID), (item(status, ended), jobs));
    (db, gitlab)
}

async fn rows(db: &Db) -> String {
    let pipeline = ["status", "title", "deleted_at IS NOT NULL", "asked_at IS NOT NULL"];
    let jobs = ["id", "status", "failure_reason", "stage"];
    [
        render::table(&db.store, &pipeline, "FROM gitlab_pipelines").await,
        render::table(&db.store, &jobs, "FROM gitlab_jobs ORDER BY id").await,
        render::table(&db.store, &["name", "state"], "FROM checks ORDER BY name").await,
    ]
    .join("\n")
}

fn corrections(report: &Report) -> Vec<String> {
    let line = |c: &hummingbird_status::reconcile::PipelineCorrection| {
        let change = &c.changes[0];
        format!("{} {} {}: {} -> {}", c.project, c.id, change.field, change.old, change.new)
    };
    report.pipelines.iter().map(line).collect()
}

const FAILED: &str = "failed | Glaze | false | true\n1 | failed | script_failure | test\n2 | success | - | test\n\
                      pipeline | failed\ntest/lint | passed\ntest/unit | failed";

fn failed_jobs() -> Vec<Value> {
    vec![job(1, "unit", "failed", Some(280)), job(2, "lint", "success", Some(281))]
}

#[tokio::test]
async fn an_end_that_no_webhook_reported_is_found() {
    let (db, gitlab) = running("failed", Some(280), failed_jobs()).await;
    let dry = run(&db, &gitlab, Options { dry_run: true, ..open_only() }).await;
    assert_eq!(corrections(&dry), ["g/p 500 status: running -> failed"]);
    assert!(rows(&db).await.starts_with("running | Glaze | false | false"), "{}", rows(&db).await);
    gitlab.asked();
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(gitlab.asked(), ["g/p/pipelines/500", "g/p/pipelines/500/jobs"]);
    assert_eq!(corrections(&report), ["g/p 500 status: running -> failed"]);
    assert!(report.is_whole());
    assert_eq!(rows(&db).await, FAILED);
    // It has ended, and is not asked about again.
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!((gitlab.asked().len(), corrections(&report).len()), (0, 0));
}

/// The same rows, in whatever order the answer and the webhook that was lost for a while are written.
#[tokio::test]
async fn a_webhook_that_races_an_answer_gives_the_same_rows() {
    let late = || (hook("failed", Some(280), &failed_jobs()), ago(0).to_string());
    let running_again = || {
        let jobs = [vec![job(9, "unit", "running", None)], failed_jobs()[1..].to_vec()].concat();
        (hook("running", Some(280), &jobs), ago(0).to_string())
    };
    for (message, expected) in [
        (late as fn() -> (Value, String), FAILED.to_owned()),
        // A retry makes a newer job: the answer is older, whichever is written first.
        (
            running_again as fn() -> (Value, String),
            "running | Glaze | false | true\n1 | failed | script_failure | test\n2 | success | - | test\n\
             9 | running | - | test\npipeline | running\ntest/lint | passed\ntest/unit | running"
                .to_owned(),
        ),
    ] {
        for first in ["webhook", "answer"] {
            let (db, gitlab) = running("failed", Some(280), failed_jobs()).await;
            let (payload, sent_at) = message();
            if first == "webhook" {
                gitlab.script("jobs", during(&db, payload, sent_at));
                run(&db, &gitlab, open_only()).await;
            } else {
                run(&db, &gitlab, open_only()).await;
                ingest_webhook(&db.store, &payload, &sent_at).await;
            }
            assert_eq!(rows(&db).await, expected, "{first} first");
        }
    }
}

#[tokio::test]
async fn a_pipeline_that_is_gone_is_deleted() {
    let (db, gitlab) = running("failed", Some(280), Vec::new()).await;
    gitlab.state().pipelines.clear();
    let report = run(&db, &gitlab, open_only()).await;
    // The project is asked about, too: without it, nothing is known of its pipelines.
    assert_eq!(gitlab.asked(), ["g/p/pipelines/500", "g/p"]);
    assert_eq!(corrections(&report), ["g/p 500 status: running -> deleted"]);
    let found = render::table(
        &db.store,
        &["p.status", "p.deleted_at IS NOT NULL", "c.state"],
        "FROM gitlab_pipelines AS p JOIN checks AS c ON c.stage = 'pipeline'",
    )
    .await;
    assert_eq!(found, "running | true | canceled");
    assert_eq!(corrections(&run(&db, &gitlab, open_only()).await), [""; 0]);
    // An older webhook does not bring it back.
    let again = hook("running", None, &[job(1, "unit", "running", None)]);
    ingest_webhook(&db.store, &again, &ago(297).to_string()).await;
    assert_eq!(render::table(&db.store, &["state"], "FROM checks WHERE stage = 'pipeline'").await, "canceled");
}

/// Where the project cannot be asked about, a missing pipeline means nothing.
#[tokio::test]
async fn a_project_that_is_gone_keeps_its_pipelines() {
    for plant in
        [fixed(404, &[], "{}"), fixed(200, &[], r#"{"id": 8, "path_with_namespace": "g/p"}"#), fixed(503, &[], "")]
    {
        let (db, gitlab) = running("failed", None, Vec::new()).await;
        gitlab.state().pipelines.clear();
        let is_project = |path: &str| !path.contains("pipelines");
        let plant = plant.clone();
        gitlab.state().always = Some(Arc::new(move |state, uri| match is_project(uri.path()) {
            true => plant(state, uri),
            false => answer(404, &[], "{}"),
        }));
        let report = run(&db, &gitlab, open_only()).await;
        // A token that may not see the project's number may still see its merge requests.
        let deleted = render::table(&db.store, &["deleted_at IS NOT NULL"], "FROM gitlab_pipelines").await;
        let is_known = report.unreachable.is_empty() && report.stopped.is_none();
        assert_eq!(deleted, is_known.to_string(), "{report:?}");
    }
}

/// Answers that cannot be used are asked for again, and change nothing.
#[tokio::test]
async fn unusable_answers_are_asked_for_again() {
    let bad = [
        fixed(500, &[], ""),
        fixed(429, &[("retry-after", "0")], ""),
        fixed(200, &[], "<html>sign in</html>"),
        fixed(200, &[], r#"{"status": 7}"#),
        fixed(200, &[], r#"{"id": 500, "status": "#),
    ];
    for part in ["pipelines/500?", "pipelines/500/jobs"] {
        for plant in &bad {
            let (db, gitlab) = running("failed", Some(280), failed_jobs()).await;
            gitlab.script(part.trim_end_matches('?'), plant.clone());
            run(&db, &gitlab, open_only()).await;
            assert_eq!(rows(&db).await, FAILED, "{part}");
        }
    }
}

/// What GitLab does not show to the token is reported, and the others are checked.
#[tokio::test]
async fn a_pipeline_that_may_not_be_seen_is_reported() {
    let (db, gitlab) = running("failed", Some(280), failed_jobs()).await;
    gitlab.script("pipelines/500", fixed(403, &[], "{}"));
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!((report.refused.len(), report.refused[0].detail.as_str()), (1, "pipeline 500: GitLab answers 403"));
    assert!(!report.is_whole() && rows(&db).await.starts_with("running | Glaze | false | true"));
}

/// The number of another project: the path is that of another one now, and nothing is written.
#[tokio::test]
async fn an_answer_of_another_project_is_not_written() {
    let (db, gitlab) = running("failed", Some(280), failed_jobs()).await;
    gitlab.state().pipelines.get_mut(&("g/p".to_owned(), ID)).unwrap().0["project_id"] = json!(8);
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(report.unreachable.len(), 1, "{report:?}");
    assert!(rows(&db).await.starts_with("running | "));
}

/// The list of jobs comes in pages, and a job that cannot be read is left out.
#[tokio::test]
async fn jobs_come_in_pages_and_odd_ones_are_left_out() {
    let odd = vec![json!({"id": "x", "name": 7}), json!(null)];
    let (db, gitlab) = running("failed", Some(280), [failed_jobs(), odd].concat()).await;
    gitlab.state().page = Some(1);
    run(&db, &gitlab, open_only()).await;
    assert_eq!(rows(&db).await, FAILED);
}

/// A pipeline that waits for a person is asked about once a day, one that is new not at all.
#[tokio::test]
async fn waiting_and_new_pipelines_are_asked_about_rarely() {
    let mut ship = job(2, "ship", "manual", None);
    ship["started_at"] = Value::Null;
    let (db, gitlab) = running("manual", None, vec![job(1, "unit", "success", Some(280)), ship]).await;
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(corrections(&report), ["g/p 500 status: running -> manual"]);
    // The answer is of now, so that it is new.
    let old = "UPDATE gitlab_pipelines SET message_at = now() - interval '3 hours'";
    for (sql, asked) in
        [("SELECT 1", 0), (old, 0), ("UPDATE gitlab_pipelines SET asked_at = now() - interval '25 hours'", 2)]
    {
        db.store.script(sql, deadline()).await.unwrap();
        gitlab.asked();
        run(&db, &gitlab, open_only()).await;
        assert_eq!(gitlab.asked().len(), asked, "{sql}");
    }
}

/// Pushes arrive and hooks about pipelines do not, which did before.
#[tokio::test]
async fn a_project_whose_hooks_about_pipelines_cease_is_reported() {
    let gitlab = Fake::start().await;
    gitlab.state().projects.insert("g/p".to_owned(), Default::default());
    let push = |minutes: i64| {
        let commit = json!({"id": "b".repeat(40), "title": "t", "timestamp": ago(minutes).to_string()});
        json!({"object_kind": "push", "ref": "refs/heads/main", "after": "b".repeat(40), "project_id": 7,
            "project": {"id": 7, "path_with_namespace": "g/p", "web_url": "https://h/g/p", "default_branch": "main"},
            "commits": [commit]})
    };
    let old = "UPDATE gitlab_pipelines SET version_at = version_at - interval '2 days',
        message_at = message_at - interval '2 days', status = 'success'";
    for (has_pipeline, is_old, pushed, expected) in [
        (true, true, 120, 1),
        (true, true, 10, 0),
        (true, true, 2000, 0),
        (true, false, 120, 0),
        (false, false, 120, 0),
    ] {
        let db = support::database().await;
        if has_pipeline {
            ingest_webhook(&db.store, &hook("success", Some(290), &[]), &ago(290).to_string()).await;
        }
        if is_old {
            db.store.script(old, deadline()).await.unwrap();
        }
        ingest_webhook(&db.store, &push(pushed), &ago(pushed).to_string()).await;
        let report = run(&db, &gitlab, open_only()).await;
        let found: Vec<_> = report.stale.iter().map(|s| (s.kind, s.name.as_str())).collect();
        let reported = vec![("gitlab_project", "g/p"); expected];
        assert_eq!(found, reported, "{has_pipeline} {is_old} {pushed}");
    }
}
