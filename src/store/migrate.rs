//! The schema: migrations built into the program, applied in order, under an advisory lock.
//!
//! The lock is polled rather than waited for: a session that waits in the lock holds a snapshot, which
//! `CREATE INDEX CONCURRENTLY` of another one would wait for in turn (element-hq/matrix-authentication-service#5297).
//! What is busy or away (a lock, a connection) is tried again until the deadline; [`LOCK`] says why never for long at once.
//!
//! # How to write a migration
//!
//! A file is one of two kinds, and holds up no writer for longer than a lock time-out (a test reads the statements):
//!
//! - **In a transaction**, the default: all of it or nothing. For tables, columns without a scan (no `CHECK`, no volatile
//!   default), views, functions, and `ADD CONSTRAINT .. NOT VALID`, which new rows obey at once.
//! - **Outside**, when its first line is `-- outside a transaction`: each statement by itself, for what takes long on a large
//!   table. After an interruption the file is run again from its beginning, so that each statement must bear that:
//!   `CREATE INDEX CONCURRENTLY IF NOT EXISTS name ON ..` (an invalid index of that name, which an interruption leaves, is
//!   dropped first), `DROP INDEX CONCURRENTLY IF EXISTS name`, `ALTER TABLE .. VALIDATE CONSTRAINT name`, `ANALYZE`, and
//!   `DO` blocks that change rows in chunks with a `COMMIT` after each.
//!
//! So an index or a checked constraint on a table that exists takes two files, in this order. A partitioned table takes no
//! `CONCURRENTLY`: `CREATE INDEX IF NOT EXISTS .. ON ONLY`, the index of each partition, `ALTER INDEX .. ATTACH PARTITION`.
//! On a table of few rows the short way is right; say so in the line before the statement, `-- holds writers: <reason>`.
//! A file with an index on a large table may take longer than Lambda's 15 minutes: sam/README.md, 'Upgrades'.

mod outside;

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Store, StoreError, Tx, Verdict, chain};
use crate::clock::{self, Deadline};
use crate::hex::hex;

/// A step of the schema. Added at the end; never changed once merged.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Number, from 1, without gaps.
    pub version: i32,
    /// What it is about.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

impl Migration {
    /// Whether its statements are run each by itself, outside a transaction.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        self.sql.lines().next().is_some_and(|line| line.trim() == "-- outside a transaction")
    }

    /// Its statements, each with the comments before it.
    #[must_use]
    pub fn statements(&self) -> Vec<&'static str> {
        outside::statements(self.sql)
    }
}

/// All of them, oldest first.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "konflux_gitlab", sql: include_str!("migrations/0001_konflux_gitlab.sql") },
    Migration { version: 2, name: "outbox", sql: include_str!("migrations/0002_outbox.sql") },
    Migration { version: 3, name: "reconcile", sql: include_str!("migrations/0003_reconcile.sql") },
    Migration { version: 4, name: "kcidb", sql: include_str!("migrations/0004_kcidb.sql") },
    Migration { version: 5, name: "buildkite", sql: include_str!("migrations/0005_buildkite.sql") },
    Migration { version: 6, name: "deliveries", sql: include_str!("migrations/0006_deliveries.sql") },
    Migration { version: 7, name: "travis", sql: include_str!("migrations/0007_travis.sql") },
    Migration { version: 8, name: "backfill", sql: include_str!("migrations/0008_backfill.sql") },
    Migration { version: 9, name: "bots", sql: include_str!("migrations/0009_bots.sql") },
    Migration { version: 10, name: "page", sql: include_str!("migrations/0010_page.sql") },
    Migration { version: 11, name: "kcidb_receipts", sql: include_str!("migrations/0011_kcidb_receipts.sql") },
    Migration { version: 12, name: "travis_notices", sql: include_str!("migrations/0012_travis_notices.sql") },
    Migration { version: 13, name: "collations", sql: include_str!("migrations/0013_collations.sql") },
    Migration { version: 14, name: "outbox_json", sql: include_str!("migrations/0014_outbox_json.sql") },
    Migration { version: 15, name: "pages", sql: include_str!("migrations/0015_pages.sql") },
    Migration { version: 16, name: "dora", sql: include_str!("migrations/0016_dora.sql") },
    Migration { version: 17, name: "pages_at_size", sql: include_str!("migrations/0017_pages_at_size.sql") },
    Migration { version: 18, name: "upkeep", sql: include_str!("migrations/0018_upkeep.sql") },
    Migration { version: 19, name: "receivers", sql: include_str!("migrations/0019_receivers.sql") },
    Migration { version: 20, name: "builds_count", sql: include_str!("migrations/0020_builds_count.sql") },
    Migration { version: 21, name: "final_states", sql: include_str!("migrations/0021_final_states.sql") },
    Migration { version: 22, name: "identity", sql: include_str!("migrations/0022_identity.sql") },
    Migration { version: 23, name: "identity_indexes", sql: include_str!("migrations/0023_identity_indexes.sql") },
    Migration { version: 24, name: "kcidb_addresses", sql: include_str!("migrations/0024_kcidb_addresses.sql") },
    Migration { version: 25, name: "outbox_texts", sql: include_str!("migrations/0025_outbox_texts.sql") },
    Migration { version: 26, name: "builds", sql: include_str!("migrations/0026_builds.sql") },
    Migration { version: 27, name: "buildkite_waiting", sql: include_str!("migrations/0027_buildkite_waiting.sql") },
    Migration { version: 28, name: "triage", sql: include_str!("migrations/0028_triage.sql") },
];

