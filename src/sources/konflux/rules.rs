//! Decisions of this source: types and states of objects, projects, hosts, branches. Pure.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::checks::Lane;
use crate::outbox::State;

/// The type of a run, from its label, or without a label from its other marks.
///
/// Labels: release-service `metadata/labels.go`, integration-service, build-service (nudge).
#[must_use]
pub(super) fn run_type(label: Option<&str>, marks: Marks) -> &'static str {
    match label {
        Some("build") => "build",
        Some("test") => "test",
        Some("release" | "managed" | "tenant" | "final" | "managed-collectors" | "tenant-collectors") => "release",
        Some(_) => "other",
        None if marks.nudge => "other",
        None if marks.release => "release",
        None if marks.scenario => "test",
        None if marks.build => "build",
        None => "other",
    }
}

/// The labels and annotations that show the type of a run without a type label.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    /// `build.appstudio.redhat.com/type: nudge`.
    pub(super) nudge: bool,
    /// The name of a Release, or `appstudio.openshift.io/service: release`.
    pub(super) release: bool,
    /// A scenario.
    pub(super) scenario: bool,
    /// A commit of Pipelines as Code and a component.
    pub(super) build: bool,
}

/// State of a `PipelineRun` by its condition `Succeeded` (tektoncd/pipeline
/// `pkg/apis/pipeline/v1/pipelinerun_types.go`).
#[must_use]
pub(super) fn run_state(status: Option<&str>, reason: Option<&str>) -> &'static str {
    match (status, reason.unwrap_or_default()) {
        (Some("True"), _) => "succeeded",
        (Some("False"), "Cancelled" | "CancelledRunningFinally" | "StoppedRunningFinally" | "PipelineRunCancelled") => {
            "cancelled"
        }
        (Some("False"), "PipelineRunTimeout") => "timed_out",
        (Some("False"), _) => "failed",
        (Some(_), "PipelineRunPending" | "ResolvingPipelineRef") | (None, _) => "pending",
        (Some(_), _) => "running",
    }
}

/// Whether a run in this state is finished.
#[must_use]
pub(super) fn finished(state: &str) -> bool {
    !matches!(state, "pending" | "running")
}

/// The worst of several `TEST_OUTPUT` results (integration-service `helpers/integration.go`): a run passes when each
/// is SUCCESS, SKIPPED or WARNING. Other results and invalid ones count as failed.
#[must_use]
pub(super) fn verdict<'a>(outputs: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    const WORST_FIRST: [&str; 5] = ["error", "failed", "warning", "passed", "skipped"];
    let verdicts: Vec<_> = outputs
        .map(|output| match serde_json::from_str::<Value>(output).ok().as_ref().and_then(|o| o["result"].as_str()) {
            Some("SUCCESS") => "passed",
            Some("SKIPPED") => "skipped",
            Some("WARNING") => "warning",
            Some("ERROR") => "error",
            _ => "failed",
        })
        .collect();
    WORST_FIRST.into_iter().find(|worst| verdicts.contains(worst))
}

/// State of a scenario by its status (integration-service `pkg/integrationteststatus`).
#[must_use]
pub(super) fn scenario_state(status: &str) -> &'static str {
    match status {
        "TestPassed" | "TestWarning" => "passed",
        "TestFail" | "TestInvalid" => "failed",
        "EnvironmentProvisionError" | "DeploymentError" => "error",
        "SnapshotCreationFailed" | "BuildPLRFailed" | "GroupSnapshotCreationFailed" => "error",
        "Deleted" => "cancelled",
        "Pending" => "pending",
        _ => "running",
    }
}

/// State of a Snapshot's tests by its conditions: `AppStudioTestSucceeded`, and while that is open
/// `AppStudioIntegrationStatus` by its reason; the names of 2023 began with `HACBS`.
#[must_use]
pub(super) fn snapshot_test_state(succeeded: Option<&str>, integration_reason: Option<&str>) -> Option<&'static str> {
    match (succeeded, integration_reason) {
        (Some("True"), _) => Some("passed"),
        (Some("False"), _) => Some("failed"),
        (_, Some("InProgress" | "Finished")) => Some("running"),
        (_, Some("Canceled")) => Some("cancelled"),
        (_, Some("Invalid" | "ErrorOccured" | "ErrorOccurred")) => Some("error"),
        (_, Some(_)) => Some("running"),
        (Some(_), None) => Some("running"),
        (None, None) => None,
    }
}

