//! `worker --pull` as a program, against the facade as it is mounted beside the pages.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use hummingbird_status::deliver::targets::{Target, targets};
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::{Site, intake, open, serve};
use crate::deliver::{drain, later};
use crate::support::buildkite::{Event, event};
use crate::support::forge::{Forge, Reply, answer, created};
use crate::support::{self, Db, deadline, render, until};

pub(super) const KEY: &str = "key-hunter2-hunter2";

pub(super) fn lookup(name: &str) -> Option<String> {
    let target =
        "[[target]]\nname = 'inside'\nkind = 'github'\nhosts = ['127.0.0.1', 'ghe.acme.example']\napi_key = 'env:KEY'";
    match name {
        "DELIVERY_TARGETS" => Some(target.to_owned()),
        "KEY" => Some(KEY.to_owned()),
        name => open(name),
    }
}

fn pulled() -> Vec<Target> {
    targets(&lookup).unwrap()
}

async fn site(db: &Db) -> Site {
    serve(&db.store, intake(&db.store), &lookup).await
}

async fn wanted(db: &Db, events: &[Event<'_>]) {
    for event in events {
        ingest(&db.store, &[event.delivery()], &Settings::default(), deadline()).await;
    }
    drain(&db.store, &pulled()).await;
}

/// The program; killed when dropped.
struct Worker(Child, Arc<Mutex<String>>);

impl Worker {
    fn start(site: &Site, key: &str, ghe: &Forge) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
        command.args(["worker", "--pull"]).env("NO_PROXY", "127.0.0.1").env_remove("DATABASE_URL");
        command.env("API_URL", &site.url).env("API_KEY", key);
        command.env("GITHUB_URL", &ghe.url).env("GITHUB_ACCESS_TOKEN", "ghp_hunter2");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        std::thread::spawn(move || lines.for_each(|line| heard.lock().unwrap().push_str(&line)));
        Self(child, said)
    }

    /// What it has said so far.
    fn said(&self) -> String {
        self.1.lock().unwrap().clone()
    }

    /// Kills it at once; what it said.
    fn kill(mut self) -> String {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        self.said()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lease of the waiting delivery, as soon as no other client has it.
async fn leased(site: &Site) -> String {
    let mut lease = None;
    until("a lease", async || {
        let answer = site.send(Method::GET, "/v1/deliveries?wait=5", &[("x-api-key", KEY)], Vec::new()).await;
        lease = answer.body["deliveries"][0]["lease"].as_str().map(str::to_owned);
        lease.is_some()
    })
    .await;
    lease.unwrap()
}

async fn rows(db: &Db) -> String {
    render::table(&db.store, &["state", "posts", "cut"], "FROM commit_statuses ORDER BY repo").await
}

#[tokio::test]
async fn a_wrong_key_gets_nothing_and_the_right_one_all() {
    let db = support::database().await;
    let site = site(&db).await;
    let ghe = Forge::start(|_| created()).await;
    wanted(&db, &[event("started", 1), event("passed", 5)]).await;
    let worker = Worker::start(&site, "key-hunter2-wrong", &ghe);
    until("a rejected key", async || worker.said().contains("401")).await;
    let said = worker.kill();
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!((ghe.count(), rows(&db).await.as_str()), (0, "pending | 0 | 0"));

    let worker = Worker::start(&site, KEY, &ghe);
    until("delivered", async || rows(&db).await == "delivered | 1 | 0").await;
    // What comes later is fetched as well, without a new start.
    wanted(&db, &[Event { number: 8, build: "8", ..event("failed", 9) }]).await;
    until("delivered again", async || rows(&db).await == "delivered | 2 | 0").await;
    let states: Vec<Value> = ghe.posts().iter().map(|post| post.body["state"].clone()).collect();
    assert_eq!(states, [json!("success"), json!("failure")]);
    assert!(!worker.kill().contains("hunter2"));
}

/// A worker dies with a lease: no other worker gets it before it expires, then the next one does. A late report of the
/// dead one is ignored; a repeated report of the living one is idempotent.
#[tokio::test]
async fn the_lease_of_a_dead_worker_runs_out() {
    let db = support::database().await;
    let site = site(&db).await;
    let held = Arc::new(Semaphore::new(0));
    let never = Forge::start(move |_| Reply::Held(held.clone(), Box::new(created()))).await;
    wanted(&db, &[event("passed", 5)]).await;
    let worker = Worker::start(&site, KEY, &never);
    until("posting", async || never.count() == 1).await;
    let lease = "SELECT lease::text FROM commit_statuses WHERE lease_until > now()";
    let dead = render::rows(&db.store, lease).await.join("");
    worker.kill();
    let ghe = Forge::start(|_| created()).await;
    let headers = [("x-api-key", KEY)];
    let free = site.send(Method::GET, "/v1/deliveries", &headers, Vec::new()).await.body;
    assert_eq!(free["deliveries"], json!([]), "it is leased");
    let heir = Worker::start(&site, KEY, &ghe);
    let over = "UPDATE commit_statuses SET lease_until = now() - interval '1 second', next_attempt_at = now()";
    db.store.script(over, deadline()).await.unwrap();
    until("delivered", async || rows(&db).await == "delivered | 1 | 1").await;
    assert_eq!(ghe.count(), 1);
    let end = async |method: Method, lease: &str| {
        site.send(method, &format!("/v1/deliveries/{lease}"), &headers, Vec::new()).await.status
    };
    assert_eq!(end(Method::DELETE, &dead).await, 410);
    assert_eq!(end(Method::POST, &dead).await, 410);
    drop(heir);

    wanted(&db, &[Event { number: 8, build: "8", ..event("failed", 9) }]).await;
    let lease = &leased(&site).await;
    assert_eq!([end(Method::DELETE, lease).await, end(Method::DELETE, lease).await], [204, 204]);
    assert_eq!(end(Method::POST, lease).await, 410, "delivered is delivered");
    assert_eq!(rows(&db).await, "delivered | 2 | 1");
}

/// A worker or its connection dies while a lease is being granted: the lease is returned, as its client never got it,
/// and so is the probe of a target whose circuit breaker is open.
#[tokio::test]
async fn a_lease_that_no_client_received_is_returned() {
    let db = support::database().await;
    let site = site(&db).await;
    wanted(&db, &[event("passed", 5)]).await;
    let shaky = "UPDATE delivery_targets SET trips = 1, failures = 5, open_until = now()";
    db.store.script(shaky, deadline()).await.unwrap();
    // Another session holds the table, so that leasing takes its time.
    let (mut client, connection) = tokio_postgres::connect(&db.url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let held = client.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE commit_statuses IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut gone = tokio::net::TcpStream::connect(site.url.trim_start_matches("http://")).await.unwrap();
    let request = format!("GET /v1/deliveries?wait=5 HTTP/1.1\r\nhost: h\r\nx-api-key: {KEY}\r\n\r\n");
    gone.write_all(request.as_bytes()).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'commit_statuses'::regclass AND NOT granted";
    until("leasing", async || held.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) > 0).await;
    // The server sees that the client is gone, and closes its side as well, before it has the lease.
    gone.shutdown().await.unwrap();
    assert_eq!(gone.read(&mut [0]).await.unwrap_or_default(), 0, "an answer without a client");
    held.rollback().await.unwrap();

    let headers = [("x-api-key", KEY)];
    let lease = leased(&site).await;
    assert_eq!(site.send(Method::DELETE, &format!("/v1/deliveries/{lease}"), &headers, Vec::new()).await.status, 204);
    assert_eq!(rows(&db).await, "delivered | 1 | 0", "and nothing was cut");
    let target = render::table(&db.store, &["trips", "failures"], "FROM delivery_targets").await;
    assert_eq!(target, "0 | 0", "and it is well");
}

/// GitHub's clock is a year ahead, and its limit ends some minutes later by that clock: so long is waited, by the clock
/// of each machine.
#[tokio::test]
async fn clocks_need_not_agree() {
    let db = support::database().await;
    let site = site(&db).await;
    let ghe = Forge::start(|_| {
        let now = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 365);
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap();
        let reset = (now.as_second() + 1200).to_string();
        let headers = [("date", &*date), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &*reset)];
        answer(403, &headers, r#"{"message":"API rate limit exceeded"}"#)
    })
    .await;
    wanted(&db, &[event("passed", 5)]).await;
    let worker = Worker::start(&site, KEY, &ghe);
    let open =
        "SELECT round(extract(epoch FROM open_until - now()))::text FROM delivery_targets WHERE open_until > now()";
    let mut seconds = 0.0;
    until("closed", async || {
        seconds = render::rows(&db.store, open).await.join("").parse().unwrap_or_default();
        seconds > 0.0
    })
    .await;
    assert!((600.0..=1220.0).contains(&seconds), "{seconds}");
    ghe.now(|_| created());
    later(&db.store).await;
    until("delivered", async || rows(&db).await == "delivered | 1 | 0").await;
    assert_eq!(ghe.count(), 2);
    drop(worker);
}
