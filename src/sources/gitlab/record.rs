//! The records of this source, and their versions: what makes one record newer than another.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::moment::{is_plausible, state_rank};
use super::{Hosts, ci};

/// A record from a webhook or from an API response.
#[derive(Clone, Debug)]
pub enum Record {
    /// A push to a branch.
    Push(Box<Push>),
    /// The state of a merge request, and the heads that the message mentions.
    MergeRequest(Box<MergeRequest>, Vec<MrVersion>),
    /// Heads of a merge request, from the versions list of the API.
    Versions(Vec<MrVersion>),
    /// A project has a new path.
    Renamed(Box<Renamed>),
    /// A branch was deleted.
    Deleted(crate::checks::store::BranchDeletion),
    /// A pipeline, a job or a deployment.
    Ci(ci::Record),
}

/// A rename or transfer of a project, from a hook or found by an API request.
#[derive(Clone, Debug)]
pub struct Renamed {
    /// Host of the project, if known; hooks do not have it.
    pub host: Option<String>,
    /// Number of the project.
    pub project_id: i64,
    /// Previous path.
    pub before: Option<String>,
    /// New path.
    pub path: String,
    /// When the path changed.
    pub at: Timestamp,
    /// See [`Hosts`].
    pub hosts: Hosts,
}

/// A push to a branch that is kept. Key: (sha, repo, ref). A branch can be pushed back to an earlier commit, which is
/// another push of that commit, from another head.
#[derive(Clone, Debug)]
pub struct Push {
    /// New head.
    pub sha: String,
    /// Path of the project.
    pub repo: String,
    /// Branch, without `refs/heads/`.
    pub branch: String,
    /// Number of the project.
    pub project_id: Option<i64>,
    /// Host of the project, in lower case.
    pub host: Option<String>,
    /// See [`Hosts`]; not stored.
    pub hosts: Hosts,
    /// The project's default branch.
    pub default_branch: Option<String>,
    /// Previous head; none if the branch is new.
    pub before_sha: Option<String>,
    /// Time of the push from each previous head, in microseconds: the send time of the earliest message about it, else
    /// the time of the head commit. The latest is `pushed_at`, the earliest `first_pushed_at`.
    pub times: BTreeMap<String, i64>,
    /// Time of the head commit.
    pub committed_at: Option<Timestamp>,
    /// Title of the head commit.
    pub title: Option<String>,
    /// Name of its author.
    pub author: Option<String>,
    /// Name of the user who pushed.
    pub pushed_by: Option<String>,
    /// URL of the head commit.
    pub url: Option<String>,
    /// Commits in the push; GitLab lists the newest 20 of them.
    pub commit_count: i64,
    /// Files added, modified or removed, each once.
    pub changed_files: Vec<String>,
    /// Whether `changed_files` is known to be complete.
    pub files_complete: bool,
    /// Id of the message.
    pub message_id: String,
    /// When the message was sent.
    pub message_at: Option<Timestamp>,
}

/// [`Push::said_at`] by the time of the head commit and that of the message.
pub(super) fn said_at(committed_at: Option<Timestamp>, message_at: Option<Timestamp>) -> Timestamp {
    committed_at.filter(|at| is_plausible(*at, message_at)).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Push {
    /// The version: the earliest message about a commit counts, because a redelivery and a push back to the commit say
    /// nothing new about what the commit changed.
    fn order(&self) -> (Timestamp, &str) {
        (self.message_at.unwrap_or(Timestamp::MAX), &self.message_id)
    }

    /// When the project had this path and this default branch: the time of the head commit, unless it is ahead of the
    /// message. The send time is not used, because it changes with each redelivery.
    pub(super) fn said_at(&self) -> Timestamp {
        said_at(self.committed_at, self.message_at)
    }

    /// Merges two records of one commit on one branch. Commutative and associative.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let (mut first, later) = if self.order() <= other.order() { (self, other) } else { (other, self) };
        for (before, at) in later.times {
            let known = first.times.entry(before).or_insert(at);
            *known = at.min(*known);
        }
        first
    }
}

/// The version of a merge request's state; compares as the version guards in SQL do.
///
/// The send time of the message is not part of it: GitLab sends each webhook as a separate job, in no order, and a user
/// can resend it years later (gitlab-org/gitlab!160952). So two states of one second are ordered by their content. Of
/// messages with the same content the earliest counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// `updated_at` in whole seconds: webhooks have no more, and the API's milliseconds must not outrank them.
    pub version_at: Timestamp,
    /// Position among the changes of that second, if the message has it: [`Stamp::FIRST`] and following.
    pub place: i16,
    /// merged 3, closed 2, locked 1, opened 0.
    pub state_rank: i16,
    /// Number of optional members in the message, so that a copy of the event with fewer (a system hook) never outranks
    /// it.
    pub told: i16,
    /// Hash of the content, the last criterion. For API responses, the time of the request.
    pub content: i64,
    /// When the message was sent.
    pub message_at: Timestamp,
    /// Id of the message.
    pub message_id: String,
}

