//! Decodes webhooks into records. Pure.

mod api;
mod api_pipeline;
mod deployment;
mod job;
mod merge_request;
mod pipeline;
mod project;
mod push;
mod time;

use serde::Deserialize;

pub(super) use self::api::ASKED;
pub use self::api::{Answer, read_merge_requests, read_project_id, read_versions};
pub use self::api_pipeline::{PipelineAnswer, answered, read_jobs, read_pipeline};
use super::record::Record;
use super::{Settings, rules};
use crate::transport::field::{Name, without_credentials};
use crate::transport::lenient::Optional;
use crate::transport::{Decoded, Message, Rejection};

/// Decodes one webhook. Kinds that are not kept (note, release, `tag_push`, ..) are ignored.
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
        Some("pipeline") => pipeline::read(message, settings),
        Some("build") => job::read(message, settings),
        Some("deployment") => deployment::read(message, settings),
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

/// The URL of a page without user, password and a slash at its end; `None` for a text that is no URL.
fn page_url(url: &str) -> Option<String> {
    let url = without_credentials(url.trim().into());
    rules::host_of(&url).map(|_| url.trim_end_matches('/').to_owned())
}

/// The path of the project in the URL of its page.
fn path_in(url: &str) -> Option<String> {
    let (_, path) = url.split_once("://")?.1.split_once('/')?;
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    Some(path.to_owned()).filter(|path| !path.is_empty())
}

/// `user` of a webhook: the user who acted.
#[derive(Default, Deserialize)]
#[serde(default)]
struct User<'a> {
    id: Optional<i64>,
    #[serde(borrow)]
    username: Optional<Name<'a>>,
}
