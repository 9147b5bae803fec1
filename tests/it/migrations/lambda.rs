//! The function, invoked as a custom resource by CloudFormation or by hand: its answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::put;
use serde_json::{Value, json};

use crate::support::runtime_api::Function;
use crate::support::{self, bare_database};

/// One more second than the function keeps back for its answer.
const SHORT: Duration = Duration::from_secs(31);
const LONG: Duration = support::LONGEST;

/// The bucket that CloudFormation has answers put into.
struct Bucket {
    url: String,
    answers: Arc<Mutex<Vec<Value>>>,
}

impl Bucket {
    /// Answers each request with the status.
    async fn start(status: StatusCode) -> Self {
        let answers = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&answers);
        let take = async move |body: Bytes| {
            kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            status
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/answer?Signature=do-not-show", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().route("/answer", put(take))).into_future());
        Self { url, answers }
    }

    fn request(&self, kind: &str) -> Vec<u8> {
        let request = json!({"RequestType": kind, "ResponseURL": self.url, "StackId": "s", "RequestId": "r",
            "LogicalResourceId": "Schema", "ResourceProperties": {"ServiceTimeout": "1320", "Revision": "1"},
            "OldResourceProperties": {"ServiceTimeout": "1320", "Revision": "1"}});
        request.to_string().into_bytes()
    }

    /// The states that were answered, in order.
    fn states(&self) -> Vec<String> {
        let answers = self.answers.lock().unwrap();
        answers.iter().map(|answer| answer["Status"].as_str().unwrap().to_owned()).collect()
    }
}

async fn function(database: &str) -> Function {
    Function::start(env!("CARGO_BIN_EXE_migrate"), &HashMap::from([("DATABASE_URL", database.to_owned())])).await
}

const NOWHERE: &str = "postgres://u:p@127.0.0.1:9/none?sslmode=disable";

#[tokio::test]
async fn cloudformation_is_answered_once_and_lambda_does_not_retry() {
    let bucket = Bucket::start(StatusCode::OK).await;
    let answer = function(NOWHERE).await.invoke_as(&bucket.request("Update"), "1", SHORT).await;
    assert_eq!((answer.as_deref(), bucket.states()), (Ok("null"), vec!["FAILED".to_owned()]));
    let reason = bucket.answers.lock().unwrap()[0]["Reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("cannot connect to PostgreSQL at 127.0.0.1:9/none"), "{reason}");

    let bucket = Bucket::start(StatusCode::OK).await;
    let mut function = function(&bare_database("migrate_function").await).await;
    let answer: Value =
        serde_json::from_str(&function.invoke_as(&bucket.request("Create"), "1", LONG).await.unwrap()).unwrap();
    assert_eq!((&answer["from"], bucket.states()), (&json!(0), vec!["SUCCESS".to_owned()]));
}

#[tokio::test]
async fn an_invocation_by_hand_returns_the_error() {
    let failed = function(NOWHERE).await.invoke_as(b"{}", "1", SHORT).await.unwrap_err();
    let failed: Value = serde_json::from_str(&failed).unwrap();
    assert_eq!(failed["errorType"], "DatabaseUnreachable");
    assert!(failed["errorMessage"].as_str().unwrap().contains("cannot connect to PostgreSQL"), "{failed}");
    let done = function(&support::database().await.url).await.invoke_as(b"{}", "1", LONG).await.unwrap();
    assert!(done.contains(&format!("\"to\":{}", super::newest())), "{done}");
}

/// CloudFormation would delete the old one after an answer of success.
#[tokio::test]
async fn an_empty_database_in_place_of_the_old_one_is_rejected() {
    let bucket = Bucket::start(StatusCode::OK).await;
    let url = bare_database("migrate_replaced").await;
    function(&url).await.invoke_as(&bucket.request("Update"), "1", LONG).await.unwrap();
    assert_eq!(bucket.states(), ["FAILED"]);
    let reason = bucket.answers.lock().unwrap()[0]["Reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("the database is empty") && reason.contains("MigrationRevision"), "{reason}");
    assert_eq!(support::schema::tables(&support::store_of(&url, 1)).await, [""; 0]);
    let other =
        String::from_utf8(bucket.request("Update")).unwrap().replacen(r#""Revision":"1""#, r#""Revision":"2""#, 1);
    function(&url).await.invoke_as(other.as_bytes(), "1", LONG).await.unwrap();
    assert_eq!(bucket.states(), ["FAILED", "SUCCESS"]);
}

/// Without an answer CloudFormation waits for an hour, so Lambda must retry.
#[tokio::test]
async fn a_failed_answer_is_retried_and_shows_no_address() {
    let bucket = Bucket::start(StatusCode::SERVICE_UNAVAILABLE).await;
    let failed = function(NOWHERE).await.invoke_as(&bucket.request("Delete"), "1", LONG).await.unwrap_err();
    assert!(!failed.contains("do-not-show") && failed.contains("503"), "{failed}");
    assert_eq!(bucket.states(), ["SUCCESS"; 3]);
}
