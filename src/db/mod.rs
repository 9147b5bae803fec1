//! Access to PostgreSQL: pool, TLS, transactions, error classes, migrations, rejected messages, runs of backfill.
//! Sources, `outbox`, `checks` and `reports` bring their own statements and run them here.
//!
//! Every statement is a `.sql` file whose first line is `-- name`, prepared once for each connection. Writes run inside
//! a transaction: a [`Tx`] comes from [`Store::in_tx`] only. Queries of the web UI run outside of one, on a [`Reader`].

mod error;
mod iam;
mod listen;
pub mod maintenance;
mod migrate;
mod pool;
mod reader;
pub mod rejected;
mod rejected_rows;
mod retrying;
mod runs;
pub mod settings;
mod shown;
mod stuck;
mod tls;
mod tx;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError};
use tokio_postgres::types::ToSql;
/// Types of the columns of a `COPY`.
pub use tokio_postgres::types::{Json, Type};

pub use self::error::{ErrorClass, StoreError};
pub use self::listen::{Channel, Listener};
pub use self::migrate::{Applied, MIGRATIONS, Migration, migrate, migrate_with, schema_version};
pub(crate) use self::reader::rows;
pub use self::reader::{FromRow, Reader};
pub use self::rejected::{Rejected, reject};
pub use self::rejected_rows::{RejectedCount, RejectedRow, count_rejected, list_rejected};
pub use self::retrying::Retrying;
pub use self::runs::{Progress, Run, cancel_run, claim_run, create_run, end_run, runs, save_run};
pub use self::settings::{
    AwsCredentials, Database, SignIn, SslMode, Target, database, from_url, page_database, with_secrets,
};
pub use self::shown::{Shown, StoredJson, StoredTime, json, shown};
pub use self::stuck::{ChunkResult, Stuck};
use self::tx::Open;
pub use self::tx::Tx;
use crate::platform::clock::{self, Deadline};

/// A parameter of a statement.
pub type Param<'p> = &'p (dyn ToSql + Sync);

/// The database.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    target: String,
    database: Arc<Database>,
    schema_is_right: Arc<AtomicBool>,
}

/// Immediate retries of a transaction that lost a conflict.
const CONFLICT_RETRIES: u32 = 8;

impl Store {
    /// Sets up the pool for a database; makes no connection yet.
    ///
    /// # Errors
    /// When TLS cannot be set up, for instance because the CA bundle cannot be read.
    pub fn open(database: &Database) -> Result<Self, StoreError> {
        let target = format!("{}:{}/{}", database.target.host, database.target.port, database.target.name);
        let (pool, database) = (pool::build(database)?, Arc::new(database.clone()));
        Ok(Self { pool, target, database, schema_is_right: Arc::default() })
    }

    /// Runs `body` in a transaction and commits it. Retries it a few times, with backoff, after a conflict with another
    /// transaction, so `body` must be idempotent. `name` is for errors and the log.
    ///
    /// # Errors
    /// When there is no connection, a statement fails, or the deadline passes. Nothing is written then, unless the
    /// connection broke during the commit, whose outcome is unknown: so writes must be idempotent.
    pub async fn in_tx<T>(
        &self,
        name: &'static str,
        deadline: Deadline,
        body: impl AsyncFn(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut attempt = 0;
        loop {
            let open = Open::new(self.connection(name, deadline).await?);
            let run = async {
                let mut tx = open.tx(attempt);
                let value = body(&mut tx).await;
                tx.end(value).await
            };
            let result: Result<T, StoreError> = match tokio::time::timeout(deadline.remaining(), run).await {
                Ok(result) => result,
                // A statement is still running on this connection, so it is closed.
                Err(_) => return Err(StoreError::Timeout { name }),
            };
            match result {
                Err(error) if error.is_conflict() && attempt < CONFLICT_RETRIES => {
                    attempt += 1;
                    tracing::debug!(
                        tx = name,
                        attempt,
                        error = crate::platform::failure::chain(&error),
                        "conflict, retrying"
                    );
                    open.return_to_pool();
                    tokio::time::sleep(clock::backoff(attempt, Duration::from_millis(5), Duration::from_millis(500)))
                        .await;
                }
                result => {
                    // A fail-over made a replica of the server; only a new connection finds the primary.
                    if !result.as_ref().is_err_and(StoreError::is_read_only) {
                        open.return_to_pool();
                    }
                    return result;
                }
            }
        }
    }

    /// Runs a script of several statements, without a transaction around them. For tools and tests.
    ///
    /// # Errors
    /// When there is no connection or a statement fails.
    pub async fn script(&self, sql: &str, deadline: Deadline) -> Result<(), StoreError> {
        let object = self.connection("script", deadline).await?;
        object.batch_execute(sql).await.map_err(|source| StoreError::Statement { name: "script", source })
    }

    /// Checks, once for each `Store`, that the database has the schema of this program. A newer one is logged and
    /// accepted: migrations are compatible with the previous release.
    ///
    /// # Errors
    /// When there is no connection, or the schema is older.
    pub async fn check_schema(&self, deadline: Deadline) -> Result<(), StoreError> {
        if self.schema_is_right.load(Ordering::Relaxed) {
            return Ok(());
        }
        let found = self.in_tx("check_schema", deadline, migrate::version).await?;
        let expected = migrate::NEWEST;
        if found > expected {
            tracing::warn!(schema.found = found, schema.expected = expected, "the database has a newer schema");
        }
        if found < expected {
            return Err(StoreError::Schema { found, expected });
        }
        self.schema_is_right.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn connection(&self, name: &'static str, deadline: Deadline) -> Result<Object, StoreError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Connect {
            target: self.target.clone(),
            source,
        };
        match tokio::time::timeout(deadline.remaining(), self.pool.get()).await {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(PoolError::Backend(error))) => Err(failed(error.into())),
            Ok(Err(error)) => Err(failed(error.into())),
            Err(_) => Err(StoreError::Timeout { name }),
        }
    }
}

/// The name of a statement: its first line, without the dashes.
fn name_of(sql: &'static str) -> &'static str {
    sql.lines().next().unwrap_or_default().trim_start_matches("-- ")
}

/// One column of a batch as an array parameter: a value for each row, in order.
pub fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
