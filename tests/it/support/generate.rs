//! Random messages of all kinds, from a universe so small that they collide all the time.

use std::io::Write;

use base64::Engine;
use flate2::Compression;
use flate2::write::GzEncoder;
use hummingbird_status::transport::Delivery;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A message: what it says, and when it was sent. Equal ones have equal ids, as redeliveries do.
#[derive(Clone, Debug)]
pub struct Said {
    /// The payload.
    pub payload: Value,
    /// Attribute `event_type`.
    pub event_type: &'static str,
    /// Second at which it was sent.
    pub sent: u32,
    /// Whether the payload is packed, as the forwarder of Kubernetes does.
    pub packed: bool,
}

const DAY: &str = "2026-03-10T10:00";

fn at(second: u32) -> String {
    format!("{DAY}:{second:02}Z")
}

impl Said {
    /// The message in its SNS envelope, as the body of an SQS message.
    pub fn delivery(&self) -> Delivery {
        let text = self.payload.to_string();
        let id = format!("{:x}", hash(&format!("{text} {} {}", self.event_type, self.sent)));
        let message = if self.packed { pack(text.as_bytes()) } else { text };
        let body = json!({
            "Type": "Notification",
            "MessageId": id,
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:events",
            "Message": message,
            "Timestamp": at(self.sent),
            "MessageAttributes": {"event_type": {"Type": "String", "Value": self.event_type}},
        });
        Delivery { id: format!("sqs-{id}"), body: body.to_string().into_bytes(), ..Delivery::default() }
    }
}

/// Base64 of gzip.
pub fn pack(bytes: &[u8]) -> String {
    pack_at(Compression::fast(), bytes)
}

/// The same, as small as asked for.
pub fn pack_at(level: Compression, bytes: &[u8]) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    base64::engine::general_purpose::STANDARD.encode(encoder.finish().unwrap())
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Any message of any kind.
pub fn said() -> impl Strategy<Value = Said> {
    let of_gitlab = prop_oneof![4 => merge_request(), 1 => push(), 3 => pipeline(), 3 => job(), 1 => deployment()];
    prop_oneof![6 => kubernetes(), 11 => of_gitlab, 3 => build(), 3 => beat(), 1 => poison()]
}

fn kubernetes() -> impl Strategy<Value = Said> {
    let identity = (0..4_usize, 0..1_u8, 0..3_u8, 0..3_u32, 0..3_u32);
    (identity, 0..4_usize, prop::bool::weighted(0.15), any::<bool>()).prop_map(
        |((kind, name, uid, version, sent), state, deleted, packed)| {
            let kind = ["Component", "PipelineRun", "Snapshot", "Release"][kind];
            let api = if kind == "PipelineRun" { "tekton.dev/v1" } else { "appstudio.redhat.com/v1alpha1" };
            // Two objects of one name may be created in one second; the uid then decides.
            let created = at(u32::from(uid / 2));
            let mut metadata = json!({
                "name": format!("n{name}"),
                "namespace": format!("ns{uid}"),
                "uid": format!("uid-{uid}"),
                "creationTimestamp": created,
                "labels": {"appstudio.openshift.io/application": "app", "x": format!("v{version}")},
            });
            // What a run is for decides whether it is a check.
            let number = usize::from(uid) + usize::try_from(version).unwrap();
            metadata["labels"]["pipelines.appstudio.openshift.io/type"] =
                json!(["test", "build", "managed"][number % 3]);
            if version > 0 {
                metadata["resourceVersion"] = json!(version.to_string());
            }
            let (status, reason) =
                [("Unknown", "Running"), ("True", "Succeeded"), ("False", "Failed"), ("Unknown", "Started")][state];
            let condition = match kind {
                "Release" => "Released",
                "Snapshot" => "AppStudioTestSucceeded",
                _ => "Succeeded",
            };
            let payload = json!({
                "apiVersion": api, "kind": kind, "metadata": metadata,
                "spec": {"application": format!("app{version}"), "snapshot": "s",
                "source": {"git": {"url": "https://h/p/q"}}},
                "status": {"conditions": [{"type": condition, "status": status, "reason": reason}],
                           "results": [{"name": "R", "value": [1, {"two": sent}]},
                               {"name": "TEST_OUTPUT", "value": (["", "{\"result\": \"ERROR\"}", "{}"][number % 3])}]},
            });
            Said { payload, event_type: if deleted { "DELETED" } else { "MODIFIED" }, sent, packed }
        },
    )
}

