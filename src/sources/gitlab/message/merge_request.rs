//! Decodes a merge request: webhook or system hook, complete or sparse.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Project, User, host, time};
use crate::sources::gitlab::record::{Author, Heads, MergeRequest, MrVersion, Stamp};
use crate::sources::gitlab::{Settings, rules};
use crate::transport::field::{Name, Text, owned};
use crate::transport::lenient::{Each, Optional, parse};
use crate::transport::time::{bounded, second};
use crate::transport::{Message, Rejection};
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct Hook<'a> {
    #[serde(borrow, default)]
    user: Optional<User<'a>>,
    #[serde(borrow)]
    project: Option<Project<'a>>,
    #[serde(borrow)]
    object_attributes: Attributes<'a>,
    #[serde(borrow, default)]
    labels: Option<Each<Label<'a>>>,
    #[serde(default)]
    changes: Optional<Changes>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Changes {
    updated_at: Optional<Change>,
}

/// The previous `updated_at`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Change {
    #[serde(deserialize_with = "time::detail")]
    previous: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    iid: Option<i64>,
    #[serde(borrow)]
    state: Option<Name<'a>>,
    state_id: Option<i64>,
    #[serde(default)]
    action: Optional<Name<'a>>,
    #[serde(default)]
    title: Optional<Text<'a>>,
    #[serde(default)]
    draft: Optional<bool>,
    #[serde(default)]
    work_in_progress: Optional<bool>,
    #[serde(default)]
    source_branch: Optional<Name<'a>>,
    #[serde(default)]
    target_branch: Optional<Name<'a>>,
    #[serde(default)]
    source_project_id: Optional<i64>,
    target_project_id: Option<i64>,
    #[serde(default)]
    author_id: Optional<i64>,
    #[serde(default)]
    merge_commit_sha: Optional<Name<'a>>,
    #[serde(default)]
    url: Optional<Name<'a>>,
    #[serde(default, deserialize_with = "time::detail")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::optional")]
    updated_at: Option<Timestamp>,
    #[serde(borrow)]
    target: Option<Project<'a>>,
    #[serde(borrow, default)]
    last_commit: Optional<LastCommit<'a>>,
    #[serde(default)]
    oldrev: Optional<Name<'a>>,
    #[serde(borrow, default)]
    labels: Option<Each<Label<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LastCommit<'a> {
    #[serde(borrow)]
    id: Optional<Name<'a>>,
    #[serde(deserialize_with = "time::detail")]
    timestamp: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Label<'a> {
    #[serde(borrow)]
    title: Optional<Name<'a>>,
}

