//! The schema: applied once, by one at a time, to whatever is in the database; and never edited afterwards.
//!
//! Each migration has two companions here. `migrations.sha256` holds its hash, so that an edit is noticed. And
//! `migrations/<number>_<name>.sql` holds some rows for every table that it makes or changes, written for the schema as
//! it leaves it: all later migrations are tried with these rows in place.

mod busy;
mod lambda;
mod writers;

use std::collections::BTreeSet;

use hummingbird_status::db::{Applied, MIGRATIONS, Store, StoreError, migrate, migrate_with};
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use sha2::{Digest, Sha256};

use crate::sql::parse::{code, items};
use crate::support::{self, bare_database, deadline, files, project, render, schema, store_of};

/// The number of the newest migration.
fn newest() -> i32 {
    MIGRATIONS.last().unwrap().version
}

/// A store for an empty database without a schema.
async fn bare(name: &str) -> Store {
    store_of(&bare_database(name).await, 2)
}

async fn applied(store: &Store) -> Vec<String> {
    render::rows(store, "SELECT version || ' ' || name FROM schema_migrations ORDER BY version").await
}

#[tokio::test]
async fn a_second_run_does_nothing() {
    let store = bare("migrate_twice").await;
    assert_eq!(migrate(&store, deadline()).await.unwrap(), Applied { from: 0, to: newest() });
    let list = applied(&store).await;
    assert_eq!(list.len(), MIGRATIONS.len());
    assert_eq!(migrate(&store, deadline()).await.unwrap(), Applied { from: newest(), to: newest() });
    assert_eq!(applied(&store).await, list);
}

#[tokio::test]
async fn two_concurrent_migrations_share_the_work() {
    let url = bare_database("migrate_at_once").await;
    let (one, other) = (store_of(&url, 1), store_of(&url, 1));
    let (one, other) = tokio::join!(migrate(&one, deadline()), migrate(&other, deadline()));
    assert_eq!((one.unwrap().to, other.unwrap().to), (newest(), newest()));
    assert_eq!(applied(&store_of(&url, 1)).await.len(), MIGRATIONS.len());
}

/// Columns that name the key of another table, and that key.
const JOINS: &[(&str, &str)] = &[
    ("pipelineruns.component", "components.name"),
    ("pipelineruns.sha", "gitlab_mr_versions.sha"),
    ("pipelineruns.sha", "gitlab_pushes.sha"),
    ("pipelineruns.project", "gitlab_merge_requests.project"),
    ("pipelineruns.snapshot", "snapshots.name"),
    ("pipelineruns.release_name", "releases.name"),
    ("snapshots.source_plr", "pipelineruns.name"),
    ("snapshots.component", "components.name"),
    ("snapshots.sha", "gitlab_pushes.sha"),
    ("releases.snapshot", "snapshots.name"),
    ("releases.release_plr", "pipelineruns.name"),
    ("releases.sha", "gitlab_pushes.sha"),
    ("components.git_project", "gitlab_pushes.repo"),
    ("gitlab_merge_requests.sha", "gitlab_mr_versions.sha"),
    ("buildkite_builds.commit", "commit_statuses.sha"),
    ("gitlab_mr_versions.project", "gitlab_merge_requests.project"),
    ("deliveries.key", "outbox.key"),
    ("kcidb_builds.checkout_id", "kcidb_checkouts.id"),
    ("kcidb_tests.build_id", "kcidb_builds.id"),
    ("bot_beats.name", "bots.name"),
];

/// Of two collations PostgreSQL takes the one that is not the default, for which an index of the other is of no use.
#[tokio::test]
async fn indexes_can_serve_joins() {
    let db = support::database().await;
    let sql = "SELECT c.relname || '.' || a.attname || ' ' || o.collname FROM pg_attribute AS a
        JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_collation AS o ON o.oid = a.attcollation
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')";
    let all = render::rows(&db.store, sql).await;
    let collations: std::collections::BTreeMap<&str, &str> = all.iter().filter_map(|row| row.split_once(' ')).collect();
    let of = |column| collations.get(column).unwrap_or_else(|| panic!("no column {column}"));
    let unlike = JOINS.iter().filter(|(one, other)| of(one) != of(other));
    assert_eq!(unlike.collect::<Vec<_>>(), [&("", ""); 0]);
}

