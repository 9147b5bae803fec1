//! Migrates the schema: migrations are built into the program and applied in order, under an advisory lock.
//!
//! The lock is polled, not waited for: a session that waits for it holds a snapshot, for which
//! `CREATE INDEX CONCURRENTLY` of another session would wait in turn (element-hq/matrix-authentication-service#5297). A
//! busy lock or a lost connection is retried until the deadline, and each wait for a lock is short, see [`LOCK`].
//!
//! # How to write a migration
//!
//! A file is of one of two kinds, and blocks writers for no longer than a lock time-out (a test reads the statements):
//!
//! - **In a transaction**, the default: all of it or nothing. For tables, columns without a scan (no `CHECK`, no
//!   volatile default), views, functions, and `ADD CONSTRAINT .. NOT VALID`, which new rows obey at once.
//! - **Outside a transaction**, when its first line is `-- outside a transaction`: each statement by itself, for work
//!   that takes long on a large table. After an interruption the file is run again from its beginning, so that each
//!   statement must be idempotent: `CREATE INDEX CONCURRENTLY IF NOT EXISTS name ON ..` (an invalid index of that name,
//!   which an interruption leaves, is dropped first), `DROP INDEX CONCURRENTLY IF EXISTS name`,
//!   `ALTER TABLE .. VALIDATE CONSTRAINT name`, `ANALYZE`, and `DO` blocks that change rows in chunks with a `COMMIT`
//!   after each.
//!
//! So an index or a checked constraint on an existing table takes two files, in this order. A partitioned table does
//! not support `CONCURRENTLY`: use `CREATE INDEX IF NOT EXISTS .. ON ONLY`, the index of each partition,
//! `ALTER INDEX .. ATTACH PARTITION`. On a table of few rows the short form is right; say so in the line before the
//! statement, `-- holds writers: <reason>`. A file with an index on a large table may take longer than Lambda's 15
//! minutes: sam/README.md, 'Upgrades'.

mod outside;

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{ErrorClass, Store, StoreError, Tx};
use crate::platform::clock::{self, Deadline};
use crate::platform::failure::chain;
use crate::platform::hex::hex;

/// A change of the schema. Appended to the list; never changed once merged.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Number, from 1, without gaps.
    pub version: i32,
    /// Short name.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

impl Migration {
    /// Whether its statements are run one by one, outside a transaction.
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

/// All migrations, oldest first.
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
    Migration { version: 29, name: "checks", sql: include_str!("migrations/0029_checks.sql") },
    Migration { version: 30, name: "series", sql: include_str!("migrations/0030_series.sql") },
    Migration { version: 31, name: "check_lists", sql: include_str!("migrations/0031_check_lists.sql") },
    Migration { version: 32, name: "gitlab_ci", sql: include_str!("migrations/0032_gitlab_ci.sql") },
    Migration { version: 33, name: "gitlab_merges", sql: include_str!("migrations/0033_gitlab_merges.sql") },
    Migration { version: 34, name: "verdicts", sql: include_str!("migrations/0034_verdicts.sql") },
];

/// The result of [`migrate`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Applied {
    /// Schema before; 0 for an empty database.
    pub from: i32,
    /// Schema now.
    pub to: i32,
}

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (\
    version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, \
    applied_at timestamptz NOT NULL DEFAULT now())";
const LOCKED: &str = "-- migrate_lock\nSELECT pg_try_advisory_xact_lock(hashtext('hummingbird-status migrate'))";
const APPLIED: &str = "-- migrate_applied\nSELECT version, name, sha256 FROM schema_migrations ORDER BY version";
const RECORD: &str = "-- migrate_record\nINSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)";
const TABLE: &str = "-- migrate_table\nSELECT to_regclass('schema_migrations') IS NOT NULL";
const VERSION: &str = "-- migrate_version\nSELECT coalesce(max(version), 0) FROM schema_migrations";

/// The number of the newest migration. A constant, so that functions which only compare it are linked without the
/// migrations.
pub(super) const NEWEST: i32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

fn sha256(sql: &str) -> String {
    hex(&Sha256::digest(sql))
}

/// The schema version of the database; 0 if it has none.
pub(super) async fn version(tx: &mut Tx<'_>) -> Result<i32, StoreError> {
    let exists: bool = tx.query(TABLE, &[]).await?.first().is_some_and(|row| row.get(0));
    if !exists {
        return Ok(0);
    }
    Ok(tx.query(VERSION, &[]).await?.first().map_or(0, |row| row.get(0)))
}

