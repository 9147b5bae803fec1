//! What pushes affect, what they leave as it was, and what came to a halt.

use serde_json::{Value, json};

use super::{NOW, Site};
use crate::support::{self, deadline};

/// Four components of a project: one of each of two folders, one of all of it, one of another branch. A push to a file
/// of the first at 10:00, of which that one was built; before it the second was built, and that failed. A build for a
/// merge request counts for nothing.
const ROWS: &str = "
INSERT INTO components (name, uid, resource_version, rank, tie, application, git_project, git_revision, git_context, \
git_versions, message_id)
SELECT name, name, 1, 1, 0, application, 'g/p', branch, folder, '[]', 'm'
FROM (VALUES ('a', 'app', 'main', 'rpms/a'), ('ab', 'app', 'refs/heads/main', 'rpms/ab'), ('all', 'other', NULL, ''),
    ('old', 'app', 'stable', 'rpms/a')) AS v (name, application, branch, folder);
INSERT INTO gitlab_pushes (sha, repo, ref, pushed_at, commit_count, changed_files, files_complete, message_id) VALUES
    ('sha1', 'g/p', 'main', '2026-03-10T10:00:00Z', 1, '{rpms/a/x/y.spec,rpms/a/z}', true, 'm'),
    ('sha2', 'g/else', 'main', '2026-03-10T09:00:00Z', 1, '{rpms/a/x}', true, 'm');
INSERT INTO pipelineruns (name, uid, resource_version, created_at, finished_at, rank, tie, type, component, \
application, sha, mr_iid, state, results, labels, message_id)
SELECT name, name, 1, at, at, 1, 0, 'build', component, 'app', sha, mr, state, '[]', '{}', 'm'
FROM (VALUES ('b1', 'a', 'sha1', NULL::bigint, 'succeeded', '2026-03-10T10:05:00Z'::timestamptz), ('b0', 'ab', \
'sha0', NULL, 'failed', '2026-03-10T09:00:00Z'),
    ('b9', 'ab', 'sha9', 7, 'succeeded', '2026-03-10T09:30:00Z'), ('later', 'ab', 'sha3', NULL, 'succeeded', \
    '2026-03-10T11:00:00Z'))
    AS v (name, component, sha, mr, state, at);
INSERT INTO snapshots (name, uid, resource_version, created_at, rank, tie, application, component, component_count, \
mr_iid, source_plr, group_members,
    scenarios, test_state, release_state, release_message, conditions, message_id)
SELECT name, name, 1, '2026-03-10T10:20:00Z', 1, 0, 'app', 'a', 1, mr, source, '[]', '[]', test, release, 'why', \
'[]', 'm'
FROM (VALUES ('s-late', 'later', NULL::bigint, 'running', NULL), ('s-held', NULL, NULL, 'passed', 'not_released'), \
('s-out', NULL, NULL, 'passed', 'released'),
    ('s-newer', NULL, NULL, 'passed', 'superseded'), ('s-merge', NULL, 7, 'passed', NULL), ('s-failed', NULL, NULL, \
    'failed', NULL),
    ('s-soon', NULL, NULL, 'passed', NULL)) AS v (name, source, mr, test, release);
INSERT INTO releases (name, uid, resource_version, rank, tie, snapshot, state, attempt_count, attempts, conditions, \
created_at, message_id) VALUES
    ('r-soon', 'r', 1, 0, 0, 's-soon', 'running', 1, '[]', '[]', '2026-03-10T10:30:00Z', 'm')";

fn names<'v>(list: &'v Value, key: &str) -> Vec<&'v str> {
    list.as_array().unwrap().iter().map(|row| row[key].as_str().unwrap()).collect()
}

#[tokio::test]
async fn affected_and_unaffected_components_of_a_push_are_shown() {
    let db = support::database().await;
    db.store.script(ROWS, deadline()).await.unwrap();
    let site = Site::of(&db.store, NOW).await;
    let row =
        async |site: &Site, query: &str| site.json(&format!("/api/v1/commits{query}")).await["results"][0].clone();
    let first = row(&site, "").await;
    assert_eq!((&first["sha"], &first["affected"], &first["missing"]), (&json!("sha1"), &json!(2), &json!(["all"])));
    assert!(site.get("/commits").await.body.contains("1 not built"));
    let soon = Site::of(&db.store, "2026-03-10T10:29:00Z").await;
    assert_eq!(row(&soon, "").await["missing"], json!([]), "not yet");
    assert!(soon.get("/commits/sha1").await.body.contains("no build yet"));
    let of_app = site.json("/api/v1/commits?application=app").await;
    assert_eq!(names(&of_app["results"], "sha"), ["sha1"], "only of its projects");
    assert_eq!((&of_app["results"][0]["affected"], &of_app["results"][0]["missing"]), (&json!(1), &json!([])));
    assert_eq!(site.json("/api/v1/commits?application=none").await["results"], json!([]));

    let commit = site.json("/api/v1/commits/sha1").await;
    assert_eq!((&commit["affected"], &commit["missing"]), (&json!(["a", "all"]), &json!(["all"])));
    let inherited = json!([{"name": "ab", "application": "app", "build": "b0", "build_state": "failed",
        "build_sha": "sha0",
        "built_at": "2026-03-10T09:00:00Z", "test_state": null}]);
    assert_eq!(commit["inherited"], inherited);
    assert!(site.get("/commits/sha1").await.body.contains("Not affected"));
}

#[tokio::test]
async fn stuck_objects_are_shown_after_a_time() {
    let db = support::database().await;
    db.store.script(ROWS, deadline()).await.unwrap();
    let halted = async |now: &str| {
        let list = Site::of(&db.store, now).await.json("/api/v1/releases").await;
        let rows = list["held_up"].as_array().unwrap().clone();
        let mut rows: Vec<_> =
            rows.iter().map(|row| format!("{}: {}", row["name"], row["what"]).replace('"', "")).collect();
        rows.sort_unstable();
        rows
    };
    let all = [
        "b1: build without a snapshot",
        "b9: build without a snapshot",
        "r-soon: release has not ended",
        "s-held: tests passed, not released",
        "s-late: tests have not ended",
    ];
    assert_eq!(halted(NOW).await, all);
    assert_eq!(halted("2026-03-10T12:06:00Z").await, all[..2], "the others have time yet");
    assert_eq!(halted("2026-03-18T13:00:00Z").await, [""; 0], "these no longer count as waiting");
    assert!(Site::of(&db.store, NOW).await.get("/releases").await.body.contains("Held up"));
}
