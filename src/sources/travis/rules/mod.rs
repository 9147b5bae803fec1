//! The state machine of jobs, stages and builds: pure functions of the rows of one build, which the caller has locked
//! (facts: `travis-hub.md` 2 and 3).
//!
//! [`Rows::apply`] applies a message: first the guards, then [`Rows::move_job`], which changes the state of a job and
//! then of its stage and its build. [`crate::sources::travis`] lists the deviations from upstream with the reasons.

mod build;
mod events;
mod guard;
mod job;
pub mod matrix;
pub mod notify;
mod repair;
pub mod startable;
mod times;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub use self::events::Announcement;
use super::record::{Build, Event, Job, Message, Object, Repository, Source, Stage, State, Version};
use crate::outbox;

/// A queued, received or started job without a message for this long is stuck, and is ended as errored.
pub const STUCK_AFTER: SignedDuration = SignedDuration::from_hours(6);

/// A message that has been pending for this long is deleted: its build is no longer expected.
pub const PENDING_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The rows of one build, and the effects of its messages.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Its repository; read only.
    pub repository: Repository,
    /// The build.
    pub build: Build,
    /// Its stages, by id.
    pub stages: Vec<Stage>,
    /// Its jobs, by id.
    pub jobs: Vec<Job>,
    /// Where `previous_state` of the build comes from.
    pub previous: Previous,
    /// Effects of the messages.
    pub outcome: Outcome,
}

/// The origin of `previous_state` of a build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Previous {
    /// The message that created the build.
    #[default]
    Given,
    /// The newest earlier build that has ended, by its id, if there is one.
    Found(Option<i64>),
}

/// Effects of messages, beside changed rows.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Runs that were ended by a restart.
    pub versions: Vec<Version>,
    /// Ids of jobs: true if the job now waits to be started, false if it no longer does.
    pub queueable: BTreeMap<i64, bool>,
    /// Announcements, in order.
    pub happened: Vec<Announcement>,
    /// Whether the repository's `last_build_*` may have to be updated.
    pub is_last: bool,
    /// Whether the build has started, and may be its repository's current one.
    pub is_current: bool,
    /// Whether the message is automatic: a newer build replaces this one.
    pub(super) is_automatic: bool,
    /// Whether the message changed a row.
    touched: bool,
}

impl Message {
    /// When it was sent.
    pub(super) fn at(&self) -> Timestamp {
        self.sent_at.unwrap_or_default()
    }

    /// The source of the rows that it changes.
    pub(super) fn source(&self) -> Source {
        Source { message_at: self.at(), message_id: self.id.clone() }
    }
}

impl Rows {
    /// Rows as they were read.
    #[must_use]
    pub fn new(repository: Repository, build: Build, stages: Vec<Stage>, jobs: Vec<Job>) -> Self {
        Self { repository, build, stages, jobs, previous: Previous::Given, outcome: Outcome::default() }
    }

