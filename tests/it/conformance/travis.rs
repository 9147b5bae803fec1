//! Cases of the job and build state machine that were recorded from upstream, `conformance/travis`.
//!
//! Each difference must be one of the deviations of `travis/deviations.rs`, which are checked against the result: a
//! difference that none of them explains is a failure.

mod deviations;
mod notify;
mod pure;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;

use hummingbird_status::checks::Touched;
use hummingbird_status::db::{Store, Tx};
use hummingbird_status::ingest::ingest;
use hummingbird_status::outbox::announcing;
use hummingbird_status::sources::Settings;
use hummingbird_status::sources::travis;
use hummingbird_status::transport::Delivery;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::data;
use crate::submit;
use crate::support::{deadline, render};
use deviations::Difference;

/// The results of the cases.
#[derive(Default)]
pub struct Tally {
    pub passed: usize,
    /// The number of cases by the deviations that explain them.
    pub deviating: BTreeMap<String, Vec<String>>,
    pub failed: Vec<String>,
}

impl Tally {
    fn add(&mut self, id: &str, differences: &[Difference], case: &Case<'_>) {
        let mut names = Vec::new();
        for difference in differences {
            match deviations::explain(case, difference) {
                Some(name) => names.push(name),
                None => return self.failed.push(format!("{id}: {difference:?}, of {differences:#?}")),
            }
        }
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            self.passed += 1;
        } else {
            self.deviating.entry(names.join(" + ")).or_default().push(id.to_owned());
        }
    }
}

/// One case, and its resulting rows.
pub struct Case<'c> {
    pub id: &'c str,
    pub entry: &'c str,
    pub initial: &'c Value,
    pub messages: Vec<Sent<'c>>,
    pub expected: &'c Value,
    /// The result, in the form of `expected`.
    pub found: Map<String, Value>,
}

/// A message and its time.
pub struct Sent<'c> {
    pub message: &'c Value,
    pub at: Timestamp,
}

impl<'c> Case<'c> {
    fn new(case: &'c Value) -> Self {
        let mut now: Timestamp = case["now"].as_str().unwrap().parse().unwrap();
        let messages = case["messages"].as_array().unwrap().iter().map(|message| {
            now = message["at"].as_str().map_or(now, |at| at.parse().unwrap());
            Sent { message, at: now }
        });
        Self {
            messages: messages.collect(),
            id: case["id"].as_str().unwrap(),
            entry: case["entry"].as_str().unwrap(),
            initial: &case["initial"],
            expected: &case["expected"],
            found: Map::new(),
        }
    }

    /// A row of the result.
    pub fn row(&self, table: &str, id: i64) -> Option<&Value> {
        self.found[table].as_array()?.iter().find(|row| row["id"] == json!(id))
    }
}

/// Runs all cases.
pub async fn run(store: &Store, folder: &Path) -> Tally {
    let mut tally = Tally::default();
    for (name, bytes) in data(folder) {
        let file: Value = serde_json::from_slice(&bytes).unwrap();
        match file["kind"].as_str() {
            Some("scenario") => {
                for case in file["cases"].as_array().unwrap() {
                    scenario(store, case, &mut tally).await;
                }
            }
            Some("table") => tables::run(store, &name, &file, &mut tally).await,
            _ => tally.failed.push(format!("{name}: of no kind that is known")),
        }
    }
    tally
}

async fn scenario(store: &Store, case: &Value, tally: &mut Tally) {
    let mut case = Case::new(case);
    if case.id.starts_with("suc-") && case.id.ends_with("-head") {
        // Of each pair the other one is the rule: the check as it was intended.
        return tally.deviating.entry("count-check-works".to_owned()).or_default().push(case.id.to_owned());
    }
    let differences = if case.entry == "object_event" {
        pure::run(&mut case);
        differences(&case)
    } else {
        through_the_tables(store, &mut case).await;
        differences(&case)
    };
    let id = case.id;
    tally.add(id, &differences, &case);
}

async fn through_the_tables(store: &Store, case: &mut Case<'_>) {
    store.script(&setup(case.initial), deadline()).await.unwrap();
    let mut results = Vec::new();
    for (number, sent) in case.messages.iter().enumerate() {
        let id = format!("message-{number}");
        results.push(json!(match case.entry {
            "sweep" => sweep(store, sent.at).await,
            "http_patch" => patch(store, sent).await,
            _ => message(store, sent, &id).await,
        }));
    }
    case.found = found(store).await;
    case.found.insert("results".to_owned(), Value::Array(results));
}

