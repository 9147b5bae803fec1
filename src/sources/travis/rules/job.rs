//! State changes of a job (facts: `travis-hub.md` 2.1 to 2.3).

use super::Rows;
use super::notify::On;
use crate::sources::travis::record::{Details, Event, Job, Message, State, Version};

impl Job {
    /// Whether it waits to be started.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, None | Some(State::Created))
    }

    /// Fills in missing times from a message; known times stay. A job is not received before it was queued.
    fn fill_in_times(&mut self, details: &Details, event: Event) {
        let fill = |known: &mut Option<_>, new: Option<_>| *known = known.or(new);
        fill(&mut self.queued_at, details.queued_at);
        fill(&mut self.received_at, details.received_at);
        if event != Event::Receive {
            fill(&mut self.started_at, details.started_at);
        }
        if let Event::Finish(_) = event {
            fill(&mut self.finished_at, details.finished_at);
        }
        if let (Some(queued), Some(received)) = (self.queued_at, self.received_at) {
            self.received_at = Some(received.max(queued));
        }
        if details.vm_size.is_some() {
            self.vm_size.clone_from(&details.vm_size);
        }
    }

    /// Sets a missing time of an event to the time of the message.
    fn default_time(&mut self, message: &Message) {
        let now = message.at();
        match message.event {
            Event::Receive => {
                let queued = self.queued_at;
                self.received_at.get_or_insert(queued.map_or(now, |queued| queued.max(now)));
            }
            Event::Start => drop(self.started_at.get_or_insert(now)),
            Event::Finish(state) => {
                self.finished_at.get_or_insert(now);
                if state == State::Canceled {
                    self.canceled_at.get_or_insert(now);
                }
            }
            _ => {}
        }
    }

    /// Resets it: it waits to be started.
    pub(super) fn reset_to_waiting(&mut self) {
        self.state = Some(State::Created);
        self.queued_at = None;
        self.received_at = None;
        self.started_at = None;
        self.finished_at = None;
        self.canceled_at = None;
    }
}

impl Rows {
    /// Changes the state of a job, and of its stage and its build, if the rank of its state allows it. It checks no
    /// other guard; messages go through [`Rows::apply`].
    ///
    /// Returns whether the state allowed it.
    pub fn move_job(&mut self, index: usize, message: &Message) -> bool {
        let Some(state) = self.state_after(index, message.event) else { return false };
        let before = self.jobs[index].state;
        let now = message.at();
        let failed_early = self.failed_early();
        if message.event == Event::Restart {
            let job = self.jobs[index].clone();
            self.outcome.versions.push(Version { number: job.run.attempt, job });
        }
        self.edit_job(index, |job| {
            match message.event {
                Event::Receive | Event::Start | Event::Finish(_) => {
                    job.fill_in_times(&message.details, message.event);
                    job.default_time(message);
                }
                Event::Cancel => {
                    job.canceled_at = Some(now);
                    job.finished_at = Some(now);
                }
                Event::Restart => {
                    job.reset_to_waiting();
                    job.restarted_at = Some(now);
                    job.restarted_by = message.details.restarted_by.or(job.restarted_by);
                }
                Event::Reset => job.reset_to_waiting(),
                Event::Create => {}
            }
            job.state = Some(state);
            if before != Some(state) || message.event.begins_a_run() {
                job.source = message.source();
            }
        });
        let waits = state == State::Created;
        if !waits || before != Some(state) || message.event.begins_a_run() {
            self.outcome.queueable.insert(self.jobs[index].id, waits);
        }
        match message.event {
            Event::Create => self.create_build(message),
            Event::Receive => {}
            Event::Start => self.start_above(index, message),
            Event::Finish(_) => self.finish_above(index, message),
            Event::Cancel => self.cancel_above(index, message),
            Event::Restart | Event::Reset => self.restart_above(index, message),
        }
        if before != Some(state) || message.event.begins_a_run() {
            self.job_happened(index, message.event);
        }
        if message.event == Event::Cancel {
            self.cancel_at_worker(index, message);
        }
        if failed_early && self.all_have_ended() {
            self.notify(On::Finished);
        }
        true
    }

    /// Whether the build has failed or was canceled before all of its jobs ended. The notification is sent after the
    /// last job.
    fn failed_early(&self) -> bool {
        let canceled = self.build.state == Some(State::Canceled) && self.build.canceled_at != self.build.finished_at;
        (canceled || matches!(self.build.state, Some(State::Failed | State::Errored))) && !self.all_have_ended()
    }

    /// The state after an event; `None` if the rank of the present state forbids it.
    fn state_after(&self, index: usize, event: Event) -> Option<State> {
        let state = self.jobs[index].state;
        let (to, allowed) = match event {
            Event::Create => (State::Created, state <= Some(State::Queued)),
            Event::Receive => (State::Received, state <= Some(State::Received)),
            Event::Start => (State::Started, state <= Some(State::Started)),
            Event::Finish(to) => (to, to.is_finished() && state <= Some(to)),
            Event::Cancel => (State::Canceled, !self.jobs[index].is_finished()),
            Event::Restart | Event::Reset => (State::Created, true),
        };
        allowed.then_some(to)
    }

    /// Fills in the times of a late receive or start; the state stays. So any order gives the same row.
    pub(super) fn fill_in(&mut self, index: usize, message: &Message) {
        let job = &self.jobs[index];
        let is_late = match message.event {
            Event::Receive => job.state > Some(State::Received),
            Event::Start => job.state > Some(State::Started),
            _ => false,
        };
        // A job that was canceled before it ran has never run.
        if !is_late || (job.state == Some(State::Canceled) && job.started_at.is_none()) {
            return;
        }
        self.edit_job(index, |job| {
            job.fill_in_times(&message.details, message.event);
            job.default_time(message);
        });
        if message.event == Event::Start {
            self.start_above(index, message);
            self.settle();
            // The build has started, whatever its present state is.
            let is_current = !self.is_of_older_run(message);
            self.outcome.is_last |= is_current;
            self.outcome.is_current |= is_current;
        }
    }
}
