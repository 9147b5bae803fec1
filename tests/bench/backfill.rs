//! An archive of large messages into a database: how fast beside what its parts alone take, in how much memory, with
//! tables how large; killed at random; and from a server of S3.
//!
//! `cargo bench --bench backfill` for all with 200,000 messages, `cargo bench --bench backfill -- 20000 speed kill` for
//! some with fewer. The archive is made once, below `target`, and is the same every time. Takes half an hour.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may panic")]
#![expect(unreachable_pub, reason = "`pub` says what a module offers to the others")]

#[allow(dead_code, reason = "shared with the other benchmarks, which need more of it")]
mod measure;
#[allow(dead_code, reason = "shared with the other benchmarks, which need more of it")]
mod payload;
#[allow(dead_code, reason = "shared with the other benchmarks, which need more of it")]
mod rows;
mod server;
#[path = "../it/support/mod.rs"]
#[allow(dead_code, reason = "made for the tests; a benchmark needs little of it")]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hummingbird_status::envelope::Delivery;
use hummingbird_status::family::Settings;
use hummingbird_status::pipeline::{ingest, read};
use hummingbird_status::store::Store;
use serde_json::Value;

use measure::{median, millis, print, rate, timed};
use server::Server;
use support::archive::{Published, put, time};
use support::moto::Moto;
use support::random::Random;
use support::{deadline, render, store_of};

/// Messages, if nothing else is asked for.
const MESSAGES: usize = 200_000;
/// Messages of a smaller archive, to compare the memory with.
const FEW: usize = 20_000;
/// Messages that S3 serves: the server is a program in Python.
const SERVED: usize = 20_000;
/// How often it is killed.
const KILLS: usize = 20;
/// States in which each run is announced.
const STATES: usize = 4;
/// Runs that are under way at a time.
const AT_A_TIME: usize = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let messages = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(MESSAGES);
    let wanted: Vec<_> = arguments.iter().filter(|argument| argument.parse::<usize>().is_err()).collect();
    let wants = |section: &str| wanted.is_empty() || wanted.iter().any(|wanted| *wanted == section);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = Server::start();
    runtime.block_on(async {
        let archive = archive(messages);
        if wants("speed") {
            speed(&server, &archive, messages).await;
        }
        if wants("memory") {
            memory(&server, &archive, messages).await;
        }
        if wants("growth") {
            growth(&server).await;
        }
        if wants("same") {
            same(&server, &archive, messages).await;
        }
        if wants("kill") {
            kill(&server, &archive).await;
        }
    });
}

/// The message of a number: runs in their states, many at a time.
fn message(number: usize) -> Published {
    let (group, place) = (number / (STATES * AT_A_TIME), number % (STATES * AT_A_TIME));
    let (state, run) = (place / AT_A_TIME, group * AT_A_TIME + place % AT_A_TIME);
    Published {
        id: format!("{number:08x}-0000-4000-8000-{:012x}", number * 7919 % 999_983),
        at: time(number),
        payload: payload::json(run, state),
        event_type: "MODIFIED",
        packed: true,
    }
}

/// An archive of so many messages, made if it is not there. Two of three as the archiver unpacks them, the others as
/// SNS sends them.
fn archive(messages: usize) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("archive-{messages}"));
    if root.join(".complete").exists() {
        return root;
    }
    println!("making an archive of {messages} messages in {}", root.display());
    std::fs::remove_dir_all(&root).ok();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let root = &root;
            scope.spawn(move || {
                for number in (thread..messages).step_by(threads) {
                    let message = message(number);
                    let (key, bytes) = message.object();
                    let bytes = if number % 3 == 0 { message.record().into_bytes() } else { bytes };
                    put(root, &key, &bytes);
                }
            });
        }
    });
    std::fs::write(root.join(".complete"), "").unwrap();
    root
}

/// A run of the command, and the most memory that it had.
struct Done {
    summary: Value,
    peak: u64,
}

impl Done {
    fn messages_per_second(&self) -> f64 {
        self.summary["messages"].as_f64().unwrap() / self.summary["seconds"].as_f64().unwrap()
    }

    fn megabytes_per_second(&self) -> f64 {
        self.summary["bytes"].as_f64().unwrap() / 1e6 / self.summary["seconds"].as_f64().unwrap()
    }
}

fn start(url: &str, arguments: &[&str], variables: &[(&str, String)]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
    command.arg("backfill").args(arguments).env("DATABASE_URL", url).env("RUST_LOG", "error");
    command.envs(variables.iter().map(|(name, value)| (*name, value)));
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// Runs the command to its end.
async fn backfill(url: &str, arguments: &[&str], variables: &[(&str, String)]) -> Done {
    let mut child = start(url, arguments, variables);
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kib = line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) * 1024);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    Done { summary: serde_json::from_slice(&output.stdout).unwrap(), peak }
}

