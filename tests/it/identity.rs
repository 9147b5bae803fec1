//! Rows follow their projects, by host and number: renamed, transferred, and with a path that now belongs to another
//! project. In any order of messages, and in any batches.

use hummingbird_status::checks::Touched;
use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::sources::gitlab::{fill_hosts, reads};
use hummingbird_status::sources::konflux;
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use crate::support::random::Random;
use crate::support::{self, deadline, difference, render, schema};

const DAY: &str = "2026-05-04";

/// A message as SNS brings it, sent a second after the time.
fn sns(id: &str, payload: &Value, hour: u32) -> Delivery {
    let body = json!({"Type": "Notification", "MessageId": id, "TopicArn": "t", "Message": payload.to_string(),
        "Timestamp": format!("{DAY}T{hour:02}:00:01Z"), "MessageAttributes": {}});
    Delivery { id: format!("sqs {id}"), body: body.to_string().into_bytes(), ..Delivery::default() }
}

/// A project: host, number, path. Without a host it has no address.
type Project<'p> = (&'p str, i64, &'p str);

fn project((host, id, path): Project<'_>) -> Value {
    let url = (!host.is_empty()).then(|| format!("https://{host}/{path}"));
    json!({"id": id, "path_with_namespace": path, "web_url": url, "default_branch": "main"})
}

/// A webhook about a merge request.
fn merge_request(of: Project<'_>, iid: i64, state: &str, hour: u32) -> Delivery {
    let sha = format!("{}{iid}", state.len()).repeat(20);
    let payload = json!({"object_kind": "merge_request", "project": project(of), "object_attributes": {
        "iid": iid, "state": state, "title": format!("{state} at {hour}"), "action": "update",
        "created_at": format!("{DAY} 01:00:00 UTC"), "updated_at": format!("{DAY} {hour:02}:00:00 UTC"),
        "last_commit": {"id": sha}}});
    sns(&format!("{of:?} {iid} {state} {hour}"), &payload, hour)
}

fn push(of: Project<'_>, sha: &str, hour: u32) -> Delivery {
    let commit = json!({"id": sha, "title": "t", "timestamp": format!("{DAY}T{hour:02}:00:00Z"), "added": ["app/x"]});
    let payload = json!({"object_kind": "push", "ref": "refs/heads/main", "before": "b", "after": sha,
        "project_id": of.1,
        "project": project(of), "commits": [commit], "total_commits_count": 1});
    sns(&format!("push {of:?} {sha} {hour}"), &payload, hour)
}

/// The system hook of a rename or a transfer, which names no host.
fn renamed(event: &str, id: i64, before: &str, path: &str, hour: u32) -> Delivery {
    let payload = json!({"event_name": event, "project_id": id, "path_with_namespace": path,
        "old_path_with_namespace": before,
        "created_at": "2024-07-21T07:30:58Z", "updated_at": format!("{DAY}T{hour:02}:00:00Z")});
    sns(&format!("{event} {id} {path} {hour}"), &payload, hour)
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.gitlab.hosts = ["first.example".to_owned()].into();
    settings
}

async fn take(store: &Store, batch: &[Delivery]) {
    let report = ingest(store, batch, &settings(), deadline()).await;
    assert_eq!(
        (report.error.as_ref(), report.counts().refused, report.counts().again),
        (None, 0, 0),
        "{:?}",
        report.reasons
    );
}

/// Merge requests, heads and pushes; and what is in `replaced`.
async fn rows(store: &Store) -> Vec<String> {
    let sql = "SELECT x FROM (
        SELECT project || '!' || iid || ' ' || state || ' of ' || coalesce(host, '-') || ':' || \
        coalesce(project_id::text, '-')
            || CASE WHEN merged_at IS NULL THEN '' ELSE ' merged' END FROM gitlab_merge_requests
        UNION ALL SELECT project || '!' || iid || ' head ' || left(sha, 2) FROM gitlab_mr_versions
        UNION ALL SELECT repo || '@' || sha || ' of ' || coalesce(host, '-') || ':' || coalesce(project_id::text, \
        '-') FROM gitlab_pushes
        UNION ALL SELECT 'replaced ' || name || ' of ' || uid FROM replaced WHERE kind <> 'gitlab_mr_versions'
    ) AS r (x) ORDER BY x COLLATE \"C\"";
    render::rows(store, sql).await
}

