//! Applies migrations whose statements are run one by one, because PostgreSQL does not allow them in a transaction, or
//! because a transaction would hold its locks for too long.

use std::time::Duration;

use deadpool_postgres::Object;

use super::{LOCK, Migration, MigrationStep, limits, sha256};
use super::{Store, StoreError};
use crate::platform::clock::Deadline;

/// The lock of [`super::LOCKED`] at session level, to last from one statement to the next.
const SESSION_LOCK: &str =
    "-- migrate_session_lock\nSELECT pg_try_advisory_lock(hashtext('hummingbird-status migrate'))";
const IS_APPLIED: &str = "-- migrate_is_applied\nSELECT EXISTS (SELECT FROM schema_migrations WHERE version = $1)";
const IS_INVALID: &str = "-- migrate_is_invalid\n\
    SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid)";

/// Runs the statements of a migration in a session of their own, and records it when all are done.
pub(super) async fn apply(
    store: &Store,
    migration: &Migration,
    deadline: Deadline,
) -> Result<MigrationStep, StoreError> {
    let object = store.connection("migrate", deadline).await?;
    let done = tokio::time::timeout(deadline.remaining(), run(&object, migration, deadline)).await;
    // The session has changed time limits and a lock, and maybe a running statement: it is closed in any case.
    drop(Object::take(object));
    done.unwrap_or(Err(StoreError::Timeout { name: migration.name }))
}

async fn run(object: &Object, migration: &Migration, deadline: Deadline) -> Result<MigrationStep, StoreError> {
    let failed = |source| StoreError::Statement { name: migration.name, source };
    if !object.query_one(SESSION_LOCK, &[]).await.map_err(failed)?.get::<_, bool>(0) {
        return Ok(MigrationStep::Busy);
    }
    if object.query_one(IS_APPLIED, &[&migration.version]).await.map_err(failed)?.get(0) {
        return Ok(MigrationStep::Applied(migration.version));
    }
    for statement in migration.statements() {
        if let Some(index) = index_of(statement)
            && object.query_one(IS_INVALID, &[&index]).await.map_err(failed)?.get(0)
        {
            tracing::warn!(index, "an interruption left this index invalid, creating it again");
            object.batch_execute(&limits("SET", Duration::ZERO, deadline)).await.map_err(failed)?;
            object.batch_execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {index}")).await.map_err(failed)?;
        }
        let lock = if waits_aside(statement) { Duration::ZERO } else { LOCK };
        object.batch_execute(&limits("SET", lock, deadline)).await.map_err(failed)?;
        object.batch_execute(statement).await.map_err(failed)?;
    }
    object
        .execute(super::RECORD, &[&migration.version, &migration.name, &sha256(migration.sql)])
        .await
        .map_err(failed)?;
    Ok(MigrationStep::Applied(migration.version))
}

/// Whether a statement waits for old transactions with a lock that does not block writers.
fn waits_aside(statement: &str) -> bool {
    let words = words(statement);
    words.iter().any(|word| matches!(word.to_ascii_uppercase().as_str(), "CONCURRENTLY" | "VALIDATE" | "ANALYZE"))
}

/// The index that a statement creates: `CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] name ON ..`.
fn index_of(statement: &str) -> Option<&str> {
    let words = words(statement);
    let at = words.iter().position(|word| word.eq_ignore_ascii_case("CONCURRENTLY"))?;
    let makes = words[0].eq_ignore_ascii_case("CREATE") && words[at - 1].eq_ignore_ascii_case("INDEX");
    let mut rest = words[at + 1..]
        .iter()
        .skip_while(|word| ["IF", "NOT", "EXISTS"].iter().any(|known| word.eq_ignore_ascii_case(known)));
    rest.next().copied().filter(|name| makes && !name.eq_ignore_ascii_case("ON"))
}

/// The words of a statement, without the comments before it.
fn words(statement: &str) -> Vec<&str> {
    let lines = statement.lines().skip_while(|line| line.trim().is_empty() || line.trim_start().starts_with("--"));
    lines.flat_map(str::split_whitespace).collect()
}

/// Splits a script into statements. Handles comments, quotes and dollar quotes; not the backslashes of `E''`.
pub(super) fn statements(sql: &'static str) -> Vec<&'static str> {
    let (mut found, mut start, mut at) = (Vec::new(), 0, 0);
    while at < sql.len() {
        let rest = &sql[at..];
        let skipped = match rest.as_bytes()[0] {
            b'-' if rest.starts_with("--") => up_to(rest, 2, "\n"),
            b'/' if rest.starts_with("/*") => up_to(rest, 2, "*/"),
            b'\'' => up_to(rest, 1, "'"),
            b'"' => up_to(rest, 1, "\""),
            b'$' => match tag(rest) {
                Some(tag) => up_to(rest, tag.len(), tag),
                None => 1,
            },
            b';' => {
                found.push(sql[start..=at].trim());
                start = at + 1;
                1
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        at += skipped;
    }
    found.push(sql[start..].trim());
    found.retain(|statement| !words(statement).is_empty() && *statement != ";");
    found
}

/// The length of `rest` up to and including `end`, searched from the offset `from`.
fn up_to(rest: &str, from: usize, end: &str) -> usize {
    rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len())
}

/// The delimiter of a dollar-quoted string.
fn tag(rest: &str) -> Option<&str> {
    let end = 1 + rest[1..].find('$')?;
    let is_name = rest[1..end].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_name && !rest[1..end].starts_with(|first: char| first.is_ascii_digit())).then(|| &rest[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_split() {
        let sql = "-- outside a transaction\n-- a; b\nANALYZE t; /* ; */ SELECT ';', \";\", $1;\n\
                   DO $x$ BEGIN; $$;$$ END $x$;\n;SELECT 'é'\n-- the end;\n";
        let parts = [
            "-- outside a transaction\n-- a; b\nANALYZE t;",
            "/* ; */ SELECT ';', \";\", $1;",
            "DO $x$ BEGIN; $$;$$ END $x$;",
            "SELECT 'é'\n-- the end;",
        ];
        assert_eq!(statements(sql), parts);
        assert_eq!(statements("-- nothing;\n"), [""; 0]);
    }

    #[test]
    fn indexes_are_known_by_name() {
        for (statement, index) in [
            ("-- why\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (x)", Some("i")),
            ("create unique index concurrently i\nON t (x)", Some("i")),
            ("CREATE INDEX CONCURRENTLY ON t (x)", None),
            ("DROP INDEX CONCURRENTLY IF EXISTS i", None),
            ("CREATE INDEX i ON t (concurrently)", None),
            ("ANALYZE t", None),
        ] {
            assert_eq!(index_of(statement), index, "{statement}");
        }
        assert!(waits_aside("-- x\nALTER TABLE t VALIDATE CONSTRAINT c;"));
        assert!(!waits_aside("-- CONCURRENTLY\nALTER TABLE t ADD CHECK (x > 0) NOT VALID;"));
    }
}
