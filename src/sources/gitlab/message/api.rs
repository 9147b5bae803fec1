//! Decodes responses of the REST API: lists of merge requests, and the versions of one (gitlabhq
//! `doc/api/merge_requests.md`).
//!
//! Times have milliseconds here and whole seconds in webhooks; [`Stamp`] uses seconds. A response to a request that was
//! sent after the second of `updated_at` has all changes of that second, so it outranks the webhooks of that second.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{User, time};
use crate::sources::gitlab::record::{Author, Heads, MergeRequest, MrVersion, Stamp};
use crate::sources::gitlab::{Hosts, rules};
use crate::transport::field::{Name, Text, owned};
use crate::transport::lenient::{self, Each, Optional};
use crate::transport::time::second;
use crate::transport::{Latest, Rejection, parse};
use std::collections::BTreeSet;

/// Prefix of message ids for records from API responses.
pub(in crate::sources::gitlab) const ASKED: &str = "reconcile-";

/// One page of a list of merge requests.
#[derive(Debug, Default)]
pub struct Answer {
    /// The merge requests that could be decoded.
    pub merge_requests: Vec<MergeRequest>,
    /// The rejected items, each with its number if that could be decoded.
    pub refused: Vec<(Option<i64>, Rejection)>,
}

#[derive(Deserialize)]
struct Numbered {
    iid: Option<i64>,
}

#[derive(Deserialize)]
struct Item<'a> {
    iid: i64,
    project_id: Option<i64>,
    #[serde(borrow)]
    state: Name<'a>,
    #[serde(default)]
    sha: Optional<Name<'a>>,
    #[serde(default)]
    title: Optional<Text<'a>>,
    #[serde(default)]
    draft: Optional<bool>,
    #[serde(default)]
    work_in_progress: Optional<bool>,
    #[serde(default)]
    author: Optional<User<'a>>,
    #[serde(default)]
    source_branch: Optional<Name<'a>>,
    #[serde(default)]
    target_branch: Optional<Name<'a>>,
    #[serde(default)]
    source_project_id: Optional<i64>,
    target_project_id: Option<i64>,
    #[serde(borrow, default)]
    labels: Each<Label<'a>>,
    #[serde(default)]
    merge_commit_sha: Optional<Name<'a>>,
    #[serde(default)]
    web_url: Optional<Name<'a>>,
    #[serde(default)]
    references: Optional<References<'a>>,
    #[serde(default)]
    merge_user: Optional<User<'a>>,
    #[serde(default)]
    merged_by: Optional<User<'a>>,
    #[serde(default)]
    closed_by: Optional<User<'a>>,
    #[serde(default, deserialize_with = "time::detail")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::optional")]
    updated_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::detail")]
    merged_at: Option<Timestamp>,
}

/// `full` is `group/project!7`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct References<'a> {
    #[serde(borrow)]
    full: Optional<Name<'a>>,
}

/// A title, or an object if the request has `with_labels_details`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Label<'a> {
    Title(#[serde(borrow)] Name<'a>),
    Details {
        #[serde(borrow)]
        name: Name<'a>,
    },
}

/// Decodes one page of `GET /projects/:path/merge_requests` about the project of that path; `asked_at` is the time of
/// the request.
///
/// # Errors
/// When the page is no list. An item that cannot be decoded is rejected alone.
pub fn read_merge_requests(page: &str, project: &str, asked_at: Timestamp) -> Result<Answer, Rejection> {
    let items: Vec<&RawValue> = parse(page)?;
    let mut answer = Answer::default();
    for item in items {
        match merge_request(item.get(), project, asked_at) {
            Ok(mut merge_request) => {
                merge_request.limit_times(Latest::of(Some(asked_at)));
                answer.merge_requests.push(merge_request);
            }
            Err(rejection) => {
                let numbered = serde_json::from_str::<Numbered>(item.get()).ok();
                answer.refused.push((numbered.and_then(|numbered| numbered.iid), rejection));
            }
        }
    }
    Ok(answer)
}

