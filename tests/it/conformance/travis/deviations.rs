//! Intended deviations from upstream: the table of `hummingbird_status::sources::travis`, as a test of each case.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Case, announced, expected_announced, plain};

/// A difference to upstream's result.
#[derive(Debug)]
#[expect(dead_code, reason = "all of it is printed")]
pub enum Difference {
    Rows { table: &'static str, expected: usize, found: usize },
    Cell { table: &'static str, id: i64, column: String, expected: Value, found: Value },
    Queueable { job: i64, found: bool },
    Renamed { event: String },
    Missing { event: String, place: usize },
    Extra { event: String },
    NoCommand { command: String },
    Command { command: String },
    Result { number: usize, expected: String, found: String },
}

/// The deviation that explains a difference.
pub fn explain(case: &Case<'_>, difference: &Difference) -> Option<&'static str> {
    // A deviation about a run or a stage changes all its rows and events: the result is checked as a whole.
    let whole = [
        ("reset-of-finished", reset_of_finished as fn(&Case<'_>) -> bool),
        ("older-run", older_run),
        ("stage-restart", stage_restart),
        ("stage-cancel", stage_cancel),
        ("fast-finish-stages", fast_finish_stages),
        ("auto-cancel-any-event", auto_cancel),
        ("build-without-jobs", build_without_jobs),
    ];
    if let Some((name, _)) = whole.iter().find(|(_, holds)| holds(case)) {
        return Some(name);
    }
    match difference {
        Difference::Cell { table, id, column, expected, found } => cell(case, table, *id, column, expected, found),
        // A job gives up its place in the queue as soon as it no longer waits.
        Difference::Queueable { job, found: false } => (state(case, *job) != "created").then_some("queueable"),
        Difference::Missing { event, place } => missing(case, event, *place),
        Difference::Renamed { .. } => Some("build-reset-is-restart"),
        Difference::NoCommand { command } => no_command(case, command),
        Difference::Result { expected, found, .. } => {
            // A worker that repeats its report must not cancel its own job.
            let (before, after) = (expected.strip_prefix("409 ")?, found.strip_prefix("200 ")?);
            (before == after && before != "canceled").then_some("patch-same-state")
        }
        _ => None,
    }
}

fn cell(case: &Case<'_>, table: &str, id: i64, column: &str, expected: &Value, found: &Value) -> Option<&'static str> {
    let row = case.row(table, id)?;
    let sent = |value: &Value| time(value).is_some_and(|at| case.messages.iter().any(|sent| sent.at == at));
    let reported = |value: &Value, events: &[&str]| {
        case.messages.iter().any(|sent| {
            let asked = sent.message["event"].as_str().or(sent.message["body"]["new"].as_str()).unwrap_or("");
            let of = events.iter().any(|event| asked.contains(event));
            let value_sent = sent.message["payload"].get(column).or_else(|| sent.message["body"].get(column));
            (of || events.is_empty()) && (time(value) == Some(sent.at) || value_sent.and_then(time) == time(value))
        })
    };
    match (table, column) {
        ("jobs" | "builds", _) if column.ends_with("_at") && looks_like_none(case, found) => Some("zero-times"),
        ("repositories", _) => names_one_build(case, id, column).then_some("last-build"),
        ("jobs" | "builds", "finished_at") if expected.is_null() && sent(found) => Some("finished-at-default"),
        ("builds", "canceled_at") => {
            ((row["state"] == "canceled") != found.is_null()).then_some("canceled-at-only-if-canceled")
        }
        ("builds", "duration") => (found.as_i64() == Some(seconds(case, id))).then_some("duration-of-all-jobs"),
        ("builds", "finished_at") => {
            let ends = jobs(case, id).filter_map(|job| time(&job["finished_at"]));
            (ends.max() == time(found)).then_some("end-of-a-build-is-its-last-job")
        }
        ("jobs", "received_at" | "started_at") if expected.is_null() && reported(found, &["receive", "start"]) => {
            (state(case, id) != "created").then_some("late-times")
        }
        ("builds" | "stages", "received_at" | "started_at") if !found.is_null() => {
            let earlier = expected.is_null() || time(found) < time(expected);
            (earlier && reported(found, &[])).then_some("earliest-times")
        }
        ("builds" | "jobs", "started_at" | "received_at" | "finished_at") if found.is_null() => {
            let waits = ["created", "queued"].iter().any(|state| row["state"] == *state);
            waits.then_some("no-times-ahead")
        }
        ("jobs" | "builds", _)
            if !allowed(column) && written(case, column) && found_is_initial(case, id, column, found) =>
        {
            Some("allow-list")
        }
        _ => None,
    }
}

/// Whether the payload of any message has a key for the column.
fn written(case: &Case<'_>, column: &str) -> bool {
    case.messages.iter().any(|sent| sent.message["payload"].get(column).is_some())
}

/// Columns that payloads may set.
fn allowed(column: &str) -> bool {
    column == "state" || column == "vm_size" || column == "restarted_by" || column.ends_with("_at")
}

/// A valid time that upstream takes for the zero time, because of a part of it.
fn looks_like_none(case: &Case<'_>, found: &Value) -> bool {
    case.messages.iter().any(|sent| {
        let values = sent.message["payload"].as_object().into_iter().flatten().map(|(_, value)| value);
        let odd =
            values.filter(|value| value.as_str().is_some_and(|at| at.contains("0001") && !at.starts_with("0001")));
        odd.into_iter().any(|value| time(value) == time(found) && time(found).is_some())
    })
}

/// All of `last_build_*` is of one build, and never of an older one than before.
fn names_one_build(case: &Case<'_>, repository: i64, column: &str) -> bool {
    let Some(row) = case.row("repositories", repository) else { return false };
    let initial = case.initial["repositories"].as_array().unwrap();
    let before = initial.iter().find(|row| row["id"] == json!(repository)).unwrap();
    let Some(last) = row["last_build_id"].as_i64() else { return false };
    if before["last_build_id"].as_i64() > Some(last) {
        return false;
    }
    if column == "current_build_id" {
        return row[column].is_null() || row[column] == row["last_build_id"];
    }
    let unchanged = before.as_object().unwrap().iter().all(|(name, value)| plain(value) == plain(&row[name]));
    let columns = ["number", "state", "duration", "started_at", "finished_at"];
    let of_last = |build: &Value| columns.iter().all(|name| build[name] == row[format!("last_build_{name}")]);
    case.row("builds", last).is_some_and(of_last) || (unchanged && before["last_build_id"] == json!(last))
}

fn found_is_initial(case: &Case<'_>, id: i64, column: &str, found: &Value) -> bool {
    let rows = ["jobs", "builds"].map(|table| case.initial[table].as_array().unwrap());
    rows.into_iter().flatten().any(|row| row["id"] == json!(id) && row.get(column).unwrap_or(&Value::Null) == found)
}

/// An event that repeats an earlier one, or the initial state, is not announced.
fn missing(case: &Case<'_>, event: &str, place: usize) -> Option<&'static str> {
    if event.starts_with("build:reseted") {
        return Some("build-reset-is-restart");
    }
    let words: Vec<&str> = event.split(' ').collect();
    let (name, id, state) = (words[0], words[1], words[2]);
    let (object, what) = name.split_once(':').unwrap();
    let (expected, _) = expected_announced(case);
    let object_of = |event: &String| event.starts_with(&format!("{object}:")) && event.split(' ').nth(1) == Some(id);
    let since =
        expected[..place].iter().rposition(|e| object_of(e) && (e.contains(":restarted") || e.contains(":reseted")));
    let said = expected[since.unwrap_or(0)..place].iter().any(|before| before == event);
    let rows = case.initial[format!("{object}s")].as_array().unwrap();
    let initially = rows.iter().any(|row| row["id"].as_i64() == id.parse().ok() && row["state"] == state);
    let reaches = !matches!(what, "restarted");
    if said || (initially && since.is_none() && reaches) {
        return Some("events-once");
    }
    None
}

/// A worker that has reported the end of a job, or that never had it, is sent no command to cancel it.
fn no_command(case: &Case<'_>, command: &str) -> Option<&'static str> {
    let command: Value = serde_json::from_str(command).unwrap();
    let id = &command["job_id"];
    let reported = case.messages.iter().any(|sent| {
        let payload = &sent.message["payload"];
        payload["id"] == *id && sent.message["event"].as_str().is_some_and(|event| event.ends_with(":finish"))
    });
    let initial = case.initial["jobs"].as_array().unwrap().iter().find(|row| row["id"] == *id)?;
    let ended = ["passed", "failed", "errored", "canceled"].iter().any(|state| initial["state"] == *state);
    (reported || ended).then_some("commands-where-needed")
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn state<'c>(case: &'c Case<'_>, job: i64) -> &'c str {
    case.row("jobs", job).and_then(|row| row["state"].as_str()).unwrap_or("")
}

fn jobs<'c>(case: &'c Case<'_>, build: i64) -> impl Iterator<Item = &'c Value> {
    case.found["jobs"].as_array().unwrap().iter().filter(move |job| job["build_id"] == json!(build))
}

fn seconds(case: &Case<'_>, build: i64) -> i64 {
    let run = |job: &Value| Some(time(&job["finished_at"])?.duration_since(time(&job["started_at"])?).as_secs().max(0));
    jobs(case, build).filter_map(run).sum()
}

fn events_of<'c>(case: &'c Case<'_>, name: &'c str) -> impl Iterator<Item = (usize, i64)> + 'c {
    case.messages.iter().enumerate().filter_map(move |(number, sent)| {
        let event = sent.message["event"].as_str()?;
        event.ends_with(name).then_some((number, sent.message["payload"]["id"].as_i64()?))
    })
}

const ENDS: [&str; 3] = ["passed", "failed", "errored"];

/// A reset of a job that had ended leaves it as it is.
fn reset_of_finished(case: &Case<'_>) -> bool {
    if case.entry == "object_event" {
        return false;
    }
    events_of(case, "job:reset").chain(events_of(case, "test:reset")).any(|(number, id)| {
        let initial = case.initial["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["id"] == json!(id) && ENDS.iter().any(|end| row["state"] == *end));
        let before = events_of(case, ":finish").any(|(before, of)| before < number && of == id);
        let after = !announced(case).0.iter().any(|event| event.starts_with("job:restarted"));
        (initial || before) && after && ENDS.contains(&state(case, id))
    })
}

/// A message with times before the restart of the job changes nothing.
fn older_run(case: &Case<'_>) -> bool {
    let anew = events_of(case, ":restart").chain(events_of(case, ":reset")).collect::<Vec<_>>();
    case.messages.iter().enumerate().any(|(number, sent)| {
        let payload = &sent.message["payload"];
        let times = ["queued_at", "received_at", "started_at", "finished_at"];
        let first = times.iter().filter_map(|name| time(&payload[name])).min();
        let first = first.map(|first| first + SignedDuration::from_secs(2));
        let began =
            anew.iter().filter(|(n, id)| *n < number && json!(id) == payload["id"]).map(|(n, _)| case.messages[*n].at);
        let is_end =
            |event: &Value| event.as_str().is_some_and(|event| event.ends_with(":finish") || event.ends_with(":start"));
        let late = first.is_some() && first < began.max() && is_end(&sent.message["event"]);
        late && payload["id"].as_i64().is_some_and(|id| state(case, id) == "created")
    })
}

fn has_stages(case: &Case<'_>) -> bool {
    case.initial["stages"].as_array().is_some_and(|stages| !stages.is_empty())
}

/// No job waits behind a stage that did not pass.
fn none_waits_in_vain(case: &Case<'_>) -> bool {
    let stages = case.found["stages"].as_array().unwrap();
    let stopped = |stage: &&Value| ["failed", "errored", "canceled"].iter().any(|state| stage["state"] == *state);
    let first = stages.iter().find(stopped).and_then(|stage| stage["id"].as_i64());
    case.found["jobs"].as_array().unwrap().iter().all(|job| {
        let behind = first.is_some_and(|first| job["stage_id"].as_i64() > Some(first));
        !behind || !["created", "queued"].iter().any(|state| job["state"] == *state)
    })
}

/// Restarting a job of a stage that did not pass restores the jobs that were canceled because of it.
fn stage_restart(case: &Case<'_>) -> bool {
    let did_not_pass = |job: i64| {
        let stage = case.initial["jobs"].as_array().unwrap().iter().find(|row| row["id"] == json!(job));
        let stage = stage.map_or(&Value::Null, |row| &row["stage_id"]);
        case.initial["stages"].as_array().unwrap().iter().any(|row| row["id"] == *stage && row["state"] != "passed")
    };
    let restarted: Vec<i64> = events_of(case, "job:restart").map(|(_, id)| id).filter(|id| did_not_pass(*id)).collect();
    let by_stage = case.initial["jobs"].as_array().unwrap().iter().filter(|row| {
        row["state"] == "canceled" && row.get("canceled_at").is_none_or(Value::is_null) && !row["stage_id"].is_null()
    });
    let mut by_stage = by_stage.filter_map(|row| row["id"].as_i64()).filter(|id| !restarted.contains(id)).peekable();
    has_stages(case)
        && !restarted.is_empty()
        && by_stage.peek().is_some()
        && by_stage.all(|id| announced(case).0.contains(&format!("job:restarted {id} created")))
}

/// Canceling the jobs of a stage one by one ends the jobs of later stages.
fn stage_cancel(case: &Case<'_>) -> bool {
    let waited = |job: &Value| job["state"] == "created" && state(case, job["id"].as_i64().unwrap()) == "canceled";
    has_stages(case)
        && events_of(case, "job:cancel").next().is_some()
        && none_waits_in_vain(case)
        && case.initial["jobs"].as_array().unwrap().iter().any(waited)
        && announced(case).0.iter().any(|event| event.starts_with("job:finished") && event.ends_with("canceled"))
}

/// A build that does not wait for its last stage has the state of those that it waited for.
fn fast_finish_stages(case: &Case<'_>) -> bool {
    let expected = case.expected["builds"].as_array().unwrap().iter();
    let mut open = expected.filter(|build| build["state"] == "created" && !build["finished_at"].is_null());
    has_stages(case)
        && open.any(|build| {
            build["id"].as_i64().and_then(|id| case.row("builds", id)).is_some_and(|ours| ours["state"] == "passed")
        })
}

/// A build is canceled for a newer one whatever event caused that one.
fn auto_cancel(case: &Case<'_>) -> bool {
    let auto = case.messages.iter().any(|sent| sent.message["payload"]["meta"]["auto"] == json!(true));
    auto && case.expected["results"][0] == "error:internal"
        && case.found["jobs"].as_array().unwrap().iter().all(|job| job["state"] == "canceled")
}

/// A build without jobs changes its state by each message, where upstream changes nothing.
fn build_without_jobs(case: &Case<'_>) -> bool {
    let rows = |table: &str| case.initial[table].as_array().unwrap();
    let alone: Vec<&Value> = rows("builds")
        .iter()
        .filter(|build| {
            !rows("jobs").iter().any(|job| job["build_id"] == build["id"] || job["source_id"] == build["id"])
        })
        .collect();
    let moved = |build: &&Value| {
        let id = build["id"].as_i64().unwrap();
        let ours = case.row("builds", id).map_or("", |row| row["state"].as_str().unwrap_or(""));
        let asked = |name, state: &str| events_of(case, name).any(|(_, of)| of == id) && ours == state;
        asked("build:start", "started")
            || asked("build:cancel", "canceled")
            || asked("build:restart", "created")
            || (events_of(case, "build:finish").any(|(_, of)| of == id) && ENDS.contains(&ours))
    };
    !alone.is_empty() && alone.iter().all(moved)
}
