//! Checks of pipelines and jobs, and the verdicts of their commits.

use serde_json::{Value, json};

use super::{SHA, checks_of, fixture, hook_of, in_order, job, of_request, pipeline, said, sent, take, take_each, with};
use crate::support::{self, deadline, render, schema};

const DONE: [&str; 3] = ["10:00:00", "10:00:10", "10:01:10"];
const RUNS: [&str; 3] = ["10:00:00", "10:00:10", ""];
const WAITS: [&str; 3] = ["10:00:00", "", ""];

fn allowed(job: Value) -> Value {
    with(job, &[("/allow_failure", json!(true))])
}

/// Each status of a pipeline alone and with a failed job, its check, and the verdict of the commit.
#[tokio::test]
async fn each_status_has_a_state_and_a_verdict() {
    let db = support::database().await;
    for (status, has_failed, state, verdict) in [
        ("created", false, "pending", "pending (running gitlab:pipeline)"),
        ("waiting_for_resource", false, "pending", "pending (running gitlab:pipeline)"),
        ("preparing", false, "pending", "pending (running gitlab:pipeline)"),
        ("pending", false, "pending", "pending (running gitlab:pipeline)"),
        ("running", false, "running", "pending (running gitlab:pipeline)"),
        ("running", true, "failing", "failed (failed gitlab:pipeline)"),
        ("pending", true, "failing", "failed (failed gitlab:pipeline)"),
        ("canceling", false, "canceling", "pending (running gitlab:pipeline)"),
        ("success", false, "passed", "passed ()"),
        ("failed", true, "failed", "failed (failed gitlab:pipeline)"),
        ("manual", false, "blocked", "blocked (held gitlab:pipeline)"),
        ("manual", true, "blocked_failed", "failed (failed gitlab:pipeline)"),
        ("scheduled", false, "blocked", "blocked (held gitlab:pipeline)"),
        ("canceled", false, "canceled", "blocked (canceled gitlab:pipeline)"),
        ("skipped", false, "not_run", "none ()"),
        // A status that is not known is open.
        ("glazing", false, "unknown", "pending (running gitlab:pipeline)"),
    ] {
        schema::clear(&db.store).await;
        let jobs = if has_failed { vec![job(1, "unit", "failed", DONE)] } else { Vec::new() };
        take(&db.store, &[sent(&pipeline(101, status, &jobs, &[]), 0)]).await;
        let found = "FROM checks WHERE stage = 'pipeline'";
        assert_eq!(
            render::table(&db.store, &["state", "original", "ever_bad"], found).await,
            format!("{state} | {status} | {}", ["failed", "failing", "blocked_failed"].contains(&state))
        );
        assert_eq!(said(&db.store, SHA, &[]).await, verdict, "{status} {has_failed}");
    }
}

#[tokio::test]
async fn a_check_has_what_its_pipeline_and_job_have() {
    let db = support::database().await;
    let unit = job(1, "unit", "success", DONE);
    let more = [("/object_attributes/finished_at", json!("2026-03-10 10:01:11 UTC"))];
    take(&db.store, &[sent(&pipeline(101, "success", &[unit], &more), 0)]).await;
    let columns = ["kind", "key", "stage", "name", "host", "repo", "sha", "branch", "lane", "run", "seq", "url"];
    let url = "https://gitlab.example/acme/kiln/-";
    let all = format!("gitlab.example | acme/kiln | {SHA} | main | push | gitlab.example/101 | 101");
    assert_eq!(
        checks_of(&db.store, &columns).await,
        format!(
            "gitlab_jobs | gitlab.example/101/test/unit | job | test/unit | {all} | {url}/jobs/1\n\
             gitlab_pipelines | gitlab.example/101 | pipeline | pipeline | {all} | {url}/pipelines/101"
        )
    );
    let times = ["started_at::time::text", "finished_at::time::text", "changed_at::time::text"];
    assert_eq!(checks_of(&db.store, &times).await, "10:00:10 | 10:01:10 | 10:01:10\n10:00:10 | 10:01:11 | 10:01:11");
}

/// A job that may fail never makes a verdict bad, in whatever status it is.
#[tokio::test]
async fn a_job_that_may_fail_never_makes_a_verdict_bad() {
    let db = support::database().await;
    for status in ["failed", "running", "canceled", "manual", "skipped", "glazing"] {
        for whole in ["success", "running", "manual", "pending"] {
            schema::clear(&db.store).await;
            let jobs = [job(1, "unit", "success", DONE), allowed(job(2, "lint", status, DONE))];
            take(&db.store, &in_order(&[pipeline(101, whole, &jobs, &[]), hook_of(101, &jobs[1], &[])])).await;
            let verdict = said(&db.store, SHA, &[]).await;
            assert!(!verdict.starts_with("failed"), "{status} {whole}: {verdict}");
            let bad = "SELECT key FROM checks WHERE ever_bad OR state IN ('failed', 'failing', 'blocked_failed')";
            assert_eq!(render::rows(&db.store, bad).await, [""; 0], "{status} {whole}");
        }
    }
}

