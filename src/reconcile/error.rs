//! What can go wrong between us and GitLab, and what is to be done then.

use crate::store::StoreError;

/// No answer, or none that is of use. Holds neither token nor address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The run's time is over.
    #[error("no time left")]
    OutOfTime,
    /// GitLab will not answer any more questions in the time there is.
    #[error("GitLab limits the rate of requests for longer than there is time")]
    Limited,
    /// The token is wrong or has expired: there is no use in going on.
    #[error("GitLab does not let us in (401)")]
    Unauthorized,
    /// Not for us: 403, 404 or another answer that will be the same next time.
    #[error("GitLab answers {status}")]
    Refused {
        /// Of HTTP.
        status: u16,
    },
    /// Redirected to where the token must not be sent, or round and round.
    #[error("GitLab redirects to another host, or in a circle")]
    Redirected,
    /// Every try failed.
    #[error("no answer of use from GitLab in {tries} tries: {last}")]
    Unanswered {
        /// How many.
        tries: u32,
        /// What the last one came to.
        last: String,
    },
}

/// Why a project was not checked to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// By GitLab.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// By our own database, which will not be better for the next project.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The path is now that of another project.
    #[error("this path is now that of another project, number {found} instead of {known}")]
    OtherProject {
        /// The number that GitLab gives.
        found: i64,
        /// The number that messages gave.
        known: i64,
    },
}

/// An instance that cannot be asked, by its place in the configuration and not by what that says.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is none.
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
    /// The bundle of authorities cannot be used.
    #[error("GitLab instance {number}: cannot use the authorities in {path}")]
    CaBundle {
        /// From 1.
        number: usize,
        /// Of the file.
        path: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The client cannot be made.
    #[error("GitLab instance {number}: no HTTP client")]
    Client {
        /// From 1.
        number: usize,
        /// Why.
        source: reqwest::Error,
    },
}
