//! What failed and what is stuck: the overview, its counts, the metrics, feeds, badges and explanations follow the
//! checks, so that they agree.

use hummingbird_status::reports::{EXPLAINED, explain};
use hummingbird_status::sources::Task;
use hummingbird_status::transport::Delivery;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Site, filled, take};
use crate::checks::konflux::Run;
use crate::support::{self, Db, deadline};

/// A test that ran to its end, and whose output says that it failed.
fn failed_test(name: &str) -> Run {
    let test = Run::test(name).with(|run| run.labels["appstudio.openshift.io/snapshot"] = json!("s"));
    Run { output: Some("{\"result\": \"FAILURE\"}"), ..test }
}

async fn of(runs: &[Run]) -> Db {
    let db = support::database().await;
    take(&db.store, &runs.iter().map(Run::delivery).collect::<Vec<_>>()).await;
    db
}

const SAME_DAY: &str = "2026-03-10T12:00:00Z";

#[tokio::test]
async fn a_test_that_failed_in_a_run_that_succeeded_is_failed_everywhere() {
    let db = of(&[Run::build("built"), failed_test("tested")]).await;
    let site = Site::of(&db.store, SAME_DAY).await;
    let pipelines = site.json("/api/v1/summary").await["pipelines"].clone();
    assert_eq!((&pipelines["failed"], &pipelines["unfinished"]), (&json!(1), &json!(0)));
    assert!(site.get("/metrics").await.body.contains("\nhummingbird_runs_failed_24h 1\n"));
    let page = site.get("/").await.body;
    assert!(page.contains(">tested<") && !page.contains("Nothing needs attention"), "{page}");
    assert!(!page.contains("succeeded"), "{page}");
    let title = "<title>app: test e2e failed</title>";
    for feed in ["/feed.atom", "/feed/components/app"] {
        let body = site.get(feed).await.body;
        assert!(body.contains(title) && body.contains("run:tested:succeeded"), "{feed}: {body}");
    }
    assert_eq!(site.json("/badge/components/app.json").await["message"], "failed");
    for (kind, key) in [
        ("component", "app"),
        ("commit", "0123456789ABCDEF0123456789abcdef01234567"),
        ("pipelinerun", "tested"),
        ("snapshot", "s"),
    ] {
        let object = EXPLAINED.iter().find(|known| known.name == kind).unwrap();
        let parts = db.store.in_tx("explain", deadline(), async |tx| explain(tx, object, key).await).await.unwrap();
        let whats: Vec<String> = parts.into_iter().filter_map(|part| part.what).collect();
        let said = if kind == "pipelinerun" { "failed, tests failed" } else { "tested failed" };
        assert!(whats.iter().any(|what| what.starts_with(said)), "{kind}: {whats:?}");
        assert!(!whats.iter().any(|what| what.starts_with("tested succeeded")), "{kind}: {whats:?}");
    }
    // A day after its end it is no recent failure any more.
    let later = Site::of(&db.store, "2026-03-11T09:20:01Z").await;
    assert_eq!(later.json("/api/v1/summary").await["pipelines"]["failed"], 0);
}

/// What counts is the end of an object, not its creation.
#[tokio::test]
async fn a_release_that_fails_late_is_a_recent_failure() {
    let failed = ("False", "Failed");
    let late = Run { condition: failed, ended: "2026-03-11T10:54:00Z", ..Run::release("late") };
    let early = Run { condition: failed, ..Run::release("early") };
    let db = of(&[late, early]).await;
    let site = Site::of(&db.store, "2026-03-11T11:00:00Z").await;
    assert_eq!(site.json("/api/v1/summary").await["pipelines"]["failed_releases"], 1);
    assert!(site.get("/metrics").await.body.contains("\nhummingbird_releases_failed_24h 1\n"));
    let page = site.get("/").await.body;
    assert!(page.contains("/releases/late") && !page.contains("/releases/early"), "{page}");
}

