//! Tests each deviation that [`crate::sources::travis`] lists, on a build of its own.

use jiff::Timestamp;

use super::*;
use crate::sources::travis::record::{Details, Resets, Run, State};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_773_300_000 + second).unwrap_or_default()
}

fn source() -> Source {
    Source { message_at: at(0), message_id: "create".to_owned() }
}

/// A build with jobs 1, 2, ..: each in a stage (0 for none), and whether it may fail.
fn build(jobs: &[(i64, bool)]) -> Rows {
    let job = |(index, (stage, allow_failure)): (usize, &(i64, bool))| Job {
        id: index as i64 + 1,
        build_id: 1,
        repository_id: 1,
        stage_id: Some(*stage).filter(|stage| *stage > 0),
        stage_number: None,
        number: None,
        state: Some(State::Created),
        allow_failure: *allow_failure,
        queue: None,
        priority: None,
        worker: None,
        vm_size: None,
        created_at: Some(at(0)),
        queued_at: None,
        received_at: None,
        started_at: None,
        finished_at: None,
        canceled_at: None,
        restarted_at: None,
        restarted_by: None,
        run: Run::default(),
        resets: Resets::default(),
        source: source(),
    };
    let mut stages: Vec<i64> = jobs.iter().map(|job| job.0).filter(|stage| *stage > 0).collect();
    stages.dedup();
    let stage = |id: &i64| Stage {
        id: *id,
        build_id: 1,
        number: None,
        name: None,
        state: Some(State::Created),
        started_at: None,
        finished_at: None,
        source: source(),
    };
    let build = Build {
        id: 1,
        repository_id: 1,
        number: None,
        state: Some(State::Created),
        previous_state: None,
        event_type: None,
        branch: None,
        commit: Default::default(),
        pull_request: None,
        notifications: Some(serde_json::json!({"email": false})),
        fast_finish: false,
        config_error: false,
        duration: None,
        created_at: Some(at(0)),
        received_at: None,
        started_at: None,
        finished_at: None,
        canceled_at: None,
        restarted_at: None,
        run_at: None,
        ever_bad: Some(false),
        source: source(),
    };
    let stages = stages.iter().map(stage).collect();
    Rows::new(Repository::default(), build, stages, jobs.iter().enumerate().map(job).collect())
}

/// A message about a job, sent at a second.
fn message(job: i64, event: Event, second: i64) -> Message {
    let id = format!("{event:?}-{job}-{second}");
    Message { object: Object::Job(job), event, details: Details::default(), id, sent_at: Some(at(second)) }
}

fn started(job: i64, second: i64) -> Message {
    let mut message = message(job, Event::Start, second + 1);
    message.details.started_at = Some(at(second));
    message
}

fn finished(job: i64, state: State, start: i64, end: i64) -> Message {
    let mut message = message(job, Event::Finish(state), end + 1);
    (message.details.started_at, message.details.finished_at) = (Some(at(start)), Some(at(end)));
    message
}

fn apply(rows: &mut Rows, messages: &[Message]) -> Vec<String> {
    let before = rows.outcome.happened.len();
    for message in messages {
        rows.apply(message);
    }
    let new = rows.outcome.happened[before..].iter();
    new.map(|event| {
        let id = event.payload.get("id").or(event.payload.get("job_id"));
        format!("{} {}", event.event, id.map_or_else(String::new, ToString::to_string))
    })
    .collect()
}

fn states(rows: &Rows) -> Vec<&'static str> {
    let of_build = std::iter::once(rows.build.state);
    of_build.chain(rows.jobs.iter().map(|job| job.state)).map(|state| state.map_or("-", State::name)).collect()
}

#[test]
fn a_state_is_announced_once() {
    let mut rows = build(&[(0, false), (0, true)]);
    rows.build.fast_finish = true;
    let first = [started(1, 10), finished(1, State::Failed, 10, 20)];
    assert_eq!(apply(&mut rows, &first), ["build:started 1", "job:started 1", "build:finished 1", "job:finished 1"]);
    assert_eq!(apply(&mut rows, &first), [""; 0]);
    // An optional job does not end the build a second time, but its duration counts.
    assert_eq!(apply(&mut rows, &[finished(2, State::Failed, 10, 40)]), ["job:finished 2"]);
    assert_eq!((rows.build.duration, rows.build.finished_at), (Some(40), Some(at(20))));
}

#[test]
fn a_contradicting_finish_of_a_higher_rank_is_announced() {
    let mut rows = build(&[(0, false)]);
    apply(&mut rows, &[finished(1, State::Passed, 10, 20)]);
    assert_eq!(apply(&mut rows, &[finished(1, State::Errored, 10, 20)]), ["build:finished 1", "job:finished 1"]);
    assert_eq!(apply(&mut rows, &[finished(1, State::Failed, 10, 20)]), [""; 0]);
    assert_eq!(states(&rows), ["errored", "errored"]);
}