/// Longest wait of a migration for a lock, since other sessions queue behind it. Shorter than the time that writers
/// wait ([`super::pool`]), so that none of them gives up because of a migration.
const LOCK: Duration = Duration::from_secs(2);
/// How long a rejected login (or a missing database) is retried: a new IAM role takes a while to be effective.
const REJECTED_LOGIN: Duration = Duration::from_secs(60);

/// Migrates the database to the newest schema; does nothing if it has that. A schema newer than ours is left unchanged.
///
/// Lost connections and busy locks are retried with backoff until the deadline.
///
/// # Errors
/// When the database is away or locks are held until the deadline; when a statement fails; or when a migration was
/// changed after it was applied.
pub async fn migrate(store: &Store, deadline: Deadline) -> Result<Applied, StoreError> {
    migrate_with(MIGRATIONS, store, deadline).await
}

/// The schema version of the database, 0 if it has none; retried while the database is away.
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
        let done = match store.in_tx("migrate", deadline, async |tx| apply_next(tx, migrations, deadline).await).await {
            Ok(MigrationStep::Outside(next)) => outside::apply(store, &next, deadline).await,
            done => done,
        };
        match done {
            Ok(MigrationStep::Nothing(version)) => return Ok(Applied { from: from.unwrap_or(version), to: version }),
            Ok(MigrationStep::Applied(version)) => {
                tracing::info!(schema.version = version, "migrated");
                from.get_or_insert(version - 1);
                waiting = Waiting::begin();
            }
            Ok(MigrationStep::Busy | MigrationStep::Outside(_))
                if deadline.remaining() < Duration::from_millis(250) =>
            {
                return Err(StoreError::Timeout { name: "migrate_lock" });
            }
            Ok(MigrationStep::Busy | MigrationStep::Outside(_)) => tokio::time::sleep(Duration::from_millis(200)).await,
            Err(error) => waiting.after(error, deadline).await?,
        }
    }
}

/// Retry state: the attempts so far, and until when a rejected login is retried.
struct Waiting {
    attempts: u32,
    rejected_login: Deadline,
}

impl Waiting {
    fn begin() -> Self {
        Self { attempts: 0, rejected_login: Deadline::within(REJECTED_LOGIN) }
    }

    /// Waits for the backoff. Returns the error if it is permanent or no time is left.
    async fn after(&mut self, error: StoreError, deadline: Deadline) -> Result<(), StoreError> {
        let wait = clock::backoff(self.attempts, Duration::from_millis(100), Duration::from_secs(5));
        self.attempts += 1;
        let is_permanent = error.is_rejected_login() && self.rejected_login.remaining().is_zero();
        if !is_transient(&error) || is_permanent || deadline.remaining() <= wait {
            return Err(error);
        }
        tracing::warn!(error = chain(&error), "migration failed, retrying after backoff");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Whether a retry may work. Duplicate rows under a new unique index stay duplicates.
fn is_transient(error: &StoreError) -> bool {
    error.class() == ErrorClass::Retry && !error.is_duplicate()
}

enum MigrationStep {
    /// Another process migrates.
    Busy,
    Applied(i32),
    /// The next migration is to be applied outside a transaction.
    Outside(Migration),
    Nothing(i32),
}

/// Applies the first migration that is missing.
async fn apply_next(
    tx: &mut Tx<'_>,
    migrations: &[Migration],
    deadline: Deadline,
) -> Result<MigrationStep, StoreError> {
    let free: bool = tx.query(LOCKED, &[]).await?.first().is_some_and(|row| row.get(0));
    if !free {
        return Ok(MigrationStep::Busy);
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
        return Ok(MigrationStep::Nothing(current));
    };
    if next.is_outside() {
        return Ok(MigrationStep::Outside(*next));
    }
    tx.script(next.sql).await?;
    tx.query(RECORD, &[&next.version, &next.name, &sha256(next.sql)]).await?;
    Ok(MigrationStep::Applied(next.version))
}

/// Sets the time limits of a session or transaction: all the time that is left for a statement, and `lock` for each
/// wait for a lock (zero: no limit of its own).
fn limits(set: &str, lock: Duration, deadline: Deadline) -> String {
    let (statement, lock) = (deadline.remaining().as_millis().max(1), lock.as_millis());
    format!("{set} statement_timeout = {statement}; {set} lock_timeout = {lock}")
}
