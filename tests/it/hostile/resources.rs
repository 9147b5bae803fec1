//! Slow clients, many clients, endless requests; messages that decode to many parts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hummingbird_status::ingest::{Outcome, ingest};
use hummingbird_status::platform::serving::{self, Hosts, Limits};
use hummingbird_status::sources::Settings;
use hummingbird_status::submit::Intake;
use hummingbird_status::transport::Delivery;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::submit::{ALL, CRON, OPERATORS, intake, open, routes};
use crate::support::{self, Db, deadline, render};

/// Time limits longer than any test.
const LONG: Duration = Duration::from_secs(3600);
/// A short time limit, which tests wait for.
const SHORT: Duration = Duration::from_millis(100);

fn limits() -> Limits {
    Limits { head: LONG, idle: LONG, work: LONG, connections: 64, hosts: Hosts::default() }
}

async fn start(db: &Db, intake: Intake, limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serving::serve(listener, routes(&db.store, intake, &open), limits));
    address
}

async fn connected(address: SocketAddr, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// All bytes from the server until it closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = tokio::time::timeout(deadline().remaining(), stream.read_to_end(&mut said));
    // A connection that is reset has ended, too.
    drop(read.await.expect("the server did not hang up"));
    String::from_utf8_lossy(&said).into_owned()
}

/// The answer to a request that is whole.
async fn answer(address: SocketAddr, request: &str) -> String {
    rest(&mut connected(address, request).await).await
}

const ALIVE: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn post(token: &str, path: &str, length: usize, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: \
            {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn beat(token: &str, name: &str) -> String {
    let body = format!("{{\"name\":\"{name}\",\"status\":\"ok\"}}");
    post(token, "/bots", body.len(), &body)
}

#[tokio::test]
async fn waits_for_a_client_have_a_time_limit() {
    let db = support::database().await;
    let keep = ALIVE.replace("Connection: close\r\n", "");
    for (what, limits, sent) in [
        ("the head of a request", Limits { head: SHORT, ..limits() }, "GET / HTTP/1.1\r\nHost: "),
        ("a first byte", Limits { idle: SHORT, ..limits() }, ""),
        ("a second request", Limits { idle: SHORT, ..limits() }, &keep),
        ("a body", Limits { work: SHORT, ..limits() }, &post(CRON, "/bots", 100, "{")),
    ] {
        let address = start(&db, intake(&db.store).with_bodies_within(LONG), limits).await;
        // On a slow machine the time may be over before the first request is there.
        loop {
            let said = rest(&mut connected(address, sent).await).await;
            assert!(sent == keep || !said.starts_with("HTTP/1.1 200"), "{what}: {said}");
            if sent != keep || said.starts_with("HTTP/1.1 200") {
                break;
            }
        }
    }
    // The head of a request that is not the first.
    let address = start(&db, intake(&db.store), Limits { head: SHORT, ..limits() }).await;
    let mut stream = connected(address, &keep).await;
    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    stream.write_all(b"GET ").await.unwrap();
    rest(&mut stream).await;
}

/// However many connections are opened and left alone, another client is served, and no more are held than there may
/// be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_connections_block_no_client() {
    // The clients of this test are in one process with all others.
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let more = rustix::process::Rlimit { current: files.maximum, ..files };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, more).unwrap();
    let db = support::database().await;
    let address = start(&db, intake(&db.store), limits()).await;
    let keep = ALIVE.replace("Connection: close\r\n", "");
    let closed = Arc::new(AtomicUsize::new(0));
    let mut held = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let mut stream = connected(address, ["", "GET / HTTP/1.1\r\nHo", &keep][number % 3]).await;
        let closed = Arc::clone(&closed);
        held.spawn(async move {
            drop(stream.read_to_end(&mut Vec::new()).await);
            closed.fetch_add(1, Ordering::Relaxed);
        });
        if number % 100 == 99 {
            let said = answer(address, ALIVE).await;
            assert!(said.starts_with("HTTP/1.1 200"), "after {number}: {said}");
        }
    }
    // The server closes all connections beyond its limit.
    let most = limits().connections;
    support::until("connections are closed", async || closed.load(Ordering::Relaxed) >= 1000 - most).await;
    assert!(closed.load(Ordering::Relaxed) < 1000, "those that may be there stay");
}

