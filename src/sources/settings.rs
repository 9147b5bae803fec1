//! The configuration of the sources.

use std::time::Duration;

use super::{Source, gitlab, kcidb};
use crate::platform::environment::gitlab as instances;
use crate::platform::environment::{ConfigError, GitLab, Lookup, number};
use crate::transport::Limits;

/// The configuration of the sources, from environment variables.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Limits for the decoding of transport envelopes.
    pub limits: Limits,
    /// Settings of the source gitlab.
    pub gitlab: gitlab::Settings,
    /// Settings of the source kcidb.
    pub kcidb: kcidb::Settings,
    /// The enabled sources; empty for all. Messages of other sources are ignored.
    pub sources: Vec<Source>,
    /// Whether records are stored without an announcement (`backfill`, `init`).
    pub silent: bool,
}

impl Settings {
    /// Whether a source is enabled.
    #[must_use]
    pub fn is_enabled(&self, source: Source) -> bool {
        self.sources.is_empty() || self.sources.contains(&source)
    }

    /// Reads the settings from environment variables.
    ///
    /// # Errors
    /// When a variable has an invalid value.
    pub fn from_env(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut settings = Self::default();
        settings.limits.decoded_bytes = number(lookup, "MAX_DECODED_BYTES", settings.limits.decoded_bytes)?;
        if let Some(branches) = lookup("GITLAB_BRANCHES") {
            let branches = branches.split(',').map(|branch| branch.trim().to_owned());
            settings.gitlab.branches = branches.filter(|branch| !branch.is_empty()).collect();
        }
        // Reconcile reports invalid instances; here only their order matters.
        let hosts: Vec<String> = instances(lookup).unwrap_or_default().iter().filter_map(GitLab::page_host).collect();
        settings.gitlab.hosts = hosts.into();
        settings.kcidb.silence = match number(lookup, "KCIDB_SILENCE_HOURS", 0)? {
            0 => None,
            // At most a century: PostgreSQL cannot subtract much longer intervals.
            hours @ 1..=876_000 => Some(Duration::from_secs(3600 * hours)),
            _ => return Err(ConfigError::Invalid { variable: "KCIDB_SILENCE_HOURS", expected: "1 to 876000, or 0" }),
        };
        Ok(settings)
    }
}
