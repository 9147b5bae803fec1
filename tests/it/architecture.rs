//! The layers and dependencies of `src/README.md`, enforced: which module uses which, which crates and tables are used
//! where, that nothing uses itself over others, and how long a file gets.
//!
//! [`rules`] holds the tables; each rule is proved here by a planted violation that it must report. A new module gets a
//! line in
//! `DEPENDENCIES`, a new source none.

mod cycles;
mod rules;
mod tables;

use std::collections::BTreeSet;

use hummingbird_status::sources::Source as CiSource;

use crate::support::source::{Source, sources};
use crate::support::{files, project};
use rules::{DEPENDENCIES, LONGEST, LONGEST_SHELL, layer_violations, missing_files, unneeded_exceptions, violations};

fn names() -> Vec<&'static str> {
    CiSource::ALL.iter().map(|source| source.name()).collect()
}

#[test]
fn dependencies_are_as_listed() {
    let sources = sources("src");
    let found = violations(&sources, &names());
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
    let unneeded = unneeded_exceptions(&sources);
    assert!(unneeded.is_empty(), "these files read no clock any more, so they need no exception: {unneeded:?}");
    let upward = layer_violations(DEPENDENCIES);
    assert!(upward.is_empty(), "dependencies on a higher layer:\n{}", upward.join("\n"));
}

#[test]
fn there_are_no_cycles() {
    let found = cycles::cycles(&sources("src"));
    assert!(found.is_empty(), "cycles of files:\n{}", found.iter().map(|c| c.join(" ")).collect::<Vec<_>>().join("\n"));
}

#[test]
fn statements_name_only_tables_of_modules_that_theirs_may_use() {
    let statements = statements();
    assert!(statements.len() > 200, "{} statements", statements.len());
    let found = tables::violations(&statements, &schema());
    assert!(found.is_empty(), "{}", found.join("\n"));
    let unneeded = tables::unneeded_exceptions(&statements);
    assert!(unneeded.is_empty(), "exceptions that are no longer needed: {unneeded:?}");
}

/// All statements, by their paths.
fn statements() -> Vec<(String, String)> {
    let all = files("src", ".sql").into_iter().filter(|(name, _)| !name.starts_with("db/migrations/"));
    all.map(|(name, text)| (format!("src/{name}"), String::from_utf8(text).unwrap())).collect()
}

/// Names of all tables and views that migrations make.
fn schema() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, text) in files("src/db/migrations", ".sql") {
        let text = String::from_utf8(text).unwrap().replace("IF NOT EXISTS ", "").replace("OR REPLACE ", "");
        let words: Vec<&str> = text.split_whitespace().collect();
        for at in words.windows(3).filter(|at| at[0] == "CREATE" && matches!(at[1], "TABLE" | "VIEW")) {
            let name: String = at[2].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if !name.ends_with("_default") {
                found.insert(name);
            }
        }
    }
    found
}

/// A checker that sees no dependencies would find no violations either.
#[test]
fn dependencies_that_are_there_are_seen() {
    let mut seen = BTreeSet::new();
    for source in sources("src") {
        for named in source.paths() {
            seen.insert(format!("{} {}", source.path, named.segments.join("::")));
        }
    }
    for dependency in [
        "src/ingest/mod.rs crate::db::Store",
        "src/ingest/commit.rs crate::platform::clock::Deadline",
        "src/sources/konflux/store/mod.rs crate::db::Tx",
        "src/sources/gitlab/store/mod.rs tokio_postgres::Row",
        "src/sources/kcidb/events.rs crate::outbox::Event",
        "src/db/mod.rs deadpool_postgres::Pool",
        "src/bin/ingest.rs hummingbird_status::ingest::ingest",
        "src/platform/environment/mod.rs std::env::var",
    ] {
        assert!(seen.contains(dependency), "not seen: {dependency}");
    }
    let graph = cycles::graph(&sources("src"));
    // By name, over a module that passes the name on, and through an alias of a module.
    for (from, to) in [
        ("outbox::texts", "outbox::due"),
        ("ingest::commit", "db::rejected"),
        ("web::releases", "web::lists"),
        ("db::pool", "db::tls"),
    ] {
        assert!(graph[from].contains(to), "not seen: {from} -> {to}: {:?}", graph[from]);
    }
}

