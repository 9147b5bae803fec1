//! An invalid detail never loses the state: whatever value replaces a member of a fixture, the message is kept, unless
//! the member is the identity of the object, its state or its version.

use hummingbird_status::ingest::{Batch, read};
use hummingbird_status::sources::{Record, Settings};
use hummingbird_status::sources::{gitlab, konflux, travis};
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use crate::support::files;

/// Members that may cause a rejection, by the end of their path; `*` stands for an index of a list.
const NEEDED: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.resourceVersion",
    "metadata.creationTimestamp",
    "status",
    "status.conditions",
    "status.conditions.*.status",
    "object_kind",
    "event_name",
    "project",
    "project.id",
    "project.path_with_namespace",
    "project_id",
    "ref",
    "after",
    "object_attributes",
    "object_attributes.iid",
    "object_attributes.state",
    "object_attributes.state_id",
    "object_attributes.updated_at",
    "object_attributes.target_project_id",
    "object_attributes.target",
    "object_attributes.target.id",
    "object_attributes.target.path_with_namespace",
    "object_attributes.id",
    "object_attributes.status",
    "build_id",
    "build_name",
    "build_status",
    "pipeline_id",
    "deployment_id",
    "deployable_id",
    "status_changed_at",
    "path_with_namespace",
    "old_path_with_namespace",
    "name",
    // Submissions to KCIDB are recognised by an object of this name.
    "version",
    "detail",
    "detail.build",
    "detail.build.uuid",
    "detail.build.number",
    "detail.build.state",
    "build",
    "build.uuid",
    "build.number",
    "build.state",
    "event",
    "payload",
    "payload.id",
    "payload.repository",
    "payload.repository.id",
    "payload.jobs",
    "payload.jobs.*",
    "payload.jobs.*.id",
];

/// Members that some fixtures need because no other member has the value: the number is in the address; only the
/// default branch is kept.
const NEEDED_IN: &[(&str, &str)] = &[
    ("gitlab/merge-request-sparse.json", "object_attributes.url"),
    ("gitlab/push-default-branch.json", "project.default_branch"),
    ("gitlab/push-default-branch-forced.json", "project.default_branch"),
    // No other address names the host; an old release of GitLab names the project by its address only.
    ("gitlab/pipeline-nulls.json", "project.web_url"),
    ("gitlab/job-old-gitlab.json", "repository"),
    ("gitlab/job-old-gitlab.json", "repository.homepage"),
    // Without an envelope it is recognised by these parts.
    ("buildkite/detail-only.json", "pipeline"),
    ("buildkite/detail-only.json", "organization"),
    ("travis/attribute-type.json 1", "id"),
    ("travis/sidekiq-arguments.json 1", "class"),
    ("travis/sidekiq-arguments.json 1", "args"),
    ("travis/sidekiq-arguments.json 1", "args.*"),
    ("travis/sidekiq-arguments.json 2", "*"),
];

/// The values that replace a member.
fn wrong() -> Vec<Value> {
    let long = "ß".repeat(40_000);
    vec![
        json!(7),
        json!(-1.5),
        json!(true),
        json!(null),
        json!([]),
        json!([[7]]),
        json!({"x": []}),
        json!("a\0b"),
        json!(long),
    ]
}

/// The paths of all members and elements.
fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    let join = |key: &str| if path.is_empty() { format!("/{key}") } else { format!("{path}/{key}") };
    let mut into = |key: String, value: &Value| {
        found.push(join(&key));
        paths(value, &join(&key), found);
    };
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| into(key.replace('~', "~0").replace('/', "~1"), value))
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| into(index.to_string(), value)),
        _ => {}
    }
}

fn read_one(id: &str, body: &Value) -> Batch {
    read_with(id, body, &json!({}))
}

/// The same with attributes of SNS beside it.
fn read_with(id: &str, body: &Value, attributes: &Value) -> Batch {
    let mut delivery = Delivery { id: id.to_owned(), body: body.to_string().into_bytes(), ..Delivery::default() };
    let text = |value: &Value| value["Value"].as_str().unwrap_or_default().to_owned();
    delivery
        .attributes
        .extend(attributes.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))));
    read(&[delivery], &Settings::default())
}

