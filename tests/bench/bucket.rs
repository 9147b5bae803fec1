//! Serves a folder as an S3 bucket, by a separate program (`tests/bench/s3`) that is built on demand.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::cargo::cargo;
use crate::support::project;

/// A running server; it ends when this is dropped or this process ends.
pub struct Bucket {
    /// The environment variables of a program that reads from it.
    pub variables: [(&'static str, String); 3],
    child: Child,
    root: PathBuf,
}

impl Bucket {
    /// Its name.
    pub const NAME: &str = "archive";

    /// Serves a folder.
    pub fn of(folder: &Path) -> Self {
        let program = program();
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("s3-{}", std::process::id()));
        std::fs::remove_dir_all(&root).ok();
        std::fs::create_dir_all(&root).unwrap();
        std::os::unix::fs::symlink(folder, root.join(Self::NAME)).unwrap();
        let mut command = Command::new(program);
        command.arg(&root).arg(Self::NAME).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut endpoint = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut endpoint).unwrap();
        assert!(endpoint.starts_with("http://"), "the server of S3 does not say where it listens");
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.trim().to_owned()),
            ("AWS_ACCESS_KEY_ID", "x".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
        ];
        Self { variables, child, root }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.child.stdin.take();
        self.child.wait().ok();
        // The link itself, not its target.
        std::fs::remove_dir_all(&self.root).ok();
    }
}

/// Builds the server, which takes a few minutes the first time.
fn program() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("s3");
    let mut cargo = cargo();
    cargo.args(["build", "--release", "--locked", "--quiet", "--manifest-path"]);
    cargo.arg(project("tests/bench/s3/Cargo.toml")).arg("--target-dir").arg(&target);
    assert!(cargo.status().unwrap().success(), "cannot build the server of S3");
    target.join("release/s3-of-folder")
}
