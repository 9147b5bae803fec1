//! What the family keeps, and what makes one record newer than another.

use jiff::Timestamp;

/// What a webhook or an answer of the API says.
#[derive(Clone, Debug)]
pub enum Record {
    /// Commits that arrived on a branch.
    Push(Box<Push>),
    /// The state of a merge request, and the heads it mentions.
    MergeRequest(Box<MergeRequest>, Vec<MrVersion>),
    /// Heads alone, as only the API lists them.
    Versions(Vec<MrVersion>),
}

/// A push to a branch that is kept. Key: (sha, repo, ref).
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
    /// The project's default branch.
    pub default_branch: Option<String>,
    /// Head before; none if the branch is new.
    pub before_sha: Option<String>,
    /// When it was pushed: the time of the message, else that of the head commit.
    pub pushed_at: Option<Timestamp>,
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
    /// Of several messages about one push the earliest counts: a redelivery must not move its time.
    #[must_use]
    pub fn order(&self) -> (Timestamp, &str) {
        (self.message_at.unwrap_or(Timestamp::MAX), &self.message_id)
    }
}

/// Where a state stands in time; compares as the SQL guards do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Second of `updated_at`: webhooks know no more, so the API's milliseconds must not win against them.
    pub version_at: Timestamp,
    /// When the message was sent.
    pub message_at: Timestamp,
    /// merged 3, closed 2, locked 1, opened 0: decides a full tie.
    pub state_rank: i16,
    /// Decides between different messages of one moment.
    pub message_id: String,
}

/// Something that not every message tells, with the stamp of the newest that did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What is known.
    pub value: String,
    /// Since when.
    pub stamp: Stamp,
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
    pub head: Option<Fact>,
    /// User name of the author; told when the author acts.
    pub author: Option<Fact>,
    /// When it was merged, by the earliest message that says so.
    pub merged_at: Option<Timestamp>,
}

impl MergeRequest {
    /// Unites what two messages about one merge request tell. Commutative and associative: the newer state wins whole,
    /// while head, author and merge time are taken from whichever knows them best.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let (mut newer, older) = if self.stamp >= other.stamp { (self, other) } else { (other, self) };
        newer.head = newest(newer.head, older.head);
        newer.author = newest(newer.author, older.author);
        newer.merged_at = match (newer.merged_at, older.merged_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        newer
    }

    /// The head as this record tells of it, which says that it was there and not since when.
    #[must_use]
    pub fn mentioned(&self) -> Option<MrVersion> {
        let head = self.head.as_ref()?;
        let at = self.updated_at.unwrap_or(self.stamp.message_at);
        Some(MrVersion {
            project: self.project.clone(),
            iid: self.iid,
            sha: head.value.clone(),
            head: None,
            seen: (at, self.stamp.message_at, self.stamp.message_id.clone()),
        })
    }
}

fn newest(a: Option<Fact>, b: Option<Fact>) -> Option<Fact> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.stamp >= b.stamp { a } else { b }),
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
    /// When it became the head, with time and id of the message that said so; the latest counts.
    pub head: Option<(Timestamp, Timestamp, String)>,
    /// When it was mentioned, with time and id of the message; the earliest counts.
    pub seen: (Timestamp, Timestamp, String),
}

impl MrVersion {
    /// Unites what two messages tell of one head. Commutative and associative.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.head = self.head.max(other.head);
        self.seen = self.seen.min(other.seen);
        self
    }
}
