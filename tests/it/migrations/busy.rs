//! Migrations of a database that is in use or unavailable: what they wait for, whom they block, and what an
//! interruption leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hummingbird_status::db::{Applied, MIGRATIONS, Migration, Store, StoreError, migrate, migrate_with};
use hummingbird_status::platform::clock::Deadline;

use super::bare;
use crate::support::proxy::Proxy;
use crate::support::{self, bare_database, deadline, render, store_of, until};

/// Ours, and then two more: the second one outside a transaction.
fn with(one: &'static str, other: &'static str) -> Vec<Migration> {
    let last = MIGRATIONS.last().unwrap().version;
    let more = [(1, "inside", one), (2, "outside", other)];
    let more = more.map(|(number, name, sql)| Migration { version: last + number, name, sql });
    MIGRATIONS.iter().copied().chain(more).collect()
}

/// A million rows, however long they take, and an index whose first row waits for the holder of the gate.
const TABLE: &str = "BEGIN;
    SET LOCAL statement_timeout = 0;
    CREATE TABLE big (id integer PRIMARY KEY, x integer NOT NULL);
    INSERT INTO big SELECT i, i FROM generate_series(1, 1000000) AS i;
    CREATE FUNCTION gate(i integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        IF i = 1 THEN PERFORM pg_advisory_lock_shared(4711); PERFORM pg_advisory_unlock_shared(4711); END IF;
        RETURN i;
    END $$;
    COMMIT;";
const INSIDE: &str = "ALTER TABLE big ADD COLUMN y integer NOT NULL DEFAULT 7;
    ALTER TABLE big ADD CONSTRAINT x_is_positive CHECK (x > 0) NOT VALID;";
const OUTSIDE: &str = "-- outside a transaction
    CREATE INDEX CONCURRENTLY IF NOT EXISTS big_gate ON big (gate(id));
    ALTER TABLE big VALIDATE CONSTRAINT x_is_positive;
    DO $$
    BEGIN
        FOR i IN 0..9 LOOP
            UPDATE big SET y = 8 WHERE id BETWEEN i * 100 AND i * 100 + 99;
            COMMIT;
        END LOOP;
    END $$;
    ANALYZE big;";
const BUILDS: &str =
    "SELECT 'yes' FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'";

/// Another session, which keeps its transaction or its lock until it is dropped.
struct Holder {
    store: Store,
}

impl Holder {
    async fn hold(url: &str, sql: &str) -> Self {
        let store = store_of(url, 1);
        store.script(sql, deadline()).await.unwrap();
        Self { store }
    }

    async fn release(self, sql: &str) {
        self.store.script(sql, deadline()).await.unwrap();
    }
}

/// Writes one row after the other until it is stopped. How many it wrote, and the errors that it met.
async fn write(store: Store, written: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut errors = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let row = written.load(Ordering::Relaxed) * 7919 % 999_000 + 1000;
        let sql = format!(
            "UPDATE big SET x = x + 1 WHERE id = {row}; INSERT INTO big (id, x) SELECT max(id) + 1, 1 FROM big"
        );
        match store.script(&sql, deadline()).await {
            Ok(()) => drop(written.fetch_add(1, Ordering::Relaxed)),
            Err(error) => errors.push(hummingbird_status::platform::failure::chain(&error)),
        }
    }
    errors
}

