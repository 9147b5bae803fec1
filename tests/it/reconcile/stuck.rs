//! Stuck runs of other sources are marked, and the mark is removed by the next message.

use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::fake::Fake;
use super::{Db, Options, Report, options, run};
use crate::support::{self, deadline, render};

fn hours_ago(hours: i64) -> String {
    let at = Timestamp::now().checked_sub(SignedDuration::from_hours(hours)).unwrap();
    Timestamp::from_second(at.as_second()).unwrap().to_string()
}

async fn put(db: &Db, kind: &str, name: &str, started: i64, heard: i64, condition: (&str, &str)) {
    let (api, label) = if kind == "Release" { ("appstudio.redhat.com/v1alpha1", "") } else { ("tekton.dev/v1", name) };
    let label = label.split('-').next().unwrap();
    let version = 1000 - heard;
    let kind_of_condition = if kind == "Release" { "Released" } else { "Succeeded" };
    let payload = json!({
        "apiVersion": api, "kind": kind,
        "metadata": {"name": name, "namespace": "n", "uid": "u", "resourceVersion": version.to_string(),
            "creationTimestamp": hours_ago(started), "labels": {"pipelines.appstudio.openshift.io/type": label}},
        "spec": {"snapshot": "s", "releasePlan": "p"},
        "status": {"startTime": hours_ago(started),
            "conditions": [{"type": kind_of_condition, "status": condition.0, "reason": condition.1}]},
    });
    let delivery = Delivery {
        id: format!("{name}-{heard}"),
        body: payload.to_string().into_bytes(),
        sent_at: hours_ago(heard).parse().ok(),
        ..Delivery::default()
    };
    let report = ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
    assert_eq!(report.counts().kept, 1, "{:?}", report.reasons);
}

const RUNNING: (&str, &str) = ("Unknown", "Running");
const PROGRESSING: (&str, &str) = ("False", "Progressing");

async fn marks(db: &Db) -> Vec<String> {
    let of = |table: &str| format!("SELECT name || ' ' || state FROM {table} WHERE stale_since IS NOT NULL");
    render::rows(
        &db.store,
        &format!("SELECT x FROM ({} UNION ALL {}) AS r (x) ORDER BY x", of("pipelineruns"), of("releases")),
    )
    .await
}

fn names(report: &Report) -> Vec<String> {
    report.stale.iter().map(|stuck| format!("{} {}", stuck.kind, stuck.name)).collect()
}

#[tokio::test]
async fn a_stuck_run_is_marked_until_the_next_message() {
    let db = support::database().await;
    let gitlab = Fake::start().await;
    put(&db, "PipelineRun", "build-lost", 7, 7, RUNNING).await;
    put(&db, "PipelineRun", "build-young", 5, 5, RUNNING).await;
    put(&db, "PipelineRun", "build-heard-of", 9, 1, RUNNING).await;
    put(&db, "PipelineRun", "build-done", 9, 9, ("True", "Succeeded")).await;
    put(&db, "PipelineRun", "test-young", 7, 7, RUNNING).await;
    put(&db, "PipelineRun", "test-lost", 13, 13, RUNNING).await;
    put(&db, "PipelineRun", "managed-lost", 30, 30, RUNNING).await;
    put(&db, "Release", "release-lost", 50, 49, PROGRESSING).await;
    put(&db, "Release", "release-young", 40, 40, PROGRESSING).await;
    put(&db, "Release", "release-done", 50, 50, ("True", "Succeeded")).await;

    let dry = run(&db, &gitlab, Options { dry_run: true, ..options() }).await;
    let expected =
        ["pipelinerun build-lost", "pipelinerun managed-lost", "pipelinerun test-lost", "release release-lost"];
    assert_eq!(names(&dry), expected);
    assert_eq!(marks(&db).await, [""; 0]);

    let others = "SELECT (to_jsonb(t) - 'stale_since')::text FROM pipelineruns AS t ORDER BY name";
    let before = render::rows(&db.store, others).await;
    let report = run(&db, &gitlab, options()).await;
    assert_eq!(names(&report), expected);
    let since =
        "SELECT (stale_since = started_at + interval '6 hours')::text FROM pipelineruns WHERE name = 'build-lost'";
    assert_eq!(render::rows(&db.store, since).await, ["true"], "when its time was over, not when it was found");
    assert_eq!(
        marks(&db).await,
        ["build-lost running", "managed-lost running", "release-lost running", "test-lost running"]
    );
    assert_eq!(render::rows(&db.store, others).await, before);

    let written = super::writes(&db).await;
    assert_eq!(names(&run(&db, &gitlab, options()).await), [""; 0]);
    assert_eq!(super::writes(&db).await, written);

    put(&db, "PipelineRun", "build-lost", 7, 0, ("True", "Completed")).await;
    put(&db, "Release", "release-lost", 50, 0, PROGRESSING).await;
    assert_eq!(marks(&db).await, ["managed-lost running", "test-lost running"]);
}

/// The mark is ours; an object that loses its name to another one is kept as in its messages.
#[tokio::test]
async fn the_mark_is_not_kept_in_replaced() {
    let db = support::database().await;
    let gitlab = Fake::start().await;
    put(&db, "PipelineRun", "build-lost", 7, 7, RUNNING).await;
    run(&db, &gitlab, options()).await;
    let newer = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "build-lost",
        "uid": "other", "resourceVersion": "1", "creationTimestamp": hours_ago(0)}});
    let delivery = Delivery { id: "newer".to_owned(), body: newer.to_string().into_bytes(), ..Delivery::default() };
    ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
    let kept = "SELECT (\"row\" ? 'stale_since')::text || ' ' || (\"row\" ->> 'uid') FROM replaced";
    assert_eq!(render::rows(&db.store, kept).await, ["false u"]);
    assert_eq!(marks(&db).await, [""; 0]);
}
