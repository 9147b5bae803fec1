//! The arrows as tables, and what finds the code that goes against them.

use std::collections::BTreeSet;

use crate::support::source::{Named, Source};

/// What a room may name of the crate, besides itself: rooms, or paths in them. A room that is not here is reported.
const ARROWS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("aws", &["clock", "config", "https", "secret"]),
    (
        "checked",
        &[
            "aws::secrets",
            "clock",
            "config",
            "custom_resource",
            "deliver::targets",
            "failure",
            "intake",
            "outbox::registry",
            "store",
        ],
    ),
    ("custom_resource", &["https"]),
    ("served", &["aws::invoke", "aws::secrets", "config", "deliver", "failure", "intake", "page", "routing", "store"]),
    ("envelope", &["shown"]),
    ("extension", &[]),
    ("failure", &["store::chain"]),
    ("hex", &[]),
    ("https", &[]),
    ("local", &[]),
    ("routing", &[]),
    ("secret", &[]),
    ("serving", &["clock", "routing"]),
    ("shown", &[]),
    ("sorted", &[]),
    ("config", &["family::Settings", "secret"]),
    ("store", &["clock", "config", "envelope"]),
    // family.rs: and the families.
    ("family", &["envelope", "outbox", "store"]),
    ("pipeline", &["clock", "envelope", "family", "outbox", "store"]),
    ("outbox", &["store"]),
    (
        "reconcile",
        &["clock", "config", "envelope::Refusal", "family", "gitlab", "https", "outbox::Due", "store", "upkeep"],
    ),
    ("upkeep", &["bots", "clock", "config", "kcidb", "outbox::list", "store"]),
    ("deliver", &["aws", "clock", "config::Lookup", "https", "outbox", "routing", "secret", "store", "tasks"]),
    // And what families offer to read.
    (
        "page",
        &[
            "bots",
            "buildkite::reads",
            "clock",
            "config",
            "gitlab::reads",
            "kcidb::reads",
            "konflux::reads",
            "outbox::reads",
            "routing",
            "store",
            "travis::reads",
        ],
    ),
    ("telemetry", &["pipeline", "shown", "store"]),
    ("tasks", &[]),
    ("replay", &["clock", "envelope", "family", "pipeline", "store", "tasks"]),
    ("archive", &["aws", "clock", "config", "envelope", "family", "https", "pipeline", "store", "tasks"]),
    (
        "intake",
        &[
            "aws::invoke",
            "clock",
            "config",
            "envelope",
            "family",
            "kcidb",
            "pipeline",
            "routing",
            "secret",
            "serving",
            "store",
            "tasks",
            "telemetry",
            "travis",
        ],
    ),
    (
        "worker",
        &[
            "archive::mirror",
            "archive::s3",
            "aws",
            "clock",
            "config",
            "envelope",
            "family",
            "pipeline",
            "routing",
            "serving",
            "store",
            "tasks",
            "telemetry",
        ],
    ),
];

/// What every room may name: they know nothing but the standard library's types.
const OF_ALL: &[&str] = &["hex", "sorted"];

/// What a family may name; the same for all of them, so that none can name another.
const OF_A_FAMILY: &[&str] = &["envelope", "store", "outbox"];

/// Crates (`*` at the end for any that begin so) or paths, and where alone they may be named. `{family}` stands for each.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("tokio_postgres", &["src/store/", "src/{family}/store.rs", "src/{family}/store/"]),
    ("deadpool_postgres", &["src/store/", "src/{family}/store.rs", "src/{family}/store/"]),
    ("lambda_runtime", &["src/bin/", "src/failure.rs"]),
    ("lambda_http", &["src/bin/"]),
    ("aws_lambda_events", &["src/envelope/", "src/pipeline.rs", "src/pipeline/", "src/bin/"]),
    ("aws_sdk_*", &["src/archive", "src/deliver", "src/worker"]),
    ("aws_config", &["src/archive", "src/aws", "src/deliver", "src/worker"]),
    ("aws_smithy_*", &["src/aws"]),
    ("reqwest", &["src/aws", "src/custom_resource.rs", "src/https.rs", "src/deliver", "src/reconcile"]),
    // So that every answer that is no success is explained.
    ("axum::routing", &["src/routing.rs"]),
    ("Router::new", &["src/routing.rs"]),
    ("std::env", &["src/config.rs", "src/local/", "src/bin/"]),
];

