//! Finds the server that runs on a data folder, by PostgreSQL's `postmaster.pid`.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::local::error::LocalError;
use crate::local::folder::remove_file;

/// A running server, as described by its `postmaster.pid`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Postmaster {
    /// Process id.
    pub(super) pid: u32,
    /// Port on 127.0.0.1.
    pub(super) port: u16,
    /// Whether its status is that it accepts connections.
    ready: bool,
}

impl Postmaster {
    /// The server that runs on `data`; `None` when there is none.
    ///
    /// The file of a killed server stays, and its process id may be that of another process now (containers reuse them
    /// soon): so the process must have this data folder in its command line.
    pub(super) fn find(data: &Path) -> Option<Self> {
        let found = parse(&fs::read_to_string(data.join("postmaster.pid")).ok()?)?;
        command_line(found.pid).is_some_and(|line| mentions(&line, data)).then_some(found)
    }

    /// Removes the file of a killed server from `data` when its process id is now that of another process or of a
    /// zombie: PostgreSQL takes any living process of its user for the server, and would not start. The caller holds
    /// the lock, so no server is starting. `Err` when the file cannot be removed.
    pub(super) fn forget_dead(data: &Path) -> Result<(), LocalError> {
        let file = data.join("postmaster.pid");
        let found = fs::read_to_string(&file).ok().and_then(|text| parse(&text));
        let line = found.and_then(|found| command_line(found.pid));
        // Another `postgres` may be the server of this data, started by hand with another spelling of the path.
        if line.is_some_and(|line| !line.windows(8).any(|word| word == b"postgres")) {
            remove_file(&file)?;
        }
        Ok(())
    }

    /// Whether it answers: its status is ready, and its port accepts a connection.
    pub(super) fn answers(&self) -> bool {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        self.ready && TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    }
}

/// Reads a `postmaster.pid`: line 1 is the process id, line 4 the port, line 8 the status. `None` while it is being
/// written, and for single-user mode (a negative process id).
fn parse(text: &str) -> Option<Postmaster> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let pid = lines.first()?.parse().ok()?;
    let port = lines.get(3)?.parse().ok()?;
    Some(Postmaster { pid, port, ready: lines.get(7) == Some(&"ready") })
}

/// The command line of a process, from /proc, or from `ps` where there is no /proc (macOS). That of a zombie is empty.
fn command_line(pid: u32) -> Option<Vec<u8>> {
    if Path::new("/proc/self").exists() {
        return fs::read(format!("/proc/{pid}/cmdline")).ok();
    }
    Some(Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output().ok()?.stdout)
}

/// Whether a command line has `data` as an argument: /proc ends arguments by NUL, `ps` by a space or the end of the
/// line.
fn mentions(line: &[u8], data: &Path) -> bool {
    let data = data.as_os_str().as_encoded_bytes();
    let end = |at: usize| line.get(at).is_none_or(|byte| [0, b' ', b'\n'].contains(byte));
    line.windows(data.len()).enumerate().any(|(at, window)| window == data && end(at + data.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_pid_file() {
        let text = "4711\n/x/data\n1790000000\n40001\n\n127.0.0.1\n 123 45\nready   \n";
        assert_eq!(parse(text), Some(Postmaster { pid: 4711, port: 40001, ready: true }));
        let starting = text.replace("ready   ", "starting");
        assert_eq!(parse(&starting), Some(Postmaster { pid: 4711, port: 40001, ready: false }));
        assert_eq!(parse("4711\n/x/data\n179"), None, "still being written");
        assert_eq!(parse(&text.replace("4711", "-4711")), None, "single-user mode accepts no connections");
    }

    #[test]
    fn a_reused_process_id_is_not_our_server() {
        let data = Path::new("/x/data");
        assert!(mentions(b"/bin/postgres\0-D\0/x/data\0-p\x0040001\0", data));
        assert!(mentions(b"/bin/postgres -D /x/data\n", data));
        assert!(!mentions(b"/bin/postgres\0-D\0/x/data.new\0", data));
        assert!(!mentions(b"bash\0", data));
        assert!(!mentions(b"", data));
        assert!(!command_line(std::process::id()).is_some_and(|line| mentions(&line, data)));
    }
}