#[test]
fn messages_of_an_older_run_change_nothing() {
    let mut rows = build(&[(0, false)]);
    let old = finished(1, State::Failed, 10, 100);
    assert_eq!(
        apply(&mut rows, &[started(1, 10), message(1, Event::Restart, 90)])[2..],
        ["build:restarted 1", "job:restarted 1"]
    );
    assert_eq!(apply(&mut rows, std::slice::from_ref(&old)), [""; 0]);
    // By its number, and by the worker's id of the run before.
    let mut by_number = message(1, Event::Finish(State::Failed), 120);
    by_number.details.attempt = Some(1);
    assert_eq!(apply(&mut rows, &[by_number]), [""; 0]);
    let uuid = |event, second, uuid: &str| {
        let mut message = message(1, event, second);
        message.details.uuid = Some(uuid.to_owned());
        message
    };
    apply(&mut rows, &[uuid(Event::Start, 130, "a"), message(1, Event::Restart, 140)]);
    assert_eq!(apply(&mut rows, &[uuid(Event::Finish(State::Failed), 150, "a")]), [""; 0]);
    assert_eq!(apply(&mut rows, &[uuid(Event::Start, 150, "b")]), ["build:started 1", "job:started 1"]);
    assert_eq!((rows.jobs[0].run.attempt, rows.outcome.versions.len()), (3, 2));
}

#[test]
fn clocks_may_differ_by_a_second() {
    let mut rows = build(&[(0, false)]);
    apply(&mut rows, &[message(1, Event::Restart, 90), started(1, 89)]);
    assert_eq!(states(&rows), ["started", "started"]);
}

#[test]
fn a_lower_number_of_a_run_is_outdated() {
    let numbered = |event, second, count| {
        let mut message = message(1, event, second);
        message.details.uuid = Some("a".to_owned());
        message.details.count = Some(count);
        message
    };
    let mut rows = build(&[(0, false)]);
    apply(&mut rows, &[numbered(Event::Receive, 10, 0), numbered(Event::Finish(State::Passed), 30, 2)]);
    assert_eq!(apply(&mut rows, &[numbered(Event::Start, 20, 1), numbered(Event::Reset, 40, 1)]), [""; 0]);
    assert_eq!((states(&rows), rows.jobs[0].started_at), (vec!["passed", "passed"], Some(at(20))));
}

#[test]
fn a_job_that_has_ended_is_not_reset() {
    let mut rows = build(&[(0, false)]);
    apply(&mut rows, &[finished(1, State::Passed, 10, 20)]);
    assert_eq!(apply(&mut rows, &[message(1, Event::Reset, 30)]), [""; 0]);
    assert_eq!(states(&rows), ["passed", "passed"]);
}

#[test]
fn a_job_that_is_reset_too_often_is_errored() {
    let mut rows = build(&[(0, false)]);
    let hours = 3600;
    for reset in 0..50 {
        apply(&mut rows, &[message(1, Event::Reset, reset)]);
    }
    assert_eq!(rows.jobs[0].resets.count, 50);
    // Not before six hours have passed; and after a day without a reset the count begins anew.
    apply(&mut rows, &[message(1, Event::Reset, 6 * hours - 1)]);
    assert_eq!(states(&rows), ["created", "created"]);
    let mut expired = rows.clone();
    apply(&mut expired, &[message(1, Event::Reset, 31 * hours)]);
    assert_eq!((states(&expired), expired.jobs[0].resets.count), (vec!["created", "created"], 1));
    apply(&mut rows, &[message(1, Event::Reset, 6 * hours)]);
    assert_eq!((states(&rows), rows.jobs[0].finished_at), (vec!["errored", "errored"], Some(at(6 * hours))));
}

#[test]
fn an_end_without_a_time_is_the_time_of_the_message() {
    let mut rows = build(&[(0, false)]);
    apply(&mut rows, &[message(1, Event::Finish(State::Passed), 30)]);
    assert_eq!((rows.jobs[0].finished_at, rows.build.finished_at), (Some(at(30)), Some(at(30))));
}

