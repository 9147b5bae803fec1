//! Decisions of GitLab CI: ranks and states of statuses, lanes, names of checks. Pure.
//!
//! Statuses: gitlabhq `app/models/concerns/ci/has_status.rb`, and `canceling` of newer releases. One that is not known
//! is stored as it is, and counts as open.

use crate::checks::{Lane, Outcome};
use crate::outbox::State;

/// The rank of a job's status: how far the job is. `skipped` is as low as `created`: a retry of an earlier job makes
/// a skipped job `created` again, under the same number.
#[must_use]
pub fn job_rank(status: &str) -> i16 {
    match status {
        "created" | "skipped" => 0,
        "waiting_for_resource" | "preparing" | "pending" | "scheduled" | "manual" => 1,
        "canceling" => 3,
        "success" | "failed" | "canceled" => 4,
        // `running`, and what is not known.
        _ => 2,
    }
}

/// The rank of a pipeline's status among messages with the same jobs and times.
#[must_use]
pub fn pipeline_rank(status: &str) -> i16 {
    match status {
        "created" => 0,
        "waiting_for_resource" => 1,
        "preparing" => 2,
        "pending" => 3,
        "canceling" => 5,
        "manual" | "scheduled" => 6,
        "skipped" | "canceled" | "failed" | "success" => 7,
        // `running`, and what is not known.
        _ => 4,
    }
}

/// The rank of a deployment's status among messages of one time.
#[must_use]
pub fn deployment_rank(status: &str) -> i16 {
    match status {
        "created" => 0,
        "blocked" => 1,
        "success" | "failed" | "canceled" | "skipped" => 3,
        // `running`, and what is not known.
        _ => 2,
    }
}

/// The state that the words have in common for pipelines and jobs.
fn state(status: &str) -> State {
    match status {
        "created" | "waiting_for_resource" | "preparing" | "pending" => State::Pending,
        "running" => State::Running,
        "canceling" => State::Canceling,
        "scheduled" | "manual" => State::Blocked,
        "success" => State::Passed,
        "failed" => State::Failed,
        "canceled" => State::Canceled,
        "skipped" => State::Skipped,
        _ => State::Unknown,
    }
}

/// The state of a pipeline. `has_failed`: the newest attempt of a job failed that may not fail. GitLab says `running`
/// or `manual` of such a pipeline.
#[must_use]
pub fn pipeline_state(status: &str, has_failed: bool) -> State {
    match (state(status), has_failed) {
        (State::Pending | State::Running, true) => State::Failing,
        (State::Blocked, true) => State::BlockedFailed,
        // `[ci skip]`: nothing ran.
        (State::Skipped, _) => State::NotRun,
        (state, _) => state,
    }
}

/// The state of a job. One that failed and may fail has passed, with a warning.
#[must_use]
pub fn job_state(status: &str, allow_failure: bool) -> State {
    match state(status) {
        State::Failed if allow_failure => State::Passed,
        state => state,
    }
}

/// Whether a pipeline or a job has ended. One in a status that is not known may go on.
#[must_use]
pub fn has_ended(status: &str) -> bool {
    matches!(state(status), State::Passed | State::Failed | State::Canceled | State::Skipped)
}

/// The state of jobs of one name: what has failed comes before what goes on, that before what waits, and that before
/// what succeeded. With the place of the job that decided.
#[must_use]
pub fn united_state(states: &[State]) -> Option<(State, usize)> {
    let place = |state: State| match state {
        state if Outcome::of(state) == Outcome::Bad => 0,
        State::Canceling => 1,
        State::Running => 2,
        State::Pending => 3,
        State::Unknown => 4,
        state if Outcome::of(state) == Outcome::Held => 5,
        State::Canceled => 6,
        State::Passed => 7,
        _ => 8,
    };
    let (at, state) = states.iter().enumerate().min_by_key(|(at, state)| (place(**state), *at))?;
    let is_open = states.iter().any(|state| Outcome::of(*state) == Outcome::Open);
    let state = if *state == State::Failed && is_open { State::Failing } else { *state };
    Some((state, at))
}

