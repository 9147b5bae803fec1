//! Finds folders of PostgreSQL's programs on this machine, and checks that their version is usable.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::local::account::{Account, command_as};
use crate::local::error::LocalError;

/// Oldest major version that the migrations support.
const OLDEST: u32 = 15;

/// Programs that are needed to run a server.
const NEEDED: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// A bin folder whose `postgres` was run and is new enough.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    /// The folder.
    pub(super) bin: PathBuf,
    /// Major version of its `postgres`.
    pub(super) major: u32,
}

impl Binaries {
    /// The path of a program that is known to be in this folder.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// A client program: of this folder, else of PATH, because some packages contain the server only.
    /// `Err` when it is in neither.
    pub(super) fn tool(&self, name: &str) -> Result<PathBuf, LocalError> {
        let mut folders = vec![self.bin.clone()];
        folders.extend(path_folders());
        let found = folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file());
        found.ok_or_else(|| LocalError::ToolMissing { name: name.to_owned(), bin: self.bin.clone() })
    }
}

/// Checks that `bin` holds a usable PostgreSQL by running it as the account. The `Err` names the folder.
pub(super) fn check(bin: &Path, account: Option<&Account>) -> Result<Binaries, String> {
    let reject = |why: String| format!("{}: {why}", bin.display());
    // Symbolic links are resolved, because PostgreSQL looks for its libraries beside the real folder.
    let real = fs::canonicalize(bin).map_err(|error| reject(error.to_string()))?;
    if let Some(missing) = NEEDED.iter().find(|name| !real.join(name).is_file()) {
        return Err(reject(format!("has no {missing}")));
    }
    let output = command_as(account, &real.join("postgres")).arg("--version").output();
    let output = output.map_err(|error| reject(format!("postgres does not run: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match major_version(&text) {
        Some(major) if major >= OLDEST => Ok(Binaries { bin: real, major }),
        Some(major) => Err(reject(format!("PostgreSQL {major} is too old"))),
        None => Err(reject(format!("postgres does not run: {}", String::from_utf8_lossy(&output.stderr).trim()))),
    }
}

/// The folders where PostgreSQL is usually installed, best first; they need not exist.
pub(super) fn machine_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    folders.extend(newest_first("/usr/lib/postgresql", ""));
    folders.extend(newest_first("/usr", "pgsql-"));
    folders.extend(newest_first("/opt/homebrew/opt", "postgresql@"));
    folders.extend(newest_first("/usr/local/opt", "postgresql@"));
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    folders.extend(path_folders());
    folders
}

/// `<parent>/<prefix><version>/bin` for each version there, the newest first.
fn newest_first(parent: &str, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let version = leading_number(name.strip_prefix(prefix)?)?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The folders of PATH.
fn path_folders() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

/// The major version in the output of `postgres --version`: `postgres (PostgreSQL) 15.18 (Debian ..)`, `.. 18beta1`.
fn major_version(text: &str) -> Option<u32> {
    text.split_whitespace().find_map(leading_number)
}

/// The number that `text` begins with.
fn leading_number(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_major_version() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_version("postgres (PostgreSQL) 9.6.24\n"), Some(9));
        assert_eq!(major_version(""), None);
    }

    #[test]
    fn newer_folders_come_first() {
        let parent = env::temp_dir().join(format!("local-binaries-{}", std::process::id()));
        for name in ["pgsql-9.6", "pgsql-15", "pgsql-100", "pgsql-x", "other"] {
            fs::create_dir_all(parent.join(name)).unwrap();
        }
        let found = newest_first(parent.to_str().unwrap(), "pgsql-");
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(&parent).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["pgsql-100/bin", "pgsql-15/bin", "pgsql-9.6/bin"]);
        fs::remove_dir_all(&parent).unwrap();
    }

    #[test]
    fn the_error_of_an_incomplete_folder_names_the_missing_program() {
        let reason = check(&env::temp_dir(), None).unwrap_err();
        assert!(reason.contains("has no initdb"), "{reason}");
    }
}