/// The time at which a message is sent: not before the times in its payload. The data have a clock of their own.
fn sent_at(sent: &Sent<'_>) -> Timestamp {
    let payload = &sent.message["payload"];
    let packed = payload.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let members = packed.as_ref().unwrap_or(payload).as_object().into_iter().flatten();
    let times = members.filter(|(name, _)| name.ends_with("_at")).filter_map(|(_, value)| value.as_str()?.parse().ok());
    times.fold(sent.at, Ord::max)
}

async fn message(store: &Store, sent: &Sent<'_>, id: &str) -> String {
    let body = json!({"event": sent.message["event"], "payload": sent.message["payload"]});
    let body = body.to_string().into_bytes();
    let delivery = Delivery { id: id.to_owned(), body, sent_at: Some(sent_at(sent)), ..Delivery::default() };
    let report = ingest(store, &[delivery], &Settings::default(), deadline()).await;
    assert_eq!(report.counts().again, 0, "{:?}", report.error);
    let reason = "SELECT reason FROM refused UNION ALL SELECT 'not_found' FROM travis_pending";
    match render::rows(store, reason).await.pop() {
        Some(reason) => {
            store.script("DELETE FROM refused; DELETE FROM travis_pending", deadline()).await.unwrap();
            format!("error:{}", reason.replace('-', "_"))
        }
        None if report.counts().ignored == 1 => "error:unknown_type".to_owned(),
        None => "ok".to_owned(),
    }
}

async fn sweep(store: &Store, now: Timestamp) -> String {
    let sweep = async |tx: &mut Tx<'_>| {
        announcing(tx, async |a| travis::sweep(tx, now, true, a, &mut Touched::default()).await).await
    };
    store.in_tx("sweep", deadline(), sweep).await.unwrap();
    "ok".to_owned()
}

/// Over HTTP, by calls of the routes.
async fn patch(store: &Store, sent: &Sent<'_>) -> String {
    let (job, at) = (&sent.message["job_id"], sent.at);
    let site = submit::serve(store, submit::intake(store).at(move || at), &submit::open).await;
    let token = submit::signed(&json!({"sub": job.to_string()}));
    let path = format!("/jobs/{job}/state");
    let answer = site.call(reqwest::Method::PATCH, &path, &token, sent.message["body"].to_string()).await;
    match answer.status {
        200 | 409 => format!("{} {}", answer.status, answer.body["state"].as_str().unwrap_or_default()),
        _ => format!("error:{}", answer.body["reason"].as_str().unwrap().replace('-', "_")),
    }
}

const TABLES: [&str; 5] = ["repositories", "builds", "stages", "jobs", "job_versions"];

/// A script that replaces all rows by the initial ones.
fn setup(initial: &Value) -> String {
    let mut script = String::from(
        "DELETE FROM outbox; DELETE FROM refused; DELETE FROM travis_pending; DELETE FROM travis_queueable_jobs; \
         DELETE FROM travis_job_versions;",
    );
    for table in &TABLES[..4] {
        let rows: Vec<Value> =
            initial[table].as_array().into_iter().flatten().map(|row| filled(table, row, initial)).collect();
        let rows = Value::Array(rows);
        script += &format!(
            "DELETE FROM travis_{table}; INSERT INTO travis_{table} \
             SELECT * FROM jsonb_populate_recordset(NULL::travis_{table}, $json${rows}$json$);"
        );
    }
    for job in initial["queueable_jobs"].as_array().into_iter().flatten() {
        script += &format!("INSERT INTO travis_queueable_jobs VALUES ({job}, 1);");
    }
    script
}

