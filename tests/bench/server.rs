//! A PostgreSQL with the settings of production (it waits for the disk), unlike that of the tests, and its databases.

use std::path::PathBuf;

use hummingbird_status::db::migrate;
use hummingbird_status::local::{Cluster, Profile, Running};
use serde_json::json;

use crate::measure::report;
use crate::support::{deadline, render, store_of};

/// A running server; it and its data are removed when this is dropped.
pub struct Server {
    cluster: Cluster,
    running: Option<Running>,
}

impl Server {
    /// Starts a server in a folder of this process.
    pub fn start() -> Self {
        let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
        std::fs::create_dir_all(&base).unwrap();
        let cluster = Cluster::open(&base, Profile::Durable).unwrap();
        let running = cluster.start_owned().unwrap();
        Self { cluster, running: Some(running) }
    }

    /// The URL of a new database with the schema.
    pub async fn database(&self, name: &str) -> String {
        let running = self.running.as_ref().unwrap();
        let admin = store_of(&running.url_of("postgres"), 1);
        admin.script(&format!("CREATE DATABASE {name}"), deadline()).await.unwrap();
        let version = render::rows(&admin, "SELECT current_setting('server_version')").await;
        report(&json!({"postgresql": version[0]}));
        let url = running.url_of(name);
        migrate(&store_of(&url, 1), deadline()).await.unwrap();
        url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.take();
        self.cluster.reset().ok();
        std::fs::remove_dir_all(self.cluster.folder()).ok();
    }
}
