//! Python as a baseline: a PostgreSQL driver, installed once below `target`, and the start-up time of Python.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::project;

/// The package, which includes PostgreSQL's client library.
const PACKAGE: &str = "psycopg[binary]==3.3.9";

/// A Python that has psycopg.
pub struct Python {
    /// The folder of the package and its dependencies.
    pub packages: PathBuf,
}

impl Python {
    /// Installs the package if it is missing. `None`, and a line of output, where there is no Python or `pip` fails.
    pub fn find() -> Option<Self> {
        let found = Self { packages: project("target/psycopg") };
        let works = || {
            let mut import = found.command();
            import.args(["-c", "import psycopg"]).stderr(Stdio::null());
            import.status().is_ok_and(|status| status.success())
        };
        if !works() {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"]);
            pip.arg(&found.packages).arg(PACKAGE).stdout(Stdio::null()).status().ok();
        }
        let found = works().then_some(found);
        if found.is_none() {
            println!("no Python to compare with: `python3 -m pip install --target target/psycopg '{PACKAGE}'` fails");
        }
        found
    }

    /// A command that runs Python.
    pub fn command(&self) -> Command {
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", &self.packages);
        python
    }

    /// Runs a script beside this file; returns the number that it prints.
    pub fn number(&self, script: &str, arguments: &[&Path]) -> f64 {
        let output = self.command().arg(project("tests/bench").join(script)).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }
}