impl Stamp {
    /// The position is unknown.
    pub const UNKNOWN: i16 = 0;
    /// The previous change was in an earlier second.
    pub const FIRST: i16 = 1;
    /// The previous change was in the same second.
    pub const LATER: i16 = 2;
    /// The API was asked when the second was over.
    pub const ANSWER: i16 = 3;

    /// Whether GitLab never leaves the state. Such a state outranks any time.
    fn is_final(&self) -> bool {
        self.state_rank == state_rank("merged")
    }

    /// The version without the message.
    fn version(&self) -> (bool, Timestamp, i16, i16, i16, i64) {
        (self.is_final(), self.version_at, self.place, self.state_rank, self.told, self.content)
    }

    /// Send time and id of the message.
    #[must_use]
    pub fn message(&self) -> (Timestamp, &str) {
        (self.message_at, &self.message_id)
    }
}

impl Ord for Stamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.version().cmp(&other.version()).then_with(|| other.message().cmp(&self.message()))
    }
}

impl PartialOrd for Stamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The heads that messages of one second name. The database decides which of them is the head (`head_of`): pushes of
/// one second are ordered by the head that each of them replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The head that this record names.
    pub sha: String,
    /// Second of `updated_at`.
    pub version_at: Timestamp,
    /// The claim of each message: `sha`, `sha oldrev`, or from the API `!microseconds sha`.
    pub claims: Vec<String>,
    /// The earliest of these messages.
    pub message: (Timestamp, String),
}

impl Heads {
    /// First character of a claim from the API.
    pub(super) const ANSWER: char = '!';

    /// A head from a webhook, and the head that it replaced.
    pub(super) fn of_webhook(
        sha: String,
        before: Option<&str>,
        version_at: Timestamp,
        message: (Timestamp, String),
    ) -> Self {
        let claim = before.map_or_else(|| sha.clone(), |before| format!("{sha} {before}"));
        Self { claims: vec![claim], version_at, message, sha }
    }

    /// A head from an API response. `asked_at` is set if the second was over then, so that the response decides.
    pub(super) fn of_answer(
        sha: String,
        asked_at: Option<Timestamp>,
        version_at: Timestamp,
        message: (Timestamp, String),
    ) -> Self {
        let claim =
            asked_at.map_or_else(|| sha.clone(), |at| format!("{}{:020} {sha}", Self::ANSWER, at.as_microsecond()));
        Self { claims: vec![claim], version_at, message, sha }
    }

    fn merge(self, other: Self) -> Self {
        let (mut newer, older) = if self.version_at >= other.version_at { (self, other) } else { (other, self) };
        if newer.version_at == older.version_at {
            newer.claims.extend(older.claims);
            newer.claims = Vec::from_iter(BTreeSet::from_iter(newer.claims));
            newer.message = newer.message.min(older.message);
        }
        newer
    }
}

/// The name of an author, which not every message has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Second of `updated_at`.
    pub version_at: Timestamp,
    /// User name.
    pub name: String,
    /// The earliest message of this second with this name.
    pub message: (Timestamp, String),
}

impl Author {
    fn merge(self, other: Self) -> Self {
        let key = |author: &Self| (author.version_at, author.name.clone());
        let (mut newer, older) = if key(&self) >= key(&other) { (self, other) } else { (other, self) };
        if key(&newer) == key(&older) {
            newer.message = newer.message.min(older.message);
        }
        newer
    }
}