/// All orders that are tried give these rows, one by one and in one batch.
async fn gives(what: &str, messages: &[Delivery], expected: &[&str]) {
    let db = support::database().await;
    let mut random = Random::new(7);
    let mut order: Vec<usize> = (0..messages.len()).collect();
    for round in 0..8 {
        schema::clear(&db.store).await;
        let batch: Vec<Delivery> = order.iter().map(|index| messages[*index].clone()).collect();
        for part in batch.chunks(if round % 2 == 0 { 1 } else { batch.len() }) {
            take(&db.store, part).await;
        }
        assert_eq!(rows(&db.store).await, expected, "{what}, round {round}, order {order:?}");
        // Once more, all of it: nothing changes.
        let before = render::all(&db.store).await;
        take(&db.store, &batch).await;
        let after = render::all(&db.store).await;
        assert!(before == after, "{what}, again: {}", difference(&before, &after));
        random.shuffle(&mut order);
    }
}

/// Merged is final: a later webhook with another state is one that GitLab sent again.
#[tokio::test]
async fn a_merge_request_of_gitlab_that_is_merged_stays_merged() {
    let of = ("a.example", 7, "acme/app");
    let messages = [merge_request(of, 5, "merged", 10), merge_request(of, 5, "opened", 12)];
    gives("merged", &messages, &["acme/app!5 head 65", "acme/app!5 merged of a.example:7 merged"]).await;
}