#[test]
fn every_source_has_its_folder_and_its_events() {
    let of = |folder: &str| files(folder, "").into_iter().map(move |(name, _)| format!("{folder}/{name}")).collect();
    let all: Vec<String> = [of("src"), of("events")].into_iter().flat_map(|list: Vec<String>| list).collect();
    let missing = missing_files(&names(), &all);
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(project("events/envelope").is_dir());
}

#[test]
fn a_missing_part_of_a_source_is_reported() {
    let files = ["mod.rs", "message.rs", "store/mod.rs", "store/sql/x.sql"].map(|file| format!("src/sources/a/{file}"));
    let files = [&files[..], &["events/a/x.json".to_owned(), "events/b/x.json".to_owned()]].concat();
    let missing = ["a: no src/sources/a/record.rs", "events/b/x.json: no source of that name in src/sources/mod.rs"];
    assert_eq!(missing_files(&["a"], &files), missing);
    assert_eq!(missing_files(&["a", "b"], &files).len(), 6);
}

/// Reports of one planted file, without its name.
fn planted(path: &str, text: &str) -> Vec<String> {
    let found = violations(&[Source::new(path, text)], &["konflux", "gitlab"]);
    found.iter().map(|report| report.strip_prefix(path).unwrap_or(report).to_owned()).collect()
}

#[test]
fn planted_dependencies_are_reported() {
    for (path, text, report) in [
        (
            "src/sources/konflux/rules.rs",
            "use crate::sources::gitlab::Push;",
            ":1: sources::konflux -> sources::gitlab::Push",
        ),
        ("src/sources/konflux/mod.rs", "\nuse super::gitlab;", ":2: sources::konflux -> sources::gitlab"),
        (
            "src/sources/konflux/message/mod.rs",
            "fn f() { crate::sources::gitlab::f() }",
            ":1: sources::konflux -> sources::gitlab::f",
        ),
        ("src/sources/gitlab/store/mod.rs", "use crate::{transport, ingest::X};", ":1: sources::gitlab -> ingest::X"),
        ("src/sources/gitlab/record.rs", "use crate::platform::clock;", ":1: sources::gitlab -> platform::clock"),
        ("src/transport/sns.rs", "use crate::db::Tx;", ":1: transport -> db::Tx"),
        ("src/db/mod.rs", "use crate::sources::Source;", ":1: db -> sources::Source"),
        ("src/db/mod.rs", "use super::ingest::X;", ":1: db -> ingest::X"),
        ("src/sources/mod.rs", "use crate::ingest;", ":1: sources -> ingest"),
        ("src/outbox/plan.rs", "use crate::checks::X;", ":1: outbox -> checks::X"),
        ("src/ingest/mod.rs", "use crate::platform::environment;", ":1: ingest -> platform::environment"),
        (
            "src/platform/environment/mod.rs",
            "use crate::sources::Source;",
            ":1: platform::environment -> sources::Source",
        ),
        (
            "src/platform/clock.rs",
            "use crate::platform::secret::Secret;",
            ":1: platform::clock -> platform::secret::Secret",
        ),
        ("src/platform/clock.rs", "use hummingbird_status::db;", ":1: platform::clock -> db"),
        ("src/local/mod.rs", "use crate::platform::environment;", ":1: local -> platform::environment"),
        ("src/worker/mod.rs", "use crate::sources::konflux;", ":1: worker -> sources::konflux"),
        ("src/cellar.rs", "use crate::db;", ":1: cellar -> db: cellar has no line in tests/it/architecture/rules.rs"),
        ("src/a/b/c.rs", "use super::super::x;", ":1: super::super: say `crate::..` instead"),
    ] {
        assert!(planted(path, text).contains(&report.to_owned()), "{path}: {text}: {:?}", planted(path, text));
    }
    assert_eq!(layer_violations(&[("db", &["outbox"])]), ["db -> outbox: layers Some(7) and Some(6)"]);
    assert_eq!(layer_violations(&[("cellar", &["db"])]).len(), 1);
}

