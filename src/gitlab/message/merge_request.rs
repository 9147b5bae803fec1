//! Merge request, as webhook and as system hook, complete and sparse.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Project, User, time};
use crate::envelope::field::{Name, Text, owned};
use crate::envelope::time::second;
use crate::envelope::{Message, Refusal, parse};
use crate::gitlab::record::{Fact, MergeRequest, MrVersion, Stamp};
use crate::gitlab::rules;
use crate::sorted;

#[derive(Deserialize)]
struct Hook<'a> {
    #[serde(borrow)]
    user: Option<User<'a>>,
    #[serde(borrow)]
    project: Option<Project<'a>>,
    #[serde(borrow)]
    object_attributes: Attributes<'a>,
    #[serde(borrow)]
    labels: Option<Vec<Label<'a>>>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    iid: Option<i64>,
    #[serde(borrow)]
    state: Option<Name<'a>>,
    state_id: Option<i64>,
    action: Option<Name<'a>>,
    title: Option<Text<'a>>,
    draft: Option<bool>,
    work_in_progress: Option<bool>,
    source_branch: Option<Name<'a>>,
    target_branch: Option<Name<'a>>,
    source_project_id: Option<i64>,
    target_project_id: Option<i64>,
    author_id: Option<i64>,
    merge_commit_sha: Option<Name<'a>>,
    url: Option<Name<'a>>,
    #[serde(default, deserialize_with = "time::optional")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::optional")]
    updated_at: Option<Timestamp>,
    #[serde(borrow)]
    target: Option<Project<'a>>,
    #[serde(borrow)]
    last_commit: Option<LastCommit<'a>>,
    oldrev: Option<Name<'a>>,
    #[serde(borrow)]
    labels: Option<Vec<Label<'a>>>,
}

#[derive(Deserialize)]
struct LastCommit<'a> {
    #[serde(borrow)]
    id: Option<Name<'a>>,
    #[serde(default, deserialize_with = "time::optional")]
    timestamp: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Label<'a> {
    #[serde(borrow)]
    title: Option<Name<'a>>,
}

/// Reads a merge request and the heads that it mentions.
pub(super) fn read(message: &Message<'_>) -> Result<(MergeRequest, Vec<MrVersion>), Refusal> {
    let hook: Hook<'_> = parse(message.payload)?;
    let attributes = hook.object_attributes;
    let url = owned(attributes.url.as_ref());
    let Some(iid) = attributes.iid.or_else(|| url.as_deref().and_then(rules::iid_of)) else {
        return Err(Refusal::new("bad-field", "object_attributes.iid: missing, and not in object_attributes.url"));
    };
    let path = |project: Option<&Project<'_>>| owned(project.and_then(|project| project.path_with_namespace.as_ref()));
    let Some(project) = path(hook.project.as_ref()).or_else(|| path(attributes.target.as_ref())) else {
        let detail = "project.path_with_namespace and object_attributes.target.path_with_namespace: missing or empty";
        return Err(Refusal::new("bad-field", detail));
    };

    let action = attributes.action.as_ref().and_then(Name::filled);
    let known = rules::state(attributes.state.as_ref().and_then(Name::filled), attributes.state_id);
    let state = known.or_else(|| rules::state_after(action)).unwrap_or("opened");
    let committed_at = attributes.last_commit.as_ref().and_then(|commit| commit.timestamp);
    // Sparse payloads have no updated_at; the time of the message is nearest to it.
    let event_at = attributes.updated_at.or(message.sent_at).or(committed_at).or(attributes.created_at);
    let event_at = event_at.unwrap_or(Timestamp::UNIX_EPOCH);
    let stamp = Stamp {
        // A message that does not name the state must not overrule one that does.
        version_at: if known.is_some() { second(event_at) } else { Timestamp::UNIX_EPOCH },
        message_at: message.sent_at.unwrap_or(event_at),
        state_rank: rules::state_rank(state),
        message_id: message.id.clone(),
    };
    let fact = |value: String| Fact { value, stamp: Stamp { state_rank: 0, ..stamp.clone() } };

    let head = owned(attributes.last_commit.as_ref().and_then(|commit| commit.id.as_ref()));
    let oldrev = owned(attributes.oldrev.as_ref()).filter(|sha| !rules::is_no_commit(sha));
    let became_head = oldrev.is_some() || matches!(action, Some("open" | "reopen"));
    let said_by = |at: Timestamp| (at, stamp.message_at, stamp.message_id.clone());
    let version = |sha: &String, head, seen| MrVersion { project: project.clone(), iid, sha: sha.clone(), head, seen };
    let mut versions = Vec::with_capacity(2);
    if let Some(sha) = &head {
        versions.push(version(sha, became_head.then(|| said_by(event_at)), said_by(event_at)));
    }
    if let Some(sha) = &oldrev {
        // It was the head until now. Should nothing else tell since when, it comes just before its successor.
        let before = event_at.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(event_at);
        versions.push(version(sha, None, said_by(before)));
    }

    // `user` is who acted, which is the author only sometimes; no field names the author.
    let user = hook.user.as_ref();
    let actor = owned(user.and_then(|user| user.username.as_ref()));
    let by_author = attributes.author_id.is_some() && user.is_some_and(|user| user.id == attributes.author_id);
    let by_author = by_author || (action == Some("open") && user.is_some_and(|user| user.id.is_none()));

    let title = attributes.title.as_ref().and_then(Text::filled).map(rules::title);
    let draft = attributes.draft.or(attributes.work_in_progress);
    let labels = attributes.labels.filter(|labels| !labels.is_empty()).or(hook.labels).unwrap_or_default();
    let labels = sorted::unique(labels.iter().filter_map(|label| owned(label.title.as_ref())));

    let merge_request = MergeRequest {
        project_id: attributes.target_project_id.or_else(|| hook.project.as_ref().and_then(|project| project.id)),
        iid,
        state,
        draft: draft.unwrap_or_else(|| title.as_deref().is_some_and(rules::draft_title)),
        title,
        source_branch: owned(attributes.source_branch.as_ref()),
        target_branch: owned(attributes.target_branch.as_ref()),
        source_project_id: attributes.source_project_id,
        target_project_id: attributes.target_project_id,
        author_id: attributes.author_id,
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
        head: head.map(fact),
        author: actor.filter(|_| by_author).map(fact),
        // The first message about a merged one is that of the merge, as far as we know.
        merged_at: attributes.updated_at.or(message.sent_at).filter(|_| state == "merged"),
        project,
        stamp,
    };
    Ok((merge_request, versions))
}
