//! The worker against a fake queue and bucket, and against folders.

mod fake;

use std::path::{Path, PathBuf};
use std::time::Duration;

use hummingbird_status::db::Store;
use hummingbird_status::ingest::Counts;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::lambda::Invocation;
use hummingbird_status::worker::sqs::Config;
use hummingbird_status::worker::{Health, Stopper, Worker, WorkerError, folder, sqs};
use tokio::task::JoinHandle;

use self::fake::Fake;
use crate::support::{self, render};

type Running = JoinHandle<Result<Counts, WorkerError>>;

fn worker(store: &Store) -> (Worker, Stopper) {
    let (stopper, stop) = Stopper::new();
    (Worker { store: store.clone(), settings: Settings::default(), health: Health::default(), stop }, stopper)
}

/// The fixtures of the sources: id and body.
fn fixtures() -> Vec<(String, String)> {
    let files = ["konflux", "gitlab", "buildkite"].map(|source| support::files(&format!("events/{source}"), ".json"));
    files.into_iter().flatten().map(|(name, body)| (name, String::from_utf8(body).unwrap())).collect()
}

fn poll(worker: Worker, config: Config, fake: &Fake) -> Running {
    let clients = fake.clients.clone();
    tokio::spawn(async move { sqs::run(&worker, &config, &clients).await })
}

/// Waits for a condition that must become true.
async fn until(mut done: impl FnMut() -> bool) {
    support::until("what was waited for", async || done()).await;
}

async fn end(running: Running, stopper: Stopper) -> Counts {
    stopper.stop();
    running.await.unwrap().unwrap()
}

/// The number of rejected messages of a reason.
async fn rejected(store: &Store, reason: &str) -> usize {
    render::rows(store, &format!("SELECT id FROM refused WHERE reason = '{reason}'")).await.len()
}

#[tokio::test]
async fn two_pollers_empty_a_queue() {
    let db = support::database().await;
    let fixtures = fixtures();
    // Three times each: SQS delivers at least once.
    let messages =
        (0..3).flat_map(|round| fixtures.iter().map(move |(id, body)| (format!("{id}-{round}"), body.clone())));
    let fake = Fake::start(messages).await;
    let (id, _) = &fixtures[0];
    fake.state.lock().unwrap().fail_delete.extend([(format!("{id}-0"), false), (format!("{id}-1"), true)]);
    let (worker, stopper) = worker(&db.store);
    let running = poll(worker.clone(), Config::new(&fake.url), &fake);

    // One deletion fails permanently: it is not retried, and its message would be delivered again.
    let all = fixtures.len() * 3;
    until(|| fake.deleted() == all - 1).await;
    assert_eq!(worker.health.check(std::time::Instant::now()), Ok(()));
    let counts = end(running, stopper).await;
    assert_eq!((counts.received, counts.again), (all as u64, 0));
    // Three samples are rejected, each time.
    assert_eq!(counts.refused, 3 * 3, "{counts:?}");
    assert_eq!(counts.kept + counts.stale + counts.ignored + counts.refused, all as u64, "{counts:?}");
    assert!(counts.kept > 50, "{counts:?}");
    assert!(fake.state.lock().unwrap().deleted.contains(&format!("{id}-0")));
    assert!(render::rows(&db.store, "SELECT name FROM pipelineruns").await.len() > 20);
}

#[tokio::test]
async fn messages_that_cannot_be_tried_stay_hidden_and_are_returned() {
    // The database answers, but without a schema nothing can be written.
    let store = support::store_of(&support::bare_database("worker_again").await, 2);
    let fake = Fake::start([]).await;
    {
        let mut state = fake.state.lock().unwrap();
        state.visibility = 1;
        let body = &fixtures()[0].1;
        state.waiting.extend([("new".to_owned(), body.clone(), 0), ("old".to_owned(), body.clone(), 2)]);
    }
    let (worker, stopper) = worker(&store);
    let config = Config { concurrency: 1, batch_deadline: Duration::from_secs(4), ..Config::new(&fake.url) };
    let running = poll(worker.clone(), config, &fake);
    let back = || fake.state.lock().unwrap().hidden.iter().any(|(id, seconds)| id == "old" && *seconds == 960);
    until(back).await;
    let why = worker.health.check(std::time::Instant::now());
    assert!(why.as_ref().is_err_and(|why| why.starts_with("database: ")), "{why:?}");
    let counts = end(running, stopper).await;
    assert_eq!((counts.received, counts.again, fake.deleted()), (2, 2, 0));
    let hidden = &fake.state.lock().unwrap().hidden;
    assert!(hidden.iter().filter(|change| **change == ("new".to_owned(), 1)).count() >= 1, "{hidden:?}");
    assert_eq!(hidden.iter().filter(|(_, seconds)| *seconds > 1).count(), 2, "{hidden:?}");
    assert_eq!(hidden[hidden.len() - 2..], [("new".to_owned(), 60), ("old".to_owned(), 960)]);
}

