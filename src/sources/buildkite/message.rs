//! Decodes events (buildkite/docs `pages/pipelines/integrations/observability/amazon_eventbridge.md`). Pure.
//!
//! Fields were added and removed over the years. Only `build.uuid`, `number` and `state` are required: key, version and
//! state of a build. All others may be missing or of any form, and never cause a rejection.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::record::{Build, Record};
use super::rules;
use crate::transport::field::{Name, NumberOrName, Text, owned};
use crate::transport::lenient::{Optional, parse};
use crate::transport::time::{self, rfc3339};
use crate::transport::{Decoded, Head, Message, Rejection};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "detail-type")]
    detail_type: Optional<Name<'a>>,
    #[serde(borrow)]
    detail: Option<Detail<'a>>,
}

#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(borrow)]
    build: BuildPart<'a>,
    #[serde(borrow, default)]
    pipeline: Optional<Pipeline<'a>>,
    #[serde(borrow, default)]
    organization: Optional<Organization<'a>>,
}

#[derive(Deserialize)]
struct BuildPart<'a> {
    #[serde(borrow)]
    uuid: Name<'a>,
    #[serde(borrow)]
    number: NumberOrName<'a>,
    #[serde(borrow)]
    state: Name<'a>,
    #[serde(borrow, default)]
    blocked_state: Optional<Name<'a>>,
    #[serde(borrow, default)]
    commit: Optional<Name<'a>>,
    #[serde(borrow, default)]
    branch: Optional<Name<'a>>,
    #[serde(borrow, default)]
    message: Optional<Text<'a>>,
    #[serde(borrow, default)]
    source: Optional<Name<'a>>,
    #[serde(default, deserialize_with = "time")]
    started_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    failing_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    finished_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Pipeline<'a> {
    #[serde(borrow, default)]
    uuid: Optional<Name<'a>>,
    #[serde(borrow, default)]
    slug: Optional<Name<'a>>,
    #[serde(borrow, default)]
    repo: Optional<Name<'a>>,
}

#[derive(Deserialize)]
struct Organization<'a> {
    #[serde(borrow, default)]
    uuid: Optional<Name<'a>>,
    #[serde(borrow, default)]
    slug: Optional<Name<'a>>,
}

/// Decodes one event. Events about jobs, agents and tokens are ignored.
///
/// # Errors
/// A rejection that names the field when a required field is missing, has the wrong type or cannot be stored.
pub fn decode(message: &Message<'_>) -> Result<Decoded<Record>, Rejection> {
    let enveloped = message.head.has("detail");
    // Checked before the event is decoded, so that an event that is not kept is ignored, never rejected.
    let has = |name| match message.head.get("detail") {
        Some(detail) => Head::read(detail.get()).is_ok_and(|detail| detail.has(name)),
        None => message.head.has(name),
    };
    if !has("build") || has("job") {
        return Ok(Decoded::Ignored("kind"));
    }
    let (detail_type, detail) = if enveloped {
        let event: Event<'_> = parse(message.payload)?;
        (owned(event.detail_type.as_ref()), event.detail)
    } else {
        (None, Some(parse::<Detail<'_>>(message.payload)?))
    };
    let Some(Detail { build, pipeline, organization }) = detail else {
        return Err(Rejection::new("bad-field", "detail: expected an object"));
    };
    let prefix = if enveloped { "detail." } else { "" };
    let Some(id) = owned(Some(&build.uuid)) else {
        return Err(Rejection::new("bad-field", format!("{prefix}build.uuid: an empty string")));
    };
    let number = match &build.number {
        NumberOrName::Number(number) => Some(*number),
        NumberOrName::Name(digits) => digits.as_str().parse().ok(),
    };
    let Some(number) = number.filter(|number| *number > 0) else {
        return Err(Rejection::new("bad-field", format!("{prefix}build.number: expected a whole number from 1")));
    };
    let Some(state) = owned(Some(&build.state)) else {
        return Err(Rejection::new("bad-field", format!("{prefix}build.state: an empty string")));
    };
    let newest = [build.started_at, build.failing_at, build.finished_at].into_iter().flatten().max();
    let repo = pipeline.as_ref().and_then(|pipeline| pipeline.repo.as_ref());
    Ok(Decoded::Records(vec![Box::new(Build {
        id,
        number,
        state,
        blocked_state: owned(build.blocked_state.as_ref()),
        skipped_from: None,
        commit: owned(build.commit.as_ref()),
        branch: owned(build.branch.as_ref()),
        title: build.message.as_ref().and_then(title),
        source: owned(build.source.as_ref()),
        repo: repo.and_then(|repo| rules::repo(repo.as_str())),
        pipeline: pipeline.as_ref().and_then(|pipeline| owned(pipeline.slug.as_ref())),
        pipeline_id: pipeline.as_ref().and_then(|pipeline| owned(pipeline.uuid.as_ref())),
        organization: organization.as_ref().and_then(|organization| owned(organization.slug.as_ref())),
        organization_id: organization.as_ref().and_then(|organization| owned(organization.uuid.as_ref())),
        started_at: build.started_at,
        failing_at: build.failing_at,
        finished_at: build.finished_at,
        // Without an envelope and without a send time of the transport, the latest time in the build is the best one.
        event_at: message.sent_at.or(newest).unwrap_or(Timestamp::UNIX_EPOCH),
        detail_type,
        message_id: message.id.clone(),
        message_at: message.sent_at,
    })]))
}

/// The first line that is not empty, at most 200 characters of it.
fn title(text: &Text<'_>) -> Option<String> {
    let line = text.as_str().lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(200).collect())
}

/// Reads `2019-08-11 06:01:16 UTC` or RFC 3339. `None` for anything else.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    time::known_in(deserializer, read_time)
}

fn read_time(text: &str) -> Option<Timestamp> {
    match text.strip_suffix("UTC").map(str::trim_end) {
        Some(local) => rfc3339(&format!("{}Z", local.replacen(' ', "T", 1))),
        None => rfc3339(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_times_are_read_or_left_out() {
        let read = |json: &str| {
            let text = format!(r#"{{"uuid":"u","number":1,"state":"passed","started_at":{json}}}"#);
            let build: BuildPart<'_> = parse(&text).expect(json);
            build.started_at.map(|time| time.to_string())
        };
        for (json, expected) in [
            (r#""2019-08-11 06:01:16 UTC""#, Some("2019-08-11T06:01:16Z")),
            (r#""2019-08-11 06:01:16UTC""#, Some("2019-08-11T06:01:16Z")),
            (r#""2019-08-11 06:01:16.123456789 UTC""#, Some("2019-08-11T06:01:16.123456Z")),
            (r#""2019-08-11T06:01:16Z""#, Some("2019-08-11T06:01:16Z")),
            (r#""2019-08-11T08:01:16+02:00""#, Some("2019-08-11T06:01:16Z")),
            ("null", None),
            (r#""""#, None),
            (r#""yesterday""#, None),
            ("1565503276", None),
        ] {
            assert_eq!(read(json).as_deref(), expected, "{json}");
        }
    }
}