/// Passed with a warning: by the word of the pipeline, or by its jobs where the word is not known.
#[tokio::test]
async fn an_allowed_failure_is_a_warning() {
    let db = support::database().await;
    let lint = allowed(job(2, "lint", "failed", DONE));
    let word = [("/object_attributes/detailed_status", json!("passed with warnings"))];
    for (jobs, more) in [(vec![], &word[..]), (vec![lint.clone()], &[][..])] {
        schema::clear(&db.store).await;
        take(&db.store, &[sent(&pipeline(101, "success", &jobs, more), 0)]).await;
        assert_eq!(said(&db.store, SHA, &[]).await, "passed (warning gitlab:pipeline)");
    }
    let columns = ["name", "state", "warn", "original"];
    assert_eq!(
        checks_of(&db.store, &columns).await,
        "test/lint | passed | true | failed\npipeline | passed | true | success"
    );
}

/// A manual job of a successful pipeline holds nothing up, since jobs do not count; one that a rule requires does.
#[tokio::test]
async fn a_job_counts_where_a_rule_requires_it() {
    let db = support::database().await;
    let jobs = [job(1, "unit", "success", DONE), allowed(job(2, "ship", "manual", WAITS))];
    take(&db.store, &[sent(&pipeline(101, "success", &jobs, &[]), 0)]).await;
    for (required, verdict) in [
        (&[][..], "passed ()"),
        (&["gitlab:test/unit"], "passed ()"),
        (&["gitlab:test/ship"], "blocked (held gitlab:test/ship)"),
        // The pipeline satisfies these.
        (&["gitlab:*"], "passed ()"),
        (&["gitlab:pipeline"], "passed ()"),
        (&["gitlab:test/absent"], "blocked (missing gitlab:test/absent)"),
    ] {
        assert_eq!(said(&db.store, SHA, required).await, verdict, "{required:?}");
    }
    let failed = pipeline(102, "running", &[job(11, "unit", "failed", DONE)], &[]);
    take(&db.store, &[sent(&failed, 10)]).await;
    assert_eq!(said(&db.store, SHA, &["gitlab:test/unit"]).await, "failed (failed gitlab:pipeline gitlab:test/unit)");
}

/// One job that is split into many has one check, and no part hides another.
#[tokio::test]
async fn a_failed_part_of_a_split_job_is_not_hidden() {
    let db = support::database().await;
    let parts = |first: &str, second: &str| {
        [job(1, "unit 1/2", first, DONE), job(2, "unit 2/2", second, DONE), job(3, "lint", "success", DONE)]
    };
    for (first, second, expected) in [
        ("success", "success", "passed"),
        ("failed", "success", "failed"),
        ("success", "failed", "failed"),
        ("failed", "running", "failing"),
        ("success", "pending", "pending"),
        ("success", "manual", "blocked"),
        ("skipped", "success", "passed"),
    ] {
        schema::clear(&db.store).await;
        take(&db.store, &[sent(&pipeline(101, "running", &parts(first, second), &[]), 0)]).await;
        let found = render::table(&db.store, &["name", "state", "attempt"], "FROM checks WHERE stage = 'job'").await;
        assert_eq!(found, format!("test/lint | passed | 1\ntest/unit | {expected} | 1"));
    }
    // A retry of one part: its newest attempt counts, and the other part as before.
    let retried = job(9, "unit 2/2", "success", ["10:30:00", "10:30:10", "10:31:10"]);
    let failed = sent(&pipeline(101, "running", &parts("success", "failed"), &[]), 0);
    let again = sent(&pipeline(101, "success", &[parts("success", "")[0].clone(), retried], &[]), 40);
    for order in [[&failed, &again], [&again, &failed]] {
        schema::clear(&db.store).await;
        for message in order {
            take(&db.store, std::slice::from_ref(message)).await;
        }
        let found = "FROM checks WHERE name IN ('test/unit', 'pipeline') ORDER BY name";
        assert_eq!(
            render::table(&db.store, &["name", "state", "attempt", "ever_bad"], found).await,
            "pipeline | passed | 1 | true\ntest/unit | passed | 2 | true"
        );
    }
}

