//! One run: starts the programs, causes the faults, and waits for the end.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hummingbird_status::db::{Store, migrate};

use super::aws::Aws;
use super::oracle::{self, Outside};
use super::plan::{LENGTH, Plan, UNLUCKY, Work};
use super::programs::{Counts, Ingest, Job, Kept, Variables};
use super::queue::Queue;
use super::server::Server;
use crate::deliver::{TOKEN, later, target};
use crate::reconcile::fake::Fake;
use crate::support::buildkite::HOST;
use crate::support::forge::{Forge, Post, Reply, answer, created};
use crate::support::proxy::Proxy;
use crate::support::{self, Db, deadline, render, store_of};

/// The environment that all runs share.
pub struct World {
    pub(super) server: Arc<Mutex<Server>>,
    pub(super) proxy: Proxy,
    pub(super) aws: Aws,
    pub(super) calm: Db,
    pub(super) folder: PathBuf,
    /// The library that moves the clock of a process, where there is one.
    clock: Option<PathBuf>,
    runs: u32,
}

/// The processes and fake servers of a run.
pub(super) struct Participants {
    pub(super) ingest: Vec<Ingest>,
    pub(super) worker: Option<Kept>,
    pub(super) deliver: Option<Kept>,
    /// The command that must succeed.
    pub(super) job: Option<Job>,
    /// The GitLab that the command asks.
    pub(super) gitlab: Option<Fake>,
    /// The behaviour of the fake targets.
    pub(super) outside: Arc<AtomicU8>,
    pub(super) database: String,
    /// The state of the disk without a fault.
    pub(super) disk: &'static str,
}

impl Participants {
    /// Without any process yet.
    pub(super) fn of(database: String) -> Self {
        let outside = Arc::default();
        Self {
            ingest: Vec::new(),
            worker: None,
            deliver: None,
            job: None,
            gitlab: None,
            outside,
            database,
            disk: "none",
        }
    }
}

/// The time limit for all work after the last fault.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(60);
const TEMPLATE: &str = "chaos_template";

impl World {
    pub async fn new() -> Self {
        let server = tokio::task::spawn_blocking(Server::start).await.unwrap();
        let calm = support::database().await;
        let check = format!("ALTER TABLE pipelineruns ADD CONSTRAINT unlucky CHECK (name NOT LIKE '%{UNLUCKY}%')");
        calm.store.script(&check, deadline()).await.unwrap();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{}", std::process::id()));
        let proxy = Proxy::start(server.port()).await;
        let server = Arc::new(Mutex::new(server));
        let world = Self { server, proxy, aws: Aws::start().await, calm, folder, clock: clock(), runs: 0 };
        // Processes are killed, never the machine: their writes survive without a sync to disk.
        world.admin("postgres", "ALTER SYSTEM SET fsync = off").await;
        world.admin("postgres", "SELECT pg_reload_conf()").await;
        world.admin("postgres", &format!("CREATE DATABASE {TEMPLATE}")).await;
        migrate(&world.store(TEMPLATE), deadline()).await.unwrap();
        world.admin(TEMPLATE, &format!("{check}; {}", include_str!("strike.sql"))).await;
        world
    }

    /// Whether the clocks of processes can be moved.
    pub fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    pub(super) fn store(&self, database: &str) -> Store {
        store_of(&self.server.lock().unwrap().url_of(database), 1)
    }