    /// Sets `previous_state` from an earlier build of the batch, if that is newer than the build that it comes from
    /// now.
    pub fn resolve_previous<'r>(&mut self, before: impl DoubleEndedIterator<Item = &'r Self>) {
        let Previous::Found(known) = self.previous else { return };
        let is_before = |other: &&Self| {
            let counts = matches!(other.build.event_type.as_deref(), Some("push" | "api" | "cron"));
            let same_branch = other.build.branch.is_some() && other.build.branch == self.build.branch;
            let same_repository = other.build.repository_id == self.build.repository_id;
            same_branch && same_repository && counts && other.build.state.is_some_and(State::is_finished)
        };
        if let Some(other) = before.rev().find(is_before)
            && Some(other.build.id) >= known
        {
            self.previous = Previous::Found(Some(other.build.id));
            self.build.previous_state = other.build.state;
        }
    }

    /// Applies a message, as far as the guards allow. Returns whether a row changed.
    pub fn apply(&mut self, message: &Message) -> bool {
        self.outcome.touched = false;
        self.outcome.is_automatic = message.details.auto;
        match message.object {
            Object::Job(id) => {
                if let Some(index) = self.jobs.iter().position(|job| job.id == id) {
                    self.apply_to_job(index, message);
                }
            }
            // The state of a build follows from its jobs; only a build without jobs changes by itself.
            Object::Build(_) => {
                for index in 0..self.jobs.len() {
                    self.apply_to_job(index, message);
                }
                if message.event == Event::Create {
                    self.create_build(message);
                } else if self.jobs.is_empty() {
                    self.move_build_without_jobs(message);
                }
            }
        }
        if self.outcome.touched {
            self.update_sources();
        }
        self.record_failure(message);
        self.outcome.touched
    }

    /// Records that the build or one of its required jobs failed, if a message says so, also one that has no other
    /// effect: so the order of arrival does not matter.
    fn record_failure(&mut self, message: &Message) {
        let failed = |state: State| matches!(state, State::Failed | State::Errored);
        let required = |id: Option<i64>| {
            let mut jobs = self.jobs.iter().filter(|job| id.is_none_or(|id| job.id == id));
            jobs.any(|job| !job.allow_failure)
        };
        let says_so = match (message.event, message.object) {
            (Event::Finish(state), Object::Job(id)) => failed(state) && required(Some(id)),
            (Event::Finish(state), Object::Build(_)) => failed(state) && (self.jobs.is_empty() || required(None)),
            _ => false,
        };
        if says_so || self.build.state.is_some_and(failed) {
            self.build.ever_bad = Some(true);
        }
    }

    /// Ends a stuck job. `message` has the id and the time of the sweep. Returns whether a row changed.
    pub fn end_stuck_job(&mut self, job_id: i64, message: &Message) -> bool {
        let stuck = self.jobs.iter().position(|job| job.id == job_id && !job.is_finished() && !job.is_waiting());
        stuck.is_some_and(|index| {
            self.outcome.touched = false;
            self.move_job(index, message);
            self.update_sources();
            self.record_failure(message);
            self.outcome.touched
        })
    }

    /// Sets the source of the build and its stages to the latest of the messages that gave their jobs their states. It
    /// is derived from the jobs, so that the order of arrival has no effect.
    fn update_sources(&mut self) {
        if let Some(latest) = self.jobs.iter().map(|job| &job.source).max()
            && self.build.source < *latest
        {
            self.build.source = latest.clone();
        }
        for stage in &mut self.stages {
            let of_stage = self.jobs.iter().filter(|job| job.stage_id == Some(stage.id));
            if let Some(latest) = of_stage.map(|job| &job.source).max()
                && stage.source < *latest
            {
                stage.source = latest.clone();
            }
        }
    }

    /// Changes a job, and records whether its row changed.
    fn edit_job(&mut self, index: usize, change: impl FnOnce(&mut Job)) {
        let before = self.jobs[index].clone();
        change(&mut self.jobs[index]);
        self.outcome.touched |= self.jobs[index] != before;
    }

    /// Changes a stage. Returns whether its row changed.
    fn edit_stage(&mut self, index: usize, change: impl FnOnce(&mut Stage)) -> bool {
        let before = self.stages[index].clone();
        change(&mut self.stages[index]);
        let changed = self.stages[index] != before;
        self.outcome.touched |= changed;
        changed
    }

    /// Changes the build. Returns whether its row changed.
    fn edit_build(&mut self, change: impl FnOnce(&mut Build)) -> bool {
        let before = self.build.clone();
        change(&mut self.build);
        let changed = self.build != before;
        self.outcome.touched |= changed;
        changed
    }

    fn stage_of(&self, index: usize) -> Option<usize> {
        let id = self.jobs[index].stage_id?;
        self.stages.iter().position(|stage| stage.id == id)
    }

    fn jobs_of_stage(&self, stage: usize) -> Vec<&Job> {
        self.jobs.iter().filter(|job| job.stage_id == Some(self.stages[stage].id)).collect()
    }
}

/// The HTTP status of the answer to `PATCH /jobs/:id/state` of a worker: 200 when the job has the requested state, even
/// if it had it before; 409 when it has another one, or was canceled before: then the worker stops.
#[must_use]
pub fn patch_status(asked: Event, before: Option<State>, after: Option<State>) -> u16 {
    let to = match asked {
        Event::Receive => State::Received,
        Event::Start => State::Started,
        Event::Finish(state) => state,
        Event::Cancel => State::Canceled,
        Event::Create | Event::Restart | Event::Reset => State::Created,
    };
    if before != Some(State::Canceled) && after == Some(to) { 200 } else { 409 }
}

impl State {
    /// The standard state.
    #[must_use]
    pub fn standard(self) -> outbox::State {
        match self {
            Self::Created | Self::Queued => outbox::State::Pending,
            Self::Received | Self::Started => outbox::State::Running,
            Self::Passed => outbox::State::Passed,
            Self::Failed => outbox::State::Failed,
            Self::Errored => outbox::State::Errored,
            Self::Canceled => outbox::State::Canceled,
        }
    }
}

impl Event {
    /// Whether it begins a run.
    fn begins_a_run(self) -> bool {
        matches!(self, Self::Restart | Self::Reset)
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
