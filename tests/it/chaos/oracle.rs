//! Compares the final state with that of a run without faults.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hummingbird_status::db::Store;
use hummingbird_status::ingest::{Outcome, ingest};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::{Delivery, pointer};
use serde_json::Value;

use super::plan::{Plan, Work};
use super::programs::Counts;
use crate::deliver::{drain, github};
use crate::support::buildkite::HOST;
use crate::support::forge::{Forge, Post, created};
use crate::support::{Db, deadline, difference, render, schema};

/// The requests that the fake targets received.
pub struct Outside {
    pub statuses: Vec<Post>,
    pub hooks: Vec<Post>,
    pub published: Vec<String>,
    pub objects: HashMap<String, Vec<u8>>,
}

/// The final commit statuses.
const STATUSES: &str = "SELECT concat_ws(' ', target, repo, sha, context, wanted_state, wanted_description, \
    version_number, \
     version_at, version_tie, state) FROM commit_statuses ORDER BY 1";
/// All events, in order, without their times. Without events of commit statuses, which may be repeated; their results
/// are compared above.
const ANNOUNCED: &str = "SELECT concat_ws(' ', family, key, event, attributes, payload::jsonb - 'timestamp') FROM \
    outbox \
     WHERE event <> 'notify:commit_status' ORDER BY family, key, id";

/// Counts the rejected messages; that they are the right ones is compared with the tables.
pub async fn count_rejected(found: &Store, counts: &Counts) {
    counts.add("rejected", render::rows(found, "SELECT id FROM refused").await.len() as u64);
}

/// Ingests and delivers in one process without faults.
async fn calm(plan: &Plan, db: &Db) -> Result<(), String> {
    schema::clear(&db.store).await;
    let mut batches: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, message) in plan.messages.iter().enumerate() {
        batches.entry(if plan.work == Work::InOrder { message.batch } else { number / 50 }).or_default().push(number);
    }
    for batch in batches.values() {
        let deliveries: Vec<Delivery> = batch.iter().map(|number| plan.messages[*number].delivery()).collect();
        let report = ingest(&db.store, &deliveries, &Settings::default(), deadline()).await;
        for (number, outcome) in batch.iter().zip(report.outcomes()) {
            let message = &plan.messages[*number];
            if (*outcome == Outcome::Rejected) != message.poison || *outcome == Outcome::Retry {
                return Err(format!("{} is {outcome:?} when nothing goes wrong: {:?}", message.id, report.reasons));
            }
        }
    }
    let forge = Forge::start(|_| created()).await;
    drain(&db.store, &github(&forge, HOST)).await;
    Ok(())
}

/// `Err` names the difference.
pub async fn judge(plan: &Plan, db: &Db, found: &Store, outside: &Outside, counts: &Counts) -> Result<(), String> {
    calm(plan, db).await?;
    let expected = &db.store;
    same("tables", &render::all(expected).await, &render::all(found).await)?;
    count_rejected(found, counts).await;
    for sql in announced(plan.work == Work::InOrder) {
        same("announced", &lines(expected, sql).await, &lines(found, sql).await)?;
    }
    same("statuses", &lines(expected, STATUSES).await, &lines(found, STATUSES).await)?;
    for sql in TWICE {
        same("announced twice", "", &lines(found, sql).await)?;
    }
    let dead = "SELECT state || ' ' || coalesce(reason, '-') FROM (SELECT state, reason FROM deliveries UNION ALL \
                SELECT state, reason FROM commit_statuses) AS t WHERE state <> 'delivered'";
    same("not delivered", "", &lines(found, dead).await)?;
    posts(found, &outside.statuses, counts).await?;
    hooks(found, outside, counts).await
}

pub async fn lines(store: &Store, sql: &str) -> String {
    render::rows(store, sql).await.join("\n")
}

pub fn same(what: &str, expected: &str, found: &str) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let differs = difference(expected, found);
    let differs = if differs.trim().is_empty() { format!(" another order, or number\n{found}") } else { differs };
    let lines = differs.lines().take(40).map(|line| line.chars().take(600).collect::<String>() + "\n");
    Err(format!("{what}: {}", lines.collect::<String>()))
}

/// Queries for the events that must be the same. Without order, events about intermediate states depend on the order of
/// arrival, and so does whether a checkout counts as finished while parts of it are unknown. Independent of it are the
/// last event of a build and of an object, the ends of jobs and builds, and that an object is new.
pub fn announced(in_order: bool) -> &'static [&'static str] {
    if in_order {
        return &[ANNOUNCED];
    }
    &[
        "SELECT DISTINCT ON (key) concat_ws(' ', key, payload #>> '{commit_status,state}', \
         payload #>> '{commit_status,description}', payload ->> 'undeliverable') AS line FROM outbox \
         WHERE family = 'buildkite' AND event NOT LIKE 'notify:%' ORDER BY key, id DESC",
        "SELECT concat_ws(' ', event, payload ->> 'id', payload ->> 'state') FROM outbox \
         WHERE family = 'travis' AND (event LIKE '%:finished' OR event LIKE '%:created') ORDER BY 1",
        "SELECT concat_ws(' ', event, payload #>> '{object,id}') FROM outbox \
         WHERE family = 'kcidb' AND event LIKE '%.new' ORDER BY 1",
        "SELECT DISTINCT ON (key) concat_ws(' ', key, (payload -> 'object')::jsonb) AS line FROM outbox \
         WHERE family = 'kcidb' AND (event LIKE '%.new' OR event LIKE '%.updated') ORDER BY key, id DESC",
    ]
}

