//! The arrows of `src/lib.rs`, enforced: who may name whom, which crates are used where, and how big a file gets.
//!
//! [`rules`] holds the tables; each rule is proved here by a violation that it must report. A new room gets a line in
//! `ARROWS`, a new family none.

mod rules;

use std::collections::BTreeSet;

use hummingbird_status::family::Family;

use crate::support::source::{Source, sources};
use crate::support::{files, project};
use rules::{LONGEST, LONGEST_SHELL, idle_exceptions, missing_files, violations};

fn families() -> Vec<&'static str> {
    Family::ALL.iter().map(|family| family.name()).collect()
}

#[test]
fn the_arrows_hold() {
    let sources = sources("src");
    let found = violations(&sources, &families());
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
    let idle = idle_exceptions(&sources);
    assert!(idle.is_empty(), "these files ask no clock any more, so they need no exception: {idle:?}");
}

/// A checker that finds no arrows would find no violations either.
#[test]
fn the_arrows_that_are_there_are_seen() {
    let mut seen = BTreeSet::new();
    for source in sources("src") {
        for named in source.paths() {
            seen.insert(format!("{} {}", source.path, named.segments.join("::")));
        }
    }
    for arrow in [
        "src/pipeline.rs crate::store::Store",
        "src/pipeline/commit.rs crate::clock::Deadline",
        "src/family.rs crate::konflux",
        "src/konflux/store.rs crate::store::Tx",
        "src/gitlab/store.rs tokio_postgres::Row",
        "src/kcidb/events.rs crate::outbox::Event",
        "src/store/mod.rs deadpool_postgres::Pool",
        "src/bin/ingest.rs hummingbird_status::pipeline::ingest",
        "src/config.rs std::env::var",
    ] {
        assert!(seen.contains(arrow), "not seen: {arrow}");
    }
}

#[test]
fn every_family_has_its_room_and_its_events() {
    let of = |folder: &str| files(folder, "").into_iter().map(move |(name, _)| format!("{folder}/{name}")).collect();
    let all: Vec<String> = [of("src"), of("events")].into_iter().flat_map(|list: Vec<String>| list).collect();
    let missing = missing_files(&families(), &all);
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(project("events/envelope").is_dir());
}

#[test]
fn a_missing_part_of_a_family_is_reported() {
    let files = ["src/a/mod.rs", "src/a/message.rs", "src/a/store/mod.rs", "events/a/x.json", "events/b/x.json"];
    let files = files.map(str::to_owned);
    let missing = ["a: no src/a/record.rs", "events/b/x.json: no family of that name in src/family.rs"];
    assert_eq!(missing_files(&["a"], &files), missing);
    assert_eq!(missing_files(&["a", "b"], &files).len(), 5);
}

/// Reports of one planted file, without its name.
fn planted(path: &str, text: &str) -> Vec<String> {
    let found = violations(&[Source::new(path, text)], &["konflux", "gitlab"]);
    found.iter().map(|report| report.strip_prefix(path).unwrap_or(report).to_owned()).collect()
}

#[test]
fn planted_arrows_are_reported() {
    for (path, text, report) in [
        ("src/konflux/rules.rs", "use crate::gitlab::Push;", ":1: konflux -> gitlab: names crate::gitlab::Push"),
        ("src/konflux/mod.rs", "\nuse super::gitlab;", ":2: konflux -> gitlab: names crate::gitlab"),
        (
            "src/konflux/message/mod.rs",
            "fn f() { crate::gitlab::f() }",
            ":1: konflux -> gitlab: names crate::gitlab::f",
        ),
        (
            "src/gitlab/store.rs",
            "use crate::{envelope, pipeline::X};",
            ":1: gitlab -> pipeline: names crate::pipeline::X",
        ),
        ("src/gitlab/record.rs", "use crate::clock;", ":1: gitlab -> clock: names crate::clock"),
        ("src/envelope/sns.rs", "use crate::store::Tx;", ":1: envelope -> store: names crate::store::Tx"),
        ("src/store/mod.rs", "use crate::family::Family;", ":1: store -> family: names crate::family::Family"),
        ("src/store/mod.rs", "use super::pipeline::X;", ":1: store -> pipeline: names crate::pipeline::X"),
        ("src/family.rs", "use crate::pipeline;", ":1: family -> pipeline: names crate::pipeline"),
        (
            "src/pipeline/read.rs",
            "use crate::konflux::Record;",
            ":1: pipeline -> konflux: names crate::konflux::Record",
        ),
        ("src/pipeline.rs", "use crate::config;", ":1: pipeline -> config: names crate::config"),
        ("src/config.rs", "use crate::family::Family;", ":1: config -> family: names crate::family::Family"),
        ("src/clock.rs", "use hummingbird_status::store;", ":1: clock -> store: names crate::store"),
        ("src/local/mod.rs", "use crate::config;", ":1: local -> config: names crate::config"),
        ("src/telemetry.rs", "use crate::family;", ":1: telemetry -> family: names crate::family"),
        ("src/worker.rs", "use crate::konflux;", ":1: worker -> konflux: names crate::konflux"),
        ("src/custom_resource.rs", "use crate::store;", ":1: custom_resource -> store: names crate::store"),
        (
            "src/cellar.rs",
            "use crate::store;",
            ":1: cellar -> store: the room cellar has no line in tests/it/architecture/rules.rs",
        ),
        ("src/a/b/c.rs", "use super::super::x;", ":1: super::super: say `crate::..` instead"),
    ] {
        assert!(planted(path, text).contains(&report.to_owned()), "{path}: {text}: {:?}", planted(path, text));
    }
}