/// The release state of a Snapshot, by its condition `AutoReleased`.
#[must_use]
pub(super) fn snapshot_release_state(status: Option<&str>, message: Option<&str>) -> Option<&'static str> {
    match status? {
        "True" if message.is_some_and(|message| message.contains("newer Snapshot")) => Some("superseded"),
        // 'Skipping auto-release of the Snapshot because no ReleasePlans ..': there is no Release to look for.
        "True" if message.is_some_and(|message| message.starts_with("Skipping")) => Some("not_released"),
        "True" => Some("released"),
        "False" => Some("not_released"),
        _ => None,
    }
}

/// State of a Release by its overall condition (`Released`; in 2022 `Succeeded`) and by whether its validation failed,
/// after which nothing runs (release-service `api/v1alpha1/release_conditions.go`). `Progressing` has status False.
#[must_use]
pub(super) fn release_state(status: Option<&str>, reason: Option<&str>, validation_failed: bool) -> &'static str {
    match (status, reason) {
        (Some("True"), _) => "succeeded",
        _ if validation_failed => "failed",
        (Some("False"), Some("Progressing")) | (Some("Unknown"), _) => "running",
        (Some("False"), _) => "failed",
        _ => "pending",
    }
}

/// Time limits for runs of each type, in hours from the start. They are longer than the timeouts in use (4 h for
/// builds, 10 h for tests): a run that is not finished by then is stuck, because the message about its end was lost.
pub(super) const TIME_LIMIT: &[(&str, u32)] = &[("build", 6), ("test", 12), ("release", 24), ("other", 24)];

/// The time limit for runs of a type, in hours.
#[must_use]
pub(super) fn time_limit(kind: &str) -> u32 {
    TIME_LIMIT.iter().find(|(known, _)| *known == kind).map_or(24, |(_, hours)| *hours)
}

/// The time limit for a Release, in hours. Its managed runs can be retried several times.
pub(super) const RELEASE_TIME_LIMIT: u32 = 48;

/// Hours without a message after which an overdue object counts as stuck. The forwarder lists all objects each time it
/// starts, and Tekton prunes runs about 2 h after their end.
pub(super) const SILENCE: u32 = 2;

/// From when on an unfinished object is stuck: its time limit (in hours) after its start, but not before it has been
/// silent for [`SILENCE`]. The statements `mark_stuck_*` compute the same.
#[must_use]
pub(super) fn stuck_since(limit: u32, start: Option<Timestamp>, message_at: Option<Timestamp>) -> Option<Timestamp> {
    let after = |at: Option<Timestamp>, hours: u32| {
        Some(at?.saturating_add(SignedDuration::from_hours(i64::from(hours))).unwrap_or(Timestamp::MAX))
    };
    after(start, limit).max(after(message_at, SILENCE))
}

/// The standard state of a run or Release by its own one, the verdict of its tests, and whether it is deleted: then
/// an unfinished one has no end. Upstream, a run that succeeds without a `TEST_OUTPUT` has passed.
#[must_use]
pub(super) fn check_state(state: &str, verdict: Option<&str>, is_deleted: bool) -> State {
    match (state, verdict) {
        ("succeeded", Some("failed")) => State::Failed,
        ("succeeded", Some("error")) => State::Errored,
        ("succeeded", _) => State::Passed,
        ("failed" | "timed_out", _) => State::Failed,
        ("cancelled", _) => State::Canceled,
        ("pending" | "running", _) if is_deleted => State::Canceled,
        ("pending", _) => State::Pending,
        ("running", _) => State::Running,
        _ => State::Unknown,
    }
}

/// Why a run exists: by its branch if that is of a merge queue or a tag, else by its event, and by the number of the
/// merge request only for events that name neither (comments, labels): the run of a push can have the number of the
/// request that it merges. The lanes `push` and `tag` are what the function `is_pushed` of the database counts as
/// pushed.
#[must_use]
pub(super) fn lane(event: Option<&str>, mr_iid: Option<i64>, target: Option<&str>, source: Option<&str>) -> Lane {
    const QUEUES: [&str; 4] = ["gh-readonly-queue/", "mergify/merge-queue/", "trunk-merge/", "gtmq_"];
    let is_queue = |branch: &str| {
        let is_train = branch.starts_with("refs/merge-requests/") && branch.ends_with("/train");
        is_train || QUEUES.iter().any(|queue| branch.starts_with(queue))
    };
    if [target, source].into_iter().flatten().any(is_queue) {
        return Lane::Queue;
    }
    let event = event.map(str::to_lowercase).unwrap_or_default();
    let names_request = ["pull_request", "pull request", "merge_request", "merge request"];
    let is_pushed = match event.as_str() {
        "push" | "tag push" | "tag_push" => true,
        other if names_request.iter().any(|request| other.starts_with(request)) => false,
        _ => mr_iid.is_none(),
    };
    match target.unwrap_or_default() {
        target if target.starts_with("refs/merge-requests/") => Lane::Mr,
        _ if !is_pushed => Lane::Mr,
        target if target.starts_with("refs/tags/") || event.starts_with("tag") => Lane::Tag,
        _ => Lane::Push,
    }
}

