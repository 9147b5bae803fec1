//! Reads the configuration from environment variables, once at start; no other module reads variables.
//!
//! `src/README.md`, section "Environment variables", describes all of them.

mod gitlab;

use std::str::FromStr;

pub use self::gitlab::{GitLab, gitlab};

/// A variable is missing or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No variable names the database.
    #[error("no database is configured: set DATABASE_URL, or DATABASE_HOST and DATABASE_USER, or DATABASE_SECRET")]
    NoDatabase,
    /// The value is invalid; it is not repeated, since it may be a secret.
    #[error("{variable}: expected {expected}")]
    Invalid {
        /// Which variable.
        variable: &'static str,
        /// The expected form.
        expected: &'static str,
    },
}

/// Looks up a variable: `std::env::var(..).ok()` in production, a map in tests.
pub type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

/// A variable of the process; an empty one counts as unset, since templates set unused variables to an empty string.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A document that a variable holds, or that is in the file whose path it holds. A document has a table or an
/// assignment; a path has neither.
///
/// # Errors
/// When the file cannot be read: its path, and why.
pub fn document(lookup: Lookup<'_>, variable: &str) -> Result<Option<String>, (String, std::io::Error)> {
    match lookup(variable) {
        Some(text) if text.contains('[') || text.contains('=') => Ok(Some(text)),
        Some(path) => std::fs::read_to_string(&path).map(Some).map_err(|error| (path, error)),
        None => Ok(None),
    }
}

/// The number in a variable; `default` if it is not set.
///
/// # Errors
/// When it is no whole number that fits.
pub fn number<T: FromStr>(lookup: Lookup<'_>, variable: &'static str, default: T) -> Result<T, ConfigError> {
    let invalid = |_| ConfigError::Invalid { variable, expected: "a whole number" };
    lookup(variable).map_or(Ok(default), |text| text.trim().parse().map_err(invalid))
}

/// `RECONCILE_CONCURRENCY`: requests to GitLab at a time.
///
/// # Errors
/// When it is no number.
pub fn reconcile_concurrency(lookup: Lookup<'_>) -> Result<usize, ConfigError> {
    number(lookup, "RECONCILE_CONCURRENCY", 4)
}
