//! The record of this source, a build, and its version: what makes one event of a build newer than another.

use jiff::{SignedDuration, Timestamp};

use crate::transport::{Latest, Rejection};

/// States of a build that has not started.
pub(super) const WAITING: [&str; 3] = ["creating", "scheduled", "waiting"];

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
    /// State as Buildkite names it: `scheduled`, `started`, `passed`, ..
    pub state: String,
    /// `passed`, `failed` or `running` if `state` is `blocked` and the event says which.
    pub blocked_state: Option<String>,
    /// The state that Buildkite reported, if `state` is `skipped` because a later build of the branch has started.
    pub skipped_from: Option<String>,
    /// Commit as given: 40 hex digits, or `HEAD` or a short hash until Buildkite has resolved it.
    pub commit: Option<String>,
    /// Branch.
    pub branch: Option<String>,
    /// First line of the build's message, which is mostly the commit's.
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
    /// When a job failed while the build went on.
    pub failing_at: Option<Timestamp>,
    /// When it finished, or was blocked.
    pub finished_at: Option<Timestamp>,
    /// Time of the event: `time` of the EventBridge envelope, in whole seconds.
    pub event_at: Timestamp,
    /// `detail-type` as given; informational.
    pub detail_type: Option<String>,
    /// Id of the message.
    pub message_id: String,
    /// When the message was sent.
    pub message_at: Option<Timestamp>,
}

/// The record in an event.
pub type Record = Box<Build>;

/// What makes one event newer than another. Compares as the version guard in `sql/upsert_builds.sql` does.
type Version<'b> = (Order<'b>, [Option<&'b str>; 13], Option<Timestamp>);

/// The part of the version in which any two events of EventBridge differ.
type Order<'b> = (i64, Timestamp, u8, Option<Timestamp>, Option<Timestamp>, Option<Timestamp>, &'b str);

/// An event `running` that is later than this after the start means that the build was continued.
const START: SignedDuration = SignedDuration::from_secs(1);

impl Build {
    /// Limits the times that the sender wrote.
    ///
    /// # Errors
    /// Never; other sources reject records.
    pub fn limit_times(&mut self, latest: Latest) -> Result<(), Rejection> {
        latest.cut(&mut self.event_at);
        latest.cut_all([&mut self.started_at, &mut self.failing_at, &mut self.finished_at]);
        Ok(())
    }

    /// Progress of a build, which orders events of the same second (event times are no finer). A running build that
    /// started earlier was unblocked or retried, so it counts over `blocked`; one that has just started or is failing
    /// does not.
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

    /// The version: the number, then the time; within one second the progress; then the message id, so that all
    /// machines agree; for two events with one id, which no sender should produce, their content.
    #[must_use]
    pub fn version(&self) -> Version<'_> {
        let times = (self.finished_at, self.failing_at, self.started_at);
        let order = (self.number, self.event_at, self.rank(), times.0, times.1, times.2, self.message_id.as_str());
        let content = [
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
        (order, content.map(|text| text.map(String::as_str)), self.message_at)
    }
}
