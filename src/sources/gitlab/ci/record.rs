//! The records of GitLab CI, and their versions: what makes one newer than another.

use std::cmp::Reverse;
use std::fmt::Debug;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::rules;
use crate::sources::gitlab::Hosts;
use crate::transport::Latest;
use crate::transport::time::second;

/// A record of GitLab CI.
#[derive(Clone, Debug)]
pub enum Record {
    /// A pipeline and its jobs.
    Pipeline(Box<Pipeline>),
    /// A job.
    Job(Box<Job>),
    /// A deployment to an environment.
    Deployment(Box<Deployment>),
}

impl Record {
    /// The project that it is about.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Pipeline(pipeline) => &pipeline.origin,
            Self::Job(job) => &job.origin,
            Self::Deployment(deployment) => &deployment.origin,
        }
    }

    /// Sets the path of the project.
    pub(in crate::sources::gitlab) fn move_to(&mut self, path: &str) {
        match self {
            Self::Pipeline(pipeline) => {
                path.clone_into(&mut pipeline.origin.project);
                pipeline.jobs.iter_mut().for_each(|job| path.clone_into(&mut job.origin.project));
            }
            Self::Job(job) => path.clone_into(&mut job.origin.project),
            Self::Deployment(deployment) => path.clone_into(&mut deployment.origin.project),
        }
    }

    /// Limits the times that the sender wrote.
    pub fn limit_times(&mut self, latest: Latest) {
        match self {
            Self::Pipeline(pipeline) => pipeline.limit_times(latest),
            Self::Job(job) => job.limit_times(latest),
            Self::Deployment(deployment) => latest.cut_all([&mut deployment.changed_at]),
        }
    }
}

/// The project that a record is about.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Host, in lower case.
    pub host: String,
    /// Number of the project.
    pub project_id: Option<i64>,
    /// Path of the project: as the message says, later the current one.
    pub project: String,
    /// See [`Hosts`]; not stored.
    pub hosts: Hosts,
}

/// The message of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// When it was sent.
    pub at: Option<Timestamp>,
    /// Its id.
    pub id: String,
}

impl Sent {
    /// Time and id as a text in their order: microseconds (`-` without a time), and the id.
    #[must_use]
    pub fn text(&self) -> String {
        match self.at {
            Some(at) => format!("{:020} {}", at.as_microsecond().max(0), self.id),
            None => format!("- {}", self.id),
        }
    }
}

/// A pipeline. Key: host and id.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its project.
    pub origin: Origin,
    /// Number on its host.
    pub id: i64,
    /// Number in its project.
    pub iid: Option<i64>,
    /// Name, if its configuration gives it one.
    pub name: Option<String>,
    /// Status as GitLab names it.
    pub status: String,
    /// Status as its page shows it: `passed with warnings`.
    pub detailed_status: Option<String>,
    /// What started it: `push`, `merge_request_event`, `schedule`.
    pub source: String,
    /// Branch or tag; of a merge request its source branch.
    pub git_ref: Option<String>,
    /// Whether it runs for a tag.
    pub tag: bool,
    /// The commit that it runs for: the head of a merge request, or a commit that merges it for a try.
    pub sha: Option<String>,
    /// Title of that commit.
    pub title: Option<String>,
    /// Names of its stages, in order.
    pub stages: Vec<String>,
    /// URL.
    pub url: Option<String>,
    /// The merge request that it runs for.
    pub merge_request: Option<MergeRequestRef>,
    /// The pipeline that started it: path of its project, and its number.
    pub parent: Option<(Option<String>, i64)>,
    /// User name of the user who started it.
    pub username: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it finished; a pipeline that runs again keeps the time of its first end.
    pub finished_at: Option<Timestamp>,
    /// Its jobs, without those that were retried.
    pub jobs: Vec<Job>,
    /// Hash of its other members as the message has them: the last criterion of its version.
    pub content: i64,
    /// Its message.
    pub sent: Sent,
}

/// The merge request of a pipeline.
#[derive(Clone, Debug)]
pub struct MergeRequestRef {
    /// Number in its project.
    pub iid: i64,
    /// Number of that project. The pipeline of a fork is in another one.
    pub project_id: Option<i64>,
    /// Source branch.
    pub source_branch: Option<String>,
    /// Target branch.
    pub target_branch: Option<String>,
}

