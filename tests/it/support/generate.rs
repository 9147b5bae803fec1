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
    prop_oneof![6 => kubernetes(), 4 => merge_request(), 3 => build(), 1 => push(), 3 => beat(), 1 => poison()]
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
                head => json!({"id": format!("sha{head}"), "timestamp": at(1)}),
            };
            if let Some(oldrev) = oldrev {
                attributes["oldrev"] = json!(format!("sha{oldrev}"));
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
