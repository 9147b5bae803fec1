//! Checks the statements of migrations for locks that block writers. A writer waits for no more than a lock time-out
//! (src/db/migrate.rs).

use std::collections::BTreeSet;

use hummingbird_status::db::{MIGRATIONS, Migration};

use crate::sql::parse::code;

/// The last one of before there was a way to do it otherwise.
const BEFORE: i32 = 18;
/// What excuses a statement, in a line before it, with a reason.
const EXCUSE: &str = "-- holds writers: ";

/// What a statement outside a transaction may begin with, so that it bears being repeated.
const REPEATABLE: &[&str] = &[
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS ",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ",
    "CREATE INDEX IF NOT EXISTS ",
    "DROP INDEX CONCURRENTLY IF EXISTS ",
    "ALTER INDEX ",
    "ANALYZE",
    "VACUUM",
    "DO ",
];

fn problems(migration: &Migration) -> Vec<String> {
    let mut made = BTreeSet::new();
    let mut found = Vec::new();
    for statement in migration.statements() {
        let code = code(statement);
        let code = code.trim().trim_end_matches(';').trim();
        let excused = statement.lines().any(|line| line.trim().starts_with(EXCUSE));
        let problem = match migration.is_outside() {
            true => outside(code),
            false => inside(code, &mut made),
        };
        found.extend(
            problem
                .filter(|_| !excused)
                .map(|problem| format!("{:04}_{}: {problem}: {code}", migration.version, migration.name)),
        );
    }
    found
}

/// The name behind some words, without what it is qualified or followed by.
fn name_behind<'c>(code: &'c str, words: &str) -> Option<&'c str> {
    let rest = &code[code.find(words)? + words.len()..];
    let rest = ["IF NOT EXISTS ", "IF EXISTS ", "ONLY "].iter().fold(rest, |rest, skip| rest.trim_start_matches(skip));
    rest.split([' ', '(']).next().map(|name| name.trim_start_matches("public."))
}

/// Statements that block writers of a table that another migration has made.
fn inside(code: &str, made: &mut BTreeSet<String>) -> Option<&'static str> {
    let is_old = |made: &BTreeSet<String>, name: Option<&str>| name.is_some_and(|name| !made.contains(name));
    if let Some(table) = name_behind(code, "CREATE TABLE ").or_else(|| name_behind(code, "CREATE UNLOGGED TABLE ")) {
        made.insert(table.to_owned());
        return None;
    }
    let first = code.split(' ').next().unwrap_or_default();
    if code.starts_with("CREATE INDEX ") || code.starts_with("CREATE UNIQUE INDEX ") {
        let held = !code.contains(" ON ONLY ") && is_old(made, name_behind(code, " ON "));
        return held
            .then_some("an index holds writers while it is made: CONCURRENTLY, in a file outside a transaction");
    }
    match first {
        "UPDATE" if is_old(made, name_behind(code, "UPDATE ")) => {
            Some("changes rows that writers then wait for: in chunks, in a file outside a transaction")
        }
        "DELETE" if is_old(made, name_behind(code, "DELETE FROM ")) => {
            Some("deletes rows that writers then wait for: in chunks, in a file outside a transaction")
        }
        "LOCK" | "CLUSTER" | "REINDEX" | "VACUUM" => Some("holds writers"),
        "ALTER" if code.starts_with("ALTER TABLE ") && is_old(made, name_behind(code, "ALTER TABLE ")) => altered(code),
        _ => None,
    }
}

/// Actions of `ALTER TABLE` that read or rewrite every row under an exclusive lock.
fn altered(code: &str) -> Option<&'static str> {
    let adds_column = code.contains(" ADD COLUMN ");
    let volatile = ["random()", "clock_timestamp()", "gen_random_uuid()", "nextval(", "timeofday()"];
    [
        (code.contains(" VALIDATE CONSTRAINT "), "validates with the lock of a transaction: in a file outside of one"),
        (
            code.contains(" ADD CONSTRAINT ") && unchecked(code),
            "checks every row: NOT VALID, and VALIDATE outside a transaction",
        ),
        (
            adds_column && code.contains("CHECK"),
            "checks every row: the constraint by itself, NOT VALID, and VALIDATE outside",
        ),
        (adds_column && code.contains(" REFERENCES "), "checks every row: the constraint by itself, NOT VALID"),
        (adds_column && (code.contains("GENERATED") || code.contains("serial")), "writes every row anew"),
        (volatile.iter().any(|word| code.contains(word)), "a default that varies writes every row anew"),
        (code.contains(" SET NOT NULL"), "looks at every row: a CHECK that is NOT VALID, VALIDATE outside, then this"),
        (code.contains(" TYPE "), "writes every row anew"),
    ]
    .into_iter()
    .find_map(|(is, problem)| is.then_some(problem))
}

