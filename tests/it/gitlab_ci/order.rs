//! Any order, repetition and batching of messages gives the same rows and checks.

use hummingbird_status::db::Store;
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use super::{fixture, hook_of, in_order, of_request, pipeline, said, sent, take, take_each, verdict, with};
use crate::support::random::Random;
use crate::support::{self, difference, render, schema, store_of};

/// The life of a pipeline: it fails, one job is retried, a manual job is played after the success.
fn life() -> Vec<Value> {
    let states = ["1-pending", "2-running", "3-failed", "4-retried", "5-success", "6-manual-job", "7-success"];
    states.map(|state| fixture(&format!("pipeline-mr-{state}"))).to_vec()
}

/// The same, each with the hooks about the jobs whose state it is the first to have.
fn life_with_jobs() -> Vec<Value> {
    let mut all = Vec::new();
    let mut before = Vec::new();
    for message in life() {
        for job in message["builds"].as_array().unwrap() {
            if !before.contains(job) {
                let of = fixture("job-created");
                let more = ["project", "project_id", "repository", "sha"].map(|name| (name, of[name].clone()));
                let more: Vec<(String, Value)> = more.into_iter().map(|(name, v)| (format!("/{name}"), v)).collect();
                let more: Vec<(&str, Value)> =
                    more.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
                let mut hook = hook_of(message["object_attributes"]["id"].as_i64().unwrap(), job, &more);
                hook["build_failure_reason"] = job["failure_reason"].clone();
                all.push(hook);
                before.push(job.clone());
            }
        }
        all.push(message);
    }
    all
}

async fn state_after(store: &Store, batches: &[Vec<Delivery>]) -> String {
    schema::clear(store).await;
    for batch in batches {
        take(store, batch).await;
    }
    render::all(store).await
}

/// An order of its own, with repetitions, in batches.
fn shuffled(messages: &[Delivery], random: &mut Random) -> Vec<Vec<Delivery>> {
    let mut all = messages.to_vec();
    let repeated: Vec<Delivery> = (0..3).map(|_| messages[random.below(messages.len())].clone()).collect();
    all.extend(repeated);
    random.shuffle(&mut all);
    let mut batches = Vec::new();
    while !all.is_empty() {
        let size = 1 + random.below(4);
        batches.push(all.drain(..size.min(all.len())).collect());
    }
    batches
}

#[tokio::test]
async fn the_life_of_a_pipeline_ends_the_same_in_any_order() {
    let db = support::database().await;
    let mut random = Random::new(250);
    for messages in [life(), life_with_jobs()] {
        let messages = in_order(&messages);
        let expected = state_after(&db.store, std::slice::from_ref(&messages)).await;
        assert!(expected.contains("\"status\": \"success\""), "{expected}");
        for _ in 0..support::cases(40) {
            let found = state_after(&db.store, &shuffled(&messages, &mut random)).await;
            assert!(expected == found, "{}", difference(&expected, &found));
        }
    }
}

/// The check of the pipeline goes the same way, and remembers the failure.
#[tokio::test]
async fn each_message_of_a_life_has_its_check_and_verdict() {
    let db = support::database().await;
    let sha = fixture("pipeline-mr-1-pending")["object_attributes"]["sha"].as_str().unwrap().to_owned();
    let repo = "redhat/hummingbird/rpms";
    for (message, (state, bad, unit, verdict_of_it)) in in_order(&life()).iter().zip([
        ("pending", false, "pending false", "pending"),
        ("running", false, "pending false", "pending"),
        ("failed", true, "failed true", "failed"),
        ("running", true, "running true", "pending"),
        ("passed", true, "passed true", "passed"),
        ("running", true, "passed true", "pending"),
        ("passed", true, "passed true", "passed"),
    ]) {
        take(&db.store, std::slice::from_ref(message)).await;
        let columns = ["key", "name", "state", "ever_bad", "lane", "mr", "branch", "optional"];
        let found = render::table(&db.store, &columns, "FROM checks WHERE stage = 'pipeline'").await;
        let expected = format!("gitlab.com/1800000001 | pipeline | {state} | {bad} | mr | 260 | topic | false");
        assert_eq!(found, expected);
        let jobs = "FROM checks WHERE name = 'test/unit' AND key = 'gitlab.com/1800000001/test/unit'";
        assert_eq!(render::table(&db.store, &["state || ' ' || ever_bad"], jobs).await, unit, "{state}");
        let mut reader = db.store.reader(support::deadline()).await.unwrap();
        let now = "2026-03-10T23:30:00Z".parse().unwrap();
        let verdicts = hummingbird_status::reports::verdicts(&mut reader, &sha, Some(repo), &[], now).await.unwrap();
        let found = serde_json::to_value(&verdicts[0].verdict).unwrap();
        assert_eq!(found["verdict"], verdict_of_it, "{found}");
        // A failure is reported once, although two checks failed.
        if verdict_of_it == "failed" {
            assert_eq!(found["reasons"], json!([{"why": "failed", "of": ["gitlab:pipeline"]}]));
        }
        if state == "passed" {
            assert_eq!(found["reasons"], json!([{"why": "flaky", "of": ["gitlab:pipeline"]}]));
        }
    }
}

