//! The errors of backfill.

use tokio::task::JoinError;

use crate::db::StoreError;

/// Why a backfill cannot begin, or fails.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// The request or a parameter is invalid.
    #[error("{0}")]
    Request(String),
    /// There is no run of this id.
    #[error("there is no backfill run {0}")]
    NoRun(String),
    /// The run has ended, so it cannot be worked on.
    #[error("the backfill run {id} is {state}")]
    Ended {
        /// Its id.
        id: String,
        /// Its state.
        state: String,
    },
    /// Another process holds the lease of the run.
    #[error("the backfill run {id} is being worked on by {owner}")]
    Busy {
        /// Its id.
        id: String,
        /// The owner of the lease.
        owner: String,
    },
    /// Another process has taken the lease of the run.
    #[error("another process works on the backfill run {0} now")]
    Lost(String),
    /// The archive cannot be listed.
    #[error("cannot list {archive}: {why}")]
    List {
        /// Bucket or folder.
        archive: String,
        /// The error with its causes.
        why: String,
    },
    /// The archive does not answer.
    #[error("{archive} does not answer: {why}")]
    Unavailable {
        /// Bucket or folder.
        archive: String,
        /// The error with its causes.
        why: String,
    },
    /// No object can be read, so the run fails.
    #[error("not one of {objects} objects in {archive} can be read, the first because of: {why}")]
    AllUnreadable {
        /// Bucket or folder.
        archive: String,
        /// The number of objects that were tried.
        objects: usize,
        /// The error of the first one.
        why: String,
    },
    /// A batch could not be written: the database rejected it, or was unavailable until the time limit.
    #[error("a batch could not be written: {0}")]
    NotWritten(String),
    /// The invocation ends, and the next one could not be invoked.
    #[error("the backfill run {id} is not done, and does not continue by itself: {why}")]
    NotContinued {
        /// Its id.
        id: String,
        /// The cause.
        why: String,
    },
    /// A statement on the table of runs failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect of this program.
    #[error("a part of backfill panicked")]
    Panicked(#[source] JoinError),
}

impl BackfillError {
    /// The class of the error, for logs and answers; errors with the same remedy have the same class.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Request(_) | Self::NoRun(_) => "BackfillRequest",
            Self::Ended { .. } | Self::Busy { .. } | Self::Lost(_) => "BackfillRunTaken",
            Self::List { .. } | Self::Unavailable { .. } | Self::AllUnreadable { .. } => "ArchiveUnreadable",
            Self::NotWritten(_) => "DatabaseBusy",
            Self::NotContinued { .. } => "BackfillNotContinued",
            Self::Store(error) => error.error_type(),
            Self::Panicked(_) => "Panic",
        }
    }
}