fn mirror(archive: &Path) -> [&str; 2] {
    ["--mirror", archive.to_str().unwrap()]
}

/// Messages a second with 1, 2 and 4 workers, beside reading alone, and COPY of the rows alone.
async fn speed(server: &Server, archive: &Path, messages: usize) {
    let url = server.database("speed").await;
    let sample: Vec<Delivery> = (0..10_000.min(messages)).map(|number| message(number).delivery()).collect();
    let records = read(&sample, &Settings::default()).records;
    let copy = rows::Copy::new(&url, &records).await;
    let mut copies = Vec::new();
    for _ in 0..3 {
        store_of(&url, 1).script("TRUNCATE bench_copy", deadline()).await.unwrap();
        copies.push(rate(records.len(), timed(copy.run(records.len(), 1000)).await.1));
    }
    drop((sample, records));
    let copy = median(copies);
    let mut table = Vec::new();
    for workers in ["1", "2", "4"] {
        let arguments = [&mirror(archive)[..], &["--concurrency", workers]].concat();
        let reading = backfill(&url, &[&arguments[..], &["--dry-run"]].concat(), &[]).await.messages_per_second();
        store_of(&url, 1).script("TRUNCATE pipelineruns", deadline()).await.unwrap();
        let done = backfill(&url, &arguments, &[]).await;
        let whole = done.messages_per_second();
        table.push([
            workers.to_owned(),
            format!("{whole:.0}"),
            format!("{:.0}", done.megabytes_per_second()),
            format!("{reading:.0}"),
            format!("{copy:.0}"),
            format!("{:.2}x", whole / reading.min(copy)),
            format!("{:.0} MB", done.peak as f64 / 1e6),
        ]);
    }
    let head = ["workers", "messages/s", "MB/s", "(b) read/s", "(c) COPY/s", "of slower of (b), (c)", "peak memory"];
    print(&format!("Backfill of {messages} messages from a mirror"), head, &table);
}

/// Peak memory by the size of the archive.
async fn memory(server: &Server, large: &Path, messages: usize) {
    let mut table = Vec::new();
    for (number, (archive, messages)) in [(archive(FEW), FEW), (large.to_owned(), messages)].iter().enumerate() {
        let url = server.database(&format!("memory_{number}")).await;
        let done = backfill(&url, &mirror(archive), &[]).await;
        table.push([messages.to_string(), format!("{:.0} MB", done.peak as f64 / 1e6)]);
    }
    print("Peak memory", ["messages", "peak"], &table);
}

/// What a message costs as the table grows.
async fn growth(server: &Server) {
    let url = server.database("growth").await;
    let store = store_of(&url, 1);
    let batches: Vec<Vec<Delivery>> =
        (0..10).map(|part| (part * 1000..(part + 1) * 1000).map(|n| message(n).delivery()).collect()).collect();
    let (columns, copies) = {
        let columns = "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'pipelineruns' \
                       ORDER BY ordinal_position";
        let columns = render::rows(&store, columns).await;
        let copies = columns
            .iter()
            .map(|name| if name == "name" { "r.name || '-copy-' || g".to_owned() } else { format!("r.{name}") });
        (columns.join(", "), copies.collect::<Vec<_>>().join(", "))
    };
    let mut table = Vec::new();
    let mut points = Vec::new();
    for rows in [10_000, 100_000, 1_000_000] {
        store.script("TRUNCATE pipelineruns", deadline()).await.unwrap();
        take_in(&store, &batches).await;
        let fill = format!(
            "SET statement_timeout = 0; INSERT INTO pipelineruns ({columns}) SELECT {copies} FROM \
             (SELECT *, row_number() OVER () AS place FROM pipelineruns) AS r, generate_series(1, {rows} / 2500) AS g; \
             DELETE FROM pipelineruns WHERE name NOT LIKE '%-copy-%'; \
             SET statement_timeout = 20000; ANALYZE pipelineruns; CHECKPOINT"
        );
        let long = hummingbird_status::clock::Deadline::within(Duration::from_secs(900));
        store.script(&fill, long).await.unwrap();
        let mut times = Vec::new();
        for _ in 0..3 {
            store.script("DELETE FROM pipelineruns WHERE name NOT LIKE '%-copy-%'", long).await.unwrap();
            times.push(millis(take_in(&store, &batches).await) / 10.0);
        }
        let there = render::rows(&store, "SELECT count(*)::text FROM pipelineruns").await[0].clone();
        let cost = median(times);
        points.push((there.parse::<f64>().unwrap(), cost));
        table.push([there, format!("{:.0} µs", cost)]);
    }
    print("What a message costs, by the rows that are there (batches of 1000)", ["rows", "a message"], &table);
    let (first, last) = (points[0], points[points.len() - 1]);
    println!(
        "\nslope: {:+.2} µs a message for each 100,000 rows, {:+.0} % from {} to {} rows",
        (last.1 - first.1) / (last.0 - first.0) * 1e5,
        (last.1 / first.1 - 1.0) * 100.0,
        first.0,
        last.0
    );
}