/// The counts are those that the checks give, at any time: one rule of failed and one of stuck, for all sources.
#[tokio::test]
async fn the_counts_are_those_of_the_checks() {
    let db = filled().await;
    let first = Site::of(&db.store, SAME_DAY).await;
    let checks = first.json("/api/v1/checks?limit=500").await["results"].clone();
    let checks = checks.as_array().unwrap();
    assert!(checks.len() > 20 && checks.len() < 500, "{}", checks.len());
    let mut stuck_seen = 0;
    for hours in [-30_i64, -1, 0, 3, 7, 13, 20, 26, 40, 60, 24 * 10, 24 * 40] {
        let now = SAME_DAY.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours);
        let site = Site::of(&db.store, &now.to_string()).await;
        let now_checks = site.json("/api/v1/checks?limit=500").await["results"].clone();
        let number = |kind: &str, fits: &dyn Fn(&Value) -> bool| {
            let all = now_checks.as_array().unwrap().iter();
            all.filter(|check| check["kind"] == kind && fits(check)).count()
        };
        let stuck = |check: &Value| check["stuck"] == true;
        let summary = site.json("/api/v1/summary").await;
        let page = site.get("/").await.body;
        for (kind, counts, name) in [
            ("pipelineruns", &summary["pipelines"], "stuck"),
            ("releases", &summary["pipelines"], "stuck_releases"),
            ("buildkite_builds", &summary["buildkite"], "stuck"),
            ("travis_builds", &summary["travis"], "stuck"),
        ] {
            let expected = number(kind, &stuck);
            stuck_seen += expected;
            assert_eq!(counts[name], expected, "{kind} at {now}");
        }
        let unfinished = number("pipelineruns", &|check| check["class"] == "open" || stuck(check));
        assert_eq!(summary["pipelines"]["unfinished"], unfinished, "{now}");
        let any = ["pipelineruns", "releases", "buildkite_builds", "travis_builds"];
        let has_stuck = any.iter().any(|kind| number(kind, &stuck) > 0);
        assert_eq!(page.contains("that should have ended"), has_stuck, "{now}");
        // Of each table the one that is stuck longest is listed.
        let metrics = site.get("/metrics").await.body;
        let number = number("pipelineruns", &stuck);
        assert!(metrics.contains(&format!("\nhummingbird_runs_stuck {number}\n")), "{now}: {metrics}");
    }
    assert!(stuck_seen > 10, "{stuck_seen}");
}

/// A run is stuck from the moment that its check is, which is what `reconcile` marks.
#[tokio::test]
async fn a_silent_build_is_stuck_from_its_time_limit_on() {
    let running = Run { condition: ("Unknown", "Running"), ..Run::build("silent") };
    let db = of(&[running]).await;
    // Started at 09:10, and its time limit is 6 hours.
    for (now, stuck) in [("2026-03-10T15:09:59Z", 0), ("2026-03-10T15:10:00Z", 1)] {
        let site = Site::of(&db.store, now).await;
        let pipelines = site.json("/api/v1/summary").await["pipelines"].clone();
        assert_eq!((&pipelines["stuck"], &pipelines["unfinished"]), (&json!(stuck), &json!(1)), "{now}");
        assert_eq!(site.get("/").await.body.contains(">silent<"), stuck == 1, "{now}");
    }
}

/// The badge of a component is of the worst of its newest build, tests and release on its branch.
#[tokio::test]
async fn the_badge_of_a_component_is_of_the_worst_of_build_tests_and_release() {
    let failed = ("False", "Failed");
    let bad_build = Run { condition: failed, ..Run::build("b2") };
    let bad_release = Run { condition: failed, ..Run::release("r") };
    let running = Run { condition: ("Unknown", "Running"), ..Run::build("b2") };
    let of_request = |run: Run| run.marked(&[("event-type", "pull_request"), ("pull-request", "7")]);
    let optional = failed_test("t").with(|run| run.labels["test.appstudio.openshift.io/optional"] = json!("true"));
    let green = || vec![Run::build("b"), Run::test("t"), Run::release("r")];
    for (runs, expected) in [
        (green(), "passed"),
        (vec![Run::build("b"), failed_test("t"), Run::release("r")], "failed"),
        (vec![Run::build("b"), Run::test("t"), bad_release], "failed"),
        (vec![bad_build.clone(), Run::test("t"), Run::release("r")], "failed"),
        (vec![running, Run::test("t"), Run::release("r")], "pending"),
        (vec![Run::build("b"), optional, Run::release("r")], "passed"),
        ([green(), vec![of_request(bad_build)]].concat(), "passed"),
    ] {
        let db = of(&runs).await;
        let site = Site::of(&db.store, SAME_DAY).await;
        assert_eq!(site.json("/badge/components/app.json").await["message"], expected);
        assert_eq!(site.json("/badge/components/none.json").await["message"], "unknown");
    }
}