/// A row with the columns that every row has here.
pub fn filled(table: &str, row: &Value, initial: &Value) -> Value {
    let mut row = row.clone();
    let columns = row.as_object_mut().unwrap();
    let at = columns.get("created_at").filter(|at| !at.is_null()).cloned().unwrap_or(json!("2000-01-01T00:00:00Z"));
    let mut default = |name: &str, value: Value| {
        columns.entry(name).or_insert(value);
    };
    default("message_id", json!("initial"));
    default("message_at", at);
    default("updated_at", json!("2026-01-01T00:00:00Z"));
    match table {
        "jobs" => {
            default("repository_id", json!(1));
            default("allow_failure", json!(false));
            default("attempt", json!(1));
            default("reset_count", json!(0));
            if row["state"] == "finished" {
                // A state of neither side.
                row["state"] = json!("passed");
            }
            let resets = initial["reset_counters"].as_array().into_iter().flatten();
            let id = row["id"].clone();
            for reset in resets.filter(|reset| reset["job_id"] == id) {
                row["reset_count"] = reset["count"].clone();
                row["first_reset_at"] = reset["first_at"].clone();
                row["last_reset_at"] = reset["first_at"].clone();
            }
        }
        "builds" => {
            default("commit", json!({}));
            default("previous_told", json!(true));
            let config = row["config"].clone();
            let fast = ["jobs", "matrix"].iter().any(|key| config[key]["fast_finish"] == json!(true));
            row["fast_finish"] = json!(fast);
            row["config_error"] = json!(config[".result"].as_str().is_some_and(|result| result.contains("error")));
        }
        _ => {}
    }
    row
}

/// The contents of the tables, in the form of `expected`.
async fn found(store: &Store) -> Map<String, Value> {
    let mut found = Map::new();
    for table in TABLES {
        let order = if table == "job_versions" { "job_id, number" } else { "id" };
        let rows =
            render::rows(store, &format!("SELECT to_jsonb(t)::text FROM travis_{table} AS t ORDER BY {order}")).await;
        let rows = rows.iter().map(|row| serde_json::from_str::<Value>(row).unwrap()).collect();
        found.insert(table.to_owned(), rows);
    }
    let jobs = render::rows(store, "SELECT job_id::text FROM travis_queueable_jobs ORDER BY job_id").await;
    found.insert("queueable_jobs".to_owned(), jobs.iter().map(|id| id.parse::<i64>().unwrap()).collect());
    let events = "SELECT jsonb_build_object('event', event, 'payload', payload)::text FROM outbox ORDER BY id";
    let events = render::rows(store, events).await;
    found.insert("events".to_owned(), events.iter().map(|row| serde_json::from_str::<Value>(row).unwrap()).collect());
    found
}

/// All differences.
fn differences(case: &Case<'_>) -> Vec<Difference> {
    let mut differences = Vec::new();
    for table in TABLES {
        let (Some(found), Some(expected)) = (case.found.get(table), case.expected[table].as_array()) else { continue };
        let found = found.as_array().unwrap();
        if found.len() != expected.len() {
            differences.push(Difference::Rows { table, expected: expected.len(), found: found.len() });
        }
        for (expected_row, found_row) in expected.iter().zip(found) {
            let key = if table == "job_versions" { "job_id" } else { "id" };
            let id = expected_row[key].as_i64().unwrap();
            for (column, expected) in expected_row.as_object().unwrap() {
                let (expected, found) = (plain(expected), plain(&found_row[column]));
                // A state of neither side, which stands for 'no state that the sweep handles'.
                if expected != found && expected != json!("finished") {
                    differences.push(Difference::Cell { table, id, column: column.clone(), expected, found });
                }
            }
        }
    }
    if let Some(found) = case.found.get("queueable_jobs") {
        let found: Vec<i64> = found.as_array().unwrap().iter().filter_map(Value::as_i64).collect();
        let expected: Vec<i64> =
            case.expected["queueable_jobs"].as_array().unwrap().iter().filter_map(Value::as_i64).collect();
        let odd = |id: &&i64| found.contains(id) != expected.contains(id);
        for id in found.iter().chain(&expected).filter(odd) {
            differences.push(Difference::Queueable { job: *id, found: found.contains(id) });
        }
    }
    events(case, &mut differences);
    let expected = case.expected["results"].as_array().into_iter().flatten();
    for (number, (expected, found)) in expected.zip(case.found["results"].as_array().unwrap()).enumerate() {
        if expected != found {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            differences.push(Difference::Result { number, expected: text(expected), found: text(found) });
        }
    }
    differences
}

/// A value with times in one format.
fn plain(value: &Value) -> Value {
    match value.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
        Some(at) => json!(at.to_string()),
        None => value.clone(),
    }
}

/// An event in one line.
fn line(name: &str, id: &Value, state: &Value) -> String {
    format!("{name} {id} {}", state.as_str().unwrap_or("-"))
}

