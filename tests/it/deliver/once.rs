//! `deliver --once`: which waits it waits for before it ends, and how it is notified of work.

use std::process::Command;
use std::time::Duration;

use hummingbird_status::db::{Channel, Store};
use hummingbird_status::deliver::{Deliverer, Until};
use hummingbird_status::ingest::ingest;
use hummingbird_status::outbox::Due;
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::sources::Settings;

use super::{TOKEN, ghe, read, register, take_in, target};
use crate::support::buildkite::{Event, HOST, event};
use crate::support::forge::{Forge, answer, created};
use crate::support::{self, deadline, render};

fn never() -> impl Future<Output = ()> {
    std::future::pending()
}

async fn builds(store: &Store, count: usize) {
    let shas: Vec<String> = (0..count).map(|number| format!("{number:040x}")).collect();
    let builds: Vec<Event<'_>> = shas.iter().map(|sha| Event { build: sha, sha, ..event("passed", 1) }).collect();
    take_in(store, &builds).await;
}

/// It waits for a rate limit and for short pauses, not for long pauses.
#[tokio::test]
async fn once_waits_for_rate_limits_and_short_pauses_only() {
    for (interval, posts, left) in [(20, 5, 0), (600_000, 1, 4)] {
        let db = support::database().await;
        let forge = Forge::start(|_| created()).await;
        builds(&db.store, 5).await;
        let targets = read(&target("ghe", "github", &forge, HOST, &format!("interval_ms = {interval}")));
        let deliverer = Deliverer::new(db.store.clone(), targets, None).unwrap();
        deliverer.run(Until::Settled(never())).await;
        assert_eq!(forge.count(), posts, "{interval}");
        let waits = deliverer.left().await.unwrap();
        assert_eq!(waits.iter().map(|waits| waits.pending).sum::<i64>(), left, "{interval}");
        assert!(waits.iter().all(|waits| waits.next > Duration::from_secs(3)), "{waits:?}");
    }
}

/// The exit status is 0 only if everything arrived; the rest is printed with the reason.
#[tokio::test]
async fn the_command_prints_undelivered_rows_and_reasons() {
    let db = support::database().await;
    let forge = Forge::start(|_| answer(401, &[], r#"{"message":"Bad credentials"}"#)).await;
    builds(&db.store, 2).await;
    let document = target("ghe", "github", &forge, HOST, "interval_ms = 10");
    let once = |url: String| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
        command.args(["deliver", "--once"]).env("DATABASE_URL", url).env("TOKEN", TOKEN);
        command.env("DELIVERY_TARGETS", &document);
        tokio::task::spawn_blocking(move || {
            let output = command.output().unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
        })
    };
    for _ in 0..2 {
        // The second time the circuit breaker is open, and nothing is tried.
        let (succeeds, said) = once(db.url.clone()).await.unwrap();
        assert!(!succeeds && said.contains("ghe: 2 pending") && said.contains("Bad credentials"), "{said}");
    }
    forge.now(|_| created());
    super::later(&db.store).await;
    let (succeeds, said) = once(db.url.clone()).await.unwrap();
    assert!(succeeds && !said.contains("pending,"), "{said}");
    assert_eq!(render::rows(&db.store, "SELECT DISTINCT state FROM commit_statuses").await, ["delivered"]);
}

/// `NOTIFY` is sent only with due work; it arrives on a connection of its own.
#[tokio::test]
async fn a_transaction_notifies_when_it_makes_something_due() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let mut listener = db.store.listen(Channel::Due, deadline()).await.unwrap().expect("notifications arrive");
    register(&db.store, &ghe(&forge)).await;
    let due =
        async |event: Event<'_>| ingest(&db.store, &[event.delivery()], &Settings::default(), deadline()).await.due;
    let elsewhere = due(Event { repo: "git@other.example:acme/app.git", ..event("passed", 1) }).await;
    assert_eq!(elsewhere, Due::default());
    let sha = "ab".repeat(20);
    let ours = due(Event { build: "8", number: 8, sha: &sha, ..event("passed", 1) }).await;
    assert!(ours.something && ours.asleep, "{ours:?}");
    assert!(listener.heard().await);
    // No other notification arrived: the next one is from this test.
    let again = due(Event { build: "8", number: 8, sha: &sha, ..event("passed", 1) }).await;
    assert_eq!(again, Due::default(), "known already");
}

/// A drain that listens delivers work that is committed while it waits, and reconnects when its connections are cut.
#[tokio::test]
async fn work_committed_while_a_drain_waits_is_delivered() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let deliverer = Deliverer::new(db.store.clone(), ghe(&forge), None).unwrap().listening();
    let listens = async || {
        let found =
            "SELECT count(*)::text FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND datname = current_database()";
        render::rows(&db.store, found).await == ["1"]
    };
    let work = async {
        support::until("listening", listens).await;
        builds(&db.store, 1).await;
        support::until("the first", async || forge.count() == 1).await;
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND datname = \
            current_database()";
        db.store.script(cut, deadline()).await.unwrap();
        support::until("listening again", listens).await;
        let sha = "cd".repeat(20);
        take_in(&db.store, &[Event { build: "9", number: 9, sha: &sha, ..event("passed", 1) }]).await;
        support::until("the second", async || forge.count() == 2).await;
    };
    deliverer.run(Until::Stopped(work)).await;
}

/// As a Lambda function: marked as awake while there is work, and not after its end; a writer can see the mark.
#[tokio::test]
async fn a_lingering_drain_is_marked_as_awake() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let deliverer = Deliverer::new(db.store.clone(), ghe(&forge), None).unwrap();
    let awake = async || {
        let sql = "SELECT (awake_until > now())::text FROM delivery_awake";
        render::rows(&db.store, sql).await.remove(0)
    };
    deliverer.run(Until::Lingering(never(), Duration::ZERO)).await;
    assert_eq!(awake().await, "false", "with nothing due it never was");
    builds(&db.store, 3).await;
    let sha = "ef".repeat(20);
    let more = Event { build: "10", number: 10, sha: &sha, ..event("passed", 1) };
    let committed = async {
        support::until("awake", async || awake().await == "true").await;
        let due = ingest(&db.store, &[more.delivery()], &Settings::default(), deadline()).await.due;
        assert!(due.something && !due.asleep, "{due:?}");
    };
    let drained = deliverer.run(Until::Lingering(never(), Duration::from_secs(2)));
    let ((), totals) = tokio::join!(committed, drained);
    assert_eq!((forge.count(), totals.delivered, &*awake().await), (4, 4, "false"));
    let _ = Deadline::within(Duration::ZERO);
}
