//! The folder of a cluster: its files, its lock, and the alternative in /var/tmp when PostgreSQL's user cannot enter
//! it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::local::account::{Account, effective_uid};
use crate::local::error::{LocalError, io_error};
use crate::platform::hex::hex;

/// A log longer than this is emptied at the next start.
const LOG_LIMIT_BYTES: u64 = 10 * 1024 * 1024;

/// The folder of one cluster.
#[derive(Debug)]
pub(super) struct Folder(pub(super) PathBuf);

/// The lock of a cluster: while it is held, no other process changes the cluster. Ends when dropped, or with the
/// process.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// The lock as a standard input. A program that outlives this process (kill -9) then keeps the lock to its end, and
    /// no other process uses the files that it still writes. `Err` when there are too many open files.
    pub(super) fn as_input(&self) -> io::Result<Stdio> {
        Ok(self.0.try_clone()?.into())
    }
}

impl Folder {
    /// PostgreSQL's data folder. It exists exactly when initialisation is complete.
    pub(super) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// The data folder during initialisation, before it is renamed.
    pub(super) fn unfinished_data(&self) -> PathBuf {
        self.0.join("data.new")
    }

    /// The password of the database user, in a file of mode 0600.
    pub(super) fn password_file(&self) -> PathBuf {
        self.0.join("password")
    }

    /// The port that the next start tries first.
    pub(super) fn port_file(&self) -> PathBuf {
        self.0.join("port")
    }

    /// Locked while the process lives that owns the running server; absent when no process owns it.
    pub(super) fn owner_file(&self) -> PathBuf {
        self.0.join("owner")
    }

    /// Locked while the owner's watchdog lives, which ends after the owner and the server.
    pub(super) fn watchdog_file(&self) -> PathBuf {
        self.0.join("watchdog")
    }

    /// The log of the server.
    pub(super) fn log_file(&self) -> PathBuf {
        self.0.join("log/postgres.log")
    }

    /// The password. `Err` when it cannot be read, for example because another user made this cluster.
    pub(super) fn password(&self) -> Result<String, LocalError> {
        let path = self.password_file();
        fs::read_to_string(&path).map_err(io_error("read", &path))
    }

    /// The major version that made the data; `None` when there is no data yet.
    pub(super) fn data_version(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// Locked by a process that starts, stops or changes the cluster, or fetches programs into this folder.
    pub(super) fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Waits until no other process starts, stops or changes the cluster.
    pub(super) fn lock(&self) -> Result<Lock, LocalError> {
        hold(&self.lock_file()).map(Lock)
    }

    /// Whether a process owned the server and has ended: then the server is about to stop, and must not be used.
    pub(super) fn owner_is_gone(&self) -> bool {
        self.owner_file().exists() && !is_held(&self.owner_file())
    }

    /// Opens the server's log to append, and returns its length, after which the log of this start begins.
    pub(super) fn open_log(&self) -> Result<(File, u64), LocalError> {
        let path = self.log_file();
        make_folder(&self.0.join("log"))?;
        let log = OpenOptions::new().create(true).append(true).open(&path).map_err(io_error("open", &path))?;
        let mut length = log.metadata().map_err(io_error("read", &path))?.len();
        if length > LOG_LIMIT_BYTES {
            log.set_len(0).map_err(io_error("empty", &path))?;
            length = 0;
        }
        Ok((log, length))
    }
}

/// Makes `base`, and returns the folder that its clusters are in and the account that PostgreSQL runs as (`None`: that
/// of this process). For root the account is the owner of existing data, else `postgres` or `nobody`; when that user
/// cannot enter `base` (a project in /root), a folder in /var/tmp named after `base` is used. `Err` when folders cannot
/// be made, or there is no account.
pub(super) fn settle(base: &Path) -> Result<(Folder, Option<Account>), LocalError> {
    make_folder(base)?;
    let base = fs::canonicalize(base).map_err(io_error("find", base))?;
    if effective_uid()? != 0 {
        return Ok((Folder(base), None));
    }
    if let Some(owner) = Account::owner_of(&base.join("data")) {
        return Ok((Folder(base), Some(owner)));
    }
    let account = Account::of_this_machine()?;
    if account.can_enter(&base) {
        return Ok((Folder(base), Some(account)));
    }
    let alternative = PathBuf::from(format!("/var/tmp/hummingbird-status-{:08x}", short_hash(&base)));
    match DirBuilder::new().mode(0o755).create(&alternative) {
        Ok(()) => {
            // The umask of root may be strict, but the other user must be able to enter.
            fs::set_permissions(&alternative, Permissions::from_mode(0o755))
                .map_err(io_error("change the mode of", &alternative))?;
            let (base, used, name) = (base.display(), alternative.display(), &account.name);
            eprintln!(
                "hummingbird-status: user {name}, who runs PostgreSQL for root, cannot enter {base}; using {used}"
            );
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // All users may write in /var/tmp: a folder or link of another user must not be used.
            let found = fs::symlink_metadata(&alternative).map_err(io_error("read", &alternative))?;
            if !found.is_dir() || found.uid() != 0 {
                return Err(LocalError::NotOurs { path: alternative, user: account.name });
            }
        }
        Err(error) => return Err(io_error("create", &alternative)(error)),
    }
    let account = Account::owner_of(&alternative.join("data")).unwrap_or(account);
    Ok((Folder(alternative), Some(account)))
}

/// Waits for the lock of the file `path`, which is created if it does not exist. The lock is held while the result, or
/// a copy that another process inherited, is open.
pub(super) fn hold(path: &Path) -> Result<File, LocalError> {
    let file = File::create(path).map_err(io_error("create", path))?;
    file.lock().map_err(io_error("lock", path))?;
    Ok(file)
}

/// Like [`hold`], without waiting: an earlier holder keeps the lock of the deleted file. For marks that belong to one
/// server: the server of the earlier holder has ended, though the holder itself may still live.
pub(super) fn hold_anew(path: &Path) -> Result<File, LocalError> {
    remove_file(path)?;
    hold(path)
}

/// Whether a process holds the lock of the file `path`.
pub(super) fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Makes a folder and its parents. Other users may enter it; the secrets in it have modes of their own.
pub(super) fn make_folder(path: &Path) -> Result<(), LocalError> {
    DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(io_error("create", path))
}

/// Writes `text` to a file that only its owner can read; replaces an existing one.
pub(super) fn write_secret(path: &Path, text: &str) -> Result<(), LocalError> {
    remove_file(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(io_error("write", path))
}

/// Removes a file if it exists.
pub(super) fn remove_file(path: &Path) -> Result<(), LocalError> {
    absent_is_fine(fs::remove_file(path)).map_err(io_error("remove", path))
}

/// Removes a folder and its contents if it exists.
pub(super) fn remove_folder(path: &Path) -> Result<(), LocalError> {
    absent_is_fine(fs::remove_dir_all(path)).map_err(io_error("remove", path))
}

/// Ignores the error of a removal that the file did not exist.
fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// A password of 128 random bits, in letters and digits that need no escaping in an URL.
pub(super) fn random_password() -> Result<String, LocalError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).map_err(io_error("read", path))?;
    Ok(hex(&bytes))
}

