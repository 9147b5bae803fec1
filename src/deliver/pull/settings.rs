//! The settings of `worker --pull` in the environment.

use crate::platform::environment::{ConfigError, Lookup};

/// The settings of `worker --pull`; the variables are those of Buildkite's status-queue.
#[derive(Clone)]
pub struct PullSettings {
    /// Base URL from which deliveries are fetched.
    pub api_url: String,
    /// Key for that.
    pub api_key: String,
    /// GitHub's URL, to which they are posted.
    pub github_url: String,
    /// Token for GitHub.
    pub github_token: String,
    /// Path of a PEM bundle that GitHub's certificate is checked against.
    pub ca_bundle: Option<String>,
}

/// Reads the settings of `worker --pull`.
///
/// # Errors
/// When a variable is missing.
pub fn settings(lookup: Lookup<'_>) -> Result<PullSettings, ConfigError> {
    let get = |variable| lookup(variable).ok_or(ConfigError::Invalid { variable, expected: "a value, for --pull" });
    Ok(PullSettings {
        api_url: get("API_URL")?,
        api_key: get("API_KEY")?,
        github_url: get("GITHUB_URL")?,
        github_token: get("GITHUB_ACCESS_TOKEN")?,
        ca_bundle: lookup("GITHUB_CA_BUNDLE"),
    })
}