/// The announced events in lines, and the commands to workers.
pub fn announced(case: &Case<'_>) -> (Vec<String>, Vec<String>) {
    let events = case.found["events"].as_array().unwrap().iter();
    let events = events.filter(|event| !event["event"].as_str().unwrap().starts_with("notify:"));
    let (commands, events): (Vec<&Value>, Vec<&Value>) =
        events.partition(|event| event["event"] == "worker:cancel_job");
    let lines = events.iter().map(|e| line(e["event"].as_str().unwrap(), &e["payload"]["id"], &e["payload"]["state"]));
    (lines.collect(), commands.iter().map(|command| command["payload"].to_string()).collect())
}

/// Upstream's events in lines, and its commands to workers.
pub fn expected_announced(case: &Case<'_>) -> (Vec<String>, Vec<String>) {
    let events = case.expected["events"].as_array().unwrap().iter();
    let lines = events.map(|event| line(event["event"].as_str().unwrap(), &event["id"], &event["state"]));
    let effects = case.expected["effects"].as_array().into_iter().flatten();
    let commands =
        effects.filter(|effect| effect["effect"] == "worker_command").map(|effect| effect["payload"].to_string());
    (lines.collect(), commands.collect())
}

fn events(case: &Case<'_>, differences: &mut Vec<Difference>) {
    let ((found, our_commands), (expected, commands)) = (announced(case), expected_announced(case));
    let mut left = found.iter().peekable();
    for (place, event) in expected.iter().enumerate() {
        let renamed = event.replace("build:reseted", "build:restarted");
        if renamed != *event && left.next_if_eq(&&renamed).is_some() {
            differences.push(Difference::Renamed { event: event.clone() });
            continue;
        }
        if left.next_if_eq(&event).is_none() {
            differences.push(Difference::Missing { event: event.clone(), place });
        }
    }
    differences.extend(left.map(|event| Difference::Extra { event: event.clone() }));
    if case.entry == "object_event" {
        // Upstream's services send commands in these cases.
        return;
    }
    for command in commands.iter().filter(|command| !our_commands.contains(command)) {
        differences.push(Difference::NoCommand { command: command.clone() });
    }
    for command in our_commands.iter().filter(|command| !commands.contains(command)) {
        differences.push(Difference::Command { command: command.clone() });
    }
}

/// Deviations are checked against the result: a wrong result is explained by none.
#[test]
fn an_unexplained_difference_is_a_failure() {
    let row = json!({"id": 11, "build_id": 1, "state": "created", "started_at": null, "stage_id": null});
    let build = json!({"id": 1, "state": "created", "duration": null});
    let ended =
        json!({"id": 11, "build_id": 1, "state": "passed", "started_at": "2010-12-31T22:00:00Z", "stage_id": null});
    let case = json!({
        "id": "x", "entry": "message", "now": "2010-12-31T22:02:00Z",
        "initial": {"repositories": [], "builds": [build], "stages": [], "jobs": [row], "queueable_jobs": [11]},
        "messages": [{"event": "job:finish", "payload": {"id": 11, "state": "passed"}}],
        "expected": {
            "repositories": [], "builds": [build], "stages": [], "jobs": [ended], "job_versions": [],
            "queueable_jobs": [11], "events": [{"event": "job:finished", "id": 11, "state": "passed"}],
            "results": ["ok"],
        },
    });
    let found = |key: &str, value: Value| {
        let mut read = Case::new(&case);
        read.found = case["expected"].as_object().unwrap().clone();
        let event = json!([{"event": "job:finished", "payload": {"id": 11, "state": "passed"}}]);
        read.found.insert("events".to_owned(), event);
        read.found.insert(key.to_owned(), value);
        let mut tally = Tally::default();
        tally.add("x", &differences(&read), &read);
        (tally.passed, tally.failed.len())
    };
    assert_eq!(found("jobs", json!([ended])), (1, 0));
    assert_eq!(found("jobs", json!([row])), (0, 1));
    assert_eq!(found("jobs", json!([])), (0, 1));
    assert_eq!(found("events", json!([])), (0, 1));
    assert_eq!(found("builds", json!([{"id": 1, "state": "created", "duration": 7}])), (0, 1));
    assert_eq!(found("results", json!(["error:internal"])), (0, 1));
    let twice = json!({"event": "job:finished", "payload": {"id": 11, "state": "passed"}});
    assert_eq!(found("events", json!([twice, twice])), (0, 1));
}
