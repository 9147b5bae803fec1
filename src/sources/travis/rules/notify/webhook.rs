//! Notifications by webhook: the document of Travis CI, or a card for Teams.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::subject::Subject;
use crate::sources::travis::record::{Job, State};

/// Members of the commit that are copied to the document.
const COMMIT: [&str; 7] =
    ["message", "compare_url", "committed_at", "author_name", "author_email", "committer_name", "committer_email"];

/// The document (docs of Travis CI, 'Configuring webhook notifications'). Configurations are not stored, so they are
/// empty.
#[must_use]
pub fn document(subject: &Subject<'_>) -> Value {
    let build = subject.build;
    let (short, _) = subject.words();
    let of_pull_request = |member: &str| subject.of_pull_request(member).cloned().unwrap_or_default();
    let mut document = common(subject);
    let own = json!({
        "id": build.id,
        "number": build.number.as_deref().map(number),
        "config": {},
        "type": build.event_type,
        "state": build.state.map(State::name),
        "status": result(build.state),
        "result": result(build.state),
        "status_message": short,
        "result_message": short,
        "started_at": time(build.started_at),
        "finished_at": time(build.finished_at),
        "duration": build.duration,
        "build_url": subject.page(),
        "commit_id": build.commit.get("id"),
        "base_commit": of_pull_request("base_commit"),
        "head_commit": of_pull_request("head_commit"),
        "pull_request": subject.is_pull_request(),
        "pull_request_number": of_pull_request("number"),
        "pull_request_title": of_pull_request("title"),
        "tag": build.commit.get("tag"),
        "repository": {
            "id": subject.repository.id,
            "name": subject.repository.name,
            "owner_name": subject.repository.owner_name,
            "url": subject.repository.url,
        },
        "matrix": subject.jobs.iter().map(|job| one_of_matrix(subject, job)).collect::<Vec<_>>(),
    });
    extend(&mut document, own);
    Value::Object(document)
}

fn one_of_matrix(subject: &Subject<'_>, job: &Job) -> Value {
    let mut document = common(subject);
    let own = json!({
        "id": job.id,
        "repository_id": subject.repository.id,
        "parent_id": subject.build.id,
        "number": job.number,
        "state": job.state.map(State::name),
        "config": {},
        "status": result(job.state),
        "result": result(job.state),
        "started_at": time(job.started_at),
        "finished_at": time(job.finished_at),
        "allow_failure": job.allow_failure,
    });
    extend(&mut document, own);
    Value::Object(document)
}

/// Members that the build and its jobs have in common.
fn common(subject: &Subject<'_>) -> Map<String, Value> {
    let commit = COMMIT.map(|member| (member.to_owned(), json!(subject.commit(member))));
    let more = [("commit".to_owned(), json!(subject.sha())), ("branch".to_owned(), json!(subject.branch()))];
    Map::from_iter(commit.into_iter().chain(more))
}

fn extend(document: &mut Map<String, Value>, own: Value) {
    if let Value::Object(own) = own {
        document.extend(own);
    }
}

/// As a JSON number, if it is one.
fn number(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number))
}

fn result(state: Option<State>) -> Option<i32> {
    match state? {
        State::Passed => Some(0),
        State::Failed | State::Errored => Some(1),
        _ => None,
    }
}

/// As `2026-03-04T07:49:51Z`: whole seconds.
fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| format!("{at:.0}"))
}

/// A card for Microsoft Teams.
#[must_use]
pub fn card(subject: &Subject<'_>) -> Value {
    let color = match subject.build.state {
        Some(State::Passed) => "good",
        Some(State::Failed | State::Errored) => "attention",
        _ => "default",
    };
    let (short, _) = subject.words();
    let first_line = subject.commit("message").and_then(|message| message.lines().next());
    let mut facts = vec![("Commit", subject.short_sha()), ("Branch", subject.branch().to_owned())];
    facts.extend(subject.commit("author_name").map(|name| ("Author", name.to_owned())));
    if subject.is_pull_request() {
        facts.push(("Pull request", format!("#{}", subject.pull_request_number())));
    }
    let facts: Vec<Value> = facts.iter().map(|(title, value)| json!({"title": title, "value": value})).collect();
    let mut actions = vec![json!({"type": "Action.OpenUrl", "title": "View Build", "url": subject.page()})];
    actions.extend(
        subject.commit("compare_url").map(|url| json!({"type": "Action.OpenUrl", "title": "Compare", "url": url})),
    );
    let title = format!("{short}: {}#{}", subject.slug(), subject.number());
    let body = json!([
        {"type": "TextBlock", "text": title, "size": "Large", "weight": "Bolder", "color": color, "wrap": true},
        {"type": "FactSet", "facts": facts},
        {"type": "TextBlock", "text": first_line.unwrap_or("No commit message"), "wrap": true},
        {"type": "ActionSet", "actions": actions},
    ]);
    json!({"type": "message", "attachments": [{
        "contentType": "application/vnd.microsoft.card.adaptive",
        "content": {
            "type": "AdaptiveCard", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "version": "1.2",
            "body": body,
        },
    }]})
}
