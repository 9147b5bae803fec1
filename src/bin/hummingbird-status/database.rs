//! Opens the database of a command: the configured one, else the local one below `.hummingbird/`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use hummingbird_status::db::{SignIn, SslMode};
use hummingbird_status::db::{Store, migrate};
use hummingbird_status::local::{self, Cluster, Profile, Running};
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::platform::environment::{ConfigError, environment};

/// The folder of the local database.
pub(super) const BASE: &str = ".hummingbird";

/// An open database. Dropping it stops the local server, if it was started for it.
pub(super) struct Database {
    /// Its connections.
    pub(super) store: Store,
    /// The local server, if it is used.
    pub(super) server: Option<Running>,
    /// Its configuration.
    pub(super) config: hummingbird_status::db::Database,
}

impl Database {
    /// A read-only pool with this number of connections and this time limit for a statement.
    pub(super) fn for_reading(&self, connections: usize, statement: Duration) -> anyhow::Result<Store> {
        let config = hummingbird_status::db::Database {
            pool_size: connections,
            statement_timeout: statement,
            read_only: true,
            ..self.config.clone()
        };
        Ok(Store::open(&config)?)
    }

    /// Another pool with this number of connections, which are opened on demand.
    pub(super) fn for_writing(&self, connections: usize) -> anyhow::Result<Store> {
        Ok(Store::open(&hummingbird_status::db::Database { pool_size: connections, ..self.config.clone() })?)
    }
}

/// Opens the database with this number of connections. The local one is started if it does not run, and migrated to the
/// newest schema; a configured one is not migrated.
pub(super) async fn open(connections: usize) -> anyhow::Result<Database> {
    open_with(None, connections).await
}

/// The same for commands that write no new data: the local database must exist.
pub(super) async fn open_existing(connections: usize) -> anyhow::Result<Database> {
    if matches!(hummingbird_status::db::database(&environment), Err(ConfigError::NoDatabase)) {
        tokio::task::spawn_blocking(existing_cluster).await??;
    }
    open(connections).await
}

/// The same with a local server that already runs, if given.
pub(super) async fn open_with(server: Option<Running>, connections: usize) -> anyhow::Result<Database> {
    let (mut database, server) = match (hummingbird_status::db::database(&environment), server) {
        (Ok(database), _) => (database, None),
        (Err(ConfigError::NoDatabase), Some(server)) => (hummingbird_status::db::from_url(server.url())?, Some(server)),
        (Err(ConfigError::NoDatabase), None) => {
            let server = tokio::task::spawn_blocking(|| cluster()?.start_owned().context("cannot start PostgreSQL"));
            let server = server.await??;
            (hummingbird_status::db::from_url(server.url())?, Some(server))
        }
        (Err(error), _) => return Err(error.into()),
    };
    database.pool_size = connections;
    let store = Store::open(&database)?;
    if server.is_some() {
        migrate(&store, time_limit()).await.context("cannot bring the schema up to date")?;
    }
    Ok(Database { store, server, config: database })
}

/// The cluster below `.hummingbird/`.
pub(super) fn cluster() -> anyhow::Result<Cluster> {
    Cluster::open(Path::new(BASE), Profile::Durable).context("cannot set up the local PostgreSQL")
}

/// The cluster below `.hummingbird/`, if it has data. Creates nothing.
pub(super) fn found_cluster() -> anyhow::Result<Option<Cluster>> {
    let cluster = if Path::new(BASE).is_dir() { Some(cluster()?) } else { None };
    Ok(cluster.filter(Cluster::has_data))
}

/// The same. `Err` when it has no data.
pub(super) fn existing_cluster() -> anyhow::Result<Cluster> {
    found_cluster()?.with_context(|| {
        let here = std::env::current_dir().map(|folder| folder.join(BASE)).unwrap_or_else(|_| BASE.into());
        format!("there is no database in {}: run `hummingbird-status up` there, or set DATABASE_URL", here.display())
    })
}

/// A command for a client program of PostgreSQL, with the connection to the database in its environment, so that the
/// password is never on a command line. The local server must be running.
pub(super) fn tool(name: &str) -> anyhow::Result<Command> {
    let database = match hummingbird_status::db::database(&environment) {
        Err(ConfigError::NoDatabase) => return Ok(cluster()?.tool_command(name)?),
        database => database?,
    };
    let SignIn::Password(password) = database.sign_in else {
        bail!("{name} cannot use an IAM token: set DATABASE_URL with a password")
    };
    let mut command = local::command_without_pg_variables(&local::machine_tool(name)?);
    let target = database.target;
    command.env("PGHOST", target.host).env("PGPORT", target.port.to_string()).env("PGDATABASE", target.name);
    command.env("PGUSER", target.user).env("PGPASSWORD", password);
    command.env(
        "PGSSLMODE",
        match target.ssl_mode {
            Some(SslMode::Disable) => "disable",
            Some(SslMode::Require) => "verify-full",
            Some(SslMode::Prefer) | None => "prefer",
        },
    );
    if target.ssl_mode == Some(SslMode::Require) {
        command.env("PGSSLROOTCERT", database.ca_bundle.unwrap_or_else(|| "system".to_owned()));
    }
    Ok(command)
}

/// The deadline of a transaction of a command.
pub(super) fn time_limit() -> Deadline {
    Deadline::within(Duration::from_secs(60))
}