/// What decides the lane of a pipeline.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cause<'c> {
    /// What started it; of a child pipeline, what started the pipeline at the top.
    pub source: &'c str,
    /// Whether it runs for a tag.
    pub tag: bool,
    /// Whether it runs for a merge request.
    pub is_of_request: bool,
    /// The kind of ref of a merge request, if a hook about a job has it.
    pub merge_ref: Option<&'c str>,
}

/// Why a pipeline ran. A pipeline that another project's pipeline started has a lane of its own: it may have failed
/// because of a commit of that project.
#[must_use]
pub fn lane(cause: Cause<'_>) -> Lane {
    match cause.source {
        "schedule" | "security_orchestration_policy" => Lane::Schedule,
        "pipeline" | "container_registry_push" | "duo_workflow" => Lane::Dispatch,
        source if source.starts_with("ondemand_dast_") => Lane::Dispatch,
        _ if cause.tag => Lane::Tag,
        _ if cause.merge_ref == Some("train") => Lane::Queue,
        "merge_request_event" | "external_pull_request_event" => Lane::Mr,
        _ if cause.is_of_request || cause.merge_ref.is_some() => Lane::Mr,
        _ => Lane::Push,
    }
}

/// The kind of ref of a merge request, from `refs/merge-requests/7/train`, and the number.
#[must_use]
pub fn merge_ref(git_ref: &str) -> Option<(i64, &str)> {
    let (iid, kind) = git_ref.strip_prefix("refs/merge-requests/")?.split_once('/')?;
    Some((iid.parse().ok()?, kind)).filter(|(_, kind)| matches!(*kind, "head" | "merge" | "train"))
}

/// Whether a commit merges a merge request for a try, by its title: the default of GitLab.
#[must_use]
pub fn merges(title: &str, source_branch: &str, target_branch: &str) -> bool {
    title == format!("Merge branch '{source_branch}' into '{target_branch}'")
}

/// The name of the check of a job: `STAGE/NAME`, without the ` 3/8` of jobs that one job was split into.
#[must_use]
pub fn check_name(stage: Option<&str>, name: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = name
        .rsplit_once(' ')
        .filter(|(_, part)| part.split_once('/').is_some_and(|(number, count)| is_number(number) && is_number(count)));
    let name = whole.map_or(name, |(whole, _)| whole.trim_end());
    format!("{}/{name}", stage.unwrap_or("?"))
}

