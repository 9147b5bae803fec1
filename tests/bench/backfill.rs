//! Backfill of an archive of large messages into a database: rates beside those of its parts alone, peak memory, runs
//! that are killed at random, and the same tables from a mirror, from an S3 server and from live messages.
//!
//! `cargo bench --bench backfill` for all with 200,000 messages, `cargo bench --bench backfill -- 20000 speed kill` for
//! some with fewer. The archive is made once, below `target`, and is the same in each run. Takes half an hour.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may panic")]
#![expect(unreachable_pub, reason = "`pub` says what a module offers to the others")]

mod bucket;
mod cargo;
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
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use hummingbird_status::db::Store;
use hummingbird_status::ingest::{ingest, read};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use bucket::Bucket;
use measure::{Figure, ROUNDS, median, print, rate, timed};
use server::Server;
use support::archive::{Published, put, time};
use support::random::Random;
use support::{deadline, render, schema, store_of};

/// The default number of messages.
const MESSAGES: usize = 200_000;
/// Messages of a smaller archive, whose peak memory is compared.
const FEW: usize = 20_000;
/// How often the process is killed.
const KILLS: usize = 20;
/// States of each `PipelineRun`; each is one message.
const STATES: usize = 4;
/// `PipelineRuns` that are running at the same time.
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
        if wanted.iter().any(|wanted| *wanted == "table") {
            table(&server, &archive, messages).await;
        }
        if wants("same") {
            same(&server, &archive, messages).await;
        }
        if wants("kill") {
            kill(&server, &archive).await;
        }
    });
}

/// The message with this number: `PipelineRuns` in their states, many of them interleaved.
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

/// The fixtures of both archived sources, as messages after the generated ones.
static SAMPLES: LazyLock<Vec<Published>> = LazyLock::new(|| {
    let files = ["events/konflux", "events/gitlab"].map(|folder| support::files(folder, ".json")).concat();
    let message = |(number, (_, bytes)): (usize, (String, Vec<u8>))| Published {
        id: format!("{number:08x}-0000-4000-9000-000000000000"),
        at: "2026-03-01T00:00:00.5Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(60 * number as i64),
        payload: String::from_utf8(bytes).unwrap(),
        event_type: "MODIFIED",
        packed: false,
    };
    files.into_iter().enumerate().map(message).filter(|message| is_object(&message.payload)).collect()
});

fn is_object(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object())
}

/// The number of all messages of an archive.
fn whole(messages: usize) -> usize {
    messages + SAMPLES.len()
}

/// The message with this number in an archive.
fn archived(number: usize, messages: usize) -> Published {
    if number < messages { message(number) } else { SAMPLES[number - messages].clone() }
}