/// Migrates a table of a million rows in two more steps while a writer writes into it; the index is not ready before
/// the writer has written a hundred times more. What became of the migration, and what went wrong for the writer.
async fn beside_a_writer(name: &str, migrations: Vec<Migration>) -> (Store, Result<Applied, StoreError>, Vec<String>) {
    let url = bare_database(name).await;
    let store = store_of(&url, 2);
    migrate(&store, deadline()).await.unwrap();
    store.script(TABLE, deadline()).await.unwrap();
    let gate = Holder::hold(&url, "SELECT pg_advisory_lock(4711)").await;
    let (written, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let writer = tokio::spawn(write(store_of(&url, 1), Arc::clone(&written), Arc::clone(&stop)));
    let migrating = store_of(&url, 1);
    let (result, held_up) = tokio::join!(migrate_with(&migrations, &migrating, deadline()), async {
        until("the index", async || render::rows(&store, BUILDS).await == ["yes"]).await;
        let before = written.load(Ordering::Relaxed);
        until("the writer", async || written.load(Ordering::Relaxed) > before + 100 || waited(&store).await).await;
        let held_up = waited(&store).await.then(|| "a writer waits for a lock".to_owned());
        gate.release("SELECT pg_advisory_unlock(4711)").await;
        held_up
    });
    stop.store(true, Ordering::Relaxed);
    let errors = writer.await.unwrap().into_iter().chain(held_up).collect();
    (store, result, errors)
}

/// Whether a writer waits for a lock of the table.
async fn waited(store: &Store) -> bool {
    let sql = "SELECT 'yes' FROM pg_locks \
        WHERE NOT granted AND relation = 'big'::regclass AND mode = 'RowExclusiveLock'";
    !render::rows(store, sql).await.is_empty()
}

#[tokio::test]
async fn migrations_block_no_writer_of_a_million_rows() {
    let (store, result, errors) = beside_a_writer("migrate_beside", with(INSIDE, OUTSIDE)).await;
    let newest = super::newest();
    assert_eq!(result.unwrap(), Applied { from: newest, to: newest + 2 });
    assert_eq!(errors, [""; 0]);
    let sql = "SELECT i.indisvalid || ' ' || c.convalidated || ' ' || (SELECT count(*) FROM big WHERE y = 8) \
        FROM pg_index AS i, pg_constraint AS c WHERE i.indexrelid = 'big_gate'::regclass AND c.conname = \
        'x_is_positive'";
    assert_eq!(render::rows(&store, sql).await, ["true true 999"]);
}

/// The same in a transaction, which proves that the test above can fail.
#[tokio::test]
async fn an_index_within_a_transaction_would_block_writers() {
    let inside = "CREATE INDEX big_gate ON big (gate(id))";
    let (_, result, errors) = beside_a_writer("migrate_in_the_way", with(inside, "SELECT 1")).await;
    result.unwrap();
    assert!(errors.iter().any(|error| error.contains("a writer waits for a lock")), "{errors:?}");
}

#[tokio::test]
async fn an_index_that_an_interruption_left_invalid_is_made_anew() {
    let url = bare_database("migrate_interrupted").await;
    let store = store_of(&url, 2);
    migrate(&store, deadline()).await.unwrap();
    store.script(TABLE, deadline()).await.unwrap();
    let gate = Holder::hold(&url, "SELECT pg_advisory_lock(4711)").await;
    let (migrating, migrations) = (store_of(&url, 1), with(INSIDE, OUTSIDE));
    let invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid";
    let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event = 'advisory'";
    let interrupt = async {
        until("the index", async || render::rows(&store, BUILDS).await == ["yes"]).await;
        assert_eq!(render::rows(&store, end).await, ["true"]);
        until("the remains", async || render::rows(&store, invalid).await == ["big_gate"]).await;
        gate.release("SELECT pg_advisory_unlock(4711)").await;
    };
    let (applied, ()) = tokio::join!(migrate_with(&migrations, &migrating, deadline()), interrupt);
    // The migration itself went on: the broken connection was something that passes.
    assert_eq!(applied.unwrap().to, super::newest() + 2);
    assert_eq!(render::rows(&store, invalid).await, [""; 0]);
    assert_eq!(render::rows(&store, "SELECT to_regclass('big_gate')::text").await, ["big_gate"]);
}

/// Longer than it waits at once.
#[tokio::test]
async fn a_migration_retries_to_get_a_lock() {
    let url = bare_database("migrate_locked").await;
    let store = store_of(&url, 2);
    migrate(&store, deadline()).await.unwrap();
    let writer = Holder::hold(&url, "BEGIN; LOCK TABLE snapshots IN ROW EXCLUSIVE MODE").await;
    let (migrating, migrations) = (store_of(&url, 1), with("ALTER TABLE snapshots ADD COLUMN z integer", "SELECT 1"));
    let waits = "SELECT 'yes' FROM pg_locks WHERE NOT granted AND relation = 'snapshots'::regclass";
    let release = async {
        for expected in [true, false, true] {
            until("the lock", async || render::rows(&store, waits).await.is_empty() != expected).await;
        }
        writer.release("COMMIT").await;
    };
    let (applied, ()) = tokio::join!(migrate_with(&migrations, &migrating, deadline()), release);
    assert_eq!(applied.unwrap().to, super::newest() + 2);
}

#[tokio::test]
async fn a_migration_waits_for_the_database() {
    let url = bare_database("migrate_away").await;
    let database = hummingbird_status::db::from_url(&url).unwrap();
    let proxy = Proxy::start(database.target.port).await;
    proxy.close(true);
    let mut through = database.clone();
    (through.target.host, through.target.port) = ("127.0.0.1".to_owned(), proxy.port);
    let through = Store::open(&through).unwrap();
    let open = async {
        until("a failed attempt", async || {
            let tried = through.in_tx("look", Deadline::within(Duration::from_secs(5)), async |_| Ok(())).await;
            matches!(tried, Err(StoreError::Connect { .. }))
        })
        .await;
        proxy.close(false);
    };
    let (applied, ()) = tokio::join!(migrate(&through, deadline()), open);
    assert_eq!(applied.unwrap(), Applied { from: 0, to: super::newest() });
}

/// An error that no retry can repair is reported at once.
#[tokio::test]
async fn a_migration_that_cannot_work_fails_at_once() {
    let db = support::database().await;
    let rows = "CREATE TABLE twice (x integer); INSERT INTO twice VALUES (1), (1)";
    db.store.script(rows, deadline()).await.unwrap();
    let unique = "-- outside a transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS twice_x ON twice (x);";
    let long = Deadline::within(Duration::from_secs(3600));
    for (one, other) in [("ALTER TABLE nowhere ADD x integer", "SELECT 1"), ("SELECT 1", unique)] {
        let failed =
            tokio::time::timeout(deadline().remaining(), migrate_with(&with(one, other), &db.store, long)).await;
        assert!(matches!(failed, Ok(Err(StoreError::Statement { .. }))), "{failed:?}");
    }
    // When its time is over, the error names what it waited for.
    let none = Deadline::within(Duration::ZERO);
    assert!(migrate(&bare("migrate_in_no_time").await, none).await.is_err());
}
