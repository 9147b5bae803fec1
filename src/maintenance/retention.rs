//! The retention times, read from the environment.

use crate::platform::environment::{ConfigError, Lookup, number};

/// Days that events and deliveries are kept after they ended (`DELIVERY_RETENTION_DAYS`, default 90).
///
/// # Errors
/// When the variable is invalid.
pub fn retention_days(lookup: Lookup<'_>) -> Result<i32, ConfigError> {
    days(lookup, "DELIVERY_RETENTION_DAYS", 90)
}

/// Reads a number of days, at most a century, so that it can be subtracted from a time.
fn days(lookup: Lookup<'_>, variable: &'static str, default: i32) -> Result<i32, ConfigError> {
    match number(lookup, variable, default)? {
        days @ 1..=36_500 => Ok(days),
        _ => Err(ConfigError::Invalid { variable, expected: "1 to 36500" }),
    }
}

/// The retention times in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of events, deliveries and commit statuses, after they ended.
    pub delivery_days: i32,
    /// Of rejected messages, after they arrived.
    pub refused_days: i32,
    /// Of state changes of bots.
    pub transition_days: i32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { delivery_days: 90, refused_days: 365, transition_days: 730 }
    }
}

/// Reads the retention times.
///
/// # Errors
/// When a variable is invalid.
pub fn retention(lookup: Lookup<'_>) -> Result<Retention, ConfigError> {
    let default = Retention::default();
    Ok(Retention {
        delivery_days: retention_days(lookup)?,
        refused_days: days(lookup, "REFUSED_RETENTION_DAYS", default.refused_days)?,
        transition_days: days(lookup, "TRANSITION_RETENTION_DAYS", default.transition_days)?,
    })
}
