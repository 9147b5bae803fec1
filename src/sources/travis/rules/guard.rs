//! Guards for messages about a job: which run a message belongs to, whether it is outdated, whether a job was reset too
//! often.

use jiff::{SignedDuration, Timestamp};

use super::Rows;
use crate::sources::travis::record::{Details, Event, Job, Message, Object, State};

/// Tolerance for clocks of workers and senders that differ or cut times to seconds.
pub(super) const SKEW: SignedDuration = SignedDuration::from_secs(2);
/// A job is ended as errored after this many resets, if the first one was at least `RESETS_FOR` ago.
const MAX_RESETS: i32 = 50;
/// Minimum time since the first reset.
const RESETS_FOR: SignedDuration = SignedDuration::from_hours(6);
/// The count of resets begins anew this long after the last one.
const RESETS_EXPIRE_AFTER: SignedDuration = SignedDuration::from_hours(24);

impl Rows {
    /// Applies a message to a job, if the guards allow.
    pub(super) fn apply_to_job(&mut self, index: usize, message: &Message) {
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
        if is_overtaken(job, &message.details) {
            return self.fill_in(index, message);
        }
        self.note_run(index, &message.details);
        let state = self.jobs[index].state;
        match (message.event, state) {
            (Event::Receive | Event::Start, Some(State::Errored | State::Canceled)) => {
                // A worker is about to run a job that has ended.
                self.cancel_at_worker(index, message);
                self.fill_in(index, message);
            }
            (Event::Reset | Event::Finish(_), Some(State::Canceled)) => {}
            // The run has ended: there is nothing to reset.
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

    /// Stores the worker's id of the run, and the highest number of its messages.
    fn note_run(&mut self, index: usize, details: &Details) {
        let Some(uuid) = &details.uuid else { return };
        self.edit_job(index, |job| {
            if job.run.uuid.as_ref() != Some(uuid) {
                job.run.uuid = Some(uuid.clone());
                job.run.count = None;
            }
            job.run.count = job.run.count.max(details.count);
        });
    }

    /// Begins a run: stores the values that distinguish its messages from those of earlier runs.
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

/// Whether a message belongs to an earlier run, or is a duplicate of the one that began the present run.
fn is_of_older_run(job: &Job, message: &Message) -> bool {
    let run = &job.run;
    let details = &message.details;
    if details.attempt.is_some_and(|attempt| attempt < run.attempt) {
        return true;
    }
    let Some(began) = run.at else { return false };
    if message.at() < began || run.message_id.as_ref() == Some(&message.id) {
        return true;
    }
    if details.uuid.is_some() && details.uuid == run.previous_uuid {
        return true;
    }
    let times = [details.queued_at, details.received_at, details.started_at, details.finished_at];
    // The run of a message began at the latest with its earliest time.
    times.into_iter().flatten().min().is_some_and(|first| first.saturating_add(SKEW).is_ok_and(|first| first < began))
}

/// Whether a later message of the same run has been applied. An equal number is a duplicate, which is idempotent.
fn is_overtaken(job: &Job, details: &Details) -> bool {
    details.uuid.is_some() && details.uuid == job.run.uuid && details.count.is_some() && details.count < job.run.count
}

fn too_many_resets(job: &Job, now: Timestamp) -> bool {
    let resets = &job.resets;
    let since = |at: Option<Timestamp>| at.map(|at| now.duration_since(at));
    resets.count >= MAX_RESETS
        && since(resets.first_at).is_some_and(|time| time >= RESETS_FOR)
        && since(resets.last_at).is_none_or(|time| time <= RESETS_EXPIRE_AFTER)
}

fn note_reset(job: &mut Job, now: Timestamp) {
    let resets = &mut job.resets;
    if resets.last_at.is_some_and(|last| now.duration_since(last) > RESETS_EXPIRE_AFTER) {
        *resets = Default::default();
    }
    resets.count = resets.count.saturating_add(1);
    resets.first_at.get_or_insert(now);
    resets.last_at = Some(now);
}
