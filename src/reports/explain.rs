//! Explains the state of an object: its row, related rows, the events about it with their deliveries, and rejected
//! messages that name it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::frozen_until;
use crate::db::{StoreError, StoredJson, StoredTime, Tx};
use crate::platform::clock;

/// A kind of object that can be explained.
#[derive(Clone, Copy, Debug)]
pub struct Explained {
    /// Its name, as in a command.
    pub name: &'static str,
    /// The form of its key.
    pub key: &'static str,
    /// Name of the part with its own row; empty for a delivery, which is a commit status or an event.
    own: &'static str,
    sql: &'static str,
    /// The source of the events about it, and the prefix of their keys; none for objects without events.
    events: Option<(&'static str, &'static str)>,
}

const fn kind(
    (name, own): (&'static str, &'static str),
    key: &'static str,
    sql: &'static str,
    events: Option<(&'static str, &'static str)>,
) -> Explained {
    Explained { name, key, own, sql, events }
}

/// All kinds of objects that can be explained.
#[rustfmt::skip]
pub const EXPLAINED: &[Explained] = &[
    kind(("mr", "merge request"), "GROUP/PROJECT!7", include_str!("sql/explain_merge_request.sql"), None),
    kind(("commit", "push"), "SHA", include_str!("sql/explain_commit.sql"), None),
    kind(("component", "component"), "NAME", include_str!("sql/explain_component.sql"), None),
    kind(("pipelinerun", "pipelinerun"), "NAME", include_str!("sql/explain_pipelinerun.sql"), None),
    kind(("snapshot", "snapshot"), "NAME", include_str!("sql/explain_snapshot.sql"), None),
    kind(("release", "release"), "NAME", include_str!("sql/explain_release.sql"), None),
    kind(("build", "buildkite build"), "UUID or PIPELINE/NUMBER", include_str!("sql/explain_build.sql"),
        Some(("buildkite", ""))),
    kind(("travis-build", "travis build"), "ID", include_str!("sql/explain_travis_build.sql"),
        Some(("travis", "build/"))),
    kind(("travis-job", "job"), "ID", include_str!("sql/explain_travis_job.sql"), Some(("travis", "build/"))),
    kind(("checkout", "checkout"), "ID", include_str!("sql/explain_checkout.sql"), Some(("kcidb", "checkout "))),
    kind(("kcidb-build", "build"), "ID", include_str!("sql/explain_kcidb_build.sql"), Some(("kcidb", "build "))),
    kind(("kcidb-test", "test"), "ID", include_str!("sql/explain_kcidb_test.sql"), Some(("kcidb", "test "))),
    kind(("issue", "issue"), "ID", include_str!("sql/explain_issue.sql"), Some(("kcidb", "issue "))),
    kind(("pipeline", "pipeline"), "HOST/ID", include_str!("sql/explain_pipeline.sql"), None),
    kind(("job", "gitlab job"), "HOST/ID", include_str!("sql/explain_job.sql"), None),
    kind(("deployment", "deployment"), "HOST/ID", include_str!("sql/explain_deployment.sql"), None),
    kind(("bot", "bot"), "NAME", include_str!("sql/explain_bot.sql"), None),
    kind(("delivery", ""), "s12 or e12", include_str!("sql/explain_delivery.sql"), None),
];

/// A part of an explanation.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Part {
    /// Its kind: `pipelinerun`, `delivery`, `refused`.
    pub part: String,
    /// Its time, if known.
    pub at: Option<Timestamp>,
    /// A summary in a line.
    pub what: Option<String>,
    /// The whole row.
    pub row: Value,
}

impl Part {
    /// Whether it shows that the object exists. Rejected messages and requests to GitLab do not.
    #[must_use]
    pub fn is_of_the_thing(&self) -> bool {
        !matches!(self.part.as_str(), "refused" | "asked GitLab")
    }
}

/// Explains an object: its own row first, then the other parts by time. Without such a row, there are only rejected
/// messages.
///
/// # Errors
/// When a statement fails.
pub async fn explain(tx: &Tx<'_>, object: &Explained, key: &str) -> Result<Vec<Part>, StoreError> {
    let read = |row: &tokio_postgres::Row| Part {
        part: row.get("part"),
        at: row.get::<_, Option<StoredTime>>("at").map(|at| at.0),
        what: row.get("what"),
        row: row.get::<_, StoredJson>("row").0,
    };
    let mut rest: Vec<Part> = tx.query(object.sql, &[&key]).await?.iter().map(read).collect();
    rest.sort_by(|a, b| (a.at, &a.part).cmp(&(b.at, &b.part)));
    let is_own = |part: &Part| match object.own {
        // A commit status, else the event.
        "" if key.starts_with('s') => part.part == "commit status",
        "" => part.part == "event",
        own => part.part == own,
    };
    let mut notes = Vec::new();
    let own = rest.iter().rposition(is_own);
    let mut parts: Vec<Part> = own.map(|index| rest.remove(index)).into_iter().collect();
    let now = clock::now();
    for part in parts.iter().chain(&rest).filter(|part| part.part == object.own) {
        if let Some((at, member)) = frozen_until(&part.row, now) {
            let what = format!(
                "{member} is {at}: all messages are outdated until then; `repair {} {key}` fixes it",
                object.name
            );
            notes.push(Part { part: "frozen".to_owned(), at: Some(at), what: Some(what), row: Value::Null });
        }
    }
    if let Some((source, prefix)) = object.events {
        // Objects whose key differs from that of their events: builds of Buildkite by number, jobs by their build.
        let of_row = |member: &str| parts.first().and_then(|part| part.row.get(member)).map(text);
        let keys: Vec<String> = match (object.name, of_row("version")) {
            ("build", _) => of_row("id").into_iter().collect(),
            ("travis-job", _) => of_row("build_id").map(|id| format!("{prefix}{id}")).into_iter().collect(),
            ("issue", _) => {
                let versions = parts.iter().chain(&rest).filter(|part| part.part == "issue");
                versions.map(|part| format!("{prefix}{key} {}", text(&part.row["version"]))).collect()
            }
            _ => vec![format!("{prefix}{key}")],
        };
        let events = tx.query(include_str!("sql/explain_events.sql"), &[&source, &keys]).await?;
        rest.extend(events.iter().map(read));
    }
    let messages = parts.iter().chain(&rest).filter_map(|part| part.row.get("message_id")?.as_str());
    let ids: Vec<String> = messages.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect();
    // Messages do not contain `GROUP/PROJECT!7`, and of `HOST/ID` only the parts.
    let needle = match object.key {
        "HOST/ID" => key.split_once('/').map_or(key, |(_, id)| id),
        _ => key.split('!').next().unwrap_or(key),
    };
    let rejected = tx.query(include_str!("sql/explain_rejected.sql"), &[&needle, &ids]).await?;
    rest.extend(rejected.iter().map(read));
    rest.append(&mut notes);
    rest.sort_by(|a, b| (a.at, &a.part).cmp(&(b.at, &b.part)));
    parts.extend(rest);
    Ok(parts)
}

/// A value as a text, as in a key.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
