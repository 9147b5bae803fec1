//! Starts the server, waits until it answers, and ends it with this process.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::local::account::{command_as, without_pg_variables};
use crate::local::error::{LocalError, io_error, tail};
use crate::local::folder::{Folder, Lock, hold, hold_anew, remove_file};
use crate::local::postmaster::Postmaster;
use crate::local::{Cluster, Profile};

/// The pause between two checks of a condition.
const POLL: Duration = Duration::from_millis(10);

/// The time limit of a start, which may include recovery after a crash of the machine.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How long dropping [`Owned`] waits. A fast shutdown writes everything to disk; one that takes longer is not waited
/// for.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Attempts to start on a free port, because another process may take it first.
const PORT_ATTEMPTS: usize = 3;

/// Waits for a line on its standard input before it becomes the server, so that the watchdog knows the process id
/// before the server runs.
const GATE: &str = "read -r go && exec \"$@\" </dev/null";

/// A server that ends with this process, and at the latest when this is dropped.
#[derive(Debug)]
pub(super) struct Owned {
    server: Child,
    watchdog: Child,
    /// The pipe to the watchdog, which stops the server when the pipe is closed. Only the drop takes it.
    lifeline: Option<ChildStdin>,
    /// The owner file, whose lock shows other processes that the owner lives.
    _owner: File,
}

impl Cluster {
    /// Starts a server that outlives this process. `Err` when it does not start.
    pub(super) fn launch_detached(&self, lock: &Lock) -> Result<(), LocalError> {
        // Without the file, no process takes this server for one whose owner has ended.
        remove_file(&self.folder.owner_file())?;
        self.launch(lock, None).map(drop)
    }

    /// Starts a server with a watchdog that ends it when this process ends. `Err` when it does not start.
    pub(super) fn launch_owned(&self, lock: &Lock) -> Result<Owned, LocalError> {
        let owner = hold_anew(&self.folder.owner_file())?;
        let (mut watchdog, lifeline) = self.watchdog()?;
        let mut lifeline = Some(lifeline);
        match self.launch(lock, lifeline.as_mut()) {
            Ok(server) => Ok(Owned { server, watchdog, lifeline, _owner: owner }),
            Err(error) => {
                drop(lifeline);
                wait_end(&mut watchdog, STOP_LIMIT);
                Err(error)
            }
        }
    }

    /// Starts the server on a free port and waits until it answers.
    fn launch(&self, _lock: &Lock, mut lifeline: Option<&mut ChildStdin>) -> Result<Child, LocalError> {
        Postmaster::forget_dead(&self.folder.data())?;
        let mut remembered = fs::read_to_string(self.folder.port_file()).ok().and_then(|text| text.trim().parse().ok());
        let mut attempts = PORT_ATTEMPTS;
        loop {
            attempts -= 1;
            let port = free_port(remembered.take()).map_err(io_error("find a free port on", Path::new("127.0.0.1")))?;
            let (log, log_start) = self.folder.open_log()?;
            let mut server =
                self.spawn_gated(port, &log).map_err(io_error("run", &self.binaries.program("postgres")))?;
            let gate = server.stdin.take();
            if let Some(lifeline) = lifeline.as_deref_mut() {
                writeln!(lifeline, "{}", server.id()).map_err(io_error("write to", Path::new("the watchdog")))?;
            }
            if let Some(mut gate) = gate {
                // A shell that has ended (EPIPE) is noticed below, and its error is in the log.
                gate.write_all(b"go\n").ok();
            }
            let why = match self.wait_ready(&mut server) {
                Ok(()) => {
                    let path = self.folder.port_file();
                    fs::write(&path, port.to_string()).map_err(io_error("write", &path))?;
                    return Ok(server);
                }
                Err(why) => why,
            };
            let text = self.log_since(log_start);
            if attempts > 0 && text.contains("could not bind") {
                continue;
            }
            return Err(LocalError::NotStarted { why, log: self.folder.log_file(), tail: tail(&text, 15) });
        }
    }

