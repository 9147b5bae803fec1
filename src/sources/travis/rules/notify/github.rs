//! Commit statuses and check runs.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::subject::Subject;
use crate::outbox::{CommitStatus, Notice, Version};
use crate::sources::travis::record::State;

/// Limit in bytes of the text of a check run (GitHub answers 422 above).
const MAX_TEXT: usize = 65_535;

/// The commit status. The status of a later build is newer.
#[must_use]
pub fn status(subject: &Subject<'_>, host: &str) -> CommitStatus {
    let build = subject.build;
    let state = build.state.unwrap_or(State::Created);
    let description = match state {
        State::Created | State::Queued | State::Received | State::Started => "The Travis CI build is in progress",
        State::Passed => "The Travis CI build passed",
        State::Failed => "The Travis CI build failed",
        State::Errored | State::Canceled => "The Travis CI build could not complete due to an error",
    };
    let of = if subject.is_pull_request() { "pr" } else { "push" };
    let names = [("branch", subject.branch()), ("event_type", build.event_type.as_deref().unwrap_or_default())];
    CommitStatus {
        is_verdict: false,
        host: host.to_owned(),
        path: subject.slug(),
        sha: subject.head_sha().to_ascii_lowercase(),
        context: format!("continuous-integration/travis-ci/{of}"),
        names: names.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        state: state.standard(),
        description: description.to_owned(),
        url: Some(format!("{}?utm_source=github_status&utm_medium=notification", subject.page_of_host())),
        // Of one build, the later announcement is newer: they are written under the lock on the build.
        version: Version {
            line: String::new(),
            number: build.id,
            at: build.created_at.unwrap_or(Timestamp::UNIX_EPOCH),
            tie: Version::BY_EVENT_ORDER.to_owned(),
        },
    }
}

/// The check run of the commit.
#[must_use]
pub fn check_run(subject: &Subject<'_>, host: &str) -> Notice {
    let build = subject.build;
    let of = if subject.is_pull_request() { "Pull Request" } else { "Branch" };
    let (status, conclusion) = match build.state.unwrap_or(State::Created) {
        State::Created | State::Queued | State::Received => ("queued", None),
        State::Started => ("in_progress", None),
        State::Passed => ("completed", Some("success")),
        State::Failed => ("completed", Some("failure")),
        State::Errored => ("completed", Some("action_required")),
        State::Canceled => ("completed", Some("cancelled")),
    };
    let mut body = serde_json::Map::from_iter([
        ("name".to_owned(), json!(format!("Travis CI - {of}"))),
        ("head_sha".to_owned(), json!(subject.head_sha())),
        ("details_url".to_owned(), json!(subject.page_of_host())),
        ("external_id".to_owned(), json!(build.id.to_string())),
        ("status".to_owned(), json!(status)),
    ]);
    let time = |at: Option<Timestamp>| at.map(|at| format!("{at:.0}"));
    let completed_at = build.finished_at.filter(|_| conclusion.is_some());
    let more = [
        ("conclusion", conclusion.map(str::to_owned)),
        ("started_at", time(build.started_at)),
        ("completed_at", time(completed_at)),
    ];
    body.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
    let state = subject.state();
    let title = format!("Build {}{}", state[..1].to_uppercase(), &state[1..]);
    let mut output = json!({"title": title, "summary": summary(subject)});
    let text = text(subject);
    if !text.is_empty() && text.len() <= MAX_TEXT {
        output["text"] = json!(text);
    }
    body.insert("output".to_owned(), output);
    Notice::CheckRun { host: host.to_owned(), path: subject.slug(), body: Value::Object(body) }
}

fn summary(subject: &Subject<'_>) -> String {
    let state = subject.state();
    let icon = match subject.build.state.unwrap_or(State::Created) {
        State::Passed => "passed",
        State::Failed => "failed",
        State::Errored => "errored",
        State::Canceled => "cancelled",
        _ => "running",
    };
    let (page, pages) = (subject.page_of_host(), subject.pages);
    let link =
        format!("<a href='{page}'><img src='{pages}/images/stroke-icons/icon-{icon}.png' height='11'> The build</a>");
    match (subject.build.state, subject.build.previous_state) {
        (Some(State::Queued), _) => format!("{link} is currently waiting in the build queue for a VM to be ready."),
        (Some(State::Started), _) => format!("{link} is currently running."),
        (_, None) => format!("{link} **{state}**."),
        (now, before) if now == before => format!("{link} **{state}**, just like the previous build."),
        (_, Some(before)) => {
            format!("{link} **{state}**. This is a change from the previous build, which **{}**.", before.name())
        }
    }
}

/// The jobs, as a table.
fn text(subject: &Subject<'_>) -> String {
    if subject.jobs.is_empty() {
        return String::new();
    }
    let mut text = "| Job | Stage | State |\n| --- | --- | --- |\n".to_owned();
    for job in subject.jobs {
        let stage = subject.stages.iter().find(|stage| Some(stage.id) == job.stage_id);
        let stage = stage.and_then(|stage| stage.name.as_deref()).unwrap_or_default();
        // The name must not contain Markdown.
        let plain = |c: char| if c.is_control() || "|<>[]()*_`#\\".contains(c) { ' ' } else { c };
        let stage: String = stage.chars().map(plain).collect();
        let may_fail = if job.allow_failure { " (allowed to fail)" } else { "" };
        let state = job.state.unwrap_or(State::Created).name();
        text.push_str(&format!("| {} | {stage} | {state}{may_fail} |\n", job.number.as_deref().unwrap_or_default()));
    }
    text
}
