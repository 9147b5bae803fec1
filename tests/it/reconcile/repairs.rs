//! Lost changes are found, and corrected by the rules of the source.

use jiff::Timestamp;
use serde_json::json;

use super::fake::{Fake, item, webhook};
use super::{
    SENT, UPDATED, add_open, corrections, ingest_webhook, merge_requests, open_only, options, run, with_open, writes,
};
use crate::support::{self, render};

#[tokio::test]
async fn lost_changes_are_corrected_and_the_second_run_writes_nothing() {
    let (db, gitlab) = with_open(1..=7).await;
    let later = json!("2026-03-10T11:00:00.100Z");
    let merged = json!({"state": "merged", "updated_at": later, "merged_at": "2026-03-10T10:59:59.900Z",
        "merge_commit_sha": "c0ffee", "merge_user": {"username": "kim"}});
    gitlab.change("g/p", 1, merged);
    gitlab.change("g/p", 2, json!({"state": "closed", "updated_at": later}));
    gitlab.state().projects.get_mut("g/p").unwrap().remove(&3);
    gitlab.change(
        "g/p",
        4,
        json!({"title": "Draft: Change 4", "draft": true, "updated_at": later, "labels": ["b", "a"]}),
    );
    // A comment.
    gitlab.change("g/p", 5, json!({"updated_at": later}));
    gitlab.change("g/p", 6, json!({"state": "locked", "updated_at": later}));

    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(gitlab.asked(), ["g/p/merge_requests 7 iids"]);
    assert_eq!(
        corrections(&report),
        [
            "g/p!1 state: opened -> merged",
            "g/p!1 merge_commit_sha:  -> c0ffee",
            "g/p!2 state: opened -> closed",
            "g/p!3 state: opened -> deleted",
            "g/p!4 title: Change 4 -> Draft: Change 4",
            "g/p!4 draft: false -> true",
            "g/p!4 labels: rebuild -> a, b",
            "g/p!6 state: opened -> locked",
        ]
    );
    assert_eq!((report.checked, report.refreshed, report.requests), (7, 1, 1));
    assert!(report.is_whole());
    insta::assert_snapshot!(merge_requests(&db).await);
    let times = render::table(
        &db.store,
        &["updated_at", "merged_at", "last_actor", "last_action"],
        "FROM gitlab_merge_requests WHERE iid IN (1, 5) ORDER BY iid",
    )
    .await;
    insta::assert_snapshot!(times);

    let written = writes(&db).await;
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!((corrections(&report).len(), report.refreshed, report.overtaken), (0, 0, 0));
    // What is closed by now is not asked for again.
    assert_eq!(gitlab.asked(), ["g/p/merge_requests 4 iids"]);
    assert_eq!(writes(&db).await, written);
}

#[tokio::test]
async fn the_sweep_finds_reopened_and_unknown_merge_requests() {
    let (db, gitlab) = with_open(1..=2).await;
    let now = jiff::Timestamp::now();
    let minutes_ago = |minutes: i64| now.checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap().to_string();
    let mut closed = item(2, "closed", "2026-03-10T10:30:00.500Z");
    ingest_webhook(&db.store, &webhook("g/p", &closed, "close"), "2026-03-10T10:30:01Z").await;
    closed["state"] = json!("opened");
    closed["updated_at"] = json!(minutes_ago(30));
    gitlab.put("g/p", closed);
    gitlab.put("g/p", item(8, "opened", &minutes_ago(20)));
    gitlab.put("g/p", item(9, "closed", "2026-01-01T00:00:00.000Z"));
    let versions = json!([{"id": 80, "head_commit_sha": format!("{:040x}", 8), "created_at": minutes_ago(25)}]);
    gitlab.state().versions.insert(("g/p".to_owned(), 8), versions);

    let report = run(&db, &gitlab, options()).await;
    assert_eq!(corrections(&report), ["g/p!2 state: closed -> opened"]);
    let missing: Vec<_> = report.missing.iter().map(|m| (m.iid, m.state)).collect();
    assert_eq!(missing, [(8, "opened")], "not the one from before the sweep");
    assert_eq!((report.versions, report.checked), (1, 3));
    assert_eq!(
        gitlab.asked(),
        ["g/p/merge_requests 1 iids", "g/p/merge_requests sweep", "g/p/merge_requests/8/versions",]
    );
    insta::assert_snapshot!(merge_requests(&db).await);

    let written = writes(&db).await;
    let report = run(&db, &gitlab, options()).await;
    assert_eq!((report.corrections.len(), report.missing.len(), report.versions), (0, 0, 0));
    assert_eq!(writes(&db).await, written);
    // From the last sweep on, with some overlap.
    let sweeps = "SELECT (now() - swept_at < interval '1 hour')::text FROM reconcile_projects";
    assert_eq!(render::rows(&db.store, sweeps).await, ["true"]);
}

