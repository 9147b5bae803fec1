//! Requests that are too large, at every write endpoint: rejected before they are read into memory.

use hummingbird_status::sources::Settings;
use hummingbird_status::submit::Intake;
use hummingbird_status::transport::Limits;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::pull::{KEY, lookup};
use super::{ALL, gzip, open, serve, signed};
use crate::support;

/// What a message may unfold to here.
const MOST: usize = 100_000;

async fn site(db: &support::Db) -> super::Site {
    let limits = Limits { decoded_bytes: MOST, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let intake = Intake::new(db.store.clone(), settings, &open).unwrap();
    serve(&db.store, intake, &lookup).await
}

#[tokio::test]
async fn no_endpoint_reads_more_than_its_limit() {
    let db = support::database().await;
    let site = site(&db).await;
    let job = signed(&serde_json::json!({"sub": "7"}));
    for (method, path, token) in
        [(Method::POST, "/submit", ALL), (Method::POST, "/bots", super::CRON), (Method::PATCH, "/jobs/7/state", &job)]
    {
        let large = b" ".repeat(MOST + 1);
        let bomb = gzip(&b" ".repeat(20 * MOST));
        assert!(bomb.len() < MOST / 2);
        for (what, body) in [("large", large), ("bomb", bomb.clone()), ("two bombs", gzip(&bomb))] {
            let answer = site.call(method.clone(), path, token, body).await;
            assert_eq!(answer.status, 413, "{path} with a {what} body: {:?}", answer.body);
        }
    }
    let headers = [("x-api-key", KEY)];
    let answer = site.send(Method::POST, "/v1/deliveries/x", &headers, b" ".repeat(3 << 20)).await;
    assert_eq!(answer.status, 413, "{:?}", answer.body);
}

/// A request as bytes, of which the server takes so many before it answers or hangs up.
async fn raw(site: &super::Site, head: &str, body: usize) -> (usize, String) {
    let address = site.url.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut sent = 0;
    let chunk = [b'x'; 65_536];
    if stream.write_all(head.as_bytes()).await.is_ok() {
        while sent < body && stream.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
        }
    }
    let mut answer = vec![0; 1024];
    let read = tokio::time::timeout(support::LONGEST, stream.read(&mut answer)).await;
    let length = read.expect("neither answer nor end").unwrap_or_default();
    (sent, String::from_utf8_lossy(&answer[..length]).lines().next().unwrap_or_default().to_owned())
}

/// Heads and bodies without an end, at pages as well: an answer or the end of the connection, long before their end.
#[tokio::test]
async fn endless_requests_come_to_an_end() {
    let db = support::database().await;
    let site = site(&db).await;
    let long = "a".repeat(200_000);
    let many: String = (0..500).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let huge = 1_u64 << 40;
    for (what, head, statuses) in [
        ("address", format!("GET /bots?q={long} HTTP/1.1\r\nhost: h\r\n\r\n"), &["414", "431", "400", "200"][..]),
        ("header", format!("GET /bots HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", long.repeat(5)), &["431", "400"]),
        ("headers", format!("GET /bots HTTP/1.1\r\nhost: h\r\n{many}\r\n"), &["431", "400"]),
        (
            "length",
            format!(
                "POST /submit HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {ALL}\r\ncontent-length: {huge}\r\n\r\n"
            ),
            &["413"],
        ),
        (
            "length without a token",
            format!("POST /submit HTTP/1.1\r\nhost: h\r\ncontent-length: {huge}\r\n\r\n"),
            &["401"],
        ),
        ("length of a page", format!("POST /bots/x HTTP/1.1\r\nhost: h\r\ncontent-length: {huge}\r\n\r\n"), &["405"]),
        ("body of a page", format!("GET /healthz HTTP/1.1\r\nhost: h\r\ncontent-length: {huge}\r\n\r\n"), &["200"]),
    ] {
        let (sent, answer) = raw(&site, &head, if head.contains("content-length") { 512 << 20 } else { 0 }).await;
        let status = answer.split(' ').nth(1).unwrap_or("hung up");
        assert!(statuses.contains(&status) || status == "hung up", "{what}: {answer}");
        assert!(sent < 64 << 20, "{what}: took {sent} bytes");
    }
}
