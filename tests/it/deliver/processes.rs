//! `deliver` as a process: killed at any time, its output searched for secrets, and its latency measured.

use std::collections::BTreeMap;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use hummingbird_status::deliver::{Deliverer, Until};
use hummingbird_status::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use super::{TOKEN, apps, ghe, read, take_in, target};
use crate::support::buildkite::{Event, HOST, event};
use crate::support::forge::{Forge, Reply, answer, created};
use crate::support::random::Random;
use crate::support::{self, Db, deadline, render, schema, store_of};

/// The program with a database and a document of targets.
fn program(db: &Db, document: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
    command.args(arguments).env("DATABASE_URL", &db.url).env("DELIVERY_TARGETS", document).env("TOKEN", TOKEN);
    command.env_remove("BROADCAST_TOPIC_ARN");
    command
}

/// Runs it to its end, on a separate thread: the fake servers run on this one.
async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// A process that is killed, at the latest with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn start(db: &Db, document: &str) -> Running {
    let mut command = program(db, document, &["deliver"]);
    Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// The life of a build: four events, of which some fail and are retried, and some end blocked or cancelled.
fn life(number: usize) -> ([&'static str; 4], &'static str) {
    match number % 5 {
        0 => (["scheduled", "started", "failing", "failed"], "failure"),
        1 => (["started", "failed", "started", "passed"], "success"),
        2 => (["scheduled", "started", "passed", "blocked"], "success"),
        3 => (["scheduled", "started", "started", "canceled"], "error"),
        _ => (["scheduled", "started", "failing", "passed"], "success"),
    }
}

/// Builds with four events each, shuffled, ingested while a process delivers and is killed repeatedly, and while the
/// target is unavailable for a part of the time. Each commit ends with the right state; only rows with an expired lease
/// may have been posted twice.
async fn killed(builds: usize, kills: usize) {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let document = target("ghe", "github", &forge, HOST, "concurrency = 16");
    let mut random = Random::new(7);
    let shas: Vec<String> = (0..builds).map(|n| format!("{n:040x}")).collect();
    let mut deliveries: Vec<Delivery> = Vec::new();
    for (n, sha) in shas.iter().enumerate() {
        let events = life(n).0.into_iter().enumerate();
        deliveries
            .extend(events.map(|(k, state)| Event { build: sha, sha, ..event(state, 10 * k as u32 + 1) }.delivery()));
    }
    random.shuffle(&mut deliveries);
    let began = Instant::now();
    let mut process = start(&db, &document);
    let batches: Vec<&[Delivery]> = deliveries.chunks(deliveries.len().div_ceil(kills + 1)).collect();
    for (round, part) in batches.iter().enumerate() {
        match round % 3 {
            1 => forge.now(|_| answer(503, &[], "")),
            _ => forge.now(|_| created()),
        }
        // So that it is busy when it is killed. (While the target is unavailable, the circuit breaker opens after a few
        // posts.)
        let enough = forge.count() + if round % 3 == 1 { 1 } else { 4 };
        for batch in part.chunks(200) {
            let report = ingest::ingest(&db.store, batch, &Settings::default(), deadline()).await;
            assert_eq!((report.counts().again, report.counts().refused), (0, 0));
        }
        support::until("posts of this round", async || {
            super::later(&db.store).await;
            forge.count() >= enough
        })
        .await;
        if round < kills {
            drop(process);
            // Its leases expire: in the rows, a minute passes.
            let ran_out = "UPDATE commit_statuses SET lease_until = now(), next_attempt_at = now() WHERE lease_until \
                > now(); \
                           UPDATE delivery_targets SET open_until = NULL, probe_until = NULL";
            db.store.script(ran_out, deadline()).await.unwrap();
            process = start(&db, &document);
        }
    }
    forge.now(|_| created());
    support::until("the end of all of it", async || {
        // The last waits end at once, too.
        super::later(&db.store).await;
        let left = "SELECT (SELECT count(*) FROM commit_statuses WHERE state = 'pending') + \
                    (SELECT count(*) FROM outbox WHERE routed_at IS NULL)";
        render::rows(&db.store, &format!("SELECT ({left})::text")).await == ["0"]
    })
    .await;
    drop(process);

    let mut last: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut twice = 0;
    let posts: Vec<_> = forge.posts().into_iter().filter(|post| post.taken).collect();
    for post in &posts {
        let sha = post.path.rsplit('/').next().unwrap().to_owned();
        let said = (post.body["state"].as_str().unwrap().to_owned(), post.body["description"].to_string());
        twice += usize::from(last.insert(sha, said.clone()) == Some(said));
    }
    for (n, sha) in shas.iter().enumerate() {
        assert_eq!(last.get(sha).map(|(state, _)| state.as_str()), Some(life(n).1), "build {n}");
    }
    let states =
        render::table(&db.store, &["state", "count(*)", "sum(cut)"], "FROM commit_statuses GROUP BY state").await;
    let cut: usize = states.rsplit(" | ").next().unwrap().parse().unwrap();
    assert!(states.starts_with(&format!("delivered | {builds} | ")), "{states}");
    assert!(twice <= cut, "{twice} statuses were posted twice, and only {cut} leases were cut");
    println!(
        "{builds} builds x 4 events, {kills} kills: {} requests, {} taken, in {:.1} s; {cut} leases expired, {twice} \
            posted twice",
        forge.count(),
        posts.len(),
        began.elapsed().as_secs_f64()
    );
}

#[tokio::test]
async fn killed_processes_lose_nothing() {
    killed(150, 3).await;
}

/// `cargo test --test it -- --ignored --nocapture ten_thousand`
#[tokio::test]
#[ignore = "takes minutes"]
async fn ten_thousand_builds_and_ten_kills() {
    killed(10_000, 10).await;
}

/// The time from the commit of an event to its post, one after the other on an idle system.
async fn latency(rounds: usize) -> Vec<Duration> {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let deliverer = Deliverer::new(db.store.clone(), ghe(&forge), None).unwrap().listening();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let watch = async {
        let mut random = Random::new(11);
        let mut times = Vec::new();
        for n in 0..rounds {
            tokio::time::sleep(Duration::from_millis(random.below(400) as u64)).await;
            let sha = format!("{n:040x}");
            take_in(&db.store, &[Event { build: &sha, sha: &sha, ..event("passed", 1) }]).await;
            let committed = Instant::now();
            support::until("a post", async || forge.count() > n).await;
            times.push(forge.posts()[n].at.saturating_duration_since(committed));
        }
        stop.send(()).unwrap();
        times
    };
    let until = Until::Stopped(async { drop(stopped.await) });
    let (_, mut times) = tokio::join!(deliverer.run(until), watch);
    times.sort();
    let ms = |share: usize| times[(times.len() - 1) * share / 100].as_millis();
    println!("commit -> post over {rounds}: p50 {} ms, p99 {} ms, max {} ms", ms(50), ms(99), ms(100));
    times
}

/// A reference for this machine and its load: the time that a newly started `deliver` takes for the same.
async fn at_once(rounds: usize) -> Vec<Duration> {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let targets = ghe(&forge);
    let mut times = Vec::new();
    for n in 0..rounds {
        let sha = format!("{n:040x}");
        take_in(&db.store, &[Event { build: &sha, sha: &sha, ..event("passed", 1) }]).await;
        let committed = Instant::now();
        super::drain(&db.store, &targets).await;
        times.push(committed.elapsed());
    }
    times.sort();
    times
}

/// A committed event is posted at once, because of a notification.
#[tokio::test]
async fn committed_events_are_posted_at_once() {
    let (idle, times) = tokio::join!(at_once(10), latency(10));
    let (allowed, took) = (Duration::from_millis(500) + 10 * idle[idle.len() / 2], times[times.len() / 2]);
    assert!(took < allowed, "{took:?}, of {allowed:?} beside {idle:?}");
}

/// Listening for notifications takes a connection of the pool, and so does the work: they do not block each other for
/// ever.
#[tokio::test]
async fn one_connection_is_enough_to_listen_and_to_deliver() {
    let db = support::database().await;
    let store = store_of(&db.url, 1);
    for n in 0..20 {
        let forge = Forge::start(|_| created()).await;
        let deliverer = Deliverer::new(store.clone(), ghe(&forge), None).unwrap().listening();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let watch = async {
            let sha = format!("{n:040x}");
            take_in(&db.store, &[Event { build: &sha, sha: &sha, ..event("passed", 1) }]).await;
            support::until("a post", async || forge.count() > 0).await;
            stop.send(()).unwrap();
        };
        tokio::join!(deliverer.run(Until::Stopped(async { drop(stopped.await) })), watch);
    }
}

/// `cargo test --test it -- --ignored --nocapture figures`
#[tokio::test]
#[ignore = "measures"]
async fn figures() {
    latency(300).await;
    for concurrency in [1, 8, 32] {
        let db = support::database().await;
        let forge = Forge::start(|_| created()).await;
        let targets = read(&target("ghe", "github", &forge, HOST, &format!("concurrency = {concurrency}")));
        let builds = 3000;
        let shas: Vec<String> = (0..builds).map(|n| format!("{n:040x}")).collect();
        let deliveries: Vec<Delivery> =
            shas.iter().map(|sha| Event { build: sha, sha, ..event("passed", 1) }.delivery()).collect();
        ingest::ingest(&db.store, &deliveries, &Settings::default(), deadline()).await;
        let began = Instant::now();
        super::drain(&db.store, &targets).await;
        let rate = builds as f64 / began.elapsed().as_secs_f64();
        println!("{builds} statuses, {concurrency} at a time: {rate:.0}/s ({} posts)", forge.count());
    }
}

/// One invocation of the Lambda function, with a time limit far after the time limit of the test, so that only idleness
/// ends it. Returns its answer.
async fn invocation(db: &Db, forge: &Forge) -> serde_json::Value {
    let time = 2 * i64::try_from(support::LONGEST.as_millis()).unwrap();
    let mut events = 0;
    let lambda = Forge::start(move |post| match (post.method.as_str(), events) {
        ("GET", 0) => {
            events += 1;
            let deadline = (jiff::Timestamp::now().as_millisecond() + time).to_string();
            let headers = [
                ("lambda-runtime-aws-request-id", "1"),
                ("lambda-runtime-deadline-ms", deadline.as_str()),
                ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:deliver"),
                ("content-type", "application/json"),
            ];
            answer(200, &headers, r#"{"source":"aws.events"}"#)
        }
        ("GET", _) => Reply::Held(std::sync::Arc::new(tokio::sync::Semaphore::new(0)), Box::new(Reply::Cut)),
        _ => answer(202, &[], "{}"),
    })
    .await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_deliver"));
    command.env("AWS_LAMBDA_RUNTIME_API", lambda.url.trim_start_matches("http://"));
    for (name, value) in [("FUNCTION_NAME", "deliver"), ("FUNCTION_VERSION", "1"), ("FUNCTION_MEMORY_SIZE", "256")] {
        command.env(format!("AWS_LAMBDA_{name}"), value);
    }
    command.env("AWS_LAMBDA_LOG_GROUP_NAME", "g").env("AWS_LAMBDA_LOG_STREAM_NAME", "s");
    command
        .env("DATABASE_URL", &db.url)
        .env("DELIVERY_TARGETS", target("ghe", "github", forge, HOST, ""))
        .env("TOKEN", TOKEN);
    let running = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let find = |end: &str| lambda.posts().into_iter().find(|post| post.path.ends_with(end));
    support::until("an answer", async || find("/1/response").is_some()).await;
    drop(running);
    find("/1/response").unwrap().body
}

#[tokio::test]
async fn the_function_delivers_until_it_is_idle() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    take_in(&db.store, &[event("passed", 1)]).await;
    let said = invocation(&db, &forge).await;
    assert_eq!(said, serde_json::json!({"routed": 1, "delivered": 1, "again": 0, "dead": 0}));
    assert_eq!(super::posted(&forge), ["success: Build #7 passed (1 second)"]);
}

/// The token that an app gets.
const APP_TOKEN: &str = "ghs_hunter3hunter3hunter3";

/// Every row of every table, as text.
async fn everything(db: &Db) -> String {
    let mut text = String::new();
    for table in schema::tables(&db.store).await {
        text += &render::rows(&db.store, &format!("SELECT t::text FROM {table} AS t")).await.join("\n");
    }
    text
}

/// Servers that repeat the request in their answers, in many ways.
#[tokio::test]
async fn tokens_are_in_no_log_row_or_error() {
    let db = support::database().await;
    let echo = |status: u16| {
        move |post: &crate::support::forge::Post| {
            let all: Vec<String> = post.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let body = serde_json::json!({"message": format!("rejected, with {}", all.join(", "))}).to_string();
            answer(status, &[("location", "http://other.example/"), ("x-echo", TOKEN)], &body)
        }
    };
    let mut document = String::new();
    let mut forges = Vec::new();
    for (n, status) in [201, 301, 400, 401, 403, 404, 422, 429, 500, 503].into_iter().enumerate() {
        let forge = Forge::start(echo(status)).await;
        let kind = if n % 2 == 0 { "github" } else { "gitlab" };
        document += &target(&format!("t{status}"), kind, &forge, &format!("h{n}.example"), "");
        document += &format!(
            "[[target]]\nname = 'hook{status}'\nkind = 'webhook'\nurl = '{}'\nsecret = 'env:TOKEN'\nallow_private = \
                true\n",
            forge.url
        );
        let repo = format!("git@h{n}.example:acme/app.git");
        take_in(&db.store, &[Event { build: &format!("b{n}"), repo: &repo, ..event("passed", 1) }]).await;
        forges.push(forge);
    }
    // An app, whose server repeats JWTs and tokens: each answer repeats the request, and issues a token.
    let app = Forge::start(|post| {
        let all: Vec<&str> = post.headers.iter().map(|(_, value)| value.as_str()).collect();
        let members = serde_json::json!({
            "message": format!("rejected, with {}", all.join(", ")), "token": APP_TOKEN,
            "expires_at": jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1),
        });
        let status = if post.path == apps::TOKENS { 201 } else { 422 };
        answer(status, &[("x-echo", APP_TOKEN)], &members.to_string())
    })
    .await;
    let rejecting = Forge::start(echo(401)).await;
    document += &apps::app("github", &app, "").replace("ghe.acme.example", "app.example");
    document +=
        &apps::app("github", &rejecting, "").replace("ghe.acme.example", "apps.example").replace("'github'", "'apps'");
    document = document.replace("kind = 'apps'", "kind = 'github'");
    for host in ["app", "apps"] {
        let repo = format!("git@{host}.example:acme/app.git");
        take_in(&db.store, &[Event { build: host, repo: &repo, ..event("passed", 1) }]).await;
    }
    forges.extend([app.clone(), rejecting.clone()]);
    let mut said = String::new();
    for arguments in [
        &["deliver", "--once"][..],
        &["deliveries", "list"],
        &["deliveries", "list", "--state", "delivered"],
        &["deliveries", "show", "s1"],
    ] {
        let mut command = program(&db, &document, arguments);
        command.env("RUST_LOG", "trace").env("KEY", apps::KEY);
        let output = output(command).await;
        said += &String::from_utf8_lossy(&output.stdout);
        said += &String::from_utf8_lossy(&output.stderr);
    }
    // And with an invalid document.
    for wrong in [
        format!(
            "[[target]]\nname = 'x'\nkind = 'github'\nhosts = ['h']\napp_id = 1\ninstallation_id = 2\nkey = '{TOKEN}'"
        ),
        format!("[[target]]\nname = 'x'\nkind = 'github'\nhosts = ['h']\ntoken = '{TOKEN}'"),
        format!("[[target]]\nname = 'x'\nkind = 'github'\nhosts = ['h']\nunknown = '{TOKEN}'"),
        format!("[[target]]\nname = 'x'\nkind = 'webhook'\nurl = 'https://user:{TOKEN}@h/'\nsecret = 'env:TOKEN'"),
    ] {
        let output = output(program(&db, &wrong, &["deliver", "--once"])).await;
        assert!(!output.status.success());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.to_lowercase().contains("target"), "{error}");
        said += &error;
    }
    let few: Vec<_> = forges.iter().filter(|forge| forge.count() < 2).map(|forge| &forge.url).collect();
    assert!(few.is_empty() || few == [&rejecting.url], "not all of them were posted to");
    let signed: Vec<String> =
        [&app, &rejecting].map(|forge| forge.posts()[0].header("authorization").unwrap()[7..].to_owned()).into();
    let lines = apps::KEY.lines().filter(|line| !line.starts_with('-'));
    let planted: Vec<&str> =
        [TOKEN, APP_TOKEN].into_iter().chain(signed.iter().map(String::as_str)).chain(lines).collect();
    assert!(planted.len() > 20 && app.count() == 2, "{} things to look for", planted.len());
    let rows = everything(&db).await;
    assert!(rows.contains("rejected, with") && said.len() > 10_000, "nothing was searched: {} bytes", said.len());
    for (place, text) in [("said", &said), ("rows", &rows)] {
        if let Some(at) = planted.iter().find_map(|secret| text.find(secret)) {
            let from = text[..at].char_indices().rev().nth(300).map_or(0, |(from, _)| from);
            panic!("a secret is in {place}: {}", &text[from..at]);
        }
    }
}