/// What [`migrate`] did.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Applied {
    /// Schema before; 0 for an empty database.
    pub from: i32,
    /// Schema now.
    pub to: i32,
}

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (\
    version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())";
const LOCKED: &str = "-- migrate_lock\nSELECT pg_try_advisory_xact_lock(hashtext('hummingbird-status migrate'))";
const APPLIED: &str = "-- migrate_applied\nSELECT version, name, sha256 FROM schema_migrations ORDER BY version";
const RECORD: &str = "-- migrate_record\nINSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)";
const TABLE: &str = "-- migrate_table\nSELECT to_regclass('schema_migrations') IS NOT NULL";
const VERSION: &str = "-- migrate_version\nSELECT coalesce(max(version), 0) FROM schema_migrations";

/// The number of the newest migration. A constant, so that functions which only compare it do without their text.
pub(super) const NEWEST: i32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

fn sha256(sql: &str) -> String {
    hex(&Sha256::digest(sql))
}

/// The schema that the database has; 0 if none.
pub(super) async fn version(tx: &mut Tx<'_>) -> Result<i32, StoreError> {
    let exists: bool = tx.query(TABLE, &[]).await?.first().is_some_and(|row| row.get(0));
    if !exists {
        return Ok(0);
    }
    Ok(tx.query(VERSION, &[]).await?.first().map_or(0, |row| row.get(0)))
}

/// A migration waits for another transaction's lock no longer than this at once, since whoever comes after it waits
/// behind it; less than [`super::pool`] lets writers wait, so that none of them gives up because of a migration.
const LOCK: Duration = Duration::from_secs(2);
/// How long a server that knows us not (or a missing database) is asked again: a new role of IAM takes a while to count.
const STRANGER: Duration = Duration::from_secs(60);

/// Brings the database to the newest schema; does nothing if it is there. A newer schema than ours is left alone.
///
/// What is away or busy is tried again until the deadline.
///
/// # Errors
/// When the database is away, or locks are held, until the deadline; when a statement fails; or when a migration was
/// changed after it was applied.
pub async fn migrate(store: &Store, deadline: Deadline) -> Result<Applied, StoreError> {
    migrate_with(MIGRATIONS, store, deadline).await
}

/// The schema that the database has, 0 if it has none; asked again while the database is away.
///
/// # Errors
/// When it is away until the deadline.
pub async fn schema_version(store: &Store, deadline: Deadline) -> Result<i32, StoreError> {
    let mut waiting = Waiting::begin();
    loop {
        match store.in_tx("migrate_version", deadline, version).await {
            Err(error) => waiting.after(error, deadline).await?,
            version => return version,
        }
    }
}