/// What asks a clock. Only [`CLOCK`] does, so that time can be given everywhere else.
const NOW: &[&str] = &["Timestamp::now", "Zoned::now", "Instant::now", "SystemTime::now", "Utc::now"];
const CLOCK: &str = "src/clock.rs";

/// Files that ask a clock all the same, what they ask, and why. One that no longer does is reported.
pub const CLOCK_EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("src/pipeline.rs", "Instant::now", "measures how long reading and writing took; decides nothing"),
    ("src/store/pool.rs", "SystemTime::now", "a token for IAM is valid from the moment of the connection"),
    ("src/local/server.rs", "Instant::now", "waits for PostgreSQL on this machine; `local` names no other room"),
    ("src/worker/mod.rs", "Instant::now", "how long the database has been silent, for /healthz"),
    ("src/worker/health.rs", "Instant::now", "when a part worked last, for /healthz"),
    ("src/worker/metrics.rs", "Instant::now", "answers /healthz by both"),
];

/// A file has at most so many lines besides its tests.
pub const LONGEST: usize = 400;
/// The shell of a Lambda function has at most so many lines of code.
pub const LONGEST_SHELL: usize = 40;

/// All that is wrong with the sources, as `file:line: what`, sorted.
pub fn violations(sources: &[Source], families: &[&str]) -> Vec<String> {
    let mut found: BTreeSet<(&str, usize, String)> = BTreeSet::new();
    for source in sources {
        let mut report = |line: usize, what: String| {
            found.insert((&source.path, line, what));
        };
        for named in source.paths() {
            for what in [arrow(source, &named, families), outside_crate(source, &named, families)].into_iter().flatten()
            {
                report(named.line, what);
            }
            if named.segments.starts_with(&["super".to_owned(), "super".to_owned()]) {
                report(named.line, "super::super: say `crate::..` instead".to_owned());
            }
        }
        family_rules(source, families, &mut report);
        sizes(source, &mut report);
        unwraps(source, &mut report);
    }
    found.into_iter().map(|(path, line, what)| format!("{path}:{line}: {what}")).collect()
}

/// The modules of a file from the root of the crate: `["konflux", "message", "status"]`; none for lib.rs.
fn module(path: &str) -> Vec<&str> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).collect()
}

/// Where a path leads in the crate; `None` when it leads out of it, or is relative to something local.
fn target<'n>(source: &'n Source, named: &'n Named) -> Option<Vec<&'n str>> {
    let module = module(&source.path);
    let segments: Vec<&str> = named.segments.iter().map(String::as_str).collect();
    let in_bin = module.first() == Some(&"bin");
    match segments.split_first()? {
        (&"hummingbird_status", rest) => Some(rest.to_vec()),
        // `crate` and `super` of a program are the program.
        (&("crate" | "super" | "self"), _) if in_bin => None,
        (&"crate", rest) => Some(rest.to_vec()),
        (&"super", _) => {
            let up = segments.iter().take_while(|segment| **segment == "super").count();
            let base = &module[..module.len().saturating_sub(up)];
            Some([base, &segments[up..]].concat())
        }
        _ => None,
    }
}

/// An arrow between rooms that must not be.
fn arrow(source: &Source, named: &Named, families: &[&str]) -> Option<String> {
    let target = target(source, named)?;
    let &to = target.first()?;
    let from = *module(&source.path).first()?;
    if from == "bin" || from == to || OF_ALL.contains(&to) {
        return None;
    }
    let allowed: &[&str] = match ARROWS.iter().find(|(room, _)| *room == from) {
        _ if families.contains(&from) => OF_A_FAMILY,
        Some((_, allowed)) => allowed,
        None => return Some(format!("{from} -> {to}: the room {from} has no line in tests/it/architecture/rules.rs")),
    };
    let fits = |allowed: &&str| target.starts_with(&allowed.split("::").collect::<Vec<_>>());
    let of_all = from == "family" && families.contains(&to);
    let path = target.join("::");
    (!of_all && !allowed.iter().any(fits)).then(|| format!("{from} -> {to}: names crate::{path}"))
}

