//! What the family keeps, and what makes one record newer than another.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::rules;
use crate::sorted;

/// What a webhook or an answer of the API says.
#[derive(Clone, Debug)]
pub enum Record {
    /// Commits that arrived on a branch.
    Push(Box<Push>),
    /// The state of a merge request, and the heads it mentions.
    MergeRequest(Box<MergeRequest>, Vec<MrVersion>),
    /// Heads alone, as only the API lists them.
    Versions(Vec<MrVersion>),
    /// A project that has another path now.
    Renamed(Box<Renamed>),
}

/// Hosts that are configured, in their order: of two projects with one path on two of them, the first keeps it.
pub type Hosts = Arc<[String]>;

/// A project that was renamed or transferred, as hooks tell, or as it was found when it was asked for.
#[derive(Clone, Debug)]
pub struct Renamed {
    /// Its host, if that is known: hooks do not tell.
    pub host: Option<String>,
    /// Its number.
    pub project_id: i64,
    /// Its path before.
    pub before: Option<String>,
    /// Its path now.
    pub path: String,
    /// Since when.
    pub at: Timestamp,
    /// See [`Hosts`].
    pub hosts: Hosts,
}

/// A push to a branch that is kept. Key: (sha, repo, ref). A branch may be pushed back to a commit that it has had: that is
/// another push of the commit, from another head.
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
    /// See [`Hosts`]; not kept.
    pub hosts: Hosts,
    /// The project's default branch.
    pub default_branch: Option<String>,
    /// Head before; none if the branch is new.
    pub before_sha: Option<String>,
    /// When it was pushed from each head, by the earliest message about that: the time of the message, else that of the head
    /// commit. In microseconds. The latest is `pushed_at`, the earliest `first_pushed_at`.
    pub times: BTreeMap<String, i64>,
    /// Time of the head commit.
    pub committed_at: Option<Timestamp>,
    /// Title of the head commit.
    pub title: Option<String>,
    /// Name of its author.
    pub author: Option<String>,
    /// Name of the user who pushed.
    pub pushed_by: Option<String>,
    /// Page of the head commit.
    pub url: Option<String>,
    /// Commits in the push; GitLab lists the newest 20 of them.
    pub commit_count: i64,
    /// Files added, modified or removed: united, sorted, each once.
    pub changed_files: Vec<String>,
    /// Whether `changed_files` is known to be all.
    pub files_complete: bool,
    /// Message that told.
    pub message_id: String,
    /// When that was sent.
    pub message_at: Option<Timestamp>,
}

impl Push {
    /// What a commit changed is told by the earliest message about it: a redelivery tells nothing new, and neither does a push
    /// back to it.
    fn order(&self) -> (Timestamp, &str) {
        (self.message_at.unwrap_or(Timestamp::MAX), &self.message_id)
    }

    /// When the project had this path, as far as the push itself tells: the time of its head commit, unless that is ahead of the
    /// message. The time of the message would be another one whenever it is sent again.
    pub(super) fn said_at(&self) -> Timestamp {
        let at = self.committed_at.filter(|at| rules::is_plausible(*at, self.message_at));
        at.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Unites what two messages tell of one commit on one branch. Commutative and associative.
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

/// Where a state stands in time; compares as the SQL guards do.
///
/// The time of the message is no part of it: GitLab sends each webhook as a job of its own, in no order, and anybody may have it
/// sent again years later (gitlab-org/gitlab!160952). So two states of one second are told apart by what they say. Of messages
/// that say the same the earliest counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Second of `updated_at`: webhooks know no more, so the API's milliseconds must not win against them.
    pub version_at: Timestamp,
    /// Place among the changes of that second, as far as the message tells: [`Stamp::FIRST`] and what follows.
    pub place: i16,
    /// merged 3, closed 2, locked 1, opened 0.
    pub state_rank: i16,
    /// How much is told: a copy of the same event that tells less, as system hooks do, never counts more.
    pub told: i16,
    /// Hash of what is said: decides what nothing else does. Of answers of the API, when it was asked.
    pub content: i64,
    /// When the message was sent.
    pub message_at: Timestamp,
    /// Its id.
    pub message_id: String,
}

impl Stamp {
    /// Nothing is told of the place.
    pub const UNKNOWN: i16 = 0;
    /// The change before was of an earlier second.
    pub const FIRST: i16 = 1;
    /// The change before was of the same second.
    pub const LATER: i16 = 2;
    /// What the API said when the second was over.
    pub const ANSWER: i16 = 3;

    /// Whether a state is one that GitLab never leaves: it outranks any time.
    fn is_final(&self) -> bool {
        self.state_rank == rules::state_rank("merged")
    }

    /// What it says and how new that is, without the message that said so.
    fn version(&self) -> (bool, Timestamp, i16, i16, i16, i64) {
        (self.is_final(), self.version_at, self.place, self.state_rank, self.told, self.content)
    }

    /// The message that said so.
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

/// Heads that messages of one second name. Which of them is the head then, the database decides (`head_of`): pushes of one
/// second are told apart by the head that each of them replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The head that this record names.
    pub sha: String,
    /// Second of `updated_at`.
    pub version_at: Timestamp,
    /// What each message says: `sha`, `sha oldrev`, or of the API `!microseconds sha`.
    pub claims: Vec<String>,
    /// The earliest of these messages.
    pub message: (Timestamp, String),
}

impl Heads {
    /// How the claim of an answer begins.
    pub(super) const ANSWER: char = '!';

