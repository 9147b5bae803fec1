//! The allowed dependencies as tables, and what finds the code that goes against them.

use std::collections::BTreeSet;

use crate::support::source::{Named, Source};

/// The layers from top to bottom. A module uses modules of lower layers, and those of its own that [`DEPENDENCIES`]
/// names.
pub const LAYERS: &[&[&str]] = &[
    &["programs::deploy", "programs::web"],
    &["worker", "web", "submit"],
    &["archive", "reconcile", "deliver", "maintenance", "reports"],
    &["ingest"],
    &["sources"],
    &["checks"],
    &["outbox"],
    &["db"],
    &["transport"],
    &["platform::aws", "platform::custom_resource", "platform::serving"],
    &["platform::environment", "platform::https", "platform::routing"],
    &[
        "local",
        "platform::clock",
        "platform::escape",
        "platform::extension",
        "platform::failure",
        "platform::hex",
        "platform::secret",
        "platform::shutdown",
        "platform::telemetry",
    ],
];

/// What a module may use of the crate, besides itself: modules, or paths in them. A module that is not here is
/// reported. Modules of
/// `platform` and `programs` stand for themselves; `sources` is the list of sources, and each source has
/// [`OF_A_SOURCE`].
pub const DEPENDENCIES: &[(&str, &[&str])] = &[
    ("local", &[]),
    ("platform::aws", &["platform::clock", "platform::environment", "platform::https", "platform::secret"]),
    ("platform::clock", &[]),
    ("platform::custom_resource", &["platform::https"]),
    ("platform::environment", &["platform::secret"]),
    ("platform::escape", &[]),
    ("platform::extension", &[]),
    ("platform::failure", &[]),
    ("platform::hex", &[]),
    ("platform::https", &[]),
    ("platform::routing", &[]),
    ("platform::secret", &[]),
    ("platform::serving", &["platform::clock", "platform::routing"]),
    ("platform::shutdown", &[]),
    ("platform::telemetry", &["platform::escape"]),
    ("transport", &["platform::escape"]),
    ("db", &["platform::aws", "platform::clock", "platform::environment", "platform::failure", "transport"]),
    ("outbox", &["db"]),
    ("checks", &["db", "outbox", "platform::environment", "platform::hex"]),
    ("sources", &["checks", "db", "outbox", "platform::environment", "transport"]),
    (
        "ingest",
        &[
            "checks",
            "db",
            "outbox",
            "platform::clock",
            "platform::failure",
            "platform::shutdown",
            "sources",
            "transport",
        ],
    ),
    ("reports", &["checks", "db", "outbox::State", "platform::clock", "transport::time"]),
    (
        "maintenance",
        &[
            "db",
            "outbox::list",
            "platform::clock",
            "platform::environment",
            "platform::failure",
            "sources::bots",
            "sources::kcidb",
        ],
    ),
    (
        "deliver",
        &[
            "checks",
            "db",
            "outbox",
            "platform::aws",
            "platform::clock",
            "platform::environment",
            "platform::failure",
            "platform::https",
            "platform::routing",
            "platform::secret",
            "platform::shutdown",
            "reports",
        ],
    ),
    (
        "reconcile",
        &[
            "checks::Touched",
            "db",
            "maintenance",
            "outbox::Due",
            "platform::clock",
            "platform::environment",
            "platform::failure",
            "platform::https",
            "sources::Source",
            "sources::Settings",
            "sources::Task",
            "sources::Tasks",
            "sources::write_checks",
            "sources::gitlab",
            "transport::Rejection",
        ],
    ),
    (
        "archive",
        &[
            "db",
            "ingest",
            "platform::aws",
            "platform::clock",
            "platform::environment",
            "platform::failure",
            "platform::https",
            "platform::shutdown",
            "sources::Settings",
            "sources::Source",
            "transport",
        ],
    ),
    (
        "submit",
        &[
            "db",
            "ingest",
            "platform::aws::invoke",
            "platform::clock",
            "platform::environment",
            "platform::failure",
            "platform::routing",
            "platform::secret",
            "platform::serving",
            "platform::shutdown",
            "sources::Record",
            "sources::Source",
            "sources::Settings",
            "sources::kcidb",
            "sources::travis",
            "transport",
        ],
    ),
    // And what sources offer to read.
    (
        "web",
        &[
            "checks",
            "db",
            "outbox::State",
            "outbox::reads",
            "platform::clock",
            "platform::environment",
            "platform::failure",
            "platform::routing",
            "platform::secret",
            "reports",
            "sources::Source",
            "sources::bots",
            "sources::buildkite::reads",
            "sources::gitlab::reads",
            "sources::kcidb::reads",
            "sources::konflux::reads",
            "sources::travis::reads",
        ],
    ),
    (
        "worker",
        &[
            "archive::mirror",
            "archive::s3",
            "db",
            "ingest",
            "platform::aws",
            "platform::clock",
            "platform::environment",
            "platform::failure",
            "platform::routing",
            "platform::serving",
            "platform::shutdown",
            "sources::Settings",
            "transport",
        ],
    ),
    (
        "programs::deploy",
        &[
            "checks",
            "db",
            "deliver::targets",
            "outbox::registry",
            "platform::aws::secrets",
            "platform::clock",
            "platform::custom_resource",
            "platform::environment",
            "platform::failure",
            "sources::Settings",
            "submit",
        ],
    ),
    (
        "programs::web",
        &[
            "db",
            "deliver",
            "platform::aws::invoke",
            "platform::aws::secrets",
            "platform::environment",
            "platform::failure",
            "platform::routing",
            "sources::Settings",
            "submit",
            "web",
        ],
    ),
];

