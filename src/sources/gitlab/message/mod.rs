//! Decodes webhooks into records. Pure.

mod api;
mod merge_request;
mod project;
mod push;
mod time;

use serde::Deserialize;

pub(super) use self::api::ASKED;
pub use self::api::{Answer, read_merge_requests, read_project_id, read_versions};
use super::record::Record;
use super::{Settings, rules};
use crate::transport::field::Name;
use crate::transport::lenient::Optional;
use crate::transport::{Decoded, Message, Rejection};

/// Decodes one webhook. Kinds that are not kept (note, pipeline, `tag_push`, ..) are ignored.
///
/// # Errors
/// A rejection that names the field when a required field is missing, has the wrong type or cannot be stored.
pub fn decode(message: &Message<'_>, settings: &Settings) -> Result<Decoded<Record>, Rejection> {
    // Some system hooks have no object_kind.
    let kind = message.head.string("object_kind").or_else(|| message.head.string("event_name"));
    match kind.as_deref() {
        Some("push") => push::read(message, settings),
        Some("merge_request") => {
            let (merge_request, versions) = merge_request::read(message, settings)?;
            Ok(Decoded::Records(vec![Record::MergeRequest(Box::new(merge_request), versions)]))
        }
        Some("project_rename" | "project_transfer") => project::read(message, settings),
        Some(_) => Ok(Decoded::Ignored("kind")),
        None => Err(Rejection::new("bad-field", "object_kind: expected a string")),
    }
}

/// `project` of a webhook, and `source` and `target` of a merge request.
#[derive(Deserialize)]
struct Project<'a> {
    id: Option<i64>,
    #[serde(borrow)]
    path_with_namespace: Option<Name<'a>>,
    #[serde(default)]
    default_branch: Optional<Name<'a>>,
    #[serde(default)]
    web_url: Optional<Name<'a>>,
}

/// The host of a webhook's project: from the first of these URLs that has one, else from the header that GitLab sends
/// with each hook, if the sender passed it on.
fn host(message: &Message<'_>, urls: &[Option<&Name<'_>>]) -> Option<String> {
    let of_url = urls.iter().flatten().find_map(|url| rules::host_of(url.as_str()));
    let header = || {
        let is_named =
            |name: &str| name.eq_ignore_ascii_case("x-gitlab-instance") || name.eq_ignore_ascii_case("gitlab_instance");
        let found = message.attributes.iter().find(|(name, _)| is_named(name));
        found.and_then(|(_, value)| rules::host_of(value))
    };
    of_url.or_else(header)
}

/// `user` of a webhook: the user who acted.
#[derive(Default, Deserialize)]
#[serde(default)]
struct User<'a> {
    id: Optional<i64>,
    #[serde(borrow)]
    username: Optional<Name<'a>>,
}
