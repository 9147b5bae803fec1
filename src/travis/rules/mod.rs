//! Pure decisions over the rows of one build, which the caller has locked (facts: `travis-hub.md` 2 and 3).
//!
//! [`Rows::apply`] is the way in for messages: guards first, then [`Rows::move_job`], which moves a job and with it its
//! stage and its build. What differs from upstream, and why, is in the table of [`crate::travis`].

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

pub use self::events::Happened;
use super::record::{Build, Event, Job, Message, Object, Repository, Source, Stage, State, Version};

/// A job that was queued, received or started, and of which nothing was heard for so long, is given up.
pub const PATIENCE: SignedDuration = SignedDuration::from_hours(6);

/// A message that has waited for so long for the build that it is about will not see it any more.
pub const WAITING: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The rows of one build, and what comes of its messages.
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
    /// What comes of the messages.
    pub outcome: Outcome,
}

/// Where the state that its branch had before a build comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Previous {
    /// From the message that created the build.
    #[default]
    Told,
    /// From the newest build before it that has ended, by its id, if there is one.
    Found(Option<i64>),
}

/// What comes of messages, beside changed rows.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Runs that were ended by a restart.
    pub versions: Vec<Version>,
    /// Jobs that wait to be started from now on, and that do no longer.
    pub queueable: BTreeMap<i64, bool>,
    /// What happened, in order.
    pub happened: Vec<Happened>,
    /// Whether the repository's `last_build_*` may have to follow.
    pub is_last: bool,
    /// Whether the build has begun, and may be its repository's current one.
    pub is_current: bool,
    /// Whether the message that is applied is of no person: a newer build takes the place of this one.
    pub(super) is_automatic: bool,
    touched: bool,
}

impl Message {
    /// When it was sent.
    pub(super) fn at(&self) -> Timestamp {
        self.sent_at.unwrap_or_default()
    }

    /// As the source of a row.
    pub(super) fn source(&self) -> Source {
        Source { message_at: self.at(), message_id: self.id.clone() }
    }
}

impl Rows {
    /// Rows as they were read.
    #[must_use]
    pub fn new(repository: Repository, build: Build, stages: Vec<Stage>, jobs: Vec<Job>) -> Self {
        Self { repository, build, stages, jobs, previous: Previous::Told, outcome: Outcome::default() }
    }

    /// Takes the state before the build from those of its branch before it, where one of them is newer than what is known.
    pub fn follow<'r>(&mut self, before: impl DoubleEndedIterator<Item = &'r Self>) {
        let Previous::Found(known) = self.previous else { return };
        let is_before = |other: &&Self| {
            let counts = matches!(other.build.event_type.as_deref(), Some("push" | "api" | "cron"));
            let one_branch = other.build.branch.is_some() && other.build.branch == self.build.branch;
            let one_line = one_branch && other.build.repository_id == self.build.repository_id;
            one_line && counts && other.build.state.is_some_and(State::is_finished)
        };
        if let Some(other) = before.rev().find(is_before)
            && Some(other.build.id) >= known
        {
            self.previous = Previous::Found(Some(other.build.id));
            self.build.previous_state = other.build.state;
        }
    }

    /// Does what a message asks for, as far as it may. Returns whether anything changed.
    pub fn apply(&mut self, message: &Message) -> bool {
        self.outcome.touched = false;
        self.outcome.is_automatic = message.told.auto;
        match message.object {
            Object::Job(id) => {
                if let Some(index) = self.jobs.iter().position(|job| job.id == id) {
                    self.take_for_job(index, message);
                }
            }
            // The build itself is moved by its jobs; one without jobs has no other way to an end.
            Object::Build(_) => {
                for index in 0..self.jobs.len() {
                    self.take_for_job(index, message);
                }
                if message.event == Event::Create {
                    self.create_build(message);
                } else if self.jobs.is_empty() {
                    self.move_alone(message);
                }
            }
        }
        if self.outcome.touched {
            self.sign();
        }
        self.outcome.touched
    }

    /// Ends jobs that nobody has heard of for too long, as the sweep for stale jobs does. `message` carries the id of the
    /// sweep and its time.
    pub fn give_up(&mut self, job_id: i64, message: &Message) -> bool {
        let stale = self.jobs.iter().position(|job| job.id == job_id && !job.is_finished() && !job.is_waiting());
        stale.is_some_and(|index| {
            self.outcome.touched = false;
            self.move_job(index, message);
            self.sign();
            self.outcome.touched
        })
    }

    /// The build and its stages name the latest of the messages that gave their jobs their states. Derived from the jobs,
    /// so that the order in which messages came does not show.
    fn sign(&mut self) {
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

    /// Changes a job, and notes whether that made a difference.
    fn edit_job(&mut self, index: usize, change: impl FnOnce(&mut Job)) {
        let before = self.jobs[index].clone();
        change(&mut self.jobs[index]);
        self.outcome.touched |= self.jobs[index] != before;
    }

    /// Changes a stage; whether that made a difference.
    fn edit_stage(&mut self, index: usize, change: impl FnOnce(&mut Stage)) -> bool {
        let before = self.stages[index].clone();
        change(&mut self.stages[index]);
        let changed = self.stages[index] != before;
        self.outcome.touched |= changed;
        changed
    }

    /// Changes the build; whether that made a difference.
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

/// The answer to `PATCH /jobs/:id/state` of a worker: 200 when the job now stands where it asked, even if it stood there
/// before; 409 when it does not, or was canceled, whereupon the worker stops.
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

impl Event {
    /// Whether it begins a run.
    fn begins_a_run(self) -> bool {
        matches!(self, Self::Restart | Self::Reset)
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
