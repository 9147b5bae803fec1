//! The command `bot-status`, run as a process against servers on loopback; the order of heartbeats; retention of
//! heartbeats.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::bots::reads;
use hummingbird_status::sources::{Settings, Source};
use hummingbird_status::transport::Delivery;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{self, deadline, render};

/// The bodies that a server received.
pub type Taken = Arc<Mutex<Vec<Value>>>;

/// A server that gives the same answer to each request, and the bodies that it received, with the token of the request
/// as the member `token`.
pub async fn answering(status: u16) -> (String, Taken) {
    let taken = Taken::default();
    let shared = Arc::clone(&taken);
    let answer = move |headers: HeaderMap, body: Bytes| async move {
        let mut sent: Value = serde_json::from_slice(&body).unwrap();
        if let Some(token) = headers.get("authorization") {
            sent["token"] = json!(token.to_str().unwrap());
        }
        shared.lock().unwrap().push(sent);
        StatusCode::from_u16(status).unwrap()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/status", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    (url, taken)
}

/// Runs `hummingbird-status bot-status`; returns whether it succeeded, and its standard error.
pub async fn run(args: Vec<String>, variables: BTreeMap<&'static str, String>) -> (bool, String) {
    let run = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
        command.arg("bot-status").args(args).env("NO_PROXY", "127.0.0.1").env_remove("BOT_STATUS_QUEUE");
        command.envs(variables).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

fn args(list: &[&str]) -> Vec<String> {
    list.iter().map(|arg| (*arg).to_owned()).collect()
}

#[tokio::test]
async fn a_report_goes_to_any_server() {
    let (url, taken) = answering(202).await;
    let list = ["-q", &url, "-n", "a", "-s", "ok", "--interval", "60", "-m", "k: v"];
    let token = [("BOT_STATUS_TOKEN", "t0ken".to_owned())].into();
    assert_eq!(run(args(&list), token).await, (true, String::new()));
    let sent = json!({"name": "a", "status": "ok", "interval": 60, "meta": {"k": "v"}, "token": "Bearer t0ken"});
    assert_eq!(*taken.lock().unwrap(), [sent]);
}

#[tokio::test]
async fn a_report_that_is_not_accepted_is_a_failure() {
    let (url, taken) = answering(403).await;
    for (list, said) in [
        (["-q", &url, "-n", "a", "-s", "ok"], "127.0.0.1 answered 403"),
        (["-q", "http://127.0.0.1:1/secret", "-n", "a", "-s", "ok"], "127.0.0.1 cannot be reached"),
        (["-q", "http://127.0.0.1:1/123456789012/q", "-n", "a", "-s", "ok"], "cannot send the message to SQS"),
        (["-q", "amqp://h/secret", "-n", "a", "-s", "ok"], "--queue: expected"),
        (["-q", &url, "-n", " ", "-s", "ok"], "name: string of 0 characters"),
    ] {
        let aws =
            [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
        let aws = aws.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        let (success, errors) = run(args(&list), aws).await;
        assert!(!success && errors.contains(said) && !errors.contains("secret"), "{list:?}: {errors}");
    }
    assert_eq!(taken.lock().unwrap().len(), 1);
}

/// From the command to the table: the message that SQS receives is the one that the worker would receive.
#[tokio::test]
async fn a_report_goes_to_sqs() {
    let queue = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&queue);
    let answer = move |headers: HeaderMap, body: Bytes| async move {
        assert_eq!(headers["x-amz-target"], "AmazonSQS.SendMessage");
        let request: Value = serde_json::from_slice(&body).unwrap();
        shared.lock().unwrap().push(request);
        json!({"MessageId": "m"}).to_string()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    let aws = [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_ENDPOINT_URL", &endpoint)];
    let aws: BTreeMap<_, _> = aws.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    let url = format!("{endpoint}/123456789012/bots.fifo");
    assert_eq!(run(args(&["-q", &url, "-n", "a b", "-s", "failed", "-c", "x"]), aws).await, (true, String::new()));
    let sent = queue.lock().unwrap().remove(0);
    assert_eq!((&sent["QueueUrl"], &sent["MessageGroupId"]), (&json!(url), &json!("a_b")));

    let db = support::database().await;
    let source = sent["MessageAttributes"]["source"]["StringValue"].as_str().unwrap().to_owned();
    let body = sent["MessageBody"].as_str().unwrap().as_bytes().to_vec();
    let attributes = [("source".to_owned(), source)].into();
    let delivery = Delivery { id: "m".to_owned(), body, attributes, ..Delivery::default() };
    ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
    let rows = render::table(&db.store, &["name", "status", "comment"], "FROM bots").await;
    assert_eq!(rows, "a b | failed | x");
}

fn beat(id: &str, status: &str, second: u32) -> Delivery {
    let body = json!({"name": "b", "status": status}).to_string().into_bytes();
    let sent_at = format!("2026-03-10T10:00:{second:02}Z").parse().ok();
    Delivery { id: id.to_owned(), body, sent_at, ..Delivery::default() }
}

#[tokio::test]
async fn a_removed_bot_stays_removed_until_it_reports_again() {
    let db = support::database().await;
    let take = async |delivery| {
        ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
        render::rows(&db.store, "SELECT status FROM bots").await.join("")
    };
    assert_eq!(take(beat("1", "gone", 30)).await, "gone");
    assert_eq!(take(beat("2", "ok", 29)).await, "gone");
    assert_eq!(take(beat("3", "ok", 31)).await, "ok");
    let history = "FROM bot_transitions ORDER BY at";
    let rows = render::table(&db.store, &["from_status", "to_status"], history).await;
    assert_eq!(rows, "- | ok\nok | gone\ngone | ok");
}

/// Heartbeats of 100 days, an hour apart; a day of failures 95 days ago. Another bot sent 5 heartbeats, long ago.
#[tokio::test]
async fn old_heartbeats_are_deleted_and_the_displayed_history_stays() {
    let db = support::database().await;
    let now: Timestamp = "2026-03-10T00:00:00Z".parse().unwrap();
    let beat = |name: &str, hours: i64, status: &str| Delivery {
        id: format!("{name}{hours}"),
        body: json!({"name": name, "status": status}).to_string().into_bytes(),
        sent_at: now.checked_sub(SignedDuration::from_hours(hours)).ok(),
        ..Delivery::default()
    };
    let status = |hours: i64| if (95 * 24..96 * 24).contains(&hours) { "failed" } else { "ok" };
    let mut beats: Vec<_> = (1..=100 * 24).map(|hours| beat("often", hours, status(hours))).collect();
    beats.extend((1..=5).map(|times| beat("once", 200 * 24 + times, "ok")));
    ingest(&db.store, &beats, &Settings::default(), deadline()).await;
    let seen = async || {
        let mut reader = db.store.reader(deadline()).await.unwrap();
        let bots = reads::list(&mut reader, None).await.unwrap();
        format!("{bots:?} {:?}", reads::transitions(&mut reader, None, 100).await.unwrap())
    };
    let kept =
        async || render::rows(&db.store, "SELECT name || count(*) FROM bot_beats GROUP BY name ORDER BY name").await;
    let sweep = async |write| {
        let swept = db
            .store
            .in_tx("sweep", deadline(), async |tx| Source::Bots.sweep(tx, &Settings::default(), now, write).await)
            .await;
        assert_eq!(swept.unwrap().0, []);
    };
    let before = seen().await;
    sweep(false).await;
    assert_eq!(kept().await, ["often2400", "once5"]);
    for _ in 0..2 {
        sweep(true).await;
        // Kept are 90 days, the first heartbeat, and the beginning and the end of the failures.
        assert_eq!(kept().await, ["often2163", "once5"]);
        assert_eq!(seen().await, before);
    }
}

/// A late heartbeat splits an interval of the history, as if it had arrived in order.
#[tokio::test]
async fn a_late_heartbeat_splits_the_history() {
    let db = support::database().await;
    for (id, status, second) in
        [("1", "ok", 10), ("3", "ok", 30), ("5", "failed", 50), ("2", "failed", 20), ("4", "failed", 40)]
    {
        ingest(&db.store, &[beat(id, status, second)], &Settings::default(), deadline()).await;
    }
    let rows =
        render::table(&db.store, &["message_id", "from_status", "to_status"], "FROM bot_transitions ORDER BY at");
    assert_eq!(rows.await, "1 | - | ok\n2 | ok | failed\n3 | failed | ok\n4 | ok | failed");
}