#[tokio::test]
async fn a_renamed_project_takes_its_rows_along() {
    let (old, new) = (("a.example", 7, "acme/tools/old"), ("a.example", 7, "acme/tools/new"));
    let messages = [
        merge_request(old, 5, "opened", 10),
        merge_request(old, 4, "closed", 9),
        push(old, "s1", 9),
        merge_request(new, 5, "merged", 12),
        push(new, "s2", 13),
    ];
    let expected = [
        "acme/tools/new!4 closed of a.example:7",
        "acme/tools/new!4 head 64",
        "acme/tools/new!5 head 65",
        "acme/tools/new!5 merged of a.example:7 merged",
        "acme/tools/new@s1 of a.example:7",
        "acme/tools/new@s2 of a.example:7",
    ];
    gives("by a webhook", &messages, &expected).await;
    let by_hook = [
        merge_request(old, 4, "closed", 9),
        push(old, "s1", 9),
        renamed("project_rename", 7, old.2, "acme/tools/between", 10),
        renamed("project_transfer", 7, "acme/tools/between", "other/new", 11),
    ];
    let expected = ["other/new!4 closed of a.example:7", "other/new!4 head 64", "other/new@s1 of a.example:7"];
    gives("by hooks, twice", &by_hook, &expected).await;
    let by_case =
        [merge_request(("a.example", 7, "Acme/App"), 1, "opened", 9), push(("a.example", 7, "acme/app"), "s", 10)];
    gives(
        "by case",
        &by_case,
        &["acme/app!1 head 61", "acme/app!1 opened of a.example:7", "acme/app@s of a.example:7"],
    )
    .await;
    let and_back =
        [merge_request(old, 1, "opened", 9), merge_request(new, 2, "opened", 10), merge_request(old, 3, "opened", 11)];
    let expected = ["1", "2", "3"].map(|iid| {
        [format!("acme/tools/old!{iid} head 6{iid}"), format!("acme/tools/old!{iid} opened of a.example:7")]
    });
    gives("and back", &and_back, &expected.concat().iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// Webhooks without addresses name no host. The project is the one that other messages name, on whatever host that is.
#[tokio::test]
async fn a_host_that_is_named_later_applies_to_earlier_rows() {
    let (bare, named) = (("", 7, "acme/p"), ("a.example", 7, "acme/p"));
    let all = [
        merge_request(bare, 1, "opened", 9),
        push(bare, "s", 9),
        merge_request(named, 1, "merged", 10),
        merge_request(named, 2, "opened", 8),
    ];
    let expected = [
        "acme/p!1 head 61",
        "acme/p!1 merged of a.example:7 merged",
        "acme/p!2 head 62",
        "acme/p!2 opened of a.example:7",
        "acme/p@s of a.example:7",
    ];
    gives("named", &all, &expected).await;
    let moved = [merge_request(bare, 1, "opened", 9), merge_request(("", 7, "acme/q"), 2, "opened", 10)];
    let expected = ["acme/q!1 head 61", "acme/q!1 opened of -:7", "acme/q!2 head 62", "acme/q!2 opened of -:7"];
    gives("never named, and renamed", &moved, &expected).await;
    // One number on two hosts is two projects.
    let two = [merge_request(named, 1, "opened", 9), merge_request(("first.example", 7, "acme/x"), 1, "opened", 10)];
    let expected = [
        "acme/p!1 head 61",
        "acme/p!1 opened of a.example:7",
        "acme/x!1 head 61",
        "acme/x!1 opened of first.example:7",
    ];
    gives("one number", &two, &expected).await;
}

/// Earlier releases kept a merge request under each path that its project had.
#[tokio::test]
async fn duplicates_of_earlier_releases_are_merged() {
    let (old, new) = (("a.example", 7, "acme/old"), ("a.example", 7, "acme/new"));
    // Of another number, so that both are kept, until the rows are made as they were.
    let doubled =
        |of: Project<'_>| [merge_request(of, 5, "merged", 12), merge_request(of, 6, "opened", 9), push(of, "s", 9)];
    let db = support::database().await;
    take(&db.store, &[merge_request(old, 5, "opened", 10), merge_request(old, 6, "closed", 11), push(old, "s", 9)])
        .await;
    take(&db.store, &doubled(("a.example", 8, new.2))).await;
    let before = "UPDATE gitlab_merge_requests SET project_id = 7, host = NULL; UPDATE gitlab_pushes SET project_id = \
        7, host = NULL;
        DELETE FROM gitlab_projects";
    db.store.script(before, deadline()).await.unwrap();
    take(&db.store, &[merge_request(new, 7, "opened", 13)]).await;
    let expected = [
        "acme/new!5 head 65",
        "acme/new!5 merged of a.example:7 merged",
        "acme/new!6 closed of a.example:7",
        "acme/new!6 head 66",
        "acme/new!7 head 67",
        "acme/new!7 opened of a.example:7",
        "acme/new@s of a.example:7",
    ];
    assert_eq!(rows(&db.store).await, expected);
}

#[tokio::test]
async fn a_path_that_another_project_has_now_inherits_nothing() {
    let (first, second) = (("a.example", 7, "acme/p"), ("a.example", 8, "acme/p"));
    let messages = [
        merge_request(first, 1, "merged", 9),
        push(first, "s", 9),
        merge_request(second, 1, "opened", 11),
        push(second, "s", 12),
    ];
    let expected = [
        "acme/p!1 head 61",
        "acme/p!1 opened of a.example:8",
        "acme/p@s of a.example:8",
        "replaced acme/p of a.example:7 s main",
        "replaced acme/p!1 of a.example:7!1",
    ];
    gives("taken", &messages, &expected).await;
    // It turns out where the first one went.
    let mut all = messages.to_vec();
    all.push(merge_request(("a.example", 7, "acme/moved"), 2, "opened", 10));
    let expected = [
        "acme/moved!1 head 61",
        "acme/moved!1 merged of a.example:7 merged",
        "acme/moved!2 head 62",
        "acme/moved!2 opened of a.example:7",
        "acme/moved@s of a.example:7",
        "acme/p!1 head 61",
        "acme/p!1 opened of a.example:8",
        "acme/p@s of a.example:8",
    ];
    gives("left and taken", &all, &expected).await;
    // Two projects change places.
    let swapped = [
        merge_request(("a.example", 7, "p"), 1, "opened", 1),
        merge_request(("a.example", 8, "q"), 1, "opened", 2),
        merge_request(("a.example", 7, "q"), 2, "opened", 3),
        merge_request(("a.example", 8, "p"), 2, "opened", 4),
    ];
    let row = |path: &str, iid: i64, id: i64| {
        [format!("{path}!{iid} head 6{iid}"), format!("{path}!{iid} opened of a.example:{id}")]
    };
    let expected = [row("p", 1, 8), row("p", 2, 8), row("q", 1, 7), row("q", 2, 7)].concat();
    gives("swapped", &swapped, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn of_two_hosts_the_configured_one_keeps_the_path() {
    let (other, first) = (("a.example", 55, "acme/p"), ("first.example", 8001, "acme/p"));
    let messages = [
        merge_request(first, 3, "merged", 9),
        merge_request(other, 3, "opened", 10),
        merge_request(other, 3, "closed", 11),
        merge_request(other, 4, "opened", 11),
    ];
    let expected = [
        "acme/p!3 head 63",
        "acme/p!3 merged of first.example:8001 merged",
        "replaced acme/p!3 of a.example:55!3",
        "replaced acme/p!4 of a.example:55!4",
    ];
    gives("two hosts", &messages, &expected).await;
    // Rows in `replaced` are complete: once the path is free, the row is restored with all columns.
    let mut all = messages.to_vec();
    all.push(renamed("project_rename", 8001, "acme/p", "acme/q", 12));
    let db = support::database().await;
    take(&db.store, &all).await;
    let found = render::table(
        &db.store,
        &["project", "iid", "state", "title"],
        "FROM gitlab_merge_requests ORDER BY project, iid",
    )
    .await;
    assert_eq!(
        found,
        "acme/p | 3 | closed | closed at 11\nacme/p | 4 | opened | opened at 11\nacme/q | 3 | merged | merged at 9"
    );
    assert_eq!(render::rows(&db.store, "SELECT uid FROM replaced").await, [""; 0]);
}

#[tokio::test]
async fn messages_without_number_belong_to_the_project_with_the_path() {
    let sparse = |path: &str, iid: i64, hour: u32| {
        let payload = json!({"object_kind": "merge_request", "object_attributes": {"iid": iid, "state": "opened",
            "updated_at": format!("{DAY} {hour:02}:00:00 UTC"), "target": {"path_with_namespace": path}}});
        sns(&format!("sparse {path} {iid} {hour}"), &payload, hour)
    };
    let messages = [
        merge_request(("a.example", 7, "old"), 1, "opened", 9),
        sparse("old", 1, 10),
        sparse("old", 2, 10),
        merge_request(("a.example", 7, "new"), 3, "opened", 11),
    ];
    let expected = [
        "new!1 head 61",
        "new!1 opened of a.example:7",
        "new!2 opened of a.example:7",
        "new!3 head 63",
        "new!3 opened of a.example:7",
    ];
    let db = support::database().await;
    for message in &messages {
        take(&db.store, std::slice::from_ref(message)).await;
    }
    assert_eq!(rows(&db.store).await, expected);
}

/// Rows of before hosts were kept: each gets the host of its address, of its project, or the one that is configured;
/// and they follow their project from then on.
#[tokio::test]
async fn old_rows_get_a_host_and_follow() {
    let db = support::database().await;
    let messages = [
        merge_request(("a.example", 7, "old"), 1, "opened", 9),
        push(("a.example", 7, "old"), "s", 9),
        merge_request(("a.example", 9, "x"), 1, "opened", 9),
    ];
    take(&db.store, &messages).await;
    let forget = "UPDATE gitlab_merge_requests SET host = NULL, url = CASE WHEN project_id = 7 THEN \
        'https://A.example/old/-/merge_requests/1' END;
        UPDATE gitlab_pushes SET host = NULL, url = NULL; DELETE FROM gitlab_projects;
        INSERT INTO components (name, uid, resource_version, rank, tie, git_url, git_project, git_context, \
        git_versions, message_id)
        VALUES ('c', 'c', 1, 0, 0, 'git@github.example:o/r.git', 'o/r', '', '[]', 'm');
        INSERT INTO pipelineruns (name, uid, resource_version, rank, tie, type, state, project, results, labels, \
        message_id)
        VALUES ('r', 'r', 1, 0, 0, 'build', 'running', 'o/r', '{}', '{}', 'm'), ('q', 'q', 1, 0, 0, 'build', \
        'running', 'un/known', '{}', '{}', 'm')";
    db.store.script(forget, deadline()).await.unwrap();
    let fill = async || {
        let filled = db.store.in_tx("test", deadline(), async |tx| {
            let gitlab = fill_hosts(tx, Some("first.example")).await?;
            let konflux = konflux::fill_hosts(tx, Some("first.example"), &mut Touched::default()).await?;
            Ok((gitlab.written, konflux.written))
        });
        filled.await.unwrap()
    };
    assert_eq!((fill().await, fill().await), ((3, 3), (0, 0)));
    let hosts = "SELECT host FROM gitlab_merge_requests UNION ALL SELECT host FROM gitlab_pushes UNION ALL SELECT \
        host FROM components UNION ALL SELECT host FROM pipelineruns ORDER BY 1";
    assert_eq!(
        render::rows(&db.store, &format!("SELECT x FROM ({hosts}) AS h (x)")).await,
        ["a.example", "a.example", "first.example", "first.example", "github.example", "github.example"]
    );
    take(&db.store, &[merge_request(("a.example", 7, "new"), 2, "opened", 10)]).await;
    let found = rows(&db.store).await;
    assert_eq!(found[..3], ["new!1 head 61", "new!1 opened of a.example:7", "new!2 head 62"]);
    assert!(found.contains(&"new@s of a.example:7".to_owned()), "{found:?}");
}

/// GitLab redirects git from paths that a project had, so that Components may name one of them still.
#[tokio::test]
async fn former_paths_are_known() {
    let db = support::database().await;
    let all = [
        push(("a.example", 7, "old"), "s1", 9),
        push(("a.example", 7, "new"), "s2", 10),
        push(("a.example", 8, "was"), "s3", 9),
        push(("a.example", 8, "is"), "s4", 10),
        push(("a.example", 9, "was"), "s5", 11),
    ];
    take(&db.store, &all).await;
    let mut reader = db.store.reader(deadline()).await.unwrap();
    let found = reads::former_paths(&mut reader, &["new", "is", "was"]).await.unwrap();
    let found: Vec<_> = found.iter().map(|path| (path.project.as_str(), path.former.as_str())).collect();
    assert_eq!(found, [("new", "old")], "the other one is taken");
}

/// A batch without a rename costs one round trip, and takes no lock that blocks other writers.
#[tokio::test]
async fn writers_of_projects_that_stay_do_not_wait_for_each_other() {
    let db = support::database().await;
    let of = ("a.example", 7, "acme/p");
    take(&db.store, &[merge_request(of, 1, "opened", 9)]).await;
    let other = support::store_of(&db.url, 1);
    let held = db.store.in_tx("test", deadline(), async |tx| {
        tx.query("-- test\nSELECT pg_advisory_xact_lock_shared(hashtext('hummingbird-status gitlab places'))", &[])
            .await?;
        take(&other, &[merge_request(of, 2, "opened", 10)]).await;
        Ok(())
    });
    held.await.unwrap();
    assert_eq!(rows(&db.store).await.len(), 4);
}

fn component(cluster: &str, uid: &str, version: u32, created: &str, deleted: bool) -> Delivery {
    let payload = json!({"apiVersion": "appstudio.redhat.com/v1alpha1", "kind": "Component",
        "metadata": {"name": "c", "uid": uid,
        "namespace": "n", "resourceVersion": version.to_string(), "creationTimestamp": created},
        "spec": {"application": format!("{uid}{version}")}});
    let body = json!({"Type": "Notification", "MessageId": format!("{cluster}{uid}{version}"), "TopicArn": "t",
        "Message": payload.to_string(),
        "Timestamp": format!("2026-05-04T10:00:{version:02}Z"), "MessageAttributes": {"cluster": {"Type": "String",
        "Value": cluster},
        "event_type": {"Type": "String", "Value": if deleted { "DELETED" } else { "MODIFIED" }}}});
    Delivery { id: "sqs".to_owned(), body: body.to_string().into_bytes(), ..Delivery::default() }
}

/// A Component that lives holds its name before one that was deleted on another cluster, in any order.
#[tokio::test]
async fn a_component_that_lives_holds_its_name() {
    let db = support::database().await;
    let (old, new) = ("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    for (what, messages, holder, replaced) in [
        (
            "another cluster",
            vec![
                component("a", "u1", 5, old, false),
                component("b", "u2", 2, new, false),
                component("b", "u2", 3, new, true),
                component("a", "u1", 9, old, false),
            ],
            "u19 -",
            "u2",
        ),
        ("both live", vec![component("a", "u1", 5, old, false), component("b", "u2", 2, new, false)], "u22 -", "u1"),
        (
            "both deleted",
            vec![component("a", "u1", 5, old, true), component("b", "u2", 2, new, true)],
            "u22 deleted",
            "u1",
        ),
        (
            "made anew on one cluster",
            vec![
                component("a", "u1", 5, old, false),
                component("a", "u2", 2, new, false),
                component("a", "u2", 3, new, true),
            ],
            "u23 deleted",
            "u1",
        ),
        (
            "three",
            vec![
                component("a", "u1", 5, old, false),
                component("b", "u2", 2, new, true),
                component("c", "u3", 1, "2026-02-01T00:00:00Z", true),
            ],
            "u15 -",
            "u2, u3",
        ),
    ] {
        let mut order: Vec<usize> = (0..messages.len()).collect();
        let mut random = Random::new(11);
        for round in 0..12 {
            schema::clear(&db.store).await;
            for part in order.chunks(if round % 2 == 0 { 1 } else { 3 }) {
                take(&db.store, &part.iter().map(|index| messages[*index].clone()).collect::<Vec<_>>()).await;
            }
            let row = render::rows(
                &db.store,
                "SELECT application || CASE WHEN deleted_at IS NULL THEN ' -' ELSE ' deleted' END FROM components",
            )
            .await;
            let others = render::rows(&db.store, "SELECT uid FROM replaced ORDER BY 1").await.join(", ");
            assert_eq!((row.join(", ").as_str(), others.as_str()), (holder, replaced), "{what}, order {order:?}");
            random.shuffle(&mut order);
        }
    }
}
