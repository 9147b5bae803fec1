//! The checks of Konflux: builds and tests of its runs, and its Releases.

use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::{Settings, Source, Task};
use hummingbird_status::transport::Delivery;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{self, deadline, render, run_task, schema};

const SHA: &str = "0123456789ABCDEF0123456789abcdef01234567";

/// What a run is, in parts that the tests change.
#[derive(Clone)]
pub struct Run {
    pub kind: &'static str,
    pub name: String,
    pub uid: &'static str,
    pub version: u32,
    pub labels: Value,
    pub annotations: Value,
    pub condition: (&'static str, &'static str),
    pub output: Option<&'static str>,
    pub ended: &'static str,
    pub event_type: &'static str,
}

impl Run {
    pub fn build(name: &str) -> Self {
        Self {
            kind: "PipelineRun",
            name: name.to_owned(),
            uid: "u1",
            version: 1,
            labels: json!({"pipelines.appstudio.openshift.io/type": "build",
                "appstudio.openshift.io/component": "app", "appstudio.openshift.io/application": "apps"}),
            annotations: json!({"pipelinesascode.tekton.dev/sha": SHA, "pipelinesascode.tekton.dev/event-type": "push",
                "pipelinesascode.tekton.dev/branch": "main", "pipelinesascode.tekton.dev/source-branch": "main",
                "pipelinesascode.tekton.dev/repo-url": "https://GitLab.example/acme/app",
                "pipelinesascode.tekton.dev/log-url": "https://konflux.example/log"}),
            condition: ("True", "Completed"),
            output: None,
            ended: "2026-03-10T09:20:00Z",
            event_type: "MODIFIED",
        }
    }

    pub fn test(name: &str) -> Self {
        let mut run = Self::build(name);
        run.labels["pipelines.appstudio.openshift.io/type"] = json!("test");
        run.labels["test.appstudio.openshift.io/scenario"] = json!("e2e");
        run
    }

    pub fn release(name: &str) -> Self {
        Self { kind: "Release", ..Self::build(name) }
    }