#[tokio::test]
async fn a_changed_migration_is_rejected() {
    let db = support::database().await;
    db.store.script("UPDATE schema_migrations SET sha256 = 'x' WHERE version = 1", deadline()).await.unwrap();
    let result = migrate(&db.store, deadline()).await;
    assert!(
        matches!(&result, Err(StoreError::Changed { version: 1, name }) if name == MIGRATIONS[0].name),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_newer_schema_is_accepted() {
    let db = support::database().await;
    let add = "INSERT INTO schema_migrations (version, name, sha256) VALUES (9999, 'of the future', 'x')";
    db.store.script(add, deadline()).await.unwrap();
    assert_eq!(migrate(&db.store, deadline()).await.unwrap(), Applied { from: 9999, to: 9999 });
    db.store.check_schema(deadline()).await.unwrap();
}

#[tokio::test]
async fn an_older_schema_is_rejected() {
    let db = support::database().await;
    db.store.script(&format!("DELETE FROM schema_migrations WHERE version = {}", newest()), deadline()).await.unwrap();
    let older = db.store.check_schema(deadline()).await;
    assert!(
        matches!(older, Err(StoreError::Schema { found, expected }) if (found, expected) == (newest() - 1, newest()))
    );
    let none = bare("migrate_never").await.check_schema(deadline()).await;
    assert!(matches!(none, Err(StoreError::Schema { found: 0, .. })), "{none:?}");
}

/// Each migration is tried on a database that holds data of the schema before it, and the newest code on all of it.
#[tokio::test]
async fn migrations_apply_to_data() {
    let store = bare("migrate_with_data").await;
    let mut filled = BTreeSet::new();
    for (index, migration) in MIGRATIONS.iter().enumerate() {
        let version = migration.version;
        let applied = migrate_with(&MIGRATIONS[..=index], &store, deadline()).await.unwrap();
        assert_eq!(applied, Applied { from: version - 1, to: version });
        let file = format!("tests/it/migrations/{version:04}_{}.sql", migration.name);
        let data = std::fs::read_to_string(project(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        store.script(&data, deadline()).await.unwrap_or_else(|error| panic!("{file}: {error:?}"));
        for table in schema::tables(&store).await {
            let rows = render::rows(&store, &format!("SELECT count(*)::text FROM {table}")).await;
            assert!(rows != ["0"] || filled.contains(&table), "{file}: no rows for {table}");
            filled.insert(table);
        }
        if migration.is_outside() {
            // As after an interruption behind its last statement.
            let forget = format!("DELETE FROM schema_migrations WHERE version = {version}");
            store.script(&forget, deadline()).await.unwrap();
            assert_eq!(migrate_with(&MIGRATIONS[..=index], &store, deadline()).await.unwrap().to, version);
        }
    }
    // The newest code ingests into it.
    assert_eq!(migrate(&store, deadline()).await.unwrap(), Applied { from: newest(), to: newest() });
    let deliveries = files("events", ".json").into_iter().filter(|(name, _)| !name.starts_with("envelope/"));
    let deliveries: Vec<_> =
        deliveries.map(|(name, body)| Delivery { id: name, body, ..Delivery::default() }).collect();
    let report = ingest(&store, &deliveries, &Settings::default(), deadline()).await;
    // Only the samples that are to be rejected are.
    let (bad, again) = (report.reasons.get("refused: bad-field"), report.counts().again);
    assert_eq!((bad, report.counts().refused, again), (Some(&3), 3, 0), "{:?} {:?}", report.error, report.reasons);
}

#[tokio::test]
async fn every_table_has_a_key() {
    let db = support::database().await;
    assert_eq!(schema::without_key(&db.store).await, [""; 0]);
    assert!(schema::tables(&db.store).await.len() >= 9);
    db.store.script("CREATE TABLE keyless (x integer)", deadline()).await.unwrap();
    assert_eq!(schema::without_key(&db.store).await, ["keyless"]);
}

#[test]
fn numbers_have_no_gaps_and_files_are_all_listed() {
    let versions: Vec<i32> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    assert!(versions.iter().copied().eq(1..=newest()), "{versions:?}");
    let listed: Vec<_> =
        MIGRATIONS.iter().map(|m| (format!("{:04}_{}.sql", m.version, m.name), m.sql.as_bytes().to_vec())).collect();
    assert_eq!(listed, files("src/db/migrations", ".sql"));
    let samples: Vec<_> = files("tests/it/migrations", ".sql").into_iter().map(|(name, _)| name).collect();
    assert_eq!(samples, listed.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Migrations whose hashes are not those of the list, in the form of `sha256sum`.
fn edited(list: &str, migrations: &[(String, Vec<u8>)]) -> Vec<String> {
    let pinned: Vec<(&str, &str)> = list.lines().filter_map(|line| line.split_once("  ")).collect();
    let mut found = Vec::new();
    for (name, sql) in migrations {
        match pinned.iter().find(|(_, file)| file == name) {
            Some((hash, _)) if **hash == sha256(sql) => {}
            Some(_) => found.push(format!("{name} was edited: take the edit back, and add a migration instead")),
            None => found.push(format!(
                "{name} is new: (cd src/db/migrations && sha256sum {name}) >> tests/it/migrations.sha256"
            )),
        }
    }
    let gone = pinned.iter().filter(|(_, file)| !migrations.iter().any(|(name, _)| name == file));
    found.extend(gone.map(|(_, file)| format!("{file} is gone: a migration stays for ever")));
    found
}

#[test]
fn migrations_are_never_edited() {
    let list = std::fs::read_to_string(project("tests/it/migrations.sha256")).unwrap();
    let found = edited(&list, &files("src/db/migrations", ".sql"));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn edits_are_noticed() {
    let one = ("0001_a.sql".to_owned(), b"SELECT 1".to_vec());
    let list = format!("{}  0001_a.sql\n", sha256(&one.1));
    assert_eq!(edited(&list, std::slice::from_ref(&one)), [""; 0]);
    let problem = |list: &str, migrations: &[(String, Vec<u8>)]| edited(list, migrations).join(" ");
    assert!(problem(&list, &[("0001_a.sql".to_owned(), b"SELECT 2".to_vec())]).contains("was edited"));
    assert!(problem(&list, &[one.clone(), ("0002_b.sql".to_owned(), Vec::new())]).contains("0002_b.sql is new"));
    assert!(problem(&list, &[]).contains("is gone"));
}

/// Columns that a script adds to a table as `NOT NULL` without a value for the rows that are there: it would fail on
/// every database but an empty one.
fn unfillable(sql: &str) -> Vec<String> {
    let code = code(sql);
    let alters = code.split(';').map(str::trim).filter_map(|statement| statement.strip_prefix("ALTER TABLE "));
    let actions = alters.flat_map(|alter| {
        items(alter).into_iter().enumerate().map(|(index, action)| match index {
            // The first one stands behind the name of the table.
            0 => action.find(" ADD ").map_or_else(String::new, |at| action[at + 1..].to_owned()),
            _ => action,
        })
    });
    let added = actions.filter(|action| action.starts_with("ADD ") && !action.starts_with("ADD CONSTRAINT "));
    added
        .filter(|action| action.contains("NOT NULL") && !action.contains("DEFAULT") && !action.contains("GENERATED"))
        .collect()
}

#[test]
fn columns_are_added_with_a_value() {
    for (name, sql) in files("src/db/migrations", ".sql") {
        assert_eq!(unfillable(&String::from_utf8(sql).unwrap()), [""; 0], "{name}");
    }
    for (sql, found) in [
        ("ALTER TABLE t ADD COLUMN x text NOT NULL;", &["ADD COLUMN x text NOT NULL"][..]),
        ("SELECT 1; ALTER TABLE IF EXISTS t ADD x text NOT\n NULL", &["ADD x text NOT NULL"]),
        (
            "ALTER TABLE t ADD a int, ADD b int NOT NULL CHECK (b IN (1, 2))",
            &["ADD b int NOT NULL CHECK (b IN (1, 2))"],
        ),
        ("ALTER TABLE t ADD COLUMN x text NOT NULL DEFAULT 'NOT NULL'", &[]),
        ("ALTER TABLE t ADD COLUMN x int NOT NULL GENERATED ALWAYS AS (1) STORED", &[]),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (x IS NOT NULL); -- ADD y int NOT NULL", &[]),
        ("CREATE TABLE t (x text NOT NULL)", &[]),
    ] {
        assert_eq!(unfillable(sql), found, "{sql}");
    }
}
