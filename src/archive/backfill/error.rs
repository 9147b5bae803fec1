//! Why a backfill cannot begin, or fails.

use tokio::task::JoinError;

use crate::store::StoreError;

/// Why a backfill cannot begin, or fails.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// What was asked for cannot be understood.
    #[error("{0}")]
    Request(String),
    /// There is no run of this id.
    #[error("there is no backfill run {0}")]
    NoRun(String),
    /// A run that is not to be worked on.
    #[error("the backfill run {id} is {state}")]
    Ended {
        /// Its id.
        id: String,
        /// What it is.
        state: String,
    },
    /// Somebody else works on it.
    #[error("the backfill run {id} is being worked on by {owner}")]
    Busy {
        /// Its id.
        id: String,
        /// Who it is.
        owner: String,
    },
    /// Somebody else has taken it over.
    #[error("somebody else works on the backfill run {0} by now")]
    Lost(String),
    /// The archive cannot be listed.
    #[error("cannot list {place}: {why}")]
    List {
        /// Bucket or folder.
        place: String,
        /// Why, with causes.
        why: String,
    },
    /// The archive cannot be read.
    #[error("{place} does not answer: {why}")]
    Away {
        /// Bucket or folder.
        place: String,
        /// Why, with causes.
        why: String,
    },
    /// Nothing of it can be read, so going on is of no use.
    #[error("not one of {objects} objects in {place} can be read, the first because of: {why}")]
    AllUnreadable {
        /// Bucket or folder.
        place: String,
        /// How many were tried.
        objects: usize,
        /// Why the first one cannot.
        why: String,
    },
    /// The database did not take a batch, for longer than we wait.
    #[error("a batch could not be written: {0}")]
    NotWritten(String),
    /// The invocation is over, and there is no next one.
    #[error("the backfill run {id} is not done, and does not go on by itself: {why}")]
    NotContinued {
        /// Its id.
        id: String,
        /// Why not.
        why: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect of this program.
    #[error("a part of backfill panicked")]
    Panicked(#[source] JoinError),
}

impl BackfillError {
    /// One word for errors that call for the same.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Request(_) | Self::NoRun(_) => "BackfillRequest",
            Self::Ended { .. } | Self::Busy { .. } | Self::Lost(_) => "BackfillRunTaken",
            Self::List { .. } | Self::Away { .. } | Self::AllUnreadable { .. } => "ArchiveUnreadable",
            Self::NotWritten(_) => "DatabaseBusy",
            Self::NotContinued { .. } => "BackfillNotContinued",
            Self::Store(error) => error.error_type(),
            Self::Panicked(_) => "Panic",
        }
    }
}
