//! Single checkouts, builds and tests with all that is known of them.

use jiff::Timestamp;
use serde_json::Value;

use super::reads::TestRow;
use crate::store::{FromRow, Reader, StoreError, rows};

rows! {
    /// The rest of a checkout.
    pub struct CheckoutMore {
        /// Message of the commit.
        pub git_commit_message: Option<String>,
        /// Tags of the commit.
        pub git_commit_tags: Option<Value>,
        /// Whether the commit was the newest of its branch.
        pub git_repository_branch_tip: Option<bool>,
        /// Patches: names and addresses.
        pub patchset_files: Option<Value>,
        /// Id of the e-mail with the patches.
        pub mail_message_id: Option<String>,
        /// When the origin finished all builds.
        pub origin_builds_finish_time: Option<Timestamp>,
        /// When the origin finished all tests.
        pub origin_tests_finish_time: Option<Timestamp>,
        /// Whatever else the origin says of it.
        pub misc: Option<Value>,
    }

    /// The rest of a build.
    pub struct BuildMore {
        /// Names and addresses.
        pub input_files: Option<Value>,
        /// Names and addresses.
        pub output_files: Option<Value>,
        /// Whatever else the origin says of it.
        pub misc: Option<Value>,
    }

    /// The rest of a test.
    pub struct TestMore {
        /// How the unit of the number is scaled: `metric` or `binary`.
        pub number_prefix: Option<String>,
        /// What it ran on, as device trees call it.
        pub environment_compatible: Option<Value>,
        /// Whatever else the origin says of what it ran on.
        pub environment_misc: Option<Value>,
        /// Names and addresses.
        pub input_files: Option<Value>,
        /// Names and addresses.
        pub output_files: Option<Value>,
        /// Whatever else the origin says of it.
        pub misc: Option<Value>,
    }
}

/// A row with the rest of it.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Full<R, M> {
    /// What lists show.
    #[serde(flatten)]
    pub row: R,
    /// The rest.
    #[serde(flatten)]
    pub more: M,
}

impl<R: FromRow, M: FromRow> FromRow for Full<R, M> {
    fn from_row(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { row: R::from_row(row)?, more: M::from_row(row)? })
    }
}

/// A checkout: as lists show it, or with the rest of it.
///
/// # Errors
/// As [`Reader::read`].
pub async fn checkout<R: FromRow>(reader: &mut Reader, id: &str) -> Result<Option<R>, StoreError> {
    reader.first(include_str!("sql/kcidb_find_checkout.sql"), &[&id]).await
}

/// A build: as lists show it, or with the rest of it.
///
/// # Errors
/// As [`Reader::read`].
pub async fn build<R: FromRow>(reader: &mut Reader, id: &str) -> Result<Option<R>, StoreError> {
    reader.first(include_str!("sql/kcidb_find_build.sql"), &[&id]).await
}

/// A test with the rest of it.
///
/// # Errors
/// As [`Reader::read`].
pub async fn test(reader: &mut Reader, id: &str) -> Result<Option<Full<TestRow, TestMore>>, StoreError> {
    reader.first(include_str!("sql/kcidb_find_test.sql"), &[&id]).await
}