/// The documents of a fixture, by name and with attributes: those in messages of SNS by their numbers.
fn documents(name: &str, body: &[u8]) -> Vec<(String, Value, Value)> {
    let document: Value = serde_json::from_slice(body).unwrap();
    let sns = document.as_array().filter(|all| all.iter().all(|message| message["Type"] == "Notification"));
    let Some(all) = sns else { return vec![(name.to_owned(), document, json!({}))] };
    let inner = |(number, message): (usize, &Value)| {
        let text = message["Message"].as_str().unwrap();
        (format!("{name} {number}"), serde_json::from_str(text).unwrap(), message["MessageAttributes"].clone())
    };
    all.iter().enumerate().map(inner).collect()
}

/// Whether an invalid member may cause a rejection.
fn is_needed(name: &str, dotted: &str, document: &Value) -> bool {
    // The state that a message about an end reports.
    let is_end = document["event"].as_str().is_some_and(|event| event.ends_with(":finish"));
    NEEDED.contains(&dotted) || NEEDED_IN.contains(&(name, dotted)) || (is_end && dotted == "payload.state")
}

/// Identity, state and version of the decoded records.
fn essence(batch: &Batch) -> Vec<String> {
    let of = |identity: &konflux::Identity, state: &str| {
        format!("{} {} {} {:?} {state}", identity.name, identity.uid, identity.resource_version, identity.created_at)
    };
    let essence = |(_, record): &(usize, Record)| match record {
        Record::Konflux(konflux::Record::Component(r)) => of(&r.identity, ""),
        Record::Konflux(konflux::Record::PipelineRun(r)) => of(&r.identity, r.status.as_deref().unwrap_or_default()),
        Record::Konflux(konflux::Record::Snapshot(r)) => of(&r.identity, ""),
        Record::Konflux(konflux::Record::Release(r)) => of(&r.identity, ""),
        Record::Gitlab(gitlab::Record::Push(r)) => format!("{} {} {}", r.sha, r.repo, r.branch),
        Record::Gitlab(gitlab::Record::MergeRequest(r, _)) => format!("{}!{} {}", r.project, r.iid, r.state),
        Record::Gitlab(gitlab::Record::Ci(gitlab::ci::Record::Pipeline(r))) => {
            format!("{}/{} {}", r.origin.host, r.id, r.status)
        }
        Record::Gitlab(gitlab::Record::Ci(gitlab::ci::Record::Job(r))) => {
            format!("{}/{} {} {}", r.origin.host, r.id, r.pipeline_id, r.status)
        }
        Record::Gitlab(gitlab::Record::Ci(gitlab::ci::Record::Deployment(r))) => {
            format!("{}/{} {}", r.origin.host, r.id, r.status)
        }
        Record::Bots(r) => format!("{} {} {}", r.name, r.status, r.at),
        Record::Buildkite(r) => format!("{} {} {}", r.id, r.number, r.state),
        Record::Travis(travis::Record::Message(r)) => format!("{:?} {:?}", r.object, r.event),
        Record::Travis(travis::Record::Create(r)) => {
            let build = r.build.as_ref().map(|(repository, build)| (repository.id, build.id));
            format!("{:?} {build:?} {:?}", r.message.object, r.jobs.iter().map(|job| job.id).collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    };
    batch.records.iter().map(essence).collect()
}

#[test]
fn a_message_with_an_invalid_detail_is_kept() {
    let (mut tried, mut broken) = (0, Vec::new());
    for folder in ["konflux", "gitlab", "bots", "buildkite", "travis"] {
        let files = files(&format!("events/{folder}"), ".json");
        let all = files.iter().flat_map(|(name, body)| documents(&format!("{folder}/{name}"), body));
        for (name, original, attributes) in all {
            let expected = essence(&read_with(&name, &original, &attributes));
            if expected.is_empty() {
                continue;
            }
            let mut all = Vec::new();
            paths(&original, "", &mut all);
            for path in all {
                let in_list = |part: &str| part.parse::<usize>().is_ok();
                let parts: Vec<&str> =
                    path.split('/').skip(1).map(|part| if in_list(part) { "*" } else { part }).collect();
                let dotted = parts.join(".");
                if is_needed(&name, &dotted, &original) {
                    continue;
                }
                for value in wrong() {
                    let mut changed = original.clone();
                    *changed.pointer_mut(&path).unwrap() = value.clone();
                    let batch = read_with(&name, &changed, &attributes);
                    tried += 1;
                    let rejected: Vec<&str> =
                        batch.refused.iter().map(|(_, rejection)| rejection.detail.as_str()).collect();
                    // A condition without a type is ignored, and so is its state; an action may stand for a state. The
                    // time of a heartbeat replaces the time at which it is sent.
                    let gives_state =
                        dotted.starts_with("status.conditions.*") || dotted.ends_with("action") || dotted == "ts";
                    if !rejected.is_empty() || (!gives_state && essence(&batch) != expected) {
                        let value = value.to_string();
                        let value = value.get(..20).unwrap_or(&value);
                        broken.push(format!("{name} {dotted} = {value}: {rejected:?}"));
                    }
                }
            }
        }
    }
    assert!(tried > 10_000, "{tried}");
    assert!(broken.is_empty(), "{} of {tried}:\n{}", broken.len(), broken[..broken.len().min(40)].join("\n"));
}

/// A submission is valid as a whole or not at all, by the schema of KCIDB, and the submitter is answered accordingly.
/// So no part of it is dropped silently: it is kept completely, or rejected with the name of the invalid member.
#[test]
fn a_submission_is_kept_completely_or_rejected_with_the_member() {
    let (mut kept, mut rejected, mut broken) = (0, 0, Vec::new());
    for (name, body) in files("events/kcidb", ".json") {
        let original: Value = serde_json::from_slice(&body).unwrap();
        let mut all = Vec::new();
        paths(&original, "", &mut all);
        // A message is recognised by its version, or its type and object; without them it belongs to another source.
        for path in all
            .iter()
            .filter(|path| !path.starts_with("/version") && !path.starts_with("/object_type") && *path != "/object")
        {
            let named: Vec<&str> = path.split('/').skip(1).filter(|part| part.parse::<usize>().is_err()).collect();
            let named = named.iter().find(|part| **part == "misc").or(named.last()).unwrap();
            for value in wrong() {
                let mut changed = original.clone();
                *changed.pointer_mut(path).unwrap() = value.clone();
                let batch = read_one(&name, &changed);
                let is_fine = match (batch.records.as_slice(), batch.refused.as_slice()) {
                    ([_], []) => {
                        kept += 1;
                        batch.dropped.is_empty()
                    }
                    ([], [(_, rejection)]) => {
                        rejected += 1;
                        rejection.detail.contains(*named)
                    }
                    _ => false,
                };
                if !is_fine {
                    let value = value.to_string();
                    let rejections: Vec<&str> = batch.refused.iter().map(|(_, one)| one.detail.as_str()).collect();
                    broken.push(format!("{name} {path} = {}: {rejections:?}", value.get(..20).unwrap_or(&value)));
                }
            }
        }
    }
    assert!(kept > 100 && rejected > 1_000, "{kept} kept, {rejected} rejected");
    assert!(broken.is_empty(), "{}:\n{}", broken.len(), broken[..broken.len().min(40)].join("\n"));
}

/// Dropped details are counted by source.
#[test]
fn details_that_are_dropped_are_counted() {
    for (name, at_least) in [
        ("konflux/pipelinerun-odd-details", 7),
        ("gitlab/merge-request-odd-details", 12),
        ("gitlab/push-odd-details", 9),
        ("gitlab/pipeline-odd-details", 11),
        ("buildkite/odd-details", 9),
    ] {
        let body = std::fs::read_to_string(crate::support::project(&format!("events/{name}.json"))).unwrap();
        let batch = read_one(name, &serde_json::from_str(&body).unwrap());
        assert_eq!(batch.records.len(), 1, "{name}: {:?}", batch.refused);
        let dropped: u64 = batch.dropped.values().sum();
        assert!(dropped >= at_least, "{name}: {dropped}");
    }
    let body = std::fs::read_to_string(crate::support::project("events/gitlab/push-main.json")).unwrap();
    assert_eq!(read_one("x", &serde_json::from_str(&body).unwrap()).dropped.len(), 0);
}