/// The lists of pipelines alone have the right jobs at each end of the pipeline.
#[tokio::test]
async fn hooks_about_jobs_may_all_be_lost() {
    let db = support::database().await;
    let sql = "FROM gitlab_jobs ORDER BY id";
    let columns = ["id", "pipeline_id", "check_name", "status", "allow_failure", "failure_reason", "ever_bad"];
    for until in [3, 5, 7] {
        let end = fixture(["pipeline-mr-3-failed", "pipeline-mr-5-success", "pipeline-mr-7-success"][until / 2 - 1]);
        let upto = |messages: &[Value]| -> Vec<Value> {
            let at = messages.iter().position(|message| *message == end).unwrap();
            messages[..=at].to_vec()
        };
        let mut found = Vec::new();
        for messages in [life(), life_with_jobs()] {
            schema::clear(&db.store).await;
            take(&db.store, &in_order(&upto(&messages))).await;
            found.push(render::table(&db.store, &columns, sql).await);
        }
        assert_eq!(found[0], found[1], "{until}");
    }
}

/// A child and a downstream pipeline change nothing in the row of the pipeline that started them.
#[tokio::test]
async fn a_child_never_changes_its_parent() {
    let db = support::database().await;
    let parent = "FROM gitlab_pipelines WHERE id = 1800000001";
    let columns = ["to_jsonb(gitlab_pipelines) - 'received_at'"];
    let life = in_order(&life());
    let child = sent(&fixture("pipeline-child"), 200);
    take_each(&db.store, &life).await;
    let alone = render::table(&db.store, &columns, parent).await;
    take(&db.store, std::slice::from_ref(&child)).await;
    assert_eq!(render::table(&db.store, &columns, parent).await, alone);
    let after = render::all(&db.store).await;
    schema::clear(&db.store).await;
    take(&db.store, &[child]).await;
    take_each(&db.store, &life).await;
    assert_eq!(render::all(&db.store).await, after);
    // It failed, and counts in its parent only. Its job is in the lane of the parent.
    let checks = "FROM checks WHERE key LIKE '%/1800000002%' ORDER BY key";
    assert_eq!(
        render::table(&db.store, &["kind", "name", "state", "lane", "mr"], checks).await,
        "gitlab_jobs | test/child-test | failed | mr | 260"
    );
}

/// Messages that say of a job that it belongs to two pipelines, as copied fixtures do: the checks of both follow.
#[tokio::test]
async fn a_job_of_two_pipelines_counts_in_the_newest() {
    let db = support::database().await;
    let of = |pipeline_id: i64, status: &str, end: &str| {
        let unit = super::job(1, "unit", status, ["10:00:00", "10:00:10", end]);
        pipeline(pipeline_id, status, &[unit], &[])
    };
    let mut messages = in_order(&[of(101, "failed", "10:01:00"), of(102, "success", "10:02:00")]);
    let each: Vec<Vec<Delivery>> = messages.iter().map(|message| vec![message.clone()]).collect();
    let expected = state_after(&db.store, &each).await;
    assert!(expected.contains("gitlab.example/102/test/unit") && !expected.contains("gitlab.example/101/test/unit"));
    for _ in 0..2 {
        let each: Vec<Vec<Delivery>> = messages.iter().map(|message| vec![message.clone()]).collect();
        let found = state_after(&db.store, &each).await;
        assert!(expected == found, "{}", difference(&expected, &found));
        messages.reverse();
    }
}

