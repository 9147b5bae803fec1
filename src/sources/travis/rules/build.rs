//! Updates stages and builds after state changes of their jobs (facts: `travis-hub.md` 3.1 to 3.3).

use jiff::Timestamp;

use super::guard::SKEW;
use super::{Rows, matrix};
use crate::sources::travis::record::{Event, Job, Message, Object, Stage, State};

impl Rows {
    /// Changes a new build to `created`.
    pub(super) fn create_build(&mut self, message: &Message) {
        if matches!(self.build.state, None | Some(State::Queued)) {
            self.edit_build(|build| build.state = Some(State::Created));
            self.build_happened(message.event);
        }
        // A build that ended before it had a job.
        if let Some(state) = self.build.state.filter(|state| state.is_finished() && self.jobs.is_empty())
            && self.build.finished_at.is_none()
        {
            self.edit_build(|build| build.finished_at = Some(message.at()));
            self.outcome.is_last = true;
            self.build_happened(Event::Finish(state));
        }
    }

    /// Applies a message to a build without jobs, for instance one whose configuration could not be read. Of two final
    /// states the one of the higher rank wins, as for jobs, with its time.
    pub(super) fn move_build_without_jobs(&mut self, message: &Message) {
        if self.is_of_older_run(message) {
            return;
        }
        let before = (self.build.state, self.build.restarted_at);
        let started = message.details.started_at.or((message.event == Event::Start).then(|| message.at()));
        match message.event {
            Event::Start => drop(self.start_build(message)),
            Event::Finish(state) if self.build.state <= Some(state) => {
                let end = message.details.finished_at.unwrap_or(message.at());
                let is_new = self.build.state < Some(state);
                self.edit_build(|build| {
                    build.state = Some(state);
                    build.finished_at = if is_new { Some(end) } else { build.finished_at.max(Some(end)) };
                    if state == State::Canceled {
                        build.canceled_at = build.canceled_at.max(Some(message.at()));
                    }
                });
                self.outcome.is_last = true;
                if is_new {
                    self.build_happened(message.event);
                }
            }
            Event::Cancel => drop(self.cancel_build(message)),
            Event::Restart => drop(self.restart_build(message)),
            _ => {}
        }
        if !message.event.begins_a_run() {
            self.edit_build(|build| build.started_at = build.started_at.into_iter().chain(started).min());
        }
        if before != (self.build.state, self.build.restarted_at) {
            self.build.source = message.source();
        }
    }

    /// Starts stage and build of a job that has started.
    pub(super) fn start_above(&mut self, index: usize, message: &Message) {
        self.propagate_times(index, message);
        self.begin_above(index, message);
    }

    fn begin_above(&mut self, index: usize, message: &Message) {
        if self.is_of_older_run(message) {
            return;
        }
        if let Some(stage) = self.stage_of(index)
            && self.stages[stage].state < Some(State::Started)
        {
            self.edit_stage(stage, |stage| stage.state = Some(State::Started));
        }
        self.start_build(message);
    }

    /// Starts the build, unless it has started. Returns whether it did.
    pub fn start_build(&mut self, message: &Message) -> bool {
        if self.build.state >= Some(State::Started) {
            return false;
        }
        self.edit_build(|build| {
            build.state = Some(State::Started);
            build.started_at.get_or_insert(message.details.started_at.unwrap_or(message.at()));
        });
        self.outcome.is_last = true;
        self.outcome.is_current = true;
        self.build_happened(Event::Start);
        true
    }

    /// Ends stage and build of a job that has ended, if their other jobs have ended as well.
    pub(super) fn finish_above(&mut self, index: usize, message: &Message) {
        self.propagate_times(index, message);
        let stage = self.stage_of(index);
        // A message of an older run does not end a build that was restarted since.
        let is_older = self.is_of_older_run(message);
        let fast = self.build.fast_finish && !is_older;
        let of_stage = stage.is_none_or(|stage| self.finish_stage(stage, None, fast));
        let counts = of_stage && !is_older;
        if let Some(stage) = stage.filter(|stage| counts && self.stages[*stage].state != Some(State::Passed)) {
            self.cancel_rest(stage);
        }
        if of_stage {
            self.finish_build(message.event, fast);
        }
        if message.details.started_at.is_some() {
            // It has started, even if its start message arrives later.
            self.begin_above(index, message);
        }
        self.settle();
    }

    /// Ends a stage whose jobs have ended (with `fast`, those that must not fail). Returns whether they have.
    fn finish_stage(&mut self, stage: usize, at: Option<Timestamp>, fast: bool) -> bool {
        let jobs = self.jobs_of_stage(stage);
        let (true, Some(state)) = (matrix::is_finished(&jobs, fast), matrix::state(&jobs)) else { return false };
        let end = at.or_else(|| last_end(&jobs, self.build.fast_finish));
        self.edit_stage(stage, |stage| {
            stage.state = Some(state);
            stage.finished_at = stage.finished_at.max(end);
        });
        true
    }

    /// Cancels the unfinished jobs of later stages after a stage that did not pass. Earlier stages have ended, even if
    /// their messages arrive later.
    fn cancel_rest(&mut self, stage: usize) {
        let jobs = self.jobs_of_stage(stage);
        let last = required(&jobs, self.build.fast_finish).map(|job| &job.source).max();
        let Some(source) = last.cloned() else { return };
        let id = self.stages[stage].id;
        let rest = |job: &Job| job.stage_id > Some(id) && !job.is_finished();
        let rest: Vec<usize> = (0..self.jobs.len()).filter(|&index| rest(&self.jobs[index])).collect();
        for &index in &rest {
            self.edit_job(index, |job| {
                job.state = Some(State::Canceled);
                job.finished_at = Some(source.message_at);
                job.source = source.clone();
            });
            self.outcome.queueable.insert(self.jobs[index].id, false);
            self.job_happened(index, Event::Finish(State::Canceled));
        }
        for index in rest {
            if let Some(other) = self.stage_of(index) {
                self.edit_stage(other, |stage| {
                    stage.state = Some(State::Canceled);
                    stage.finished_at = Some(source.message_at);
                });
            }
        }
    }