#[tokio::test]
async fn a_sweep_begins_at_a_given_time() {
    let (db, gitlab) = with_open(1..=1).await;
    gitlab.put("g/p", item(9, "closed", "2026-01-01T00:00:00.000Z"));
    let since: Timestamp = "2025-12-31T00:00:00Z".parse().unwrap();
    let report = run(&db, &gitlab, super::Options { since: Some(since), ..options() }).await;
    assert_eq!(report.missing.len(), 1);
    assert!(gitlab.state().asked[1].ends_with("&updated_after=2025-12-31T00%3A00%3A00Z"));
}

/// Two pushes got lost: the versions come with the times at which they were pushed, the one that is known stays.
#[tokio::test]
async fn lost_versions_are_filled_in_with_their_times() {
    let (db, gitlab) = with_open(1..=1).await;
    let head = "b".repeat(40);
    gitlab.change("g/p", 1, json!({"sha": head, "updated_at": "2026-03-10T12:30:00.100Z"}));
    let versions = json!([
        {"id": 3, "head_commit_sha": head, "created_at": "2026-03-10T12:00:00.300Z", "state": "collected"},
        {"id": 2, "head_commit_sha": "a".repeat(40), "created_at": "2026-03-10T11:00:00.200Z"},
        {"id": 1, "head_commit_sha": format!("{:040x}", 1), "created_at": "2026-03-10T09:00:01.100Z"},
    ]);
    gitlab.state().versions.insert(("g/p".to_owned(), 1), versions);
    let columns = ["left(sha, 3)", "created_at", "head_at IS NOT NULL", "message_id !~ '^reconcile'"];
    let heads = async || render::table(&db.store, &columns, "FROM gitlab_mr_versions ORDER BY created_at").await;

    // Without the sweep the head is known, but not since when.
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(corrections(&report).len(), 1);
    assert_eq!(report.versions, 0);
    let known = heads().await;
    assert!(known.contains("bbb | 2026-03-10 12:30:00.1+00 | false | false"), "{known}");
    // The next one asks for that, although the merge request itself is right by now.
    let report = run(&db, &gitlab, options()).await;
    assert_eq!((corrections(&report).len(), report.versions), (0, 2));
    insta::assert_snapshot!(heads().await);

    let written = writes(&db).await;
    gitlab.asked();
    run(&db, &gitlab, options()).await;
    assert_eq!(writes(&db).await, written);
    assert!(!gitlab.asked().iter().any(|asked| asked.contains("versions")), "asked for once");
}

#[tokio::test]
async fn a_dry_run_reports_all_and_writes_nothing() {
    let (db, gitlab) = with_open(1..=3).await;
    gitlab.change("g/p", 1, json!({"state": "merged", "updated_at": "2026-03-10T11:00:00.100Z"}));
    gitlab.state().projects.get_mut("g/p").unwrap().remove(&2);
    gitlab.put("g/p", item(8, "opened", &Timestamp::now().to_string()));
    let before = render::all(&db.store).await;
    let dry = super::Options { dry_run: true, ..options() };
    let report = run(&db, &gitlab, dry).await;
    assert_eq!(corrections(&report), ["g/p!1 state: opened -> merged", "g/p!2 state: opened -> deleted"]);
    assert_eq!((report.missing.len(), report.dry_run), (1, true));
    assert_eq!(render::all(&db.store).await, before);
    assert_eq!(render::rows(&db.store, "SELECT project FROM reconcile_projects").await, [""; 0]);
}

/// GitLab answers from replicas: a very new merge request may be missing.
#[tokio::test]
async fn a_very_new_merge_request_does_not_count_as_deleted() {
    let (db, gitlab) = with_open(1..=1).await;
    let now = Timestamp::now();
    ingest_webhook(&db.store, &webhook("g/p", &item(2, "opened", &now.to_string()), "open"), &now.to_string()).await;
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(corrections(&report), [""; 0]);
    assert_eq!(gitlab.asked(), ["g/p/merge_requests 2 iids"]);
}