fn merge_request() -> impl Strategy<Value = Said> {
    let times = (0..3_u32, 0..3_u32);
    let rest = (0..4_u8, prop::option::weighted(0.3, 0..3_u8), 1..3_u8, project());
    (1..3_u8, times, 0..6_usize, 0..5_usize, rest).prop_map(
        |(iid, (updated, sent), state, action, (head, oldrev, actor, project))| {
            let mut attributes = json!({
                "iid": iid, "author_id": 1, "title": format!("t{updated}{sent}"),
                "created_at": format!("{} UTC", at(0).replace('T', " ").trim_end_matches('Z')),
                "updated_at": format!("{} UTC", at(updated).replace('T', " ").trim_end_matches('Z')),
                "action": (["open", "update", "approved", "merge", "reopen"][action]),
            });
            if let Some(state) = ["opened", "closed", "locked", "merged", "opened"].get(state) {
                attributes["state"] = json!(state);
            }
            attributes["last_commit"] = match head {
                0 => Value::Null,
                head => json!({"id": commit(head), "timestamp": at(1)}),
            };
            if let Some(oldrev) = oldrev {
                attributes["oldrev"] = json!(commit(oldrev));
            }
            let payload = json!({
                "object_kind": "merge_request",
                "user": {"id": actor, "username": format!("user{actor}")},
                "project": project,
                "object_attributes": attributes,
                "labels": [{"title": "b"}, {"title": format!("a{updated}")}],
            });
            Said { payload, event_type: "merge_request", sent, packed: false }
        },
    )
}

/// A project by its number and its path of the time, mostly one of them: it is renamed, and another one gets its path.
fn project() -> impl Strategy<Value = Value> {
    let other = prop::sample::select(vec![(7, "g/q", "a.example"), (8, "g/p", "a.example"), (7, "g/p", "gitlab.com")]);
    prop_oneof![6 => Just((7, "g/p", "a.example")), 1 => other].prop_map(|(id, path, host)| {
        json!({"id": id, "path_with_namespace": path, "default_branch": "main",
            "web_url": format!("https://{host}/{path}")})
    })
}

/// The hash of a commit.
fn commit(number: u8) -> String {
    format!("{:x}", number + 10).repeat(40)
}

const STATUSES: [&str; 9] =
    ["created", "manual", "pending", "running", "failed", "success", "canceled", "skipped", "a new one"];

/// A job of a pipeline, in any state. Its number and name belong to the pipeline.
fn any_job() -> impl Strategy<Value = (i64, usize, [Option<u32>; 3], bool)> {
    let times = [(); 3].map(|()| prop::option::of(0..4_u32));
    (0..4_i64, 0..STATUSES.len(), times, prop::bool::weighted(0.2))
}

/// The number of a job, its name and its stage: the last one is the second attempt of the first, and the middle ones
/// are parts of one job.
fn named((pipeline, job): (i64, i64)) -> (i64, &'static str, &'static str) {
    let name = ["unit", "lint 1/2", "lint 2/2", "unit"][usize::try_from(job).unwrap()];
    (pipeline * 10 + job, name, "test")
}

fn zoned(second: Option<u32>) -> Value {
    json!(second.map(|second| at(second).replace('T', " ").replace('Z', " UTC")))
}

/// A pipeline of a project: what it runs for belongs to its number. Numbers belong to projects.
fn pipeline() -> impl Strategy<Value = Said> {
    let jobs = prop::collection::vec(any_job(), 0..4);
    (0..5_i64, 0..STATUSES.len(), prop::option::of(0..4_u32), jobs, 0..3_u32, project()).prop_map(
        |(number, status, finished, jobs, sent, project)| {
            let id = project["id"].as_i64().unwrap() * 100 + number;
            let place = usize::try_from(number).unwrap();
            let job = |(job, status, [created, started, finished], allow_failure): (i64, usize, [_; 3], bool)| {
                let (id, name, stage) = named((id, job));
                json!({"id": id, "stage": stage, "name": name, "status": STATUSES[status], "allow_failure": allow_failure,
                    "created_at": zoned(created), "started_at": zoned(started), "finished_at": zoned(finished)})
            };
            let request = json!({"iid": 1, "target_project_id": project["id"], "source_branch": "topic",
                "target_branch": "main"});
            let title = ["t", "t", "Merge branch 'topic' into 'main'", "t", "t"][place];
            let payload = json!({
                "object_kind": "pipeline", "project": project, "builds": jobs.into_iter().map(job).collect::<Vec<_>>(),
                "merge_request": if place == 2 { request } else { Value::Null }, "commit": {"title": title},
                "source_pipeline": if place == 3 { json!({"pipeline_id": id - 1}) } else { Value::Null },
                "object_attributes": {"id": id, "status": STATUSES[status], "ref": if place == 2 { "topic" } else { "main" },
                    "source": (["push", "push", "merge_request_event", "parent_pipeline", "push"][place]),
                    "sha": commit(u8::try_from(number).unwrap()), "tag": false,
                    "created_at": zoned(Some(1)), "finished_at": zoned(finished)},
            });
            Said { payload, event_type: "pipeline", sent, packed: false }
        },
    )
}