/// The path of the project in a repository URL of any form, without scheme, host, `.git`, `/-/tree/..` and query.
#[must_use]
pub(super) fn project_of(url: &str) -> Option<String> {
    let url = url.trim();
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        // git@host:path
        None => url.split_once(':').filter(|(host, _)| host.contains('@') || host.contains('.'))?.1,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = path.split("/-/").next().unwrap_or_default().trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    Some(path.to_owned()).filter(|path| !path.is_empty())
}

/// The host in a repository URL of any form, in lower case, without user and port.
#[must_use]
pub(super) fn host_of(url: &str) -> Option<String> {
    let url = url.trim();
    let authority = match url.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next()?,
        None => url.split_once(':').filter(|(host, _)| host.contains('@') || host.contains('.'))?.0,
    };
    let host = authority.rsplit('@').next()?.split(':').next()?;
    Some(host.to_ascii_lowercase()).filter(|host| !host.is_empty())
}

/// The folder of a component, normalised: no leading `./` or `/`, no trailing `/`. Empty for the root of the
/// repository, which every file affects.
#[must_use]
pub(super) fn context(text: &str) -> String {
    let mut context = text.trim();
    while let Some(rest) = context.strip_prefix("./").or_else(|| context.strip_prefix('/')) {
        context = rest;
    }
    let context = context.trim_end_matches('/');
    if context == "." { String::new() } else { context.to_owned() }
}

/// A branch without `refs/heads/`.
#[must_use]
pub(super) fn branch(text: &str) -> String {
    text.strip_prefix("refs/heads/").unwrap_or(text).to_owned()
}

/// The branch or tag in a label, which has hyphens instead of slashes. Only the prefix can be restored.
#[must_use]
pub(super) fn branch_of_label(text: &str) -> String {
    match text.strip_prefix("refs-tags-") {
        Some(tag) => format!("refs/tags/{tag}"),
        None => text.strip_prefix("refs-heads-").map_or_else(|| branch(text), str::to_owned),
    }
}

/// The number of the merge request in a branch of a merge queue: GitHub's `gh-readonly-queue/main/pr-29-..`, whose runs
/// integration-service counts as runs of that request (its pull request 1360), and the refs of GitLab's merge trains
/// and merged results (`refs/merge-requests/29/train`).
#[must_use]
pub(super) fn queued(branch: &str) -> Option<i64> {
    let number = match branch.strip_prefix("refs/merge-requests/") {
        Some(rest) => rest.split('/').next()?,
        None => {
            branch.strip_prefix("gh-readonly-queue/")?.rsplit('/').next()?.strip_prefix("pr-")?.split('-').next()?
        }
    };
    number.parse().ok().filter(|number| *number > 0)
}

