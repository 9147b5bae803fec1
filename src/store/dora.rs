//! The four measures of DORA, over what all systems deliver (migration 0017 says what that is).

use jiff::Timestamp;

use super::{Reader, StoreError};

/// Deliveries of each system that are looked at: the newest.
const MOST: i64 = 2000;

super::rows! {
    /// How well a project delivers.
    pub struct Delivered {
        /// `konflux`, `buildkite` or `travis`.
        pub system: String,
        /// Application or repository.
        pub project: Option<String>,
        /// How often it was delivered.
        pub deployments: i64,
        /// How often that failed.
        pub failed: i64,
        /// Seconds from the push of a commit until it was delivered, the median; none where no push is known.
        pub lead_p50: Option<f64>,
        /// Nine of ten were faster.
        pub lead_p90: Option<f64>,
        /// Seconds from a failure until it was delivered again, the median.
        pub restore_p50: Option<f64>,
        /// Whether the last one failed.
        pub broken: bool,
        /// Since when this is so: what was asked for, or later where there is more than is looked at, or nothing before.
        pub since: Timestamp,
    }
}

/// How well each project delivered since a time, by the newest 2,000 deliveries of its system: those that are broken first, then the busiest.
///
/// # Errors
/// As [`Reader::read`].
pub async fn dora(reader: &mut Reader, since: Timestamp, most: i64) -> Result<Vec<Delivered>, StoreError> {
    reader.read(include_str!("sql/dora.sql"), &[&since, &most, &MOST]).await
}
