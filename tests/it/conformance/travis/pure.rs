//! Events that upstream's cases apply to an object directly, without guards: applied to the rules, without a database.

use hummingbird_status::sources::travis::rules::Rows;
use hummingbird_status::sources::travis::{
    Build, Event, Job, Message, Object, Record, Repository, Resets, Run, Source, Stage, State, decode,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Case;

/// Applies the events, and returns the rows in the form of `expected`. Repositories are written by the store, not here.
pub fn run(case: &mut Case<'_>) {
    let initial = case.initial;
    let rows = |table: &str| initial[table].as_array().unwrap().clone();
    let id = |row: &Value| row["id"].as_i64().unwrap();
    let builds = rows("builds");
    let of_build = |build: i64, row: &&Value| row["build_id"] == json!(build);
    let mut all: Vec<Rows> = builds
        .iter()
        .map(|row| {
            let stages = rows("stages").iter().filter(|stage| of_build(id(row), stage)).map(stage).collect();
            let jobs = rows("jobs").iter().filter(|job| of_build(id(row), job)).map(job).collect();
            Rows::new(Repository { id: 1, ..Repository::default() }, build(row), stages, jobs)
        })
        .collect();
    let mut queueable: Vec<i64> =
        initial["queueable_jobs"].as_array().unwrap().iter().filter_map(Value::as_i64).collect();
    let mut results = Vec::new();
    for (number, sent) in case.messages.iter().enumerate() {
        let message = read(sent.message, sent.at, number);
        let rows = all.iter_mut().find(|rows| match message.object {
            Object::Job(id) => rows.jobs.iter().any(|job| job.id == id),
            Object::Build(id) => rows.build.id == id,
        });
        let rows = rows.unwrap();
        let applied = match (message.object, message.event) {
            (Object::Job(id), _) => {
                let index = rows.jobs.iter().position(|job| job.id == id).unwrap();
                rows.move_job(index, &message)
            }
            (Object::Build(_), Event::Start) => rows.start_build(&message),
            (Object::Build(_), Event::Cancel) => rows.cancel_build(&message),
            (Object::Build(_), _) => rows.restart_build(&message),
        };
        results.push(json!(if applied { "applied" } else { "not_applied" }));
    }
    let mut events = Vec::new();
    for rows in &all {
        for (job, waits) in &rows.outcome.queueable {
            queueable.retain(|id| id != job);
            queueable.extend(waits.then_some(*job));
        }
        events.extend(rows.outcome.happened.iter().map(|h| json!({"event": h.event, "payload": h.payload})));
    }
    let versions = all.iter().flat_map(|rows| &rows.outcome.versions).map(|version| {
        let mut row = job_row(&version.job);
        row["job_id"] = json!(version.job.id);
        row["number"] = json!(version.number);
        row
    });
    case.found.insert("job_versions".to_owned(), versions.collect());
    case.found.insert("builds".to_owned(), all.iter().map(|rows| build_row(&rows.build)).collect());
    case.found.insert("stages".to_owned(), all.iter().flat_map(|rows| &rows.stages).map(stage_row).collect());
    case.found.insert("jobs".to_owned(), all.iter().flat_map(|rows| &rows.jobs).map(job_row).collect());
    case.found.insert("queueable_jobs".to_owned(), json!(queueable));
    case.found.insert("events".to_owned(), Value::Array(events));
    case.found.insert("results".to_owned(), Value::Array(results));
}

fn read(message: &Value, at: Timestamp, number: usize) -> Message {
    use hummingbird_status::transport::{Decoded, Delivery, Limits, Unwrapped, unwrap};
    let body = message.to_string().into_bytes();
    let delivery = Delivery { id: format!("message-{number}"), body, sent_at: Some(at), ..Delivery::default() };
    let mut read = None;
    unwrap(&delivery, Limits::default(), &mut |part| {
        let Unwrapped::Message(message) = part else { panic!("no message") };
        let Decoded::Records(mut records) = decode(&message).unwrap() else { panic!("ignored") };
        read = match records.pop() {
            Some(Record::Message(message)) => Some(*message),
            Some(Record::Create(create)) => Some(create.message),
            None => None,
        };
    });
    read.unwrap()
}

fn time(row: &Value, column: &str) -> Option<Timestamp> {
    row[column].as_str().map(|at| at.parse().unwrap())
}

fn state(row: &Value) -> Option<State> {
    row["state"].as_str().and_then(State::named)
}

fn text(row: &Value, column: &str) -> Option<String> {
    row[column].as_str().map(str::to_owned)
}

fn source(row: &Value) -> Source {
    Source { message_at: time(row, "created_at").unwrap_or_default(), message_id: "initial".to_owned() }
}

/// The build of a row of the cases.
pub fn build(row: &Value) -> Build {
    let row = &super::filled("builds", row, &Value::Null);
    Build {
        id: row["id"].as_i64().unwrap(),
        repository_id: 1,
        number: text(row, "number"),
        state: state(row),
        previous_state: row["previous_state"].as_str().and_then(State::named),
        event_type: text(row, "event_type"),
        branch: None,
        commit: Default::default(),
        pull_request: None,
        notifications: None,
        fast_finish: row["fast_finish"] == json!(true),
        config_error: row["config_error"] == json!(true),
        duration: row["duration"].as_i64().map(|seconds| i32::try_from(seconds).unwrap()),
        created_at: time(row, "created_at"),
        received_at: time(row, "received_at"),
        started_at: time(row, "started_at"),
        finished_at: time(row, "finished_at"),
        canceled_at: time(row, "canceled_at"),
        restarted_at: time(row, "restarted_at"),
        run_at: None,
        ever_bad: Some(false),
        source: source(row),
    }
}

fn build_row(build: &Build) -> Value {
    json!({
        "id": build.id, "repository_id": build.repository_id, "number": build.number,
        "state": build.state.map(State::name), "event_type": build.event_type,
        "previous_state": build.previous_state.map(State::name), "duration": build.duration,
        "created_at": build.created_at, "received_at": build.received_at, "started_at": build.started_at,
        "finished_at": build.finished_at, "canceled_at": build.canceled_at, "restarted_at": build.restarted_at,
    })
}

fn stage(row: &Value) -> Stage {
    Stage {
        id: row["id"].as_i64().unwrap(),
        build_id: row["build_id"].as_i64().unwrap(),
        number: row["number"].as_i64().map(|number| i32::try_from(number).unwrap()),
        name: text(row, "name"),
        state: state(row),
        started_at: time(row, "started_at"),
        finished_at: time(row, "finished_at"),
        source: source(row),
    }
}

fn stage_row(stage: &Stage) -> Value {
    json!({
        "id": stage.id, "build_id": stage.build_id, "number": stage.number, "name": stage.name,
        "state": stage.state.map(State::name), "started_at": stage.started_at, "finished_at": stage.finished_at,
    })
}

/// The job of a row of the cases.
pub fn job(row: &Value) -> Job {
    Job {
        id: row["id"].as_i64().unwrap_or(0),
        build_id: row["build_id"].as_i64().unwrap_or(1),
        repository_id: 1,
        stage_id: row["stage_id"].as_i64(),
        stage_number: text(row, "stage_number"),
        number: text(row, "number"),
        state: state(row),
        allow_failure: row["allow_failure"] == json!(true),
        queue: None,
        priority: None,
        worker: None,
        vm_size: None,
        created_at: time(row, "created_at"),
        queued_at: time(row, "queued_at"),
        received_at: time(row, "received_at"),
        started_at: time(row, "started_at"),
        finished_at: time(row, "finished_at"),
        canceled_at: time(row, "canceled_at"),
        restarted_at: time(row, "restarted_at"),
        restarted_by: None,
        run: Run::default(),
        resets: Resets::default(),
        source: source(row),
    }
}

fn job_row(job: &Job) -> Value {
    json!({
        "id": job.id, "build_id": job.build_id, "stage_id": job.stage_id, "number": job.number,
        "state": job.state.map(State::name), "allow_failure": job.allow_failure, "created_at": job.created_at,
        "queued_at": job.queued_at, "received_at": job.received_at, "started_at": job.started_at,
        "finished_at": job.finished_at, "canceled_at": job.canceled_at, "restarted_at": job.restarted_at,
        "queue": job.queue, "worker": job.worker, "vm_size": job.vm_size, "restarted_by": job.restarted_by,
    })
}