    /// Ends the build, if all required jobs have ended.
    fn finish_build(&mut self, event: Event, fast: bool) -> bool {
        let jobs: Vec<&Job> = self.jobs.iter().collect();
        if self.build.state == Some(State::Canceled) || !matrix::is_finished(&jobs, fast) {
            return false;
        }
        let has_ended = |stage: &&Stage| stage.state.is_some_and(|state| state.is_finished() && state != State::Passed);
        let by_stage = self.stages.iter().find(has_ended).and_then(|stage| stage.state);
        let Some(state) = by_stage.or_else(|| matrix::state(&jobs)) else { return false };
        let before = self.build.state;
        let canceled_at = required(&jobs, self.build.fast_finish).filter_map(|job| job.canceled_at).max();
        self.edit_build(|build| {
            build.state = Some(state);
            if state == State::Canceled {
                build.canceled_at = build.canceled_at.max(canceled_at);
            }
        });
        self.settle();
        if before != Some(state) {
            self.build_happened(event);
        }
        true
    }

    /// Updates duration and end of a build that has ended.
    pub(super) fn settle(&mut self) {
        let fast = self.build.fast_finish;
        if !self.build.state.is_some_and(State::is_finished) {
            return;
        }
        let jobs: Vec<&Job> = self.jobs.iter().collect();
        let (duration, end) = (matrix::duration(&jobs, fast), last_end(&jobs, fast));
        self.edit_build(|build| {
            build.duration = duration;
            build.finished_at = build.finished_at.max(end);
        });
        self.outcome.is_last = true;
    }

    /// Cancels stage and build of a job that was canceled, if their other jobs have ended.
    pub(super) fn cancel_above(&mut self, index: usize, message: &Message) {
        if let Some(stage) = self.stage_of(index) {
            let has_ended = self.stages[stage].state.is_some_and(State::is_finished);
            if !has_ended && !self.finish_stage(stage, Some(message.at()), self.build.fast_finish) {
                return;
            }
            // The cancellation of a whole build cancels each of its jobs separately.
            if matches!(message.object, Object::Job(_)) && self.stages[stage].state != Some(State::Passed) {
                self.cancel_rest(stage);
            }
        }
        self.cancel_build(message);
    }

    /// Cancels the build, if none of its jobs runs and it has not ended. Returns whether it did.
    pub fn cancel_build(&mut self, message: &Message) -> bool {
        let jobs: Vec<&Job> = self.jobs.iter().collect();
        let fast = self.build.fast_finish;
        if self.build.state.is_some_and(State::is_finished) || !matrix::is_finished(&jobs, fast) {
            return false;
        }
        let duration = matrix::duration(&jobs, fast);
        self.edit_build(|build| {
            build.state = Some(State::Canceled);
            build.duration = duration;
            build.finished_at = Some(message.at());
            build.canceled_at = Some(message.at());
        });
        self.outcome.is_last = true;
        self.build_happened(Event::Cancel);
        true
    }

    /// Whether the build was restarted after the message was sent, or after the time that it reports (it was sent
    /// again). Such a message still applies to its job, but not to the build.
    pub(super) fn is_of_older_run(&self, message: &Message) -> bool {
        let Some(began) = self.build.run_at else { return false };
        let reported = match message.event {
            Event::Receive => message.details.received_at,
            Event::Start => message.details.started_at,
            Event::Finish(_) => message.details.finished_at,
            _ => None,
        };
        let happened = reported.and_then(|at| at.saturating_add(SKEW).ok());
        message.at() < began || happened.is_some_and(|at| at < began)
    }

    /// Sets the times of stage and build to the earliest times of their jobs.
    pub(super) fn propagate_times(&mut self, index: usize, message: &Message) {
        if self.is_of_older_run(message) {
            return;
        }
        let has_started = message.event == Event::Start || message.details.started_at.is_some();
        let started = self.jobs[index].started_at.filter(|_| has_started);
        let received = message.details.received_at;
        let earliest = |known: Option<Timestamp>, new: Option<Timestamp>| known.into_iter().chain(new).min();
        if let Some(stage) = self.stage_of(index) {
            self.edit_stage(stage, |stage| stage.started_at = earliest(stage.started_at, started));
        }
        let changed = self.edit_build(|build| {
            build.started_at = earliest(build.started_at, started);
            build.received_at = earliest(build.received_at, received);
        });
        self.outcome.is_last |= changed && self.build.state >= Some(State::Started);
    }
}

/// The required jobs, whose end the build waits for: all, or with `fast_finish` those that must not fail.
fn required<'j>(jobs: &'j [&'j Job], fast_finish: bool) -> impl Iterator<Item = &'j Job> {
    let skips_optional = fast_finish && jobs.iter().any(|job| !job.allow_failure);
    jobs.iter().copied().filter(move |job| !(skips_optional && job.allow_failure))
}

/// The latest end of the required jobs. Jobs that were canceled because of a stage do not count.
fn last_end(jobs: &[&Job], fast_finish: bool) -> Option<Timestamp> {
    let own = required(jobs, fast_finish).filter(|job| !job.canceled_by_stage());
    own.filter_map(|job| job.finished_at).max()
}
