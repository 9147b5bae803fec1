//! The programs as processes: functions behind a fake Lambda service, and commands that are restarted when they end, as
//! a container runtime does.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::aws::record;
use super::queue::{InHand, Queue};
use super::server::kill;
use crate::support::random::Random;
use crate::support::runtime_api::Function;

/// Counters by name.
#[derive(Clone, Default)]
pub struct Counts(Arc<Mutex<BTreeMap<String, u64>>>);

impl Counts {
    /// Adds to a counter.
    pub fn add(&self, what: &str, count: u64) {
        *self.0.lock().unwrap().entry(what.to_owned()).or_default() += count;
    }

    /// Adds all counters of another one.
    pub fn merge(&self, other: &Self) {
        let other = other.0.lock().unwrap().clone();
        other.iter().for_each(|(what, count)| self.add(what, *count));
    }

    /// All counters, a line each.
    pub fn lines(&self) -> String {
        let counts = self.0.lock().unwrap();
        counts.iter().map(|(what, count)| format!("  {what}: {count}\n")).collect()
    }
}

/// Variables of all programs.
pub type Variables = HashMap<&'static str, String>;

/// A command that is restarted when it ends.
pub struct Kept {
    child: Arc<Mutex<Option<Child>>>,
    stopped: Arc<AtomicBool>,
}