    pub fn with(mut self, change: impl Fn(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// With other marks of Pipelines as Code.
    pub fn marked(self, marks: &[(&str, &str)]) -> Self {
        self.with(|run| {
            for (mark, text) in marks {
                run.annotations[format!("pipelinesascode.tekton.dev/{mark}")] = json!(text);
            }
        })
    }

    pub fn delivery(&self) -> Delivery {
        let (status, reason) = self.condition;
        let api = if self.kind == "PipelineRun" { "tekton.dev/v1" } else { "appstudio.redhat.com/v1alpha1" };
        let condition = if self.kind == "PipelineRun" { "Succeeded" } else { "Released" };
        let mut body = json!({"apiVersion": api, "kind": self.kind,
            "metadata": {"name": self.name, "uid": self.uid, "resourceVersion": self.version.to_string(),
                "creationTimestamp": format!("2026-03-10T09:00:0{}Z", &self.uid[1..]), "labels": self.labels,
                "annotations": self.annotations},
            "spec": {"snapshot": "s", "releasePlan": "prod"},
            "status": {"startTime": "2026-03-10T09:10:00Z"}});
        if !status.is_empty() {
            body["status"]["conditions"] = json!([{"type": condition, "status": status, "reason": reason}]);
        }
        if matches!(status, "True" | "False") && reason != "Progressing" {
            body["status"]["completionTime"] = json!(self.ended);
        }
        if let Some(output) = self.output {
            body["status"]["results"] = json!([{"name": "TEST_OUTPUT", "value": output}]);
        }
        let envelope = json!({"Type": "Notification", "MessageId": format!("{} {}", self.name, self.version),
            "TopicArn": "t", "Message": body.to_string(), "Timestamp": self.ended.max("2026-03-10T09:30:00Z"),
            "MessageAttributes": {"event_type": {"Type": "String", "Value": self.event_type}}});
        Delivery { id: "sqs".to_owned(), body: envelope.to_string().into_bytes(), ..Delivery::default() }
    }
}

async fn take(store: &Store, runs: &[Run]) {
    let deliveries: Vec<Delivery> = runs.iter().map(Run::delivery).collect();
    let report = ingest(store, &deliveries, &Settings::default(), deadline()).await;
    let counts = report.counts();
    assert_eq!((report.error.as_ref(), counts.refused, counts.ignored), (None, 0, 0), "{:?}", report.reasons);
}

/// The columns of the check of a run alone, `-` for null; empty if it has none.
async fn check(store: &Store, run: &Run, columns: &[&str]) -> String {
    schema::clear(store).await;
    take(store, std::slice::from_ref(run)).await;
    render::table(store, columns, "FROM checks").await
}

#[tokio::test]
async fn states_follow_the_condition_and_the_tests() {
    let db = support::database().await;
    let condition = |run: Run, condition| Run { condition, ..run };
    let output = |output| Run { output: Some(output), ..Run::test("t") };
    let deleted = |run: Run| Run { event_type: "DELETED", ..run };
    let cases = [
        (condition(Run::build("b"), ("True", "Completed")), "passed | succeeded | false | false"),
        (condition(Run::build("b"), ("False", "Failed")), "failed | failed | false | true"),
        (condition(Run::build("b"), ("False", "PipelineRunTimeout")), "failed | timed_out | false | true"),
        (condition(Run::build("b"), ("False", "Cancelled")), "canceled | cancelled | false | false"),
        (condition(Run::build("b"), ("Unknown", "Running")), "running | running | false | false"),
        (condition(Run::build("b"), ("Unknown", "PipelineRunPending")), "pending | pending | false | false"),
        (condition(Run::build("b"), ("", "")), "pending | pending | false | false"),
        (deleted(condition(Run::build("b"), ("Unknown", "Running"))), "canceled | cancelled | false | false"),
        (deleted(condition(Run::build("b"), ("False", "Failed"))), "failed | failed | false | true"),
        // Only the verdict of tests counts.
        (Run { output: Some("{\"result\": \"FAILURE\"}"), ..Run::build("b") }, "passed | succeeded | false | false"),
        (Run::test("t"), "passed | succeeded | false | false"),
        (output("{\"result\": \"SUCCESS\"}"), "passed | passed | false | false"),
        (output("{\"result\": \"SKIPPED\"}"), "passed | skipped | false | false"),
        (output("{\"result\": \"WARNING\"}"), "passed | warning | true | false"),
        (output("{\"result\": \"FAILURE\"}"), "failed | failed | false | true"),
        (output("{\"result\": \"ERROR\"}"), "errored | error | false | true"),
        (output("no JSON"), "failed | failed | false | true"),
        (condition(output("{\"result\": \"SUCCESS\"}"), ("False", "Failed")), "failed | failed | false | true"),
        (condition(Run::release("r"), ("True", "Succeeded")), "passed | succeeded | false | false"),
        (condition(Run::release("r"), ("False", "Failed")), "failed | failed | false | true"),
        (condition(Run::release("r"), ("False", "Progressing")), "running | running | false | false"),
        (condition(Run::release("r"), ("", "")), "pending | pending | false | false"),
        (deleted(condition(Run::release("r"), ("False", "Progressing"))), "canceled | running | false | false"),
    ];
    for (run, expected) in cases {
        let found = check(&db.store, &run, &["state", "original", "warn", "ever_bad"]).await;
        assert_eq!(found, expected, "{} {:?} {:?}", run.kind, run.condition, run.output);
    }
}

#[tokio::test]
async fn names_say_the_stage_and_what_it_is_of() {
    let db = support::database().await;
    let without = |run: Run, label: &str| run.with(|run| drop(run.labels.as_object_mut().unwrap().remove(label)));
    let of_type =
        |kind: &str| Run::build("b").with(|run| run.labels["pipelines.appstudio.openshift.io/type"] = json!(kind));
    let component = "appstudio.openshift.io/component";
    let cases = [
        (Run::build("b"), "pipelineruns | b | build | build/app | b"),
        (Run::test("t"), "pipelineruns | t | test | test/e2e/app | t"),
        (Run::release("r"), "releases | r | release | release/prod | r"),
        // The tests of a group of components have none.
        (without(Run::test("t"), component), "pipelineruns | t | test | test/e2e/apps | t"),
        (
            without(without(Run::build("b"), component), "appstudio.openshift.io/application"),
            "pipelineruns | b | build | build/? | b",
        ),
        // Attempts of a Release, and others.
        (of_type("managed"), ""),
        (of_type("tenant"), ""),
        (of_type("final"), ""),
        (of_type("nudge"), ""),
    ];
    for (run, expected) in cases {
        assert_eq!(check(&db.store, &run, &["kind", "key", "stage", "name", "run"]).await, expected);
    }
}

#[tokio::test]
async fn a_run_that_is_no_check_any_more_loses_its_check() {
    let db = support::database().await;
    take(&db.store, &[Run::build("b")]).await;
    let managed = Run::build("b").with(|run| {
        run.labels["pipelines.appstudio.openshift.io/type"] = json!("managed");
        run.version = 2;
    });
    take(&db.store, &[managed]).await;
    assert_eq!(render::rows(&db.store, "SELECT name FROM checks").await, Vec::<String>::new());
}

/// The lane of runs, with their branch and the number of their merge request. The lanes of pushes are what the pages
/// count as pushed.
#[tokio::test]
async fn lanes_follow_the_branch_and_the_event() {
    let db = support::database().await;
    let queue = "gh-readonly-queue/main/pr-29-c0ffee";
    let cases: &[(&str, Option<&str>, &str, &str, &str)] = &[
        ("push", None, "main", "main", "push | main | -"),
        ("Push", None, "refs/heads/rel/1", "refs/heads/rel/1", "push | rel/1 | -"),
        // The number of the merge request that the push merges.
        ("push", Some("77"), "main", "main", "push | main | -"),
        ("incoming", None, "main", "main", "push | main | -"),
        ("push", None, "refs/tags/v1", "refs/tags/v1", "tag | v1 | -"),
        ("Tag Push", None, "refs/tags/v1", "refs/tags/v1", "tag | v1 | -"),
        ("pull_request", Some("7"), "main", "fix", "mr | fix | 7"),
        ("Merge Request", Some("7"), "main", "fix", "mr | fix | 7"),
        ("Merge_Request", Some("7"), "main", "fix", "mr | fix | 7"),
        ("pull_request_labeled", Some("7"), "main", "fix", "mr | fix | 7"),
        // A message that lost the number.
        ("Merge Request", None, "main", "fix", "mr | fix | -"),
        ("retest-comment", Some("7"), "main", "fix", "mr | fix | 7"),
        ("push", None, queue, queue, "queue | gh-readonly-queue/main/pr-29-c0ffee | 29"),
        ("push", Some("29"), queue, queue, "queue | gh-readonly-queue/main/pr-29-c0ffee | 29"),
        ("push", None, "main", queue, "queue | main | 29"),
        ("push", None, "mergify/merge-queue/1f", "mergify/merge-queue/1f", "queue | mergify/merge-queue/1f | -"),
        ("push", None, "refs/merge-requests/12/train", "fix", "queue | refs/merge-requests/12/train | 12"),
        ("Merge Request", None, "refs/merge-requests/12/merge", "fix", "mr | fix | 12"),
    ];
    for (event, number, branch, source, expected) in cases {
        for run in [Run::build("b"), Run::test("t")] {
            let run = run.marked(&[("event-type", event), ("branch", branch), ("source-branch", source)]);
            let run = number.iter().fold(run, |run, number| run.marked(&[("pull-request", number)]));
            let found = check(&db.store, &run, &["lane", "branch", "mr"]).await;
            assert_eq!(found, *expected, "{event} {number:?} {branch} {source}");
            let is_pushed = "SELECT is_pushed(event, mr_iid, target_branch)::text FROM pipelineruns";
            let is_pushed = render::rows(&db.store, is_pushed).await;
            // The pages do not look at the source branch.
            if (*branch, *source) != ("main", queue) {
                assert_eq!(is_pushed, [matches!(&found[..3], "pus" | "tag").to_string()], "{event} {branch}");
            }
        }
    }
    let found = check(&db.store, &Run::release("r"), &["lane", "branch", "mr"]).await;
    assert_eq!(found, "release | - | -");
}

#[tokio::test]
async fn a_check_is_of_the_commit_of_its_run() {
    let db = support::database().await;
    let columns = [
        "host",
        "repo",
        "sha",
        "seq",
        "log_url",
        "url",
        "optional",
        "created_at AT TIME ZONE 'UTC'",
        "finished_at AT TIME ZONE 'UTC'",
        "changed_at AT TIME ZONE 'UTC'",
    ];
    let created = Timestamp::from_second(1_773_133_201).unwrap().as_microsecond();
    let lower = SHA.to_lowercase();
    let expected = format!(
        "gitlab.example | acme/app | {lower} | {created} | https://konflux.example/log | - | false | \
         2026-03-10 09:00:01 | 2026-03-10 09:20:00 | 2026-03-10 09:20:00"
    );
    assert_eq!(check(&db.store, &Run::build("b"), &columns).await, expected);
    let short = Run::build("b").marked(&[("sha", "0123456")]);
    assert_eq!(check(&db.store, &short, &["sha"]).await, "-");
    let label = "test.appstudio.openshift.io/optional";
    let optional = |run: Run, text: &str| run.with(|run| run.labels[label] = json!(text));
    for (run, expected) in [
        (optional(Run::test("t"), "true"), "true"),
        (optional(Run::test("t"), "false"), "false"),
        (optional(Run::build("b"), "true"), "false"),
    ] {
        assert_eq!(check(&db.store, &run, &["optional"]).await, expected);
    }
    // Without the times of its object it is as old as its message.
    let undated = "UPDATE pipelineruns SET created_at = NULL, started_at = NULL, finished_at = NULL, message_at = \
        '2026-03-10 11:00Z', host = NULL; INSERT INTO check_projections (kind) VALUES ('pipelineruns')";
    db.store.script(undated, deadline()).await.unwrap();
    run_task(&db.store, Task::Checks).await;
    let columns = ["host", "created_at = '2026-03-10 11:00Z'", "changed_at = created_at", "finished_at"];
    assert_eq!(render::table(&db.store, &columns, "FROM checks").await, " | true | true | -");
}

/// A run that failed by one message and passed by another one has been bad, in any order and batching. The message of
/// an object that had the name before says nothing of the one that has it.
#[tokio::test]
async fn a_run_that_was_ever_bad_stays_so() {
    let db = support::database().await;
    let failed = Run { output: Some("{\"result\": \"FAILURE\"}"), ..Run::test("t") };
    let passed = Run { output: Some("{\"result\": \"SUCCESS\"}"), version: 2, ..Run::test("t") };
    let later = Run { uid: "u2", ..passed.clone() };
    let of = async |runs: &[Run], together: bool| {
        schema::clear(&db.store).await;
        for batch in if together { vec![runs] } else { runs.chunks(1).collect() } {
            take(&db.store, batch).await;
        }
        let replaced = "(SELECT count(*) FROM replaced AS r WHERE r.row ? 'ever_bad')";
        render::table(&db.store, &["state", "ever_bad", replaced], "FROM checks").await
    };
    for together in [false, true] {
        for runs in [[&failed, &passed], [&passed, &failed]] {
            assert_eq!(of(&runs.map(Clone::clone), together).await, "passed | true | 0");
        }
        for runs in [
            [&failed, &passed, &later],
            [&failed, &later, &passed],
            [&passed, &failed, &later],
            [&passed, &later, &failed],
            [&later, &failed, &passed],
            [&later, &passed, &failed],
        ] {
            assert_eq!(of(&runs.map(Clone::clone), together).await, "passed | false | 0", "{together}");
        }
        // The object that has the name failed, and the one before did not.
        let bad = Run { uid: "u2", ..failed.clone() };
        for runs in [[&passed, &bad, &later], [&later, &bad, &passed], [&later, &passed, &bad]] {
            assert_eq!(of(&runs.map(Clone::clone), together).await, "passed | true | 0");
        }
    }
}

/// Of a row from before it was recorded, it is not known; a message that says so makes it known.
#[tokio::test]
async fn whether_an_old_run_was_ever_bad_is_unknown() {
    let db = support::database().await;
    take(&db.store, &[Run { version: 2, ..Run::test("t") }]).await;
    db.store.script("UPDATE pipelineruns SET ever_bad = NULL", deadline()).await.unwrap();
    take(&db.store, &[Run { version: 3, ..Run::test("t") }]).await;
    assert_eq!(render::table(&db.store, &["ever_bad"], "FROM checks").await, "-");
    take(&db.store, &[Run { condition: ("False", "Failed"), ..Run::test("t") }]).await;
    assert_eq!(render::table(&db.store, &["ever_bad"], "FROM checks").await, "true");
}

/// A check is stuck from the moment that the sweep writes into its row; the sweep itself changes no check.
#[tokio::test]
async fn checks_are_stuck_when_their_runs_are() {
    let db = support::database().await;
    let open = |run: Run| Run { condition: ("Unknown", "Running"), ..run };
    let runs = [open(Run::build("b")), open(Run::test("t")), Run::build("done"), open(Run::release("r"))];
    take(&db.store, &runs).await;
    let before = super::all(&db.store).await;
    let now: Timestamp = "2026-04-10T00:00:00Z".parse().unwrap();
    let sweep = async |tx: &mut hummingbird_status::db::Tx<'_>| {
        Source::Konflux.sweep(tx, &Settings::default(), now, true).await
    };
    db.store.in_tx("sweep", deadline(), sweep).await.unwrap();
    assert_eq!(super::all(&db.store).await, before);
    let stale = "SELECT name, stale_since FROM pipelineruns UNION ALL SELECT name, stale_since FROM releases";
    let same = format!("FROM checks AS c JOIN ({stale}) AS s ON s.name = c.key ORDER BY c.key");
    let columns = ["c.key", "c.stuck_since AT TIME ZONE 'UTC'", "c.stuck_since IS NOT DISTINCT FROM s.stale_since"];
    let expected = [
        "b | 2026-03-10 15:10:00 | true",
        "done | - | true",
        "r | 2026-03-12 09:10:00 | true",
        "t | 2026-03-10 21:10:00 | true",
    ];
    assert_eq!(render::table(&db.store, &columns, &same).await, expected.join("\n"));
    // A run that is deleted has no end that could be missing.
    let deleted = Run { event_type: "DELETED", ..open(Run::release("r")) };
    take(&db.store, &[deleted]).await;
    assert_eq!(
        render::table(&db.store, &["state", "stuck_since"], "FROM checks WHERE key = 'r'").await,
        "canceled | -"
    );
}

/// The host of an old row is filled in later, and its check follows.
#[tokio::test]
async fn checks_get_the_host_that_is_filled_in() {
    let db = support::database().await;
    take(&db.store, &[Run::build("b"), Run::test("t"), Run::release("r")]).await;
    db.store.script("UPDATE pipelineruns SET host = NULL; UPDATE releases SET host = NULL", deadline()).await.unwrap();
    run_task(&db.store, Task::KonfluxHosts).await;
    let hosts = "SELECT key || ' ' || host FROM checks ORDER BY key";
    assert_eq!(render::rows(&db.store, hosts).await, ["b gitlab.com", "r gitlab.com", "t gitlab.com"]);
}
