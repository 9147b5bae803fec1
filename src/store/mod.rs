//! The only room (beside each family's `store.rs`) that speaks SQL.
//!
//! Every statement is a `.sql` file whose first line is `-- name`, prepared once a connection and run inside a
//! transaction: there is no way to a statement but through a [`Tx`], and no way to a [`Tx`] but [`Store::in_tx`].

mod commits;
mod dora;
mod error;
mod explain;
mod iam;
mod lead;
mod listen;
mod migrate;
mod patient;
mod pool;
mod reader;
pub mod refused;
mod refused_rows;
mod repair;
mod runs;
mod shown;
mod stale;
mod summary;
mod tls;
mod tx;
pub mod upkeep;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError};
use tokio_postgres::types::ToSql;
/// What rows of a `COPY` are of.
pub use tokio_postgres::types::{Json, Type};

pub use self::commits::{Commit, NamedCommit, commit, commit_in};
pub use self::dora::{Delivered, dora};
pub use self::error::{StoreError, Verdict, chain};
pub use self::explain::{EXPLAINED, Explained, Part, explain};
pub use self::lead::{LeadStage, STAGES, lead_stages};
pub use self::listen::Listener;
pub use self::migrate::{Applied, MIGRATIONS, Migration, migrate, migrate_with, schema_version};
pub use self::patient::Patient;
pub(crate) use self::reader::rows;
pub use self::reader::{FromRow, Reader};
pub use self::refused::{Refused, refuse};
pub use self::refused_rows::{RefusedCount, RefusedRow, count_refused, list_refused};
pub use self::repair::{frozen_until, repair, repairable};
pub use self::runs::{Progress, Run, cancel_run, claim_run, create_run, end_run, runs, save_run};
pub use self::shown::{Shown, StoredJson, StoredTime, json, shown};
pub use self::stale::{Stale, Step};
pub use self::summary::{TableSummary, filled_tables, summary};
use self::tx::Open;
pub use self::tx::Tx;
use crate::clock::{self, Deadline};
use crate::config::Database;

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

/// How often a transaction that lost a conflict is tried again at once.
const CONFLICT_RETRIES: u32 = 8;

impl Store {
    /// Prepares for connections to a database; makes none yet.
    ///
    /// # Errors
    /// When TLS cannot be set up, for instance because the CA bundle cannot be read.
    pub fn open(database: &Database) -> Result<Self, StoreError> {
        let target = format!("{}:{}/{}", database.target.host, database.target.port, database.target.name);
        let (pool, database) = (pool::build(database)?, Arc::new(database.clone()));
        Ok(Self { pool, target, database, schema_is_right: Arc::default() })
    }

    /// Runs `body` in a transaction and commits it. Runs it again, a few times, when it lost a conflict with another
    /// transaction; so `body` must be fit to be called more than once. `name` is for errors and the log.
    ///
    /// # Errors
    /// When there is no connection, a statement fails, or the deadline passes. Nothing is then written, unless the
    /// connection broke during the commit, when it cannot be told: what is written must bear being written again.
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
                // A statement is still under way on this connection, which is closed.
                Err(_) => return Err(StoreError::Timeout { name }),
            };
            match result {
                Err(error) if error.is_conflict() && attempt < CONFLICT_RETRIES => {
                    attempt += 1;
                    tracing::debug!(tx = name, attempt, error = chain(&error), "conflict, trying again");
                    open.give_back();
                    tokio::time::sleep(clock::backoff(attempt, Duration::from_millis(5), Duration::from_millis(500)))
                        .await;
                }
                result => {
                    // A fail-over made a reader of the server that the connection leads to; a new one finds the writer.
                    if !result.as_ref().is_err_and(StoreError::is_of_a_reader) {
                        open.give_back();
                    }
                    return result;
                }
            }
        }
    }

    /// Runs a script of several statements, outside of any transaction of its own. For tools and tests.
    ///
    /// # Errors
    /// When there is no connection or a statement fails.
    pub async fn script(&self, sql: &str, deadline: Deadline) -> Result<(), StoreError> {
        let object = self.connection("script", deadline).await?;
        object.batch_execute(sql).await.map_err(|source| StoreError::Statement { name: "script", source })
    }

    /// Makes sure, once for each `Store`, that the database has the schema of this program. A newer one is said in the
    /// log and taken: migrations only add until all programs are new.
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

/// One column of a batch: a value of each row, in order.
pub fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
