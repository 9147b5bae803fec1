//! The command `wait` as a process: exit status, result and lines about changes, with a database and with a server.

mod access;
mod server;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use hummingbird_status::checks::store::register_rules;
use hummingbird_status::ingest::ingest;
use hummingbird_status::platform::clock;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{self, Db, deadline, until};

const SHA: &str = "5a741616cdf07dc87c5adafe784321eeeb639e33";
/// Long enough for what must end by itself.
const LONG: &str = "1h";

/// A database whose verdicts settle at once.
async fn database() -> Db {
    let db = support::database().await;
    let rules = "[[rule]]\nsettle = '0s'\n";
    db.store.in_tx("rules", deadline(), async |tx| register_rules(tx, rules).await).await.unwrap();
    db
}

/// An event of EventBridge about a build of a commit, which began ten minutes ago.
fn build(pipeline: &str, repo: &str, sha: &str, state: &str) -> Value {
    let begun = clock::now() - SignedDuration::from_mins(10);
    let at = |minutes: i64| (begun + SignedDuration::from_mins(minutes)).strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let ended = matches!(state, "passed" | "failed" | "blocked" | "canceled");
    let minute = i64::from(ended);
    json!({
        "version": "0", "id": format!("{pipeline}-{repo}-{sha}-{state}"), "detail-type": "Build Finished",
        "source": "aws.partner/buildkite.com/acme/1", "time": at(minute).replacen(' ', "T", 1).replace(" UTC", "Z"),
        "detail": {
            "build": {"uuid": format!("{pipeline}-{repo}-{sha}"), "number": 1, "state": state, "branch": "main",
                "commit": sha, "started_at": at(0), "finished_at": ended.then(|| at(1))},
            "pipeline": {"uuid": pipeline, "slug": pipeline, "repo": format!("git@ghe.acme.example:{repo}.git")},
            "organization": {"uuid": "o", "slug": "acme"},
        },
    })
}

async fn take_in(db: &Db, events: &[Value]) {
    let delivery =
        |event: &Value| Delivery { id: "d".to_owned(), body: event.to_string().into_bytes(), ..Delivery::default() };
    let all: Vec<Delivery> = events.iter().map(delivery).collect();
    let report = ingest(&db.store, &all, &Settings::default(), deadline()).await;
    assert!(report.error.is_none(), "{:?}", report.error);
}

/// The state of the builds of the commit, by pipeline.
async fn states(db: &Db, builds: &[(&str, &str)]) {
    let events: Vec<Value> = builds.iter().map(|(pipeline, state)| build(pipeline, "acme/app", SHA, state)).collect();
    take_in(db, &events).await;
}

/// The end of a command.
#[derive(Debug)]
struct Ended {
    status: i32,
    output: String,
    errors: String,
}

/// A running command.
struct Waiting {
    child: Child,
    output: std::thread::JoinHandle<String>,
    lines: Arc<Mutex<Vec<String>>>,
    reader: std::thread::JoinHandle<()>,
}

impl Waiting {
    /// Starts `wait` with variables, of the database if given.
    fn start(arguments: &[&str], url: Option<&str>, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
        command.arg("wait").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in ["DATABASE_URL", "WAIT_URL", "WAIT_TOKEN", "WAIT_BASIC_AUTH", "AWS_ACCESS_KEY_ID", "HTTP_PROXY"] {
            command.env_remove(name);
        }
        let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
        if !variables.contains_key("HTTP_PROXY") {
            command.env("NO_PROXY", "*");
        }
        command.envs(variables).envs(url.map(|url| ("DATABASE_URL", url)));
        let mut child = command.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&lines);
        let output = std::thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).unwrap();
            text
        });
        let reader = std::thread::spawn(move || {
            errors.lines().map_while(Result::ok).for_each(|line| shared.lock().unwrap().push(line));
        });
        Self { child, output, lines, reader }
    }

    /// Waits for a line on standard error.
    async fn said(&self, text: &str) {
        until(text, async || self.lines.lock().unwrap().iter().any(|line| line.contains(text))).await;
    }

    async fn ended(self) -> Ended {
        let Self { mut child, output, lines, reader } = self;
        let end = move || {
            let status = child.wait().unwrap().code().unwrap();
            reader.join().unwrap();
            let errors = lines.lock().unwrap().join("\n");
            Ended { status, output: output.join().unwrap(), errors }
        };
        tokio::task::spawn_blocking(end).await.unwrap()
    }
}

async fn run(arguments: &[&str], url: Option<&str>, variables: &[(&str, &str)]) -> Ended {
    Waiting::start(arguments, url, variables).ended().await
}

