//! Reconcile against a scripted GitLab on loopback and a real PostgreSQL.

mod answers;
mod cli;
pub mod fake;
mod lambda;
mod load;
mod order;
mod pipelines;
mod races;
mod repairs;
mod runs;
mod stuck;
mod tls;
mod work;

use std::time::Duration;

use hummingbird_status::db::Store;
use hummingbird_status::ingest::{Outcome, ingest};
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::reconcile::{self, Options, Pace, Report};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use self::fake::{Fake, item, webhook};
use crate::support::{self, Db, deadline, render};

/// Quick enough for tests, with the real number of tries.
fn pace() -> Pace {
    let wait = Duration::from_millis(20);
    Pace { first_wait: wait, longest_wait: wait * 4, answer: support::LONGEST / 3, ..Pace::default() }
}

fn options() -> Options {
    Options { pace: pace(), ..Options::default() }
}

/// Without what looks beyond the open merge requests.
fn open_only() -> Options {
    Options { sweep: false, ..options() }
}

/// A run against one GitLab.
async fn run(db: &Db, gitlab: &Fake, options: Options) -> Report {
    run_within(db, gitlab, options, deadline()).await
}

async fn run_within(db: &Db, gitlab: &Fake, options: Options, deadline: Deadline) -> Report {
    reconcile::run(&db.store, &[gitlab.instance()], options, deadline, |_, _| ()).await.unwrap()
}

/// A webhook as SNS brings it.
pub fn sns(payload: &Value, sent_at: &str) -> Delivery {
    let body = json!({
        "Type": "Notification", "MessageId": format!("message of {sent_at}"), "TopicArn": "arn:aws:sns:x:1:t",
        "Message": payload.to_string(), "Timestamp": sent_at, "MessageAttributes": {},
    });
    Delivery { id: "sqs".to_owned(), body: body.to_string().into_bytes(), ..Delivery::default() }
}

/// Ingests a webhook.
async fn ingest_webhook(store: &Store, payload: &Value, sent_at: &str) {
    let report = ingest(store, &[sns(payload, sent_at)], &Settings::default(), deadline()).await;
    assert_ne!(report.outcomes()[0], Outcome::Rejected, "{:?}", report.reasons);
    assert_eq!(report.error, None);
}

const SENT: &str = "2026-03-10T10:00:01.500Z";
const UPDATED: &str = "2026-03-10T10:00:00.849Z";

/// A database with open merge requests of `g/p`, from webhooks, and a GitLab that has them.
async fn with_open(iids: impl IntoIterator<Item = i64>) -> (Db, Fake) {
    let db = support::database().await;
    let gitlab = Fake::start().await;
    add_open(&db, &gitlab, "g/p", iids).await;
    (db, gitlab)
}

async fn add_open(db: &Db, gitlab: &Fake, project: &str, iids: impl IntoIterator<Item = i64>) {
    let mut deliveries = Vec::new();
    // Each project has a number of its own.
    let id = if project == "g/p" { 7 } else { 1000 + project.bytes().map(i64::from).sum::<i64>() };
    if id != 7 {
        gitlab.state().ids.insert(project.to_owned(), id);
    }
    for iid in iids {
        let mut item = item(iid, "opened", UPDATED);
        item["project_id"] = json!(id);
        item["target_project_id"] = json!(id);
        deliveries.push(sns(&webhook(project, &item, "open"), SENT));
        gitlab.put(project, item);
    }
    let report = ingest(&db.store, &deliveries, &Settings::default(), deadline()).await;
    assert_eq!((report.counts().refused, report.counts().again), (0, 0), "{:?}", report.error);
}

/// The merge requests, with what tests look at.
async fn merge_requests(db: &Db) -> String {
    let columns = [
        "project || '!' || iid",
        "state",
        "title",
        "right(sha, 4)",
        "array_to_string(labels, ',')",
        "author",
        "source",
        "deleted_at IS NOT NULL",
    ];
    render::table(&db.store, &columns, "FROM gitlab_merge_requests ORDER BY project, iid").await
}

/// The transaction that wrote each row last.
async fn writes(db: &Db) -> Vec<String> {
    let of = |table: &str, key: &str| format!("SELECT '{table} ' || {key} || ' ' || xmin::text FROM {table}");
    let sql = [
        of("gitlab_merge_requests", "project || iid"),
        of("gitlab_mr_versions", "project || iid || sha"),
        of("pipelineruns", "name"),
        of("releases", "name"),
        of("gitlab_pushes", "sha"),
    ];
    render::rows(&db.store, &format!("SELECT x FROM ({}) AS r (x) ORDER BY x", sql.join(" UNION ALL "))).await
}

/// What was corrected, a line a change.
fn corrections(report: &Report) -> Vec<String> {
    let of = |c: &reconcile::Correction| {
        let key = format!("{}!{}", c.project, c.iid);
        c.changes
            .iter()
            .map(move |change| format!("{key} {}: {} -> {}", change.field, change.old, change.new))
            .collect::<Vec<_>>()
    };
    report.corrections.iter().flat_map(of).collect()
}