fn merge_request(text: &str, project: &str, asked_at: Timestamp) -> Result<MergeRequest, Rejection> {
    let item: Item<'_> = lenient::parse(text)?;
    let Some(state) = rules::state(item.state.filled(), None) else {
        return Err(Rejection::new("bad-field", "state: none that is known"));
    };
    let version_at = second(item.updated_at.unwrap_or(asked_at));
    let asked = (asked_at, format!("{ASKED}{asked_at}"));
    let is_over = asked_at.duration_since(version_at) >= SignedDuration::from_secs(1);
    let stamp = Stamp {
        version_at,
        // Asked within the second, it may be older than a webhook of that second.
        place: if is_over { Stamp::ANSWER } else { Stamp::UNKNOWN },
        state_rank: crate::sources::gitlab::moment::state_rank(state),
        told: 0,
        content: asked_at.as_microsecond(),
        message_at: asked.0,
        message_id: asked.1.clone(),
    };
    let heads = |sha: String| Heads::of_answer(sha, Some(asked_at).filter(|_| is_over), version_at, asked.clone());
    let username = |user: Option<&User<'_>>| owned(user.and_then(|user| user.username.as_ref()));
    let title = item.title.as_ref().and_then(Text::filled).map(rules::title);
    let labels = item.labels.0.iter().map(|label| match label {
        Label::Title(name) | Label::Details { name } => name,
    });
    let labels = Vec::from_iter(BTreeSet::from_iter(labels.filter_map(Name::filled).map(str::to_owned)));
    let url = owned(item.web_url.as_ref());
    let full = item.references.as_ref().and_then(|references| references.full.as_ref());
    Ok(MergeRequest {
        host: url.as_deref().and_then(rules::host_of),
        hosts: Hosts::default(),
        response_path: full.and_then(|full| full.as_str().rsplit_once('!')).map(|(path, _)| path.to_owned()),
        project: project.to_owned(),
        iid: item.iid,
        project_id: item.project_id,
        state,
        draft: rules::is_draft(item.draft.0.or(item.work_in_progress.0), title.as_deref()),
        title,
        source_branch: owned(item.source_branch.as_ref()),
        target_branch: owned(item.target_branch.as_ref()),
        source_project_id: item.source_project_id.0,
        target_project_id: item.target_project_id.or(item.project_id),
        author_id: item.author.as_ref().and_then(|author| author.id.0),
        merge_commit_sha: owned(item.merge_commit_sha.as_ref()),
        labels,
        url,
        // The API has states, not actions; it has the user who acted for the last two states.
        last_action: None,
        last_actor: match state {
            "merged" => username(item.merge_user.as_ref().or(item.merged_by.as_ref())),
            "closed" => username(item.closed_by.as_ref()),
            _ => None,
        },
        created_at: item.created_at,
        updated_at: item.updated_at,
        source: "reconcile",
        deleted_at: None,
        head: rules::commit(item.sha.as_ref()).map(heads),
        author: username(item.author.as_ref()).map(|name| Author { version_at, name, message: asked.clone() }),
        merged_at: item.merged_at.filter(|_| state == "merged"),
        heard_at: version_at,
        stamp,
    })
}

#[derive(Deserialize)]
struct Version<'a> {
    id: Option<i64>,
    #[serde(borrow)]
    head_commit_sha: Name<'a>,
    #[serde(default, deserialize_with = "time::optional")]
    created_at: Option<Timestamp>,
}

/// Decodes the response of `GET /projects/:path/merge_requests/:iid/versions`: each head with the time at which it
/// became the head. The records do not depend on the time of the request. Versions without a time, or with a time later
/// than the request, are left out.
///
/// # Errors
/// When the response is no list of versions.
pub fn read_versions(text: &str, project: &str, iid: i64, asked_at: Timestamp) -> Result<Vec<MrVersion>, Rejection> {
    let versions: Vec<Version<'_>> = parse(text)?;
    let read = |version: Version<'_>| {
        let sha = rules::commit(Some(&version.head_commit_sha))?;
        let at = version.created_at.filter(|at| Latest::of(Some(asked_at)).allows(*at))?;
        let head = match version.id {
            Some(id) => (at, at, format!("{ASKED}version-{id}")),
            None => (at, at, format!("{ASKED}version")),
        };
        Some(MrVersion { project: project.to_owned(), iid, sha, head: Some(head.clone()), seen: head })
    };
    Ok(versions.into_iter().filter_map(read).collect())
}