/// Two processes that write jobs of one pipeline at the same time: the check of the pipeline knows both.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_at_the_same_time_leave_the_right_checks() {
    let db = support::database().await;
    let mut messages = Vec::new();
    for number in 0..12 {
        let id = 101 + number % 3;
        let jobs: Vec<Value> = (0..4)
            .map(|place| {
                let name = format!("unit {}/4", place + 1);
                let status = if number > 8 && place == 1 { "failed" } else { "running" };
                super::job(id * 10 + place, &name, status, ["10:00:00", "10:00:10", ""])
            })
            .collect();
        let at = json!(format!("2026-03-10 10:{number:02}:00 UTC"));
        let mut more = of_request();
        more.push(("/object_attributes/finished_at", at));
        messages.push(pipeline(id, "running", &jobs, &more));
        messages.extend(jobs.iter().map(|job| hook_of(id, job, &[("/ref", json!("refs/merge-requests/7/train"))])));
    }
    let messages: Vec<Delivery> = messages.iter().enumerate().map(|(number, one)| sent(one, number)).collect();
    let expected = state_after(&db.store, std::slice::from_ref(&messages)).await;
    assert!(expected.contains("\"failing\"") && expected.contains("\"queue\""), "{expected}");
    for round in 0..4 {
        schema::clear(&db.store).await;
        let mut random = Random::new(round);
        let all = shuffled(&messages, &mut random);
        let write = async |part: usize| {
            let store = store_of(&db.url, 1);
            for batch in all.iter().skip(part).step_by(4) {
                take(&store, batch).await;
            }
        };
        tokio::join!(write(0), write(1), write(2), write(3));
        let found = render::all(&db.store).await;
        assert!(expected == found, "{}", difference(&expected, &found));
    }
}

/// Rows follow their project when it is renamed, and so do their checks.
#[tokio::test]
async fn pipelines_follow_a_renamed_project() {
    let db = support::database().await;
    let push = |path: &str, minute: usize| {
        let commit = json!({"id": super::SHA, "title": "t", "timestamp": format!("2026-03-10T10:{minute:02}:00Z")});
        let mut project = super::project();
        project["path_with_namespace"] = json!(path);
        sent(
            &json!({"object_kind": "push", "ref": "refs/heads/main", "after": super::SHA, "project_id": 62,
            "project": project, "commits": [commit]}),
            minute,
        )
    };
    let unit = super::job(1, "unit", "success", ["10:00:00", "10:00:10", "10:01:10"]);
    let of_pipeline = sent(&pipeline(101, "success", std::slice::from_ref(&unit), &[]), 5);
    let mut deployment = fixture("deployment-success");
    deployment["project"] = super::project();
    let deployment = sent(&deployment, 6);
    let (old, new) = (push("acme/kiln", 1), push("acme/oven", 9));
    let mut expected = None;
    for order in [
        [&old, &of_pipeline, &deployment, &new],
        [&of_pipeline, &deployment, &old, &new],
        [&new, &old, &of_pipeline, &deployment],
        [&deployment, &new, &of_pipeline, &old],
    ] {
        let batches: Vec<Vec<Delivery>> = order.iter().map(|message| vec![(*message).clone()]).collect();
        let found = state_after(&db.store, &batches).await;
        let repos = "SELECT DISTINCT repo FROM checks UNION SELECT project FROM gitlab_deployments";
        assert_eq!(render::rows(&db.store, repos).await, ["acme/oven"]);
        let expected = expected.get_or_insert_with(|| found.clone());
        assert!(*expected == found, "{}", difference(expected, &found));
    }
    assert!(verdict(&db.store, super::SHA, &[]).await.is_none_or(|found| found.checks.is_empty()));
}

/// The messages that count are the same, whichever of them names the merge train: a hook about a job does.
#[tokio::test]
async fn a_merge_train_is_a_queue_in_any_order() {
    let db = support::database().await;
    let unit = super::job(1, "unit", "running", ["10:00:00", "10:00:10", ""]);
    let train = hook_of(101, &unit, &[("/ref", json!("refs/merge-requests/7/train"))]);
    let of_pipeline = pipeline(101, "running", std::slice::from_ref(&unit), &of_request());
    let done = with(of_pipeline.clone(), &[("/object_attributes/status", json!("failed"))]);
    let mut messages = in_order(&[of_pipeline, train, done]);
    for _ in 0..3 {
        schema::clear(&db.store).await;
        take_each(&db.store, &messages).await;
        let columns = ["stage", "lane", "mr", "branch", "sha = repeat('5a5b5c5d5e5f', 4) OR sha IS NOT NULL"];
        assert_eq!(
            super::checks_of(&db.store, &columns).await,
            "job | queue | 7 | main | true\npipeline | queue | 7 | main | true"
        );
        messages.rotate_left(1);
    }
    assert_eq!(said(&db.store, super::SHA, &[]).await, "failed (failed gitlab:pipeline)");
}
