//! The errors of reconcile.

use crate::db::StoreError;

/// A request to GitLab failed. Contains neither token nor URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The time of the run is over.
    #[error("no time left")]
    OutOfTime,
    /// The rate limit of GitLab allows no more requests before the deadline.
    #[error("GitLab limits the rate of requests for longer than there is time")]
    Limited,
    /// The token is wrong or has expired, or there is none: the instance is not asked any more.
    #[error("GitLab rejects the credential (401)")]
    Unauthorized,
    /// A permanent answer, such as 403 or 404.
    #[error("GitLab answers {status}")]
    Rejected {
        /// The status of HTTP.
        status: u16,
    },
    /// Redirected to another host, to which the token must not be sent, or in a circle.
    #[error("GitLab redirects to another host, or in a circle")]
    Redirected,
    /// All attempts failed.
    #[error("no usable answer from GitLab in {attempts} attempts: {last}")]
    Unanswered {
        /// The number of attempts.
        attempts: u32,
        /// The result of the last one.
        last: String,
    },
}

/// Why the check of a project did not finish.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    /// A request to GitLab failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A statement failed, which ends the run.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The path is now that of another project.
    #[error("this path is now that of another project, number {found} instead of {known}")]
    OtherProject {
        /// The number that GitLab answers.
        found: i64,
        /// The stored number.
        known: i64,
    },
}

/// An instance is configured wrongly. Names the number of the instance, never its configuration, which may contain
/// secrets.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The URL is invalid.
    #[error("GitLab instance {number}: its address is not a URL of http or https")]
    Address {
        /// From 1.
        number: usize,
    },
    /// The token cannot be sent.
    #[error("GitLab instance {number}: its token holds characters that no header can hold")]
    Token {
        /// From 1.
        number: usize,
    },
    /// The bundle of certificate authorities cannot be used.
    #[error("GitLab instance {number}: cannot use the authorities in {path}")]
    CaBundle {
        /// From 1.
        number: usize,
        /// The path of the file.
        path: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The HTTP client cannot be created.
    #[error("GitLab instance {number}: cannot create an HTTP client")]
    Client {
        /// From 1.
        number: usize,
        /// The cause.
        source: reqwest::Error,
    },
}
