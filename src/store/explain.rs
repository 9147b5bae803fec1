//! Why a thing is as it is: its row, what belongs to it, what was told of it, and what was refused for it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::{StoreError, StoredJson, StoredTime, Tx, frozen_until};
use crate::clock;

/// What can be explained.
#[derive(Clone, Copy, Debug)]
pub struct Explained {
    /// Its name, as in a command.
    pub name: &'static str,
    /// What its key looks like.
    pub key: &'static str,
    /// What its own row is called among the parts; empty for a delivery, which may be of two kinds.
    own: &'static str,
    sql: &'static str,
    /// The family whose events are about it, and what comes before the key there; none for what nothing is told of.
    told: Option<(&'static str, &'static str)>,
}

const fn thing(
    (name, own): (&'static str, &'static str),
    key: &'static str,
    sql: &'static str,
    told: Option<(&'static str, &'static str)>,
) -> Explained {
    Explained { name, key, own, sql, told }
}

/// All that can be explained.
#[rustfmt::skip]
pub const EXPLAINED: &[Explained] = &[
    thing(("mr", "merge request"), "GROUP/PROJECT!7", include_str!("sql/explain_merge_request.sql"), None),
    thing(("commit", "push"), "SHA", include_str!("sql/explain_commit.sql"), None),
    thing(("component", "component"), "NAME", include_str!("sql/explain_component.sql"), None),
    thing(("pipelinerun", "pipelinerun"), "NAME", include_str!("sql/explain_pipelinerun.sql"), None),
    thing(("snapshot", "snapshot"), "NAME", include_str!("sql/explain_snapshot.sql"), None),
    thing(("release", "release"), "NAME", include_str!("sql/explain_release.sql"), None),
    thing(("build", "buildkite build"), "UUID or PIPELINE/NUMBER", include_str!("sql/explain_build.sql"), Some(("buildkite", ""))),
    thing(("travis-build", "travis build"), "ID", include_str!("sql/explain_travis_build.sql"), Some(("travis", "build/"))),
    thing(("travis-job", "job"), "ID", include_str!("sql/explain_travis_job.sql"), Some(("travis", "build/"))),
    thing(("checkout", "checkout"), "ID", include_str!("sql/explain_checkout.sql"), Some(("kcidb", "checkout "))),
    thing(("kcidb-build", "build"), "ID", include_str!("sql/explain_kcidb_build.sql"), Some(("kcidb", "build "))),
    thing(("kcidb-test", "test"), "ID", include_str!("sql/explain_kcidb_test.sql"), Some(("kcidb", "test "))),
    thing(("issue", "issue"), "ID", include_str!("sql/explain_issue.sql"), Some(("kcidb", "issue "))),
    thing(("bot", "bot"), "NAME", include_str!("sql/explain_bot.sql"), None),
    thing(("delivery", ""), "s12 or e12", include_str!("sql/explain_delivery.sql"), None),
];

/// Something that explains a thing.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Part {
    /// What it is: `pipelinerun`, `delivery`, `refused`.
    pub part: String,
    /// When it was, if that is known.
    pub at: Option<Timestamp>,
    /// What it says, in a line.
    pub what: Option<String>,
    /// All of it.
    pub row: Value,
}

impl Part {
    /// Whether it shows that the thing is known: other parts are of what is around it.
    #[must_use]
    pub fn is_of_the_thing(&self) -> bool {
        !matches!(self.part.as_str(), "refused" | "asked GitLab")
    }
}

/// What explains a thing: its own row first, then the rest by time. Only what was refused is there when there is no such row.
///
/// # Errors
/// When a statement fails.
pub async fn explain(tx: &Tx<'_>, thing: &Explained, key: &str) -> Result<Vec<Part>, StoreError> {
    let read = |row: &tokio_postgres::Row| Part {
        part: row.get("part"),
        at: row.get::<_, Option<StoredTime>>("at").map(|at| at.0),
        what: row.get("what"),
        row: row.get::<_, StoredJson>("row").0,
    };
    let mut rest: Vec<Part> = tx.query(thing.sql, &[&key]).await?.iter().map(read).collect();
    rest.sort_by(|a, b| (a.at, &a.part).cmp(&(b.at, &b.part)));
    let is_own = |part: &Part| match thing.own {
        // A commit status, else the event.
        "" if key.starts_with('s') => part.part == "commit status",
        "" => part.part == "event",
        own => part.part == own,
    };
    let mut notes = Vec::new();
    let own = rest.iter().rposition(is_own);
    let mut parts: Vec<Part> = own.map(|place| rest.remove(place)).into_iter().collect();
    let now = clock::now();
    for part in parts.iter().chain(&rest).filter(|part| part.part == thing.own) {
        if let Some((at, member)) = frozen_until(&part.row, now) {
            let what =
                format!("{member} is {at}: no message counts until then; `repair {} {key}` lowers it", thing.name);
            notes.push(Part { part: "frozen".to_owned(), at: Some(at), what: Some(what), row: Value::Null });
        }
    }
    if let Some((family, before)) = thing.told {
        // Of a thing that is named otherwise than in its events: builds of Buildkite by number, jobs by their build.
        let of_row = |member: &str| parts.first().and_then(|part| part.row.get(member)).map(text);
        let keys: Vec<String> = match (thing.name, of_row("version")) {
            ("build", _) => of_row("id").into_iter().collect(),
            ("travis-job", _) => of_row("build_id").map(|id| format!("{before}{id}")).into_iter().collect(),
            ("issue", _) => {
                let versions = parts.iter().chain(&rest).filter(|part| part.part == "issue");
                versions.map(|part| format!("{before}{key} {}", text(&part.row["version"]))).collect()
            }
            _ => vec![format!("{before}{key}")],
        };
        let told = tx.query(include_str!("sql/explain_told.sql"), &[&family, &keys]).await?;
        rest.extend(told.iter().map(read));
    }
    let messages = parts.iter().chain(&rest).filter_map(|part| part.row.get("message_id")?.as_str());
    let ids: Vec<String> = messages.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect();
    // `GROUP/PROJECT!7` stands in no message.
    let needle = key.split('!').next().unwrap_or(key);
    let refused = tx.query(include_str!("sql/explain_refused.sql"), &[&needle, &ids]).await?;
    rest.extend(refused.iter().map(read));
    rest.append(&mut notes);
    rest.sort_by(|a, b| (a.at, &a.part).cmp(&(b.at, &b.part)));
    parts.extend(rest);
    Ok(parts)
}

/// A value as a key has it.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
