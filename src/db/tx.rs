//! A transaction on a pooled connection. `BEGIN` is pipelined with the first statement and, where the caller knows the
//! last one, `COMMIT` with that, so that neither costs a round trip of its own.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use deadpool_postgres::{ClientWrapper, Object};
use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row};

use super::{FromRow, Param, StoreError, name_of};

/// A connection on which a transaction may be open. Dropping it closes the connection, and with it the transaction.
pub(super) struct Open {
    object: Option<Object>,
    progress: Progress,
}

/// The state of a transaction.
#[derive(Default)]
struct Progress {
    /// `BEGIN` was sent.
    begun: AtomicBool,
    /// `COMMIT` was sent.
    committed: AtomicBool,
    /// Statements that are called at once are sent in the order of their calls, also where one has to be prepared
    /// before.
    turn: Mutex<()>,
}

impl Open {
    pub(super) fn new(object: Object) -> Self {
        Self { object: Some(object), progress: Progress::default() }
    }

    /// The transaction; it begins with its first statement.
    pub(super) fn tx(&self, attempt: u32) -> Tx<'_> {
        // Unwrap safety: only `return_to_pool` and `drop` take the connection, and both end `self`.
        let client = self.object.as_ref().expect("a connection until the end");
        Tx { client, progress: &self.progress, is_part: false, attempt }
    }

    /// Returns the connection to the pool after its transaction has ended.
    pub(super) fn return_to_pool(mut self) {
        self.object = None;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

/// A transaction, or a savepoint in one. It ends with the closure that received it.
pub struct Tx<'t> {
    client: &'t ClientWrapper,
    progress: &'t Progress,
    /// Whether it is a savepoint.
    is_part: bool,
    /// The number of earlier attempts.
    attempt: u32,
}

impl Tx<'_> {
    /// Runs a statement and returns its rows. `sql` is the text of a file that begins with `-- name`.
    ///
    /// # Errors
    /// When the statement fails; the transaction is then aborted.
    pub async fn query(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        let name = name_of(sql);
        let failed = |source| StoreError::Statement { name, source };
        let turn = self.progress.turn.lock().await;
        let statement = self.client.prepare_cached(sql).await.map_err(failed)?;
        sent(turn, self.send(name, self.client.query(&statement, params))).await
    }

    /// As [`Tx::query`], for the last statement of the transaction, which is committed in the same round trip. In a
    /// savepoint nothing is committed.
    ///
    /// # Errors
    /// As there; also when the transaction cannot be committed.
    pub async fn query_last(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        if self.is_part {
            return self.query(sql, params).await;
        }
        let failed = |source| StoreError::Statement { name: name_of(sql), source };
        self.client.prepare_cached(sql).await.map_err(failed)?;
        // If the statement fails, the server turns the commit into a rollback.
        let (rows, committed) = tokio::join!(biased; self.query(sql, params), self.commit());
        let rows = rows?;
        committed.map(|()| rows)
    }

    /// As [`Tx::query`], with each row as a type whose fields are the columns, by name.
    ///
    /// # Errors
    /// As there; also when a column is missing or of another type.
    pub async fn read<T: FromRow>(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<T>, StoreError> {
        self.read_by(sql, params, T::from_row).await
    }

    /// As [`Tx::read`], with a function that reads a row.
    ///
    /// # Errors
    /// As there.
    pub async fn read_by<T>(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
        read: impl Fn(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, StoreError> {
        let failed = |source| StoreError::Statement { name: name_of(sql), source };
        self.query(sql, params).await?.iter().map(read).collect::<Result<_, _>>().map_err(failed)
    }

    /// Runs a `COPY .. FROM STDIN (FORMAT binary)` with rows, whose columns are of these types.
    ///
    /// # Errors
    /// When the statement fails; the transaction is then aborted.
    pub async fn copy<'r>(
        &self,
        sql: &'static str,
        types: &[Type],
        rows: impl Iterator<Item = impl AsRef<[Param<'r>]>>,
    ) -> Result<(), StoreError> {
        let name = name_of(sql);
        let failed = |source| StoreError::Statement { name, source };
        let turn = self.progress.turn.lock().await;
        let statement = self.client.prepare_cached(sql).await.map_err(failed)?;
        let sink = sent(turn, self.send(name, self.client.copy_in(&statement))).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, types));
        for row in rows {
            writer.as_mut().write(row.as_ref()).await.map_err(failed)?;
        }
        writer.finish().await.map(drop).map_err(failed)
    }

    /// Whether this is a retry after a conflict.
    #[must_use]
    pub fn is_retry(&self) -> bool {
        self.attempt > 0
    }

    /// A savepoint: a part of this transaction that may fail by itself. It is lost unless [`Tx::release`] is called.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn savepoint(&mut self) -> Result<Tx<'_>, StoreError> {
        self.send("savepoint", self.client.batch_execute("SAVEPOINT part")).await?;
        Ok(Tx { is_part: true, ..*self })
    }

    /// Releases a savepoint: its changes become part of the transaction around it.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn release(self) -> Result<(), StoreError> {
        self.send("release", self.client.batch_execute("RELEASE SAVEPOINT part")).await
    }

    /// Rolls back all changes since the savepoint.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn rollback(self) -> Result<(), StoreError> {
        let sql = "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part";
        self.send("rollback", self.client.batch_execute(sql)).await
    }

    pub(super) async fn script(&self, sql: &str) -> Result<(), StoreError> {
        self.send("script", self.client.batch_execute(sql)).await
    }

    /// Ends the transaction: commits it after success, and rolls it back after an error.
    pub(super) async fn end<T>(self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let is_open = self.progress.begun.load(Ordering::Relaxed) && !self.progress.committed.load(Ordering::Relaxed);
        if !is_open {
            return result;
        }
        match result {
            Ok(value) => self.commit().await.map(|()| value),
            Err(error) => {
                // Without a connection there is nothing to roll back.
                if let Err(lost) = self.client.batch_execute("ROLLBACK").await {
                    tracing::debug!(error = crate::platform::failure::chain(&lost), "rollback failed");
                }
                Err(error)
            }
        }
    }

    async fn commit(&self) -> Result<(), StoreError> {
        let turn = self.progress.turn.lock().await;
        self.progress.committed.store(true, Ordering::Relaxed);
        let committed = sent(turn, self.client.batch_execute("COMMIT")).await;
        committed.map_err(|source| StoreError::Statement { name: "commit", source })
    }

    /// Sends a statement, with `BEGIN` before it if it is the first one. The future must send its bytes when it is
    /// polled for the first time.
    async fn send<T>(
        &self,
        name: &'static str,
        statement: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        let failed = |source| StoreError::Statement { name, source };
        if self.progress.begun.swap(true, Ordering::Relaxed) {
            return statement.await.map_err(failed);
        }
        let (begun, done) = tokio::join!(biased; self.client.batch_execute("BEGIN"), statement);
        begun.map_err(|source| StoreError::Statement { name: "begin", source })?;
        done.map_err(failed)
    }
}

/// A statement whose bytes are sent when it is polled for the first time: then it is the turn of the next one.
async fn sent<T>(turn: MutexGuard<'_, ()>, statement: impl Future<Output = T>) -> T {
    let mut statement = pin!(statement);
    let first = poll_fn(|context| Poll::Ready(statement.as_mut().poll(context))).await;
    drop(turn);
    match first {
        Poll::Ready(done) => done,
        Poll::Pending => statement.await,
    }
}
