//! Flaky tests: tests that fail and pass without a change of the code.

use jiff::Timestamp;

use crate::db::{Reader, StoreError, rows};

/// Number of runs that are evaluated: the newest ones.
const MOST: i64 = 5000;

rows! {
    /// A scenario that is flaky for a component.
    pub struct FlakyTest {
        /// Component.
        pub component: String,
        /// Scenario.
        pub scenario: String,
        /// Finished runs.
        pub runs: i64,
        /// Failed runs.
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
