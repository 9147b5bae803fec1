//! Backfill with unreadable objects, and with an archive or a database that becomes unavailable.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use hummingbird_status::archive::backfill::{self, Parameters};
use hummingbird_status::archive::{Archive, s3};
use hummingbird_status::platform::shutdown::Stopper;
use hummingbird_status::sources::Settings;

use super::{live, messages, objects, of_mirror, options, tables, work};
use crate::support::archive::{Folder, gzip, put};
use crate::support::gate::Gate;
use crate::support::moto::{Moto, aws};
use crate::support::{self, difference, render};

/// A proxy before S3 with planted faults, by a part of the request's path.
#[derive(Clone, Default)]
struct Between(Arc<Mutex<HashMap<&'static str, Fault>>>);

/// For how many more requests the fault is answered, with which status and code.
type Fault = (u32, u16, &'static str);

impl Between {
    /// Starts the proxy; returns its endpoint.
    async fn start(&self, behind: &str) -> String {
        let (faults, behind) = (self.clone(), behind.to_owned());
        // One connection per request: the server may close a kept connection just when it is reused.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (faults, behind, client) = (faults.clone(), behind.clone(), client.clone());
            async move {
                if let Some((status, code)) = faults.fault(&uri.to_string()) {
                    let body = format!("<Error><Code>{code}</Code><Message>planted</Message></Error>");
                    return Response::builder().status(status).body(Body::from(body)).unwrap();
                }
                let url = format!("{behind}{}", uri.path_and_query().unwrap());
                let mut request = client.request(method, url).body(body);
                for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
                    request = request.header(name, value);
                }
                let answer = request.send().await.unwrap();
                let mut response = Response::builder().status(answer.status());
                for (name, value) in answer.headers() {
                    response = response.header(name, value);
                }
                response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        endpoint
    }

    fn plant(&self, part: &'static str, times: u32, status: StatusCode, code: &'static str) {
        self.0.lock().unwrap().insert(part, (times, status.as_u16(), code));
    }

    fn fault(&self, uri: &str) -> Option<(u16, &'static str)> {
        let mut faults = self.0.lock().unwrap();
        let (_, (left, status, code)) =
            faults.iter_mut().find(|(part, (left, ..))| uri.contains(**part) && *left > 0)?;
        *left -= 1;
        Some((*status, code))
    }
}

#[tokio::test]
async fn unreadable_objects_are_reported_and_the_rest_is_read() {
    let messages = messages(100);
    let expected = live(&messages).await;
    let mut all = objects(&messages);
    for name in ["broken", "denied", "flaky"] {
        all.push((format!("sns/2026/03/02/00/00/{name}"), gzip(b"{}")));
    }
    let Some(moto) = Moto::start().await else { return };
    moto.bucket("archive", &all).await;
    let between = Between::default();
    between.plant("/broken", u32::MAX, StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
    between.plant("/denied", u32::MAX, StatusCode::FORBIDDEN, "AccessDenied");
    between.plant("/flaky", 2, StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
    // The listing needs a retry, too.
    between.plant("list-type", 1, StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
    let s3 = s3::client(&aws(&between.start(&moto.endpoint).await), true);
    let source = Archive::Bucket { s3, name: "archive".to_owned() };
    let parameters =
        Parameters { bucket: Some("archive".to_owned()), prefix: "sns/".to_owned(), ..Parameters::default() };
    let db = support::database().await;
    let summary = work(&db.store, &parameters, &source).await.unwrap();
    assert_eq!((summary.state.as_str(), summary.totals.objects), ("done", all.len() as u64));
    let named: Vec<_> =
        summary.unreadable_objects.iter().map(|object| object.key.rsplit('/').next().unwrap()).collect();
    assert_eq!((named.as_slice(), summary.totals.unreadable), (["broken", "denied"].as_slice(), 2));
    assert!(summary.unreadable_objects[1].reason.contains("AccessDenied"), "{summary:?}");
    let kept = "SELECT (u->>'key') FROM backfill_runs, jsonb_array_elements(unreadable) AS u ORDER BY 1";
    assert_eq!(render::rows(&db.store, kept).await.len(), 2);
    let found = tables(&db.store).await;
    assert!(found == expected, "{}", difference(&expected, &found));
}

#[tokio::test]
async fn a_missing_archive_fails_the_run_which_can_be_resumed() {
    let messages = messages(50);
    let mirror = Folder::new("backfill-absent");
    let root = mirror.0.join("later");
    let source = Archive::Mirror(root.clone());
    let db = support::database().await;
    let summary = work(&db.store, &of_mirror(&root), &source).await.unwrap();
    assert_eq!(summary.state, "failed");
    assert!(summary.error.is_some_and(|error| error.contains("cannot read")));

    for (key, bytes) in objects(&messages) {
        put(&root, &key, &bytes);
    }
    let (_stopper, stop) = Stopper::new();
    let claim = backfill::resume(&db.store, &summary.run, "again").await.unwrap();
    let done = backfill::run(&db.store, &Settings::default(), &source, claim, &options(), &stop, |_, _| {}).await;
    let done = done.unwrap();
    assert_eq!((done.state.as_str(), done.error), ("done", None));
    assert_eq!(done.totals.messages, messages.len() as u64);
}

#[tokio::test]
async fn too_large_and_truncated_objects_are_reported() {
    let messages = messages(20);
    let mirror = Folder::of("backfill-broken", &objects(&messages));
    let long = mirror.0.join("sns/2026/03/01/00/00/long.json.gz");
    std::fs::File::create(&long).unwrap().set_len(300 << 20).unwrap();
    let lines: String = messages.iter().cycle().take(2000).map(|message| message.record() + "\n").collect();
    put(&mirror.0, "sns/2026/03/02/00/stream", format!("{lines}{{\"broken\":").as_bytes());
    let db = support::database().await;
    let summary = work(&db.store, &of_mirror(&mirror.0), &Archive::Mirror(mirror.0.clone())).await.unwrap();
    let named: Vec<_> = summary
        .unreadable_objects
        .iter()
        .map(|object| (object.key.rsplit('/').next().unwrap(), &object.reason))
        .collect();
    assert_eq!(summary.state, "done");
    assert!(named.len() == 2 && named[0].0 == "long.json.gz" && named[1].0 == "stream", "{named:?}");
    assert!(named[1].1.starts_with("after 2000 documents: EOF"), "{named:?}");
    assert_eq!(summary.totals.messages, messages.len() as u64 + 2000);
}

#[tokio::test]
async fn an_unavailable_database_is_waited_for() {
    let messages = messages(600);
    let expected = live(&messages).await;
    let mirror = Folder::of("backfill-outage", &objects(&messages));
    let db = support::database().await;
    let gate = Gate::before(&db, "pipelineruns").await;
    gate.close(1).await;
    let outage = async {
        for round in 1..=4 {
            let pid = gate.reached(None).await.unwrap();
            // The batch that is rolled back is retried, and stops at the gate once more.
            if round < 4 {
                gate.close(1).await;
            }
            gate.cut_all(pid).await;
        }
        gate.release().await;
    };
    let source = Archive::Mirror(mirror.0.clone());
    let parameters = of_mirror(&mirror.0);
    let (summary, ()) = tokio::join!(work(&db.store, &parameters, &source), outage);
    assert_eq!(summary.unwrap().state, "done");
    let found = tables(&db.store).await;
    assert!(found == expected, "{}", difference(&expected, &found));
}
