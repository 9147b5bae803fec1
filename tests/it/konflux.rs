//! Objects of Konflux: their envelopes, the component and revision of a build, and its image.

use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::sources::konflux::reads;
use hummingbird_status::transport::{Attributes, Delivery};
use serde_json::{Value, json};

use crate::support::{self, deadline, render};

async fn take(store: &Store, deliveries: &[Delivery]) {
    let report = ingest(store, deliveries, &Settings::default(), deadline()).await;
    assert_eq!(
        (report.error.as_ref(), report.counts().refused, report.counts().ignored),
        (None, 0, 0),
        "{:?}",
        report.reasons
    );
}

fn delivery(id: &str, body: &Value) -> Delivery {
    Delivery { id: id.to_owned(), body: body.to_string().into_bytes(), ..Delivery::default() }
}

/// A run as Tekton announces it: without `apiVersion` and `kind`.
fn run(name: &str, labels: &Value, annotations: &Value, (created, status): (&str, &str)) -> Value {
    json!({
        "metadata": {"name": name, "uid": format!("uid of {name}"), "resourceVersion": "7",
        "creationTimestamp": created,
            "labels": labels, "annotations": annotations},
        "status": {"conditions": [{"type": "Succeeded", "status": status, "reason": "x"}]},
    })
}

fn object(run: &Value, kind: &str) -> Value {
    let mut object = run.clone();
    object["kind"] = json!(kind);
    object["apiVersion"] = json!(if kind == "PipelineRun" { "tekton.dev/v1" } else { "appstudio.redhat.com/v1alpha1" });
    object
}

/// The CloudEvent of a run: its attributes, and its data.
fn event(name: &str, kind: &str) -> (Value, Value) {
    let attributes = json!({"specversion": "1.0", "id": "1", "source": format!("/{name}"), "type": kind,
        "time": "2026-03-10T10:00:00Z"});
    (attributes, json!({"pipelineRun": run(name, &json!({}), &json!({}), ("2026-03-10T09:00:00Z", "True"))}))
}

/// A run of the name in every form in which a CloudEvent may come.
fn carried(kind: &str) -> Vec<Delivery> {
    use base64::Engine;
    let mut all = Vec::new();
    let structured = |name: &str, member: &str, data: &dyn Fn(&Value) -> Value| {
        let (mut event, body) = event(name, kind);
        event[member] = data(&body);
        event
    };
    let plain = |body: &Value| body.clone();
    let packed = |body: &Value| json!(base64::engine::general_purpose::STANDARD.encode(body.to_string()));
    all.push(delivery("m", &structured("structured", "data", &plain)));
    all.push(delivery("m", &structured("base64", "data_base64", &packed)));
    all.push(delivery("m", &json!([structured("batched-1", "data", &plain), structured("batched-2", "data", &plain)])));
    let sns = |name: &str, message: &Value, attributes: &Value| {
        let body = json!({"Type": "Notification", "MessageId": name, "TopicArn": "t", "Message": message.to_string(),
            "Timestamp": "2026-03-10T10:00:01Z", "MessageAttributes": attributes});
        delivery("m", &body)
    };
    all.push(sns("x", &structured("in-sns", "data", &plain), &json!({})));
    let bridge = |name: &str, detail: Value| {
        json!({"version": "0", "id": name, "detail-type": "x", "source": "y",
        "time": "2026-03-10T10:00:01Z", "detail": detail})
    };
    all.push(delivery("m", &bridge("x", structured("in-eventbridge", "data", &plain))));
    all.push(delivery("m", &bridge("x", event("only-data-in-eventbridge", kind).1)));
    for (name, prefix) in
        [("http", "ce-"), ("upper", "Ce-"), ("kafka", "ce_"), ("amqp", "cloudEvents_"), ("amqp-1", "cloudEvents:")]
    {
        // The attributes as members with their prefix, each value in the form of its carrier; and the data.
        let binary = |how: &str, value: &dyn Fn(&str) -> Value| -> (Value, Value) {
            let (attributes, body) = event(&format!("{how}-{name}"), kind);
            let members = attributes.as_object().unwrap().iter();
            let member = |(key, text): (&String, &Value)| (format!("{prefix}{key}"), value(text.as_str().unwrap()));
            (members.map(member).collect::<serde_json::Map<_, _>>().into(), body)
        };
        let (attributes, body) = binary("sns", &|text| json!({"Type": "String", "Value": text}));
        all.push(sns("x", &body, &attributes));
        let (attributes, body) = binary("sqs", &|text| json!({"dataType": "String", "stringValue": text}));
        let record = json!({"messageId": "m", "body": body.to_string(), "messageAttributes": attributes});
        all.push(delivery("m", &record));
        let (attributes, body) = binary("beside", &|text| json!(text));
        let beside: Attributes = serde_json::from_value(attributes).unwrap();
        all.push(Delivery { attributes: beside, ..delivery("m", &body) });
        if prefix.ends_with('-') {
            let (headers, body) = binary("request", &|text| json!(text));
            let request = json!({"version": "2.0", "requestContext": {}, "headers": headers, "body": body.to_string()});
            all.push(delivery("m", &request));
        }
    }
    all
}