/// Splits `namespace/name`; a bare name has no namespace.
#[must_use]
pub(super) fn namespaced(text: &str) -> (Option<String>, String) {
    match text.split_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()).filter(|n| !n.is_empty()), name.to_owned()),
        None => (None, text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_follow_the_table_of_tekton() {
        for (status, reason, state) in [
            (None, None, "pending"),
            (Some("Unknown"), Some("PipelineRunPending"), "pending"),
            (Some("Unknown"), Some("ResolvingPipelineRef"), "pending"),
            (Some("Unknown"), Some("Started"), "running"),
            (Some("Unknown"), Some("PipelineRunStopping"), "running"),
            (Some("Unknown"), Some("CancelledRunningFinally"), "running"),
            (Some("Unknown"), None, "running"),
            (Some("True"), Some("Completed"), "succeeded"),
            (Some("False"), Some("Cancelled"), "cancelled"),
            (Some("False"), Some("StoppedRunningFinally"), "cancelled"),
            (Some("False"), Some("PipelineRunTimeout"), "timed_out"),
            (Some("False"), Some("CouldntGetTask"), "failed"),
            (Some("False"), Some("never heard of"), "failed"),
            (Some("False"), None, "failed"),
        ] {
            assert_eq!(run_state(status, reason), state, "{status:?} {reason:?}");
        }
    }

    #[test]
    fn the_label_counts_and_the_rest_only_without_it() {
        let all = Marks { nudge: false, release: true, scenario: true, build: true };
        assert_eq!(run_type(Some("managed-collectors"), Marks::default()), "release");
        assert_eq!(run_type(Some("nudge"), all), "other");
        assert_eq!(run_type(None, all), "release");
        assert_eq!(run_type(None, Marks { release: false, ..all }), "test");
        assert_eq!(run_type(None, Marks { nudge: true, ..all }), "other");
        assert_eq!(run_type(None, Marks { build: true, ..Marks::default() }), "build");
        assert_eq!(run_type(None, Marks::default()), "other");
    }

    #[test]
    fn the_worst_test_output_counts() {
        let outputs = |results: &[&str]| results.iter().map(|r| format!(r#"{{"result":"{r}"}}"#)).collect::<Vec<_>>();
        for (results, expected) in [
            (vec![], None),
            (vec!["SKIPPED"], Some("skipped")),
            (vec!["SUCCESS", "SKIPPED"], Some("passed")),
            (vec!["WARNING", "SUCCESS"], Some("warning")),
            (vec!["SUCCESS", "FAILURE", "WARNING"], Some("failed")),
            (vec!["FAILURE", "ERROR"], Some("error")),
            (vec!["new result"], Some("failed")),
        ] {
            assert_eq!(verdict(outputs(&results).iter().map(String::as_str)), expected, "{results:?}");
        }
        assert_eq!(verdict(["not JSON"].into_iter()), Some("failed"));
    }

    #[test]
    fn projects_come_out_of_any_url() {
        for url in [
            "https://gitlab.com/redhat/hummingbird/rpms",
            "https://gitlab.com/redhat/hummingbird/rpms.git",
            "https://gitlab.com/redhat/hummingbird/rpms/",
            "https://gitlab.com/redhat/hummingbird/rpms/-/tree/abc",
            "https://gitlab.com/redhat/hummingbird/rpms?rev=abc",
            "ssh://git@gitlab.com:22/redhat/hummingbird/rpms.git",
            "git@gitlab.com:redhat/hummingbird/rpms.git",
        ] {
            assert_eq!(project_of(url).as_deref(), Some("redhat/hummingbird/rpms"), "{url}");
        }
        assert_eq!(project_of("nonsense"), None);
        assert_eq!(project_of("https://host/"), None);
    }

    #[test]
    fn hosts_come_out_of_any_url() {
        for url in [
            "https://GitLab.example/acme/app.git",
            "ssh://git@gitlab.example:2222/acme/app",
            "git@gitlab.example:acme/app.git",
            "https://user:secret@gitlab.example:8443?x",
        ] {
            assert_eq!(host_of(url).as_deref(), Some("gitlab.example"), "{url}");
        }
        assert_eq!(host_of("nonsense"), None);
    }

    #[test]
    fn only_labels_have_hyphens_instead_of_slashes() {
        assert_eq!(
            (branch("refs/heads/a"), branch("refs-heads-migration")),
            ("a".to_owned(), "refs-heads-migration".to_owned())
        );
        assert_eq!(branch("refs/tags/v1"), "refs/tags/v1");
        for (label, name) in
            [("refs-heads-main", "main"), ("main", "main"), ("refs-tags-v1", "refs/tags/v1"), ("refs/heads/x", "x")]
        {
            assert_eq!(branch_of_label(label), name);
        }
    }

    #[test]
    fn branches_of_queues_have_a_number() {
        for (branch, number) in [
            ("gh-readonly-queue/main/pr-29-c0ffee", Some(29)),
            ("gh-readonly-queue/release/1.x/pr-7-c0ffee", Some(7)),
            ("refs/merge-requests/12/train", Some(12)),
            ("refs/merge-requests/12/merge", Some(12)),
            ("gh-readonly-queue/main", None),
            ("pr-29-x", None),
            ("main", None),
        ] {
            assert_eq!(queued(branch), number, "{branch}");
        }
    }

    #[test]
    fn stuck_is_the_later_of_the_time_limit_and_the_silence() {
        let at = |text: &str| Some(format!("2026-03-{text}:00Z").parse::<Timestamp>().unwrap());
        assert_eq!(stuck_since(6, at("10T09:00"), at("10T09:30")), at("10T15:00"));
        assert_eq!(stuck_since(6, at("10T09:00"), at("10T14:00")), at("10T16:00"));
        assert_eq!(stuck_since(6, at("10T09:00"), None), at("10T15:00"));
        assert_eq!(stuck_since(6, None, at("10T14:00")), at("10T16:00"));
        assert_eq!(stuck_since(6, None, None), None);
        assert_eq!(stuck_since(6, Some(Timestamp::MAX), None), Some(Timestamp::MAX));
    }

    #[test]
    fn contexts_are_normalised() {
        for (text, expected) in [
            ("", ""),
            (".", ""),
            ("./", ""),
            ("/", ""),
            ("./ddd/", "ddd"),
            ("/a/b/", "a/b"),
            ("a", "a"),
            (".hidden", ".hidden"),
        ] {
            assert_eq!(context(text), expected, "{text}");
        }
    }
}