/// What makes one message about a pipeline newer than another; compares as the guard of `upsert_pipelines.sql` does.
/// The number of the newest job, since a retry makes a new job; the newest time; the sum of the ranks of the jobs; the
/// rank of the status; a hash of the content; of messages with the same content the earliest.
pub(in crate::sources::gitlab) type PipelineVersion<'p> = (i64, Timestamp, i64, i16, i64, Reverse<&'p Sent>);

impl Pipeline {
    /// The number of the newest job; 0 without jobs.
    #[must_use]
    pub fn newest_job(&self) -> i64 {
        self.jobs.iter().map(|job| job.id).max().unwrap_or_default()
    }

    /// The second of the newest time in the message.
    #[must_use]
    pub fn version_at(&self) -> Timestamp {
        let of_jobs = self.jobs.iter().map(Job::version_at);
        let own = [self.created_at, self.finished_at].into_iter().flatten().map(second);
        of_jobs.chain(own).max().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The sum of the ranks of the jobs, which rises while jobs go on.
    #[must_use]
    pub fn job_ranks(&self) -> i64 {
        self.jobs.iter().map(|job| i64::from(rules::job_rank(&job.status))).sum()
    }

    /// The version.
    pub(in crate::sources::gitlab) fn version(&self) -> PipelineVersion<'_> {
        let rank = rules::pipeline_rank(&self.status);
        (self.newest_job(), self.version_at(), self.job_ranks(), rank, self.content, Reverse(&self.sent))
    }

    /// Sets the hash of the content, which is the same for every copy of a message. Jobs have their own.
    #[must_use]
    pub fn hashed(mut self) -> Self {
        let of = (&self.origin.project, self.origin.project_id, self.iid, &self.name, &self.status);
        let shown = (&self.detailed_status, &self.source, &self.title, &self.stages, &self.url, &self.username);
        let commit = (&self.git_ref, self.tag, &self.sha, &self.merge_request, &self.parent);
        self.content = hash_of(&(of, shown, commit, self.created_at, self.finished_at));
        self
    }

    /// Whether its commit merges its merge request for a try: then no branch has it.
    #[must_use]
    pub fn merges(&self) -> bool {
        let of_request = self.merge_request.as_ref().zip(self.title.as_deref());
        let by_title = of_request.is_some_and(|(request, title)| {
            let branches = request.source_branch.as_deref().zip(request.target_branch.as_deref());
            branches.is_some_and(|(source, target)| rules::merges(title, source, target))
        });
        by_title || self.git_ref.as_deref().and_then(rules::merge_ref).is_some_and(|(_, kind)| kind == "merge")
    }

    /// Whether it failed or will fail, by this message.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        let has_failed = self.jobs.iter().any(Job::is_bad);
        crate::checks::is_bad(rules::pipeline_state(&self.status, has_failed))
    }

    /// Limits the times that the sender wrote.
    pub fn limit_times(&mut self, latest: Latest) {
        latest.cut_all([&mut self.created_at, &mut self.finished_at]);
        self.jobs.iter_mut().for_each(|job| job.limit_times(latest));
    }
}

/// A job, from a hook about it or from the list of its pipeline. Key: host and id.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its project.
    pub origin: Origin,
    /// Number on its host.
    pub id: i64,
    /// Number of its pipeline.
    pub pipeline_id: i64,
    /// Stage.
    pub stage: Option<String>,
    /// Name.
    pub name: String,
    /// Status as GitLab names it.
    pub status: String,
    /// Whether its pipeline succeeds even if it fails.
    pub allow_failure: bool,
    /// Why it failed. GitLab sends reasons for jobs that did not fail, too: those are left out.
    pub failure_reason: Option<String>,
    /// Branch or tag.
    pub git_ref: Option<String>,
    /// The kind of ref of a merge request that it runs on: `head`, `merge`, `train`. Only hooks about jobs have it.
    pub merge_ref: Option<String>,
    /// Whether it runs for a tag.
    pub tag: bool,
    /// Commit.
    pub sha: Option<String>,
    /// Environment that it deploys to.
    pub environment: Option<String>,
    /// URL.
    pub url: Option<String>,
    /// User name of the user who started it.
    pub username: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// Hash of its members but the status, as the message has them.
    pub content: i64,
    /// Its message.
    pub sent: Sent,
}