/// Queries for events that must not be repeated: they find those that were announced twice.
pub const TWICE: [&str; 2] = [
    "SELECT concat_ws(' ', event, payload ->> 'id', payload ->> 'state') FROM outbox WHERE family = 'travis' \
     AND event NOT LIKE 'worker:%' AND event NOT LIKE 'notify:%' GROUP BY 1 HAVING count(*) > 1",
    "SELECT concat_ws(' ', event, payload #>> '{object,id}') FROM outbox WHERE family = 'kcidb' \
     AND event NOT LIKE '%.updated' AND event NOT LIKE '%_changed' GROUP BY 1 HAVING count(*) > 1",
];

/// The last status that was posted for each commit is the wanted one.
async fn posts(found: &Store, posts: &[Post], counts: &Counts) -> Result<(), String> {
    let mut last: BTreeMap<(String, String), (String, String)> = BTreeMap::new();
    for post in posts.iter().filter(|post| post.taken) {
        let text = |name: &str| post.body[name].as_str().unwrap_or_default().to_owned();
        let sha = post.path.rsplit('/').next().unwrap_or_default().to_owned();
        let said = (text("state"), text("description"));
        let before = last.insert((sha, text("context").to_lowercase()), said.clone());
        counts.add("duplicates outside", u64::from(before == Some(said)));
        counts.add("posts taken", 1);
    }
    let mut said: Vec<String> = last
        .iter()
        .map(|((sha, context), (state, description))| format!("{sha} {context} {state} {description}"))
        .collect();
    let wanted =
        "SELECT concat_ws(' ', sha, context, delivered_state, delivered_description) FROM commit_statuses ORDER BY 1";
    let mut wanted = render::rows(found, wanted).await;
    wanted.sort();
    said.sort();
    same("last posts", &wanted.join("\n"), &said.join("\n"))
}

/// Each event arrived, those of a key in order, and the topic received the same events.
async fn hooks(found: &Store, outside: &Outside, counts: &Counts) -> Result<(), String> {
    let expected = "SELECT concat_ws(' ', lpad(outbox_id::text, 12, '0'), family, key) FROM deliveries WHERE target = \
        'hook' ORDER BY 1";
    let expected = render::rows(found, expected).await;
    let keys: BTreeMap<&str, &str> = expected.iter().filter_map(|line| line.split_once(' ')).collect();
    let mut arrived: BTreeSet<String> = BTreeSet::new();
    let mut last: BTreeMap<&str, String> = BTreeMap::new();
    let mut data: BTreeSet<String> = BTreeSet::new();
    for post in outside.hooks.iter().filter(|post| post.taken) {
        let id = post.header("webhook-id").unwrap_or_default().trim_start_matches("evt_");
        let id = format!("{id:0>12}");
        counts.add("events taken", 1);
        data.insert(object(&post.body["data"]));
        if !arrived.insert(id.clone()) {
            counts.add("duplicates outside", 1);
            continue;
        }
        let Some(key) = keys.get(id.as_str()) else { return Err(format!("event {id} was not due for delivery")) };
        if let Some(before) = last.insert(*key, id.clone())
            && before > id
        {
            return Err(format!("{key}: event {id} arrived after {before}"));
        }
    }
    let expected: Vec<&str> = keys.keys().copied().collect();
    same("events that arrived", &expected.join("\n"), &arrived.into_iter().collect::<Vec<_>>().join("\n"))?;
    let mut published: BTreeSet<String> = BTreeSet::new();
    for body in &outside.published {
        let document: Value = match pointer::find(body) {
            None => serde_json::from_str(body).unwrap(),
            Some(place) => {
                let path = format!("/{}/{}", place.bucket, place.key);
                let Some(bytes) = outside.objects.get(&path) else { return Err(format!("{path} is not there")) };
                serde_json::from_slice(bytes).unwrap()
            }
        };
        published.insert(object(&document));
        counts.add("broadcasts taken", 1);
    }
    same(
        "broadcasts",
        &data.into_iter().collect::<Vec<_>>().join("\n"),
        &published.into_iter().collect::<Vec<_>>().join("\n"),
    )
}

/// An event in one line; of a large one its end.
fn object(document: &Value) -> String {
    let text = document.to_string();
    text.chars().rev().take(2000).collect::<Vec<_>>().into_iter().rev().collect()
}