/// Whether a constraint is looked at for all rows, or needs an index that is not there yet.
fn unchecked(code: &str) -> bool {
    !code.contains("NOT VALID") && !code.contains(" USING INDEX ")
}

fn outside(code: &str) -> Option<&'static str> {
    let constraint = code.starts_with("ALTER TABLE ")
        && ["VALIDATE CONSTRAINT", "DROP CONSTRAINT IF EXISTS", "SET NOT NULL"].iter().any(|what| code.contains(what));
    if code.starts_with("CREATE INDEX IF NOT EXISTS ") && !code.contains(" ON ONLY ") {
        return Some("an index holds writers while it is made: CONCURRENTLY");
    }
    let insert = code.starts_with("INSERT INTO ") && code.ends_with(" DO NOTHING");
    let repeatable = constraint || insert || REPEATABLE.iter().any(|start| code.starts_with(start));
    (!repeatable).then_some("an interruption would have it run twice, which is not known to be harmless")
}

#[test]
fn migrations_block_no_writer() {
    let found: Vec<_> = MIGRATIONS.iter().filter(|migration| migration.version > BEFORE).flat_map(problems).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn blocking_statements_are_found() {
    let of = |sql: &'static str| problems(&Migration { version: 1, name: "x", sql }).join("\n");
    for (sql, found) in [
        ("CREATE INDEX i ON t (x)", "CONCURRENTLY"),
        ("CREATE UNIQUE INDEX i ON public.t (x)", "CONCURRENTLY"),
        ("CREATE TABLE u (x int); CREATE INDEX i ON t (x)", "CONCURRENTLY"),
        ("UPDATE t SET x = 1", "chunks"),
        ("-- a\nDELETE FROM t WHERE x = 1", "chunks"),
        ("LOCK TABLE t", "holds writers"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0)", "NOT VALID"),
        ("ALTER TABLE t ADD CONSTRAINT c UNIQUE (x)", "NOT VALID"),
        ("ALTER TABLE t ADD COLUMN y int CHECK (y > 0)", "by itself"),
        ("ALTER TABLE t ADD COLUMN y int REFERENCES u", "by itself"),
        ("ALTER TABLE t ADD COLUMN y int GENERATED ALWAYS AS (x) STORED", "anew"),
        ("ALTER TABLE t ADD COLUMN y uuid DEFAULT gen_random_uuid()", "anew"),
        ("ALTER TABLE t ALTER x SET NOT NULL", "every row"),
        ("ALTER TABLE t ALTER COLUMN x TYPE text", "anew"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c", "validates"),
        ("-- outside a transaction\nCREATE INDEX CONCURRENTLY i ON t (x)", "run twice"),
        ("-- outside a transaction\nCREATE INDEX IF NOT EXISTS i ON t (x)", "CONCURRENTLY"),
        ("-- outside a transaction\nINSERT INTO t VALUES (1)", "run twice"),
        ("-- outside a transaction\nALTER TABLE t ADD CONSTRAINT c CHECK (x > 0) NOT VALID", "run twice"),
    ] {
        assert!(of(sql).contains(found), "{sql}: {}", of(sql));
    }
    for sql in [
        "CREATE TABLE t (x int CHECK (x > 0)); CREATE INDEX i ON t (x); ALTER TABLE t ALTER x SET NOT NULL",
        "CREATE TABLE IF NOT EXISTS t (x int); UPDATE t SET x = 1; INSERT INTO t SELECT 1 FROM u",
        "-- holds writers: a row a bot\nCREATE INDEX i ON t (x)",
        "ALTER TABLE t ADD COLUMN y text, ADD COLUMN z boolean NOT NULL DEFAULT false",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0) NOT VALID",
        "ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i",
        "CREATE INDEX i ON ONLY t (x)",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET x = 1; END $$",
        "-- outside a transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (x); ANALYZE t; ALTER TABLE t \
            VALIDATE CONSTRAINT c",
        "-- outside a transaction\nDO $$ BEGIN UPDATE t SET x = 1; COMMIT; END $$",
    ] {
        assert_eq!(of(sql), "", "{sql}");
    }
}
