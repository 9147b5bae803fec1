//! The pages as a Lambda function: the program itself, asked through the runtime's API by events of a function URL.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::support::Db;

/// An event of a function URL (payload format 2.0).
pub fn asked(path: &str, query: &str, headers: &Value) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
        "requestContext": {
            "accountId": "anonymous", "apiId": "x", "domainName": "x.lambda-url.eu-west-1.on.aws", "domainPrefix": "x",
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"},
            "requestId": "r", "routeKey": "$default", "stage": "$default",
            "time": "10/Mar/2026:13:00:00 +0000", "timeEpoch": 1_773_147_600_000_i64
        },
        "isBase64Encoded": false
    })
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Value>,
    answers: Vec<Value>,
}

async fn runtime(state: Arc<Mutex<State>>, uri: Uri, body: Bytes) -> Response {
    let path = uri.path();
    if path.ends_with("/register") {
        return ([("Lambda-Extension-Identifier", "e")], "{}").into_response();
    }
    if path.ends_with("/invocation/next") {
        let next = state.lock().unwrap().waiting.pop_front();
        let Some(event) = next else { return std::future::pending().await };
        let headers = [("lambda-runtime-aws-request-id", "r"), ("lambda-runtime-deadline-ms", "4102444800000")];
        let arn = ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:page");
        return (headers, [arn], event.to_string()).into_response();
    }
    if path.ends_with("/event/next") {
        return std::future::pending().await;
    }
    let answer = serde_json::from_slice(&body).unwrap_or_else(|_| json!({"path": path}));
    state.lock().unwrap().answers.push(answer);
    StatusCode::ACCEPTED.into_response()
}

#[tokio::test]
async fn a_function_url_is_answered() {
    let db = super::filled().await;
    let text = json!({"host": "h", "accept": "text/html"});
    let packed = json!({"host": "h", "accept-encoding": "gzip"});
    let waiting = [
        asked("/bots/spaced bot", "", &text),
        asked("/api/v1/mrs", "q=%2331&state=opened", &text),
        asked("/mrs", "", &packed),
    ];
    let answers = answers(&db, waiting.into(), &[("PAGE_ACCESS", "iam".to_owned())]).await;
    let [page, api, packed] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!((&page["statusCode"], &page["isBase64Encoded"]), (&json!(200), &json!(false)), "{page}");
    assert!(page["body"].as_str().unwrap().contains("<h1>spaced bot "));
    assert!(page["headers"]["content-security-policy"].as_str().unwrap().starts_with("default-src 'none'"));
    assert_eq!(api["statusCode"], 200);
    assert_eq!(packed["isBase64Encoded"], true);
}

/// What the function answers to events, given variables of its environment.
pub async fn answers(db: &Db, waiting: Vec<Value>, variables: &[(&str, String)]) -> Vec<Value> {
    let count = waiting.len();
    let state = Arc::new(Mutex::new(State { waiting: waiting.into(), answers: Vec::new() }));
    let shared = Arc::clone(&state);
    let answer = move |uri: Uri, body: Bytes| runtime(Arc::clone(&shared), uri, body);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());

    let mut function = std::process::Command::new(env!("CARGO_BIN_EXE_web"))
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("DATABASE_URL", format!("{}?sslmode=disable", db.url.split('?').next().unwrap()))
        .envs([("AWS_LAMBDA_FUNCTION_NAME", "page"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")])
        .envs([
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "g"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "s"),
        ])
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    crate::support::until("all answers", async || state.lock().unwrap().answers.len() == count).await;
    function.kill().unwrap();
    function.wait().unwrap();
    std::mem::take(&mut state.lock().unwrap().answers)
}
