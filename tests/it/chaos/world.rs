//! One run: the programs at work, the faults on them, and the end.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hummingbird_status::store::{Store, migrate};

use super::aws::Aws;
use super::oracle::{self, Outside};
use super::plan::{Fault, LENGTH, Plan, Planned, UNLUCKY};
use super::programs::{Counts, Ingest, Kept, Variables};
use super::queue::Queue;
use super::server::{Server, kill};
use crate::deliver::{TOKEN, later, target};
use crate::support::buildkite::HOST;
use crate::support::forge::{Forge, Post, Reply, answer, created};
use crate::support::proxy::{Cut, Proxy};
use crate::support::{self, Db, deadline, render, store_of};

/// What all runs share.
pub struct World {
    server: Arc<Mutex<Server>>,
    proxy: Proxy,
    aws: Aws,
    calm: Db,
    folder: PathBuf,
    /// The library that moves the clock of a process, where there is one.
    clock: Option<PathBuf>,
    runs: u32,
}

/// Those who work in a run.
struct Crew {
    ingest: Vec<Ingest>,
    worker: Option<Kept>,
    deliver: Kept,
    /// How the servers outside feel.
    outside: Arc<AtomicU8>,
    database: String,
}

/// Longest that it takes until all is done after the last fault.
const PATIENCE: Duration = Duration::from_secs(60);
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
        world.admin("postgres", &format!("CREATE DATABASE {TEMPLATE}")).await;
        migrate(&world.store(TEMPLATE), deadline()).await.unwrap();
        world.admin(TEMPLATE, &format!("{check}; {}", include_str!("strike.sql"))).await;
        world
    }

    /// Whether the clocks of processes can be moved.
    pub fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    fn store(&self, database: &str) -> Store {
        store_of(&self.server.lock().unwrap().url_of(database), 1)
    }

    /// Runs SQL past the proxy, again while the server is only just back.
    async fn admin(&self, database: &str, sql: &str) {
        let start = Instant::now();
        loop {
            match self.store(database).script(sql, deadline()).await {
                Ok(()) => return,
                Err(error) => assert!(start.elapsed() < PATIENCE, "{sql}: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The numbers that a query finds.
    async fn ask(&self, sql: &str) -> Vec<i32> {
        let sql: &'static str = Box::leak(format!("-- ask\n{sql}").into_boxed_str());
        let start = Instant::now();
        loop {
            let asked = self.store("postgres").in_tx("ask", deadline(), async |tx| tx.query(sql, &[]).await).await;
            match asked {
                Ok(rows) => return rows.iter().map(|row| row.get(0)).collect(),
                Err(error) => assert!(start.elapsed() < PATIENCE, "{sql}: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A run. `Err` says what is not as it would be had nothing gone wrong.
    pub async fn run(&mut self, plan: &Plan, counts: &Counts) -> Result<(), String> {
        self.runs += 1;
        let database = format!("chaos_{}", self.runs);
        self.admin("postgres", &format!("CREATE DATABASE {database} TEMPLATE {TEMPLATE}")).await;
        let queue = Queue::new(&plan.messages, plan.in_order, LENGTH, plan.seed);
        *self.aws.state() = super::aws::State { queue: Some(queue.clone()), ..Default::default() };
        self.set_clock("+0");
        let outside = Arc::new(AtomicU8::new(0));
        let (forge, hook) = (Forge::start(habit(&outside)).await, Forge::start(habit(&outside)).await);
        let variables = self.variables(&database, &forge, &hook);
        let functions = if plan.in_order { 1 } else { 2 };
        let log = |name: &str| self.folder.join(format!("{name}.log"));
        let crew = Crew {
            ingest: (0..functions).map(|n| Ingest::keep(&queue, &variables, plan.seed + n, counts)).collect(),
            worker: (!plan.in_order).then(|| Kept::keep(&["worker"], &variables, log("worker"), counts)),
            deliver: Kept::keep(&["deliver"], &variables, log("deliver"), counts),
            outside,
            database: database.clone(),
        };
        let start = Instant::now();
        let (of_database, others): (Vec<Planned>, Vec<Planned>) =
            plan.faults.iter().copied().partition(|planned| planned.fault.is_of_database());
        tokio::join!(self.strike(&crew, start, &of_database, counts), self.strike(&crew, start, &others, counts));
        self.proxy.calm();

        let done = Instant::now();
        while queue.left() > 0 && done.elapsed() < PATIENCE {
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
            return Err(format!("{} messages were not taken in {PATIENCE:?}", queue.left()));
        }
        drop(crew);
        let store = self.store(&database);
        self.deliver_the_rest(&store, &variables, counts).await?;
        let published = self.aws.state().published.clone();
        let objects = self.aws.state().objects.clone();
        let outside = Outside { statuses: forge.posts(), hooks: hook.posts(), published, objects };
        let result = oracle::judge(plan, &self.calm, &store, &outside, counts).await;
        drop(store);
        if result.is_ok() {
            self.admin("postgres", &format!("DROP DATABASE {database} WITH (FORCE)")).await;
        }
        result
    }

    /// What waits is due now, and leases of the dead are over; until nothing waits.
    async fn deliver_the_rest(&self, store: &Store, variables: &Variables, counts: &Counts) -> Result<(), String> {
        let ran_out = "UPDATE commit_statuses SET lease_until = now(), next_attempt_at = now() WHERE lease_until > now(); \
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
            if start.elapsed() > PATIENCE {
                counts.add("losses", 1);
                let rows = "SELECT concat_ws(' ', outbox_id, target, key, attempts, reason, 'next', next_attempt_at - now(), \
                            'lease', lease_until - now()) FROM deliveries WHERE state = 'pending' UNION ALL SELECT \
                            concat_ws(' ', name, failures, trips, open_until - now(), probe_until - now(), reason) \
                            FROM delivery_targets";
                let rows = render::rows(store, rows).await.join("\n");
                return Err(format!("not delivered in {PATIENCE:?}: {left}\n{rows}"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn variables(&self, database: &str, forge: &Forge, hook: &Forge) -> Variables {
        let url = self.server.lock().unwrap().url_of(database);
        let (user, rest) = url.rsplit_once('@').unwrap();
        let url = format!("{user}@127.0.0.1:{}/{}", self.proxy.port, rest.split_once('/').unwrap().1);
        let targets = target("ghe", "github", forge, HOST, "concurrency = 4")
            + &format!(
                "[[target]]\nname = 'hook'\nkind = 'webhook'\nurl = '{}'\nsecret = 'env:TOKEN'\nallow_private = true\n\
                 families = ['travis', 'kcidb']\nevents = ['*', 'worker:*']\n",
                hook.url
            );
        let mut variables = Variables::from([
            ("DATABASE_URL", url),
            ("DATABASE_STATEMENT_TIMEOUT", "2".to_owned()),
            ("SQS_QUEUE_URL", format!("{}/1/queue", self.aws.endpoint)),
            ("AWS_ENDPOINT_URL", self.aws.endpoint.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "x".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
            ("WORKER_BATCH_SIZE", "20".to_owned()),
            ("METRICS_PORT", "0".to_owned()),
            ("DELIVERY_TARGETS", targets),
            ("BROADCAST_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:broadcast".to_owned()),
            ("BROADCAST_OVERFLOW", "s3://overflow/of/".to_owned()),
            ("TOKEN", TOKEN.to_owned()),
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

    /// Moves the clocks of all processes from the true one, by seconds.
    fn set_clock(&self, by: &str) {
        std::fs::write(self.folder.join("clock"), by).unwrap();
    }

    async fn strike(&self, crew: &Crew, start: Instant, faults: &[Planned], counts: &Counts) {
        for planned in faults {
            tokio::time::sleep(planned.at.saturating_sub(start.elapsed())).await;
            counts.add(&format!("fault {:?}", planned.fault), 1);
            counts.add("faults", 1);
            self.inject(crew, planned).await;
        }
    }

    async fn inject(&self, crew: &Crew, Planned { fault, length, dice, .. }: &Planned) {
        let database = crew.database.as_str();
        let sessions = format!("SELECT {{}} FROM pg_stat_activity WHERE datname = '{database}'");
        let end_all = sessions.replace("{}", "pg_terminate_backend(pid)");
        let read_only = |verb: &str| format!("ALTER DATABASE {database} {verb}");
        let on = read_only("SET default_transaction_read_only = on");
        let off = read_only("RESET default_transaction_read_only");
        let wait = || tokio::time::sleep(*length);
        match fault {
            Fault::KillIngest => crew.ingest[dice % crew.ingest.len()].kill(),
            Fault::KillWorker => crew.worker.iter().for_each(Kept::kill),
            Fault::KillDeliver => crew.deliver.kill(),
            Fault::KillBackend => {
                // PostgreSQL itself does not send this signal, so the system is asked to.
                let all = self.ask(&sessions.replace("{}", "pid")).await;
                if let Some(id) = all.get(dice % all.len().max(1)) {
                    kill("-9", id.unsigned_abs());
                }
            }
            Fault::TerminateBackends => self.admin("postgres", &end_all).await,
            Fault::RestartPostgres | Fault::CrashPostgres => {
                let (server, crash, away) = (Arc::clone(&self.server), *fault == Fault::CrashPostgres, *length);
                let restart = move || {
                    let mut server = server.lock().unwrap();
                    server.restart(crash, away);
                    server.port()
                };
                self.proxy.lead_to(tokio::task::spawn_blocking(restart).await.unwrap());
            }
            Fault::ReadOnly | Fault::ReadOnlyKept => {
                self.admin("postgres", &on).await;
                self.admin("postgres", &end_all).await;
                wait().await;
                self.admin("postgres", &off).await;
                if *fault == Fault::ReadOnly {
                    self.admin("postgres", &end_all).await;
                }
            }
            Fault::RefuseConnections => {
                self.proxy.close(true);
                wait().await;
                self.proxy.close(false);
            }
            Fault::CutConnections => self.proxy.cut(),
            Fault::Stall => {
                self.proxy.stall(true);
                wait().await;
                self.proxy.stall(false);
            }
            Fault::SlowDisk | Fault::DiskFull => {
                let kind = if *fault == Fault::SlowDisk { "slow" } else { "full" };
                self.admin(database, &format!("UPDATE chaos.fault SET kind = '{kind}'")).await;
                wait().await;
                self.admin(database, "UPDATE chaos.fault SET kind = 'none'").await;
            }
            Fault::CutBeforeCommit => self.proxy.cut_commit(dice % 3, Cut::Before),
            Fault::CutAfterCommit => self.proxy.cut_commit(dice % 3, Cut::After),
            Fault::ClockForward | Fault::ClockBack => {
                let sign = if *fault == Fault::ClockForward { '+' } else { '-' };
                self.set_clock(&format!("{sign}{}", [5, 120, 3600, 86_400][dice % 4]));
                // Processes look at it each second.
                tokio::time::sleep(*length + Duration::from_secs(1)).await;
                self.set_clock("+0");
            }
            Fault::ThrottleQueue => {
                self.aws.state().throttles = true;
                wait().await;
                self.aws.state().throttles = false;
            }
            Fault::LoseAcks => {
                self.aws.state().loses_acks = true;
                wait().await;
                self.aws.state().loses_acks = false;
            }
            Fault::BucketFull => {
                self.aws.state().is_full = true;
                wait().await;
                self.aws.state().is_full = false;
            }
            Fault::ThrottleTargets | Fault::TargetsAway | Fault::TargetsCut => {
                let mood = match fault {
                    Fault::ThrottleTargets => 1,
                    Fault::TargetsAway => 2,
                    _ => 3,
                };
                crew.outside.store(mood, Ordering::Relaxed);
                wait().await;
                crew.outside.store(0, Ordering::Relaxed);
            }
        }
    }
}

/// What a server outside does, by its mood.
fn habit(mood: &Arc<AtomicU8>) -> impl FnMut(&Post) -> Reply + Send + 'static {
    let mood = Arc::clone(mood);
    move |_| match mood.load(Ordering::Relaxed) {
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
