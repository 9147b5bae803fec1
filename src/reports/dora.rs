//! The four DORA metrics, over the deployments of all systems (migrations 0017 and 0032 define these).

use jiff::Timestamp;

use crate::db::{Reader, StoreError};

/// Most deployments of each system that are read, the newest.
const MOST: i64 = 2000;

crate::db::rows! {
    /// DORA metrics of a project.
    pub struct Delivered {
        /// `konflux`, `buildkite`, `travis` or `gitlab`.
        pub system: String,
        /// Application or repository.
        pub project: Option<String>,
        /// Successful deployments.
        pub deployments: i64,
        /// Failed deployments.
        pub failed: i64,
        /// Median of the seconds from the push of a commit to its deployment; none where no push is known.
        pub lead_p50: Option<f64>,
        /// The 90th percentile of the same.
        pub lead_p90: Option<f64>,
        /// Median of the seconds from a failure to the next success.
        pub restore_p50: Option<f64>,
        /// Whether the last deployment failed.
        pub broken: bool,
        /// Begin of the period: as requested, or later where there are more deployments than are read, or none before.
        pub since: Timestamp,
    }
}

/// DORA metrics of each project since a time, over the newest 2,000 deployments of its system: broken projects first,
/// then those with most deployments.
///
/// # Errors
/// As [`Reader::read`].
pub async fn dora(reader: &mut Reader, since: Timestamp, most: i64) -> Result<Vec<Delivered>, StoreError> {
    reader.read(include_str!("sql/dora.sql"), &[&since, &most, &MOST]).await
}
