//! Times in the future: a row with one would be newer than every message until then.

use std::process::Command;

use hummingbird_status::ingest::{Outcome, ingest};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{self, Db, deadline};

const FUTURE: &str = "2998-12-31T23:59:59Z";

/// A kind of object: its messages, with a state and a time, and a query for the state and all times of its row.
struct Thing {
    kind: &'static str,
    key: &'static str,
    /// The message: the payload's own time, the time of its carrier, and which of two states it says.
    message: fn(own: &str, number: usize, second: bool) -> Value,
    state: &'static str,
    states: [&'static str; 2],
    /// What a payload with a time of the future comes to.
    future: Outcome,
    times: &'static str,
}

fn object(kind: &str, own: &str, namespace: &str, status: &Value, spec: &Value) -> Value {
    let api = if kind == "PipelineRun" { "tekton.dev/v1" } else { "appstudio.redhat.com/v1alpha1" };
    json!({"apiVersion": api, "kind": kind, "metadata": {"name": "n", "namespace": namespace, "uid": namespace,
        "creationTimestamp": own}, "spec": spec, "status": status})
}

fn namespaced(kind: &'static str, own: &str, second: bool) -> Value {
    object(kind, own, if second { "second" } else { "first" }, &json!({}), &json!({}))
}

fn kcidb(list: &str, mut object: Value, own: &str, second: bool, word: [&str; 2]) -> Value {
    object["id"] = json!("o:1");
    object["origin"] = json!("o");
    if list != "issues" {
        object["start_time"] = json!(own);
    }
    object["comment"] = json!(word[usize::from(second)]);
    json!({"version": {"major": 5, "minor": 3}, list: [object]})
}

fn project() -> Value {
    json!({"id": 1, "path_with_namespace": "g/p", "web_url": "https://h/g/p"})
}

const TEXTS: [&str; 2] = ["first", "second"];

const THINGS: &[Thing] = &[
    Thing {
        kind: "mr",
        key: "g/p!1",
        message: |own, _, second| {
            json!({"object_kind": "merge_request", "project": {"id": 1, "path_with_namespace": "g/p"},
                "object_attributes": {"iid": 1, "title": "t", "state": if second { "closed" } else { "opened" },
                    "action": if second { "close" } else { "open" }, "created_at": "2026-01-01T00:00:00Z",
                    "updated_at": own,
                    "source_branch": "a", "target_branch": "main", "last_commit": {"id": "a".repeat(40),
                    "timestamp": own}}})
        },
        state: "SELECT state FROM gitlab_merge_requests",
        states: ["opened", "closed"],
        future: Outcome::Kept,
        times:
            "SELECT greatest(m.updated_at, m.version_at, m.message_at, m.head_version_at, m.created_at, v.created_at)
            FROM gitlab_merge_requests AS m JOIN gitlab_mr_versions AS v USING (project, iid)",
    },
    Thing {
        kind: "pipeline",
        key: "h/1",
        message: |own, _, second| {
            json!({"object_kind": "pipeline", "project": project(), "object_attributes": {"id": 1, "created_at": own,
                "finished_at": own, "status": TEXTS[usize::from(second)]}, "builds": [{"id": 2, "name": "n",
                "status": "running", "created_at": own}]})
        },
        state: "SELECT status FROM gitlab_pipelines",
        states: TEXTS,
        future: Outcome::Kept,
        times: "SELECT greatest(message_at, created_at, finished_at, version_at) FROM gitlab_pipelines",
    },
    Thing {
        kind: "job",
        key: "h/1",
        message: |own, _, second| {
            json!({"object_kind": "build", "project": project(), "build_id": 1, "pipeline_id": 1, "build_name": "n",
                "build_status": TEXTS[usize::from(second)], "build_created_at": own, "build_started_at": own,
                "build_finished_at": own})
        },
        state: "SELECT status FROM gitlab_jobs",
        states: TEXTS,
        future: Outcome::Kept,
        times: "SELECT greatest(message_at, created_at, started_at, finished_at, version_at) FROM gitlab_jobs",
    },
    Thing {
        kind: "deployment",
        key: "h/1",
        message: |own, _, second| {
            json!({"object_kind": "deployment", "project": project(), "deployment_id": 1, "environment": "e",
                "status": TEXTS[usize::from(second)], "status_changed_at": own})
        },
        state: "SELECT status FROM gitlab_deployments",
        states: TEXTS,
        future: Outcome::Kept,
        times: "SELECT greatest(message_at, changed_at, version_at) FROM gitlab_deployments",
    },
    Thing {
        kind: "component",
        key: "n",
        message: |own, _, second| namespaced("Component", own, second),
        state: "SELECT namespace FROM components",
        states: TEXTS,
        future: Outcome::Rejected,
        times: "SELECT greatest(created_at, message_at) FROM components",
    },
    Thing {
        kind: "pipelinerun",
        key: "n",
        message: |own, _, second| namespaced("PipelineRun", own, second),
        state: "SELECT namespace FROM pipelineruns",
        states: TEXTS,
        future: Outcome::Rejected,
        times: "SELECT greatest(created_at, message_at) FROM pipelineruns",
    },
    Thing {
        kind: "snapshot",
        key: "n",
        message: |own, _, second| namespaced("Snapshot", own, second),
        state: "SELECT namespace FROM snapshots",
        states: TEXTS,
        future: Outcome::Rejected,
        times: "SELECT greatest(created_at, message_at) FROM snapshots",
    },
    Thing {
        kind: "release",
        key: "n",
        message: |own, _, second| namespaced("Release", own, second),
        state: "SELECT namespace FROM releases",
        states: TEXTS,
        future: Outcome::Rejected,
        times: "SELECT greatest(created_at, message_at) FROM releases",
    },
    Thing {
        kind: "build",
        key: "u",
        message: |own, _, second| {
            json!({"build": {"uuid": "u", "number": 1, "state": if second { "passed" } else { "failed" },
                "started_at": own, "finished_at": own}, "pipeline": {"slug": "p"}, "organization": {"slug": "o"}})
        },
        state: "SELECT state FROM buildkite_builds",
        states: ["failed", "passed"],
        future: Outcome::Kept,
        times: "SELECT greatest(event_at, message_at, started_at, finished_at) FROM buildkite_builds",
    },
    Thing {
        kind: "travis-job",
        key: "11",
        message: |own, number, second| {
            if number == 0 {
                return json!({"event": "build:create", "payload": {"id": 1, "repository": {"id": 1}, "created_at": own,
                    "jobs": [{"id": 11, "created_at": own}]}});
            }
            let event = if second { "job:finish" } else { "job:start" };
            json!({"event": event, "payload": {"id": 11, "state": if second { "passed" } else { "started" },
                "received_at": own, "started_at": own, "finished_at": if second { json!(own) } else { Value::Null }}})
        },
        state: "SELECT CASE state WHEN 'created' THEN 'started' ELSE state END FROM travis_jobs",
        states: ["started", "passed"],
        future: Outcome::Kept,
        times: "SELECT greatest(message_at, created_at, received_at, started_at, finished_at) FROM travis_jobs",
    },
    Thing {
        kind: "checkout",
        key: "o:1",
        message: |own, _, second| kcidb("checkouts", json!({}), own, second, TEXTS),
        state: "SELECT comment FROM kcidb_checkouts",
        states: TEXTS,
        future: Outcome::Kept,
        times: "SELECT greatest(message_at, start_time) FROM kcidb_checkouts",
    },
    Thing {
        kind: "kcidb-build",
        key: "o:1",
        message: |own, _, second| kcidb("builds", json!({"checkout_id": "o:1"}), own, second, TEXTS),
        state: "SELECT comment FROM kcidb_builds",
        states: TEXTS,
        future: Outcome::Kept,
        times: "SELECT greatest(message_at, start_time) FROM kcidb_builds",
    },
    Thing {
        kind: "kcidb-test",
        key: "o:1",
        message: |own, _, second| kcidb("tests", json!({"build_id": "o:1"}), own, second, TEXTS),
        state: "SELECT comment FROM kcidb_tests",
        states: TEXTS,
        future: Outcome::Kept,
        times: "SELECT greatest(message_at, start_time) FROM kcidb_tests",
    },
    Thing {
        kind: "issue",
        key: "o:1",
        message: |own, _, second| kcidb("issues", json!({"version": 1}), own, second, TEXTS),
        state: "SELECT comment FROM kcidb_issues",
        states: TEXTS,
        future: Outcome::Kept,
        times: "SELECT message_at FROM kcidb_issues",
    },
    Thing {
        kind: "bot",
        key: "b",
        message: |own, _, second| {
            json!({"name": "b", "status": if second { "failed" } else { "ok" }, "comment": "c",
            "ts": own})
        },
        state: "SELECT status FROM bots",
        states: ["ok", "failed"],
        future: Outcome::Kept,
        times: "SELECT greatest(b.updated_at, b.message_at, t.at) FROM bots AS b JOIN bot_beats AS t USING (name)",
    },
];

/// A notification of SNS, sent at a minute of a day.
fn sns(message: &Value, minute: usize) -> Delivery {
    let attributes =
        json!({"source": {"Type": "String", "Value": if message["name"].is_string() { "bot" } else { "x" }}});
    let body = json!({"Type": "Notification", "MessageId": format!("m{minute}"), "TopicArn": "t",
        "Message": message.to_string(),
        "Timestamp": at(minute), "MessageAttributes": attributes});
    Delivery { id: format!("d{minute}"), body: body.to_string().into_bytes(), ..Delivery::default() }
}

fn at(minute: usize) -> String {
    format!("2026-03-10T10:{minute:02}:00Z")
}

fn cloudevent(time: &str, data: &Value) -> Value {
    // A bot is known by its attribute, which the carrier around this one has.
    let name = data.get("name").cloned().unwrap_or_default();
    json!({"specversion": "1.0", "id": "c", "source": "/s", "type": "t", "time": time, "data": data, "name": name})
}

async fn take(db: &Db, delivery: Delivery) -> Outcome {
    let report = ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
    assert_eq!(report.error, None);
    report.outcomes()[0]
}

async fn text(db: &Db, sql: &'static str) -> Option<String> {
    let rows = db.store.in_tx("look", deadline(), async |tx| tx.query(sql, &[]).await).await.unwrap();
    rows.first().map(|row| row.get(0))
}

async fn latest(db: &Db, sql: &'static str) -> Timestamp {
    let rows = db.store.in_tx("look", deadline(), async |tx| tx.query(sql, &[]).await).await.unwrap();
    rows.iter().filter_map(|row| row.get::<_, Option<Timestamp>>(0)).max().unwrap()
}

/// Every kind of thing that can be repaired is among those that are tried here.
#[test]
fn every_kind_is_tried() {
    let tried: Vec<&str> = THINGS.iter().map(|thing| thing.kind).collect();
    for kind in hummingbird_status::reports::repairable() {
        assert!(tried.contains(&kind) || kind == "travis-build", "{kind}");
    }
}

/// A message of the future, by its own time and by that of a carrier that its sender wrote, and then a true one.
#[tokio::test]
async fn a_time_of_the_future_protects_no_row() {
    for thing in THINGS {
        for by_carrier in [false, true] {
            let what = format!("{}, by the {}", thing.kind, if by_carrier { "carrier" } else { "payload" });
            let db = support::database().await;
            if thing.kind == "travis-job" {
                assert_eq!(take(&db, sns(&(thing.message)(&at(0), 0, false), 0)).await, Outcome::Kept);
            }
            let hostile = match by_carrier {
                true => cloudevent(FUTURE, &(thing.message)(&at(1), 1, false)),
                false => (thing.message)(FUTURE, 1, false),
            };
            let expected = if by_carrier { Outcome::Kept } else { thing.future };
            assert_eq!(take(&db, sns(&hostile, 10)).await, expected, "{what}");
            if expected == Outcome::Rejected {
                let reason = text(&db, "SELECT reason FROM refused").await;
                assert_eq!(reason.as_deref(), Some("future-time"), "{what}");
            } else {
                let until = latest(&db, thing.times).await;
                assert!(until <= at(15).parse().unwrap(), "{what}: {until}");
            }
            assert_eq!(take(&db, sns(&(thing.message)(&at(20), 2, true), 20)).await, Outcome::Kept, "{what}");
            assert_eq!(text(&db, thing.state).await.as_deref(), Some(thing.states[1]), "{what}");
        }
    }
}

fn run(db: &Db, words: &[&str]) -> (bool, String) {
    let program = env!("CARGO_BIN_EXE_hummingbird-status");
    let output = Command::new(program).args(words).env("DATABASE_URL", &db.url).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A row that was frozen: by a file, which has no time that could bound it. The command `explain` says so, and after
/// `repair` the next message counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_row_is_shown_and_repaired() {
    for thing in THINGS {
        let what = thing.kind;
        let db = support::database().await;
        let file = |message: &Value| {
            let bare = cloudevent(FUTURE, message);
            let attributes = [("source".to_owned(), "bot".to_owned())];
            let attributes = attributes.into_iter().filter(|_| what == "bot").collect();
            Delivery { id: "f".to_owned(), body: bare.to_string().into_bytes(), attributes, ..Delivery::default() }
        };
        if what == "travis-job" {
            assert_eq!(take(&db, sns(&(thing.message)(&at(0), 0, false), 0)).await, Outcome::Kept);
        }
        assert_eq!(take(&db, file(&(thing.message)(FUTURE, 1, false))).await, Outcome::Kept, "{what}");
        let frozen = (thing.message)(&at(20), 2, true);
        let now: Timestamp = hummingbird_status::platform::clock::now();
        assert!(latest(&db, thing.times).await > now, "{what}");
        let (_, said) = run(&db, &["explain", what, thing.key, "--json"]);
        assert!(said.contains("\"frozen\""), "{what}: {said}");

        let (repaired, said) = run(&db, &["repair", what, thing.key]);
        assert!(repaired, "{what}: {said}");
        assert!(latest(&db, thing.times).await <= hummingbird_status::platform::clock::now(), "{what}");
        let (_, said) = run(&db, &["explain", what, thing.key, "--json"]);
        assert!(!said.contains("\"frozen\""), "{what}: {said}");
        let (again, _) = run(&db, &["repair", what, thing.key]);
        assert!(!again, "{what}: nothing is left to be repaired");

        // A message of now, as the row was written just before.
        let own = (thing.message)(&now.checked_add(jiff::SignedDuration::from_secs(60)).unwrap().to_string(), 2, true);
        let own =
            if matches!(what, "component" | "pipelinerun" | "snapshot" | "release" | "mr") { frozen } else { own };
        let mut next = sns(&own, 20);
        let mut carrier: Value = serde_json::from_slice(&next.body).unwrap();
        carrier["Timestamp"] = json!(now.checked_add(jiff::SignedDuration::from_secs(60)).unwrap().to_string());
        next.body = carrier.to_string().into_bytes();
        assert_eq!(take(&db, next).await, Outcome::Kept, "{what}");
        assert_eq!(text(&db, thing.state).await.as_deref(), Some(thing.states[1]), "{what}");
    }
}
