//! Which database a command works on: the configured one, else the one below `.hummingbird/`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use hummingbird_status::clock::Deadline;
use hummingbird_status::config::{self, ConfigError, SignIn, SslMode, environment};
use hummingbird_status::local::{self, Cluster, Profile, Running};
use hummingbird_status::store::{Store, migrate};

/// Where local commands keep their data.
pub(super) const BASE: &str = ".hummingbird";

/// A database to work on. The server, if it is ours, stops when this is dropped.
pub(super) struct Database {
    /// Connected to it.
    pub(super) store: Store,
    /// The server that was started for it, or found running.
    pub(super) server: Option<Running>,
    /// How it is reached.
    pub(super) config: config::Database,
}

impl Database {
    /// The same for reading only, with so many connections and so much time for a statement.
    pub(super) fn for_reading(&self, connections: usize, statement: Duration) -> anyhow::Result<Store> {
        let config = config::Database {
            pool_size: connections,
            statement_timeout: statement,
            read_only: true,
            ..self.config.clone()
        };
        Ok(Store::open(&config)?)
    }

    /// The same with so many connections of their own, made when they are needed.
    pub(super) fn for_writing(&self, connections: usize) -> anyhow::Result<Store> {
        Ok(Store::open(&config::Database { pool_size: connections, ..self.config.clone() })?)
    }
}

/// Opens the database with so many connections. Our own one is started if need be, and brought to the newest schema;
/// a configured one is left as it is.
pub(super) async fn open(connections: usize) -> anyhow::Result<Database> {
    open_with(None, connections).await
}

/// The same for commands that bring nothing in: a database of our own has to be there.
pub(super) async fn open_existing(connections: usize) -> anyhow::Result<Database> {
    if matches!(config::database(&environment), Err(ConfigError::NoDatabase)) {
        tokio::task::spawn_blocking(existing_cluster).await??;
    }
    open(connections).await
}

/// The same with our own server, if it is running already.
pub(super) async fn open_with(server: Option<Running>, connections: usize) -> anyhow::Result<Database> {
    let (mut database, server) = match (config::database(&environment), server) {
        (Ok(database), _) => (database, None),
        (Err(ConfigError::NoDatabase), Some(server)) => (config::from_url(server.url())?, Some(server)),
        (Err(ConfigError::NoDatabase), None) => {
            let server = tokio::task::spawn_blocking(|| cluster()?.start_owned().context("cannot start PostgreSQL"));
            let server = server.await??;
            (config::from_url(server.url())?, Some(server))
        }
        (Err(error), _) => return Err(error.into()),
    };
    database.pool_size = connections;
    let store = Store::open(&database)?;
    if server.is_some() {
        migrate(&store, patience()).await.context("cannot bring the schema up to date")?;
    }
    Ok(Database { store, server, config: database })
}

/// The cluster below `.hummingbird/`.
pub(super) fn cluster() -> anyhow::Result<Cluster> {
    Cluster::open(Path::new(BASE), Profile::Durable).context("cannot set up a PostgreSQL of our own")
}

/// The cluster below `.hummingbird/`, if it has data. Creates nothing.
pub(super) fn found_cluster() -> anyhow::Result<Option<Cluster>> {
    let cluster = if Path::new(BASE).is_dir() { Some(cluster()?) } else { None };
    Ok(cluster.filter(Cluster::has_data))
}

/// The same for what needs one.
pub(super) fn existing_cluster() -> anyhow::Result<Cluster> {
    found_cluster()?.with_context(|| {
        let here = std::env::current_dir().map(|folder| folder.join(BASE)).unwrap_or_else(|_| BASE.into());
        format!("there is no database in {}: run `hummingbird-status up` there, or set DATABASE_URL", here.display())
    })
}

/// A client program of PostgreSQL, ready to talk to the database that commands work on. What it needs is in its
/// environment, so that the password is never on a command line. Our own server has to run.
pub(super) fn tool(name: &str) -> anyhow::Result<Command> {
    let database = match config::database(&environment) {
        Err(ConfigError::NoDatabase) => return Ok(cluster()?.tool_command(name)?),
        database => database?,
    };
    let SignIn::Password(password) = database.sign_in else {
        bail!("{name} cannot sign in with a token of IAM: give DATABASE_URL with a password")
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

/// How long a command at a terminal waits for the database.
pub(super) fn patience() -> Deadline {
    Deadline::within(Duration::from_secs(60))
}
