//! The folder of a cluster: what is where in it, its lock, and its place when PostgreSQL's user cannot enter ours.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::hex::hex;
use crate::local::account::{Account, effective_uid};
use crate::local::error::{LocalError, io_error};

/// A log longer than this is emptied at the next start.
const LOG_LIMIT_BYTES: u64 = 10 * 1024 * 1024;

/// The folder of one cluster.
#[derive(Debug)]
pub(super) struct Folder(pub(super) PathBuf);

/// Proof that no other process changes the cluster meanwhile. Ends when dropped, or with the process.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// The lock as a standard input. A program that outlives us (kill -9) then keeps it until it has ended, and nobody
    /// works meanwhile on the files it still writes. `Err` when there are too many open files.
    pub(super) fn as_input(&self) -> io::Result<Stdio> {
        Ok(self.0.try_clone()?.into())
    }
}

impl Folder {
    /// PostgreSQL's data. It is there exactly when initialisation is complete.
    pub(super) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// Where data is made, before it is complete and renamed.
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

    /// Locked for as long as the process lives that owns the running server; absent when none owns it.
    pub(super) fn owner_file(&self) -> PathBuf {
        self.0.join("owner")
    }

    /// Locked for as long as the owner's watchdog lives: until the server has ended, after the owner.
    pub(super) fn watchdog_file(&self) -> PathBuf {
        self.0.join("watchdog")
    }

    /// Everything the server says.
    pub(super) fn log_file(&self) -> PathBuf {
        self.0.join("log/postgres.log")
    }

    /// The password. `Err` when it cannot be read, say because another user made this cluster.
    pub(super) fn password(&self) -> Result<String, LocalError> {
        let path = self.password_file();
        fs::read_to_string(&path).map_err(io_error("read", &path))
    }

    /// The major version that made the data; `None` when there is no data yet.
    pub(super) fn data_version(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// Held by whoever starts, stops or changes the cluster, or fetches programs into this folder.
    pub(super) fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Waits until nobody else starts, stops or changes the cluster.
    pub(super) fn lock(&self) -> Result<Lock, LocalError> {
        hold(&self.lock_file()).map(Lock)
    }

    /// Whether a process owned the server and is gone: then the server is about to stop, and must not be used.
    pub(super) fn owner_is_gone(&self) -> bool {
        self.owner_file().exists() && !is_held(&self.owner_file())
    }

    /// The server's log, opened to append, and its length so far: what follows is of this start.
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

/// Makes `base` and says where under the machine's folders the clusters of `base` really are, and as whom PostgreSQL
/// runs (`None`: as ourselves). For root that is the owner of the data already there, else `postgres` or `nobody`;
/// when that user cannot enter `base` (a project in /root), a folder in /var/tmp named after `base` is used.
/// `Err` when folders cannot be made, or root finds no other user.
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
    let place = PathBuf::from(format!("/var/tmp/hummingbird-status-{:08x}", short_hash(&base)));
    match DirBuilder::new().mode(0o755).create(&place) {
        Ok(()) => {
            // The umask of root may be strict; the other user must get in.
            fs::set_permissions(&place, Permissions::from_mode(0o755)).map_err(io_error("open up", &place))?;
            let (base, place, name) = (base.display(), place.display(), &account.name);
            eprintln!(
                "hummingbird-status: user {name}, who runs PostgreSQL for root, cannot enter {base}; using {place}"
            );
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Everybody may write in /var/tmp: a folder or link that somebody else put there is not ours to use.
            let found = fs::symlink_metadata(&place).map_err(io_error("read", &place))?;
            if !found.is_dir() || found.uid() != 0 {
                return Err(LocalError::NotOurs { path: place, user: account.name });
            }
        }
        Err(error) => return Err(io_error("create", &place)(error)),
    }
    let account = Account::owner_of(&place.join("data")).unwrap_or(account);
    Ok((Folder(place), Some(account)))
}

/// Waits for the lock of the file `path`, made if need be, and holds it for as long as the result, or a copy that another
/// process inherited, is open.
pub(super) fn hold(path: &Path) -> Result<File, LocalError> {
    let file = File::create(path).map_err(io_error("create", path))?;
    file.lock().map_err(io_error("lock", path))?;
    Ok(file)
}

/// Like [`hold`], without waiting: an earlier holder keeps the lock of a file that is no longer there. For marks that
/// belong to one server: the earlier holder's has ended, though it may itself live on.
pub(super) fn hold_anew(path: &Path) -> Result<File, LocalError> {
    remove_file(path)?;
    hold(path)
}

/// Whether somebody holds the lock of the file `path`.
pub(super) fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Makes a folder, with its parents, that others may enter: the secrets in it have modes of their own.
pub(super) fn make_folder(path: &Path) -> Result<(), LocalError> {
    DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(io_error("create", path))
}

/// Writes `text` to a file that only its owner can read, in place of any earlier one.
pub(super) fn write_secret(path: &Path, text: &str) -> Result<(), LocalError> {
    remove_file(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(io_error("write", path))
}

/// Removes a file; that there is none is fine.
pub(super) fn remove_file(path: &Path) -> Result<(), LocalError> {
    absent_is_fine(fs::remove_file(path)).map_err(io_error("remove", path))
}

/// Removes a folder with all in it; that there is none is fine.
pub(super) fn remove_folder(path: &Path) -> Result<(), LocalError> {
    absent_is_fine(fs::remove_dir_all(path)).map_err(io_error("remove", path))
}

/// A removal whose aim is reached when there was nothing to remove.
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

/// A short name for a path, the same in every build (FNV-1a, folded), which the standard library's hasher does not promise.
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

        assert!(!folder.owner_is_gone(), "nobody ever owned it");
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
