//! The combined state of the jobs of a build or a stage (facts: `travis-hub.md` 3.2).

use crate::sources::travis::record::{Job, State};

/// Whether all jobs have ended, or with `fast_finish` all jobs that must not fail.
#[must_use]
pub fn is_finished(jobs: &[&Job], fast_finish: bool) -> bool {
    jobs.iter().all(|job| job.is_finished())
        || (fast_finish && jobs.iter().filter(|job| !job.allow_failure).all(|job| job.is_finished()))
}

/// The worst state of the jobs that must not fail: canceled before errored before failed. `None` while it is open.
#[must_use]
pub fn state(jobs: &[&Job]) -> Option<State> {
    let states: Vec<Option<State>> = jobs.iter().filter(|job| !job.allow_failure).map(|job| job.state).collect();
    let worst = [State::Canceled, State::Errored, State::Failed].into_iter().find(|s| states.contains(&Some(*s)));
    worst.or_else(|| states.iter().all(|state| *state == Some(State::Passed)).then_some(State::Passed))
}

/// The sum of the durations of the jobs in whole seconds; a job without both times counts 0. `None` until all have
/// ended.
#[must_use]
pub fn duration(jobs: &[&Job], fast_finish: bool) -> Option<i32> {
    if jobs.is_empty() || !is_finished(jobs, fast_finish) {
        return None;
    }
    let seconds = |job: &&Job| match (job.started_at, job.finished_at) {
        (Some(start), Some(end)) => end.duration_since(start).as_secs().max(0),
        _ => 0,
    };
    Some(i32::try_from(jobs.iter().map(seconds).sum::<i64>()).unwrap_or(i32::MAX))
}
