//! What is stored of messages.

use hummingbird_status::ingest::{Outcome, ingest};
use hummingbird_status::sources::Settings;
use serde_json::{Value, json};

use super::{SHA, fixture, hook_of, in_order, job, pipeline, sent, take, take_each, with};
use crate::support::{self, deadline, render};

const JOBS: &str = "FROM gitlab_jobs ORDER BY id";

#[tokio::test]
async fn what_identifies_an_object_is_needed_and_the_reason_names_it() {
    let db = support::database().await;
    for (name, detail) in [
        ("pipeline-no-host", "project.web_url: missing, and no other address names the host"),
        ("job-no-host", "project.web_url and repository.homepage: no host"),
        ("deployment-no-id", "deployment_id and deployable_id: missing"),
    ] {
        let report = ingest(&db.store, &[sent(&fixture(name), 0)], &Settings::default(), deadline()).await;
        assert_eq!(report.outcomes()[0], Outcome::Rejected, "{name}");
        let found = render::rows(&db.store, "SELECT reason || ' ' || detail FROM refused").await;
        assert_eq!(found, [format!("bad-field {detail}")], "{name}");
        db.store.script("DELETE FROM refused", deadline()).await.unwrap();
    }
    for (path, value) in [
        ("/object_attributes/id", json!("x")),
        ("/object_attributes/id", Value::Null),
        ("/object_attributes/status", Value::Null),
        ("/object_attributes/status", json!("")),
        ("/project", Value::Null),
        ("/project/path_with_namespace", Value::Null),
    ] {
        let message = pipeline(101, "success", &[], &[(path, value)]);
        let report = ingest(&db.store, &[sent(&message, 0)], &Settings::default(), deadline()).await;
        assert_eq!(report.outcomes()[0], Outcome::Rejected, "{path}");
    }
}

/// A release is no deployment, and nothing is wrong with it.
#[tokio::test]
async fn a_release_is_ignored() {
    let db = support::database().await;
    let report = take(&db.store, &[sent(&fixture("ignored-release"), 0)]).await;
    assert_eq!(report.outcomes(), [Outcome::Ignored]);
}

/// No value of a variable, no mail address and no password is in any column of any table.
#[tokio::test]
async fn secrets_are_not_stored() {
    let db = support::database().await;
    let variables = json!([{"key": "TOKEN", "value": "planted-token"}]);
    let of_user = json!({"id": 1, "username": "sam", "email": "planted@example.com"});
    let unit = with(job(1, "unit", "running", ["10:00:00", "10:00:10", ""]), &[("/user", of_user.clone())]);
    let more = [("/object_attributes/variables", variables), ("/user", of_user)];
    let mut deployment = fixture("deployment-success");
    deployment["environment_external_url"] = json!("https://planted:planted@kiln.example.net/");
    let messages = [pipeline(101, "running", std::slice::from_ref(&unit), &more), hook_of(101, &unit, &[]), deployment];
    take(&db.store, &in_order(&messages)).await;
    let dump = render::all(&db.store).await;
    assert!(dump.contains("gitlab.example/acme/kiln") && dump.contains("https://kiln.example.net"), "{dump}");
    assert!(!dump.contains("planted"), "{dump}");
    let others = "SELECT (SELECT count(*) FROM outbox) || ' ' || (SELECT count(*) FROM refused)";
    assert_eq!(render::rows(&db.store, others).await, ["0 0"]);
}

#[tokio::test]
async fn nulls_and_unknown_statuses_are_kept() {
    let db = support::database().await;
    take(&db.store, &in_order(&[fixture("pipeline-nulls"), fixture("pipeline-unknown-status")])).await;
    let columns = ["id", "status", "source", "title", "username", "array_length(stages, 1)"];
    assert_eq!(
        render::table(&db.store, &columns, "FROM gitlab_pipelines ORDER BY id").await,
        "1800000005 | glazing | push | Topic | rexample | 3\n1800000006 | success |  | - | - | -"
    );
    let columns = ["check_name", "status"];
    assert_eq!(
        render::table(&db.store, &columns, "FROM gitlab_jobs ORDER BY id").await,
        "test/unit | simmering\n?/unit | success"
    );
}