fn job() -> impl Strategy<Value = Said> {
    (0..5_i64, any_job(), 0..3_u32, project()).prop_map(|(number, job, sent, project)| {
        let (number_of_job, status, [created, started, finished], allow_failure) = job;
        let pipeline = project["id"].as_i64().unwrap() * 100 + number;
        let (id, name, stage) = named((pipeline, number_of_job));
        let git_ref = if number == 2 { "refs/merge-requests/1/train" } else { "main" };
        let payload = json!({
            "object_kind": "build", "project": project, "build_id": id, "build_name": name, "build_stage": stage,
            "build_status": STATUSES[status], "build_allow_failure": allow_failure, "pipeline_id": pipeline,
            "ref": git_ref, "sha": commit(u8::try_from(number).unwrap()), "build_created_at": zoned(created),
            "build_started_at": zoned(started), "build_finished_at": zoned(finished),
        });
        Said { payload, event_type: "build", sent, packed: false }
    })
}

fn deployment() -> impl Strategy<Value = Said> {
    (0..2_i64, 0..STATUSES.len(), prop::option::of(0..3_u32), 0..3_u32, project()).prop_map(
        |(number, status, changed, sent, project)| {
            let payload = json!({"object_kind": "deployment", "project": project, "status": STATUSES[status],
                "deployment_id": project["id"].as_i64().unwrap() * 100 + number, "environment": "production",
                "status_changed_at": zoned(changed)});
            Said { payload, event_type: "deployment", sent, packed: false }
        },
    )
}

fn push() -> impl Strategy<Value = Said> {
    (0..2_u8, 0..4_u32, 0..3_u8, project()).prop_map(|(sha, sent, before, mut project)| {
        project["default_branch"] = json!(["main", "trunk"][usize::from(before % 2)]);
        let commit = json!({"id": format!("sha{sha}"), "title": "t", "timestamp": at(1),
            "added": ["b", "a"], "modified": [format!("m{before}")], "removed": []});
        let payload = json!({
            "object_kind": "push", "ref": "refs/heads/main", "after": format!("sha{sha}"),
            "before": format!("before{before}"), "total_commits_count": 1 + before, "commits": [commit],
            "project": project,
        });
        Said { payload, event_type: "push", sent, packed: false }
    })
}

/// Events of a build of Buildkite: retried, resolved late, and several in one second.
fn build() -> impl Strategy<Value = Said> {
    let times = (0..3_u32, prop::option::of(0..3_u32), prop::option::of(0..3_u32));
    (0..2_u8, 1..3_u8, times, 0..5_usize, 0..3_usize).prop_map(|(build, number, (sent, started, finished), state,
    commit)| {
        let time = |second: Option<u32>| second.map(|second| at(second).replace('T', " ").replace('Z', " UTC"));
        let sha = "3c1d9f0a7be24c5d8e6f1a2b3c4d5e6f70819203";
        let payload = json!({
            "version": "0", "detail-type": "Build Finished", "source": "aws.partner/buildkite.com/acme/1",
            "time": at(sent), "id": format!("{build}{number}{sent}{started:?}{finished:?}{state}{commit}"),
            "detail": {
                "build": {
                    "uuid": format!("build-{build}"), "number": number, "commit": (["HEAD", &sha[..7], sha][commit]),
                    "state": (["scheduled", "started", "failed", "passed", "blocked"][state]),
                    "started_at": time(started), "finished_at": time(finished),
                },
                "pipeline": {"slug": "app", "repo": "git@ghe.acme.example:acme/app.git"},
                "organization": {"slug": "acme"},
            },
        });
        Said { payload, event_type: "Build Finished", sent, packed: false }
    })
}

/// Heartbeats: some with their own time; those of one moment differ by their ids.
fn beat() -> impl Strategy<Value = Said> {
    (0..2_u8, 0..4_usize, 0..5_u32, prop::option::weighted(0.3, 0..5_u32), 0..2_u8).prop_map(
        |(name, status, sent, ts, comment)| {
            let status = ["ok", "warning", "failed", "gone"][status];
            let mut payload = json!({"name": format!("bot{name}"), "status": status, "comment": format!("c{comment}")});
            if let Some(ts) = ts {
                payload["ts"] = json!(at(ts));
            }
            Said { payload, event_type: "", sent, packed: false }
        },
    )
}

/// The rejected messages must be the same in any order, too.
fn poison() -> impl Strategy<Value = Said> {
    (0..2_u8, 0..2_u32).prop_map(|(kind, sent)| {
        let name = if kind == 0 { json!(7) } else { json!("n\0ul") };
        let payload = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": name}});
        Said { payload, event_type: "ADDED", sent, packed: false }
    })
}