/// An archive of so many messages and the fixtures, made if it does not exist. Two of three are stored as the archiver
/// unpacks them, the others as SNS sends them.
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
                for number in (thread..whole(messages)).step_by(threads) {
                    let message = archived(number, messages);
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

/// A run of the command, and its peak memory.
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

/// COPY of the rows of these messages.
struct Copies {
    copy: rows::Copy,
    rows: usize,
}

async fn copy_of(url: &str, messages: usize) -> Copies {
    let sample: Vec<Delivery> = (0..10_000.min(messages)).map(|number| message(number).delivery()).collect();
    let records = read(&sample, &Settings::default()).records;
    Copies { copy: rows::Copy::new(url, &records).await, rows: records.len() }
}

impl Copies {
    /// Rows per second.
    async fn rate(&self, store: &Store) -> f64 {
        store.script("TRUNCATE bench_copy", deadline()).await.unwrap();
        rate(self.rows, timed(self.copy.run(self.rows, 1000)).await.1)
    }
}

/// Messages per second with 1, 2 and 4 workers, beside reading alone, and COPY of the rows alone.
async fn speed(server: &Server, archive: &Path, messages: usize) {
    let url = server.database("speed").await;
    let copy = copy_of(&url, messages).await;
    let store = store_of(&url, 1);
    let mut copies = Vec::new();
    for _ in 0..3 {
        copies.push(copy.rate(&store).await);
    }
    drop(copy);
    let copy = median(copies);
    let mut table = Vec::new();
    for workers in ["1", "2", "4"] {
        let arguments = [&mirror(archive)[..], &["--concurrency", workers]].concat();
        let reading = backfill(&url, &[&arguments[..], &["--dry-run"]].concat(), &[]).await.messages_per_second();
        store.script("TRUNCATE pipelineruns", deadline()).await.unwrap();
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

/// Peak memory for archives of two sizes.
async fn memory(server: &Server, large: &Path, messages: usize) {
    let mut table = Vec::new();
    for (number, (archive, messages)) in [(archive(FEW), FEW), (large.to_owned(), messages)].iter().enumerate() {
        let url = server.database(&format!("memory_{number}")).await;
        let done = backfill(&url, &mirror(archive), &[]).await;
        table.push([messages.to_string(), format!("{:.0} MB", done.peak as f64 / 1e6)]);
    }
    print("Peak memory", ["messages", "peak"], &table);
}

/// The rows of the table in tests/bench/README.md: from a mirror and from S3, beside reading alone and COPY alone.
async fn table(server: &Server, archive: &Path, messages: usize) {
    let url = server.database("briefly").await;
    let copy = copy_of(&url, messages).await;
    let store = store_of(&url, 1);
    let bucket = Bucket::of(archive);
    let [mut of_mirror, mut of_s3, mut floor, mut memory, mut memory_of_reading] = [const { Vec::new() }; 5];
    for _ in 0..ROUNDS {
        let reading = backfill(&url, &[&mirror(archive)[..], &["--dry-run"]].concat(), &[]).await;
        floor.push(reading.messages_per_second().min(copy.rate(&store).await));
        memory_of_reading.push(reading.peak as f64 / 1e6);
        for (found, arguments, variables) in [
            (&mut of_mirror, mirror(archive), &[][..]),
            (&mut of_s3, ["--bucket", Bucket::NAME], &bucket.variables[..]),
        ] {
            store.script("TRUNCATE pipelineruns; CHECKPOINT", deadline()).await.unwrap();
            let done = backfill(&url, &arguments, variables).await;
            assert_eq!(done.summary["messages"], whole(messages), "{}", done.summary);
            found.push(done.messages_per_second());
            memory.push(done.peak as f64 / 1e6);
        }
    }
    let slower = Some(("slower of reading alone, COPY alone", &*floor));
    Figure { what: "backfill from a mirror", unit: "/s", ours: &of_mirror, baseline: None, floor: slower }.report();
    let beside = Some(("from a mirror", &*of_mirror));
    Figure { what: "backfill from S3 on the same cores", unit: "/s", ours: &of_s3, baseline: beside, floor: slower }
        .report();
    let reading = Some(("reading alone", &*memory_of_reading));
    Figure { what: "backfill: memory", unit: "MB", ours: &memory, baseline: None, floor: reading }.report();
}

/// Ingests a batch; returns the time.
async fn take_in(store: &Store, batch: &[Delivery]) -> Duration {
    let start = Instant::now();
    let report = ingest(store, batch, &Settings::default(), deadline()).await;
    assert!(report.error.is_none(), "{:?}", report.error);
    start.elapsed()
}

/// A digest of the contents of all tables.
async fn digest(url: &str) -> String {
    let store = store_of(url, 1);
    // Without the rows of the run itself, and without generated keys.
    let tables = schema::tables(&store).await;
    let tables: Vec<_> =
        tables.iter().filter(|table| !["backfill_runs", "refused"].contains(&table.as_str())).collect();
    let rows = |table: &&String| {
        format!("SELECT '{table}' AS name, md5((to_jsonb(t) - 'received_at')::text) AS row FROM {table} AS t")
    };
    let digest = format!(
        "SELECT count(*) || ' rows in ' || count(DISTINCT name) || ' tables, md5 ' || md5(string_agg(row, '' ORDER BY \
            name, \
         row)) FROM ({}) AS t",
        tables.iter().map(rows).collect::<Vec<_>>().join(" UNION ALL ")
    );
    let rest = render::rows(&store, "SELECT count(*) || ' refused' FROM refused").await;
    format!("{}, {}", render::rows(&store, &digest).await[0], rest[0])
}

/// The same message as in a queue. Most are not compressed: compressing them would take as long as all the rest.
fn live(number: usize, messages: usize) -> Delivery {
    Published { packed: number.is_multiple_of(8), ..archived(number, messages) }.delivery()
}

/// Compares the tables from a mirror, from S3, and from live messages in random order.
async fn same(server: &Server, archive: &Path, messages: usize) {
    println!();
    let url = server.database("same_mirror").await;
    let done = backfill(&url, &mirror(archive), &[]).await;
    let of_mirror = digest(&url).await;
    println!("mirror, {} messages at {:.0}/s: {of_mirror}", whole(messages), done.messages_per_second());

    let url = server.database("same_s3").await;
    let bucket = Bucket::of(archive);
    let done = backfill(&url, &["--bucket", Bucket::NAME], &bucket.variables).await;
    drop(bucket);
    let of_s3 = digest(&url).await;
    println!("S3, at {:.0}/s: {of_s3}", done.messages_per_second());
    assert_eq!(done.summary["messages"], whole(messages), "{}", done.summary);
    assert_eq!(of_mirror, of_s3);

    let url = server.database("same_live").await;
    let store = store_of(&url, 1);
    let mut order: Vec<usize> = (0..whole(messages)).collect();
    Random::new(11).shuffle(&mut order);
    let mut taken = Duration::ZERO;
    for part in order.chunks(1000) {
        taken += take_in(&store, &part.iter().map(|number| live(*number, messages)).collect::<Vec<_>>()).await;
    }
    let of_live = digest(&url).await;
    println!("live, in random order, at {:.0}/s: {of_live}", rate(whole(messages), taken));
    assert_eq!(of_mirror, of_live);
}

/// Kills the process at random times and resumes the run, until one process runs to the end.
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
        // Counted from when it holds the run: it may first wait until the lease of the killed process expires.
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
