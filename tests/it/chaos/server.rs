//! A separate PostgreSQL server with durable settings, which can be stopped, killed and restarted.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hummingbird_status::local::{Cluster, Profile, Running};

use crate::support;

/// The server, running or not.
pub struct Server {
    cluster: Cluster,
    running: Option<Running>,
    folder: PathBuf,
}

impl Server {
    /// Creates a server in a folder of its own and starts it.
    pub fn start() -> Self {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
        remove_abandoned(base);
        let folder = base.join(format!("chaos-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // PostgreSQL programs that were downloaded for the shared server are used here, too.
        let fetched = support::fetched_programs();
        if fetched.exists() {
            std::os::unix::fs::symlink(fetched, folder.join("postgres")).unwrap();
        }
        let cluster = Cluster::open(&folder, Profile::Durable).unwrap();
        let running = Some(cluster.start_owned().unwrap());
        Self { cluster, running, folder }
    }

    /// The URL of a database.
    pub fn url_of(&self, database: &str) -> String {
        self.running.as_ref().unwrap().url_of(database)
    }

    /// The port where it listens now.
    pub fn port(&self) -> u16 {
        let url = self.url_of("postgres");
        let address = url.rsplit('@').next().unwrap().split('/').next().unwrap();
        address.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Stops it, by a shutdown or a crash, and restarts it after a time. Blocks.
    pub fn restart(&mut self, crash: bool, away: Duration) {
        if crash {
            let file = std::fs::read_to_string(self.cluster.folder().join("data/postmaster.pid")).unwrap();
            kill("-QUIT", file.lines().next().unwrap().parse().unwrap());
        }
        drop(self.running.take());
        std::thread::sleep(away);
        for attempt in 0.. {
            match self.cluster.start_owned() {
                Ok(running) => {
                    self.running = Some(running);
                    return;
                }
                // Processes of the crashed server may exist for a moment.
                Err(error) => assert!(attempt < 20, "PostgreSQL does not start again: {error}"),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.running.take());
        self.cluster.reset().ok();
        if std::thread::panicking() {
            // The logs may contain the reason.
            return;
        }
        std::fs::remove_dir_all(self.cluster.folder()).ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// Sends a signal to a process of this test.
pub fn kill(signal: &str, id: u32) {
    Command::new("kill").args([signal, &id.to_string()]).status().unwrap();
}

/// Removes the folders of test runs that were killed.
fn remove_abandoned(base: &Path) {
    for path in std::fs::read_dir(base).unwrap().filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let id = name.strip_prefix("chaos-").and_then(|id| id.parse::<u32>().ok());
        if id.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
            std::fs::remove_dir_all(path).ok();
        }
    }
}