#[tokio::test]
async fn cloudevents_of_tekton_are_kept_in_every_form() {
    let db = support::database().await;
    let all = carried("dev.tekton.event.pipelinerun.successful.v1");
    for delivery in &all {
        take(&db.store, std::slice::from_ref(delivery)).await;
    }
    let rows =
        render::rows(&db.store, "SELECT name || ' ' || state || ' ' || (deleted_at IS NULL)::text FROM pipelineruns")
            .await;
    assert_eq!(rows.len(), all.len() + 1, "one came twice: {rows:?}");
    assert!(rows.iter().all(|row| row.ends_with(" succeeded true")), "{rows:?}");
    // The id and the time of a CloudEvent are its own, whatever carries it. Only the data alone has none.
    let others =
        "SELECT name FROM pipelineruns WHERE message_id <> '/' || name || '#1' OR message_at <> '2026-03-10T10:00:00Z'";
    let others = render::rows(&db.store, others).await;
    assert!(others.iter().all(|name| name.starts_with("batched") || name == "only-data-in-eventbridge"), "{others:?}");
}

#[tokio::test]
async fn types_of_cloudevents_report_deletions() {
    for (kind, gone) in [
        ("org.kubearchive.sinkfilters.resource.archive-on-delete", true),
        ("org.kubearchive.sinkfilters.resource.archive-when", false),
        ("org.kubearchive.sinkfilters.resource.delete-when", false),
        ("org.kubearchive.apiserversource.resource.deleted", true),
        ("dev.knative.apiserver.resource.delete", true),
        ("dev.knative.apiserver.resource.update", false),
    ] {
        let db = support::database().await;
        take(&db.store, &carried(kind)).await;
        let other = format!("SELECT name FROM pipelineruns WHERE (deleted_at IS NOT NULL) <> {gone}");
        let other = render::rows(&db.store, &other).await;
        assert!(other.iter().all(|name| gone && name == "only-data-in-eventbridge"), "{kind}: {other:?}");
    }
}

fn component(name: &str, revision: Value) -> Value {
    let metadata =
        json!({"name": name, "uid": name, "resourceVersion": "1", "creationTimestamp": "2026-03-01T00:00:00Z"});
    let source = json!({"git": {"url": "https://gitlab.example/acme/mono", "revision": revision}});
    object(&json!({"metadata": metadata, "spec": {"source": source}}), "Component")
}

/// The state of a component that follows a revision, after a good build of `main` and a later, failed one.
async fn state_after(revision: Value, marks: &[(&str, &str)], labels: &[(&str, &str)]) -> (Option<String>, String) {
    let db = support::database().await;
    let member = |pairs: &[(&str, &str)]| -> Value {
        let pairs = pairs.iter().map(|(mark, value)| (format!("pipelinesascode.tekton.dev/{mark}"), json!(value)));
        pairs.collect::<serde_json::Map<_, _>>().into()
    };
    let build = |name: &str, marks: &[(&str, &str)], labels: &[(&str, &str)], at: (&str, &str)| {
        let mut labels = member(labels);
        labels["pipelines.appstudio.openshift.io/type"] = json!("build");
        labels["appstudio.openshift.io/component"] = json!("c");
        object(&run(name, &labels, &member(marks), at), "PipelineRun")
    };
    let good = [("branch", "refs/heads/main"), ("event-type", "push")];
    take(
        &db.store,
        &[
            delivery("1", &component("c", revision)),
            delivery("2", &build("good", &good, &[], ("2026-03-10T10:00:00Z", "True"))),
            delivery("3", &build("bad", marks, labels, ("2026-03-10T11:00:00Z", "False"))),
        ],
    )
    .await;
    let mut reader = db.store.reader(deadline()).await.unwrap();
    let rows = reads::components(&mut reader, (None, None, None), 10).await.unwrap();
    let of_badge = reads::newest_of_component(&mut reader, "c").await.unwrap();
    assert_eq!(rows[0].build.as_ref(), of_badge.first().map(|row| &row.key), "the badge is of the same build");
    let iid = render::table(&db.store, &["mr_iid", "source_branch"], "FROM pipelineruns WHERE name = 'bad'").await;
    (rows[0].build_state.clone(), iid)
}

