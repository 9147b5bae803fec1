//! Decodes messages of workers, the API, the scheduler and the gatekeeper (facts: `travis-hub.md` 1). Pure.
//!
//! Formats: `{"event": "job:finish", "payload": {..}}`, `["job:finish", {..}]`, a job of Sidekiq with such `args`, and
//! a bare payload with an attribute `type` or `event`. The event may be quoted twice, and the payload may be a string
//! of JSON.

mod create;
mod notifications;
mod payload;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::record::{Event, Message as Update, Object, Record, State};
use crate::transport::lenient::parse;
use crate::transport::{Decoded, Message, Rejection};

/// Whether the message is about jobs or builds of Travis.
#[must_use]
pub(super) fn recognise(message: &Message<'_>) -> bool {
    named(message).is_some_and(|(event, _)| {
        // An event name of another number of parts is recognised, and then rejected, if its first part is of Travis.
        matches!(event.split(':').next(), Some("job" | "build" | "deploy")) || has_two_parts(&event)
    })
}

fn has_two_parts(event: &str) -> bool {
    let parts =
        event.split(':').map(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
    parts.clone().count() == 2 && parts.into_iter().all(|is_name| is_name)
}

/// The name of the event, without quotes, and the payload.
fn named<'m>(message: &'m Message<'_>) -> Option<(String, Cow<'m, str>)> {
    if let Some(event) = message.head.string("event")
        && let Some(payload) = message.head.get("payload")
    {
        return Some((unquoted(&event), decoded(payload)));
    }
    if let Some(args) = message.head.get("args")
        && message.head.string("class").is_some_and(|class| class.ends_with("Hub::Sidekiq::Worker"))
    {
        return pair(args.get());
    }
    if message.payload.starts_with('[') {
        return pair(message.payload);
    }
    let attribute = ["type", "event"].into_iter().find_map(|name| message.attributes.get(name))?;
    let event = unquoted(attribute);
    let is_known = ["job:", "build:", "deploy:"].iter().any(|start| event.starts_with(start));
    (is_known && message.head.has("id")).then_some((event, Cow::Borrowed(message.payload)))
}

/// `[event, payload]`.
fn pair(text: &str) -> Option<(String, Cow<'_, str>)> {
    let [event, payload]: [&RawValue; 2] = serde_json::from_str(text).ok()?;
    let event: String = serde_json::from_str(event.get()).ok()?;
    Some((unquoted(&event), decoded(payload)))
}

fn unquoted(event: &str) -> String {
    event.replace(['"', '\''], "").trim().to_owned()
}

/// The payload, decoded from JSON strings, which may be nested.
fn decoded(payload: &RawValue) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(payload.get());
    for _ in 0..3 {
        match serde_json::from_str::<String>(&text) {
            Ok(inner) => text = Cow::Owned(inner),
            Err(_) => break,
        }
    }
    text
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Job,
    Build,
}

/// Decodes a message.
///
/// # Errors
/// A rejection that describes the problem of the event or names the field.
pub fn decode(message: &Message<'_>) -> Result<Decoded<Record>, Rejection> {
    let Some((name, payload)) = named(message) else {
        return Err(Rejection::new("bad-event-name", "event: expected a string beside a payload"));
    };
    let plain = name.replacen(":test", "", 1);
    let parts: Vec<&str> = plain.split(':').collect();
    let [kind, event] = parts[..] else {
        let detail = format!("event: {} parts at its colons, expected two, as in job:finish", parts.len());
        return Err(Rejection::new("bad-event-name", detail));
    };
    let kind = match kind {
        "job" => Kind::Job,
        "build" => Kind::Build,
        // Messages about the deployment tool are not stored.
        "deploy" => return Ok(Decoded::Ignored("deploy")),
        _ => return Err(Rejection::new("unknown-type", format!("event: of `{}`, expected job or build", short(kind)))),
    };
    let known = match kind {
        Kind::Job => &["receive", "start", "finish", "reset", "restart", "cancel"][..],
        Kind::Build => &["create", "start", "finish", "cancel", "restart"][..],
    };
    if !known.contains(&event) {
        let detail = format!("event: `{}` is none of {}", short(event), known.join(", "));
        return Err(Rejection::new("unknown-event", detail));
    }
    let payload: payload::Payload<'_> = parse_payload(&payload, &plain)?;
    let object = match kind {
        Kind::Job => Object::Job(payload.id()?),
        Kind::Build => Object::Build(payload.id()?),
    };
    let event = match event {
        "create" => Event::Create,
        "receive" => Event::Receive,
        "start" => Event::Start,
        "finish" => Event::Finish(payload.finish_state()?),
        "cancel" => Event::Cancel,
        "restart" => Event::Restart,
        _ => Event::Reset,
    };
    let update = |details| Update { object, event, details, id: message.id.clone(), sent_at: message.sent_at };
    Ok(Decoded::Records(vec![match event {
        Event::Create => {
            let details = payload.details();
            Record::Create(Box::new(create::read(payload.text, update(details))?))
        }
        _ => Record::Message(Box::new(update(payload.details()))),
    }]))
}