/// A failed job that is retried in another pipeline run leaves the pipeline as it is; in the same one it no longer
/// makes it failing.
#[tokio::test]
async fn a_retried_job_makes_its_pipeline_fail_no_longer() {
    let db = support::database().await;
    let failed = hook_of(101, &job(1, "unit", "failed", DONE), &[]);
    let retried = hook_of(101, &job(2, "unit", "running", ["10:30:00", "10:30:10", ""]), &[]);
    let running = pipeline(101, "running", &[], &[]);
    let state = "FROM checks WHERE stage = 'pipeline'";
    let messages = in_order(&[running, failed, retried]);
    for (message, expected) in messages.iter().zip(["running | false", "failing | true", "running | true"]) {
        take(&db.store, std::slice::from_ref(message)).await;
        assert_eq!(render::table(&db.store, &["state", "ever_bad"], state).await, expected);
    }
    assert_eq!(said(&db.store, SHA, &[]).await, "pending (running gitlab:pipeline)");
}

/// The pipeline of a merge request replaces that of its branch; schedules, tags and downstream pipelines count for no
/// verdict.
#[tokio::test]
async fn lanes_keep_causes_apart() {
    let db = support::database().await;
    let source = |name: &str| vec![("/object_attributes/source", json!(name))];
    let tag = vec![("/object_attributes/tag", json!(true)), ("/object_attributes/ref", json!("v1"))];
    for (more, place, verdict) in [
        (source("push"), "push | main | -", "failed (failed gitlab:pipeline)"),
        (source("web"), "push | main | -", "failed (failed gitlab:pipeline)"),
        (source("trigger"), "push | main | -", "failed (failed gitlab:pipeline)"),
        (of_request(), "mr | topic | 7", "failed (failed gitlab:pipeline)"),
        (source("schedule"), "schedule | main | -", "none ()"),
        (source("pipeline"), "dispatch | main | -", "none ()"),
        (tag, "tag | - | -", "none ()"),
    ] {
        schema::clear(&db.store).await;
        take(&db.store, &[sent(&pipeline(101, "failed", &[job(1, "unit", "failed", DONE)], &more), 0)]).await;
        let columns = ["lane", "branch", "mr"];
        assert_eq!(checks_of(&db.store, &columns).await, format!("{place}\n{place}"), "{more:?}");
        assert_eq!(said(&db.store, SHA, &[]).await, verdict, "{more:?}");
    }
    schema::clear(&db.store).await;
    let of_branch = pipeline(101, "failed", &[], &[("/object_attributes/ref", json!("topic"))]);
    let of_request = pipeline(102, "success", &[], &of_request());
    take(&db.store, &in_order(&[of_branch, of_request])).await;
    assert_eq!(said(&db.store, SHA, &[]).await, "passed ()");
}

/// The pipeline of a fork is of its own project, and says nothing of the merge request's project.
#[tokio::test]
async fn a_fork_has_pipelines_of_its_own() {
    let db = support::database().await;
    take(&db.store, &[sent(&fixture("pipeline-of-fork"), 0)]).await;
    let columns = ["repo", "lane", "branch", "mr", "state"];
    let fork = "rexample/rpms | mr | patch-1 | - | failed";
    assert_eq!(checks_of(&db.store, &columns).await, format!("{fork}\n{fork}"));
}

/// A pipeline of merged results runs for a commit that no branch has: it counts for the head that the merge request had
/// when it was created.
#[tokio::test]
async fn merged_results_count_for_the_head_of_their_time() {
    let db = support::database().await;
    let head = |digit: char| digit.to_string().repeat(40);
    let request = |digit: char, minute: usize| {
        let message = json!({"object_kind": "merge_request", "project": super::project(), "object_attributes": {
            "iid": 7, "state": "opened", "action": "update", "oldrev": head('0'), "source_branch": "topic",
            "target_branch": "main", "updated_at": format!("2026-03-10 10:{minute:02}:00 UTC"),
            "last_commit": {"id": head(digit)}}});
        let message = with(message, &[("/object_attributes/oldrev", json!(head('9')))]);
        sent(&message, minute)
    };
    let created = ("/object_attributes/created_at", json!("2026-03-10 10:05:00 UTC"));
    let title = ("/commit", json!({"title": "Merge branch 'topic' into 'main'"}));
    let merged = [of_request(), vec![created.clone(), title]].concat();
    let by_title = sent(&pipeline(101, "failed", &[job(1, "unit", "failed", DONE)], &merged), 6);
    let detached = sent(&pipeline(101, "failed", &[], &[of_request(), vec![created]].concat()), 6);
    let (one, two) = (request('a', 4), request('b', 8));
    for order in [[&one, &two, &by_title], [&by_title, &two, &one], [&two, &by_title, &one]] {
        schema::clear(&db.store).await;
        for message in order {
            take(&db.store, std::slice::from_ref(message)).await;
        }
        assert_eq!(checks_of(&db.store, &["sha", "mr"]).await, format!("{0} | 7\n{0} | 7", head('a')));
        assert_eq!(said(&db.store, &head('a'), &[]).await, "failed (failed gitlab:pipeline)");
        assert!(!said(&db.store, &head('b'), &[]).await.starts_with("failed"));
    }
    // A detached pipeline runs for the head itself.
    schema::clear(&db.store).await;
    take(&db.store, &[one, two, detached]).await;
    assert_eq!(checks_of(&db.store, &["sha"]).await, SHA);
}