impl Kept {
    /// Starts it, with its log in a file.
    pub fn keep(arguments: &'static [&'static str], variables: &Variables, log: PathBuf, counts: &Counts) -> Self {
        let this = Self { child: Arc::default(), stopped: Arc::default() };
        let (child, stopped) = (Arc::clone(&this.child), Arc::clone(&this.stopped));
        let (variables, counts) = (variables.clone(), counts.clone());
        let start = move || {
            let log = File::options().create(true).append(true).open(&log).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
            command.args(arguments).env_clear().envs(&variables).stdin(Stdio::null()).stdout(Stdio::null());
            command.stderr(log).spawn().unwrap()
        };
        *child.lock().unwrap() = Some(start());
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
                let mut child = child.lock().unwrap();
                let ended = child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
                if ended && !stopped.load(Ordering::Relaxed) {
                    counts.add(&format!("starts again of {}", arguments[0]), 1);
                    *child = Some(start());
                }
            }
        });
        this
    }

    /// `kill -9`.
    pub fn kill(&self) {
        if let Some(child) = self.child.lock().unwrap().as_mut() {
            child.kill().unwrap();
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// A command that must succeed, and is restarted until it has.
pub struct Job(Arc<JobState>);

#[derive(Default)]
struct JobState {
    child: Mutex<Option<Child>>,
    stopped: AtomicBool,
    /// The start of the last process that succeeded.
    began: Mutex<Option<Instant>>,
    /// The output of the last process that failed.
    said: Mutex<String>,
}

impl Job {
    /// Starts it with the arguments that follow from the output of the last failed process; after a success, only if it
    /// runs `over_and_over`.
    pub fn keep(
        name: &'static str,
        over_and_over: bool,
        arguments: impl Fn(&str) -> Vec<String> + Send + 'static,
        variables: &Variables,
        folder: &Path,
        counts: &Counts,
    ) -> Self {
        let state = Arc::<JobState>::default();
        let (mine, variables, counts) = (Arc::clone(&state), variables.clone(), counts.clone());
        let log = folder.join(format!("{name}.log"));
        std::thread::spawn(move || {
            while !mine.stopped.load(Ordering::Relaxed) {
                let arguments = arguments(&mine.said.lock().unwrap());
                let began = Instant::now();
                let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
                command.args(arguments).env_clear().envs(&variables).stdin(Stdio::null()).stdout(Stdio::null());
                *mine.child.lock().unwrap() = Some(command.stderr(File::create(&log).unwrap()).spawn().unwrap());
                counts.add(&format!("starts of {name}"), 1);
                let status = loop {
                    std::thread::sleep(Duration::from_millis(20));
                    if let Some(status) =
                        mine.child.lock().unwrap().as_mut().and_then(|child| child.try_wait().unwrap())
                    {
                        break status;
                    }
                };
                match status.success() {
                    true => {
                        *mine.began.lock().unwrap() = Some(began);
                        if !over_and_over {
                            return;
                        }
                    }
                    false => {
                        *mine.said.lock().unwrap() = std::fs::read_to_string(&log).unwrap_or_default();
                        counts.add(&format!("failed ends of {name}"), 1);
                    }
                }
            }
        });
        Self(state)
    }

    /// `kill -9`.
    pub fn kill(&self) {
        if let Some(child) = self.0.child.lock().unwrap().as_mut() {
            child.kill().unwrap();
        }
    }

    /// The start of the last process that succeeded.
    pub fn began(&self) -> Option<Instant> {
        *self.0.began.lock().unwrap()
    }

    /// The output of the last process that failed.
    pub fn said(&self) -> String {
        self.0.said.lock().unwrap().clone()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::Relaxed);
        self.kill();
    }
}

/// The time limit of an invocation.
const LIMIT: Duration = Duration::from_secs(5);
/// When failed messages are visible again.
const AGAIN: Duration = Duration::from_millis(100);

/// The function `ingest`, invoked with the messages of the queue, until this is dropped.
pub struct Ingest(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// The id of its process while it works, else 0.
    id: AtomicU32,
    stopped: AtomicBool,
}

impl Ingest {
    /// Starts the function.
    pub fn keep(queue: &Queue, variables: &Variables, seed: u64, counts: &Counts) -> Self {
        let shared = Arc::<Shared>::default();
        let (queue, variables, counts) = (queue.clone(), variables.clone(), counts.clone());
        let mine = Arc::clone(&shared);
        tokio::spawn(async move { mine.consume(&queue, &variables, Random::new(seed), &counts).await });
        Self(shared)
    }

    /// `kill -9`.
    pub fn kill(&self) {
        match self.0.id.swap(0, Ordering::Relaxed) {
            0 => {}
            id => kill("-9", id),
        }
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    async fn consume(&self, queue: &Queue, variables: &Variables, mut random: Random, counts: &Counts) {
        let mut function: Option<Function> = None;
        while !self.stopped.load(Ordering::Relaxed) {
            let batch = queue.receive(1 + random.below(20), LIMIT * 2);
            if batch.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            if function.is_none() {
                counts.add("starts of ingest", 1);
                function = Some(Function::start(env!("CARGO_BIN_EXE_ingest"), variables).await);
            }
            let running = function.as_mut().unwrap();
            self.id.store(running.id(), Ordering::Relaxed);
            let event = json!({"Records": batch.iter().map(record).collect::<Vec<_>>()}).to_string();
            counts.add("invocations", 1);
            match running.attempt(event.as_bytes(), LIMIT).await {
                Some(Ok(answer)) => acknowledge(queue, &batch, &answer, counts),
                Some(Err(_)) => {
                    counts.add("invocations that failed", 1);
                    batch.iter().for_each(|of| queue.hide(&of.handle, AGAIN));
                }
                None => {
                    self.id.store(0, Ordering::Relaxed);
                    function = None;
                    counts.add("invocations without an answer", 1);
                    batch.iter().for_each(|of| queue.hide(&of.handle, AGAIN));
                }
            }
        }
    }
}

/// Messages that the function did not report as failed are acknowledged.
fn acknowledge(queue: &Queue, batch: &[InHand], answer: &str, counts: &Counts) {
    let answer: Value = serde_json::from_str(answer).unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap();
    let failed: HashSet<&str> = failures.iter().filter_map(|failure| failure["itemIdentifier"].as_str()).collect();
    counts.add("messages handed back", failed.len() as u64);
    for of in batch {
        match failed.contains(of.message.id.as_str()) {
            true => queue.hide(&of.handle, AGAIN),
            false => queue.delete(&of.handle),
        }
    }
}
