//! The default branches of repositories, from pushes.

use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::{Settings, Task};
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use crate::support::checks::take_in;
use crate::support::{self, deadline, render, schema};

/// A push to a path of project 7. See [`push_of`].
fn push(path: &str, default: Option<&str>, committed: u32, sent: u32) -> Delivery {
    push_of(7, path, default, committed, sent)
}

/// A push to a path of a project, whose head commit is of a minute, and which was sent at another one.
fn push_of(project: u32, path: &str, default: Option<&str>, committed: u32, sent: u32) -> Delivery {
    let commit = format!("{committed:040}");
    let mut project =
        json!({"id": project, "path_with_namespace": path, "web_url": format!("https://GitLab.example/{path}")});
    if let Some(default) = default {
        project["default_branch"] = json!(default);
    }
    let time = |minute: u32| format!("2026-03-10T{:02}:{:02}:00Z", 10 + minute / 60, minute % 60);
    let payload = json!({"object_kind": "push", "ref": "refs/heads/main", "after": commit, "project": project,
        "commits": [{"id": commit, "timestamp": time(committed)}]});
    let body = json!({"Type": "Notification", "MessageId": format!("{path} {committed} {sent}"), "TopicArn": "t",
        "Message": payload.to_string(), "Timestamp": time(sent)});
    Delivery { id: "sqs".to_owned(), body: body.to_string().into_bytes(), ..Delivery::default() }
}

async fn repositories(messages: &[&Delivery]) -> Vec<String> {
    let db = support::database().await;
    schema::clear(&db.store).await;
    for message in messages {
        let report = ingest(&db.store, &[(*message).clone()], &Settings::default(), deadline()).await;
        assert_eq!((report.error.as_ref(), report.counts().refused), (None, 0), "{:?}", report.reasons);
    }
    let text = "host || '/' || repo || ' ' || coalesce(upstream_id, '-') || ' ' || default_branch";
    render::rows(&db.store, &format!("SELECT {text} FROM repositories ORDER BY host, repo")).await
}

#[tokio::test]
async fn the_default_branch_is_that_of_the_newest_push() {
    let (old, new) = (push("g/p", Some("main"), 1, 2), push("g/p", Some("trunk"), 3, 4));
    // Sent again by hand, later than all others.
    let again = push("g/p", Some("main"), 1, 9);
    let silent = push("g/p", None, 5, 6);
    let expected = ["gitlab.example/g/p 7 trunk"];
    for order in [[&old, &new, &again, &silent], [&silent, &again, &new, &old], [&new, &old, &silent, &again]] {
        assert_eq!(repositories(&order).await, expected);
    }
    assert_eq!(repositories(&[&silent]).await, Vec::<String>::new());
}

/// Each path has what pushes to it said, in whatever order a rename becomes known.
#[tokio::test]
async fn a_renamed_repository_has_a_row_for_each_path() {
    let (old, new) = (push("g/old", Some("main"), 1, 2), push("g/new", Some("trunk"), 3, 4));
    let expected = ["gitlab.example/g/new 7 trunk", "gitlab.example/g/old 7 main"];
    for order in [[&old, &new], [&new, &old]] {
        assert_eq!(repositories(&order).await, expected);
    }
}

/// Pushes from before the table are read as rows: each repository has what its newest push said, also where several
/// repositories have a commit and where there are more pushes than are read at once.
#[tokio::test]
async fn old_pushes_say_what_they_said_when_they_came() {
    let projects = [(1, "g/a"), (2, "g/b"), (3, "g/c")];
    let branch = |number: u32| if number % 7 < 3 { "main" } else { "trunk" };
    let all: Vec<Delivery> = (0..600_u32)
        .flat_map(|number| {
            projects.map(|(project, path)| push_of(project, path, Some(branch(number)), number, number + 1))
        })
        .chain([push_of(4, "g/silent", None, 3, 4)])
        .collect();
    let db = support::database().await;
    take_in(&db.store, &all, 500).await;
    let text = "SELECT r::text FROM repositories AS r ORDER BY host, repo";
    let live = render::rows(&db.store, text).await;
    assert_eq!(live.len(), projects.len());
    let script = "DELETE FROM repositories; INSERT INTO check_projections (kind) VALUES ('gitlab_pushes')";
    db.store.script(script, deadline()).await.unwrap();
    support::run_task(&db.store, Task::Checks).await;
    assert_eq!(render::rows(&db.store, text).await, live);
    let done = "SELECT (done_at IS NOT NULL AND rows > 0)::text FROM check_projections";
    assert_eq!(render::rows(&db.store, done).await, ["true"]);
}

/// A push whose URLs name no host says nothing of a repository.
#[tokio::test]
async fn a_push_without_a_host_is_left_out() {
    let payload: Value = json!({"object_kind": "push", "ref": "refs/heads/main", "after": "a".repeat(40),
        "project": {"path_with_namespace": "g/p", "default_branch": "main"}});
    let delivery = Delivery { id: "m".to_owned(), body: payload.to_string().into_bytes(), ..Delivery::default() };
    assert_eq!(repositories(&[&delivery]).await, [""; 0]);
}
