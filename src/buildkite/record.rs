//! What the family keeps, and what makes one record newer than another.

use jiff::{SignedDuration, Timestamp};

use super::rules::WAITING;

use crate::envelope::{Latest, Refusal};

/// A repository on a host, from the URL that a pipeline checks out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repo {
    /// Name of the host, in lower case, without port or user.
    pub host: String,
    /// `owner/name`, on GitLab with any number of groups; without `.git`.
    pub path: String,
}

/// The state of a build. Key: its uuid.
#[derive(Clone, Debug)]
pub struct Build {
    /// Uuid of the build.
    pub id: String,
    /// Number in its pipeline, from 1.
    pub number: i64,
    /// As Buildkite says it: `scheduled`, `started`, `passed`, ..
    pub state: String,
    /// `passed`, `failed` or `running` where the state is `blocked`, if it is told.
    pub blocked_state: Option<String>,
    /// What the build said itself where `state` is `skipped` because a later build of its branch has started.
    pub skipped_from: Option<String>,
    /// Commit as given: 40 hex digits, or `HEAD` or a short one until Buildkite has resolved it.
    pub commit: Option<String>,
    /// Branch.
    pub branch: Option<String>,
    /// First line of the build's message, mostly the commit's.
    pub title: Option<String>,
    /// What started it: `webhook`, `api`, `ui`, `trigger_job`, `schedule`.
    pub source: Option<String>,
    /// Repository, if the pipeline's URL names one on a host. The URL itself may hold a password and is not kept.
    pub repo: Option<Repo>,
    /// Short name of the pipeline, as in URLs.
    pub pipeline: Option<String>,
    /// Uuid of the pipeline.
    pub pipeline_id: Option<String>,
    /// Short name of the organization, as in URLs.
    pub organization: Option<String>,
    /// Uuid of the organization.
    pub organization_id: Option<String>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When a job of it failed while it went on.
    pub failing_at: Option<Timestamp>,
    /// When it finished, or was blocked.
    pub finished_at: Option<Timestamp>,
    /// When it was so: `time` of the EventBridge envelope, which knows whole seconds.
    pub event_at: Timestamp,
    /// `detail-type` as given, informational.
    pub detail_type: Option<String>,
    /// Message that told.
    pub message_id: String,
    /// When that was sent.
    pub message_at: Option<Timestamp>,
}

/// What an event says.
pub type Record = Box<Build>;

/// What makes one event newer than another. Compares as the guard in `sql/upsert_builds.sql` does.
type Version<'b> = (Order<'b>, [Option<&'b str>; 13], Option<Timestamp>);

/// What events that EventBridge made differ in.
type Order<'b> = (i64, Timestamp, u8, Option<Timestamp>, Option<Timestamp>, Option<Timestamp>, &'b str);

/// A build that has started longer ago than this when it says that it runs goes on after something.
const START: SignedDuration = SignedDuration::from_secs(1);

impl Build {
    /// Limits the times that the sender wrote.
    ///
    /// # Errors
    /// Never; other sources reject records.
    pub fn limit_times(&mut self, latest: Latest) -> Result<(), Refusal> {
        latest.cut(&mut self.event_at);
        latest.cut_all([&mut self.started_at, &mut self.failing_at, &mut self.finished_at]);
        Ok(())
    }

    /// How far a build is within a second, which is as exact as times of events are. A build that says that it runs, and
    /// started before, was unblocked or tried again: so it counts over `blocked`, which one that has just started or failed does not.
    #[must_use]
    pub fn rank(&self) -> u8 {
        let just_started = self.started_at.is_none_or(|start| self.event_at.duration_since(start) <= START);
        match self.state.as_str() {
            state if WAITING.contains(&state) => 0,
            "skipped" if self.skipped_from.is_some() => 1,
            "failing" | "started_failing" => 2,
            "started" | "running" if just_started => 2,
            "blocked" => 3,
            _ => 4,
        }
    }

    /// The number first; then the time; within one second, what has got further; then the id of the message, so that any
    /// two machines agree; of two that bear one id, which nobody should send, what they say.
    #[must_use]
    pub fn version(&self) -> Version<'_> {
        let times = (self.finished_at, self.failing_at, self.started_at);
        let order = (self.number, self.event_at, self.rank(), times.0, times.1, times.2, self.message_id.as_str());
        let said = [
            Some(&self.state),
            self.blocked_state.as_ref(),
            self.organization.as_ref(),
            self.pipeline.as_ref(),
            self.commit.as_ref(),
            self.branch.as_ref(),
            self.source.as_ref(),
            self.repo.as_ref().map(|repo| &repo.host),
            self.repo.as_ref().map(|repo| &repo.path),
            self.title.as_ref(),
            self.pipeline_id.as_ref(),
            self.organization_id.as_ref(),
            self.detail_type.as_ref(),
        ];
        (order, said.map(|text| text.map(String::as_str)), self.message_at)
    }
}
