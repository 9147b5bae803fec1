//! Heartbeats over HTTP, as the command sends them.

use reqwest::Method;
use serde_json::json;

use super::{ALL, CRON, Site};
use crate::bot_status::run;
use crate::support::{self, render};

#[tokio::test]
async fn the_command_reports_to_the_routes() {
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    let url = format!("{}/bots", site.url);
    let args = |name: &str, status: &str| {
        let list = ["-q", &url, "-n", name, "-s", status, "-c", "<all> well", "-m", "k: v", "--interval", "60"];
        list.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>()
    };
    let token = |token: &str| [("BOT_STATUS_TOKEN", token.to_owned())].into();
    assert_eq!(run(args("nightly-a", "ok"), token(CRON)).await, (true, String::new()));
    assert_eq!(run(args("nightly-a", "failed"), token(CRON)).await, (true, String::new()));
    let columns = ["name", "status", "comment", "meta->>'k'", "interval_seconds"];
    let rows = render::table(&db.store, &columns, "FROM bots").await;
    assert_eq!(rows, "nightly-a | failed | <all> well | v | 60");
    for (name, token, said) in
        [("other", token(CRON), "403"), ("nightly-a", token("x"), "401"), ("a", token(ALL), "403")]
    {
        let (success, errors) = run(args(name, "ok"), token).await;
        assert!(!success && errors.contains(said) && !errors.contains(CRON), "{errors}");
    }
    assert_eq!(render::rows(&db.store, "SELECT name FROM bots").await.len(), 1);
}

#[tokio::test]
async fn an_invalid_heartbeat_is_answered_and_stored_with_the_reason() {
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    for (body, reason) in [
        (json!({"name": "nightly-a", "status": "purple"}), "bad-field"),
        (json!({"name": "nightly-a"}), "bad-field"),
        (json!({"name": {"!=": "zzz"}, "status": "gone"}), "bad-field"),
    ] {
        let answer = site.post("/bots", CRON, &body).await;
        assert_eq!((answer.status, &answer.body["reason"]), (400, &json!(reason)), "{body}: {answer:?}");
    }
    assert_eq!(render::rows(&db.store, "SELECT id FROM refused WHERE family = 'bots'").await.len(), 3);
    // Those of other sources are none, nor are several.
    let two = r#"{"name":"nightly-a","status":"ok"}{"name":"other","status":"ok"}"#;
    assert_eq!(site.call(Method::POST, "/bots", CRON, two).await.status, 400);
    let submission = json!({"version": {"major": 5, "minor": 3}, "checkouts": []});
    assert_eq!(site.post("/bots", CRON, &submission).await.status, 400);
    assert_eq!(render::rows(&db.store, "SELECT name FROM bots").await.len(), 0);
    // The page of the same address is still there, for reading.
    assert_eq!(site.send(Method::GET, "/bots", &[], Vec::new()).await.status, 200);
}