#[tokio::test]
async fn nothing_is_received_while_the_database_is_unavailable() {
    let store = support::store_of("postgres://none:x@127.0.0.1:1/none?sslmode=disable", 1);
    let fake = Fake::start(fixtures()).await;
    let (worker, stopper) = worker(&store);
    let running = poll(worker.clone(), Config::new(&fake.url), &fake);
    until(|| worker.health.check(std::time::Instant::now()).is_err()).await;
    assert_eq!(end(running, stopper).await, Counts::default());
    assert_eq!(fake.state.lock().unwrap().waiting.len(), fixtures().len());
}

#[tokio::test]
async fn a_stop_finishes_the_batch_in_hand() {
    let db = support::database().await;
    let fake = Fake::start([("pointer".to_owned(), point("ours", "k"))].into_iter().chain(fixtures())).await;
    let (worker, stopper) = worker(&db.store);
    fake.state.lock().unwrap().stop_at_read = Some(stopper);
    let config = Config { concurrency: 1, batch_size: 10, ..ours(&fake) };
    let counts = poll(worker, config, &fake).await.unwrap().unwrap();
    assert_eq!((counts.received, counts.again, fake.deleted()), (10, 0, 10));
}

/// A pointer to an object.
fn point(bucket: &str, key: &str) -> String {
    let place = serde_json::json!({"s3BucketName": bucket, "s3Key": key});
    serde_json::json!(["software.amazon.payloadoffloading.PayloadS3Pointer", place]).to_string()
}

/// A configuration that allows one bucket.
fn ours(fake: &Fake) -> Config {
    Config { pointer_buckets: vec!["ours".to_owned()], ..Config::new(&fake.url) }
}

#[tokio::test]
async fn payloads_are_read_from_allowed_buckets_only() {
    let db = support::database().await;
    let notified = serde_json::json!({"Type": "Notification", "MessageId": "sns", "Message": point("ours", "a b")});
    let messages = [
        ("notified", notified.to_string()),
        ("theirs", point("theirs", "k")),
        ("missing", point("ours", "missing")),
        ("long", point("ours", "long")),
        ("down", point("ours", "down")),
    ];
    let fake = Fake::start(messages.map(|(id, body)| (id.to_owned(), body))).await;
    let payload = std::fs::read(support::project("events/gitlab/merge-request-merged.json")).unwrap();
    {
        let objects = &mut fake.state.lock().unwrap().objects;
        objects.insert("/ours/a%20b".to_owned(), Some(payload.clone()));
        objects.insert("/ours/long".to_owned(), Some(vec![b' '; 200_000]));
        objects.insert("/ours/down".to_owned(), None);
        objects.insert("/theirs/k".to_owned(), Some(payload));
    }
    let (mut worker, stopper) = worker(&db.store);
    worker.settings.limits.decoded_bytes = 100_000;
    let running = poll(worker, ours(&fake), &fake);
    until(|| !fake.state.lock().unwrap().hidden.is_empty()).await;
    let counts = end(running, stopper).await;
    assert_eq!((counts.received, counts.kept, counts.refused, counts.again), (5, 1, 3, 1));
    assert_eq!(fake.state.lock().unwrap().hidden, [("down".to_owned(), 60)]);
    assert_eq!(rejected(&db.store, "pointer").await, 3);
}

/// An empty folder of a test's own.
fn empty_folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn put(root: &Path, key: &str, bytes: &[u8]) {
    let path = root.join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn folders_are_watched() {
    let db = support::database().await;
    let (drop, mirror) = (empty_folder("drop"), empty_folder("mirror"));
    let read = |event: &str| std::fs::read(support::project(&format!("events/{event}.json"))).unwrap();
    put(&drop, "sub/poison.json", b"not json");
    let batch = read("envelope/sqs-batch");
    put(&drop, "batch.json", &batch);
    put(&drop, "half.json.part", b"{");
    put(&mirror, "sns/2026/03/11/a.json", &read("gitlab/push-main"));
    let (worker, stopper) = worker(&db.store);
    let config = folder::Config {
        drop: Some(drop.clone()),
        mirror: Some(mirror.clone()),
        interval: Duration::from_millis(50),
        ..folder::Config::default()
    };
    let running = tokio::spawn(async move { folder::run(&worker, &config).await });
    until(|| drop.join(".done/sub/poison.json").exists() && drop.join(".done/batch.json").exists()).await;
    // Of the same name again, and in the mirror one that sorts before what was taken.
    put(&drop, "batch.json", &read("gitlab/merge-request-merged"));
    put(&mirror, "sns/2026/03/10/late.json", &read("gitlab/push-default-branch"));
    until(|| drop.join(".done/batch.json.1").exists()).await;
    for branch in ["main", "rolling"] {
        let pushes = format!("SELECT sha FROM gitlab_pushes WHERE ref = '{branch}'");
        while render::rows(&db.store, &pushes).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let counts = end(running, stopper).await;

    assert_eq!(render::rows(&db.store, "SELECT id FROM refused WHERE reason = 'not-json'").await, ["sub/poison.json"]);
    let parts = Invocation::read(&batch).deliveries.len() as u64;
    assert_eq!((counts.received, counts.again), (parts + 4, 0), "{counts:?}");
    assert!(drop.join("half.json.part").exists() && mirror.join("sns/2026/03/11/a.json").exists());
    assert!(!drop.join("batch.json").exists());
}