/// What every module may use: it knows nothing but the standard library's types.
const OF_ALL: &[&str] = &["platform::hex"];

/// What a source may use; the same for all of them, so that none can use another.
pub const OF_A_SOURCE: &[&str] = &["checks", "db", "outbox", "transport"];

/// Crates (`*` at the end for any that begin so) or paths, and where alone they may be used. `{source}` stands for each
/// source.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("tokio_postgres", &["src/checks/store/", "src/db/", "src/reports/", "src/sources/{source}/store/"]),
    ("deadpool_postgres", &["src/db/"]),
    ("lambda_runtime", &["src/bin/", "src/platform/failure.rs"]),
    ("lambda_http", &["src/bin/"]),
    ("aws_lambda_events", &["src/transport/", "src/ingest/", "src/bin/"]),
    ("aws_sdk_*", &["src/archive/", "src/deliver/", "src/worker/"]),
    ("aws_config", &["src/archive/", "src/platform/aws/", "src/deliver/", "src/worker/"]),
    ("aws_smithy_*", &["src/platform/aws/"]),
    (
        "reqwest",
        &[
            "src/platform/aws/",
            "src/platform/custom_resource.rs",
            "src/platform/https.rs",
            "src/deliver/",
            "src/reconcile/",
            "src/bin/hummingbird-status/wait/remote.rs",
        ],
    ),
    // So that every answer other than success has a reason.
    ("axum::routing", &["src/platform/routing.rs"]),
    ("Router::new", &["src/platform/routing.rs"]),
    ("std::env", &["src/platform/environment/", "src/local/", "src/bin/"]),
];

/// What reads a clock. Only [`CLOCK`] does, so that time can be given everywhere else.
const NOW: &[&str] = &["Timestamp::now", "Zoned::now", "Instant::now", "SystemTime::now", "Utc::now"];
const CLOCK: &str = "src/platform/clock.rs";

/// Files that read a clock all the same, what they call, and why. One that no longer does is reported.
pub const CLOCK_EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("src/ingest/mod.rs", "Instant::now", "measures how long reading and writing took; decides nothing"),
    ("src/db/pool.rs", "SystemTime::now", "a token for IAM is valid from the moment of the connection"),
    ("src/local/server.rs", "Instant::now", "waits for PostgreSQL on this machine; `local` uses no other module"),
    ("src/worker/mod.rs", "Instant::now", "how long the database has been silent, for /healthz"),
    ("src/worker/health.rs", "Instant::now", "when a part worked last, for /healthz"),
    ("src/worker/metrics.rs", "Instant::now", "answers /healthz by both"),
];

