//! A PostgreSQL for the run, a fresh database for each test, and ways to look at what is in it.

pub mod archive;
pub mod buildkite;
pub mod builds;
pub mod checks;
pub mod forge;
pub mod gate;
pub mod generate;
pub mod hot;
pub mod moto;
pub mod proxy;
pub mod random;
pub mod render;
pub mod runtime_api;
pub mod schema;
pub mod source;
pub mod yaml;
pub mod zip;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hummingbird_status::db::{Retrying, Store, migrate};
use hummingbird_status::local::{Cluster, Profile, Running};
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::sources::{Settings, Task, Tasks};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// The time limit of a hanging test. No test passes or fails by it otherwise.
pub const LONGEST: Duration = Duration::from_secs(900);

/// The limit of work that must come to an end.
pub fn deadline() -> Deadline {
    Deadline::within(LONGEST)
}

/// Waits for a condition that must become true.
pub async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = deadline();
    while !done().await {
        assert!(!deadline.remaining().is_zero(), "{what}: did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a task until it is done.
pub async fn run_task(store: &Store, task: Task) {
    let retrying = Retrying::until(store, deadline());
    let mut tasks = Tasks::new(|| Duration::ZERO);
    while tasks.chunk(task, &retrying, &Settings::default()).await.unwrap().0.more {}
}

/// How many cases a property is tried with: so many in a normal run, and in a long one (`.ci/soak`) `PROPERTY_FACTOR`
/// times as many.
pub fn cases(normal: u32) -> u32 {
    let factor = std::env::var("PROPERTY_FACTOR").ok().filter(|text| !text.is_empty());
    normal * factor.map_or(1, |text| text.parse().expect("PROPERTY_FACTOR is a number"))
}

/// A database of a test's own, migrated and empty.
pub struct Db {
    /// Connected to it.
    pub store: Store,
    /// Its address.
    pub url: String,
}

/// The server of this run; ends with the process, however that ends.
static SERVER: LazyLock<(Cluster, Running)> = LazyLock::new(|| {
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("postgresql");
    std::fs::create_dir_all(&base).unwrap();
    let cluster = Cluster::open(&base, Profile::Throwaway).unwrap();
    let running = cluster.start_owned().unwrap();
    (cluster, running)
});

/// Starting it takes a second or two, during which no test thread should think that it hangs.
fn server() -> &'static Running {
    &SERVER.1
}

/// Where the programs of PostgreSQL are, had they to be fetched.
pub fn fetched_programs() -> PathBuf {
    SERVER.0.folder().parent().unwrap().join("postgres")
}

/// A store for a database of the server, with `connections` connections.
pub fn store_of(url: &str, connections: usize) -> Store {
    let mut database = hummingbird_status::db::from_url(url).unwrap();
    database.pool_size = connections;
    Store::open(&database).unwrap()
}

/// A fresh database, copied from one that was migrated.
pub async fn database() -> Db {
    static TEMPLATE: OnceCell<()> = OnceCell::const_new();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    TEMPLATE
        .get_or_init(|| async {
            admin("CREATE DATABASE template_migrated").await;
            let store = store_of(&server().url_of("template_migrated"), 1);
            migrate(&store, deadline()).await.unwrap();
        })
        .await;
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    // One at a time: PostgreSQL rejects a copy of a template that another copy has open.
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE.lock().await;
    admin(&format!("CREATE DATABASE {name} TEMPLATE template_migrated")).await;
    let url = server().url_of(&name);
    Db { store: store_of(&url, 4), url }
}

/// An empty database without a schema.
pub async fn bare_database(name: &str) -> String {
    admin(&format!("CREATE DATABASE {name}")).await;
    server().url_of(name)
}

/// Connected to the server, outside of the tests' databases. One for each test: tests have runtimes of their own, and a
/// connection dies with its runtime.
pub fn admin_store() -> Store {
    store_of(&server().url_of("postgres"), 1)
}

async fn admin(sql: &str) {
    admin_store().script(sql, deadline()).await.unwrap();
}

/// The folder of the project.
pub fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Files below a folder of the project that end so, by their path in it, sorted.
pub fn files(folder: &str, ending: &str) -> Vec<(String, Vec<u8>)> {
    files_in(&project(folder), ending)
}

/// The same for any folder.
pub fn files_in(root: &std::path::Path, ending: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The lines that only one of two texts has.
pub fn difference(expected: &str, found: &str) -> String {
    let only = |mark: char, these: &str, those: &str| -> String {
        let those: Vec<_> = those.lines().collect();
        these.lines().filter(|line| !those.contains(line)).map(|line| format!("{mark} {line}\n")).collect()
    };
    format!("\n{}{}", only('-', expected, found), only('+', found, expected))
}

/// Invalid values for details, and edge cases.
pub fn odd_values() -> Vec<Value> {
    let mut values = vec![
        json!(null),
        json!(true),
        json!(7),
        json!(4_294_967_296_u64),
        json!(-1.5e300),
        json!([]),
        json!([{"a": 1}]),
        json!({}),
        json!({"a": ["b"]}),
        json!(""),
        json!(" "),
        json!("a\u{0}b"),
        json!("\u{fffe}\u{1b}"),
        json!("\u{fffe}\u{ffff}\u{1b}[31m"),
        json!("x".repeat(1_024)),
        json!("x".repeat(1_025)),
        json!("ä".repeat(33_000)),
        json!("Release notes\n".to_owned() + &"x".repeat(65_537)),
    ];
    for time in [
        "0001-01-01T00:00:00Z",
        "-009999-01-02T01:59:59Z",
        "9999-12-30T22:00:00.999999999Z",
        "9999-12-31T23:59:59.9999999Z",
        "10000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-03-10 25:00:00 UTC",
        "0000-00-00 00:00:00 UTC",
        "now",
        "soon",
    ] {
        values.push(json!(time));
    }
    values
}