#[derive(Deserialize)]
struct Project {
    id: i64,
}

/// Decodes the number of the project in the response of `GET /projects/:path`.
///
/// # Errors
/// When the response has no number.
pub fn read_project_id(text: &str) -> Result<i64, Rejection> {
    parse::<Project>(text).map(|project| project.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    fn page(text: &str) -> Answer {
        read_merge_requests(text, "g/p", at("2026-03-10T12:00:00.5Z")).expect("page")
    }

    #[test]
    fn an_item_becomes_a_merge_request_with_the_version_of_its_second() {
        let answer = page(
            r#"[{"iid":7,"project_id":1,"state":"merged","sha":"abc","title":" T ","work_in_progress":true,
                "labels":["b",{"id":1,"name":"a"},"b"],"author":{"id":3,"username":"u"},"merge_user":{"username":"m"},
                "updated_at":"2019-08-20T12:01:49.849Z","merged_at":"2019-08-20T12:01:48.100Z"}]"#,
        );
        let found = &answer.merge_requests[0];
        assert_eq!((found.project.as_str(), found.iid, found.state, found.draft), ("g/p", 7, "merged", true));
        assert_eq!((found.title.as_deref(), found.last_actor.as_deref()), (Some("T"), Some("m")));
        assert_eq!(found.labels, ["a", "b"]);
        assert_eq!(found.stamp.version_at, at("2019-08-20T12:01:49Z"));
        assert_eq!(found.updated_at, Some(at("2019-08-20T12:01:49.849Z")));
        assert_eq!(found.stamp.message_at, at("2026-03-10T12:00:00.5Z"));
        assert_eq!(found.stamp.message_id, "reconcile-2026-03-10T12:00:00.5Z");
        assert_eq!(found.head.as_ref().map(|head| head.sha.as_str()), Some("abc"));
    }

    #[test]
    fn an_invalid_item_is_rejected_alone() {
        let answer = page(
            r#"[{"iid":1,"state":"opened","title":17,"labels":["a",[]]},{"iid":2,"state":5},
            {"iid":"x","state":"opened"},{"iid":4,"state":"new"},null]"#,
        );
        assert_eq!(answer.merge_requests.len(), 1);
        let rejected: Vec<_> =
            answer.refused.iter().map(|(iid, rejection)| (*iid, rejection.detail.as_str())).collect();
        assert_eq!(rejected[0].0, Some(2));
        assert!(rejected[0].1.starts_with("state: invalid type: integer `5`"), "{rejected:?}");
        assert_eq!((rejected[1].0, rejected[2].0, rejected[3].0), (None, Some(4), None));
    }

    #[test]
    fn a_page_that_is_no_list_is_rejected() {
        for text in ["", "<html>", r#"{"message":"x"}"#, r#"[{"iid":1,"state":"opened"}"#] {
            assert!(read_merge_requests(text, "g/p", Timestamp::UNIX_EPOCH).is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_heads_with_their_time() {
        let text = r#"[{"id":9,"head_commit_sha":"b","created_at":"2026-03-10T09:07:38.120Z","state":"collected"},
            {"id":8,"head_commit_sha":"a","created_at":"2026-03-10T09:00:12.001Z"},{"id":7,"head_commit_sha":"c"}]"#;
        let asked_at = at("2026-03-10T12:00:00Z");
        let versions = read_versions(text, "g/p", 7, asked_at).expect("versions");
        let heads: Vec<_> = versions.iter().map(|v| (v.sha.as_str(), v.head.clone().expect("head").0)).collect();
        assert_eq!(heads, [("b", at("2026-03-10T09:07:38.12Z")), ("a", at("2026-03-10T09:00:12.001Z"))]);
        assert!(read_versions(r#"{"message":"404"}"#, "g/p", 7, asked_at).is_err());
        let early = read_versions(text, "g/p", 7, at("2026-03-10T09:01:00Z")).expect("versions");
        assert_eq!(early.len(), 1, "a head after the request is left out");
    }
}