#[tokio::test]
async fn builds_count_for_the_revision_that_they_built() {
    let main = || json!("main");
    let push = ("event-type", "push");
    for (what, revision, marks, labels, counts, row) in [
        ("a push", main(), &[("branch", "refs/heads/main"), push][..], &[][..], true, "- | -"),
        (
            "a push with the number of what it merges",
            main(),
            &[("branch", "refs/heads/main"), push],
            &[("pull-request", "77")],
            true,
            "77 | -",
        ),
        ("an old push", main(), &[("branch", "main"), ("event-type", "Push")], &[], true, "- | -"),
        ("a push by labels", main(), &[], &[("branch", "refs-heads-main"), push], true, "- | -"),
        ("a retest of a push", main(), &[("branch", "main"), ("event-type", "retest-comment")], &[], true, "- | -"),
        (
            "a merge request",
            main(),
            &[("branch", "main"), ("event-type", "Merge Request"), ("pull-request", "5")],
            &[],
            false,
            "5 | -",
        ),
        ("one without a number", main(), &[("branch", "main"), ("event-type", "pull_request")], &[], false, "- | -"),
        (
            "a fork's branch main",
            main(),
            &[("branch", "main"), ("event-type", "pull_request"), ("source-branch", "main"), ("pull-request", "5")],
            &[],
            false,
            "5 | main",
        ),
        (
            "GitHub's merge queue",
            main(),
            &[("branch", "gh-readonly-queue/main/pr-29-c0ffee"), push],
            &[],
            false,
            "29 | -",
        ),
        (
            "GitLab's merge train",
            json!(null),
            &[("branch", "refs/merge-requests/31/train"), push],
            &[],
            false,
            "31 | -",
        ),
        (
            "a queue, of no branch",
            json!(null),
            &[("branch", "gh-readonly-queue/main/pr-29-c0ffee"), push],
            &[],
            false,
            "29 | -",
        ),
        ("Mergify's queue", json!(""), &[("branch", "mergify/merge-queue/ab12"), push], &[], false, "- | -"),
        ("a tag", main(), &[("branch", "refs/tags/v1.2.3"), push], &[], false, "- | -"),
        (
            "a tag by labels",
            json!(null),
            &[],
            &[("branch", "refs-tags-v1.2.3"), ("event-type", "Tag_Push")],
            false,
            "- | -",
        ),
        ("a tag that is followed", json!("v1.2.3"), &[("branch", "refs/tags/v1.2.3"), push], &[], true, "- | -"),
        ("another branch", main(), &[("branch", "refs/heads/release"), push], &[], false, "- | -"),
        ("any branch, of none", json!(null), &[("branch", "refs/heads/release"), push], &[], true, "- | -"),
        (
            "any branch, of a commit",
            json!("c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"),
            &[("branch", "x"), push],
            &[],
            true,
            "- | -",
        ),
        ("the whole name", json!("refs/heads/main"), &[("branch", "refs/heads/main"), push], &[], true, "- | -"),
        (
            "a branch that labels would mangle",
            json!("refs-heads-migration"),
            &[("branch", "refs-heads-migration"), push],
            &[],
            true,
            "- | -",
        ),
        ("no branch", main(), &[push], &[], true, "- | -"),
    ] {
        let (state, found) = state_after(revision, marks, labels).await;
        assert_eq!(
            (state.as_deref(), found.as_str()),
            (Some(if counts { "failed" } else { "succeeded" }), row),
            "{what}"
        );
    }
}