/// Takes batches in; the time that it took.
async fn take_in(store: &Store, batches: &[Vec<Delivery>]) -> Duration {
    let start = Instant::now();
    for batch in batches {
        let report = ingest(store, batch, &Settings::default(), deadline()).await;
        assert!(report.error.is_none(), "{:?}", report.error);
    }
    start.elapsed()
}

/// All that is in the tables, in few letters.
async fn digest(url: &str) -> String {
    let digest = "SELECT count(*) || ' rows, md5 ' || md5(string_agg(md5((to_jsonb(t) - 'received_at')::text), '' \
                  ORDER BY name)) FROM pipelineruns AS t";
    let store = store_of(url, 1);
    let rest = render::rows(&store, "SELECT count(*) || ' refused' FROM refused").await;
    format!("{}, {}", render::rows(&store, digest).await[0], rest[0])
}

/// The same tables from a mirror, by live messages in random order, and from S3.
async fn same(server: &Server, whole: &Path, messages: usize) {
    let url = server.database("same_mirror").await;
    backfill(&url, &mirror(whole), &[]).await;
    let of_mirror = digest(&url).await;
    println!("\nmirror, {messages} messages: {of_mirror}");

    let url = server.database("same_live").await;
    let store = store_of(&url, 1);
    let mut order: Vec<usize> = (0..messages).collect();
    Random::new(11).shuffle(&mut order);
    for part in order.chunks(1000) {
        take_in(&store, &[part.iter().map(|number| message(*number).delivery()).collect()]).await;
    }
    let of_live = digest(&url).await;
    println!("live, in random order: {of_live}");
    assert_eq!(of_mirror, of_live);

    let Some(moto) = Moto::start().await else { return };
    let served = SERVED.min(messages);
    let small = archive(served);
    let url = server.database("same_small").await;
    backfill(&url, &mirror(&small), &[]).await;
    let of_mirror = digest(&url).await;
    let objects = support::files_in(&small, "");
    let objects: Vec<_> = objects.into_iter().filter(|(key, _)| key.starts_with("sns/")).collect();
    moto.bucket("archive", &objects).await;
    drop(objects);
    let url = server.database("same_s3").await;
    let variables = [
        ("AWS_ENDPOINT_URL", moto.endpoint.clone()),
        ("AWS_ACCESS_KEY_ID", "x".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
    ];
    let done = backfill(&url, &["--bucket", "archive"], &variables).await;
    let of_s3 = digest(&url).await;
    println!("S3, {served} messages at {:.0}/s: {of_s3}", done.messages_per_second());
    assert_eq!(of_mirror, of_s3);
}

/// Killed at random, and gone on with, until nobody kills it.
async fn kill(server: &Server, archive: &Path) {
    let url = server.database("undisturbed").await;
    let undisturbed = backfill(&url, &mirror(archive), &[]).await;
    let expected = digest(&url).await;
    let seconds = undisturbed.summary["seconds"].as_f64().unwrap();
    let url = server.database("killed").await;
    let store = store_of(&url, 1);
    let mut random = Random::new(5);
    let mut cursors = Vec::new();
    for round in 0..KILLS {
        let resume: &[&str] = if round == 0 { &mirror(archive) } else { &["--resume"] };
        let mut child = start(&url, resume, &[]);
        // Counted from when it has the run: the one before may be waited for until it counts as gone.
        let owned = format!("SELECT 'x' FROM backfill_runs WHERE invocations = {}", round + 1);
        while render::rows(&store, &owned).await.is_empty() && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let most = (seconds * 1e3 / KILLS as f64 * 1.5) as u64;
        tokio::time::sleep(Duration::from_millis(random.next() % most.max(1))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        cursors.extend(render::rows(&store, "SELECT coalesce(cursor, '-') FROM backfill_runs").await);
    }
    let done = backfill(&url, &["--resume"], &[]).await;
    let found = digest(&url).await;
    cursors.dedup();
    println!("\nundisturbed: {expected}\nkilled {KILLS} times, at {} places: {found}", cursors.len());
    assert_eq!(done.summary["state"], "done");
    assert_eq!(expected, found);
}
