//! Initialises the data folder: `initdb`, then the database, then one rename, so that a killed start leaves no
//! incomplete data folder.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::local::account::{command_as, give};
use crate::local::error::{LocalError, io_error, tail};
use crate::local::folder::{Lock, make_folder, random_password, remove_folder, write_secret};
use crate::local::{Cluster, DATABASE, Profile, USER};

impl Cluster {
    /// Makes the data folder if there is none. `Err` when a program fails, or when existing data is of another version.
    ///
    /// The user is initdb's bootstrap user, so no statement creates it. The database is created by `postgres --single`,
    /// which every installation has and which needs no port and no psql.
    pub(super) fn ensure_data(&self, lock: &Lock) -> Result<(), LocalError> {
        let data = self.folder.data();
        if data.exists() {
            return self.same_version();
        }
        let unfinished = self.folder.unfinished_data();
        remove_folder(&unfinished)?;
        make_folder(&unfinished)?;
        let password = self.folder.password_file();
        write_secret(&password, &random_password()?)?;
        // initdb reads the password as the other user; root can read it anyway.
        give(&password, self.account.as_ref())?;
        give(&unfinished, self.account.as_ref())?;

        let mut initdb = self.server_program("initdb");
        initdb.arg("-D").arg(&unfinished).arg("--pwfile").arg(&password);
        // SCRAM for all connections, because other users of this machine can connect to the port too.
        // Locale C sorts text in the same order on every machine, and every package has it.
        initdb.args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-instructions"]);
        if self.profile == Profile::Throwaway {
            initdb.arg("--no-sync");
        }
        let output = lock
            .as_input()
            .and_then(|input| initdb.stdin(input).output())
            .map_err(io_error("run", &self.binaries.program("initdb")))?;
        succeeded("initdb", &output)?;

        let mut single = command_as(self.account.as_ref(), Path::new("sh"));
        single.args(["-c", "echo \"$0\" | \"$@\"", &format!("CREATE DATABASE {DATABASE}")]);
        single.arg(self.binaries.program("postgres")).arg("--single").args(self.profile.settings());
        single.arg("-D").arg(&unfinished).arg("postgres");
        let output = lock.as_input().and_then(|input| single.stdin(input).output());
        succeeded("postgres --single", &output.map_err(io_error("run", Path::new("sh")))?)?;
        fs::rename(&unfinished, &data).map_err(io_error("rename", &unfinished))
    }

    /// A command for one of the server's own programs, as the account.
    pub(super) fn server_program(&self, name: &str) -> Command {
        command_as(self.account.as_ref(), &self.binaries.program(name))
    }

    /// `Err` when the data is of another major version than the programs; the message of PostgreSQL is less helpful.
    fn same_version(&self) -> Result<(), LocalError> {
        match self.folder.data_version() {
            Some(made_by) if made_by != self.binaries.major => {
                Err(LocalError::OtherVersion { data: self.folder.data(), made_by, found: self.binaries.major })
            }
            _ => Ok(()),
        }
    }
}

/// `Err` with the end of its output when the program failed. A failed statement does not change the exit status of
/// `postgres --single`, so its output is searched for `ERROR:` as well.
fn succeeded(program: &'static str, output: &Output) -> Result<(), LocalError> {
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    if output.status.success() && !text.contains("ERROR:") {
        return Ok(());
    }
    Err(LocalError::Program { program, output: tail(&text, 8) })
}
