//! Outbox events of the source: messages in the format of `DataWarehouse`'s broadcasts, with the routing key
//! `datawarehouse.{object_type}.{status}`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::record::{Cell, Kind, View};
use super::render;
use super::rules::Milestone;
use crate::outbox::{Event, OMITTED, Payload};
use crate::platform::hex::hex;
use crate::transport::Head;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectEvent {
    /// It was created.
    New,
    /// At least one of its values changed.
    Updated,
    /// It failed, and an issue's regular expression has changed since.
    NeedsTriage,
    /// An issue occurs in the checkout, or no longer does.
    IssueOccurrencesChanged,
    /// The checkout reached a milestone.
    Reached(Milestone),
}

impl ObjectEvent {
    /// The name in messages.
    #[must_use]
    pub const fn status(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Updated => "updated",
            Self::NeedsTriage => "needs_triage",
            Self::IssueOccurrencesChanged => "checkout_issueoccurrences_changed",
            Self::Reached(milestone) => milestone.name(),
        }
    }

    /// The event of a write. Issues and incidents are always `updated`, also new ones: consumers expect this.
    #[must_use]
    pub const fn of_a_write(kind: Kind, new: bool) -> Self {
        match kind {
            Kind::Checkout | Kind::Build | Kind::Test if new => Self::New,
            _ => Self::Updated,
        }
    }
}

/// The body of a message: exactly these four members, which consumers of `DataWarehouse` expect.
#[derive(Debug, Serialize)]
pub struct Body {
    timestamp: String,
    status: &'static str,
    object_type: &'static str,
    object: Box<RawValue>,
}

impl Payload for Body {}

/// The name of an event, which is also its routing key.
pub(super) fn name(kind: Kind, what: ObjectEvent) -> String {
    format!("datawarehouse.{}.{}", kind.name(), what.status())
}

/// The event about an object.
#[must_use]
pub(super) fn event(view: &View<'_>, what: ObjectEvent, at: Timestamp) -> Event<Body> {
    let (object_type, status) = (view.kind.name(), what.status());
    let routing_key = name(view.kind, what);
    // Unwrap safety: `render::object` writes JSON, and the JSON that it copies has been parsed before.
    let object = RawValue::from_string(render::object(view, |_| None)).expect("an object of JSON");
    let texts = match view.cell("log_excerpt_sha256") {
        Some(Cell::Excerpt(hash)) => BTreeMap::from([("log_excerpt", format!("sha256:{}", hex(&hash[..])))]),
        _ => BTreeMap::new(),
    };
    let key = match view.kind {
        Kind::Issue => format!("issue {} {}", view.id, view.version),
        _ => format!("{object_type} {}", view.id),
    };
    let mut attributes = attributes(view, &routing_key, status);
    if !texts.is_empty() {
        attributes.insert(OMITTED.to_owned(), texts.keys().copied().collect::<Vec<_>>().join(","));
    }
    Event {
        family: "kcidb",
        attributes,
        event: routing_key,
        key,
        payload: Body { timestamp: render::time(at.as_microsecond()), status, object_type, object },
        at: None,
        texts,
    }
}

/// Attributes for the filters of subscribers: at most 8, with `omitted` 9. A value that is empty, longer than 256 bytes
/// or contains control characters is left out: SNS does not accept such values.
fn attributes(view: &View<'_>, routing_key: &str, status: &str) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    let mut add = |name: &str, value: Option<&str>| {
        let value = value.filter(|value| (1..=256).contains(&value.len()) && !value.chars().any(char::is_control));
        if let Some(value) = value {
            attributes.insert(name.to_owned(), value.to_owned());
        }
    };
    add("routing_key", Some(routing_key));
    add("object_type", Some(view.kind.name()));
    add("status", Some(status));
    add("origin", view.text("origin"));
    add("tree_name", view.text("tree_name"));
    add("architecture", view.text("architecture"));
    add("result", view.text("status"));
    if let Some(misc) = view.text("misc") {
        add("retrigger", flag(misc, "retrigger"));
        add("scratch", flag(misc, "scratch"));
    }
    attributes
}

/// A flag of `DataWarehouse` in an object's `misc`. Most objects have none, so the text is searched before it is
/// parsed.
fn flag(misc: &str, name: &str) -> Option<&'static str> {
    memchr::memmem::find(misc.as_bytes(), name.as_bytes())?;
    match Head::read(misc).ok()?.get(name)?.get() {
        "true" => Some("true"),
        "false" => Some("false"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::kcidb::record::Object;

    fn build() -> Object {
        let kind = Kind::Build;
        let mut object = Object { id: "o:b".to_owned(), version: 0, cells: vec![None; kind.columns().len()] };
        let mut set = |name: &str, cell: Cell| object.cells[kind.column(name).unwrap()] = Some(cell);
        set("origin", Cell::Text("o".into()));
        set("checkout_id", Cell::Text("o:c".into()));
        set("architecture", Cell::Text("arm64".into()));
        set("status", Cell::Text("FAIL".into()));
        set("misc", Cell::Json(r#"{"retrigger":true,"scratch":"x","a":{"scratch":true}}"#.into()));
        set("log_excerpt_sha256", Cell::Excerpt(Box::new([0xab; 32])));
        object
    }

    #[test]
    fn an_event_has_its_attributes_and_body() {
        let object = build();
        let event = event(&View::of(Kind::Build, &object), ObjectEvent::New, Timestamp::UNIX_EPOCH);
        assert_eq!((event.event.as_str(), event.key.as_str()), ("datawarehouse.build.new", "build o:b"));
        let attributes: Vec<_> = event.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            attributes,
            [
                "architecture=arm64",
                "object_type=build",
                "omitted=log_excerpt",
                "origin=o",
                "result=FAIL",
                "retrigger=true",
                "routing_key=datawarehouse.build.new",
                "status=new"
            ]
        );
        let body = serde_json::to_value(&event.payload).unwrap();
        assert_eq!(body["timestamp"], "1970-01-01T00:00:00.000000+00:00");
        assert_eq!((&body["status"], &body["object_type"]), (&"new".into(), &"build".into()));
        assert_eq!(body["object"]["misc"]["retrigger"], true);
        assert_eq!(body["object"].get("log_excerpt"), None);
        let members: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(members, ["object", "object_type", "status", "timestamp"]);
        assert_eq!(event.texts, BTreeMap::from([("log_excerpt", format!("sha256:{}", "ab".repeat(32)))]));
    }

    #[test]
    fn attributes_that_sns_does_not_accept_are_left_out() {
        let mut object = build();
        let column = Kind::Build.column("architecture").unwrap();
        for architecture in ["", "a\n", &"x".repeat(257)] {
            object.cells[column] = Some(Cell::Text(architecture.into()));
            let event = event(&View::of(Kind::Build, &object), ObjectEvent::Updated, Timestamp::UNIX_EPOCH);
            assert!(!event.attributes.contains_key("architecture"), "{architecture}");
        }
    }

    #[test]
    fn issues_and_incidents_are_only_updated() {
        assert_eq!(ObjectEvent::of_a_write(Kind::Issue, true), ObjectEvent::Updated);
        assert_eq!(ObjectEvent::of_a_write(Kind::Incident, true), ObjectEvent::Updated);
        assert_eq!(ObjectEvent::of_a_write(Kind::Test, true), ObjectEvent::New);
        assert_eq!(ObjectEvent::of_a_write(Kind::Test, false), ObjectEvent::Updated);
    }
}
