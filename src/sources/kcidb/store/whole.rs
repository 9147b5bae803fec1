//! Reads single checkouts, builds and tests with all of their columns.

use jiff::Timestamp;
use serde_json::Value;

use super::reads::TestRow;
use crate::db::{FromRow, Reader, StoreError, rows};

rows! {
    /// The columns of a checkout that lists do not show.
    pub struct CheckoutMore {
        /// Message of the commit.
        pub git_commit_message: Option<String>,
        /// Tags of the commit.
        pub git_commit_tags: Option<Value>,
        /// Whether the commit was the newest of its branch.
        pub git_repository_branch_tip: Option<bool>,
        /// Names and addresses of patches.
        pub patchset_files: Option<Value>,
        /// Id of the e-mail with the patches.
        pub mail_message_id: Option<String>,
        /// When the origin finished all builds.
        pub origin_builds_finish_time: Option<Timestamp>,
        /// When the origin finished all tests.
        pub origin_tests_finish_time: Option<Timestamp>,
        /// Additional data of the origin, of any form.
        pub misc: Option<Value>,
    }

    /// The columns of a build that lists do not show.
    pub struct BuildMore {
        /// Names and addresses of files.
        pub input_files: Option<Value>,
        /// Names and addresses of files.
        pub output_files: Option<Value>,
        /// Additional data of the origin, of any form.
        pub misc: Option<Value>,
    }

    /// The columns of a test that lists do not show.
    pub struct TestMore {
        /// Scale of the unit of the number: `metric` or `binary`.
        pub number_prefix: Option<String>,
        /// Environment that it ran in, as values of the device tree's `compatible`.
        pub environment_compatible: Option<Value>,
        /// Additional data of the origin about the environment, of any form.
        pub environment_misc: Option<Value>,
        /// Names and addresses of files.
        pub input_files: Option<Value>,
        /// Names and addresses of files.
        pub output_files: Option<Value>,
        /// Additional data of the origin, of any form.
        pub misc: Option<Value>,
    }
}

/// A row with all columns.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Full<R, M> {
    /// The columns that lists show.
    #[serde(flatten)]
    pub row: R,
    /// The other columns.
    #[serde(flatten)]
    pub more: M,
}

impl<R: FromRow, M: FromRow> FromRow for Full<R, M> {
    fn from_row(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { row: R::from_row(row)?, more: M::from_row(row)? })
    }
}

/// A checkout: the columns of lists, or all columns.
///
/// # Errors
/// As [`Reader::read`].
pub async fn checkout<R: FromRow>(reader: &mut Reader, id: &str) -> Result<Option<R>, StoreError> {
    reader.first(include_str!("sql/kcidb_find_checkout.sql"), &[&id]).await
}

/// A build: the columns of lists, or all columns.
///
/// # Errors
/// As [`Reader::read`].
pub async fn build<R: FromRow>(reader: &mut Reader, id: &str) -> Result<Option<R>, StoreError> {
    reader.first(include_str!("sql/kcidb_find_build.sql"), &[&id]).await
}

/// A test with all columns.
///
/// # Errors
/// As [`Reader::read`].
pub async fn test(reader: &mut Reader, id: &str) -> Result<Option<Full<TestRow, TestMore>>, StoreError> {
    reader.first(include_str!("sql/kcidb_find_test.sql"), &[&id]).await
}
