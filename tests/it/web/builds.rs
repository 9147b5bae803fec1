//! The list of builds: two systems in one order.

use serde_json::{Value, json};

use super::{NOW, Site, links, take};
use crate::support;
use hummingbird_status::transport::Delivery;

fn delivery(id: String, body: &Value) -> Delivery {
    Delivery { id, body: body.to_string().into_bytes(), ..Delivery::default() }
}

/// Builds of both systems, many of them of the same moment.
fn builds(number: i64) -> [Delivery; 2] {
    let at = format!("2026-03-01T00:{:02}:00Z", number % 5);
    let state = ["passed", "failed"][usize::try_from(number % 2).unwrap()];
    let buildkite = json!({"detail-type": "Build Finished", "source": "aws.partner/buildkite.com/a/b", "time": at,
        "detail": {
        "build": {"uuid": format!("b{number}"), "number": number, "state": state, "branch": "main", "commit": "HEAD"},
        "pipeline": {"uuid": "p", "slug": "pipe", "repo": "git@github.com:acme/app.git"},
        "organization": {"uuid": "o", "slug": "acme"}}});
    let travis = json!({"event": "build:create", "payload": {"id": number, "number": number.to_string(),
        "branch": "main",
        "created_at": at, "repository": {"id": 1, "owner_name": "sven", "name": "app"},
        "jobs": [{"id": number + 1000}]}});
    let travis = json!({"Type": "Notification", "MessageId": format!("t{number}"), "TopicArn": "a", "Timestamp": at,
        "Message": travis.to_string()});
    [delivery(format!("b{number}"), &buildkite), delivery(format!("t{number}"), &travis)]
}

#[tokio::test]
async fn two_systems_are_one_list() {
    let db = support::database().await;
    take(&db.store, &(1..=70).flat_map(builds).collect::<Vec<_>>()).await;
    let site = Site::of(&db.store, NOW).await;
    let mut orders = Vec::new();
    for sort in ["newest", "oldest"] {
        let (mut path, mut seen, mut pages) = (format!("/builds?sort={sort}"), Vec::new(), 0);
        loop {
            let api = site.json(&format!("/api/v1{path}")).await;
            seen.extend(api["results"].as_array().unwrap().iter().map(|build| {
                (build["changed_at"].to_string(), build["system"].to_string(), build["number"].to_string())
            }));
            pages += 1;
            let body = site.get(&path).await.body;
            match links(&body).into_iter().find(|link| link.contains("after=") && !link.starts_with("/api/")) {
                Some(next) => path = next,
                None => break,
            }
        }
        assert_eq!((pages, seen.len()), (3, 140), "{sort}");
        orders.push(seen);
    }
    let times = |order: &[(String, String, String)]| order.iter().map(|build| build.0.clone()).collect::<Vec<_>>();
    assert!(times(&orders[1]).is_sorted());
    orders[0].reverse();
    assert_eq!(orders[0], orders[1], "each order is the other from its end");
    orders[0].sort();
    orders[0].dedup();
    assert_eq!(orders[0].len(), 140, "none twice");
}

#[tokio::test]
async fn builds_are_found_by_their_members() {
    let db = support::database().await;
    take(&db.store, &(1..=20).flat_map(builds).collect::<Vec<_>>()).await;
    let site = Site::of(&db.store, NOW).await;
    for (query, number) in [
        ("system=travis", 20),
        ("state=failed", 10),
        ("state=waiting", 20),
        ("state=failed&system=travis", 0),
        ("project=acme/app", 20),
        ("project=pipe", 20),
        ("project=sven/app", 20),
        ("branch=other", 0),
        ("q=PIPE%2313", 1),
        ("q=app%237", 1),
    ] {
        let found = site.json(&format!("/api/v1/builds?{query}")).await;
        assert_eq!(found["results"].as_array().unwrap().len(), number, "{query}");
    }
    assert_eq!(site.get("/builds?state=green").await.status, 400);
    // The last moment is that of numbers 4, 9, 14 and 19; of these the id decides.
    let badge = site.json("/badge/projects/acme/app.json?branch=main").await;
    assert_eq!((&badge["message"], &badge["color"]), (&json!("failed"), &json!("critical")));
    assert_eq!(site.json("/badge/projects/acme/app.json?branch=other").await["message"], "unknown");
    assert_eq!(site.json("/badge/builds/travis/7.json").await["message"], "created");
    assert_eq!(site.get("/builds/travis/x").await.status, 404);
}