/// What was taken for deleted and is seen again is not deleted.
#[tokio::test]
async fn a_merge_request_that_is_seen_again_is_not_deleted() {
    let (db, gitlab) = with_open(1..=1).await;
    let item = gitlab.state().projects.get_mut("g/p").unwrap().remove(&1).unwrap();
    assert_eq!(corrections(&run(&db, &gitlab, open_only()).await), ["g/p!1 state: opened -> deleted"]);
    gitlab.put("g/p", item);
    let since = "2026-03-01T00:00:00Z".parse().ok();
    let report = run(&db, &gitlab, super::Options { since, ..options() }).await;
    assert_eq!(corrections(&report), ["g/p!1 state: deleted -> opened"]);
    let row = "g/p!1 | opened | Change 1 | 0001 | rebuild | robin | reconcile | false";
    assert_eq!(merge_requests(&db).await, row);
}

/// Its numbers are the same, its merge requests are not.
#[tokio::test]
async fn another_project_under_the_path_changes_nothing() {
    let (db, gitlab) = with_open(1..=2).await;
    gitlab.state().ids.insert("g/p".to_owned(), 99);
    let before = render::all(&db.store).await;
    // Empty, so that all would be deleted.
    gitlab.state().projects.insert("g/p".to_owned(), std::collections::BTreeMap::new());
    let report = run(&db, &gitlab, open_only()).await;
    let why = "this path is now that of another project, number 99 instead of 7";
    assert_eq!((report.unreachable[0].project.as_str(), report.unreachable[0].problem.as_str()), ("g/p", why));
    // With merge requests of its own.
    let mut other = item(1, "merged", "2026-03-11T10:00:00.000Z");
    other["project_id"] = json!(99);
    gitlab.put("g/p", other);
    assert_eq!(run(&db, &gitlab, options()).await.unreachable.len(), 1);
    assert_eq!(render::all(&db.store).await, before);
}

/// Merge requests of 3 projects on 2 instances: each is asked about its own, by the host of their pages.
#[tokio::test]
async fn several_instances_have_projects_of_their_own() {
    let db = support::database().await;
    let (one, other) = (Fake::start().await, Fake::start().await);
    add_open(&db, &one, "g/p", [1]).await;
    for (gitlab, project, host) in [(&other, "in/side", "git.internal"), (&one, "no/where", "git.elsewhere")] {
        let mut item = item(5, "opened", UPDATED);
        item["web_url"] = json!(format!("https://{host}:8443/{project}/-/merge_requests/5"));
        ingest_webhook(&db.store, &webhook(project, &item, "open"), SENT).await;
        gitlab.put(project, item);
    }
    let mut instances = [one.instance(), other.instance()];
    instances[0].host = Some("gitlab.example.com".to_owned());
    instances[1].host = Some("git.internal".to_owned());
    instances[1].token = Some(hummingbird_status::platform::secret::Secret::new("Bearer other-token"));
    let report = super::reconcile::run(&db.store, &instances, open_only(), super::deadline(), |_, _| ()).await.unwrap();
    assert_eq!(one.asked(), ["g/p/merge_requests 1 iids"]);
    assert_eq!(other.asked(), ["in/side/merge_requests 1 iids"]);
    assert_eq!(one.state().signed, [super::fake::TOKEN]);
    assert_eq!(other.state().signed, ["Bearer other-token"]);
    assert_eq!(report.unreachable[0].problem, "none of the configured instances has the host 'git.elsewhere'");
}

#[tokio::test]
async fn only_the_projects_that_were_asked_for() {
    let (db, gitlab) = with_open(1..=1).await;
    add_open(&db, &gitlab, "g/q", [1]).await;
    gitlab.put("g/new", item(1, "opened", &Timestamp::now().to_string()));
    let projects = vec!["g/q".to_owned(), "g/new".to_owned()];
    let report = run(&db, &gitlab, super::Options { projects, concurrency: 1, ..options() }).await;
    assert_eq!(gitlab.asked()[..2], ["g/q/merge_requests 1 iids", "g/q/merge_requests sweep"]);
    // Nothing was heard of this one yet, so there is only what changed lately.
    assert_eq!((report.missing[0].project.as_str(), report.projects), ("g/new", 2));
}