impl Job {
    /// The second of its newest time: hooks about jobs have milliseconds, lists of pipelines have seconds.
    #[must_use]
    pub fn version_at(&self) -> Timestamp {
        let times = [self.created_at, self.started_at, self.finished_at];
        times.into_iter().flatten().map(second).max().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The version: the newest time and the rank of the status; compares as the guard of `upsert_jobs.sql` does. Of
    /// messages of one version the content decides, and for the status the time.
    pub(in crate::sources::gitlab) fn version(&self) -> (Timestamp, i16) {
        (self.version_at(), rules::job_rank(&self.status))
    }

    /// Sets the hash of the content, which is the same for every copy of a message.
    #[must_use]
    pub fn hashed(mut self) -> Self {
        let of = (&self.origin.project, self.origin.project_id, self.pipeline_id, &self.stage, &self.name);
        let commit = (&self.git_ref, self.tag, &self.sha, &self.environment, &self.url, &self.username);
        let times = (self.created_at, self.started_at, self.finished_at);
        self.content = hash_of(&(of, commit, times, self.allow_failure, &self.failure_reason));
        self
    }

    /// Whether it failed, and may not fail.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        crate::checks::is_bad(rules::job_state(&self.status, self.allow_failure))
    }

    /// Limits the times that the sender wrote.
    pub fn limit_times(&mut self, latest: Latest) {
        latest.cut_all([&mut self.created_at, &mut self.started_at, &mut self.finished_at]);
    }
}

/// A deployment to an environment. Key: host and id.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its project.
    pub origin: Origin,
    /// Its number on its host; `job PROJECT/JOB` of a GitLab that has none.
    pub id: String,
    /// Environment.
    pub environment: String,
    /// Tier of the environment: `production`, `staging`.
    pub tier: Option<String>,
    /// URL of the environment.
    pub environment_url: Option<String>,
    /// Status as GitLab names it.
    pub status: String,
    /// Number of the job that deploys; none for a deployment by the API.
    pub job_id: Option<i64>,
    /// URL of that job.
    pub job_url: Option<String>,
    /// Branch or tag.
    pub git_ref: Option<String>,
    /// Commit: its whole hash if the message has it, else the beginning.
    pub sha: Option<String>,
    /// Title of the commit.
    pub title: Option<String>,
    /// URL of the commit.
    pub commit_url: Option<String>,
    /// User name of the user who deploys.
    pub username: Option<String>,
    /// Since when it has this status.
    pub changed_at: Option<Timestamp>,
    /// Hash of its members as the message has them: the last criterion of its version.
    pub content: i64,
    /// Its message.
    pub sent: Sent,
}

impl Deployment {
    /// The time of its status.
    #[must_use]
    pub fn version_at(&self) -> Timestamp {
        self.changed_at.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The version: the time of the status, its rank, a hash of the content; of messages with the same content the
    /// earliest. Compares as the guard of `upsert_deployments.sql` does.
    pub(in crate::sources::gitlab) fn version(&self) -> (Timestamp, i16, i64, Reverse<&Sent>) {
        (self.version_at(), rules::deployment_rank(&self.status), self.content, Reverse(&self.sent))
    }

    /// Sets the hash of the content, which is the same for every copy of a message.
    #[must_use]
    pub fn hashed(mut self) -> Self {
        let of = (&self.origin.project, self.origin.project_id, &self.environment, &self.tier, &self.environment_url);
        let commit = (&self.git_ref, &self.sha, &self.title, &self.commit_url, &self.username);
        self.content = hash_of(&(of, commit, &self.status, self.job_id, &self.job_url, self.changed_at));
        self
    }
}

/// The beginning of a hash.
fn hash_of(content: &impl Debug) -> i64 {
    let hash = Sha256::digest(format!("{content:?}"));
    i64::from_be_bytes(std::array::from_fn(|index| hash[index]))
}
