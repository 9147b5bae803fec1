//! The plan of a run, made from its seed: messages of all sources, poison messages, and faults with their times.

use std::time::Duration;

use hummingbird_status::transport::Delivery;
use jiff::Timestamp;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::support::buildkite::Event;
use crate::support::builds::Build;
use crate::support::generate::said;
use crate::support::random::Random;
use crate::{kcidb, support, travis};

/// A message as it was sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its id, the same at each delivery.
    pub id: String,
    /// Its body.
    pub body: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Whether it must be rejected.
    pub poison: bool,
    /// The number of its batch, in a queue with order.
    pub batch: usize,
    /// How often it is delivered after its acknowledgement.
    pub again: u32,
    /// Whether it was acknowledged once.
    pub was_taken: bool,
}

impl Message {
    /// The delivery of this message without a queue.
    pub fn delivery(&self) -> Delivery {
        let sent_at = Some(self.sent_at);
        Delivery { id: self.id.clone(), body: self.body.clone().into_bytes(), sent_at, ..Delivery::default() }
    }
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    KillIngest,
    KillWorker,
    KillDeliver,
    /// A process of PostgreSQL itself, by SIGKILL: the server recovers as after a crash.
    KillBackend,
    TerminateBackends,
    RestartPostgres,
    CrashPostgres,
    /// The server is read-only (SQLSTATE 25006); when it is writable again, all connections are cut.
    ReadOnly,
    /// The server is read-only (SQLSTATE 25006) and existing connections stay: a writer that became a reader.
    ReadOnlyKept,
    RefuseConnections,
    CutConnections,
    Stall,
    /// Statements exceed their time limit.
    SlowDisk,
    /// Statements fail with SQLSTATE 53100.
    DiskFull,
    CutBeforeCommit,
    CutAfterCommit,
    ClockForward,
    ClockBack,
    ThrottleQueue,
    /// The queue deletes, and its answer says that it failed.
    LoseAcks,
    /// The bucket for large messages rejects uploads.
    BucketFull,
    ThrottleTargets,
    TargetsAway,
    /// Targets accept a post and close the connection before they answer.
    TargetsCut,
    KillBackfill,
    /// The bucket with the archive throttles requests.
    ThrottleArchive,
    ArchiveAway,
    /// Objects and listings are cut in the middle.
    ArchiveCut,
    KillReconcile,
    /// GitLab answers 429.
    ThrottleGitlab,
    GitlabAway,
    GitlabCut,
}

const ALL: [Fault; 32] = [
    Fault::KillIngest,
    Fault::KillWorker,
    Fault::KillDeliver,
    Fault::KillBackend,
    Fault::TerminateBackends,
    Fault::RestartPostgres,
    Fault::CrashPostgres,
    Fault::ReadOnly,
    Fault::ReadOnlyKept,
    Fault::RefuseConnections,
    Fault::CutConnections,
    Fault::Stall,
    Fault::SlowDisk,
    Fault::DiskFull,
    Fault::CutBeforeCommit,
    Fault::CutAfterCommit,
    Fault::ClockForward,
    Fault::ClockBack,
    Fault::ThrottleQueue,
    Fault::LoseAcks,
    Fault::BucketFull,
    Fault::ThrottleTargets,
    Fault::TargetsAway,
    Fault::TargetsCut,
    Fault::KillBackfill,
    Fault::ThrottleArchive,
    Fault::ArchiveAway,
    Fault::ArchiveCut,
    Fault::KillReconcile,
    Fault::ThrottleGitlab,
    Fault::GitlabAway,
    Fault::GitlabCut,
];

/// The work of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// One consumer of a queue, which gets the batches in order: all events are those of a run without faults.
    InOrder,
    /// Several consumers, and no order: the final states are the same.
    AnyOrder,
    /// Backfill of the messages from the archive.
    Backfill,
    /// Reconcile with GitLab after lost webhooks.
    Reconcile,
}

impl Work {
    /// All kinds of work.
    pub const ALL: [Self; 4] = [Self::InOrder, Self::AnyOrder, Self::Backfill, Self::Reconcile];
}

impl Fault {
    /// Whether it is a fault of the database. These happen one after the other, concurrently with all others.
    pub fn is_of_database(self) -> bool {
        (Self::KillBackend..=Self::CutAfterCommit).contains(&self)
    }

    /// Whether it can happen in a run of this work.
    fn is_of(self, work: Work) -> bool {
        let of_all = self.is_of_database() || matches!(self, Self::ClockForward | Self::ClockBack);
        of_all
            || match work {
                Work::InOrder | Work::AnyOrder => self < Self::KillBackfill,
                Work::Backfill => (Self::KillBackfill..=Self::ArchiveCut).contains(&self),
                Work::Reconcile => self >= Self::KillReconcile,
            }
    }
}

/// A fault, its time and its duration, if it has one.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    pub at: Duration,
    pub fault: Fault,
    pub length: Duration,
    /// A random number for further choices.
    pub dice: usize,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub work: Work,
    pub messages: Vec<Message>,
    pub faults: Vec<Planned>,
}

/// The time in which messages are sent and faults happen.
pub const LENGTH: Duration = Duration::from_millis(3500);
/// A part of names that only PostgreSQL rejects, by a CHECK constraint that a run adds.
pub const UNLUCKY: &str = "unlucky";

/// The faults of a run; `CHAOS_FAULTS=KillWorker,Stall` are these alone. Faults of the clock only where it can be
/// changed.
fn kinds(work: Work, has_clock: bool) -> Vec<Fault> {
    let only = std::env::var("CHAOS_FAULTS").ok();
    let is_named =
        |fault: &Fault| only.as_ref().is_none_or(|only| only.split(',').any(|name| name == format!("{fault:?}")));
    let can_be = |fault: &Fault| has_clock || !matches!(fault, Fault::ClockForward | Fault::ClockBack);
    ALL.into_iter().filter(|fault| fault.is_of(work) && is_named(fault) && can_be(fault)).collect()
}

