//! The function that delivers is invoked by the one that commits work for it.

use std::collections::HashMap;
use std::sync::Arc;

use hummingbird_status::deliver::targets::Target;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{ghe, register};
use crate::support::buildkite::{Event, event};
use crate::support::forge::{Forge, Reply, answer, created};
use crate::support::runtime_api::Function;
use crate::support::{self, Db, deadline};

/// The function `ingest`, and Lambda, which answers it.
struct Site {
    db: Db,
    lambda: Forge,
    ingest: Function,
}

impl Site {
    async fn start(targets: &[Target]) -> Self {
        let db = support::database().await;
        register(&db.store, targets).await;
        let lambda = Forge::start(|_| answer(202, &[], "")).await;
        let variables = HashMap::from([
            ("DATABASE_URL", db.url.clone()),
            ("DELIVER_FUNCTION", "p-deliver".to_owned()),
            ("AWS_ENDPOINT_URL_LAMBDA", lambda.url.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "x".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
        ]);
        let ingest = Function::start(env!("CARGO_BIN_EXE_ingest"), &variables).await;
        Self { db, lambda, ingest }
    }

    /// How many invocations of `deliver` there were after a build was taken in, of a commit of that number.
    async fn after(&mut self, number: u64) -> usize {
        let sha = format!("{number:040x}");
        let message = Event { build: &sha, number, sha: &sha, ..event("passed", 5) }.delivery();
        let body = String::from_utf8(message.body).unwrap();
        let sent = message.sent_at.unwrap().as_millisecond().to_string();
        let record = json!({"messageId": sha, "receiptHandle": "r", "body": body, "eventSource": "aws:sqs",
            "attributes": {"SentTimestamp": sent}, "messageAttributes": {}});
        let (_, answer) = self.ingest.invoke(json!({"Records": [record]}).to_string().as_bytes()).await;
        assert_eq!(answer, r#"{"batchItemFailures":[]}"#);
        self.lambda.count()
    }
}

/// It is invoked once for each commit that made something due, unless it is awake.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_makes_something_due_invokes_deliver() {
    let forge = Forge::start(|_| created()).await;
    let mut site = Site::start(&ghe(&forge)).await;
    assert_eq!(site.after(1).await, 1);
    let post = site.lambda.posts().remove(0);
    assert_eq!(
        (&*post.path, post.header("x-amz-invocation-type")),
        ("/2015-03-31/functions/p-deliver/invocations", Some("Event"))
    );
    assert_eq!(site.after(1).await, 1, "nothing new is due");
    let awake = "UPDATE delivery_awake SET awake_until = now() + interval '1 hour'";
    site.db.store.script(awake, deadline()).await.unwrap();
    assert_eq!(site.after(2).await, 1, "it looks by itself");
    site.db.store.script("UPDATE delivery_awake SET awake_until = now()", deadline()).await.unwrap();
    assert_eq!(site.after(3).await, 2);
    let mut without = Site::start(&[]).await;
    assert_eq!(without.after(1).await, 0, "there is no receiver");
}

/// After one failure an environment does not try again, and its messages are taken in all the same: the schedule
/// remains. A network without a way to Lambda gives no answer at all.
#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_cannot_invoke_deliver_stops_trying() {
    let never = Arc::new(Semaphore::new(0));
    let failures =
        [answer(403, &[], "{}"), answer(429, &[], "{}"), Reply::Cut, Reply::Held(never, Box::new(created()))];
    for failure in failures {
        let forge = Forge::start(|_| created()).await;
        let mut site = Site::start(&ghe(&forge)).await;
        assert_eq!(site.after(1).await, 1);
        let reply = failure.clone();
        site.lambda.now(move |_| reply.clone());
        assert_eq!(site.after(2).await, 2, "{failure:?}");
        site.lambda.now(|_| answer(202, &[], ""));
        for number in 3..6 {
            assert_eq!(site.after(number).await, 2, "{failure:?}");
        }
    }
}