/// Asks once.
async fn once(arguments: &[&str], db: &Db) -> Ended {
    run(&[arguments, &["--timeout", "0s"]].concat(), Some(&db.url), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verdict_has_its_exit_status() {
    for (builds, arguments, status, output) in [
        (&[("app", "passed")][..], &[][..], 0, "passed acme/app {sha}"),
        (&[("app", "failed"), ("lint", "passed")], &[], 1, "failed acme/app {sha}: failed buildkite:app"),
        (&[("app", "running")], &[], 3, "time over, pending acme/app {sha}: running buildkite:app"),
        (&[("app", "running"), ("lint", "failed")], &[], 3, "time over, failed acme/app {sha}: failed buildkite:lint"),
        (
            &[("app", "running"), ("lint", "failed")],
            &["--fail-fast"],
            1,
            "failed acme/app {sha}: failed buildkite:lint",
        ),
        (&[("app", "running"), ("lint", "passed")], &["--fail-fast"], 3, "time over, pending"),
        (&[("app", "blocked")], &[], 6, "blocked acme/app {sha}: held buildkite:app"),
        (&[("app", "blocked")], &["--no-hold"], 6, "blocked acme/app {sha}: held buildkite:app"),
        (&[("app", "passed")], &["--repo", "acme/app"], 0, "passed"),
        (&[("app", "passed")], &["--repo", "acme/other"], 4, "none acme/other {sha}: nothing is known of it"),
        (&[], &[], 4, "none {sha}: nothing is known of it"),
        (&[("app", "passed")], &["--required", "buildkite:a*,buildkite:?pp"], 0, "passed"),
        (
            &[("app", "passed")],
            &["--required", "buildkite:e2e", "--required", "*:app"],
            3,
            "time over, pending acme/app {sha}: missing buildkite:e2e",
        ),
    ] {
        let db = database().await;
        states(&db, builds).await;
        let ended = once(&[&[SHA], arguments].concat(), &db).await;
        let expected = output.replace("{sha}", SHA);
        assert_eq!(ended.status, status, "{builds:?} {arguments:?}: {ended:?}");
        assert!(ended.output.starts_with(&expected) && ended.output.lines().count() == 1, "{expected}: {ended:?}");
        let said = expected.strip_prefix("time over, ").unwrap_or(&expected);
        let lines: Vec<&str> = ended.errors.lines().collect();
        let has_time = lines[0].split(' ').next().unwrap().parse::<Timestamp>().is_ok();
        assert!(lines.len() == 1 && lines[0].contains(said) && has_time, "{said}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_has_its_exit_status() {
    let db = database().await;
    let other = SHA.replace("5a74", "5b74");
    take_in(
        &db,
        &[
            build("app", "acme/app", SHA, "passed"),
            build("app", "acme/fork", SHA, "passed"),
            build("app", "acme/app", &other, "passed"),
            build("app", "acme/app", &SHA.replace("33", "44"), "passed"),
        ],
    )
    .await;
    // Nothing of this waits for a time limit.
    for (arguments, said) in [
        (&["main"][..], "main: expected a commit"),
        (&["123"], "123: expected a commit"),
        (&["mr"], "which merge request?"),
        (&["mr", "acme/app"], "acme/app: expected a merge request"),
        (&["mr", "acme/app!x"], "acme/app!x: expected a merge request"),
        (&["mr", "acme/app!7", "--repo", "acme/other"], "--repo: the merge request is one of acme/app"),
        (&[SHA, "acme/app!7"], "expected a commit"),
        (&["5a74"], "several commits begin with these digits"),
        (&[SHA], "name one with --repo: none"),
        (&[SHA, "--url", "nonsense"], "--url: expected an http(s) URL"),
        (&[SHA, "--url", "ftp://status.acme.example"], "--url: expected an http(s) URL"),
        (&[SHA, "--url", "http://h/?x=1"], "--url: expected an http(s) URL"),
    ] {
        let ended = run(&[arguments, &["--timeout", LONG]].concat(), Some(&db.url), &[]).await;
        let is_clear = ended.errors.contains(&format!("error: {said}")) || ended.errors.contains(said);
        assert!(ended.status == 5 && is_clear && ended.output.is_empty(), "{arguments:?}: {ended:?}");
    }
    assert_eq!(run(&["5b74", "--timeout", LONG], Some(&db.url), &[]).await.status, 0);
    assert_eq!(run(&[SHA, "--repo", "acme/fork", "--timeout", LONG], Some(&db.url), &[]).await.status, 0);
    // A database that never answers.
    let away = "postgres://u:hunter2hunter2@127.0.0.1:1/x?sslmode=disable";
    let ended = run(&[SHA, "--timeout", "0s"], Some(away), &[]).await;
    assert!(ended.status == 5 && ended.errors.contains("cannot connect to PostgreSQL at 127.0.0.1:1"), "{ended:?}");
    assert!(!ended.errors.contains("hunter2"), "{ended:?}");
    for arguments in [&[][..], &[SHA, "--timeout", "soon"], &[SHA, "--timeout=-1s"], &[SHA, "--nonsense"]] {
        assert_eq!(run(arguments, Some(&db.url), &[]).await.status, 2, "{arguments:?}");
    }
}

/// A read-only command: without a database it is an error, and none is created.
#[tokio::test(flavor = "multi_thread")]
async fn no_database_is_created() {
    let folder = support::archive::Folder::new("wait-none");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
    command.args(["wait", SHA]).env_remove("DATABASE_URL").env_remove("WAIT_URL").current_dir(&folder.0);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(5) && errors.starts_with("error: there is no database in "), "{errors}");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_printed_until_the_end() {
    let db = database().await;
    let waiting = Waiting::start(&[SHA, "--required", "buildkite:app"], Some(&db.url), &[]);
    waiting.said("nothing is known").await;
    states(&db, &[("lint", "passed")]).await;
    waiting.said("pending acme/app").await;
    states(&db, &[("app", "running")]).await;
    waiting.said("running buildkite:app").await;
    states(&db, &[("app", "blocked")]).await;
    waiting.said("held buildkite:app").await;
    states(&db, &[("app", "passed")]).await;
    let ended = waiting.ended().await;
    assert_eq!((ended.status, ended.output), (0, format!("passed acme/app {SHA}\n")), "{}", ended.errors);
    let said: Vec<&str> = ended.errors.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    let of = |verdict: &str, why: &str| format!("{verdict} acme/app {SHA}{why}");
    assert_eq!(
        said,
        [
            format!("none {SHA}: nothing is known of it"),
            of("pending", ": missing buildkite:app"),
            of("pending", ": running buildkite:app"),
            of("blocked", ": held buildkite:app"),
            of("passed", ""),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_merge_request_is_waited_for() {
    let db = database().await;
    let head = async |sha: &str| {
        let sql = format!(
            "INSERT INTO gitlab_merge_requests AS m (project, iid, state, state_rank, draft, labels, version_at, source,
                message_id, message_at, sha, head_version_at)
            VALUES ('acme/app', 7, 'opened', 0, false, '{{}}', now(), 'webhook', 'm', now(), '{sha}', now())
            ON CONFLICT (project, iid) DO UPDATE SET sha = excluded.sha"
        );
        db.store.script(&sql, deadline()).await.unwrap();
    };
    let first = "a".repeat(40);
    let waiting = Waiting::start(&["mr", "acme/app!7"], Some(&db.url), &[]);
    waiting.said("none acme/app: nothing is known of it").await;
    head(&first).await;
    take_in(&db, &[build("app", "acme/app", &first, "running")]).await;
    waiting.said(&format!("pending acme/app {first}: running")).await;
    head(SHA).await;
    states(&db, &[("app", "failed")]).await;
    let ended = waiting.ended().await;
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.output.starts_with(&format!("failed acme/app {SHA}: failed buildkite:app")), "{ended:?}");
    assert_eq!(once(&["mr", "acme/app/7"], &db).await.status, 1);
    assert_eq!(once(&["mr", "acme/app/8"], &db).await.status, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_is_one_json_object() {
    let db = database().await;
    states(&db, &[("app", "failed"), ("lint", "passed")]).await;
    let json = |ended: &Ended| -> Value { serde_json::from_str(&ended.output).unwrap_or_else(|_| panic!("{ended:?}")) };
    let found = json(&once(&[SHA, "--json"], &db).await);
    let version = found["version"].clone();
    assert!(version.as_str().is_some_and(|version| version.len() > 8), "{found}");
    assert_eq!(
        found,
        json!({
            "host": "ghe.acme.example", "repo": "acme/app", "sha": SHA, "verdict": "failed", "settled": true,
            "reasons": [{"why": "failed", "of": ["buildkite:app"]}], "version": version,
            "counts": {"bad": 1, "ok": 1}, "result": "failed", "exit": 1,
        })
    );
    let found = json(&once(&["abcdef", "--json"], &db).await);
    assert_eq!((&found["result"], &found["exit"], &found["verdict"]), (&json!("none"), &json!(4), &json!("none")));
    let found = json(&once(&["nonsense", "--json"], &db).await);
    assert_eq!((&found["result"], &found["exit"], &found["verdict"]), (&json!("cannot_ask"), &json!(5), &json!(null)));
    assert!(found["error"].as_str().is_some_and(|error| error.contains("expected a commit")), "{found}");
}

/// PostgreSQL is away at the start and goes away again later.
#[tokio::test(flavor = "multi_thread")]
async fn it_survives_a_database_that_is_away() {
    let db = database().await;
    let database = hummingbird_status::db::from_url(&db.url).unwrap();
    let proxy = support::proxy::Proxy::start(database.target.port).await;
    proxy.close(true);
    let url = db.url.replace(&format!(":{}/", database.target.port), &format!(":{}/", proxy.port));
    assert_ne!(url, db.url);
    let waiting = Waiting::start(&[SHA], Some(&url), &[]);
    waiting.said("trying again: ").await;
    proxy.close(false);
    waiting.said("nothing is known").await;
    proxy.close(true);
    states(&db, &[("app", "running")]).await;
    proxy.close(false);
    waiting.said("running buildkite:app").await;
    proxy.cut();
    states(&db, &[("app", "passed")]).await;
    let ended = waiting.ended().await;
    assert_eq!((ended.status, ended.output), (0, format!("passed acme/app {SHA}\n")), "{}", ended.errors);
}
