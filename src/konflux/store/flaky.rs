//! Tests that one cannot trust.

use jiff::Timestamp;

use crate::store::{Reader, StoreError, rows};

/// Runs that are looked at: the newest.
const MOST: i64 = 5000;

rows! {
    /// A scenario that fails now and then for a component.
    pub struct FlakyTest {
        /// Component.
        pub component: String,
        /// Scenario.
        pub scenario: String,
        /// Runs that ended.
        pub runs: i64,
        /// Of these, failed.
        pub failed: i64,
        /// Commits on which it both failed and passed.
        pub commits_with_both: i64,
    }
}

/// Flaky tests among the newest 5,000 runs since a time, the flakiest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn flaky_tests(reader: &mut Reader, since: Timestamp, most: i64) -> Result<Vec<FlakyTest>, StoreError> {
    reader.read(include_str!("sql/list_flaky_tests.sql"), &[&since, &most, &MOST]).await
}
