//! The backfill function from an event to the end of its run; a fake Lambda service invokes it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{live, messages, objects, tables};
use crate::support::moto::Moto;
use crate::support::runtime_api::Function;
use crate::support::{self, difference, store_of};

/// The invocations that the function requested.
#[derive(Clone, Default)]
struct Lambda(Arc<Mutex<VecDeque<Value>>>);

impl Lambda {
    async fn start(&self) -> String {
        let queue = self.clone();
        let answer = move |uri: Uri, headers: HeaderMap, body: Bytes| {
            assert_eq!(uri.path(), "/2015-03-31/functions/p-backfill/invocations");
            assert_eq!(headers["x-amz-invocation-type"], "Event");
            assert!(headers["authorization"].to_str().unwrap().contains("/us-east-1/lambda/aws4_request"));
            queue.0.lock().unwrap().push_back(serde_json::from_slice(&body).unwrap());
            async { StatusCode::ACCEPTED }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        endpoint
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_processed_in_several_invocations() {
    let messages = messages(100);
    let expected = live(&messages).await;
    let Some(moto) = Moto::start().await else { return };
    moto.bucket("events", &objects(&messages)).await;
    let db = support::database().await;
    // So slow that an invocation ends with its first batch, while others remain: a batch takes longer than the time in
    // which batches may begin, and that time is longer than any machine needs to begin the first one.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(7); RETURN NULL; \
        END $$; \
                CREATE TRIGGER slow BEFORE INSERT ON components EXECUTE FUNCTION slow()";
    db.store.script(slow, support::deadline()).await.unwrap();
    let lambda = Lambda::default();
    let variables = HashMap::from([
        ("DATABASE_URL", db.url.clone()),
        ("S3_BUCKET", "events".to_owned()),
        ("AWS_ENDPOINT_URL", moto.endpoint.clone()),
        ("AWS_ENDPOINT_URL_LAMBDA", lambda.start().await),
        ("AWS_LAMBDA_FUNCTION_NAME", "p-backfill".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "x".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
    ]);
    let mut function = Function::start(env!("CARGO_BIN_EXE_backfill"), &variables).await;
    let mut invoke = async |event: Value, request_id: &str, seconds: u64| -> Result<Value, String> {
        // The margin, in which no batch begins, and so many seconds.
        let limit = Duration::from_secs(40 + seconds);
        let answer = function.invoke_as(event.to_string().as_bytes(), request_id, limit).await;
        answer.map(|text| serde_json::from_str(&text).unwrap())
    };

    let event = json!({"concurrency": 1, "batch": 60, "to": "2026-04-01"});
    let mut answer = invoke(event.clone(), "first", 6).await.unwrap();
    assert_eq!((&answer["state"], &answer["run"]), (&json!("running"), &json!("first")), "{answer}");
    let mut invocations = 1;
    loop {
        let next = lambda.0.lock().unwrap().pop_front();
        let Some(event) = next else { break };
        assert_eq!(event["continue"], "first");
        assert_eq!(event["chain"], invocations);
        invocations += 1;
        answer = invoke(event, &format!("next-{invocations}"), 6).await.unwrap();
    }
    assert!(invocations > 1, "{answer}");
    assert_eq!((&answer["state"], &answer["messages"]), (&json!("done"), &json!(messages.len())), "{answer}");
    let found = tables(&store_of(&db.url, 1)).await;
    assert!(found == expected, "{}", difference(&expected, &found));

    // Lambda delivers an event twice, or retries a failed one: it is the same run, which has ended.
    let again = invoke(event, "first", 60).await.unwrap();
    assert_eq!((&again["state"], &again["invocations"]), (&json!("done"), &json!(invocations)), "{again}");
    let status = invoke(json!({"status": "first"}), "status", 60).await.unwrap();
    assert_eq!(
        (&status["counts"]["objects"], &status["is_worked_on"]),
        (&answer["objects"], &json!(false)),
        "{status}"
    );
    for (event, why) in [
        (json!({"resume": "first"}), "the backfill run first is done"),
        (json!({"status": "none"}), "there is no backfill run none"),
        (json!({"families": ["x"]}), "families: there is no"),
        (json!({"form": "2026-03-01"}), "unknown field `form`"),
    ] {
        let answer = invoke(event, "wrong", 60).await;
        assert!(answer.as_ref().is_err_and(|error| error.contains(why)), "{why}: {answer:?}");
    }
    let cancelled = invoke(json!({"cancel": "first"}), "x", 60).await.unwrap();
    assert_eq!(cancelled["cancelled"], json!(false));
    // A chain of invocations that is too long, or makes no progress, ends.
    let idle = invoke(json!({"concurrency": 1, "batch": 40}), "idle", 0).await;
    assert!(idle.as_ref().is_err_and(|error| error.contains("nothing was done in a whole invocation")), "{idle:?}");
    let long = invoke(json!({"continue": "idle", "chain": 500}), "long", 3).await;
    assert!(long.as_ref().is_err_and(|error| error.contains("500 invocations")), "{long:?}");
    assert!(lambda.0.lock().unwrap().is_empty());
}