/// Something outside of the crate that is named where it must not be.
fn outside_crate(source: &Source, named: &Named, families: &[&str]) -> Option<String> {
    let path = named.segments.join("::");
    for (name, places) in ONLY_IN {
        let is_it = match name.strip_suffix('*') {
            Some(start) => named.segments[0].starts_with(start),
            None => path == *name || path.starts_with(&format!("{name}::")),
        };
        let expanded =
            |place: &&str| families.iter().map(|family| place.replace("{family}", family)).collect::<Vec<_>>();
        if is_it && !places.iter().flat_map(expanded).any(|place| source.path.starts_with(&place)) {
            return Some(format!("{path}: {name} only in {}", places.join(", ")));
        }
    }
    let asks = NOW.iter().find(|now| path == **now || path.ends_with(&format!("::{now}")))?;
    let excepted = CLOCK_EXCEPTIONS.iter().any(|(file, what, _)| *file == source.path && what == asks);
    (source.path != CLOCK && !excepted).then(|| format!("{path}: only {CLOCK} asks the time"))
}

/// Exceptions from the rule about clocks that are needed no more.
pub fn idle_exceptions(sources: &[Source]) -> Vec<&'static str> {
    let asks =
        |source: &Source, what: &str| source.paths().iter().any(|named| named.segments.join("::").ends_with(what));
    let needed = |(file, what, _): &&(&str, &str, &str)| sources.iter().any(|s| s.path == *file && asks(s, what));
    CLOCK_EXCEPTIONS.iter().filter(|exception| !needed(exception)).map(|(file, ..)| *file).collect()
}

/// What holds inside of a family: foreign JSON is read in `message` only, and only `store` waits for anything.
fn family_rules(source: &Source, families: &[&str], report: &mut impl FnMut(usize, String)) {
    let module = module(&source.path);
    if !module.first().is_some_and(|room| families.contains(room)) {
        return;
    }
    let part = module.get(1).copied().unwrap_or_default();
    for named in source.paths() {
        let last = named.segments.last().map_or("", String::as_str);
        if last == "Deserialize" && part != "message" {
            report(named.line, "Deserialize: foreign JSON is read in `message` only".to_owned());
        }
        if matches!(last, "async" | "await") && part != "store" {
            report(named.line, format!("{last}: only `store` of a family waits for anything"));
        }
    }
}

fn sizes(source: &Source, report: &mut impl FnMut(usize, String)) {
    let lines = source.text.lines().count() - source.test_lines;
    if lines > LONGEST {
        report(LONGEST, format!("{lines} lines without tests, of at most {LONGEST}"));
    }
    let shell = source.path.strip_prefix("src/bin/").is_some_and(|file| !file.contains('/'));
    let lines = source.lines_of_code();
    if shell && lines > LONGEST_SHELL {
        report(LONGEST_SHELL, format!("{lines} lines of code in the shell of a function, of at most {LONGEST_SHELL}"));
    }
}

fn unwraps(source: &Source, report: &mut impl FnMut(usize, String)) {
    let lines: Vec<&str> = source.text.lines().collect();
    let unwraps = source.code.match_indices(".unwrap()").map(|(at, _)| at);
    // With a text: a method of our own may be called `expect` as well.
    let expects = source.code.match_indices(".expect(").filter(|(at, found)| {
        let argument = source.text[at + found.len()..].trim_start();
        argument.starts_with(['"', '&'])
    });
    for at in unwraps.chain(expects.map(|(at, _)| at)) {
        let line = source.line_of(at);
        if line == 1 || !lines[line - 2].trim_start().starts_with("// Unwrap safety:") {
            report(line, "unwrap or expect without `// Unwrap safety: ..` on the line before".to_owned());
        }
    }
}

/// What is missing of the rooms of the families, given all files of the project as paths.
pub fn missing_files(families: &[&str], files: &[String]) -> Vec<String> {
    let is_there =
        |path: &str| files.iter().any(|file| file == path || (path.ends_with('/') && file.starts_with(path)));
    let mut missing = Vec::new();
    for family in families {
        for wanted in [
            &["mod.rs"][..],
            &["message.rs", "message/mod.rs"],
            &["record.rs"],
            &["store.rs", "store/mod.rs"],
            &["../../events/"],
        ] {
            let paths = wanted.iter().map(|file| match file.strip_prefix("../../") {
                Some(folder) => format!("{folder}{family}/"),
                None => format!("src/{family}/{file}"),
            });
            let paths: Vec<String> = paths.collect();
            if !paths.iter().any(|path| is_there(path)) {
                missing.push(format!("{family}: no {}", paths.join(" and no ")));
            }
        }
    }
    for file in files {
        let folder = file.strip_prefix("events/").and_then(|rest| rest.split_once('/')).map(|(folder, _)| folder);
        if folder.is_some_and(|folder| folder != "envelope" && !families.contains(&folder)) {
            missing.push(format!("{file}: no family of that name in src/family.rs"));
        }
    }
    missing
}