#[test]
fn dependencies_that_are_allowed_are_not_reported() {
    for (path, text) in [
        (
            "src/sources/konflux/message/mod.rs",
            "use crate::sources::konflux::record::X; use super::rules; use crate::transport::{A, b::C};",
        ),
        ("src/sources/konflux/mod.rs", "use self::store::Tx; use crate::outbox::Event;"),
        ("src/sources/mod.rs", "use crate::sources::{gitlab, konflux}; use crate::db::Tx;"),
        ("src/platform/environment/mod.rs", "use crate::platform::secret::Secret;\nfn f() { std::env::var(X) }"),
        ("src/bin/ingest.rs", "use hummingbird_status::{ingest, sources}; use crate::own; use lambda_runtime::run;"),
        ("src/bin/tool/a/b.rs", "use super::super::x;\n"),
        ("src/db/x.rs", "/// [`crate::sources`]\n// use crate::sources;\nconst A: &str = \"crate::sources\";"),
        ("src/db/y.rs", "#[cfg(test)]\nmod tests { use crate::sources; fn f() { x.unwrap(); Instant::now(); } }"),
        ("src/sources/gitlab/store/mod.rs", "async fn f() { tokio_postgres::Row; x().await }"),
    ] {
        let found: Vec<_> = planted(path, text).into_iter().filter(|report| !report.contains("super::super")).collect();
        assert!(found.is_empty(), "{path}: {found:?}");
    }
}

#[test]
fn planted_cycles_are_reported() {
    let cycle = |files: &[(&str, &str)]| {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        cycles::cycles(&sources)
    };
    let of = |names: &[&str]| vec![names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()];
    assert_eq!(cycle(&[("src/a/x.rs", "use super::y::Y;"), ("src/a/y.rs", "use super::x;")]), of(&["a::x", "a::y"]));
    // Over three modules, by a name that is passed on, and by a path in the code.
    let long = [
        ("src/a/mod.rs", "mod x; pub use self::x::X;"),
        ("src/a/x.rs", "use crate::b::f;"),
        ("src/b.rs", "pub fn f() { crate::c::g() }"),
        ("src/c.rs", "use crate::a::X;"),
    ];
    assert_eq!(cycle(&long), of(&["a::x", "b", "c"]));
    // A file uses what its folder shares, and a name that another file merely passes on.
    let fine = [
        ("src/a/mod.rs", "mod x; mod y; pub use self::x::X; fn f() { x::f() } pub struct A;"),
        ("src/a/x.rs", "use super::A;"),
        ("src/a/y.rs", "use super::X;"),
    ];
    assert_eq!(cycle(&fine), Vec::<Vec<String>>::new());
}

#[test]
fn planted_tables_are_reported() {
    let schema: BTreeSet<String> = ["gitlab_pushes", "outbox", "cellars"].map(str::to_owned).into();
    let report = |path: &str, sql: &str| tables::violations(&[(path.to_owned(), sql.to_owned())], &schema);
    let konflux = "src/sources/konflux/store/sql/x.sql";
    assert_eq!(
        report(konflux, "SELECT 1 FROM outbox, gitlab_pushes -- FROM cellars"),
        [format!("{konflux}: gitlab_pushes belongs to sources::gitlab")]
    );
    assert_eq!(report("src/db/sql/x.sql", "DELETE FROM ONLY outbox;").len(), 1);
    assert_eq!(report("src/db/sql/x.sql", "SELECT 1 FROM cellars").len(), 1);
    assert!(
        report("src/sources/gitlab/store/sql/x.sql", "INSERT INTO outbox SELECT 'FROM cellars' FROM gitlab_pushes")
            .is_empty()
    );
    assert!(report("src/reports/sql/x.sql", "SELECT 1 FROM gitlab_pushes JOIN outbox USING (id)").is_empty());
}

