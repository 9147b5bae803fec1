//! Deployments.

use serde_json::{Value, json};

use super::{fixture, in_order, sent, take, take_each};
use crate::support::{self, deadline, render};

const DEPLOYMENTS: &str = "FROM gitlab_deployments ORDER BY host, id";

/// The instants decide, not their texts: 13:00:05 +0100 is before 12:02:05 UTC.
#[tokio::test]
async fn the_later_instant_wins_in_any_zone() {
    let db = support::database().await;
    let mut messages = in_order(&[fixture("deployment-running"), fixture("deployment-success")]);
    for _ in 0..2 {
        db.store.script("TRUNCATE gitlab_deployments", deadline()).await.unwrap();
        take_each(&db.store, &messages).await;
        let columns = ["id", "environment", "tier", "status", "changed_at::text", "sha", "environment_url"];
        assert_eq!(
            render::table(&db.store, &columns, DEPLOYMENTS).await,
            "1860000001 | production | production | success | 2026-03-10 12:02:05+00 | \
             8389e378305e02a00df4fd8ef00d8a495e6bb9ae | https://rpms.example.net"
        );
        messages.reverse();
    }
}

/// Statuses of one time: the one that is further on wins, in any order.
#[tokio::test]
async fn a_deployment_goes_on_within_one_second() {
    let db = support::database().await;
    let of = |status: &str| {
        let mut message = fixture("deployment-success");
        message["status"] = json!(status);
        message
    };
    for (one, other, expected) in [
        ("created", "running", "running"),
        ("blocked", "running", "running"),
        ("running", "failed", "failed"),
        ("running", "canceled", "canceled"),
        ("a new one", "success", "success"),
    ] {
        for order in [[one, other], [other, one]] {
            db.store.script("TRUNCATE gitlab_deployments", deadline()).await.unwrap();
            take_each(&db.store, &in_order(&order.map(of))).await;
            assert_eq!(render::table(&db.store, &["status"], DEPLOYMENTS).await, expected, "{order:?}");
        }
    }
}

/// By the API there is no job; an old GitLab sends neither number nor time: then its job identifies a deployment.
#[tokio::test]
async fn a_deployment_needs_no_job_and_no_number() {
    let db = support::database().await;
    let messages = [fixture("deployment-by-api"), fixture("deployment-old-gitlab")];
    take(&db.store, &in_order(&messages)).await;
    let columns = ["id", "status", "job_id", "tier", "changed_at::text"];
    assert_eq!(
        render::table(&db.store, &columns, DEPLOYMENTS).await,
        "1860000002 | success | - | staging | 2026-03-10 12:02:05+00\n\
         job 61234567/1850000003 | failed | 1850000003 | - | -"
    );
    // The same job of another project is another deployment.
    let mut other = messages[1].clone();
    other["project"]["id"] = json!(1);
    other["project"]["path_with_namespace"] = json!("g/other");
    take(&db.store, &[sent(&other, 30)]).await;
    assert_eq!(render::table(&db.store, &["count(*)"], "FROM gitlab_deployments").await, "3");
}

/// Deployments are no checks.
#[tokio::test]
async fn a_deployment_has_no_check() {
    let db = support::database().await;
    take(&db.store, &in_order(&[fixture("deployment-old-gitlab"), fixture("deployment-blocked")])).await;
    assert_eq!(render::rows(&db.store, "SELECT key FROM checks").await, [""; 0]);
    let sha = render::table(&db.store, &["sha"], DEPLOYMENTS).await;
    assert_eq!(sha, "8389e378\n8389e378305e02a00df4fd8ef00d8a495e6bb9ae");
    assert_ne!(fixture("deployment-blocked")["short_sha"], Value::Null);
}

/// Deployments to production replace builds of main in the DORA measures of their project, and of no other one. One to
/// another tier does not; without a tier the name of the environment decides.
#[tokio::test]
async fn real_deployments_replace_builds_of_main() {
    let db = support::database().await;
    let builds = "INSERT INTO buildkite_builds (id, number, state, branch, repo_host, repo_path, commit, event_at, message_id)
        SELECT repo || n, n, 'passed', 'main', 'ghe.example', repo, 'c', '2026-03-10T09:00:00Z', 'm'
        FROM unnest(ARRAY['acme/kiln', 'acme/other']) AS r (repo), generate_series(1, 3) AS n;
        INSERT INTO travis_repositories (id, owner_name, name, message_id, message_at, updated_at)
        VALUES (1, 'acme', 'kiln', 'm', now(), now());
        INSERT INTO travis_builds (id, repository_id, state, branch, event_type, finished_at, message_id, message_at, updated_at)
        VALUES (1, 1, 'passed', 'main', 'push', '2026-03-10T09:00:00Z', 'm', now(), now())";
    db.store.script(builds, deadline()).await.unwrap();
    let sha = "8389e378305e02a00df4fd8ef00d8a495e6bb9ae";
    let push = json!({"object_kind": "push", "ref": "refs/heads/main", "after": sha, "project_id": 62,
        "project": super::project(), "commits": [{"id": sha, "timestamp": "2026-03-10T11:02:05Z"}]});
    let mut pushed = sent(&push, 0);
    pushed.body = String::from_utf8(pushed.body).unwrap().replace("T17:00:00Z", "T11:02:05Z").into_bytes();
    let of = |id: i64, status: &str, environment: &str, tier: Option<&str>| {
        let mut message = fixture("deployment-success");
        message["project"] = super::project();
        message["deployment_id"] = json!(id);
        message["status"] = json!(status);
        message["environment"] = json!(environment);
        message["environment_tier"] = json!(tier);
        message
    };
    let measured = async || {
        let mut reader = db.store.reader(deadline()).await.unwrap();
        let since = "2026-03-01T00:00:00Z".parse().unwrap();
        let rows = hummingbird_status::reports::dora(&mut reader, since, 10).await.unwrap();
        let line = |row: &hummingbird_status::reports::Delivered| {
            let (project, lead) = (row.project.as_deref().unwrap_or("-"), row.lead_p50);
            format!("{} {project} {} {} {}", row.system, row.deployments, row.failed, lead.unwrap_or(-1.0))
        };
        let mut lines: Vec<String> = rows.iter().map(line).collect();
        lines.sort();
        lines
    };
    let other = "buildkite acme/other 3 0 -1";
    take(&db.store, &[pushed, sent(&of(1, "success", "staging", Some("staging")), 1)]).await;
    assert_eq!(measured().await, ["buildkite acme/kiln 3 0 -1", other, "travis acme/kiln 1 0 -1"]);
    let real = [
        of(2, "success", "eu-1", Some("production")),
        of(3, "failed", "production", None),
        of(4, "running", "production", None),
        of(5, "success", "review/production", Some("development")),
    ];
    take(&db.store, &real.iter().zip(2..).map(|(message, minute)| sent(message, minute)).collect::<Vec<_>>()).await;
    assert_eq!(measured().await, [other, "gitlab acme/kiln 1 1 3600"]);
}