/// Bodies that never arrive use no slot: neither of other tokens nor of the same one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_unfinished_bodies_block_no_client() {
    let db = support::database().await;
    let limits = Limits { connections: 256, ..limits() };
    let address = start(&db, intake(&db.store).with_bodies_within(LONG), limits).await;
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(connected(address, &post(CRON, "/bots", 100, "{")).await);
    }
    let own = answer(address, &beat(CRON, "nightly-a")).await;
    assert!(own.starts_with("HTTP/1.1 200"), "{own}");
    let other = answer(address, &post(OPERATORS, "/jobs/7/state", 2, "{}").replace("POST", "PATCH")).await;
    assert!(other.starts_with("HTTP/1.1 400"), "{other}");
    let submission = r#"{"version":{"major":5,"minor":3},"checkouts":[{"id":"o:1","origin":"o"}]}"#;
    let submitted = answer(address, &post(ALL, "/submit", submission.len(), submission)).await;
    assert!(submitted.starts_with("HTTP/1.1 200"), "{submitted}");
    // More than a token may have under way at a time: the others still are served.
    for _ in 0..60 {
        held.push(connected(address, &post(CRON, "/bots", 100, "{")).await);
    }
    let busy = async || {
        // One more, as one may have been sent away while the last answer was made.
        held.push(connected(address, &post(CRON, "/bots", 100, "{")).await);
        let said = answer(address, &beat(CRON, "nightly-a")).await;
        assert!(said.starts_with("HTTP/1.1 200") || said.contains("retry-after"), "{said}");
        said.starts_with("HTTP/1.1 503")
    };
    support::until("the server has read the heads of these requests", busy).await;
    let submitted = answer(address, &post(ALL, "/submit", submission.len(), submission)).await;
    assert!(submitted.starts_with("HTTP/1.1 200"), "{submitted}");
}

#[tokio::test]
async fn a_missing_body_is_answered_408_and_a_too_large_one_413() {
    let db = support::database().await;
    let late = start(&db, intake(&db.store).with_bodies_within(SHORT), limits()).await;
    let retrying = start(&db, intake(&db.store).with_bodies_within(LONG), limits()).await;
    for (address, length, sent, status, reason) in [
        (late, "100", "{", "408", "late"),
        (retrying, "99999999999", "{", "413", "too-large"),
        (retrying, "33554433", "", "413", "too-large"),
    ] {
        for (path, token) in [("/bots", CRON), ("/submit", ALL), ("/jobs/7/state", OPERATORS)] {
            let request = post(token, path, 0, sent).replace("Content-Length: 0", &format!("Content-Length: {length}"));
            let request = if path.starts_with("/jobs") { request.replace("POST", "PATCH") } else { request };
            let said = answer(address, &request).await;
            assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{path} {length}: {said}");
            assert!(said.contains(&format!("\"reason\":\"{reason}\"")), "{path} {length}: {said}");
        }
    }
}

/// A server that listens on loopback is asked by this machine: a browser that sends it another host is fooled.
#[tokio::test]
async fn a_server_on_loopback_answers_for_this_machine_alone() {
    let db = support::database().await;
    let hosts = Hosts::new(["ci.acme.example"]);
    let address = start(&db, intake(&db.store), Limits { hosts, ..limits() }).await;
    for (host, status) in [
        ("Host: localhost", 200),
        ("Host: ci.acme.example", 200),
        ("Host: evil.example", 421),
        ("Host: localhost\r\nHost: evil.example", 400),
        ("X: y", 400),
    ] {
        let said = answer(address, &ALIVE.replace("Host: localhost", host)).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {said}");
        assert!(status == 200 || said.contains("{\"error\":"), "{host}: {said}");
    }
    // What repeats the host says that it depends on it.
    let feed = answer(address, &ALIVE.replace("/healthz", "/feed.atom")).await.to_lowercase();
    assert!(feed.contains("vary: host"), "{feed}");
}

/// CWE-409: a few bytes that decode to a hundred thousand rejected parts are stored once, and valid parts are kept.
#[tokio::test]
async fn a_small_message_makes_no_hundred_thousand_rows() {
    let db = support::database().await;
    let good = r#"{"name":"b","status":"ok"}"#;
    let parts = ["{\"object_kind\":\"push\"}\n".repeat(50_000), good.to_owned()].concat();
    let attributes = [("source".to_owned(), "bot".to_owned())];
    let delivery = |body: Vec<u8>| Delivery {
        id: "d".to_owned(),
        body,
        attributes: attributes.clone().into(),
        ..Delivery::default()
    };
    let body = crate::submit::gzip(parts.as_bytes());
    assert!(body.len() < 20_000);
    for _ in 0..2 {
        let report = ingest(&db.store, &[delivery(body.clone())], &Settings::default(), deadline()).await;
        assert_eq!((report.error.as_ref(), report.outcomes()[0]), (None, Outcome::Rejected));
    }
    let rejected =
        render::rows(&db.store, "SELECT id || ' ' || reason || ' ' || left(detail, 35) || length(body) FROM refused")
            .await;
    assert_eq!(rejected, [format!("d bad-field 50000 parts that are rejected, the {}", body.len())]);
    assert_eq!(render::rows(&db.store, "SELECT name FROM bots").await, ["b"]);
}
