//! Decodes a push (gitlabhq `doc/user/project/integrations/webhook_events.md`, `lib/gitlab/data_builder/push.rb`).

use jiff::Timestamp;
use serde::Deserialize;

use super::{Project, host, time};
use crate::checks::store::BranchDeletion;
use crate::sources::gitlab::record::{Push, Record};
use crate::sources::gitlab::{Settings, rules};
use crate::transport::field::{Bounded, Document, Name, owned};
use crate::transport::lenient::{self, Each, Optional, parse};
use crate::transport::{Decoded, Message, Rejection};
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct Hook<'a> {
    #[serde(borrow)]
    after: Name<'a>,
    #[serde(default)]
    before: Optional<Name<'a>>,
    r#ref: Ref<'a>,
    #[serde(default)]
    user_username: Optional<Name<'a>>,
    #[serde(default)]
    user_name: Optional<Name<'a>>,
    project_id: Option<i64>,
    #[serde(borrow)]
    project: Option<Project<'a>>,
    #[serde(borrow, default)]
    commits: Each<Commit<'a>>,
    #[serde(default)]
    total_commits_count: Optional<i64>,
}

/// A file path, limited to the longest path of Linux.
type Path<'a> = Bounded<'a, 4096>;
/// A ref, which Git stores as a file path.
type Ref<'a> = Bounded<'a, 4096>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Commit<'a> {
    #[serde(borrow)]
    id: Optional<Name<'a>>,
    title: Optional<Document<'a>>,
    message: Optional<Document<'a>>,
    #[serde(deserialize_with = "time::detail")]
    timestamp: Option<Timestamp>,
    url: Optional<Name<'a>>,
    author: Optional<Author<'a>>,
    added: Optional<Each<Path<'a>>>,
    modified: Optional<Each<Path<'a>>>,
    removed: Optional<Each<Path<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Author<'a> {
    #[serde(borrow)]
    name: Optional<Name<'a>>,
}

/// Decodes a push; ignores pushes to branches that are not kept, and deletions of branches without their time.
pub(super) fn read(message: &Message<'_>, settings: &Settings) -> Result<Decoded<Record>, Rejection> {
    let hook: Hook<'_> = parse(message.payload)?;
    // A dropped value may have been the name of a file.
    let is_whole = !lenient::has_dropped();
    let Some(branch) = hook.r#ref.as_str().strip_prefix("refs/heads/") else {
        return Ok(Decoded::Ignored("not-a-branch"));
    };
    let project = hook.project.as_ref();
    let path = project.and_then(|project| project.path_with_namespace.as_ref()).and_then(Name::filled);
    if rules::is_no_commit(hook.after.as_str()) {
        let (Some(repo), Some(deleted_at)) = (path, message.sent_at) else {
            return Ok(Decoded::Ignored("branch-deleted"));
        };
        let (repo, branch) = (repo.to_owned(), rules::kept_branch(branch));
        let before_sha = owned(hook.before.as_ref()).unwrap_or_default();
        return Ok(Decoded::Records(vec![Record::Deleted(BranchDeletion { repo, branch, before_sha, deleted_at })]));
    }
    let default_branch = project.and_then(|project| project.default_branch.as_ref()).and_then(Name::filled);
    if !rules::keeps(&settings.branches, default_branch, branch) {
        return Ok(Decoded::Ignored("branch"));
    }
    let Some(repo) = path else {
        return Err(Rejection::new("bad-field", "project.path_with_namespace: missing or empty"));
    };

    let commits = hook.commits.0.as_slice();
    // By id, not by position: some senders list the head first.
    let head = commits.iter().find(|commit| commit.id.as_ref() == Some(&hook.after));
    let committed_at = head.and_then(|head| head.timestamp);
    let pushed_at = message.sent_at.or(committed_at);
    let before = owned(hook.before.as_ref()).filter(|before| !rules::is_no_commit(before));
    let listed = i64::try_from(commits.len()).unwrap_or(i64::MAX);
    let commit_count = hook.total_commits_count.0.unwrap_or(listed);
    Ok(Decoded::Records(vec![Record::Push(Box::new(Push {
        sha: hook.after.as_str().to_owned(),
        repo: repo.to_owned(),
        branch: rules::kept_branch(branch),
        project_id: hook.project_id.or_else(|| project.and_then(|project| project.id)),
        host: host(
            message,
            &[project.and_then(|project| project.web_url.as_ref()), head.and_then(|head| head.url.as_ref())],
        ),
        hosts: settings.hosts.clone(),
        default_branch: default_branch.map(str::to_owned),
        times: pushed_at.map(|at| (before.clone().unwrap_or_default(), at.as_microsecond())).into_iter().collect(),
        before_sha: before,
        committed_at,
        title: head.and_then(title),
        author: head.and_then(|head| owned(head.author.as_ref()?.name.as_ref())),
        pushed_by: owned(hook.user_username.as_ref()).or_else(|| owned(hook.user_name.as_ref())),
        url: head.and_then(|head| owned(head.url.as_ref())),
        commit_count,
        changed_files: changed_files(commits),
        files_complete: is_whole && commit_count <= listed && head.is_some() && commits.iter().all(names_files),
        message_id: message.id.clone(),
        message_at: message.sent_at,
    }))]))
}

fn title(commit: &Commit<'_>) -> Option<String> {
    let text = commit.title.as_ref().and_then(Document::filled).or_else(|| commit.message.as_ref()?.filled())?;
    text.lines().next().map(rules::title).filter(|title| !title.is_empty())
}

/// Whether a commit has lists of changed files; merge commits of some GitLab versions do not.
fn names_files(commit: &Commit<'_>) -> bool {
    lists(commit).iter().any(Option::is_some)
}

fn lists<'c, 'a>(commit: &'c Commit<'a>) -> [Option<&'c Each<Path<'a>>>; 3] {
    [commit.added.as_ref(), commit.modified.as_ref(), commit.removed.as_ref()]
}

fn changed_files(commits: &[Commit<'_>]) -> Vec<String> {
    let lists = commits.iter().flat_map(lists).flatten();
    let files = Vec::from_iter(BTreeSet::from_iter(lists.flat_map(|list| &list.0).filter_map(Path::filled)));
    files.into_iter().map(str::to_owned).collect()
}