#[test]
fn a_failed_stage_cancels_waiting_jobs_and_its_restart_makes_them_wait_again() {
    let mut rows = build(&[(1, false), (2, false), (3, false)]);
    let events = apply(&mut rows, &[started(1, 10), finished(1, State::Failed, 10, 20)]);
    assert_eq!(events[2..], ["job:finished 2", "job:finished 3", "build:finished 1", "job:finished 1"]);
    assert_eq!(states(&rows), ["failed", "failed", "canceled", "canceled"]);
    assert_eq!((rows.jobs[1].canceled_at, rows.build.canceled_at), (None, None));
    let events = apply(&mut rows, &[message(1, Event::Restart, 30)]);
    assert_eq!(events, ["job:restarted 2", "job:restarted 3", "build:restarted 1", "job:restarted 1"]);
    assert_eq!(states(&rows), ["created"; 4]);
    let all =
        [finished(1, State::Passed, 40, 50), finished(2, State::Passed, 60, 70), finished(3, State::Passed, 80, 90)];
    apply(&mut rows, &all);
    assert_eq!(states(&rows), ["passed"; 4]);
}

#[test]
fn jobs_that_a_user_canceled_stay_canceled() {
    let mut rows = build(&[(1, false), (2, false)]);
    apply(
        &mut rows,
        &[message(2, Event::Cancel, 5), finished(1, State::Failed, 10, 20), message(1, Event::Restart, 30)],
    );
    assert_eq!(states(&rows), ["created", "created", "canceled"]);
}

#[test]
fn canceling_a_stage_job_by_job_cancels_later_stages() {
    let mut rows = build(&[(1, false), (1, false), (2, false)]);
    let events = apply(&mut rows, &[message(1, Event::Cancel, 10), message(2, Event::Cancel, 20)]);
    let has = |event: &str| events.iter().any(|other| other == event);
    assert!(has("job:finished 3") && has("build:canceled 1"), "{events:?}");
    assert_eq!(states(&rows), ["canceled"; 4]);
    // Unless all that must not fail has passed.
    let mut rows = build(&[(1, false), (1, true), (2, false)]);
    apply(&mut rows, &[finished(1, State::Passed, 10, 20), message(2, Event::Cancel, 30)]);
    assert_eq!(states(&rows), ["started", "passed", "canceled", "created"]);
}

#[test]
fn a_build_with_fast_finish_has_the_state_of_its_required_jobs() {
    let mut rows = build(&[(1, false), (2, true)]);
    rows.build.fast_finish = true;
    apply(&mut rows, &[finished(1, State::Passed, 10, 20)]);
    assert_eq!(states(&rows), ["passed", "passed", "created"]);
}

#[test]
fn a_build_is_canceled_at_a_time_only_if_it_is_canceled() {
    let mut rows = build(&[(0, false), (0, true)]);
    apply(&mut rows, &[finished(1, State::Passed, 10, 20), finished(2, State::Canceled, 10, 30)]);
    assert_eq!((states(&rows)[0], rows.build.canceled_at), ("passed", None));
    let mut rows = build(&[(0, false), (0, false)]);
    apply(&mut rows, &[finished(1, State::Canceled, 10, 20), finished(2, State::Passed, 10, 30)]);
    assert_eq!((states(&rows)[0], rows.build.canceled_at), ("canceled", Some(at(21))));
}

#[test]
fn workers_get_cancel_commands_where_they_are_needed() {
    let commands = |events: Vec<String>| events.iter().filter(|event| event.starts_with("worker:")).count();
    let mut rows = build(&[(0, false), (0, false)]);
    let cancel = Message { object: Object::Build(1), ..message(1, Event::Cancel, 30) };
    assert_eq!(commands(apply(&mut rows, &[finished(1, State::Passed, 10, 20), cancel])), 1);
    assert_eq!(commands(apply(&mut rows, &[finished(2, State::Canceled, 10, 40)])), 0);
    assert_eq!(commands(apply(&mut rows, &[started(2, 35)])), 1);
}

#[test]
fn jobs_are_queueable_while_they_wait() {
    let mut rows = build(&[(0, false)]);
    let waits = |rows: &Rows| rows.outcome.queueable.get(&1).copied();
    let events =
        [(Event::Receive, 10, false), (Event::Reset, 20, true), (Event::Start, 30, false), (Event::Restart, 40, true)];
    for (event, second, expected) in events {
        apply(&mut rows, &[message(1, event, second)]);
        assert_eq!(waits(&rows), Some(expected), "{event:?}");
    }
}

#[test]
fn a_broken_configuration_prevents_the_restart_of_the_build_but_not_of_its_jobs() {
    let mut rows = build(&[(0, false)]);
    rows.build.config_error = true;
    apply(&mut rows, &[finished(1, State::Errored, 10, 20), message(1, Event::Restart, 30)]);
    assert_eq!(states(&rows), ["errored", "created"]);
}

#[test]
fn a_worker_that_repeats_its_request_continues() {
    let status = |asked, before, after| patch_status(asked, Some(before), Some(after));
    assert_eq!(status(Event::Start, State::Started, State::Started), 200);
    assert_eq!(status(Event::Start, State::Errored, State::Errored), 409);
    assert_eq!(status(Event::Cancel, State::Canceled, State::Canceled), 409);
}
