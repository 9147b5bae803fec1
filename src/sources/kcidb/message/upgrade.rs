//! Upgrades objects of older versions (kcidb-io, the `_inherit` of each major version).

use super::rule::Rule;
use super::schema::Older;
use super::version::Version;
use crate::sources::kcidb::record::{BUILD, CHECKOUT, Cell, INCIDENT, ISSUE, Kind, Object, TEST, at};

/// An object that is being read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) id: Option<String>,
    pub(super) version: i64,
    pub(super) cells: Vec<Option<Cell>>,
    /// Values of members that only older versions have.
    pub(super) older: Vec<(Older, Cell)>,
}

impl Draft {
    pub(super) fn new(kind: Kind) -> Self {
        Self { id: None, version: 0, cells: vec![None; kind.columns().len()], older: Vec::new() }
    }

    fn take(&mut self, which: Older) -> Option<String> {
        // The last one wins, as everywhere in JSON.
        match self.older.iter().rev().find(|(older, _)| *older == which) {
            Some((_, Cell::Text(text))) => Some(text.to_string()),
            _ => None,
        }
    }

    fn flag(&self, which: Older) -> Option<bool> {
        match self.older.iter().rev().find(|(older, _)| *older == which) {
            Some((_, Cell::Flag(flag))) => Some(*flag),
            _ => None,
        }
    }
}

fn text(cell: Option<&Cell>) -> &str {
    match cell {
        Some(Cell::Text(text)) => text,
        _ => "",
    }
}

fn cell(text: String) -> Option<Cell> {
    Some(Cell::Text(text.into()))
}

/// Upgrades an object to the newest version. Also returns whether it is a `waived` test.
///
/// # Errors
/// When the newest version does not allow a value that results.
pub(super) fn upgrade(mut draft: Draft, kind: Kind, version: Version) -> Result<(Object, bool), String> {
    if version < Version::V4_0 {
        to_4_0(&mut draft, kind, version)?;
    }
    if let Some(valid) = draft.flag(Older::Valid) {
        draft.cells[at(BUILD, "status")] = cell(if valid { "PASS" } else { "FAIL" }.to_owned());
    }
    let waived = draft.flag(Older::Waived) == Some(true);
    // The id is required, so it has been read or composed.
    let id = draft.id.unwrap_or_default();
    Ok((Object { id, version: draft.version, cells: draft.cells }, waived))
}

fn to_4_0(draft: &mut Draft, kind: Kind, version: Version) -> Result<(), String> {
    // In 1.1 a reference has two members, in 2.0 one: `origin:id`.
    let joined = |origin: &str, id: Option<String>| Some(format!("{origin}:{}", id?));
    let column = kind.column("origin").unwrap_or_default();
    let mut revision = draft.take(Older::Revision);
    if version == Version::V1_1 {
        let origin = text(draft.cells[column].as_ref()).to_owned();
        let id = joined(&origin, draft.take(Older::OriginId));
        match kind {
            Kind::Checkout => revision = id,
            _ => draft.id = id,
        }
        if let Some(origin) = draft.take(Older::RevisionOrigin) {
            revision = joined(&origin, draft.take(Older::RevisionOriginId));
        }
        if let Some(origin) = draft.take(Older::BuildOrigin) {
            draft.cells[at(TEST, "build_id")] = joined(&origin, draft.take(Older::BuildOriginId)).and_then(cell);
        }
    }
    if version <= Version::V2_0 {
        // Since 3.0 the origin is a member, and not a part of a revision's id.
        let id = draft.id.as_deref().or(revision.as_deref()).unwrap_or_default();
        let origin = id.split_once(':').map_or("", |(origin, _)| origin).to_owned();
        draft.cells[column] = cell(origin);
        revision = revision.and_then(|id| id.split_once(':').map(|(_, rest)| rest.to_owned()));
    }
    // Since 4.0 a checkout has an id of its own. Each origin that submitted the revision gets one checkout.
    if let Some(revision) = revision {
        let id = format!("_:{}:{revision}", text(draft.cells[column].as_ref()));
        if kind == Kind::Checkout {
            let patches = id.split('+').nth(1).unwrap_or_default().to_owned();
            check("patchset_hash", Rule::Patchset, &patches)?;
            draft.cells[at(CHECKOUT, "patchset_hash")] = cell(patches);
            draft.id = Some(id);
        } else {
            check("checkout_id", Rule::Id, &id)?;
            draft.cells[at(BUILD, "checkout_id")] = cell(id);
        }
    }
    check("origin", Rule::Origin, text(draft.cells[column].as_ref()))?;
    check("id", Rule::Id, draft.id.as_deref().unwrap_or_default())?;
    if kind == Kind::Test {
        check("build_id", Rule::Id, text(draft.cells[at(TEST, "build_id")].as_ref()))?;
    }
    Ok(())
}

fn check(name: &str, rule: Rule, text: &str) -> Result<(), String> {
    match rule.allows(Version::NEWEST, text) {
        true => Ok(()),
        false => Err(format!("{name} would not be {}", rule.words())),
    }
}

/// The issue of all waived tests, which replaces `waived` in 5.0.
pub(super) fn waived_issue() -> Object {
    let mut issue = Object { id: "_:waived".to_owned(), version: 1, cells: vec![None; ISSUE.len()] };
    issue.cells[at(ISSUE, "origin")] = cell("_".to_owned());
    issue.cells[at(ISSUE, "comment")] = cell("Test waived as unreliable".to_owned());
    issue
}

/// The incident of this issue in a waived test.
pub(super) fn waived_incident(test: &str) -> Object {
    let mut incident = Object { id: format!("_:waived:1:{test}"), version: 0, cells: vec![None; INCIDENT.len()] };
    incident.cells[at(INCIDENT, "origin")] = cell("_".to_owned());
    incident.cells[at(INCIDENT, "issue_id")] = cell("_:waived".to_owned());
    incident.cells[at(INCIDENT, "issue_version")] = Some(Cell::Integer(1));
    incident.cells[at(INCIDENT, "test_id")] = cell(test.to_owned());
    incident.cells[at(INCIDENT, "present")] = Some(Cell::Flag(true));
    incident
}