/// The newest message by its content, whatever the order: `running` arrives last, and is older.
#[tokio::test]
async fn a_job_ends_as_it_failed_in_any_order() {
    let db = support::database().await;
    let times = ["10:00:00", "10:01:15", "10:02:15"];
    let states = ["created", "pending", "running", "failed"].map(|status| {
        let [created, started, _] = times;
        let times = match status {
            "running" => [created, started, ""],
            "failed" => times,
            _ => [created, "", ""],
        };
        hook_of(101, &job(2, "unit", status, times), &[("/build_failure_reason", json!("script_failure"))])
    });
    // `running` is sent again, after the end.
    let messages = [&states[..], &states[2..3]].concat();
    let messages = in_order(&messages);
    let mut random = support::random::Random::new(25);
    for _ in 0..20 {
        let mut order = messages.clone();
        random.shuffle(&mut order);
        db.store.script("TRUNCATE gitlab_jobs, checks", deadline()).await.unwrap();
        take_each(&db.store, &order).await;
        let columns = ["id", "pipeline_id", "status", "failure_reason", "sha", "started_at::text", "ever_bad"];
        assert_eq!(
            render::table(&db.store, &columns, JOBS).await,
            format!("2 | 101 | failed | script_failure | {SHA} | 2026-03-10 10:01:15.386+00 | true")
        );
    }
}

/// A retry of an earlier job makes a skipped job created again, under its number. Of statuses that content does not
/// order, the one whose earliest message is the latest counts: so `created` counts that comes after `skipped`, unless
/// it was there before, too, since a hook that is sent again looks the same. What follows is further on.
#[tokio::test]
async fn a_skipped_job_can_begin_again() {
    let db = support::database().await;
    let of = |status: &str, times| hook_of(101, &job(2, "report", status, times), &[]);
    let waiting = ["10:00:00", "", ""];
    let messages = [
        of("skipped", waiting),
        of("created", waiting),
        of("skipped", waiting),
        of("pending", waiting),
        of("running", ["10:00:00", "10:30:00", ""]),
        of("success", ["10:00:00", "10:30:00", "10:31:00"]),
    ];
    let messages = in_order(&messages);
    for (number, expected) in ["skipped", "created", "created", "pending", "running", "success"].iter().enumerate() {
        for is_reversed in [false, true] {
            let mut some = messages[..=number].to_vec();
            if is_reversed {
                some.reverse();
            }
            db.store.script("TRUNCATE gitlab_jobs, checks", deadline()).await.unwrap();
            take_each(&db.store, &some).await;
            assert_eq!(render::table(&db.store, &["status"], JOBS).await, *expected, "{number} {is_reversed}");
        }
    }
}

/// GitLab sends reasons of failures for jobs that did not fail.
#[tokio::test]
async fn a_reason_is_kept_of_failed_jobs_only() {
    let db = support::database().await;
    let reason = [("/build_failure_reason", json!("runner_system_failure"))];
    let messages = ["created", "success", "failed", "canceled"]
        .iter()
        .zip(1..)
        .map(|(status, id)| hook_of(101, &job(id, "unit", status, ["10:00:00", "", ""]), &reason));
    take(&db.store, &in_order(&messages.collect::<Vec<_>>())).await;
    let columns = ["status", "failure_reason"];
    assert_eq!(
        render::table(&db.store, &columns, JOBS).await,
        "created | -\nsuccess | -\nfailed | runner_system_failure\ncanceled | -"
    );
}

/// A job of an older release of GitLab names its project by the address of the repository only.
#[tokio::test]
async fn a_job_of_an_older_release_belongs_to_its_project() {
    let db = support::database().await;
    take(&db.store, &[sent(&fixture("job-old-gitlab"), 0)]).await;
    let columns = ["host", "project", "project_id", "url"];
    assert_eq!(
        render::table(&db.store, &columns, JOBS).await,
        "gitlab.com | redhat/hummingbird/rpms | 61234567 | \
         https://gitlab.com/redhat/hummingbird/rpms/-/jobs/1850000304"
    );
}

/// A host keeps its numbers for itself.
#[tokio::test]
async fn two_hosts_have_pipelines_and_jobs_of_one_number() {
    let db = support::database().await;
    let unit = job(1, "unit", "success", ["10:00:00", "10:00:10", "10:01:10"]);
    let other = [("/project/web_url", json!("https://other.example/acme/kiln"))];
    let messages = [
        pipeline(101, "success", std::slice::from_ref(&unit), &[]),
        pipeline(101, "failed", std::slice::from_ref(&unit), &other),
        hook_of(101, &unit, &other),
    ];
    take(&db.store, &in_order(&messages)).await;
    let found = render::table(&db.store, &["host", "id", "status"], "FROM gitlab_pipelines ORDER BY host").await;
    assert_eq!(found, "gitlab.example | 101 | success\nother.example | 101 | failed");
    assert_eq!(
        render::table(&db.store, &["host", "id"], "FROM gitlab_jobs ORDER BY host").await,
        "gitlab.example | 1\nother.example | 1"
    );
}