/// A file has at most so many lines besides its tests.
pub const LONGEST: usize = 400;
/// The shell of a Lambda function has at most so many lines of code.
pub const LONGEST_SHELL: usize = 40;

/// All that is wrong with the sources, as `file:line: what`, sorted.
pub fn violations(sources: &[Source], names: &[&str]) -> Vec<String> {
    let mut found: BTreeSet<(&str, usize, String)> = BTreeSet::new();
    for source in sources {
        let mut report = |line: usize, what: String| {
            found.insert((&source.path, line, what));
        };
        for named in source.paths() {
            for what in [dependency(source, &named, names), outside_crate(source, &named, names)].into_iter().flatten()
            {
                report(named.line, what);
            }
            if named.segments.starts_with(&["super".to_owned(), "super".to_owned()]) {
                report(named.line, "super::super: say `crate::..` instead".to_owned());
            }
        }
        rules_of_a_source(source, names, &mut report);
        sizes(source, &mut report);
        unwraps(source, &mut report);
    }
    found.into_iter().map(|(path, line, what)| format!("{path}:{line}: {what}")).collect()
}

/// Entries of [`DEPENDENCIES`] that lead to a higher layer, and modules that no layer has.
pub fn layer_violations(dependencies: &[(&str, &[&str])]) -> Vec<String> {
    let layer = |path: &str| {
        let module = path.split("::").collect::<Vec<_>>();
        let module = unit(&module);
        LAYERS.iter().position(|layer| layer.contains(&module.as_str()))
    };
    let mut wrong = Vec::new();
    for (module, uses) in dependencies {
        for used in *uses {
            match (layer(module), layer(used)) {
                (Some(from), Some(to)) if from <= to => {}
                (from, to) => wrong.push(format!("{module} -> {used}: layers {from:?} and {to:?}")),
            }
        }
    }
    wrong
}

/// The modules of a file from the root of the crate: `["sources", "konflux", "message"]`; none for lib.rs.
pub fn module(path: &str) -> Vec<&str> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).collect()
}

/// The name under which a module has its dependencies: `web`, `platform::clock`. All of `sources` but the sources is
/// one module.
fn unit(path: &[&str]) -> String {
    match path {
        [folder @ ("platform" | "programs"), module, ..] => format!("{folder}::{module}"),
        [first, ..] => (*first).to_owned(),
        [] => String::new(),
    }
}

/// The source that a path is in.
fn source_of<'p>(path: &[&'p str], names: &[&str]) -> Option<&'p str> {
    match path {
        ["sources", name, ..] if names.contains(name) => Some(name),
        _ => None,
    }
}

/// Where a path leads in the crate; `None` when it leads out of it, or is relative to something local.
pub fn target<'n>(source: &'n Source, named: &'n Named) -> Option<Vec<&'n str>> {
    let module = module(&source.path);
    let segments: Vec<&str> = named.segments.iter().map(String::as_str).collect();
    let in_bin = module.first() == Some(&"bin");
    match segments.split_first()? {
        (&"hummingbird_status", rest) => Some(rest.to_vec()),
        // `crate` and `super` of a program are the program.
        (&("crate" | "super" | "self"), _) if in_bin => None,
        (&"crate", rest) => Some(rest.to_vec()),
        (&"self", rest) => Some([&module[..], rest].concat()),
        (&"super", _) => {
            let up = segments.iter().take_while(|segment| **segment == "super").count();
            let base = &module[..module.len().saturating_sub(up)];
            Some([base, &segments[up..]].concat())
        }
        _ => None,
    }
}

/// A dependency between modules that is not allowed.
fn dependency(source: &Source, named: &Named, names: &[&str]) -> Option<String> {
    let target = target(source, named)?;
    let from = module(&source.path);
    if target.is_empty() || matches!(from.first(), None | Some(&"bin")) {
        return None;
    }
    let path = target.join("::");
    let (own, to) = (source_of(&from, names), source_of(&target, names));
    let module = own.map_or_else(|| unit(&from), |own| format!("sources::{own}"));
    // The list of sources uses each source.
    let within = match own {
        Some(own) => to == Some(own),
        None => unit(&from) == unit(&target),
    };
    let fits = |allowed: &&str| target.starts_with(&allowed.split("::").collect::<Vec<_>>());
    if within || OF_ALL.iter().any(fits) {
        return None;
    }
    let allowed: &[&str] = match DEPENDENCIES.iter().find(|(name, _)| *name == module) {
        _ if own.is_some() => OF_A_SOURCE,
        Some((_, allowed)) => allowed,
        None => return Some(format!("{module} -> {path}: {module} has no line in tests/it/architecture/rules.rs")),
    };
    (!allowed.iter().any(fits)).then(|| format!("{module} -> {path}"))
}

