//! Throughput and latency of pages over HTTP on loopback: the command `web`, beside a Python server that runs the same
//! statements and renders a plain table, and beside the statements alone.
//!
//! `cargo bench --bench page`; `.. -- 1000000` with so many runs beside the fixtures, and the rest in proportion. The
//! statements of each address are read from PostgreSQL's log, with their parameters, so that the others run the same
//! ones.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may panic")]
#![expect(unreachable_pub, reason = "`pub` says what a module offers to the others")]

#[allow(dead_code, reason = "shared with the other benchmarks, which need more of it")]
mod measure;
#[allow(dead_code, reason = "shared with the other benchmarks, which need more of it")]
mod python;
#[allow(dead_code, reason = "shared with the other benchmarks, which need more of it")]
mod rows;
mod server;
mod statements;
#[path = "../it/support/mod.rs"]
#[allow(dead_code, reason = "made for the tests; a benchmark needs little of it")]
mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::sources::{Settings, Source};
use hummingbird_status::transport::Delivery;
use reqwest::Client;

use measure::{Figure, ROUNDS, median, millis, print, rate};
use python::Python;
use server::Server;
use statements::{Asked, Session};
use support::{deadline, files, project, store_of};

/// Concurrent clients: as many as the program has connections.
const AT_A_TIME: usize = 4;
/// The duration of each measurement.
const EACH: Duration = Duration::from_secs(1);
/// The default number of generated runs.
const RUNS: usize = 20_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let runs = arguments.first().map_or(RUNS, |argument| argument.parse().unwrap());
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(&server, runs));
}

async fn run(server: &Server, runs: usize) {
    let url = server.database("page").await;
    let store = store_of(&url, 1);
    fill(&store, runs).await;
    let mut page = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
    page.args(["web", "--listen", "127.0.0.1:0"]).env("DATABASE_URL", &url).env("RUST_LOG", "warn");
    let page = Site::start(page);
    let addresses = addresses(&page).await;
    let asked = statements::asked(&store, async |path| drop(page.get(path).await), &addresses).await;

    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("page-statements.json");
    std::fs::write(&file, serde_json::to_vec(&asked).unwrap()).unwrap();
    let python = Python::find().map(|python| {
        let mut command = python.command();
        command.arg(project("tests/bench/page_baseline.py")).arg(&url).arg(&file);
        Site::start(command)
    });
    let mut sessions = Vec::new();
    for _ in 0..AT_A_TIME {
        sessions.push(Session::new(&url, &asked).await);
    }

    let mut found: Vec<[Vec<Load>; 3]> = asked.iter().map(|_| [const { Vec::new() }; 3]).collect();
    // The first round warms up.
    for round in 0..=ROUNDS {
        for (number, (asked, found)) in asked.iter().zip(&mut found).enumerate() {
            let mut keep = |way: usize, load: Load| (round > 0).then(|| found[way].push(load));
            keep(0, load(&[&page; AT_A_TIME], async |site| drop(site.get(&asked.path).await)).await);
            if let Some(python) = &python {
                keep(1, load(&[python; AT_A_TIME], async |site| drop(site.get(&asked.path).await)).await);
            }
            keep(2, load(&sessions, async |session| session.ask(number).await).await);
        }
    }
    let mut table = Vec::new();
    for (asked, found) in asked.iter().zip(&found) {
        table.push(report(asked, found));
    }
    let heads =
        ["", "statements", "/s", "p50, p99 ms", "Python /s", "p50, p99 ms", "statements alone /s", "p50, p99 ms"];
    print(&format!("Pages, {AT_A_TIME} at a time, {runs} runs and the samples"), heads, &table);
}

/// Generated rows, and all fixtures; some objects of the fixtures may be among the generated ones.
async fn fill(store: &Store, runs: usize) {
    let sizes = std::fs::read_to_string(project("tests/bench/sizes.sql")).unwrap();
    let sizes = format!("SET sizes.runs = {runs}; SET sizes.merge_requests = {}; {sizes}", runs / 10);
    let long = Deadline::within(Duration::from_secs(3600));
    store.script(&sizes, long).await.unwrap();
    for source in Source::ALL {
        let files = files(&format!("events/{source}"), ".json");
        let deliveries = files.into_iter().map(|(id, body)| Delivery { id, body, ..Delivery::default() });
        let report = ingest(store, &deliveries.collect::<Vec<_>>(), &Settings::default(), deadline()).await;
        assert!(report.error.is_none(), "{:?}", report.error);
    }
    store.script("VACUUM ANALYZE", long).await.unwrap();
}