    /// Starts the shell that becomes the server. It has a process group of its own, so that a Ctrl-C in the terminal
    /// does not reach a server that is still needed.
    fn spawn_gated(&self, port: u16, log: &File) -> io::Result<Child> {
        let mut command = command_as(self.account.as_ref(), Path::new("sh"));
        command.args(["-c", GATE, "postgres"]).arg(self.binaries.program("postgres"));
        command.arg("-D").arg(self.folder.data()).args(["-p", &port.to_string()]).args(self.profile.settings());
        // No socket file: its path has a length limit, and every client can use TCP on loopback.
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "timezone=UTC", "log_timezone=UTC"] {
            command.args(["-c", setting]);
        }
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log.try_clone()?).process_group(0).spawn()
    }

    /// Starts the watchdog (see `watchdog.sh`) as the user of this process, so that it can signal the server and remove
    /// the folder. `Err` when there is no `sh`.
    fn watchdog(&self) -> Result<(Child, ChildStdin), LocalError> {
        // Throwaway data needs no checkpoint: an immediate shutdown (QUIT) skips it.
        let (signal, remove) = match self.profile {
            Profile::Durable => ("INT", Path::new("")),
            Profile::Throwaway => ("QUIT", self.folder.0.as_path()),
        };
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("watchdog.sh"), "watchdog"]);
        command.arg(self.folder.data()).arg(signal).arg(remove);
        // The watchdog does not inherit our standard output: a program that reads it to its end would wait for the
        // watchdog.
        let held = hold_anew(&self.folder.watchdog_file())?;
        command.stdin(Stdio::piped()).stdout(held).stderr(Stdio::null());
        command.current_dir("/").process_group(0);
        without_pg_variables(&mut command);
        let failed = io_error("run", Path::new("sh"));
        let spawned = command.spawn().and_then(|mut child| {
            let stdin = child.stdin.take().ok_or(io::Error::other("it has no standard input"))?;
            Ok((child, stdin))
        });
        spawned.map_err(failed)
    }

    /// Whether a usable server runs here; waits for one that is starting. A server whose owner has ended will be
    /// stopped by its watchdog: it is stopped first and does not count. `Err` when a server runs that neither answers
    /// nor ends.
    pub(super) fn usable_server(&self, _lock: &Lock) -> Result<bool, LocalError> {
        let data = self.folder.data();
        if self.folder.owner_is_gone() {
            // Waits for the watchdog; then stops the server, in case the watchdog was killed.
            drop(hold(&self.folder.watchdog_file())?);
            self.stop_in(&self.folder)?;
        }
        let start = Instant::now();
        while let Some(found) = Postmaster::find(&data) {
            if found.answers() {
                return Ok(true);
            }
            if start.elapsed() > START_LIMIT {
                let why = format!("process {} runs on its data, but does not answer", found.pid);
                return Err(LocalError::NotStarted { why, log: self.folder.log_file(), tail: String::new() });
            }
            sleep(POLL);
        }
        Ok(false)
    }

    /// Stops the server of `folder`, which may be of another process, and waits for its end. `false` when none runs.
    /// `Err` when it does not end within a minute.
    pub(super) fn stop_in(&self, folder: &Folder) -> Result<bool, LocalError> {
        if Postmaster::find(&folder.data()).is_none() {
            return Ok(false);
        }
        let mut command = self.server_program("pg_ctl");
        command.args(["stop", "-w", "-t", "60", "-m", "fast", "-D"]).arg(folder.data());
        let output = command.output().map_err(io_error("run", &self.binaries.program("pg_ctl")))?;
        // The server may have ended by itself between the two checks.
        if !output.status.success() && Postmaster::find(&folder.data()).is_some() {
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            return Err(LocalError::Program { program: "pg_ctl stop", output: tail(&text, 8) });
        }
        Ok(true)
    }

    /// Waits until `server` answers. `Err` is the reason why it does not.
    fn wait_ready(&self, server: &mut Child) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < START_LIMIT {
            match server.try_wait() {
                Ok(Some(status)) => return Err(format!("it ended with {status}")),
                Ok(None) => {}
                Err(error) => return Err(error.to_string()),
            }
            if Postmaster::find(&self.folder.data()).is_some_and(|found| found.pid == server.id() && found.answers()) {
                return Ok(());
            }
            sleep(POLL);
        }
        Err(format!("it does not answer after {} s", START_LIMIT.as_secs()))
    }

    /// The log from `offset` on, for a message; empty when it cannot be read.
    fn log_since(&self, offset: u64) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut log) = File::open(self.folder.log_file()) {
            log.seek(SeekFrom::Start(offset)).and_then(|_| log.read_to_end(&mut bytes)).ok();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Owned {
    /// Stops the server and waits for its end, for a limited time; the watchdog finishes a longer shutdown.
    fn drop(&mut self) {
        drop(self.lifeline.take());
        wait_end(&mut self.server, STOP_LIMIT);
        wait_end(&mut self.watchdog, STOP_LIMIT);
    }
}

/// Waits until `child` has ended, for at most `limit`. It polls, because std has no wait with a time limit.
fn wait_end(child: &mut Child, limit: Duration) {
    let start = Instant::now();
    while start.elapsed() < limit && matches!(child.try_wait(), Ok(None)) {
        sleep(POLL);
    }
}

/// The remembered port if it is free, else another free one.
fn free_port(remembered: Option<u16>) -> io::Result<u16> {
    if let Some(port) = remembered
        && TcpListener::bind(("127.0.0.1", port)).is_ok()
    {
        return Ok(port);
    }
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_not_used() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(Some(port)).unwrap(), port);
        drop(taken);
        assert_eq!(free_port(Some(port)).unwrap(), port);
    }
}
