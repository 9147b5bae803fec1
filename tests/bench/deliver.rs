//! Latency and throughput of commit statuses to a server on loopback that answers at once, beside posting them one
//! after the other, and beside the HTTP requests alone. `cargo bench --bench deliver` for all,
//! `cargo bench --bench deliver -- throughput` for one section.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may panic")]
#![expect(unreachable_pub, reason = "`pub` says what a module offers to the others")]

#[allow(dead_code, reason = "shared with the other benchmarks, which need more of it")]
mod measure;
mod server;
#[path = "../it/support/mod.rs"]
#[allow(dead_code, reason = "made for the tests; a benchmark needs little of it")]
mod support;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hummingbird_status::db::Store;
use hummingbird_status::deliver::targets::{Target, targets};
use hummingbird_status::deliver::{Deliverer, Until};
use hummingbird_status::ingest::ingest;
use hummingbird_status::platform::https;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use measure::{Figure, ROUNDS, median, millis, print, rate};
use server::Server;
use support::buildkite::{Event, HOST, event};
use support::forge::{Forge, created};
use support::random::Random;
use support::{deadline, store_of};

/// Builds whose statuses are posted in each measurement.
const BUILDS: usize = 1000;
/// Events in each measurement of latency, one after the other.
const SINGLE: usize = 20;
/// The largest number of concurrent posts.
const AT_A_TIME: [usize; 3] = [1, 8, 32];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |section: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == section);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = Server::start();
    runtime.block_on(async {
        if wants("latency") {
            latency(&server).await;
        }
        if wants("throughput") {
            throughput(&server).await;
        }
    });
}

/// The target: a server on loopback.
fn target(forge: &Forge, at_a_time: usize) -> Vec<Target> {
    let document = format!(
        "[[target]]\nname = 'ghe'\nkind = 'github'\nhosts = ['{HOST}']\napi = '{}/api/v3'\ntoken = 'env:TOKEN'\n\
         concurrency = {at_a_time}\n",
        forge.url
    );
    let lookup = |name: &str| match name {
        "DELIVERY_TARGETS" => Some(document.clone()),
        "TOKEN" => Some("x".to_owned()),
        _ => None,
    };
    targets(&lookup).unwrap()
}

async fn take_in(store: &Store, deliveries: &[Delivery]) {
    let report = ingest(store, deliveries, &Settings::default(), deadline()).await;
    assert_eq!(report.counts().kept, deliveries.len() as u64, "{:?}", report.error);
}

/// A build that passed, with a commit of its own.
fn build(number: usize) -> Delivery {
    let sha = format!("{number:040x}");
    Event { build: &sha, sha: &sha, ..event("passed", 1) }.delivery()
}

/// A post without the product: the same bytes to the same server.
async fn post(client: &reqwest::Client, forge: &Forge, number: usize) {
    let body = concat!(
        r#"{"state":"success","context":"buildkite/app","description":"Build #7 passed (1 second)","#,
        r#""target_url":"http://x/"}"#,
    );
    let url = format!("{}/api/v3/repos/acme/app/statuses/{number:040x}", forge.url);
    let answer = client.post(url).header("authorization", "Bearer x").body(body).send().await.unwrap();
    assert!(answer.status().is_success());
    answer.bytes().await.unwrap();
}

/// The times from the commit of an event to its post on an idle system, for each round, and those of posts alone.
async fn latency(server: &Server) {
    let store = store_of(&server.database("latency").await, 2);
    let forge = Forge::start(|_| created()).await;
    let deliverer = Deliverer::new(store.clone(), target(&forge, 8), None).unwrap().listening();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let watch = async {
        let client = https::client().build().unwrap();
        let mut random = Random::new(11);
        let (mut rounds, mut alone) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let [mut times, mut posts] = [const { Vec::new() }; 2];
            for number in round * SINGLE..(round + 1) * SINGLE {
                tokio::time::sleep(Duration::from_millis(random.below(400) as u64)).await;
                let before = forge.count();
                take_in(&store, &[build(number)]).await;
                let committed = Instant::now();
                while forge.count() == before {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    assert!(committed.elapsed() < Duration::from_secs(10), "never posted");
                }
                times.push(millis(forge.posts()[before].at.saturating_duration_since(committed)));
                let begun = Instant::now();
                post(&client, &forge, number).await;
                posts.push(millis(begun.elapsed()));
            }
            rounds.push(times);
            alone.push(median(posts));
        }
        stop.send(()).unwrap();
        (rounds, alone)
    };
    let (_, (rounds, alone)) = tokio::join!(deliverer.run(Until::Stopped(async { drop(stopped.await) })), watch);
    let middle: Vec<f64> = rounds.iter().cloned().map(median).collect();
    let mut all = rounds.concat();
    all.sort_by(f64::total_cmp);
    let p99 = all[(all.len() - 1) * 99 / 100];
    let floor = Some(("a post alone", &*alone));
    Figure { what: "from commit to post, p50", unit: "ms", ours: &middle, baseline: None, floor }.report();
    Figure { what: "from commit to post, p99", unit: "ms", ours: &[p99], baseline: None, floor }.report();
    let row = ["commit to post".to_owned(), format!("{:.0}", median(middle)), format!("{p99:.0}")];
    print("Latency", ["", "p50 ms", "p99 ms"], &[row]);
}

/// Statuses per second with so many concurrent posts, and posts alone.
async fn throughput(server: &Server) {
    let [mut found, mut alone] = [const { [const { Vec::new() }; AT_A_TIME.len()] }; 2];
    let client = https::client().build().unwrap();
    for round in 0..ROUNDS {
        for (way, at_a_time) in AT_A_TIME.into_iter().enumerate() {
            let store = store_of(&server.database(&format!("posted_{round}_{way}")).await, 2);
            let forge = Forge::start(|_| created()).await;
            let deliverer = Deliverer::new(store.clone(), target(&forge, at_a_time), None).unwrap();
            take_in(&store, &(0..BUILDS).map(build).collect::<Vec<_>>()).await;
            let start = Instant::now();
            deliverer.run(Until::Idle(tokio::time::sleep(Duration::from_secs(60)))).await;
            found[way].push(rate(forge.count(), start.elapsed()));
            assert_eq!(forge.count(), BUILDS);
            let start = Instant::now();
            let posts = (0..BUILDS).map(|number| post(&client, &forge, number));
            futures_util::stream::iter(posts).buffer_unordered(at_a_time).for_each(|()| std::future::ready(())).await;
            alone[way].push(rate(BUILDS, start.elapsed()));
        }
    }
    for (way, at_a_time) in AT_A_TIME.into_iter().enumerate().skip(1) {
        Figure {
            what: &format!("commit statuses delivered, {at_a_time} at a time"),
            unit: "/s",
            ours: &found[way],
            baseline: Some(("one at a time", &found[0])),
            floor: Some(("posts alone, from memory", &alone[way])),
        }
        .report();
    }
    let rows = AT_A_TIME.into_iter().zip(found.into_iter().zip(alone)).map(|(at_a_time, (found, alone))| {
        [at_a_time.to_string(), format!("{:.0}", median(found)), format!("{:.0}", median(alone))]
    });
    print("Throughput", ["at a time", "statuses/s", "posts alone/s"], &rows.collect::<Vec<_>>());
}
