//! Deliveries from rows to fake servers on loopback: GitHub, GHES, GitLab, SNS and webhook receivers.

mod apps;
pub mod events;
mod faults;
mod forges;
mod ignored;
mod invoked;
pub mod large;
pub mod notices;
mod once;
mod order;
mod plans;
mod processes;
mod pull;
mod receivers;
mod tls;
mod verdicts;

use hummingbird_status::db::{Store, Tx};
use hummingbird_status::deliver::targets::{Target, targets};
use hummingbird_status::deliver::{Deliverer, Totals, Until};
use hummingbird_status::ingest::{self, Outcome};
use hummingbird_status::outbox::registry;
use hummingbird_status::sources::Settings;

use crate::support::buildkite::{Event, HOST};
use crate::support::forge::Forge;
use crate::support::{self, deadline, render};

/// The token of all targets here; it may appear in requests only.
pub const TOKEN: &str = "ghp_hunter2hunter2hunter2";

/// The targets of a document.
pub fn read(document: &str) -> Vec<Target> {
    let lookup = |name: &str| match name {
        "DELIVERY_TARGETS" => Some(document.to_owned()),
        "TOKEN" => Some(TOKEN.to_owned()),
        _ => None,
    };
    targets(&lookup).unwrap()
}

/// A target in a document, with a server as its API.
pub fn target(name: &str, kind: &str, forge: &Forge, host: &str, more: &str) -> String {
    let api = if kind == "github" { "api/v3" } else { "api/v4" };
    format!(
        "[[target]]\nname = '{name}'\nkind = '{kind}'\nhosts = ['{host}']\napi = '{}/{api}'\ntoken = \
            'env:TOKEN'\n{more}\n",
        forge.url
    )
}

/// A target for GHES on a host.
pub fn github(forge: &Forge, host: &str) -> Vec<Target> {
    read(&target("ghe", "github", forge, host, ""))
}

/// Delivers until nothing is due.
pub async fn drain(store: &Store, targets: &[Target]) -> Totals {
    run(&Deliverer::new(store.clone(), targets.to_vec(), None).unwrap()).await
}

/// Registers the targets of a document, as `deliver` does at its start.
pub async fn register(store: &Store, targets: &[Target]) {
    let targets: Vec<_> = targets.iter().map(Target::registration).collect();
    let register = async |tx: &mut Tx<'_>| registry::register(tx, &targets).await;
    store.in_tx("register", deadline(), register).await.unwrap();
}

/// The same, with an existing cache of credentials.
async fn run(deliverer: &Deliverer) -> Totals {
    deliverer.run(Until::Idle(tokio::time::sleep(support::LONGEST))).await
}

/// Ingests events, each in a batch of its own.
async fn take_in(store: &Store, events: &[Event<'_>]) {
    for event in events {
        let report = ingest::ingest(store, &[event.delivery()], &Settings::default(), deadline()).await;
        assert!(!matches!(report.outcomes()[0], Outcome::Retry | Outcome::Rejected), "{:?}", report.reasons);
    }
}

/// Ends all waits: makes pending deliveries due now.
pub async fn later(store: &Store) {
    let sql = "UPDATE commit_statuses SET next_attempt_at = now() WHERE lease_until IS NULL; \
               UPDATE deliveries SET next_attempt_at = now() WHERE lease_until IS NULL; \
               UPDATE delivery_targets SET next_at = now(); \
               UPDATE delivery_targets SET open_until = now() WHERE open_until > now(); \
               NOTIFY hummingbird_status_due";
    store.script(sql, deadline()).await.unwrap();
}

/// The one commit status that there is: state, attempts, posts and reason.
async fn status(store: &Store) -> String {
    render::table(store, &["state", "attempts", "posts", "reason"], "FROM commit_statuses").await
}

/// State and description of what was posted.
fn posted(forge: &Forge) -> Vec<String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    forge
        .posts()
        .iter()
        .map(|post| format!("{}: {}", text(&post.body["state"]), text(&post.body["description"])))
        .collect()
}

/// A target `ghe` for the default host.
fn ghe(forge: &Forge) -> Vec<Target> {
    github(forge, HOST)
}

/// The same with at most one post until [`later`]: a random wait (jitter) may be zero.
fn one_at_a_time(forge: &Forge, more: &str) -> Vec<Target> {
    read(&target("ghe", "github", forge, HOST, &format!("interval_ms = 600000\n{more}")))
}
