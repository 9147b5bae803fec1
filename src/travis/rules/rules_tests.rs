//! Each deviation that the table of [`crate::travis`] lists, on a build of its own.

use jiff::Timestamp;

use super::*;
use crate::travis::record::{Resets, Run, State, Told};

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
        source: source(),
    };
    let stages = stages.iter().map(stage).collect();
    Rows::new(Repository::default(), build, stages, jobs.iter().enumerate().map(job).collect())
}

/// A message about a job, sent at a second.
fn said(job: i64, event: Event, second: i64) -> Message {
    let id = format!("{event:?}-{job}-{second}");
    Message { object: Object::Job(job), event, told: Told::default(), id, sent_at: Some(at(second)) }
}

fn started(job: i64, second: i64) -> Message {
    let mut message = said(job, Event::Start, second + 1);
    message.told.started_at = Some(at(second));
    message
}

fn finished(job: i64, state: State, start: i64, end: i64) -> Message {
    let mut message = said(job, Event::Finish(state), end + 1);
    (message.told.started_at, message.told.finished_at) = (Some(at(start)), Some(at(end)));
    message
}

fn apply(rows: &mut Rows, messages: &[Message]) -> Vec<String> {
    let told = rows.outcome.happened.len();
    for message in messages {
        rows.apply(message);
    }
    let new = rows.outcome.happened[told..].iter();
    new.map(|happened| {
        let id = happened.payload.get("id").or(happened.payload.get("job_id"));
        format!("{} {}", happened.event, id.map_or_else(String::new, ToString::to_string))
    })
    .collect()
}

fn states(rows: &Rows) -> Vec<&'static str> {
    let of_build = std::iter::once(rows.build.state);
    of_build.chain(rows.jobs.iter().map(|job| job.state)).map(|state| state.map_or("-", State::name)).collect()
}

#[test]
fn what_is_so_already_is_not_told_again() {
    let mut rows = build(&[(0, false), (0, true)]);
    rows.build.fast_finish = true;
    let first = [started(1, 10), finished(1, State::Failed, 10, 20)];
    assert_eq!(apply(&mut rows, &first), ["build:started 1", "job:started 1", "build:finished 1", "job:finished 1"]);
    assert_eq!(apply(&mut rows, &first), [""; 0]);
    // A job that may fail ends the build no second time, but its time counts.
    assert_eq!(apply(&mut rows, &[finished(2, State::Failed, 10, 40)]), ["job:finished 2"]);
    assert_eq!((rows.build.duration, rows.build.finished_at), (Some(40), Some(at(20))));
}

#[test]
fn a_finish_that_contradicts_is_told_if_it_counts() {
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
        apply(&mut rows, &[started(1, 10), said(1, Event::Restart, 90)])[2..],
        ["build:restarted 1", "job:restarted 1"]
    );
    assert_eq!(apply(&mut rows, std::slice::from_ref(&old)), [""; 0]);
    // By its number, and by the worker's id of the run before.
    let mut by_number = said(1, Event::Finish(State::Failed), 120);
    by_number.told.attempt = Some(1);
    assert_eq!(apply(&mut rows, &[by_number]), [""; 0]);
    let uuid = |event, second, uuid: &str| {
        let mut message = said(1, event, second);
        message.told.uuid = Some(uuid.to_owned());
        message
    };
    apply(&mut rows, &[uuid(Event::Start, 130, "a"), said(1, Event::Restart, 140)]);
    assert_eq!(apply(&mut rows, &[uuid(Event::Finish(State::Failed), 150, "a")]), [""; 0]);
    assert_eq!(apply(&mut rows, &[uuid(Event::Start, 150, "b")]), ["build:started 1", "job:started 1"]);
    assert_eq!((rows.jobs[0].run.attempt, rows.outcome.versions.len()), (3, 2));
}

#[test]
fn clocks_that_differ_by_a_second_are_of_one_run() {
    let mut rows = build(&[(0, false)]);
    apply(&mut rows, &[said(1, Event::Restart, 90), started(1, 89)]);
    assert_eq!(states(&rows), ["started", "started"]);
}

#[test]
fn a_lower_number_of_a_run_is_late() {
    let numbered = |event, second, count| {
        let mut message = said(1, event, second);
        message.told.uuid = Some("a".to_owned());
        message.told.count = Some(count);
        message
    };
    let mut rows = build(&[(0, false)]);
    apply(&mut rows, &[numbered(Event::Receive, 10, 0), numbered(Event::Finish(State::Passed), 30, 2)]);
    assert_eq!(apply(&mut rows, &[numbered(Event::Start, 20, 1), numbered(Event::Reset, 40, 1)]), [""; 0]);
    assert_eq!((states(&rows), rows.jobs[0].started_at), (vec!["passed", "passed"], Some(at(20))));
}

#[test]
fn a_job_that_has_ended_is_not_given_back() {
    let mut rows = build(&[(0, false)]);
    apply(&mut rows, &[finished(1, State::Passed, 10, 20)]);
    assert_eq!(apply(&mut rows, &[said(1, Event::Reset, 30)]), [""; 0]);
    assert_eq!(states(&rows), ["passed", "passed"]);
}

