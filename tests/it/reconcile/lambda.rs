//! The function, as the Lambda service runs it: one event of the schedule, its answer, and its metrics.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::fake::{Fake, TOKEN, fixed};
use super::{Db, merge_requests, with_open};
use crate::support::LONGEST;

/// Hands out one event, and takes what comes of it: `response` or `error`, and the body.
async fn runtime_api(event: Value) -> (String, UnboundedReceiver<(String, String)>) {
    let (answers, answered) = unbounded_channel();
    let events = Arc::new(Mutex::new(vec![event.to_string()]));
    let serve = move |method: Method, uri: Uri, body: Bytes| {
        let (answers, events) = (answers.clone(), Arc::clone(&events));
        async move {
            if method == Method::POST {
                let kind = uri.path().rsplit('/').next().unwrap().to_owned();
                if kind != "register" {
                    answers.send((kind, String::from_utf8_lossy(&body).into_owned())).unwrap();
                }
                return (HeaderMap::new(), String::new()).into_response();
            }
            let event = events.lock().unwrap().pop();
            let Some(event) = event else { return std::future::pending().await };
            let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + LONGEST;
            let headers = [
                ("lambda-runtime-aws-request-id", "request-1".to_owned()),
                ("lambda-runtime-deadline-ms", end.as_millis().to_string()),
                ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:x:1:function:reconcile".to_owned()),
            ];
            (headers, event).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(axum::serve(listener, Router::new().fallback(serve)).into_future());
    (address, answered)
}

/// One invocation: how it was answered, the answer, and what was printed.
async fn invoke(db: &Db, gitlab: &Fake, event: Value) -> (String, String, String) {
    let (api, mut answered) = runtime_api(event).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_reconcile"))
        .env_clear()
        .envs([("AWS_LAMBDA_RUNTIME_API", api.as_str()), ("AWS_LAMBDA_FUNCTION_NAME", "x-reconcile")])
        .envs([("AWS_LAMBDA_FUNCTION_VERSION", "1"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")])
        .envs([("DATABASE_URL", db.url.as_str()), ("GITLAB_URL", &gitlab.url), ("GITLAB_TOKEN", TOKEN)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let answer = tokio::time::timeout(LONGEST, answered.recv()).await.unwrap().unwrap();
    child.kill().unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!printed.contains(TOKEN) && !answer.1.contains(TOKEN), "{printed} {}", answer.1);
    (answer.0, answer.1, printed)
}

/// As EventBridge sends it.
fn scheduled() -> Value {
    json!({"version": "0", "id": "53dc4d37", "detail-type": "Scheduled Event", "source": "aws.events",
        "account": "123456789012", "time": "2026-03-10T10:00:00Z", "region": "eu-west-1",
        "resources": ["arn:aws:events:eu-west-1:123456789012:rule/x"], "detail": {}})
}

#[tokio::test]
async fn a_scheduled_run_reports_metrics() {
    let (db, gitlab) = with_open(1..=2).await;
    gitlab.change("g/p", 1, json!({"state": "merged", "updated_at": "2026-03-10T11:00:00.100Z"}));
    let (kind, answer, _) = invoke(&db, &gitlab, json!({"dry_run": true, "projects": ["g/p"]})).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((kind.as_str(), &answer["dry_run"], &answer["checked"]), ("response", &json!(true), &json!(2)));
    assert!(merge_requests(&db).await.contains("g/p!1 | opened"));

    let (kind, answer, printed) = invoke(&db, &gitlab, scheduled()).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((kind.as_str(), answer["corrections"].as_array().unwrap().len()), ("response", 1));
    assert!(merge_requests(&db).await.contains("g/p!1 | merged"));
    let metrics = printed.lines().find(|line| line.contains("_aws")).unwrap_or_else(|| panic!("no metrics: {printed}"));
    let metrics: Value = serde_json::from_str(metrics).unwrap();
    assert_eq!((&metrics["corrected"], &metrics["function"]), (&json!(1), &json!("x-reconcile")));
}

#[tokio::test]
async fn a_run_that_was_stopped_is_an_error_of_the_function() {
    let (db, gitlab) = with_open(1..=1).await;
    gitlab.script("", fixed(401, &[], TOKEN));
    let (kind, answer, _) = invoke(&db, &gitlab, scheduled()).await;
    let error: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((kind.as_str(), &error["errorType"]), ("error", &json!("ReconcileStopped")));
    assert!(answer.contains("GitLab rejects the credential (401)"), "{answer}");
}
