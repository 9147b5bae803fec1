//! Outbox events: `build:<state>` for each change of a build, with the status for its commit. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::record::Build;
use super::rules;
use crate::checks::is_whole_hash;
use crate::outbox::{CommitStatus, Event, Version};

/// Codes for why a build has no commit status. They are stable, for counting and filtering.
mod reason {
    pub(super) const STATE: &str = "unknown_state";
    pub(super) const COMMIT: &str = "unresolved_commit";
    pub(super) const REPOSITORY: &str = "no_repository";
    pub(super) const PIPELINE: &str = "no_pipeline";
}

/// The outbox event of one build.
#[must_use]
pub fn event(build: &Build) -> Event {
    let status = commit_status(build);
    let attributes = [
        ("state", Some(&build.state)),
        ("organization", build.organization.as_ref()),
        ("pipeline", build.pipeline.as_ref()),
        ("branch", build.branch.as_ref()),
    ];
    let attributes =
        BTreeMap::from_iter(attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone()))));
    let repository = build.repo.as_ref().map(|repo| format!("{}/{}", repo.host, repo.path));
    let members = [
        ("id", json!(build.id)),
        ("number", json!(build.number)),
        ("state", json!(build.state)),
        ("blocked_state", json!(build.blocked_state)),
        ("commit", json!(build.commit)),
        ("branch", json!(build.branch)),
        ("organization", json!(build.organization)),
        ("pipeline", json!(build.pipeline)),
        ("repository", json!(repository)),
        ("started_at", json!(build.started_at)),
        ("finished_at", json!(build.finished_at)),
    ];
    let mut payload = serde_json::Map::from_iter(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
    match status {
        Ok(status) => status.put_into(&mut payload),
        Err(reason) => CommitStatus::none(&mut payload, reason),
    }
    Event {
        family: "buildkite",
        event: format!("build:{}", build.state),
        key: build.id.clone(),
        attributes,
        payload,
        at: None,
        texts: BTreeMap::new(),
    }
}

/// The internal event `notify:commit_status` for an outdated event of a build, for targets that set commit statuses
/// only. `None` if the outdated event has no commit status, or if the newest event has one for the same commit.
#[must_use]
pub(super) fn outdated_status(build: &Build, newest: &Build) -> Option<Event> {
    let status = commit_status(build).ok()?;
    let has_same_commit = |of: &CommitStatus| {
        (&of.host, &of.path, &of.sha, &of.names) == (&status.host, &status.path, &status.sha, &status.names)
    };
    if commit_status(newest).is_ok_and(|newest| has_same_commit(&newest)) {
        return None;
    }
    let mut payload = serde_json::Map::from_iter([("id".to_owned(), json!(build.id))]);
    status.put_into(&mut payload);
    let event = "notify:commit_status".to_owned();
    Some(Event {
        family: "buildkite",
        event,
        key: build.id.clone(),
        attributes: BTreeMap::new(),
        payload,
        at: None,
        texts: BTreeMap::new(),
    })
}

/// The status for the commit of a build.
///
/// # Errors
/// When the build has no commit status: a stable code that says why.
pub fn commit_status(build: &Build) -> Result<CommitStatus, &'static str> {
    let state = rules::state(&build.state, build.blocked_state.as_deref()).ok_or(reason::STATE)?;
    let sha = build.commit.as_deref().filter(|commit| is_whole_hash(commit)).ok_or(reason::COMMIT)?;
    let repo = build.repo.as_ref().ok_or(reason::REPOSITORY)?;
    let pipeline = build.pipeline.as_deref().ok_or(reason::PIPELINE)?;
    let seconds = match (build.started_at, build.finished_at) {
        (Some(start), Some(end)) => Some(end.duration_since(start).as_secs()),
        _ => None,
    };
    let names = [
        ("pipeline", Some(pipeline)),
        ("organization", build.organization.as_deref()),
        ("branch", build.branch.as_deref()),
        ("source", build.source.as_deref()),
    ];
    let names = names.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    Ok(CommitStatus {
        is_verdict: false,
        host: repo.host.clone(),
        path: repo.path.clone(),
        sha: sha.to_ascii_lowercase(),
        // The context that Buildkite uses for its own statuses.
        context: format!("buildkite/{pipeline}"),
        names: BTreeMap::from_iter(names),
        state,
        description: rules::description(build.number, &build.state, build.blocked_state.as_deref(), seconds),
        url: build.organization.as_deref().map(|organization| rules::url(organization, pipeline, build.number)),
        version: Version { line: line(build), number: build.number, at: build.event_at, tie: tie(build) },
    })
}

/// The sequence that the build's number counts in: its pipeline, by id, or by name if the id is not known.
fn line(build: &Build) -> String {
    let name = || Some(format!("{}/{}", build.organization.as_deref()?, build.pipeline.as_deref()?));
    build.pipeline_id.clone().or_else(name).unwrap_or_default()
}

/// The tie-break between events of one second: a text that compares byte by byte as [`Build::version`] does, as far as
/// a status depends on it.
fn tie(build: &Build) -> String {
    // Microseconds since the year -9999, which are never negative.
    let part = |time: Option<Timestamp>| match time {
        Some(time) => format!("{:018}", time.as_microsecond() - Timestamp::MIN.as_microsecond()),
        None => "-".repeat(18),
    };
    let times = [build.finished_at, build.failing_at, build.started_at].map(part);
    let content =
        [Some(&build.message_id), Some(&build.state), build.blocked_state.as_ref(), build.organization.as_ref()];
    let content: Vec<&str> = content.into_iter().map(|text| text.map_or("", String::as_str)).collect();
    format!("{} {} {}", build.rank(), times.join(" "), content.join(" ").trim_end())
}
