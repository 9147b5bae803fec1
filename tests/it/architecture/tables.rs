//! Which module owns which table, and SQL that names a table of another module.

use std::collections::BTreeSet;

use super::rules::{DEPENDENCIES, OF_A_SOURCE};

/// Tables and views by the module whose statements may name them; `*` at the end for any that begin so.
const OWNERS: &[(&str, &[&str])] = &[
    ("sources::bots", &["bot_beats", "bot_transitions", "bots"]),
    ("sources::buildkite", &["buildkite_*"]),
    ("sources::gitlab", &["gitlab_*", "reconcile_projects"]),
    ("sources::kcidb", &["kcidb_*"]),
    ("sources::konflux", &["components", "pipelineruns", "releases", "snapshots"]),
    ("sources::travis", &["travis_*"]),
    (
        "checks",
        &[
            "branch_deletions",
            "check_projections",
            "check_transitions",
            "checks",
            "commit_places",
            "repositories",
            "series",
            "series_projections",
            "series_results",
            "series_standing",
            "verdict_changes",
            "verdict_rules",
            "verdicts",
        ],
    ),
    ("outbox", &["check_runs", "commit_statuses", "deliveries", "delivery_*", "outbox"]),
    ("db", &["backfill_runs", "refused", "replaced", "schema_migrations", "upkeep_passes"]),
    ("reports", &["dora_*"]),
];

/// Statements that name a table of a module they may not depend on, the table, and why.
pub const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("src/db/sql/analyze_partitioned.sql", "bot_beats", "statistics of all partitioned tables are refreshed together"),
    ("src/db/sql/analyze_partitioned.sql", "deliveries", "statistics of all partitioned tables are refreshed together"),
    ("src/db/sql/analyze_partitioned.sql", "outbox", "statistics of all partitioned tables are refreshed together"),
    ("src/outbox/sql/find_omitted_texts.sql", "kcidb_log_excerpts", "payloads name texts by hash, which are kept once"),
];

/// Statements that name tables of modules that theirs may not use. `tables` are all that the schema has.
pub fn violations(statements: &[(String, String)], tables: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in statements {
        let module = module(path);
        for table in named(text).intersection(tables) {
            let Some(owner) = owner(table) else {
                found.push(format!("{path}: {table} has no owner in tests/it/architecture/tables.rs"));
                continue;
            };
            let excepted = EXCEPTIONS.iter().any(|(file, name, _)| file == path && name == table);
            if !may_name(&module, owner) && !excepted {
                found.push(format!("{path}: {table} belongs to {owner}"));
            }
        }
    }
    found
}

/// Exceptions that are no longer needed.
pub fn unneeded_exceptions(statements: &[(String, String)]) -> Vec<String> {
    let needed = |(file, table, _): &&(&str, &str, &str)| {
        statements.iter().any(|(path, text)| path == file && named(text).contains(*table))
    };
    EXCEPTIONS.iter().filter(|e| !needed(e)).map(|(file, table, _)| format!("{file} {table}")).collect()
}

/// `reports` answers questions over all sources; the others name tables of what they may use.
fn may_name(module: &str, owner: &str) -> bool {
    let uses: &[&str] = match module {
        "reports" => return true,
        source if source.starts_with("sources::") => OF_A_SOURCE,
        module => DEPENDENCIES.iter().find(|(name, _)| *name == module).map_or(&[], |(_, uses)| *uses),
    };
    module == owner || uses.contains(&owner)
}

fn owner(table: &str) -> Option<&'static str> {
    let fits = |name: &&str| match name.strip_suffix('*') {
        Some(start) => table.starts_with(start),
        None => *name == table,
    };
    OWNERS.iter().find(|(_, tables)| tables.iter().any(fits)).map(|(owner, _)| *owner)
}

/// `src/sources/travis/store/sql/find.sql` is of `sources::travis`.
fn module(path: &str) -> String {
    let parts: Vec<&str> = path.trim_start_matches("src/").split('/').collect();
    match parts[..] {
        ["sources", source, ..] => format!("sources::{source}"),
        [module, ..] => module.to_owned(),
        [] => String::new(),
    }
}

/// The names after FROM, JOIN, INTO, UPDATE, TABLE, ONLY and commas, without comments and texts.
fn named(text: &str) -> BTreeSet<String> {
    let text: String =
        text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let code: String = text.split('\'').step_by(2).collect();
    let code = code.replace(',', " , ").replace(['(', ')'], " ");
    let words: Vec<&str> = code.split_whitespace().collect();
    let before = ["FROM", "JOIN", "INTO", "UPDATE", "TABLE", "ONLY", ","];
    words
        .windows(2)
        .filter(|pair| before.contains(&pair[0]))
        .map(|pair| pair[1].trim_end_matches(';').to_owned())
        .collect()
}