/// The whole hash of the commit in the URL of its page: `../-/commit/HASH`.
#[must_use]
pub fn commit_of(url: &str) -> Option<&str> {
    let hash = url.split_once("/commit/")?.1.split(['/', '?', '#']).next()?;
    Some(hash).filter(|hash| crate::checks::is_whole_hash(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_states() {
        for (status, job, pipeline, with_failed) in [
            ("created", State::Pending, State::Pending, State::Failing),
            ("waiting_for_resource", State::Pending, State::Pending, State::Failing),
            ("preparing", State::Pending, State::Pending, State::Failing),
            ("pending", State::Pending, State::Pending, State::Failing),
            ("running", State::Running, State::Running, State::Failing),
            ("canceling", State::Canceling, State::Canceling, State::Canceling),
            ("scheduled", State::Blocked, State::Blocked, State::BlockedFailed),
            ("manual", State::Blocked, State::Blocked, State::BlockedFailed),
            ("success", State::Passed, State::Passed, State::Passed),
            ("failed", State::Failed, State::Failed, State::Failed),
            ("canceled", State::Canceled, State::Canceled, State::Canceled),
            ("skipped", State::Skipped, State::NotRun, State::NotRun),
            ("glazing", State::Unknown, State::Unknown, State::Unknown),
        ] {
            assert_eq!(job_state(status, false), job, "{status}");
            assert_eq!(pipeline_state(status, false), pipeline, "{status}");
            assert_eq!(pipeline_state(status, true), with_failed, "{status}");
        }
        assert_eq!(job_state("failed", true), State::Passed);
        assert!(has_ended("skipped") && !has_ended("manual") && !has_ended("glazing"));
    }

    #[test]
    fn jobs_of_one_name_have_one_state() {
        use State::{Blocked, Canceled, Failed, Failing, Passed, Pending, Running, Skipped, Unknown};
        for (states, expected) in [
            (&[Passed, Failed, Passed][..], Some((Failed, 1))),
            (&[Running, Failed], Some((Failing, 1))),
            (&[Passed, Pending, Running], Some((Running, 2))),
            (&[Blocked, Unknown], Some((Unknown, 1))),
            (&[Passed, Blocked], Some((Blocked, 1))),
            (&[Passed, Canceled], Some((Canceled, 1))),
            (&[Skipped, Passed], Some((Passed, 1))),
            (&[Skipped], Some((Skipped, 0))),
            (&[], None),
        ] {
            assert_eq!(united_state(states), expected, "{states:?}");
        }
    }

    #[test]
    fn the_cause_of_a_pipeline_decides_its_lane() {
        let cause = |source| Cause { source, ..Cause::default() };
        for (cause, lane_of_it) in [
            (cause("push"), Lane::Push),
            (cause("web"), Lane::Push),
            (cause("api"), Lane::Push),
            (cause("a_new_one"), Lane::Push),
            (cause("merge_request_event"), Lane::Mr),
            (cause("schedule"), Lane::Schedule),
            (Cause { tag: true, ..cause("schedule") }, Lane::Schedule),
            (Cause { tag: true, ..cause("push") }, Lane::Tag),
            (cause("pipeline"), Lane::Dispatch),
            (cause("ondemand_dast_scan"), Lane::Dispatch),
            (Cause { is_of_request: true, ..cause("parent_pipeline") }, Lane::Mr),
            (Cause { is_of_request: true, merge_ref: Some("train"), ..cause("merge_request_event") }, Lane::Queue),
            (Cause { merge_ref: Some("merge"), ..cause("") }, Lane::Mr),
        ] {
            assert_eq!(lane(cause), lane_of_it, "{cause:?}");
        }
    }

    #[test]
    fn refs_of_merge_requests_are_read() {
        assert_eq!(merge_ref("refs/merge-requests/7/train"), Some((7, "train")));
        assert_eq!(merge_ref("refs/merge-requests/7/head"), Some((7, "head")));
        for other in ["main", "refs/merge-requests/x/head", "refs/merge-requests/7/other", "refs/merge-requests/7"] {
            assert_eq!(merge_ref(other), None, "{other}");
        }
    }

    #[test]
    fn parts_of_a_split_job_have_one_name() {
        for (name, expected) in [
            ("unit", "test/unit"),
            ("unit 3/8", "test/unit"),
            ("unit  10/10", "test/unit"),
            ("1/2", "test/1/2"),
            ("unit 3/x", "test/unit 3/x"),
            ("unit: [a, b]", "test/unit: [a, b]"),
            ("", "test/"),
        ] {
            assert_eq!(check_name(Some("test"), name), expected, "{name}");
        }
        assert_eq!(check_name(None, "unit"), "?/unit");
    }

    #[test]
    fn the_hash_is_in_the_url() {
        let hash = "5b1f6c0e9a7d4c3b2a190807f6e5d4c3b2a1908f";
        assert_eq!(commit_of(&format!("https://gitlab.example/g/p/-/commit/{hash}?x")), Some(hash));
        assert_eq!(commit_of("https://gitlab.example/g/p/-/commit/5b1f6c0e"), None);
        assert_eq!(commit_of("https://gitlab.example/commit"), None);
    }
}