    /// A head that a webhook names, and the head that it replaced.
    pub(super) fn of_webhook(
        sha: String,
        before: Option<&str>,
        version_at: Timestamp,
        message: (Timestamp, String),
    ) -> Self {
        let claim = before.map_or_else(|| sha.clone(), |before| format!("{sha} {before}"));
        Self { claims: vec![claim], version_at, message, sha }
    }

    /// A head that an answer of the API names; `asked_at` if the second was over by then, so that the answer decides.
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
            newer.claims = sorted::unique(newer.claims);
            newer.message = newer.message.min(older.message);
        }
        newer
    }
}

/// The name of an author, which not every message tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Second of `updated_at`.
    pub version_at: Timestamp,
    /// User name.
    pub name: String,
    /// The earliest message that said so in this second.
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
    /// Path of the project it goes to.
    pub project: String,
    /// Number in that project.
    pub iid: i64,
    /// Number of that project.
    pub project_id: Option<i64>,
    /// Host of that project, in lower case.
    pub host: Option<String>,
    /// See [`Hosts`]; not kept.
    pub hosts: Hosts,
    /// Path of that project as the API tells it, which after a redirect is another one; not kept.
    pub told_path: Option<String>,
    /// `opened`, `locked`, `closed` or `merged`.
    pub state: &'static str,
    /// Title.
    pub title: Option<String>,
    /// Whether it is a draft.
    pub draft: bool,
    /// Branch it comes from.
    pub source_branch: Option<String>,
    /// Branch it goes to.
    pub target_branch: Option<String>,
    /// Project it comes from; differs from the target for a fork.
    pub source_project_id: Option<i64>,
    /// Project it goes to.
    pub target_project_id: Option<i64>,
    /// Number of the author; the name is not in every message, see `author`.
    pub author_id: Option<i64>,
    /// Commit that merged it.
    pub merge_commit_sha: Option<String>,
    /// Titles of its labels, sorted.
    pub labels: Vec<String>,
    /// Its page.
    pub url: Option<String>,
    /// Last action, raw, informational.
    pub last_action: Option<String>,
    /// Who did it.
    pub last_actor: Option<String>,
    /// When it was opened.
    pub created_at: Option<Timestamp>,
    /// `updated_at` as given.
    pub updated_at: Option<Timestamp>,
    /// `webhook` or `reconcile`.
    pub source: &'static str,
    /// When it was found deleted; only reconcile can tell.
    pub deleted_at: Option<Timestamp>,
    /// How new this state is.
    pub stamp: Stamp,
    /// Head commit; not told once the source branch is gone.
    pub head: Option<Heads>,
    /// User name of the author; told when the author acts.
    pub author: Option<Author>,
    /// When it was merged, by the earliest message that says so.
    pub merged_at: Option<Timestamp>,
    /// The latest second that any message about it tells, also one whose state does not count.
    pub heard_at: Timestamp,
}

impl MergeRequest {
    /// Unites what two messages about one merge request tell. Commutative and associative: the newer state wins whole,
    /// while head, author and merge time are taken from whichever knows them best.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let (mut newer, older) = if self.stamp >= other.stamp { (self, other) } else { (other, self) };
        newer.head = united(newer.head, older.head, Heads::merge);
        newer.author = united(newer.author, older.author, Author::merge);
        newer.merged_at = united(newer.merged_at, older.merged_at, Ord::min);
        newer.heard_at = newer.heard_at.max(older.heard_at);
        newer
    }

    /// How many of the members that may be missing are told.
    #[must_use]
    pub(super) fn told(&self, tells_labels: bool) -> i16 {
        let texts =
            [&self.title, &self.source_branch, &self.target_branch, &self.url, &self.last_action, &self.last_actor];
        let told = texts.iter().filter(|text| text.is_some()).count();
        i16::try_from(told + usize::from(tells_labels) + usize::from(self.created_at.is_some())).unwrap_or(i16::MAX)
    }

    /// A hash of all that the record says of the merge request, which is the same for every copy of a message.
    #[must_use]
    pub(super) fn content(&self) -> i64 {
        let heads = self.head.as_ref().map(|head| &head.claims);
        let ids = (self.source_project_id, self.target_project_id, self.author_id);
        let branches = (&self.source_branch, &self.target_branch, &self.merge_commit_sha);
        let last = (&self.last_action, &self.last_actor, self.created_at, self.updated_at);
        let said = (self.state, &self.title, self.draft, &self.labels, &self.url, branches, ids, last, heads);
        let hash = Sha256::digest(format!("{said:?}"));
        i64::from_be_bytes(std::array::from_fn(|index| hash[index]))
    }

    /// The head as this record tells of it, which says that it was there and not since when.
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

/// A head that a merge request has or had. Key: (project, iid, sha).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MrVersion {
    /// Path of the project.
    pub project: String,
    /// Number of the merge request.
    pub iid: i64,
    /// Head commit.
    pub sha: String,
    /// When it became the head, with time and id of the message that said so; the latest time counts, and of its messages the
    /// earliest.
    pub head: Option<(Timestamp, Timestamp, String)>,
    /// When it was mentioned, with time and id of the message; the earliest counts.
    pub seen: (Timestamp, Timestamp, String),
}

impl MrVersion {
    /// Unites what two messages tell of one head. Commutative and associative.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        let order = |head: &(Timestamp, Timestamp, String)| (head.0, Reverse((head.1, head.2.clone())));
        self.head = united(self.head, other.head, |a, b| if order(&a) >= order(&b) { a } else { b });
        self.seen = self.seen.min(other.seen);
        self
    }
}