#[tokio::test]
async fn the_image_is_that_of_the_version_that_was_built() {
    let member = |version: Value, image: &str, revision: &str| {
        json!({"name": "c", "version": version, "containerImage": format!("q/{image}@sha256:{image}"),
        "source": {"url": "https://h.example/p/q", "versions": [{"revision": revision.repeat(40)}]}})
    };
    let two = json!([member(json!("main"), "a", "a"), member(json!("v1"), "b", "b")]);
    let old =
        json!([{"name": "other", "containerImage": "q/o@sha256:o"}, {"name": "c", "containerImage": "q/c@sha256:c"}]);
    for (what, version, sha, components, image) in [
        ("second", json!("v1"), json!(null), &two, "b"),
        ("first", json!("main"), json!(null), &two, "a"),
        ("by commit", json!(null), json!("b".repeat(40)), &two, "b"),
        ("unknown version", json!("v9"), json!(null), &two, "-"),
        ("no version", json!(null), json!(null), &two, "a"),
        ("old model", json!("v1"), json!(null), &old, "c"),
    ] {
        let db = support::database().await;
        let metadata = json!({"name": "s", "uid": "s", "resourceVersion": "1",
            "creationTimestamp": "2026-03-01T00:00:00Z",
            "labels": {"appstudio.openshift.io/component": "c"},
            "annotations": {"appstudio.openshift.io/version": version, "pac.test.appstudio.openshift.io/sha": sha}});
        let snapshot = object(&json!({"metadata": metadata, "spec": {"components": components}}), "Snapshot");
        take(&db.store, &[delivery("1", &snapshot)]).await;
        let found = render::table(&db.store, &["right(image_digest, 1)"], "FROM snapshots").await;
        assert_eq!(found, image, "{what}");
    }
}

/// A project of the same path on another host is another one: Components may be built of GitHub.
#[tokio::test]
async fn a_push_affects_components_of_its_own_host() {
    let db = support::database().await;
    let urls = [
        ("same", "https://GitLab.example/acme/app.git"),
        ("other", "https://github.com/acme/app"),
        ("ssh", "git@ssh.gitlab.example:acme/app.git"),
    ];
    let component = |(name, url): (&str, &str)| {
        let metadata =
            json!({"name": name, "uid": name, "resourceVersion": "1", "creationTimestamp": "2026-03-01T00:00:00Z"});
        delivery(name, &object(&json!({"metadata": metadata, "spec": {"source": {"git": {"url": url}}}}), "Component"))
    };
    take(&db.store, &urls.map(component)).await;
    let mut reader = db.store.reader(deadline()).await.unwrap();
    for (host, expected) in [
        (Some("gitlab.example"), &["same", "ssh"][..]),
        (Some("github.com"), &["other", "ssh"]),
        (None, &["other", "same", "ssh"]),
    ] {
        let changed = [reads::Changed { sha: "s", project: "acme/app", host, branch: "main", path: "x" }];
        let found = reads::affected(&mut reader, &changed, None).await.unwrap();
        assert_eq!(found.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), expected, "{host:?}");
    }
}

/// A push to the branch of any version of a component affects it, as far as that version is built.
#[tokio::test]
async fn versions_have_branches_and_folders_of_their_own() {
    let db = support::database().await;
    let versions = json!([{"name": "main", "revision": "main", "context": "a"}, {"name": "v1", "revision": "v1",
        "context": "b"},
        {"name": "v0", "revision": "v0", "context": "a", "skip-builds": true}]);
    let metadata =
        json!({"name": "c", "uid": "c", "resourceVersion": "1", "creationTimestamp": "2026-03-01T00:00:00Z"});
    let source = json!({"url": "https://gitlab.example/acme/mono", "versions": versions});
    take(&db.store, &[delivery("1", &object(&json!({"metadata": metadata, "spec": {"source": source}}), "Component"))])
        .await;
    let mut reader = db.store.reader(deadline()).await.unwrap();
    for (branch, path, affects) in
        [("main", "a/x", true), ("v1", "b/x", true), ("main", "b/x", false), ("v1", "a/x", false), ("v0", "a/x", false)]
    {
        let changed = [reads::Changed { sha: "s", project: "acme/mono", host: None, branch, path }];
        let found = reads::affected(&mut reader, &changed, None).await.unwrap();
        assert_eq!(!found.is_empty(), affects, "{branch} {path}");
    }
}
