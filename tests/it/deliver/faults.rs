//! Faults of servers and killed processes: retries, circuit breaker, leases, and the resulting rows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hummingbird_status::deliver::{Deliverer, Until};
use hummingbird_status::outbox::queue::{self, Capacity};
use tokio::sync::Semaphore;

use super::{drain, ghe, later, one_at_a_time, posted, read, status, take_in, target};
use crate::support::buildkite::{Event, HOST, SHA, event};
use crate::support::forge::{Forge, Reply, answer, created};
use crate::support::{self, deadline, render, schema};

/// The answers of servers, and the row after one round: state, attempts, posts, beginning of the reason; and whether
/// the circuit breaker of the target is open.
#[tokio::test]
async fn each_answer_leads_to_its_row() {
    let db = support::database().await;
    let soon = (jiff::Timestamp::now().as_second() + 4200).to_string();
    let cap = r#"{"errors":"Validation failed: This SHA and context has reached the maximum number of statuses.","message":"Validation Failed"}"#;
    let cap_old = r#"{"message":"Validation Failed","errors":[{"resource":"Status","code":"custom","message":"This SHA and context has reached the maximum number of statuses."}]}"#;
    let habits: Vec<(&str, Reply, &str, bool)> = vec![
        ("created", created(), "delivered | 1 | 1 | -", false),
        ("no content", answer(204, &[], ""), "delivered | 1 | 1 | -", false),
        (
            "bad token",
            answer(401, &[], r#"{"message":"Bad credentials"}"#),
            "pending | 0 | 0 | the token is wrong",
            true,
        ),
        (
            "primary limit",
            answer(
                403,
                &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", soon.as_str())],
                "API rate limit exceeded",
            ),
            "pending | 0 | 0 | rate limit: 403",
            true,
        ),
        (
            "limit that has passed",
            answer(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")], ""),
            "pending | 1 | 0 | rate limit without an end",
            false,
        ),
        (
            "secondary limit, with time",
            answer(429, &[("retry-after", "7000")], ""),
            "pending | 0 | 0 | rate limit: 429",
            true,
        ),
        (
            "secondary limit, without time",
            answer(403, &[], r#"{"message":"You have exceeded a secondary rate limit."}"#),
            "pending | 0 | 0 | secondary rate limit: 403",
            true,
        ),
        (
            "no permission",
            answer(403, &[], r#"{"message":"Resource not accessible by integration"}"#),
            "dead | 1 | 0 | permission",
            false,
        ),
        ("a proxy in between", answer(403, &[], "<html>"), "pending | 1 | 0 | rejected by a proxy or firewall", false),
        ("not found", answer(404, &[], r#"{"message":"Not Found"}"#), "pending | 1 | 0 | no repository", false),
        ("cap", answer(422, &[], cap), "dead | 1 | 0 | status_cap", false),
        ("cap, older", answer(422, &[], cap_old), "dead | 1 | 0 | status_cap", false),
        (
            "no commit",
            answer(422, &[], r#"{"message":"No commit found for SHA: 5a74"}"#),
            "pending | 1 | 0 | the commit",
            false,
        ),
        ("bad request", answer(400, &[], r#"{"message":"Problems parsing JSON"}"#), "dead | 1 | 0 | 400", false),
        ("error", answer(500, &[], ""), "pending | 1 | 0 | 500", false),
        ("bad gateway", answer(502, &[], "<html>"), "pending | 1 | 0 | 502", false),
        ("unavailable, with time", answer(503, &[("retry-after", "120")], ""), "pending | 1 | 0 | 503", false),
        ("not JSON", answer(422, &[], "\u{0}\u{1} not JSON"), "dead | 1 | 0 | not valid", false),
        ("endless body", answer(500, &[], &"x".repeat(1 << 20)), "pending | 1 | 0 | 500", false),
        ("cut", Reply::Cut, "pending | 1 | 0 | ", false),
        ("half", Reply::Half, "pending | 1 | 0 | ", false),
    ];
    for (name, habit, expected, closed) in habits {
        schema::clear(&db.store).await;
        let forge = Forge::start(move |_| habit.clone()).await;
        take_in(&db.store, &[event("passed", 1)]).await;
        drain(&db.store, &one_at_a_time(&forge, "")).await;
        let found = status(&db.store).await;
        assert!(found.starts_with(expected), "{name}: {found}");
        // (The client reopens a cut connection by itself.)
        assert!(forge.count() == 1 || name == "cut", "{name}: {} requests in one round", forge.count());
        let is_closed = render::rows(&db.store, "SELECT name FROM delivery_targets WHERE open_until > now()").await;
        assert_eq!(!is_closed.is_empty(), closed, "{name}");
    }
}

#[tokio::test]
async fn a_port_without_a_listener_is_a_certain_failure() {
    let db = support::database().await;
    // A port bound here, so that no other program uses it; it does not listen, so no connection is accepted.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let forge = socket.local_addr().unwrap().port();
    let targets = read(&format!(
        "[[target]]\nname = 'ghe'\nkind = 'github'\nhosts = ['{HOST}']\napi = 'http://127.0.0.1:{forge}'\ntoken = \
            'env:TOKEN'\ninterval_ms = 600000"
    ));
    take_in(&db.store, &[event("passed", 1)]).await;
    drain(&db.store, &targets).await;
    assert!(status(&db.store).await.starts_with("pending | 1 | 0 | "), "{}", status(&db.store).await);
    let turn = "SELECT (next_at > now())::text FROM delivery_targets";
    assert_eq!(render::rows(&db.store, turn).await, ["true"], "it waited for the next one's turn");
}

#[tokio::test]
async fn rejections_become_dead_letters_and_can_be_retried() {
    let db = support::database().await;
    let forge = Forge::start(|_| answer(404, &[], r#"{"message":"Not Found"}"#)).await;
    take_in(&db.store, &[event("passed", 1)]).await;
    for round in 1..=5 {
        drain(&db.store, &ghe(&forge)).await;
        later(&db.store).await;
        assert_eq!(forge.count(), round.min(3));
    }
    assert!(status(&db.store).await.starts_with("dead | 3 | 0 | no repository"));
    forge.now(|_| created());
    let retry =
        async |tx: &mut hummingbird_status::db::Tx<'_>| hummingbird_status::outbox::list::retry(tx, None, None).await;
    assert_eq!(db.store.in_tx("retry", deadline(), retry).await.unwrap(), 1);
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(status(&db.store).await, "delivered | 1 | 1 | -");
}

#[tokio::test]
async fn a_status_cap_is_remembered_for_later_statuses() {
    let db = support::database().await;
    let forge = Forge::start(|_| answer(422, &[], r#"{"errors":"reached the maximum number of statuses"}"#)).await;
    take_in(&db.store, &[event("started", 1)]).await;
    drain(&db.store, &ghe(&forge)).await;
    forge.now(|_| created());
    take_in(&db.store, &[event("passed", 2)]).await;
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(forge.count(), 1);
    assert!(status(&db.store).await.starts_with("dead | 0 | 0 | status_cap"), "{}", status(&db.store).await);
}

/// A delivery that is too old or has too many attempts is dead, with the last reason.
#[tokio::test]
async fn age_and_attempts_are_bounded() {
    for more in ["max_attempts = 2", "max_age_hours = 1"] {
        let db = support::database().await;
        let forge = Forge::start(|_| answer(500, &[], "")).await;
        let targets = one_at_a_time(&forge, more);
        take_in(&db.store, &[event("passed", 1)]).await;
        drain(&db.store, &targets).await;
        assert_eq!(status(&db.store).await, "pending | 1 | 0 | 500");
        if more.contains("age") {
            let old = "UPDATE commit_statuses SET message_at = now() - interval '61 minutes'";
            db.store.script(old, deadline()).await.unwrap();
        }
        for _ in 0..2 {
            later(&db.store).await;
            drain(&db.store, &targets).await;
        }
        let outdated = "dead | 2 | 0 | outdated: it waited for longer than max_age_hours";
        let expected = if more.contains("age") { outdated } else { "dead | 2 | 0 | given up: 500" };
        assert_eq!(status(&db.store).await, expected);
    }
}

/// Routes without posting: the circuit breaker is open meanwhile.
async fn drain_routing(db: &support::Db, targets: &[hummingbird_status::deliver::targets::Target]) {
    let close = "INSERT INTO delivery_targets (name, open_until) VALUES ('ghe', now() + interval '1 hour') \
                 ON CONFLICT (name) DO UPDATE SET open_until = excluded.open_until";
    db.store.script(close, deadline()).await.unwrap();
    drain(&db.store, targets).await;
    later(&db.store).await;
}

#[tokio::test]
async fn five_faults_close_a_target_and_one_probe_opens_it() {
    let db = support::database().await;
    let forge = Forge::start(|_| answer(503, &[], "")).await;
    let targets = read(&target("ghe", "github", &forge, HOST, "concurrency = 1"));
    let builds: Vec<String> = (0..40).map(|n| format!("{n:040x}")).collect();
    let events: Vec<Event<'_>> = builds.iter().map(|sha| Event { build: sha, sha, ..event("passed", 1) }).collect();
    take_in(&db.store, &events).await;
    drain(&db.store, &targets).await;
    let before = forge.count();
    // Five, and the posts in flight until their outcome is written, which takes longer on a busy machine.
    assert!((5..=20).contains(&before), "{before} posts to a target that is away");
    // Each time that a probe is due, one delivery is tried.
    for round in 1..=3 {
        later(&db.store).await;
        drain(&db.store, &targets).await;
        assert_eq!(forge.count(), before + round);
    }
    let trips = render::rows(&db.store, "SELECT trips::text FROM delivery_targets").await;
    assert_eq!(trips, ["4"]);
    forge.now(|_| created());
    later(&db.store).await;
    drain(&db.store, &targets).await;
    later(&db.store).await;
    drain(&db.store, &targets).await;
    let states = render::rows(&db.store, "SELECT DISTINCT state FROM commit_statuses").await;
    assert_eq!(states, ["delivered"]);
    assert_eq!(
        render::table(&db.store, &["failures", "trips", "open_until"], "FROM delivery_targets").await,
        "0 | 0 | -"
    );
}

#[tokio::test]
async fn a_slow_target_delays_no_other() {
    let db = support::database().await;
    let held = Arc::new(Semaphore::new(0));
    let hold = held.clone();
    let slow = Forge::start(move |_| Reply::Held(hold.clone(), Box::new(created()))).await;
    let fast = Forge::start(|_| created()).await;
    let targets = read(
        &[
            target("slow", "github", &slow, HOST, "concurrency = 2"),
            target("fast", "github", &fast, "other.example", ""),
        ]
        .join("\n"),
    );
    let builds: Vec<String> = (0..60).map(|n| format!("{n:040x}")).collect();
    for (n, sha) in builds.iter().enumerate() {
        let repo = if n % 2 == 0 { "git@ghe.acme.example:acme/app.git" } else { "git@other.example:acme/app.git" };
        take_in(&db.store, &[Event { build: sha, sha, repo, ..event("passed", 1) }]).await;
    }
    let deliverer = Deliverer::new(db.store.clone(), targets, None).unwrap();
    let both = async {
        // The slow target answers no request before the fast one has received all.
        support::until("posts at both", async || fast.count() == 30 && slow.count() >= 2).await;
        held.add_permits(1);
    };
    deliverer.run(Until::Stopped(both)).await;
    // A delivery that waited for a free slot returned its lease; no lease is left.
    let leased = render::rows(&db.store, "SELECT lease::text FROM commit_statuses WHERE lease_until IS NOT NULL").await;
    assert_eq!(leased, [""; 0]);
    let sent = render::rows(
        &db.store,
        "SELECT count(*)::text FROM commit_statuses WHERE target = 'slow' AND state = 'delivered'",
    )
    .await;
    assert_eq!(sent, [slow.count().to_string()]);
}

/// The rate limit of a target holds for all processes together.
#[tokio::test]
async fn a_rate_limit_holds_for_all_processes() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let targets = read(&target("ghe", "github", &forge, HOST, "interval_ms = 2000\nconcurrency = 4"));
    let builds: Vec<String> = (0..4).map(|n| format!("{n:040x}")).collect();
    let start = Instant::now();
    let events: Vec<Event<'_>> = builds.iter().map(|sha| Event { build: sha, sha, ..event("passed", 1) }).collect();
    take_in(&db.store, &events).await;
    let deliverers = [(); 3].map(|()| Deliverer::new(db.store.clone(), targets.clone(), None).unwrap());
    let [a, b, c] = &deliverers;
    let until = || Until::Stopped(support::until("all posts", async || forge.count() >= 4));
    tokio::join!(a.run(until()), b.run(until()), c.run(until()));
    let posts = forge.posts();
    assert_eq!(posts.len(), 4);
    // A post may be late on a busy machine, and the next one then seems early; but none is before its scheduled time.
    for (turn, post) in (0..).zip(&posts) {
        let after = post.at - start;
        assert!(after >= Duration::from_millis(2000) * turn, "post {turn} after {after:?}");
    }
}

/// A process that died after the post and before it wrote the outcome: the lease expires and the status is posted
/// again.
#[tokio::test]
async fn an_expired_lease_is_posted_again() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let targets = ghe(&forge);
    take_in(&db.store, &[event("started", 1)]).await;
    drain_routing(&db, &targets).await;
    let claim = async |tx: &mut hummingbird_status::db::Tx<'_>| {
        let capacity = Capacity { target: "ghe", slots: 5, interval: Duration::ZERO };
        queue::claim_statuses(tx, &[capacity], Duration::from_secs(300), false).await
    };
    let reset = "UPDATE delivery_targets SET trips = 0, open_until = NULL";
    db.store.script(reset, deadline()).await.unwrap();
    let dead = db.store.in_tx("claim", deadline(), claim).await.unwrap();
    assert_eq!(dead.len(), 1);
    drain(&db.store, &targets).await;
    assert_eq!(forge.count(), 0, "leased to another process");
    let over = "UPDATE commit_statuses SET lease_until = now(), next_attempt_at = now()";
    db.store.script(over, deadline()).await.unwrap();
    drain(&db.store, &targets).await;
    assert_eq!(posted(&forge), ["pending: Build #7 started"]);
    assert_eq!(render::table(&db.store, &["state", "cut", "posts"], "FROM commit_statuses").await, "delivered | 1 | 1");
}

/// A newer state that arrives while the older one is being posted is posted after it.
#[tokio::test]
async fn a_newer_state_is_posted_after_the_one_in_flight() {
    let db = support::database().await;
    let held = Arc::new(Semaphore::new(0));
    let hold = held.clone();
    let forge = Forge::start(move |post| match post.body["state"] == "failure" {
        true => Reply::Held(hold.clone(), Box::new(created())),
        false => created(),
    })
    .await;
    let targets = ghe(&forge);
    take_in(&db.store, &[event("started", 1)]).await;
    drain(&db.store, &targets).await;
    take_in(&db.store, &[event("failed", 2)]).await;
    let deliverer = Deliverer::new(db.store.clone(), targets, None).unwrap();
    let all = async || forge.count() == 3 && status(&db.store).await.starts_with("delivered");
    let run = deliverer.run(Until::Stopped(support::until("all posts", all)));
    let meanwhile = async {
        while forge.count() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Retried with the state that was delivered before, so the rows alone would say that nothing must be posted.
        take_in(&db.store, &[event("started", 3)]).await;
        held.add_permits(1);
    };
    tokio::join!(run, meanwhile);
    assert_eq!(
        posted(&forge),
        ["pending: Build #7 started", "failure: Build #7 failed (2 seconds)", "pending: Build #7 started"]
    );
    assert_eq!(status(&db.store).await, "delivered | 1 | 3 | -");
}

/// A post without an answer may have arrived: the state at the target is unknown, so the next state is posted.
#[tokio::test]
async fn after_an_unknown_outcome_the_status_is_posted_again() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let targets = one_at_a_time(&forge, "");
    take_in(&db.store, &[event("started", 1)]).await;
    drain(&db.store, &targets).await;
    later(&db.store).await;
    forge.now(|_| answer(504, &[], ""));
    take_in(&db.store, &[event("failed", 2)]).await;
    drain(&db.store, &targets).await;
    forge.now(|_| created());
    take_in(&db.store, &[event("started", 3)]).await;
    later(&db.store).await;
    drain(&db.store, &targets).await;
    assert_eq!(posted(&forge).last().map(String::as_str), Some("pending: Build #7 started"));
    assert_eq!(forge.count(), 3);
    // After a rejection the state is known, and a repeated post would count toward the limit of a thousand.
    later(&db.store).await;
    forge.now(|_| answer(404, &[], "{}"));
    take_in(&db.store, &[event("failed", 4)]).await;
    drain(&db.store, &targets).await;
    forge.now(|_| created());
    take_in(&db.store, &[event("started", 5)]).await;
    later(&db.store).await;
    drain(&db.store, &targets).await;
    assert_eq!(forge.count(), 4);
    assert!(status(&db.store).await.starts_with("delivered"), "{} {SHA}", status(&db.store).await);
}