/// Measured pages: name and address.
async fn addresses(page: &Site) -> Vec<(&'static str, String)> {
    let first = async |list: &str, begins: &str| {
        let body = String::from_utf8(page.get(list).await).unwrap();
        let (_, rest) = body.split_once(&format!("href=\"{begins}")).unwrap();
        format!("{begins}{}", rest.split_once('"').unwrap().0)
    };
    let bot = first("/bots", "/bots/").await;
    vec![
        ("overview", "/".to_owned()),
        ("list of merge requests", "/mrs".to_owned()),
        ("a merge request", first("/mrs", "/mr/").await),
        ("JSON of that list", "/api/v1/mrs".to_owned()),
        ("badge of a bot", format!("/badge{bot}.svg")),
        ("feed of all", "/feed.atom".to_owned()),
    ]
}

/// A program that prints where it listens; it ends when this is dropped. Its further output is read and discarded.
struct Site {
    child: Child,
    _said: BufReader<ChildStdout>,
    base: String,
    client: Client,
}

impl Site {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let base = said.by_ref().lines().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("http://")?;
            Some(format!("http://{}", rest.split_whitespace().next()?))
        });
        let client = hummingbird_status::platform::https::client().no_proxy().build().unwrap();
        Self { child, _said: said, base: base.unwrap(), client }
    }

    async fn get(&self, path: &str) -> Vec<u8> {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.unwrap().into()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The result of one measurement.
struct Load {
    rate: f64,
    p50: f64,
    p99: f64,
}

/// Sends requests in a loop, one after the other for each client.
async fn load<T>(of: &[T], ask: impl AsyncFn(&T)) -> Load {
    let start = Instant::now();
    let times = join_all(of.iter().map(async |each| {
        let mut times = Vec::new();
        while start.elapsed() < EACH {
            let begin = Instant::now();
            ask(each).await;
            times.push(millis(begin.elapsed()));
        }
        times
    }));
    let mut times = times.await.concat();
    let rate = rate(times.len(), start.elapsed());
    times.sort_by(f64::total_cmp);
    Load { rate, p50: times[times.len() / 2], p99: times[times.len() * 99 / 100] }
}

/// Reports the figure for the table of all benchmarks; returns the row of this benchmark's table.
fn report(asked: &Asked, [ours, python, alone]: &[Vec<Load>; 3]) -> [String; 8] {
    let each = |loads: &[Load], of: fn(&Load) -> f64| loads.iter().map(of).collect::<Vec<f64>>();
    let figure = |suffix: &str, unit: &str, of: fn(&Load) -> f64| {
        let what = format!("page: {}{suffix}, {AT_A_TIME} at a time", asked.name);
        let python = each(python, of);
        Figure {
            what: &what,
            unit,
            ours: &each(ours, of),
            baseline: (!python.is_empty()).then_some(("Python: http.server, psycopg, plain tables", &*python)),
            floor: Some(("the same statements alone", &each(alone, of))),
        }
        .report();
    };
    figure("", "/s", |load| load.rate);
    figure(", p99", "ms", |load| load.p99);
    let rate = |loads: &[Load]| match loads {
        [] => String::new(),
        loads => format!("{:.0}", median(each(loads, |load| load.rate))),
    };
    let middle = |loads: &[Load], of| format!("{:.1}", median(each(loads, of)));
    let times = |loads: &[Load]| match loads {
        [] => String::new(),
        loads => format!("{}, {}", middle(loads, |load| load.p50), middle(loads, |load| load.p99)),
    };
    let statements = asked.statements.len().to_string();
    [asked.name.to_owned(), statements, rate(ours), times(ours), rate(python), times(python), rate(alone), times(alone)]
}
