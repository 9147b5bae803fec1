//! Decodes changes of the regular expressions of issues: created, changed or deleted, in the format in which
//! `DataWarehouse` announces objects.

use serde::Deserialize;

use crate::sources::kcidb::record::IssueRegex;
use crate::sources::kcidb::triage;
use crate::transport::field::{Name, Text};
use crate::transport::{Message, Rejection, parse};

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    status: Name<'a>,
    #[serde(borrow)]
    object: Expression<'a>,
}

#[derive(Deserialize)]
struct Expression<'a> {
    #[serde(borrow)]
    id: Name<'a>,
    #[serde(borrow)]
    issue_id: Name<'a>,
    issue_version: Option<i64>,
    #[serde(borrow)]
    text_match: Option<Text<'a>>,
    #[serde(borrow)]
    file_name_match: Option<Text<'a>>,
    #[serde(borrow)]
    test_name_match: Option<Text<'a>>,
    #[serde(borrow)]
    testresult_name_match: Option<Text<'a>>,
    #[serde(borrow)]
    architecture_match: Option<Text<'a>>,
    #[serde(borrow)]
    kpet_tree_name_match: Option<Text<'a>>,
    #[serde(borrow)]
    tree_match: Option<Text<'a>>,
    #[serde(borrow)]
    package_name_match: Option<Name<'a>>,
}

/// Decodes a change. An empty filter counts as a missing one.
///
/// # Errors
/// When a field is missing or of another type, an expression cannot be used, or there is no filter at all.
pub(super) fn read(message: &Message<'_>) -> Result<IssueRegex, Rejection> {
    let change: Change<'_> = parse(message.payload)?;
    let deleted = match change.status.as_str() {
        "new" | "updated" => false,
        "deleted" => true,
        _ => return Err(Rejection::new("bad-field", "status: expected `new`, `updated` or `deleted`")),
    };
    let object = change.object;
    for (name, id) in [("id", &object.id), ("issue_id", &object.issue_id)] {
        if !super::rule::Rule::Id.allows(super::version::Version::NEWEST, id.as_str()) {
            return Err(Rejection::new(
                "bad-field",
                format!("object.{name}: expected {}", super::rule::Rule::Id.words()),
            ));
        }
    }
    let filters = [
        &object.text_match,
        &object.file_name_match,
        &object.test_name_match,
        &object.testresult_name_match,
        &object.architecture_match,
        &object.kpet_tree_name_match,
        &object.tree_match,
    ]
    .map(|filter| filter.as_ref().and_then(Text::filled).map(str::to_owned));
    for (name, filter) in triage::FILTERS.iter().zip(&filters) {
        if let Some(Err(why)) = filter.as_deref().map(triage::check) {
            return Err(Rejection::new("bad-field", format!("object.{name}: {why}")));
        }
    }
    let package_name = object.package_name_match.as_ref().and_then(Name::filled).map(str::to_owned);
    if package_name.is_none() && filters.iter().all(Option::is_none) {
        return Err(Rejection::new("bad-field", "object: no filter, so that it would match everything"));
    }
    Ok(IssueRegex {
        id: object.id.as_str().to_owned(),
        issue_id: object.issue_id.as_str().to_owned(),
        issue_version: object.issue_version,
        filters,
        package_name,
        deleted,
        message_id: message.id.clone(),
        message_at: message.sent_at,
    })
}