#[tokio::test]
async fn deliveries_are_listed_shown_retried_and_pruned() {
    let db = support::database().await;
    let forge = Forge::start(|_| answer(400, &[], r#"{"message":"Problems parsing JSON"}"#)).await;
    let document = target("ghe", "github", &forge, HOST, "");
    take_in(&db.store, &[event("passed", 1)]).await;
    let run = async |arguments: &[&str]| {
        let output = output(program(&db, &document, arguments)).await;
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert!(!run(&["deliver", "--once"]).await.0, "a delivery failed");
    let (done, list) = run(&["deliveries", "list"]).await;
    assert!(
        done && list.contains("dead") && list.contains("Problems parsing JSON") && list.contains("acme/app"),
        "{list}"
    );
    let id = render::rows(&db.store, "SELECT 's' || id FROM commit_statuses").await.remove(0);
    let (done, shown) = run(&["deliveries", "show", &id]).await;
    assert!(done && shown.contains("\"wanted_state\": \"success\""), "{shown}");
    assert!(!run(&["deliveries", "show", "s0"]).await.0);
    forge.now(|_| created());
    assert!(!run(&["deliveries", "retry", "s0"]).await.0);
    assert!(run(&["deliveries", "retry", &id]).await.0);
    assert!(run(&["deliver", "--once"]).await.0);
    assert_eq!(super::status(&db.store).await, "delivered | 1 | 1 | -");
    let old = "UPDATE commit_statuses SET wanted_at = now() - interval '91 days'; \
               UPDATE outbox SET created_at = now() - interval '91 days'";
    db.store.script(old, deadline()).await.unwrap();
    let (_, said) = run(&["deliveries", "prune", "--dry-run"]).await;
    assert_eq!(said.trim(), "0 deliveries, 1 events, 1 statuses would be deleted");
    let (_, said) = run(&["deliveries", "prune", "--days", "90"]).await;
    assert_eq!(said.trim(), "0 deliveries, 1 events, 1 statuses deleted");
    assert_eq!(render::rows(&db.store, "SELECT id::text FROM outbox").await, [""; 0]);
}
