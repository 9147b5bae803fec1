//! The schema: migrations built into the program, applied in order, each in a transaction of its own.
//!
//! Under an advisory lock, polled rather than waited for: a session that waits in the lock holds a snapshot, which
//! `CREATE INDEX CONCURRENTLY` of another one would wait for in turn (element-hq/matrix-authentication-service#5297).

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Store, StoreError, Tx};
use crate::clock::Deadline;

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
const LOCK: &str = "-- migrate_lock\nSELECT pg_try_advisory_xact_lock(hashtext('hummingbird-status migrate'))";
const APPLIED: &str = "-- migrate_applied\nSELECT version, name, sha256 FROM schema_migrations ORDER BY version";
const RECORD: &str = "-- migrate_record\nINSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)";
const TABLE: &str = "-- migrate_table\nSELECT to_regclass('schema_migrations') IS NOT NULL";
const VERSION: &str = "-- migrate_version\nSELECT coalesce(max(version), 0) FROM schema_migrations";

/// The number of the newest migration. A constant, so that functions which only compare it do without their text.
pub(super) const NEWEST: i32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

fn sha256(sql: &str) -> String {
    Sha256::digest(sql).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The schema that the database has; 0 if none.
pub(super) async fn version(tx: &mut Tx<'_>) -> Result<i32, StoreError> {
    let exists: bool = tx.query(TABLE, &[]).await?.first().is_some_and(|row| row.get(0));
    if !exists {
        return Ok(0);
    }
    Ok(tx.query(VERSION, &[]).await?.first().map_or(0, |row| row.get(0)))
}

/// Brings the database to the newest schema; does nothing if it is there. A newer schema than ours is left alone.
///
/// # Errors
/// When there is no connection, a statement fails, another one migrates until the deadline, or a migration was
/// changed after it was applied.
pub async fn migrate(store: &Store, deadline: Deadline) -> Result<Applied, StoreError> {
    let mut from = None;
    loop {
        match store.in_tx("migrate", deadline, step).await? {
            Step::Busy => {
                if deadline.remaining() < Duration::from_millis(250) {
                    return Err(StoreError::Timeout { name: "migrate_lock" });
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Step::Applied(version) => {
                tracing::info!(schema.version = version, "migrated");
                from.get_or_insert(version - 1);
            }
            Step::Nothing(version) => return Ok(Applied { from: from.unwrap_or(version), to: version }),
        }
    }
}

enum Step {
    Busy,
    Applied(i32),
    Nothing(i32),
}

/// Applies the first migration that is missing.
async fn step(tx: &mut Tx<'_>) -> Result<Step, StoreError> {
    let free: bool = tx.query(LOCK, &[]).await?.first().is_some_and(|row| row.get(0));
    if !free {
        return Ok(Step::Busy);
    }
    tx.script(CREATE).await?;
    let applied = tx.query(APPLIED, &[]).await?;
    for row in &applied {
        let version: i32 = row.get("version");
        let known = MIGRATIONS.iter().find(|migration| migration.version == version);
        if known.is_some_and(|migration| sha256(migration.sql) != row.get::<_, String>("sha256")) {
            return Err(StoreError::Changed { version, name: row.get("name") });
        }
    }
    let current = applied.last().map_or(0, |row| row.get("version"));
    let Some(next) = MIGRATIONS.iter().find(|migration| migration.version > current) else {
        return Ok(Step::Nothing(current));
    };
    tx.script(next.sql).await?;
    tx.query(RECORD, &[&next.version, &next.name, &sha256(next.sql)]).await?;
    Ok(Step::Applied(next.version))
}