/// The plan of a seed, for the given work or else for one that the seed chooses.
pub fn plan(seed: u64, work: Option<Work>, has_clock: bool) -> Plan {
    let mut random = Random::new(seed);
    let of_queue = [Work::InOrder, Work::AnyOrder, Work::AnyOrder][random.below(3)];
    let of_seed = [Work::Backfill, Work::Reconcile].get(Random::new(seed ^ 0xc4a05).below(6)).copied();
    let work = work.or(of_seed).unwrap_or(of_queue);
    let mut messages = messages(&mut random);
    random.shuffle(&mut messages);
    let mut batch = 0;
    for message in &mut messages {
        batch += usize::from(random.below(8) == 0);
        message.batch = batch;
        message.again = [0, 0, 0, 0, 0, 0, 1, 2][random.below(8)];
    }
    let kinds = kinds(work, has_clock);
    let mut faults: Vec<Planned> = Vec::new();
    for _ in 0..if kinds.is_empty() { 0 } else { 14 } {
        let fault = kinds[random.below(kinds.len())];
        let (at, length) = (random.below(LENGTH.as_millis() as usize), 100 + random.below(900));
        let millis = |millis: usize| Duration::from_millis(millis as u64);
        faults.push(Planned { at: millis(at), fault, length: millis(length), dice: random.below(1000) });
    }
    faults.sort_by_key(|planned| planned.at);
    Plan { seed, work, messages, faults }
}

fn messages(random: &mut Random) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    let mut add = |id: String, body: String, sent_at: Timestamp, poison: bool| {
        if all.iter().all(|message| message.id != id) {
            all.push(Message { id, body, sent_at, poison, batch: 0, again: 0, was_taken: false });
        }
    };
    let start = Timestamp::from_second(1_773_140_400).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    // Messages of all kinds, about few objects.
    let seed: Vec<u8> = (0..4).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let strategy = said();
    for _ in 0..60 {
        let said = strategy.new_tree(&mut runner).unwrap().current();
        let name = said.payload.pointer("/metadata/name");
        let poison = name.is_some_and(|name| name.is_number() || name.as_str().unwrap_or_default().contains('\0'));
        let delivery = said.delivery();
        add(delivery.id, text(delivery.body), start, poison);
    }
    // As real messages are.
    let folders = ["konflux", "gitlab", "buildkite", "bots", "kcidb"];
    let mut files: Vec<(String, Vec<u8>)> = folders
        .iter()
        .flat_map(|folder| {
            support::files(&format!("events/{folder}"), ".json")
                .into_iter()
                .map(move |(name, body)| (format!("{folder}/{name}"), body))
        })
        .collect();
    files.sort();
    for (number, (name, body)) in (1..).zip(files) {
        if random.below(3) == 0 {
            add(name, text(body), start + Duration::from_secs(number), false);
        }
    }
    // Builds with commit statuses.
    for build in 0..8 {
        let sha = format!("{:040x}", 1 + build);
        let states = ["scheduled", "started", "failing", "failed", "passed", "blocked", "canceled"];
        for number in 0..4_u32 {
            let state = states[random.below(states.len())];
            let event = Event { build: &sha, number: 100 + build, sha: &sha, state, second: 10 * number + 1, ..BUILD };
            add(format!("build-{build}-{number}"), event.document().to_string(), start, false);
        }
    }
    // Builds and jobs of Travis.
    let strategy = travis::build();
    for id in 1..=4 {
        let build = Build { id, repository: 1 + id % 2, ..strategy.new_tree(&mut runner).unwrap().current() };
        for delivery in [vec![build.create()], build.run()].concat() {
            add(format!("travis-{}", delivery.id), text(delivery.body), delivery.sent_at.unwrap(), false);
        }
    }
    // Submissions, one of them with an object that is too large for a topic.
    for (number, (second, mut lists)) in
        kcidb::submissions().new_tree(&mut runner).unwrap().current().into_iter().enumerate()
    {
        if number == 0 {
            let large =
                json!({"id": "o:large", "origin": "o", "build_id": "o:1", "misc": {"more": "x".repeat(300 << 10)}});
            lists["tests"] =
                Value::Array([lists["tests"].as_array().cloned().unwrap_or_default(), vec![large]].concat());
        }
        let delivery = kcidb::said(second, &format!("kcidb-{number}"), &lists);
        add(delivery.id, text(delivery.body), delivery.sent_at.unwrap(), false);
    }
    // Poison messages that decoding finds, and those that only PostgreSQL finds.
    let run = |name: &str| {
        format!(
            r#"{{"apiVersion":"tekton.dev/v1","kind":"PipelineRun","metadata":{{"name":{name},"uid":"u","resourceVersion":"1"}}}}"#
        )
    };
    for number in 0..2 {
        add(format!("poison-text-{number}"), format!("certainly not JSON {number}"), start, true);
        add(format!("poison-surrogate-{number}"), run(r#""\ud800""#), start, true);
        add(format!("poison-long-{number}"), run(&format!("\"{}\"", "x".repeat(5000))), start, true);
        if random.below(3) == 0 {
            add(format!("poison-check-{number}"), run(&format!("\"{UNLUCKY}-{number}\"")), start, true);
        }
    }
    all
}

const BUILD: Event<'static> = Event {
    build: "",
    number: 0,
    sha: "",
    state: "",
    second: 0,
    repo: "git@ghe.acme.example:acme/app.git",
    pipeline: "chaos",
};