/// A cancelled pipeline whose branch has a later one is superseded, whichever is known first.
#[tokio::test]
async fn a_later_pipeline_of_the_branch_supersedes_a_cancelled_one() {
    let db = support::database().await;
    let other = [("/object_attributes/sha", json!("b".repeat(40)))];
    let canceled = sent(&pipeline(101, "canceled", &[], &[]), 0);
    let (failed, next) = (pipeline(102, "failed", &[], &[]), sent(&pipeline(103, "running", &[], &other), 10));
    let elsewhere = pipeline(104, "running", &[], &[("/object_attributes/ref", json!("other"))]);
    let of_schedule = pipeline(105, "running", &[], &[("/object_attributes/source", json!("schedule"))]);
    let states = "FROM checks ORDER BY seq";
    take(&db.store, &in_order(&[elsewhere, of_schedule])).await;
    for order in [[&canceled, &next], [&next, &canceled]] {
        db.store.script("DELETE FROM gitlab_pipelines WHERE id IN (101, 103)", deadline()).await.unwrap();
        for message in order {
            take(&db.store, std::slice::from_ref(message)).await;
        }
        let found = render::table(&db.store, &["seq", "state"], states).await;
        assert_eq!(found, "101 | superseded\n103 | running\n104 | running\n105 | running");
    }
    schema::clear(&db.store).await;
    take_each(&db.store, &[sent(&failed, 0), canceled.clone()]).await;
    assert_eq!(render::table(&db.store, &["seq", "state"], states).await, "101 | superseded\n102 | failed");
    schema::clear(&db.store).await;
    take(&db.store, &[canceled]).await;
    assert_eq!(render::table(&db.store, &["seq", "state"], states).await, "101 | canceled");
    assert_eq!(said(&db.store, SHA, &[]).await, "blocked (canceled gitlab:pipeline)");
}

/// Commit statuses that this program posts make a pipeline at GitLab, which is no check. One with a status of another
/// program is.
#[tokio::test]
async fn a_pipeline_of_our_own_statuses_is_no_check() {
    let db = support::database().await;
    let external = [("/object_attributes/source", json!("external"))];
    let status = |id: i64, name: &str| with(job(id, name, "success", DONE), &[("/stage", json!("external"))]);
    let ours = |context: &str| {
        format!(
            "INSERT INTO commit_statuses (target, repo, sha, context, name, wanted_state, wanted_description, \
             version_number, version_at, version_tie, outbox_id) VALUES \
             ('t', 'acme/kiln', '{SHA}', '{context}', '{context}', 'passed', 'd', 1, now(), '', 1)"
        )
    };
    let of = |jobs: &[Value]| sent(&pipeline(101, "success", jobs, &external), 0);
    let both = [status(1, "buildkite/kiln"), status(2, "jenkins")];
    take(&db.store, &[of(&both[..1])]).await;
    assert_eq!(checks_of(&db.store, &["name"]).await, "external/buildkite/kiln\npipeline");
    for (jobs, is_check) in [(&both[..1], false), (&both[..], true), (&[][..], false)] {
        schema::clear(&db.store).await;
        db.store.script(&ours("buildkite/kiln"), deadline()).await.unwrap();
        take(&db.store, &[of(jobs)]).await;
        let found = checks_of(&db.store, &["name"]).await;
        assert_eq!(found.contains("pipeline"), is_check, "{found}");
        assert_eq!(said(&db.store, SHA, &[]).await.starts_with("passed"), is_check);
    }
}

/// Hooks about jobs alone: the job is a check, the lane is that of its ref.
#[tokio::test]
async fn jobs_without_a_known_pipeline_are_checks() {
    let db = support::database().await;
    let unit = job(1, "unit", "running", RUNS);
    for (git_ref, tag, place) in [
        ("main", false, "push | main | -"),
        ("v1", true, "tag | - | -"),
        ("refs/merge-requests/7/head", false, "mr | - | 7"),
        ("refs/merge-requests/7/train", false, "queue | - | 7"),
    ] {
        schema::clear(&db.store).await;
        take(&db.store, &[sent(&hook_of(101, &unit, &[("/ref", json!(git_ref)), ("/tag", json!(tag))]), 0)]).await;
        let found = checks_of(&db.store, &["name", "lane", "branch", "mr"]).await;
        assert_eq!(found, format!("test/unit | {place}"));
    }
}