#[test]
fn arrows_that_may_be_are_not_reported() {
    for (path, text) in [
        (
            "src/konflux/message/mod.rs",
            "use crate::konflux::record::X; use super::rules; use crate::envelope::{A, b::C};",
        ),
        ("src/konflux/mod.rs", "use super::store::Tx; use crate::outbox::Event;"),
        ("src/family.rs", "use crate::{gitlab, konflux}; use crate::store::Tx;"),
        ("src/config.rs", "use crate::family::Settings;\nfn f() { std::env::var(X) }"),
        ("src/bin/ingest.rs", "use hummingbird_status::{konflux, pipeline}; use crate::own; use lambda_runtime::run;"),
        ("src/bin/tool/a/b.rs", "use super::super::x;\n"),
        ("src/store/x.rs", "/// [`crate::gitlab`]\n// use crate::gitlab;\nconst A: &str = \"crate::gitlab\";"),
        ("src/store/y.rs", "#[cfg(test)]\nmod tests { use crate::gitlab; fn f() { x.unwrap(); Instant::now(); } }"),
        ("src/gitlab/store.rs", "async fn f() { tokio_postgres::Row; x().await }"),
    ] {
        let found: Vec<_> = planted(path, text).into_iter().filter(|report| !report.contains("super::super")).collect();
        assert!(found.is_empty(), "{path}: {found:?}");
    }
}

#[test]
fn planted_uses_of_crates_and_clocks_are_reported() {
    for (path, text, report) in [
        ("src/konflux/rules.rs", "use tokio_postgres::Row;", "tokio_postgres::Row: tokio_postgres only in"),
        ("src/pipeline.rs", "use deadpool_postgres as d;", "deadpool_postgres: deadpool_postgres only in"),
        ("src/worker.rs", "use lambda_runtime::Error;", "lambda_runtime::Error: lambda_runtime only in"),
        ("src/worker.rs", "use aws_lambda_events::sqs;", "aws_lambda_events::sqs: aws_lambda_events only in"),
        ("src/store/iam.rs", "let x = aws_sdk_s3::Client::new();", "aws_sdk_s3::Client::new: aws_sdk_* only in"),
        ("src/bin/ingest.rs", "aws_config::load().await", "aws_config::load: aws_config only in"),
        ("src/local/fetch.rs", "use {reqwest::Client};", "reqwest::Client: reqwest only in"),
        ("src/page/bots.rs", "use axum::routing::get;", "axum::routing::get: axum::routing only in"),
        ("src/worker/metrics.rs", "let x = Router::new();", "Router::new: Router::new only in"),
        ("src/telemetry.rs", "use std::{env, fmt};", "std::env: std::env only in"),
        ("src/store/mod.rs", "std::env::var(\"X\")", "std::env::var: std::env only in"),
        (
            "src/store/mod.rs",
            "let x = std::time::Instant::now();",
            "std::time::Instant::now: only src/clock.rs asks the time",
        ),
        ("src/pipeline.rs", "Timestamp::now()", "Timestamp::now: only src/clock.rs asks the time"),
        ("src/worker/sqs.rs", "SystemTime::now()", "SystemTime::now: only src/clock.rs asks the time"),
        ("src/gitlab/rules.rs", "chrono::Utc::now()", "chrono::Utc::now: only src/clock.rs asks the time"),
    ] {
        let found = planted(path, text);
        assert!(found.len() == 1 && found[0].contains(report), "{path}: {text}: {found:?}");
    }
    assert!(planted("src/pipeline.rs", "let x = Instant::now();").is_empty());
    let idle = idle_exceptions(&[Source::new("src/store/pool.rs", "SystemTime::now()")]);
    assert!(idle.contains(&"src/pipeline.rs") && !idle.contains(&"src/store/pool.rs"), "{idle:?}");
}

#[test]
fn planted_habits_are_reported() {
    let long = "x\n".repeat(LONGEST + 1);
    let shell = "x;\n".repeat(LONGEST_SHELL + 1);
    for (path, text, report) in [
        ("src/konflux/record.rs", "#[derive(Debug, Deserialize)]\nstruct X;", "Deserialize: foreign JSON"),
        ("src/gitlab/store.rs", "impl<'de> serde::Deserialize<'de> for X {}", "Deserialize: foreign JSON"),
        ("src/gitlab/message/push.rs", "async fn f() {}", "async: only `store` of a family"),
        ("src/clock.rs", "fn f() {\n    x.unwrap()\n}", ":2: unwrap or expect without"),
        ("src/clock.rs", "// Safety:\nx.expect(\"why\");", ":2: unwrap or expect without"),
        ("src/clock.rs", long.as_str(), "401 lines without tests, of at most 400"),
        ("src/bin/ingest.rs", shell.as_str(), "41 lines of code in the shell of a function, of at most 40"),
    ] {
        let found = planted(path, text);
        assert!(found.len() == 1 && found[0].contains(report), "{path}: {found:?}");
    }
    let fine = format!("{}#[cfg(test)]\nmod tests {{\n{}}}", "x\n".repeat(LONGEST), "y\n".repeat(LONGEST));
    assert!(planted("src/clock.rs", &fine).is_empty());
    assert!(planted("src/clock.rs", "// Unwrap safety: not empty.\nx.unwrap();").is_empty());
    assert!(planted("src/clock.rs", "health.expect(PART);").is_empty());
    assert!(planted("src/gitlab/message/push.rs", "#[derive(Deserialize)]\nstruct X;").is_empty());
    assert!(planted("src/bin/ingest.rs", &format!("//! d\n\n{}", "x;\n".repeat(LONGEST_SHELL))).is_empty());
}
