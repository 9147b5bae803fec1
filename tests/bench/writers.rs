//! Several ingest processes on one database, each with a connection, as the functions of a deployment are.
//!
//! They share the cores with PostgreSQL here, which they do not on AWS; so CPU time is counted separately: the cost of
//! a message for the writers, and for PostgreSQL. The latter gives the capacity of a database.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::Value;

use crate::measure::{ROUNDS, median, print, rate};
use crate::payload;
use crate::processor::{Postmaster, own_seconds};
use crate::server::Server;
use crate::support::{deadline, store_of};

/// The first argument of a writer process.
pub const WRITER: &str = "writer";
/// `PipelineRuns` that each process writes, in each of their states.
const RUNS: usize = 500;
/// States of each `PipelineRun`: the first inserts the row, the others update it.
const STATES: usize = 4;
/// Messages in a batch: the default of the deployment.
const BATCH: usize = 100;

/// Measures and prints.
pub async fn run(server: &Server) {
    for (title, large) in [("large runs of 40 kB, packed", true), ("runs of 6 kB, without their tasks", false)] {
        let url = server.database(if large { "large" } else { "small" }).await;
        let store = store_of(&url, 1);
        let postmaster = Postmaster::of(&store).await;
        let mut table = Vec::new();
        let mut alone = 0.0;
        for writers in [1, 2, 4, 8] {
            let mut found = [const { Vec::new() }; 4];
            let mut children: Vec<Writer> = (0..writers).map(|number| Writer::start(&url, number, large)).collect();
            for round in 0..=ROUNDS {
                store.script("TRUNCATE pipelineruns", deadline()).await.unwrap();
                store.script("CHECKPOINT", deadline()).await.unwrap();
                let before = (postmaster.seconds(), Instant::now());
                children.iter_mut().for_each(Writer::go);
                let said: Vec<[f64; 2]> = children.iter_mut().map(Writer::done).collect();
                let time = before.1.elapsed();
                let messages = writers * RUNS * STATES;
                let each = |seconds: f64| seconds * 1e6 / messages as f64;
                if round > 0 {
                    found[0].push(rate(messages, time));
                    found[1].push(each(said.iter().map(|[seconds, _]| seconds).sum()));
                    found[2].push(each(postmaster.seconds() - before.0));
                    found[3].push(median(said.iter().map(|[_, batch]| *batch).collect()));
                }
            }
            let [rate, own, postgresql, batch] = found.map(median);
            if writers == 1 {
                alone = rate;
            }
            table.push([
                writers.to_string(),
                format!("{rate:.0}"),
                format!("{:.2}x", rate / alone),
                format!("{batch:.1}"),
                format!("{own:.0}"),
                format!("{postgresql:.0}"),
                format!("{:.2}", (own + postgresql) * rate / 1e6),
            ]);
        }
        let head = ["writers", "messages/s", "of one", "ms a batch", "own CPU µs", "PostgreSQL's CPU µs", "cores busy"];
        print(&format!("Writers at a time: {title}, batches of {BATCH}"), head, &table);
    }
}

/// A writer process; it writes when it reads a line.
struct Writer {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Writer {
    fn start(url: &str, number: usize, large: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([WRITER, url, &number.to_string(), &large.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        // It prints a line when it has made its messages.
        said.read_line(&mut String::new()).unwrap();
        Self { child, said }
    }

    fn go(&mut self) {
        writeln!(self.child.stdin.as_mut().unwrap()).unwrap();
    }

    /// What it prints at the end: its CPU seconds, and the median milliseconds of a batch.
    fn done(&mut self) -> [f64; 2] {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        let mut words = line.split_whitespace().map(|word| word.parse().unwrap());
        [words.next().unwrap(), words.next().unwrap()]
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.child.stdin.take();
        self.child.wait().ok();
    }
}

/// The work of a writer process: writes all its messages for each line that it reads.
pub fn write(url: &str, number: usize, large: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = store_of(url, 1);
    let batches: Vec<Vec<Delivery>> = (0..STATES)
        .flat_map(|state| {
            let messages = (number * RUNS..(number + 1) * RUNS).map(|run| (run, text(run, state, large)));
            let event = payload::event_of(messages, state);
            let deliveries = hummingbird_status::transport::lambda::Invocation::read(&event).deliveries;
            deliveries.chunks(BATCH).map(<[Delivery]>::to_vec).collect::<Vec<_>>()
        })
        .collect();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        line.unwrap();
        let before = own_seconds();
        let mut times = Vec::new();
        runtime.block_on(async {
            for batch in &batches {
                let start = Instant::now();
                let report = ingest(&store, batch, &Settings::default(), deadline()).await;
                assert_eq!(report.counts().kept, batch.len() as u64, "{:?} {:?}", report.counts(), report.error);
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        });
        println!("{} {}", own_seconds() - before, median(times));
    }
}

/// A `PipelineRun` as large as in production, compressed; or one without its tasks, uncompressed.
fn text(run: usize, state: usize, large: bool) -> String {
    let text = payload::json(run, state);
    if large {
        return payload::pack(&text);
    }
    let mut run: Value = serde_json::from_str(&text).unwrap();
    for (member, list) in [("spec", "/pipelineSpec/tasks"), ("status", "/childReferences")] {
        let list = run[member].pointer_mut(list).and_then(Value::as_array_mut).unwrap();
        list.clear();
    }
    run["spec"].as_object_mut().unwrap().retain(|name, _| name == "pipelineSpec" || name == "params");
    run["status"].as_object_mut().unwrap().remove("pipelineSpec");
    run.to_string()
}
