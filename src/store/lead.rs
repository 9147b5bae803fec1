//! How long changes take, stage by stage, from the push to the release.

use jiff::Timestamp;

use super::{Reader, StoreError};

/// Releases that are looked at: the newest.
const MOST: i64 = 1000;

super::rows! {
    /// How long a stage takes.
    pub struct LeadStage {
        /// The application; none for all of them together.
        pub application: Option<String>,
        /// One of [`STAGES`].
        pub stage: String,
        /// Releases that it is known of.
        pub releases: i64,
        /// Seconds, the median.
        pub p50: f64,
        /// Nine of ten were faster.
        pub p90: f64,
    }
}

/// The stages, in their order, with what each is from and to.
pub const STAGES: [(&str, &str); 8] = [
    ("push to build", "from the push until its build is asked for"),
    ("queue", "until the build begins"),
    ("build", "until it ends"),
    ("snapshot", "until there is a snapshot of it"),
    ("tests", "until the last test of the snapshot ends"),
    ("wait", "until its release is asked for"),
    ("release", "until it is released"),
    ("whole", "from the push until it is released"),
];

/// How long each stage took of what was released since a time: all applications first, then the busiest.
///
/// # Errors
/// As [`Reader::read`].
pub async fn lead_stages(reader: &mut Reader, since: Timestamp) -> Result<Vec<LeadStage>, StoreError> {
    reader.read(include_str!("sql/lead_stages.sql"), &[&since, &MOST]).await
}
