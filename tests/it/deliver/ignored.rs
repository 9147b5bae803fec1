//! Branches and sources that a target ignores.

use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::json;

use super::{drain, read, target};
use crate::support::buildkite::{Event, HOST, event};
use crate::support::forge::{Forge, created};
use crate::support::{self, deadline, render};

#[tokio::test]
async fn a_target_ignores_branches_and_sources() {
    let db = support::database().await;
    let (one, other) = (Forge::start(|_| created()).await, Forge::start(|_| created()).await);
    let ignores = "ignore_branches = ['gh-readonly-queue/*', 'wip']\nignore_sources = ['schedule']";
    let document = [
        target("choosy", "github", &one, HOST, ignores),
        target("all", "github", &other, HOST, "ignore_branches = ['wip']"),
    ];
    let targets = read(&document.concat());
    for (number, branch, source) in [
        (1, "main", "webhook"),
        (2, "main", "schedule"),
        (3, "gh-readonly-queue/main/pr-7", "webhook"),
        (4, "gh-readonly", "ui"),
        (5, "wip", "webhook"),
        (6, "wip2", "webhook"),
    ] {
        let (build, pipeline) = (number.to_string(), format!("p{number}"));
        let built = Event { build: &build, number, pipeline: &pipeline, ..event("passed", 5) };
        let mut built = built.document();
        built["detail"]["build"]["branch"] = json!(branch);
        built["detail"]["build"]["source"] = json!(source);
        let delivery = Delivery { id: build, body: built.to_string().into_bytes(), ..event("passed", 5).delivery() };
        ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
    }
    drain(&db.store, &targets).await;
    let contexts = |forge: &Forge| {
        let mut contexts: Vec<String> = forge.posts().iter().map(|post| post.body["context"].to_string()).collect();
        contexts.sort();
        contexts.join(" ").replace("buildkite/", "").replace('"', "")
    };
    assert_eq!((contexts(&one).as_str(), contexts(&other).as_str()), ("p1 p4 p6", "p1 p2 p3 p4 p6"));
    let notes = "SELECT payload->>'number' || ' ' || note FROM outbox WHERE note IS NOT NULL";
    assert_eq!(render::rows(&db.store, notes).await, ["5 ignored"]);
}