#[test]
fn a_job_that_is_given_back_too_often_is_given_up() {
    let mut rows = build(&[(0, false)]);
    let hours = 3600;
    for reset in 0..50 {
        apply(&mut rows, &[said(1, Event::Reset, reset)]);
    }
    assert_eq!(rows.jobs[0].resets.count, 50);
    // Not before six hours have passed; and the day after all is forgotten.
    apply(&mut rows, &[said(1, Event::Reset, 6 * hours - 1)]);
    assert_eq!(states(&rows), ["created", "created"]);
    let mut forgotten = rows.clone();
    apply(&mut forgotten, &[said(1, Event::Reset, 31 * hours)]);
    assert_eq!((states(&forgotten), forgotten.jobs[0].resets.count), (vec!["created", "created"], 1));
    apply(&mut rows, &[said(1, Event::Reset, 6 * hours)]);
    assert_eq!((states(&rows), rows.jobs[0].finished_at), (vec!["errored", "errored"], Some(at(6 * hours))));
}

#[test]
fn an_end_without_a_time_is_when_it_was_said() {
    let mut rows = build(&[(0, false)]);
    apply(&mut rows, &[said(1, Event::Finish(State::Passed), 30)]);
    assert_eq!((rows.jobs[0].finished_at, rows.build.finished_at), (Some(at(30)), Some(at(30))));
}

#[test]
fn a_stage_that_fails_cancels_what_waits_and_a_restart_brings_it_back() {
    let mut rows = build(&[(1, false), (2, false), (3, false)]);
    let told = apply(&mut rows, &[started(1, 10), finished(1, State::Failed, 10, 20)]);
    assert_eq!(told[2..], ["job:finished 2", "job:finished 3", "build:finished 1", "job:finished 1"]);
    assert_eq!(states(&rows), ["failed", "failed", "canceled", "canceled"]);
    assert_eq!((rows.jobs[1].canceled_at, rows.build.canceled_at), (None, None));
    let told = apply(&mut rows, &[said(1, Event::Restart, 30)]);
    assert_eq!(told, ["job:restarted 2", "job:restarted 3", "build:restarted 1", "job:restarted 1"]);
    assert_eq!(states(&rows), ["created"; 4]);
    let all =
        [finished(1, State::Passed, 40, 50), finished(2, State::Passed, 60, 70), finished(3, State::Passed, 80, 90)];
    apply(&mut rows, &all);
    assert_eq!(states(&rows), ["passed"; 4]);
}

#[test]
fn what_a_user_canceled_stays_canceled() {
    let mut rows = build(&[(1, false), (2, false)]);
    apply(&mut rows, &[said(2, Event::Cancel, 5), finished(1, State::Failed, 10, 20), said(1, Event::Restart, 30)]);
    assert_eq!(states(&rows), ["created", "created", "canceled"]);
}

#[test]
fn canceling_a_stage_job_by_job_ends_what_waits() {
    let mut rows = build(&[(1, false), (1, false), (2, false)]);
    let told = apply(&mut rows, &[said(1, Event::Cancel, 10), said(2, Event::Cancel, 20)]);
    assert!(told.contains(&"job:finished 3".to_owned()) && told.contains(&"build:canceled 1".to_owned()), "{told:?}");
    assert_eq!(states(&rows), ["canceled"; 4]);
    // Unless all that must not fail has passed.
    let mut rows = build(&[(1, false), (1, true), (2, false)]);
    apply(&mut rows, &[finished(1, State::Passed, 10, 20), said(2, Event::Cancel, 30)]);
    assert_eq!(states(&rows), ["started", "passed", "canceled", "created"]);
}

#[test]
fn a_build_that_does_not_wait_has_the_state_of_what_it_waited_for() {
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
fn workers_are_told_to_cancel_where_it_helps() {
    let commands = |told: Vec<String>| told.iter().filter(|event| event.starts_with("worker:")).count();
    let mut rows = build(&[(0, false), (0, false)]);
    let cancel = Message { object: Object::Build(1), ..said(1, Event::Cancel, 30) };
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
        apply(&mut rows, &[said(1, event, second)]);
        assert_eq!(waits(&rows), Some(expected), "{event:?}");
    }
}

#[test]
fn a_broken_configuration_keeps_the_build_but_not_its_jobs() {
    let mut rows = build(&[(0, false)]);
    rows.build.config_error = true;
    apply(&mut rows, &[finished(1, State::Errored, 10, 20), said(1, Event::Restart, 30)]);
    assert_eq!(states(&rows), ["errored", "created"]);
}

#[test]
fn a_worker_that_repeats_itself_goes_on() {
    let status = |asked, before, after| patch_status(asked, Some(before), Some(after));
    assert_eq!(status(Event::Start, State::Started, State::Started), 200);
    assert_eq!(status(Event::Start, State::Errored, State::Errored), 409);
    assert_eq!(status(Event::Cancel, State::Canceled, State::Canceled), 409);
}
