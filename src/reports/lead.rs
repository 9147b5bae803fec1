//! Lead times of changes by stage, from the push to the release.

use jiff::Timestamp;

use crate::db::{Reader, StoreError};

/// Most releases that are read, the newest.
const MOST: i64 = 1000;

crate::db::rows! {
    /// Lead time of a stage.
    pub struct LeadStage {
        /// The application; none for all applications together.
        pub application: Option<String>,
        /// One of [`STAGES`].
        pub stage: String,
        /// Releases for which it is known.
        pub releases: i64,
        /// Median in seconds.
        pub p50: f64,
        /// 90th percentile in seconds.
        pub p90: f64,
    }
}

/// The stages in order, with the begin and end of each.
pub const STAGES: [(&str, &str); 8] = [
    ("push to build", "from the push until its build is requested"),
    ("queue", "until the build begins"),
    ("build", "until it ends"),
    ("snapshot", "until there is a snapshot of it"),
    ("tests", "until the last test of the snapshot ends"),
    ("wait", "until its release is requested"),
    ("release", "until it is released"),
    ("whole", "from the push until it is released"),
];

/// Lead times by stage of the releases since a time: all applications together first, then those with most releases.
///
/// # Errors
/// As [`Reader::read`].
pub async fn lead_stages(reader: &mut Reader, since: Timestamp) -> Result<Vec<LeadStage>, StoreError> {
    reader.read(include_str!("sql/lead_stages.sql"), &[&since, &MOST]).await
}