/// As [`migrate`] with other migrations than ours.
///
/// # Errors
/// As [`migrate`].
pub async fn migrate_with(migrations: &[Migration], store: &Store, deadline: Deadline) -> Result<Applied, StoreError> {
    let (mut from, mut waiting) = (None, Waiting::begin());
    loop {
        let done = match store.in_tx("migrate", deadline, async |tx| step(tx, migrations, deadline).await).await {
            Ok(Step::Outside(next)) => outside::apply(store, &next, deadline).await,
            done => done,
        };
        match done {
            Ok(Step::Nothing(version)) => return Ok(Applied { from: from.unwrap_or(version), to: version }),
            Ok(Step::Applied(version)) => {
                tracing::info!(schema.version = version, "migrated");
                from.get_or_insert(version - 1);
                waiting = Waiting::begin();
            }
            Ok(Step::Busy | Step::Outside(_)) if deadline.remaining() < Duration::from_millis(250) => {
                return Err(StoreError::Timeout { name: "migrate_lock" });
            }
            Ok(Step::Busy | Step::Outside(_)) => tokio::time::sleep(Duration::from_millis(200)).await,
            Err(error) => waiting.after(error, deadline).await?,
        }
    }
}

/// How long something has been tried in vain.
struct Waiting {
    tries: u32,
    stranger: Deadline,
}

impl Waiting {
    fn begin() -> Self {
        Self { tries: 0, stranger: Deadline::within(STRANGER) }
    }

    /// Waits until it is to be tried again. The error, if that is of no use or there is no time.
    async fn after(&mut self, error: StoreError, deadline: Deadline) -> Result<(), StoreError> {
        let wait = clock::backoff(self.tries, Duration::from_millis(100), Duration::from_secs(5));
        self.tries += 1;
        let in_vain = error.is_stranger() && self.stranger.remaining().is_zero();
        if !passes(&error) || in_vain || deadline.remaining() <= wait {
            return Err(error);
        }
        tracing::warn!(error = chain(&error), "the migration waits and tries again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Whether the same may work later. Two equal rows under a new unique index stay equal.
fn passes(error: &StoreError) -> bool {
    error.verdict() == Verdict::Again && !error.is_duplicate()
}

enum Step {
    /// Another process migrates.
    Busy,
    Applied(i32),
    /// To be applied outside a transaction.
    Outside(Migration),
    Nothing(i32),
}

/// Applies the first migration that is missing.
async fn step(tx: &mut Tx<'_>, migrations: &[Migration], deadline: Deadline) -> Result<Step, StoreError> {
    let free: bool = tx.query(LOCKED, &[]).await?.first().is_some_and(|row| row.get(0));
    if !free {
        return Ok(Step::Busy);
    }
    tx.script(&limits("SET LOCAL", LOCK, deadline)).await?;
    tx.script(CREATE).await?;
    let applied = tx.query(APPLIED, &[]).await?;
    for row in &applied {
        let version: i32 = row.get("version");
        let known = migrations.iter().find(|migration| migration.version == version);
        if known.is_some_and(|migration| sha256(migration.sql) != row.get::<_, String>("sha256")) {
            return Err(StoreError::Changed { version, name: row.get("name") });
        }
    }
    let current = applied.last().map_or(0, |row| row.get("version"));
    let Some(next) = migrations.iter().find(|migration| migration.version > current) else {
        return Ok(Step::Nothing(current));
    };
    if next.is_outside() {
        return Ok(Step::Outside(*next));
    }
    tx.script(next.sql).await?;
    tx.query(RECORD, &[&next.version, &next.name, &sha256(next.sql)]).await?;
    Ok(Step::Applied(next.version))
}

/// The time that statements have (all that is left), and that they wait for locks; zero for as long as the former.
fn limits(set: &str, lock: Duration, deadline: Deadline) -> String {
    let (statement, lock) = (deadline.remaining().as_millis().max(1), lock.as_millis());
    format!("{set} statement_timeout = {statement}; {set} lock_timeout = {lock}")
}
