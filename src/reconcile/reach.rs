//! Whether an instance answered at all. One that never did is down or unreachable, and stops the run with an error,
//! even if it has fewer projects than [`super::SILENT_PROJECTS`].

use super::error::{ApiError, CheckError};

/// Whether an instance answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It was not tried.
    Untried,
    /// It never answered; the last error.
    Silent(String),
    /// It answered at least once, with any status.
    Answered,
}

impl Reach {
    /// Updates the state by the result of a project.
    pub(super) fn take(&mut self, result: &Result<(), CheckError>) {
        match result {
            Err(CheckError::Api(error @ ApiError::Unanswered { .. })) if *self != Self::Answered => {
                *self = Self::Silent(error.to_string());
            }
            // No request was made, or none was answered.
            Err(CheckError::Store(_) | CheckError::Api(ApiError::OutOfTime | ApiError::Unanswered { .. })) => {}
            Ok(()) | Err(_) => *self = Self::Answered,
        }
    }

    /// The error of a run whose instance never answered.
    pub(super) fn silence(&self, host: &str) -> Option<String> {
        match self {
            Self::Silent(why) => Some(format!("{host}: {why}")),
            Self::Untried | Self::Answered => None,
        }
    }
}