/// A merge request. Key: (project, iid).
#[derive(Clone, Debug)]
pub struct MergeRequest {
    /// Path of the target project.
    pub project: String,
    /// Number (`iid`) in that project.
    pub iid: i64,
    /// Number of that project.
    pub project_id: Option<i64>,
    /// Host of that project, in lower case.
    pub host: Option<String>,
    /// See [`Hosts`]; not stored.
    pub hosts: Hosts,
    /// Path of that project in the API response, which differs after a redirect; not stored.
    pub response_path: Option<String>,
    /// `opened`, `locked`, `closed` or `merged`.
    pub state: &'static str,
    /// Title.
    pub title: Option<String>,
    /// Whether it is a draft.
    pub draft: bool,
    /// Source branch.
    pub source_branch: Option<String>,
    /// Target branch.
    pub target_branch: Option<String>,
    /// Number of the source project; differs from the target for a fork.
    pub source_project_id: Option<i64>,
    /// Number of the target project.
    pub target_project_id: Option<i64>,
    /// Number of the author; the name is not in every message, see `author`.
    pub author_id: Option<i64>,
    /// Commit that merged it.
    pub merge_commit_sha: Option<String>,
    /// Titles of its labels, sorted.
    pub labels: Vec<String>,
    /// URL.
    pub url: Option<String>,
    /// Last action, unchanged; informational.
    pub last_action: Option<String>,
    /// User name of the user who did the last action.
    pub last_actor: Option<String>,
    /// When it was opened.
    pub created_at: Option<Timestamp>,
    /// `updated_at` as given.
    pub updated_at: Option<Timestamp>,
    /// `webhook` or `reconcile`.
    pub source: &'static str,
    /// When reconcile found it deleted; no webhook reports that.
    pub deleted_at: Option<Timestamp>,
    /// Version of the state.
    pub stamp: Stamp,
    /// Head commit; messages do not have it once the source branch is deleted.
    pub head: Option<Heads>,
    /// User name of the author; webhooks have it only for actions of the author.
    pub author: Option<Author>,
    /// When it was merged, from the earliest message that has it.
    pub merged_at: Option<Timestamp>,
    /// The latest `version_at` of any message about it, including outdated messages.
    pub heard_at: Timestamp,
}

impl MergeRequest {
    /// Merges two records of one merge request. Commutative and associative: the newer state wins as a whole, while
    /// head, author and merge time have versions of their own.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let (mut newer, older) = if self.stamp >= other.stamp { (self, other) } else { (other, self) };
        newer.head = united(newer.head, older.head, Heads::merge);
        newer.author = united(newer.author, older.author, Author::merge);
        newer.merged_at = united(newer.merged_at, older.merged_at, Ord::min);
        newer.heard_at = newer.heard_at.max(older.heard_at);
        newer
    }

    /// The number of optional members that are present.
    #[must_use]
    pub(super) fn member_count(&self, has_labels: bool) -> i16 {
        let texts =
            [&self.title, &self.source_branch, &self.target_branch, &self.url, &self.last_action, &self.last_actor];
        let present = texts.iter().filter(|text| text.is_some()).count();
        i16::try_from(present + usize::from(has_labels) + usize::from(self.created_at.is_some())).unwrap_or(i16::MAX)
    }

    /// A hash of the content of the record, which is the same for every copy of a message.
    #[must_use]
    pub(super) fn content(&self) -> i64 {
        let heads = self.head.as_ref().map(|head| &head.claims);
        let ids = (self.source_project_id, self.target_project_id, self.author_id);
        let branches = (&self.source_branch, &self.target_branch, &self.merge_commit_sha);
        let last = (&self.last_action, &self.last_actor, self.created_at, self.updated_at);
        let content = (self.state, &self.title, self.draft, &self.labels, &self.url, branches, ids, last, heads);
        let hash = Sha256::digest(format!("{content:?}"));
        i64::from_be_bytes(std::array::from_fn(|index| hash[index]))
    }

    /// The head in this record: a commit that was the head, without the time at which it became the head.
    #[must_use]
    pub fn mentioned(&self) -> Option<MrVersion> {
        let head = self.head.as_ref()?;
        let at = self.updated_at.unwrap_or(self.stamp.message_at);
        Some(MrVersion {
            project: self.project.clone(),
            iid: self.iid,
            sha: head.sha.clone(),
            head: None,
            seen: (at, self.stamp.message_at, self.stamp.message_id.clone()),
        })
    }
}

fn united<T>(a: Option<T>, b: Option<T>, merge: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(merge(a, b)),
        (a, b) => a.or(b),
    }
}

/// A present or former head of a merge request. Key: (project, iid, sha).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MrVersion {
    /// Path of the project.
    pub project: String,
    /// Number of the merge request.
    pub iid: i64,
    /// Head commit.
    pub sha: String,
    /// When it became the head, with send time and id of the message. The latest time counts, and of messages with that
    /// time the earliest.
    pub head: Option<(Timestamp, Timestamp, String)>,
    /// When it was mentioned, with send time and id of the message; the earliest counts.
    pub seen: (Timestamp, Timestamp, String),
}

impl MrVersion {
    /// Merges two records of one head. Commutative and associative.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        let order = |head: &(Timestamp, Timestamp, String)| (head.0, Reverse((head.1, head.2.clone())));
        self.head = united(self.head, other.head, |a, b| if order(&a) >= order(&b) { a } else { b });
        self.seen = self.seen.min(other.seen);
        self
    }
}