fn parse_payload<'p>(text: &'p str, event: &str) -> Result<payload::Payload<'p>, Rejection> {
    let with_event =
        |rejection: Rejection| Rejection::new(rejection.reason, format!("payload of {event}: {}", rejection.detail));
    let raw: payload::Raw<'p> = parse(text).map_err(with_event)?;
    Ok(payload::Payload { raw, text })
}

/// The first 40 characters of a foreign name, for error texts.
fn short(name: &str) -> String {
    name.chars().take(40).collect()
}

/// Decodes the body of `PATCH /jobs/:id/state` of a worker that uses HTTP into the equivalent message.
///
/// It differs from messages of the queue in one member: `new` is the requested state.
///
/// # Errors
/// A rejection, when `new` is not a state that workers report, or a field is invalid.
pub fn patch(job_id: i64, body: &str, id: String, sent_at: Option<jiff::Timestamp>) -> Result<Update, Rejection> {
    #[derive(Deserialize)]
    struct New<'a> {
        #[serde(borrow)]
        new: Cow<'a, str>,
    }
    let New { new } = parse(body)?;
    let event = match &*new {
        "created" => Event::Reset,
        "received" => Event::Receive,
        "started" => Event::Start,
        "passed" => Event::Finish(State::Passed),
        "failed" => Event::Finish(State::Failed),
        "errored" => Event::Finish(State::Errored),
        "cancelled" => Event::Cancel,
        other => return Err(Rejection::new("unknown-state", format!("new: `{}` is no state to go to", short(other)))),
    };
    let details = parse_payload(body, "PATCH")?.details();
    Ok(Update { object: Object::Job(job_id), event, details, id, sent_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Delivery, Limits, Unwrapped, unwrap};

    /// Decodes a body with an attribute `type`: the record, or the reason why it is rejected, ignored or not
    /// recognised.
    fn read(body: &str, kind: Option<&str>) -> Result<Record, String> {
        let mut delivery = Delivery { id: "m".to_owned(), body: body.into(), ..Delivery::default() };
        delivery.attributes.extend(kind.map(|kind| ("type".to_owned(), kind.to_owned())));
        let mut found = Err("nothing".to_owned());
        unwrap(&delivery, Limits::default(), &mut |part| {
            let Unwrapped::Message(message) = part else { return };
            found = match recognise(&message).then(|| decode(&message)) {
                None => Err("not recognised".to_owned()),
                Some(Ok(Decoded::Records(mut records))) => records.pop().ok_or_else(String::new),
                Some(Ok(Decoded::Ignored(why))) => Err(format!("ignored: {why}")),
                Some(Err(rejection)) => Err(format!("{}: {}", rejection.reason, rejection.detail)),
            };
        });
        found
    }

    fn message(body: &str, kind: Option<&str>) -> Update {
        match read(body, kind) {
            Ok(Record::Message(message)) => *message,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn all_formats_are_decoded() {
        let formats = [
            r#"{"event":"job:test:finish","payload":{"id":11,"state":"passed"}}"#,
            r#"{"event":"job:finish","payload":"{\"id\":\"11\",\"state\":\"passed\"}"}"#,
            r#"["job:finish",{"id":11,"state":"passed"}]"#,
            r#"["\"job:finish\"","\"{\\\"id\\\":11,\\\"state\\\":\\\"passed\\\"}\""]"#,
            r#"{"class":"Travis::Hub::Sidekiq::Worker","args":["job:finish",{"id":11,"state":"passed"}],"jid":"x"}"#,
        ];
        for format in formats {
            let found = message(format, None);
            assert_eq!((found.object, found.event), (Object::Job(11), Event::Finish(State::Passed)), "{format}");
        }
        let bare = message(r#"{"id":11,"state":"cancelled"}"#, Some("job:test:finish"));
        assert_eq!(bare.event, Event::Finish(State::Canceled));
    }

    #[test]
    fn foreign_messages_are_not_recognised() {
        for (body, kind) in [
            (r#"{"id":11,"state":"passed"}"#, None),
            (r#"{"id":11,"state":"passed"}"#, Some("build.finished")),
            (r#"{"event":"push","payload":{}}"#, None),
            (r#"["a","b","c"]"#, None),
            (r#"["job:finish",{"id":1}"#, None),
        ] {
            assert!(matches!(&*read(body, kind).unwrap_err(), "not recognised" | "nothing"), "{body}");
        }
    }

    #[test]
    fn rejections_name_the_field() {
        for (event, payload, report) in [
            ("job", "{}", "bad-event-name: event: 1 parts"),
            ("job:foo:bar", "{}", "bad-event-name: event: 3 parts"),
            ("foo:start", "{}", "unknown-type: event: of `foo`"),
            ("job:create", r#"{"id":1}"#, "unknown-event: event: `create` is none of receive, start"),
            ("build:reset", r#"{"id":1}"#, "unknown-event: event: `reset`"),
            ("job:start", "{}", "bad-field: payload.id: missing"),
            ("job:start", r#"{"id":-1}"#, "bad-field: payload of job:start: id: expected a positive number"),
            ("job:finish", r#"{"id":1}"#, "invalid-finish-state: payload.state: missing"),
            ("job:finish", r#"{"id":1,"state":"started"}"#, "invalid-finish-state: payload.state: `started`"),
            ("job:finish", r#"{"id":1,"state":"reset"}"#, "invalid-finish-state"),
            ("build:create", r#"{"id":1,"repository":{"id":1},"jobs":[{}]}"#, "bad-field: jobs[0].id: missing"),
            (
                "build:create",
                r#"{"id":1,"repository":{"id":1},"jobs":[{"id":1},{"id":1}]}"#,
                "bad-field: jobs: id 1 is there",
            ),
            ("deploy:start", "{}", "ignored: deploy"),
        ] {
            let found = read(&format!(r#"{{"event":"{event}","payload":{payload}}}"#), None).unwrap_err();
            assert!(found.starts_with(report), "{event} {payload}: {found}");
        }
    }

    #[test]
    fn times_are_corrected() {
        let details = message(
            r#"{"event":"job:finish","payload":{"id":1,"state":"passed","queued_at":"2026-03-12T10:00:20.0001Z",
                "received_at":"2026-03-12T10:00:10Z","started_at":"0001-01-01T00:00:00Z","finished_at":""}}"#,
            None,
        )
        .details;
        assert_eq!(details.queued_at.map(|at| at.to_string()).as_deref(), Some("2026-03-12T10:00:20.0001Z"));
        assert_eq!(details.received_at, details.queued_at, "a job is not received before it was queued");
        assert_eq!((details.started_at, details.finished_at), (None, None));
    }

    #[test]
    fn a_worker_over_http_requests_a_state() {
        let event =
            |new: &str| patch(7, &format!(r#"{{"new":"{new}"}}"#), "m".to_owned(), None).map(|update| update.event);
        assert_eq!(event("created"), Ok(Event::Reset));
        assert_eq!(event("errored"), Ok(Event::Finish(State::Errored)));
        assert_eq!(event("cancelled"), Ok(Event::Cancel));
        assert_eq!(event("canceled").unwrap_err().reason, "unknown-state");
    }
}
