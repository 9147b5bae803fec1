//! Moves of a job (facts: `travis-hub.md` 2.1 to 2.3).

use super::Rows;
use super::notify::On;
use crate::travis::record::{Event, Job, Message, State, Told, Version};

impl Job {
    /// Whether it is still to be started.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, None | Some(State::Created))
    }

    /// Takes times that a message tells; what is known already stays. Nothing is received before it was queued.
    fn hear(&mut self, told: &Told, event: Event) {
        let keep = |known: &mut Option<_>, told: Option<_>| *known = known.or(told);
        keep(&mut self.queued_at, told.queued_at);
        keep(&mut self.received_at, told.received_at);
        if event != Event::Receive {
            keep(&mut self.started_at, told.started_at);
        }
        if let Event::Finish(_) = event {
            keep(&mut self.finished_at, told.finished_at);
        }
        if let (Some(queued), Some(received)) = (self.queued_at, self.received_at) {
            self.received_at = Some(received.max(queued));
        }
        if told.vm_size.is_some() {
            self.vm_size.clone_from(&told.vm_size);
        }
    }

    /// Puts the time of an event in, should nothing tell it.
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

    /// Back to where it waits to be started.
    pub(super) fn wait_anew(&mut self) {
        self.state = Some(State::Created);
        self.queued_at = None;
        self.received_at = None;
        self.started_at = None;
        self.finished_at = None;
        self.canceled_at = None;
    }
}

impl Rows {
    /// Moves a job, and with it its stage and its build, if its state allows. Knows no guard but the rank of states:
    /// [`Rows::apply`] is for messages.
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
                    job.hear(&message.told, message.event);
                    job.default_time(message);
                }
                Event::Cancel => {
                    job.canceled_at = Some(now);
                    job.finished_at = Some(now);
                }
                Event::Restart => {
                    job.wait_anew();
                    job.restarted_at = Some(now);
                    job.restarted_by = message.told.restarted_by.or(job.restarted_by);
                }
                Event::Reset => job.wait_anew(),
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

    /// Whether the build has ended badly before all of its jobs have: bad news wait for the last of them.
    fn failed_early(&self) -> bool {
        let canceled = self.build.state == Some(State::Canceled) && self.build.canceled_at != self.build.finished_at;
        (canceled || matches!(self.build.state, Some(State::Failed | State::Errored))) && !self.all_have_ended()
    }

    /// The state that an event leads to; none where the rank of the present one forbids it.
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

    /// Takes the times of a receive or start that came late; the state stays. So any order gives the same row.
    pub(super) fn fill_in(&mut self, index: usize, message: &Message) {
        let job = &self.jobs[index];
        let is_late = match message.event {
            Event::Receive => job.state > Some(State::Received),
            Event::Start => job.state > Some(State::Started),
            _ => false,
        };
        // What was canceled before it ran never ran.
        if !is_late || (job.state == Some(State::Canceled) && job.started_at.is_none()) {
            return;
        }
        self.edit_job(index, |job| {
            job.hear(&message.told, message.event);
            job.default_time(message);
        });
        if message.event == Event::Start {
            self.start_above(index, message);
            self.settle();
            // It began once, whatever has become of it since.
            let began = !self.is_of_older_run(message);
            self.outcome.is_last |= began;
            self.outcome.is_current |= began;
        }
    }
}
