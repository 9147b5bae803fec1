//! Restart and reset: jobs, stages and builds wait again.

use super::Rows;
use crate::sources::travis::record::{Event, Message, Object, State};

impl Rows {
    /// Restarts stage and build of a job that was restarted or reset.
    pub(super) fn restart_above(&mut self, index: usize, message: &Message) {
        if let Some(stage) = self.stage_of(index) {
            let before = self.stages[stage].state;
            self.reopen_stage(stage);
            let did_not_pass = before.is_some_and(|state| state.is_finished() && state != State::Passed);
            // The restart of a whole build restarts each of its jobs separately.
            if did_not_pass && matches!(message.object, Object::Job(_)) {
                self.reopen_later_stages(stage, message);
            }
        }
        self.restart_build(message);
    }

    fn reopen_stage(&mut self, stage: usize) {
        self.edit_stage(stage, |stage| {
            stage.state = Some(State::Created);
            stage.started_at = None;
            stage.finished_at = None;
        });
    }

    /// Makes jobs of later stages wait again that were canceled because this stage did not pass.
    fn reopen_later_stages(&mut self, stage: usize, message: &Message) {
        let id = self.stages[stage].id;
        for index in 0..self.jobs.len() {
            let job = &self.jobs[index];
            if !job.canceled_by_stage() || job.stage_id <= Some(id) {
                continue;
            }
            self.edit_job(index, |job| {
                job.reset_to_waiting();
                job.source = message.source();
            });
            self.outcome.queueable.insert(self.jobs[index].id, true);
            if let Some(later) = self.stage_of(index) {
                self.reopen_stage(later);
            }
            self.job_happened(index, Event::Restart);
        }
    }

    /// Restarts the build. Returns false for a build whose configuration cannot be used: it is not restarted.
    pub fn restart_build(&mut self, message: &Message) -> bool {
        let restart = message.event == Event::Restart;
        if restart && self.build.config_error {
            return false;
        }
        let changed = self.edit_build(|build| {
            build.run_at = build.run_at.max(Some(message.at()));
            build.state = Some(State::Created);
            build.duration = None;
            build.started_at = None;
            build.finished_at = None;
            build.canceled_at = None;
            if restart {
                build.restarted_at = Some(message.at());
            } else {
                build.received_at = build.received_at.or(message.details.received_at);
            }
        });
        self.outcome.is_last = true;
        if changed {
            self.build_happened(Event::Restart);
        }
        true
    }
}
