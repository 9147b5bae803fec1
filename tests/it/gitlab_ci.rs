//! Pipelines, jobs and deployments of GitLab: rows, checks and verdicts, in any order of messages.

mod checks;
mod deployments;
mod measure;
mod order;
mod rows;

use hummingbird_status::checks::Pattern;
use hummingbird_status::db::Store;
use hummingbird_status::ingest::{Report, ingest};
use hummingbird_status::reports::{CommitVerdict, verdicts};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use crate::support::{deadline, project as file, render};

/// The commit of all messages here, unless they say otherwise.
pub const SHA: &str = "5a5b5c5d5e5f5a5b5c5d5e5f5a5b5c5d5e5f5a5b";
const URL: &str = "https://gitlab.example/acme/kiln";

fn time(at: &str) -> Value {
    if at.is_empty() { Value::Null } else { json!(format!("2026-03-10 {at} UTC")) }
}

/// Members of a message that are replaced, by their paths.
fn with(mut message: Value, more: &[(&str, Value)]) -> Value {
    for (path, value) in more {
        let (parent, name) = path.rsplit_once('/').unwrap();
        message.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    message
}

fn project() -> Value {
    json!({"id": 62, "web_url": URL, "path_with_namespace": "acme/kiln", "default_branch": "main"})
}

/// The hook of a pipeline of `main` that a push made.
fn pipeline(id: i64, status: &str, jobs: &[Value], more: &[(&str, Value)]) -> Value {
    let attributes = json!({"id": id, "iid": id - 100, "ref": "main", "tag": false, "sha": SHA, "source": "push",
        "status": status, "detailed_status": status, "stages": ["build", "test"], "created_at": time("10:00:00"),
        "finished_at": null, "variables": [], "url": format!("{URL}/-/pipelines/{id}")});
    let message = json!({"object_kind": "pipeline", "object_attributes": attributes, "merge_request": null,
        "user": {"id": 3, "username": "sam", "email": "sam@example.com"}, "project": project(),
        "commit": {"id": SHA, "title": "Glaze", "author": {"name": "Sam", "email": "sam@example.com"}}, "builds": jobs});
    with(message, more)
}

/// A job in the list of a pipeline, of the stage `test`, with its times.
fn job(id: i64, name: &str, status: &str, [created, started, finished]: [&str; 3]) -> Value {
    json!({"id": id, "stage": "test", "name": name, "status": status, "created_at": time(created),
        "started_at": time(started), "finished_at": time(finished), "allow_failure": false, "failure_reason": null,
        "user": {"id": 3, "username": "sam"}, "environment": null})
}

/// The hook of a job of the list, with milliseconds as newer releases send them.
fn hook_of(pipeline: i64, job: &Value, more: &[(&str, Value)]) -> Value {
    let precise = |name: &str| match job[name].as_str() {
        Some(time) => json!(time.replace(" UTC", ".386Z").replace(' ', "T")),
        None => Value::Null,
    };
    let message = json!({"object_kind": "build", "build_id": job["id"], "build_name": job["name"],
        "build_stage": job["stage"], "build_status": job["status"], "build_created_at": precise("created_at"),
        "build_started_at": precise("started_at"), "build_finished_at": precise("finished_at"),
        "build_allow_failure": job["allow_failure"], "build_failure_reason": "unknown_failure",
        "pipeline_id": pipeline, "commit": {"id": pipeline}, "ref": "main", "tag": false, "sha": SHA, "project_id": 62,
        "project": project(), "repository": {"homepage": URL}});
    with(message, more)
}

/// Members of a pipeline of merge request 7, whose source branch is `topic`.
fn of_request() -> Vec<(&'static str, Value)> {
    let request = json!({"iid": 7, "source_branch": "topic", "target_branch": "main", "source_project_id": 62,
        "target_project_id": 62});
    vec![
        ("/merge_request", request),
        ("/object_attributes/ref", json!("topic")),
        ("/object_attributes/source", json!("merge_request_event")),
    ]
}

/// A message as SNS brings it, sent at a minute after 17:00, with an id of its own.
fn sent(message: &Value, minute: usize) -> Delivery {
    let body = json!({"Type": "Notification", "MessageId": format!("m{minute}"), "TopicArn": "t",
        "Message": message.to_string(), "Timestamp": format!("2026-03-10T{}:{:02}:00Z", 17 + minute / 60, minute % 60)});
    Delivery { id: format!("d{minute}"), body: body.to_string().into_bytes(), ..Delivery::default() }
}

/// The messages in their order, each sent a minute after the one before.
fn in_order(messages: &[Value]) -> Vec<Delivery> {
    messages.iter().enumerate().map(|(minute, message)| sent(message, 10 * minute)).collect()
}

async fn take(store: &Store, batch: &[Delivery]) -> Report {
    let report = ingest(store, batch, &Settings::default(), deadline()).await;
    assert_eq!(
        (report.error.as_ref(), report.counts().refused, report.counts().again),
        (None, 0, 0),
        "{:?}",
        report.reasons
    );
    report
}

/// Ingests messages one by one.
async fn take_each(store: &Store, messages: &[Delivery]) {
    for message in messages {
        take(store, std::slice::from_ref(message)).await;
    }
}

/// Columns of all checks, one line for each.
async fn checks_of(store: &Store, columns: &[&str]) -> String {
    render::table(store, columns, "FROM checks ORDER BY kind, key").await
}

/// The verdict of a commit of `acme/kiln` in the night of that day, with patterns that need a check.
async fn verdict(store: &Store, sha: &str, required: &[&str]) -> Option<CommitVerdict> {
    let required: Vec<Pattern> = required.iter().map(|pattern| Pattern::from((*pattern).to_owned())).collect();
    let mut reader = store.reader(deadline()).await.unwrap();
    let now = "2026-03-10T23:30:00Z".parse().unwrap();
    verdicts(&mut reader, sha, Some("acme/kiln"), &required, now).await.unwrap().into_iter().next()
}

/// The same as a text: `failed (failed gitlab:pipeline)`.
async fn said(store: &Store, sha: &str, required: &[&str]) -> String {
    let Some(verdict) = verdict(store, sha, required).await else { return "-".to_owned() };
    let json = serde_json::to_value(&verdict.verdict).unwrap();
    let reason = |reason: &Value| {
        let of: Vec<&str> = reason["of"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        format!("{} {}", reason["why"].as_str().unwrap(), of.join(" "))
    };
    let reasons: Vec<String> = json["reasons"].as_array().unwrap().iter().map(reason).collect();
    format!("{} ({})", json["verdict"].as_str().unwrap(), reasons.join(", "))
}

/// A fixture.
fn fixture(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(file(&format!("events/gitlab/{name}.json"))).unwrap()).unwrap()
}
