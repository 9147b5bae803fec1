//! Checks of bots.

use hummingbird_status::transport::Delivery;
use serde_json::json;

use crate::support;
use crate::support::checks::{checks, project_again, take_in, whole};

fn beat(name: &str, status: &str, second: u32) -> Delivery {
    Delivery {
        id: format!("{name}-{status}-{second}"),
        body: json!({"name": name, "status": status}).to_string().into_bytes(),
        sent_at: Some(format!("2026-03-10T10:00:{second:02}Z").parse().unwrap()),
        ..Delivery::default()
    }
}

const STATE: &[&str] = &["name", "state", "warn", "original", "seq"];

#[tokio::test]
async fn each_status_is_a_state() {
    let db = support::database().await;
    let all = ["ok", "warning", "failed", "gone"].map(|status| beat(&format!("b-{status}"), status, 1));
    take_in(&db.store, &all, 4).await;
    assert_eq!(
        checks(&db.store, STATE).await,
        [
            "bot/b-failed | failed | false | failed | 1773136801000000",
            "bot/b-ok | passed | false | ok | 1773136801000000",
            "bot/b-warning | passed | true | warning | 1773136801000000",
        ]
    );
    let rest = ["system", "kind", "key", "stage", "host || repo", "sha", "branch", "lane", "stuck_since"];
    let places = checks(&db.store, &rest).await;
    assert_eq!(places[0], "bots | bots | b-failed | bot |  | - | - | schedule | -");
    let before = whole(&db.store).await;
    project_again(&db.store, "bots").await;
    assert_eq!(whole(&db.store).await, before);
}

/// In any order: the newest heartbeat decides, and a bot that is gone has no check until it reports again.
#[tokio::test]
async fn the_newest_heartbeat_decides() {
    for (came, expected) in [
        (vec![("ok", 1), ("failed", 2)], vec!["bot/a | failed | false | failed | 1773136802000000"]),
        (vec![("failed", 2), ("ok", 1)], vec!["bot/a | failed | false | failed | 1773136802000000"]),
        (vec![("failed", 1), ("gone", 2)], vec![]),
        (vec![("gone", 2), ("failed", 1)], vec![]),
        (vec![("gone", 2), ("ok", 3)], vec!["bot/a | passed | false | ok | 1773136803000000"]),
    ] {
        for size in [1, 2] {
            let db = support::database().await;
            let beats: Vec<Delivery> = came.iter().map(|(status, second)| beat("a", status, *second)).collect();
            take_in(&db.store, &beats, size).await;
            assert_eq!(checks(&db.store, STATE).await, expected, "{came:?}");
        }
    }
}