/// Decodes a merge request and the heads that it mentions.
pub(super) fn read(message: &Message<'_>, settings: &Settings) -> Result<(MergeRequest, Vec<MrVersion>), Rejection> {
    let hook: Hook<'_> = parse(message.payload)?;
    let attributes = hook.object_attributes;
    let url = owned(attributes.url.as_ref());
    let Some(iid) = attributes.iid.or_else(|| url.as_deref().and_then(rules::iid_of)) else {
        return Err(Rejection::new("bad-field", "object_attributes.iid: missing, and not in object_attributes.url"));
    };
    let path = |project: Option<&Project<'_>>| owned(project.and_then(|project| project.path_with_namespace.as_ref()));
    let Some(project) = path(hook.project.as_ref()).or_else(|| path(attributes.target.as_ref())) else {
        let detail = "project.path_with_namespace and object_attributes.target.path_with_namespace: missing or empty";
        return Err(Rejection::new("bad-field", detail));
    };

    let action = attributes.action.as_ref().and_then(Name::filled);
    let known = rules::state(attributes.state.as_ref().and_then(Name::filled), attributes.state_id);
    let state = known.or_else(|| rules::state_after(action)).unwrap_or("opened");
    let committed_at = attributes.last_commit.as_ref().and_then(|commit| commit.timestamp);
    let updated_at =
        attributes.updated_at.filter(|at| crate::sources::gitlab::moment::is_plausible(*at, message.sent_at));
    // Sparse payloads have no updated_at; the send time is the closest value. An updated_at ahead of its message is not
    // used, because it would outrank newer states.
    let nearest =
        || message.sent_at.filter(|_| attributes.updated_at.is_none()).or(attributes.created_at).or(committed_at);
    let event_at = updated_at.or_else(nearest).or(message.sent_at).unwrap_or(Timestamp::UNIX_EPOCH);
    // A message that does not name the state must not overrule one that does.
    let version_at = if known.is_some() { second(event_at) } else { Timestamp::UNIX_EPOCH };
    let sent = (message.sent_at.unwrap_or(event_at), message.id.clone());

    let head = rules::commit(attributes.last_commit.as_ref().and_then(|commit| commit.id.as_ref()));
    let oldrev = rules::commit(attributes.oldrev.as_ref());
    let became_head = oldrev.is_some() || matches!(action, Some("open" | "reopen"));
    let at_time = |at: Timestamp| (at, sent.0, sent.1.clone());
    let version = |sha: &String, head, seen| MrVersion { project: project.clone(), iid, sha: sha.clone(), head, seen };
    let mut versions = Vec::with_capacity(2);
    if let Some(sha) = &head {
        versions.push(version(sha, became_head.then(|| at_time(event_at)), at_time(event_at)));
    }
    if let Some(sha) = &oldrev {
        // It was the head until now. Without another message about it, it is sorted just before its successor.
        let before = bounded(event_at.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(event_at));
        versions.push(version(sha, None, at_time(before)));
    }
    let heads = |sha: String| Heads::of_webhook(sha, oldrev.as_deref(), version_at, sent.clone());

    // `user` is the user who acted, which is not always the author; no field has the name of the author.
    let user = hook.user.as_ref();
    let actor = owned(user.and_then(|user| user.username.as_ref()));
    let author_id = attributes.author_id.0;
    let by_author = author_id.is_some() && user.is_some_and(|user| user.id.0 == author_id);
    let by_author = by_author || (action == Some("open") && user.is_some_and(|user| user.id.0.is_none()));

    let title = attributes.title.as_ref().and_then(Text::filled).map(rules::title);
    let labels = attributes.labels.filter(|labels| !labels.0.is_empty()).or(hook.labels);
    let has_labels = labels.is_some();
    let labels = labels.unwrap_or_default();
    let labels = Vec::from_iter(BTreeSet::from_iter(labels.0.iter().filter_map(|label| owned(label.title.as_ref()))));
    let previous = hook.changes.0.and_then(|changes| changes.updated_at.0).and_then(|change| change.previous);

    let project_url = hook.project.as_ref().and_then(|project| project.web_url.as_ref());
    let target_url = attributes.target.as_ref().and_then(|project| project.web_url.as_ref());
    let host = host(message, &[project_url, attributes.url.as_ref(), target_url]);
    let mut merge_request = MergeRequest {
        host,
        hosts: settings.hosts.clone(),
        response_path: None,
        project_id: attributes.target_project_id.or_else(|| hook.project.as_ref().and_then(|project| project.id)),
        iid,
        state,
        draft: rules::is_draft(attributes.draft.0.or(attributes.work_in_progress.0), title.as_deref()),
        title,
        source_branch: owned(attributes.source_branch.as_ref()),
        target_branch: owned(attributes.target_branch.as_ref()),
        source_project_id: attributes.source_project_id.0,
        target_project_id: attributes.target_project_id,
        author_id,
        // Some senders write Python's None.
        merge_commit_sha: owned(attributes.merge_commit_sha.as_ref()).filter(|sha| sha != "None"),
        labels,
        url,
        last_action: action.map(str::to_owned),
        last_actor: actor.clone(),
        created_at: attributes.created_at,
        updated_at: attributes.updated_at,
        source: "webhook",
        deleted_at: None,
        head: head.map(heads),
        author: actor.filter(|_| by_author).map(|name| Author { version_at, name, message: sent.clone() }),
        // The first message with the state `merged` is taken as the merge.
        merged_at: updated_at.or(message.sent_at).filter(|_| state == "merged"),
        heard_at: version_at,
        project,
        stamp: Stamp {
            version_at,
            place: rules::place(version_at, previous),
            state_rank: crate::sources::gitlab::moment::state_rank(state),
            told: 0,
            content: 0,
            message_at: sent.0,
            message_id: sent.1.clone(),
        },
    };
    merge_request.stamp.told = merge_request.member_count(has_labels);
    merge_request.stamp.content = merge_request.content();
    Ok((merge_request, versions))
}
