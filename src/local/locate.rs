//! Chooses PostgreSQL's programs: a folder named by the user, a copy fetched earlier, or an installation of the
//! machine; else fetches them.

use std::env;
use std::path::Path;

use crate::local::account::Account;
use crate::local::binaries::{Binaries, check, machine_folders};
use crate::local::error::LocalError;
use crate::local::fetch;
use crate::local::folder::Lock;

/// Finds the programs, and fetches them where there are none. Of several, one of version `preferred` (that of existing
/// data) is chosen, else the first.
///
/// `HUMMINGBIRD_PG_BIN` names a bin folder, or is `fetch`: then the installations of the machine are ignored.
/// `Err` when that folder is unusable, or none is found and none can be fetched.
pub(super) fn find(
    root: &Path,
    account: Option<&Account>,
    lock: &Lock,
    preferred: Option<u32>,
) -> Result<Binaries, LocalError> {
    let fetched = fetch::bin_folder(root);
    let folders = match env::var_os("HUMMINGBIRD_PG_BIN").filter(|value| !value.is_empty()) {
        Some(value) if value == "fetch" => vec![fetched],
        Some(value) => {
            return check(Path::new(&value), account).map_err(|reason| LocalError::UnusableBin { reason });
        }
        None => std::iter::once(fetched).chain(machine_folders()).collect(),
    };

    let mut tried = Vec::new();
    let mut first = None;
    for folder in folders.iter().filter(|folder| folder.join("postgres").is_file()) {
        match check(folder, account) {
            Ok(binaries) if preferred.is_none_or(|major| major == binaries.major) => return Ok(binaries),
            Ok(binaries) => first = first.or(Some(binaries)),
            Err(reason) => tried.push(reason),
        }
    }
    match first {
        Some(binaries) => Ok(binaries),
        None => fetch::fetch(root, account, lock, tried),
    }
}
