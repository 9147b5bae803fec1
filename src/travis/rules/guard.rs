//! What is asked before a job is moved: whose run a message is of, whether it is too late, whether too much was asked.

use jiff::{SignedDuration, Timestamp};

use super::Rows;
use crate::travis::record::{Event, Job, Message, Object, State, Told};

/// Clocks of workers and senders differ by so much, and some cut to seconds.
pub(super) const SKEW: SignedDuration = SignedDuration::from_secs(2);
/// After so many resets ..
const MOST_RESETS: i32 = 50;
/// .. and so long a time since the first, a job is given up.
const RESETS_FOR: SignedDuration = SignedDuration::from_hours(6);
/// So long after the last reset they are forgotten.
const RESETS_FORGOTTEN: SignedDuration = SignedDuration::from_hours(24);

impl Rows {
    /// Moves a job by a message, unless something is against it.
    pub(super) fn take_for_job(&mut self, index: usize, message: &Message) {
        let job = &self.jobs[index];
        if is_of_older_run(job, message) {
            return;
        }
        if message.object == Object::Build(self.build.id) {
            self.move_job(index, message);
            if message.event.begins_a_run() {
                self.begin_run(index, message);
            }
            return;
        }
        if is_overtaken(job, &message.told) {
            return self.fill_in(index, message);
        }
        self.note_run(index, &message.told);
        let state = self.jobs[index].state;
        match (message.event, state) {
            (Event::Receive | Event::Start, Some(State::Errored | State::Canceled)) => {
                // A worker is about to run what has ended.
                self.cancel_at_worker(index, message);
                self.fill_in(index, message);
            }
            (Event::Reset | Event::Finish(_), Some(State::Canceled)) => {}
            // The run has an end already: nothing is left to be given back.
            (Event::Reset, Some(state)) if state.is_finished() => {}
            (Event::Reset, _) if too_many_resets(&self.jobs[index], message.at()) => {
                let end = Message { event: Event::Finish(State::Errored), ..message.clone() };
                self.move_job(index, &end);
            }
            (Event::Receive, Some(state)) if state > State::Received => self.fill_in(index, message),
            (Event::Start, Some(state)) if state > State::Started => self.fill_in(index, message),
            _ => {
                let moved = self.move_job(index, message);
                if moved && message.event.begins_a_run() {
                    self.begin_run(index, message);
                }
            }
        }
    }

    /// Keeps who runs the job, and how far its messages have come.
    fn note_run(&mut self, index: usize, told: &Told) {
        let Some(uuid) = &told.uuid else { return };
        self.edit_job(index, |job| {
            if job.run.uuid.as_ref() != Some(uuid) {
                job.run.uuid = Some(uuid.clone());
                job.run.count = None;
            }
            job.run.count = job.run.count.max(told.count);
        });
    }

    /// Tells what comes from now on from what was.
    fn begin_run(&mut self, index: usize, message: &Message) {
        self.edit_job(index, |job| {
            let run = &mut job.run;
            run.at = Some(message.at());
            run.message_id = Some(message.id.clone());
            run.previous_uuid = run.uuid.take().or(run.previous_uuid.take());
            run.count = None;
            match message.event {
                Event::Restart => run.attempt = run.attempt.saturating_add(1),
                _ => note_reset(job, message.at()),
            }
        });
    }
}

/// Whether a message is of a run before the present one, or is the one that began it, once more.
fn is_of_older_run(job: &Job, message: &Message) -> bool {
    let run = &job.run;
    let told = &message.told;
    if told.attempt.is_some_and(|attempt| attempt < run.attempt) {
        return true;
    }
    let Some(began) = run.at else { return false };
    if message.at() < began || run.message_id.as_ref() == Some(&message.id) {
        return true;
    }
    if told.uuid.is_some() && told.uuid == run.previous_uuid {
        return true;
    }
    let times = [told.queued_at, told.received_at, told.started_at, told.finished_at];
    // What a message tells of began with its earliest time.
    times.into_iter().flatten().min().is_some_and(|first| first.saturating_add(SKEW).is_ok_and(|first| first < began))
}

/// Whether a later message of the same run is known already. An equal number is a duplicate, and does no harm.
fn is_overtaken(job: &Job, told: &Told) -> bool {
    told.uuid.is_some() && told.uuid == job.run.uuid && told.count.is_some() && told.count < job.run.count
}

fn too_many_resets(job: &Job, now: Timestamp) -> bool {
    let resets = &job.resets;
    let since = |at: Option<Timestamp>| at.map(|at| now.duration_since(at));
    resets.count >= MOST_RESETS
        && since(resets.first_at).is_some_and(|time| time >= RESETS_FOR)
        && since(resets.last_at).is_none_or(|time| time <= RESETS_FORGOTTEN)
}

fn note_reset(job: &mut Job, now: Timestamp) {
    let resets = &mut job.resets;
    if resets.last_at.is_some_and(|last| now.duration_since(last) > RESETS_FORGOTTEN) {
        *resets = Default::default();
    }
    resets.count = resets.count.saturating_add(1);
    resets.first_at.get_or_insert(now);
    resets.last_at = Some(now);
}