/// A merge request has the verdict of its head, on its page, in its JSON and on its badge.
#[tokio::test]
async fn a_merge_request_has_the_verdict_of_its_head() {
    let hook = json!({"object_kind": "merge_request", "event_type": "merge_request",
        "project": {"id": 1, "path_with_namespace": "acme/app", "web_url": "https://gitlab.example/acme/app"},
        "object_attributes": {"iid": 7, "state": "opened", "action": "open", "title": "t", "source_branch": "fix",
            "target_branch": "main", "created_at": "2026-03-10T08:59:00Z", "updated_at": "2026-03-10T08:59:00Z",
            "last_commit": {"id": "0123456789abcdef0123456789abcdef01234567"}}});
    let hook = json!({"Type": "Notification", "MessageId": "mr", "TopicArn": "t", "Message": hook.to_string(),
        "Timestamp": "2026-03-10T09:00:00Z", "MessageAttributes": {}});
    let hook = Delivery { id: "mr".to_owned(), body: hook.to_string().into_bytes(), ..Delivery::default() };
    let of_request =
        |run: Run| run.marked(&[("event-type", "pull_request"), ("pull-request", "7"), ("source-branch", "fix")]);
    for (test, expected) in [(Run::test("t"), "passed"), (failed_test("t"), "failed")] {
        let db = of(&[of_request(Run::build("b")), of_request(test)]).await;
        take(&db.store, std::slice::from_ref(&hook)).await;
        let site = Site::of(&db.store, SAME_DAY).await;
        let found = site.json("/api/v1/mr/acme/app/7").await;
        assert_eq!((&found["verdict"], &found["settled"]), (&json!(expected), &json!(true)), "{found}");
        assert_eq!(found["checks"].as_array().unwrap().len(), 2);
        let asked = site.json("/api/v1/verdict?repo=acme/app&mr=7").await;
        assert_eq!((&found["version"], &found["verdict"]), (&asked["version"], &asked["verdict"]));
        assert_eq!(site.json("/badge/mr/acme/app/7.json").await["message"], expected);
        let page = site.get("/mr/acme/app/7").await.body;
        assert!(page.contains("Verdict of the head") && page.contains("test/e2e/app"), "{page}");
    }
}

/// While rows of before the table of checks are read, no page says that nothing failed.
#[tokio::test]
async fn nothing_is_claimed_while_checks_are_being_computed() {
    let db = of(&[Run::build("b"), failed_test("t")]).await;
    let begin = "DELETE FROM checks; INSERT INTO check_projections (kind) VALUES ('pipelineruns')";
    db.store.script(begin, deadline()).await.unwrap();
    let site = Site::of(&db.store, SAME_DAY).await;
    let state = async || {
        let page = site.get("/").await.body;
        let summary = site.json("/api/v1/summary").await;
        let metrics = site.get("/metrics").await.body;
        let computed = metrics.lines().find(|line| line.starts_with("hummingbird_checks_being_computed ")).unwrap();
        assert!(!page.contains("Nothing needs attention"), "{page}");
        let said = page.contains("Being computed") && summary["being_computed"] == true && computed.ends_with(" 1");
        (said, site.json("/badge/components/app.json").await["message"].clone())
    };
    assert_eq!(state().await, (true, json!("being computed")));
    let object = EXPLAINED.iter().find(|known| known.name == "component").unwrap();
    let parts = db.store.in_tx("explain", deadline(), async |tx| explain(tx, object, "app").await).await.unwrap();
    assert!(parts.iter().any(|part| part.what.as_deref() == Some("t succeeded, tests failed")), "{parts:?}");
    support::run_task(&db.store, Task::Checks).await;
    assert_eq!(state().await, (false, json!("failed")));
}
