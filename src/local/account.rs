//! The user account that PostgreSQL runs as. PostgreSQL does not run as root, so root runs its programs as another
//! user.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::local::error::{LocalError, io_error};

/// Another user than root, under whom PostgreSQL's programs run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Name, for messages.
    pub(super) name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// The user that owns `folder`; `None` when there is no such folder, or when it is root's.
    pub(super) fn owner_of(folder: &Path) -> Option<Self> {
        let data = fs::metadata(folder).ok()?;
        let (uid, gid) = (data.uid(), data.gid());
        (uid != 0).then(|| Self { name: format!("user {uid}"), uid, gid })
    }

    /// The first of `postgres` and `nobody` that this machine has. `Err` when it has neither.
    pub(super) fn of_this_machine() -> Result<Self, LocalError> {
        let path = Path::new("/etc/passwd");
        let passwd = fs::read_to_string(path).map_err(io_error("read", path))?;
        ["postgres", "nobody"].iter().find_map(|name| in_passwd(&passwd, name)).ok_or(LocalError::NoAccount)
    }

    /// Whether this user can enter `folder`. It is tried, because the mode alone does not show it (ACLs, mounts).
    pub(super) fn can_enter(&self, folder: &Path) -> bool {
        let mut command = Command::new("sh");
        command.args(["-c", "cd -- \"$1\"", "sh"]).arg(folder).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.uid(self.uid).gid(self.gid);
        command.status().is_ok_and(|status| status.success())
    }
}

/// Changes the owner of `path` to the account; does nothing without one. `Err` as `chown(2)`.
pub(super) fn give(path: &Path, account: Option<&Account>) -> Result<(), LocalError> {
    let Some(account) = account else { return Ok(()) };
    chown(path, Some(account.uid), Some(account.gid)).map_err(io_error("change the owner of", path))
}

/// A command for one of PostgreSQL's programs: as the account, in a folder that every user can enter, and without the
/// caller's `PG*` variables, which could name another server or data folder.
///
/// It does not get root's supplementary groups: the standard library drops them when root sets another uid.
pub(super) fn command_as(account: Option<&Account>, program: &Path) -> Command {
    let mut command = Command::new(program);
    without_pg_variables(&mut command);
    // Messages in English, because they are searched. The locale of the data is an argument of initdb.
    command.env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// Removes all `PG*` variables from the environment of `command`.
pub(super) fn without_pg_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
}

/// The effective user id of this process, by `id -u`, because the standard library has no function for it. `Err` when
/// there is no `id`.
pub(super) fn effective_uid() -> Result<u32, LocalError> {
    let failed = io_error("run", Path::new("id"));
    let output = match Command::new("id").arg("-u").output() {
        Ok(output) => output,
        Err(error) => return Err(failed(error)),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|error| failed(io::Error::other(error)))
}

/// The account with this name in the text of a passwd file, unless its uid is 0.
fn in_passwd(passwd: &str, name: &str) -> Option<Account> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    (uid != 0).then(|| Account { name: name.to_owned(), uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_account_from_passwd() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\nbroken\npostgres:x:101:104:,,:/var/lib:/bin/bash\nfake:x:0:0::/:/bin/sh\n";
        let found = in_passwd(passwd, "postgres");
        assert_eq!(found, Some(Account { name: "postgres".into(), uid: 101, gid: 104 }));
        assert_eq!(in_passwd(passwd, "nobody"), None);
        assert_eq!(in_passwd(passwd, "broken"), None);
        assert_eq!(in_passwd(passwd, "fake"), None, "uid 0 under another name is still root");
    }

    #[test]
    fn the_effective_uid_is_found() {
        let home = fs::metadata("/proc/self").map(|data| data.uid());
        if let Ok(uid) = home {
            assert_eq!(effective_uid().unwrap(), uid);
        }
    }
}