/// Something outside of the crate that is used where it must not be.
fn outside_crate(source: &Source, named: &Named, names: &[&str]) -> Option<String> {
    let path = named.segments.join("::");
    for (name, places) in ONLY_IN {
        let is_it = match name.strip_suffix('*') {
            Some(start) => named.segments[0].starts_with(start),
            None => path == *name || path.starts_with(&format!("{name}::")),
        };
        let expanded = |place: &&str| names.iter().map(|source| place.replace("{source}", source)).collect::<Vec<_>>();
        if is_it && !places.iter().flat_map(expanded).any(|place| source.path.starts_with(&place)) {
            return Some(format!("{path}: {name} only in {}", places.join(", ")));
        }
    }
    let reads = NOW.iter().find(|now| path == **now || path.ends_with(&format!("::{now}")))?;
    let excepted = CLOCK_EXCEPTIONS.iter().any(|(file, what, _)| *file == source.path && what == reads);
    (source.path != CLOCK && !excepted).then(|| format!("{path}: only {CLOCK} reads the time"))
}

/// Exceptions from the rule about clocks that are no longer needed.
pub fn unneeded_exceptions(sources: &[Source]) -> Vec<&'static str> {
    let reads =
        |source: &Source, what: &str| source.paths().iter().any(|named| named.segments.join("::").ends_with(what));
    let needed = |(file, what, _): &&(&str, &str, &str)| sources.iter().any(|s| s.path == *file && reads(s, what));
    CLOCK_EXCEPTIONS.iter().filter(|exception| !needed(exception)).map(|(file, ..)| *file).collect()
}

/// What holds inside of a source: foreign JSON is read in `message` only, and only `store` waits for anything.
fn rules_of_a_source(source: &Source, names: &[&str], report: &mut impl FnMut(usize, String)) {
    let module = module(&source.path);
    if source_of(&module, names).is_none() {
        return;
    }
    let part = module.get(2).copied().unwrap_or_default();
    for named in source.paths() {
        let last = named.segments.last().map_or("", String::as_str);
        if last == "Deserialize" && part != "message" {
            report(named.line, "Deserialize: foreign JSON is read in `message` only".to_owned());
        }
        if matches!(last, "async" | "await") && part != "store" {
            report(named.line, format!("{last}: only `store` of a source waits for anything"));
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

/// What is missing of the folders of the sources, given all files of the project as paths.
pub fn missing_files(names: &[&str], files: &[String]) -> Vec<String> {
    let is_there =
        |path: &str| files.iter().any(|file| file == path || (path.ends_with('/') && file.starts_with(path)));
    let mut missing = Vec::new();
    for source in names {
        for wanted in [
            &["mod.rs"][..],
            &["message.rs", "message/mod.rs"],
            &["record.rs"],
            &["store/mod.rs"],
            &["store/sql/"],
            &["../../../events/"],
        ] {
            let paths = wanted.iter().map(|file| match file.strip_prefix("../../../") {
                Some(folder) => format!("{folder}{source}/"),
                None => format!("src/sources/{source}/{file}"),
            });
            let paths: Vec<String> = paths.collect();
            if !paths.iter().any(|path| is_there(path)) {
                missing.push(format!("{source}: no {}", paths.join(" and no ")));
            }
        }
    }
    for file in files {
        let folder = file.strip_prefix("events/").and_then(|rest| rest.split_once('/')).map(|(folder, _)| folder);
        if folder.is_some_and(|folder| folder != "envelope" && !names.contains(&folder)) {
            missing.push(format!("{file}: no source of that name in src/sources/mod.rs"));
        }
    }
    missing
}