/// A short hash of a path that is the same in every build (FNV-1a, folded); the standard library's hasher may change.
fn short_hash(path: &Path) -> u32 {
    let hash =
        path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    u32::try_from((hash >> 32) ^ (hash & 0xffff_ffff)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_path_never_changes() {
        assert_eq!(format!("{:08x}", short_hash(Path::new("/root/project/.hummingbird"))), "ad0fdb52");
        assert_ne!(short_hash(Path::new("/root/a")), short_hash(Path::new("/root/b")));
    }

    #[test]
    fn passwords_differ_and_need_no_escaping() {
        let (one, other) = (random_password().unwrap(), random_password().unwrap());
        assert_ne!(one, other);
        assert!(one.len() == 32 && one.chars().all(|c| c.is_ascii_alphanumeric()));
    }

    #[test]
    fn a_secret_is_ours_alone_and_a_lock_excludes() {
        let folder = Folder(std::env::temp_dir().join(format!("local-folder-{}", std::process::id())));
        make_folder(&folder.0).unwrap();
        write_secret(&folder.password_file(), "first").unwrap();
        write_secret(&folder.password_file(), "second").unwrap();
        assert_eq!(folder.password().unwrap(), "second");
        assert_eq!(fs::metadata(folder.password_file()).unwrap().mode() & 0o777, 0o600);

        let lock = folder.lock().unwrap();
        assert!(is_held(&folder.lock_file()));
        drop(lock);
        assert!(!is_held(&folder.lock_file()));

        assert!(!folder.owner_is_gone(), "it never had an owner");
        let owner = hold(&folder.owner_file()).unwrap();
        assert!(!folder.owner_is_gone());
        drop(owner);
        assert!(folder.owner_is_gone());
        remove_folder(&folder.0).unwrap();
        remove_folder(&folder.0).unwrap();
    }

    #[test]
    fn a_long_log_is_emptied() {
        let folder = Folder(std::env::temp_dir().join(format!("local-log-{}", std::process::id())));
        let (log, length) = folder.open_log().unwrap();
        assert_eq!(length, 0);
        log.set_len(LOG_LIMIT_BYTES).unwrap();
        assert_eq!(folder.open_log().unwrap().1, LOG_LIMIT_BYTES);
        log.set_len(LOG_LIMIT_BYTES + 1).unwrap();
        assert_eq!(folder.open_log().unwrap().1, 0);
        remove_folder(&folder.0).unwrap();
    }
}
