//! The connection pool. Each connection is made with a time limit, signed in with a fresh password or token, and
//! configured once.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode as PgSslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::StoreError;
use super::{Database, SignIn, SslMode};
use super::{iam, tls};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait of a statement for a lock of another transaction; then the whole transaction is retried.
const LOCK: Duration = Duration::from_secs(5);

/// A pool for a database. Makes no connection yet.
pub(super) fn build(database: &Database) -> Result<Pool, StoreError> {
    let connector = Connector { database: database.clone(), renewed: Mutex::default(), tls: tls::connector(database)? };
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_connect(configuration(database), connector, recycling);
    let pool = Pool::builder(manager).max_size(database.pool_size.max(1)).runtime(Runtime::Tokio1);
    pool.build().map_err(|error| StoreError::Tls(error.to_string()))
}

/// The parameters of a connection, without the password.
fn configuration(database: &Database) -> Config {
    let mut config = Config::new();
    config
        .host(&database.target.host)
        .port(database.target.port)
        .dbname(&database.target.name)
        .user(&database.target.user)
        .application_name("hummingbird-status")
        .connect_timeout(CONNECT)
        // A thawed Lambda environment has sockets whose other end is long gone.
        .tcp_user_timeout(Duration::from_secs(10))
        .keepalives_idle(Duration::from_secs(30))
        .ssl_mode(match tls::mode(database) {
            SslMode::Disable => PgSslMode::Disable,
            SslMode::Prefer => PgSslMode::Prefer,
            SslMode::Require => PgSslMode::Require,
        });
    config
}

/// [`configuration`] with the password, or a token signed now.
fn signed_in(config: &Config, database: &Database, renewed: Option<&str>) -> Config {
    let mut config = config.clone();
    match &database.sign_in {
        SignIn::Password(password) => {
            config.password(renewed.unwrap_or(password));
        }
        SignIn::Iam(credentials) => match iam::token(&database.target, credentials, SystemTime::now()) {
            Ok(token) => {
                config.password(token);
            }
            // The server then rejects the empty password; the cause is in the log.
            Err(error) => tracing::error!(error = crate::platform::failure::chain(&error), "no IAM token"),
        },
    }
    config
}

/// A connection outside of the pool, and the future that drives it.
pub(super) async fn connect(
    database: &Database,
) -> Result<(Client, Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>), StoreError> {
    let failed = |source: Error| StoreError::Statement { name: "listen", source };
    let tls = tls::connector(database)?;
    signed_in(&configuration(database), database, None).connect(tls).await.map_err(failed)
}

struct Connector {
    database: Database,
    /// The password, if it was read again after a rotation.
    renewed: Mutex<Option<String>>,
    tls: MakeRustlsConnect,
}

impl Connector {
    fn renewed(&self) -> MutexGuard<'_, Option<String>> {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Connected = Result<(Client, JoinHandle<()>), Error>;

impl Connect for Connector {
    fn connect(&self, config: &Config) -> Pin<Box<dyn Future<Output = Connected> + Send + '_>> {
        let renewed = self.renewed().clone();
        let mut config = signed_in(config, &self.database, renewed.as_deref());
        let set_up = set_up(self.database.statement_timeout, self.database.read_only);
        Box::pin(async move {
            // Used without TLS too: then the connector is not called.
            let (client, connection) = match (config.connect(self.tls.clone()).await, &self.database.renewal) {
                (Err(error), Some(renewal)) if error.code() == Some(&SqlState::INVALID_PASSWORD) => {
                    let Some(password) = renewal().await else { return Err(error) };
                    config.password(&password);
                    *self.renewed() = Some(password);
                    config.connect(self.tls.clone()).await?
                }
                (connected, _) => connected?,
            };
            let task = tokio::spawn(async move { log_end(connection.await) });
            client.batch_execute(&set_up).await?;
            Ok((client, task))
        })
    }
}

fn log_end(result: Result<(), Error>) {
    if let Err(error) = result {
        tracing::debug!(error = crate::platform::failure::chain(&error), "connection ended");
    }
}

/// Session settings, in one round trip for each new connection. Rows stored as JSON hold times as text, so the time
/// zone must not vary.
fn set_up(statement_timeout: Duration, read_only: bool) -> String {
    let statement = statement_timeout.as_millis();
    let lock = LOCK.min(statement_timeout / 2).as_millis();
    // Unused filters are NULL: a generic plan would serve no combination of them well. Many queries run at a time, each
    // of them small: parallel workers would cost more than they gain.
    let reading = "; SET default_transaction_read_only = on; SET plan_cache_mode = force_custom_plan; \
                   SET max_parallel_workers_per_gather = 0";
    let reading = if read_only { reading } else { "" };
    format!(
        "SET timezone = 'UTC'; SET statement_timeout = {statement}; SET lock_timeout = {lock}; \
         SET idle_in_transaction_session_timeout = {statement}; SET jit = off{reading}"
    )
}