    /// Runs SQL directly, not through the proxy; retries while the server is starting.
    pub(super) async fn admin(&self, database: &str, sql: &str) {
        let start = Instant::now();
        loop {
            match self.store(database).script(sql, deadline()).await {
                Ok(()) => return,
                Err(error) => assert!(start.elapsed() < TIME_LIMIT, "{sql}: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The numbers that a query finds.
    pub(super) async fn ask(&self, sql: &str) -> Vec<i32> {
        let sql: &'static str = Box::leak(format!("-- ask\n{sql}").into_boxed_str());
        let start = Instant::now();
        loop {
            let asked = self.store("postgres").in_tx("ask", deadline(), async |tx| tx.query(sql, &[]).await).await;
            match asked {
                Ok(rows) => return rows.iter().map(|row| row.get(0)).collect(),
                Err(error) => assert!(start.elapsed() < TIME_LIMIT, "{sql}: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Does a run. `Err` names the difference to a run without faults.
    pub async fn run(&mut self, plan: &Plan, counts: &Counts) -> Result<(), String> {
        self.runs += 1;
        let database = format!("chaos_{}", self.runs);
        self.admin("postgres", &format!("CREATE DATABASE {database} TEMPLATE {TEMPLATE}")).await;
        // An earlier run that hung may have left faults in place.
        *self.aws.state() = super::aws::State::default();
        self.proxy.calm();
        self.set_clock("+0");
        counts.add(&format!("runs of {:?}", plan.work), 1);
        let result = match plan.work {
            Work::InOrder | Work::AnyOrder => self.take_in(plan, database.clone(), counts).await,
            Work::Backfill => self.backfill(plan, database.clone(), counts).await,
            Work::Reconcile => self.reconcile(plan, database.clone(), counts).await,
        };
        if result.is_ok() {
            self.admin("postgres", &format!("DROP DATABASE {database} WITH (FORCE)")).await;
        }
        result
    }

    /// Ingests the messages from a queue, and delivers.
    async fn take_in(&self, plan: &Plan, database: String, counts: &Counts) -> Result<(), String> {
        let in_order = plan.work == Work::InOrder;
        let queue = Queue::new(&plan.messages, in_order, LENGTH, plan.seed);
        self.aws.state().queue = Some(queue.clone());
        let outside = Arc::new(AtomicU8::new(0));
        let (forge, hook) = (Forge::start(habit(&outside)).await, Forge::start(habit(&outside)).await);
        let variables = self.variables(&database, &forge, &hook);
        let functions = if in_order { 1 } else { 2 };
        let log = |name: &str| self.folder.join(format!("{name}.log"));
        let mut crew = Participants::of(database.clone());
        crew.ingest = (0..functions).map(|n| Ingest::keep(&queue, &variables, plan.seed + n, counts)).collect();
        crew.worker = (!in_order).then(|| Kept::keep(&["worker"], &variables, log("worker"), counts));
        crew.deliver = Some(Kept::keep(&["deliver"], &variables, log("deliver"), counts));
        crew.outside = outside;
        self.strike_all(&crew, &plan.faults, counts).await;

        // Shows the undelivered rows of a slow run.
        let mut lap = Instant::now();
        let mut lap = |what: &str| {
            counts.add(&format!("milliseconds of {what}"), lap.elapsed().as_millis() as u64);
            lap = Instant::now();
        };
        let done = Instant::now();
        while queue.left() > 0 && done.elapsed() < TIME_LIMIT {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (redeliveries, most) = queue.redeliveries();
        counts.add("messages", plan.messages.len() as u64);
        counts.add("redeliveries", redeliveries);
        if most > 20 {
            counts.add("runs in which a message came more than 20 times", 1);
        }
        if queue.left() > 0 {
            counts.add("losses", queue.left() as u64);
            return Err(format!("{} messages were not taken in {TIME_LIMIT:?}", queue.left()));
        }
        drop(crew);
        lap("taking in what is left");
        let store = self.store(&database);
        self.deliver_the_rest(&store, &variables, counts).await?;
        lap("delivering what is left");
        let published = self.aws.state().published.clone();
        let objects = self.aws.state().objects.clone();
        let outside = Outside { statuses: forge.posts(), hooks: hook.posts(), published, objects };
        let result = oracle::judge(plan, &self.calm, &store, &outside, counts).await;
        lap("judging");
        result
    }

    /// Makes waiting deliveries due now and ends the leases of killed processes, until no delivery waits.
    async fn deliver_the_rest(&self, store: &Store, variables: &Variables, counts: &Counts) -> Result<(), String> {
        let ran_out = "UPDATE commit_statuses SET lease_until = now(), next_attempt_at = now() WHERE lease_until > \
            now(); \
                       UPDATE deliveries SET lease_until = now(), next_attempt_at = now() WHERE lease_until > now(); \
                       UPDATE delivery_targets SET open_until = NULL, probe_until = NULL, trips = 0, failures = 0";
        store.script(ran_out, deadline()).await.unwrap();
        let _deliver = Kept::keep(&["deliver"], variables, self.folder.join("deliver.log"), counts);
        let start = Instant::now();
        loop {
            later(store).await;
            let left = "SELECT (SELECT count(*) FROM commit_statuses WHERE state = 'pending') || ' statuses, ' || \
                        (SELECT count(*) FROM deliveries WHERE state = 'pending') || ' deliveries, ' || \
                        (SELECT count(*) FROM outbox WHERE routed_at IS NULL) || ' events'";
            let left = render::rows(store, left).await.remove(0);
            if left == "0 statuses, 0 deliveries, 0 events" {
                return Ok(());
            }
            if start.elapsed() > TIME_LIMIT {
                counts.add("losses", 1);
                let rows = "SELECT concat_ws(' ', outbox_id, target, key, attempts, reason, 'next', next_attempt_at - \
                    now(), \
                            'lease', lease_until - now()) FROM deliveries WHERE state = 'pending' UNION ALL SELECT \
                            concat_ws(' ', name, failures, trips, open_until - now(), probe_until - now(), reason) \
                            FROM delivery_targets";
                let rows = render::rows(store, rows).await.join("\n");
                return Err(format!("not delivered in {TIME_LIMIT:?}: {left}\n{rows}"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn variables(&self, database: &str, forge: &Forge, hook: &Forge) -> Variables {
        let targets = target("ghe", "github", forge, HOST, "concurrency = 4")
            + &format!(
                "[[target]]\nname = 'hook'\nkind = 'webhook'\nurl = '{}'\nsecret = 'env:TOKEN'\nallow_private = true\n\
                 families = ['travis', 'kcidb']\nevents = ['*', 'worker:*']\n",
                hook.url
            );
        let mut variables = self.variables_of_all(database);
        variables.extend([
            ("SQS_QUEUE_URL", format!("{}/1/queue", self.aws.endpoint)),
            ("WORKER_BATCH_SIZE", "20".to_owned()),
            ("METRICS_PORT", "0".to_owned()),
            ("DELIVERY_TARGETS", targets),
            ("BROADCAST_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:broadcast".to_owned()),
            ("BROADCAST_OVERFLOW", "s3://overflow/of/".to_owned()),
            ("TOKEN", TOKEN.to_owned()),
        ]);
        variables
    }

    /// The variables for the database, AWS and the clock.
    pub(super) fn variables_of_all(&self, database: &str) -> Variables {
        let url = self.server.lock().unwrap().url_of(database);
        let (user, rest) = url.rsplit_once('@').unwrap();
        let url = format!("{user}@127.0.0.1:{}/{}", self.proxy.port, rest.split_once('/').unwrap().1);
        let mut variables = Variables::from([
            ("DATABASE_URL", url),
            ("DATABASE_STATEMENT_TIMEOUT", "2".to_owned()),
            ("AWS_ENDPOINT_URL", self.aws.endpoint.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "x".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
        ]);
        if let Some(library) = &self.clock {
            variables.extend([
                ("LD_PRELOAD", library.display().to_string()),
                ("FAKETIME_TIMESTAMP_FILE", self.folder.join("clock").display().to_string()),
                ("FAKETIME_CACHE_DURATION", "1".to_owned()),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ]);
        }
        variables
    }

    /// Sets the offset of the clocks of all processes in seconds.
    pub(super) fn set_clock(&self, by: &str) {
        std::fs::write(self.folder.join("clock"), by).unwrap();
    }
}

/// The answers of a fake target, by its behaviour.
fn habit(behaviour: &Arc<AtomicU8>) -> impl FnMut(&Post) -> Reply + Send + 'static {
    let behaviour = Arc::clone(behaviour);
    move |_| match behaviour.load(Ordering::Relaxed) {
        0 => created(),
        1 => answer(429, &[("retry-after", "1")], ""),
        2 => answer(503, &[], ""),
        _ => Reply::Cut,
    }
}

/// libfaketime, of the Debian package or from `CHAOS_FAKETIME`.
fn clock() -> Option<PathBuf> {
    if let Ok(path) = std::env::var("CHAOS_FAKETIME") {
        return Some(PathBuf::from(path)).filter(|path| path.exists());
    }
    let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists())
}