#[test]
fn planted_uses_of_crates_and_clocks_are_reported() {
    for (path, text, report) in [
        ("src/sources/konflux/rules.rs", "use tokio_postgres::Row;", "tokio_postgres::Row: tokio_postgres only in"),
        ("src/ingest/mod.rs", "use deadpool_postgres as d;", "deadpool_postgres: deadpool_postgres only in"),
        ("src/worker/mod.rs", "use lambda_runtime::Error;", "lambda_runtime::Error: lambda_runtime only in"),
        ("src/worker/mod.rs", "use aws_lambda_events::sqs;", "aws_lambda_events::sqs: aws_lambda_events only in"),
        ("src/db/iam.rs", "let x = aws_sdk_s3::Client::new();", "aws_sdk_s3::Client::new: aws_sdk_* only in"),
        ("src/bin/ingest.rs", "aws_config::load().await", "aws_config::load: aws_config only in"),
        ("src/local/fetch.rs", "use {reqwest::Client};", "reqwest::Client: reqwest only in"),
        ("src/web/bots.rs", "use axum::routing::get;", "axum::routing::get: axum::routing only in"),
        ("src/worker/metrics.rs", "let x = Router::new();", "Router::new: Router::new only in"),
        ("src/platform/telemetry.rs", "use std::{env, fmt};", "std::env: std::env only in"),
        ("src/db/mod.rs", "std::env::var(\"X\")", "std::env::var: std::env only in"),
        (
            "src/db/mod.rs",
            "let x = std::time::Instant::now();",
            "std::time::Instant::now: only src/platform/clock.rs reads the time",
        ),
        ("src/ingest/mod.rs", "Timestamp::now()", "Timestamp::now: only src/platform/clock.rs reads the time"),
        ("src/worker/sqs/mod.rs", "SystemTime::now()", "SystemTime::now: only src/platform/clock.rs reads the time"),
        ("src/sources/gitlab/rules.rs", "chrono::Utc::now()", "Utc::now: only src/platform/clock.rs reads the time"),
    ] {
        let found = planted(path, text);
        assert!(found.len() == 1 && found[0].contains(report), "{path}: {text}: {found:?}");
    }
    assert!(planted("src/ingest/mod.rs", "let x = Instant::now();").is_empty());
    let unneeded = unneeded_exceptions(&[Source::new("src/db/pool.rs", "SystemTime::now()")]);
    assert!(unneeded.contains(&"src/ingest/mod.rs") && !unneeded.contains(&"src/db/pool.rs"), "{unneeded:?}");
}

#[test]
fn planted_habits_are_reported() {
    let long = "x\n".repeat(LONGEST + 1);
    let shell = "x;\n".repeat(LONGEST_SHELL + 1);
    for (path, text, report) in [
        ("src/sources/konflux/record.rs", "#[derive(Debug, Deserialize)]\nstruct X;", "Deserialize: foreign JSON"),
        ("src/sources/gitlab/store/mod.rs", "impl<'de> serde::Deserialize<'de> for X {}", "Deserialize: foreign JSON"),
        ("src/sources/gitlab/message/push.rs", "async fn f() {}", "async: only `store` of a source"),
        ("src/platform/clock.rs", "fn f() {\n    x.unwrap()\n}", ":2: unwrap or expect without"),
        ("src/platform/clock.rs", "// Safety:\nx.expect(\"why\");", ":2: unwrap or expect without"),
        ("src/platform/clock.rs", long.as_str(), "401 lines without tests, of at most 400"),
        ("src/bin/ingest.rs", shell.as_str(), "41 lines of code in the shell of a function, of at most 40"),
    ] {
        let found = planted(path, text);
        assert!(found.len() == 1 && found[0].contains(report), "{path}: {found:?}");
    }
    let fine = format!("{}#[cfg(test)]\nmod tests {{\n{}}}", "x\n".repeat(LONGEST), "y\n".repeat(LONGEST));
    assert!(planted("src/platform/clock.rs", &fine).is_empty());
    assert!(planted("src/platform/clock.rs", "// Unwrap safety: not empty.\nx.unwrap();").is_empty());
    assert!(planted("src/platform/clock.rs", "health.expect(PART);").is_empty());
    assert!(planted("src/sources/gitlab/message/push.rs", "#[derive(Deserialize)]\nstruct X;").is_empty());
    assert!(planted("src/bin/ingest.rs", &format!("//! d\n\n{}", "x;\n".repeat(LONGEST_SHELL))).is_empty());
}
