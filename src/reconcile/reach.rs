//! Whether an instance answered at all. One that never did is away, or there is no way to it, however few its projects are.

use super::error::{ApiError, Trouble};

/// What became of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It was not tried.
    Untried,
    /// It never answered; the last reason.
    Silent(String),
    /// It answered, whatever it said.
    Answered,
}

impl Reach {
    /// Takes in what became of a project.
    pub(super) fn take(&mut self, result: &Result<(), Trouble>) {
        match result {
            Err(Trouble::Api(error @ ApiError::Unanswered { .. })) if *self != Self::Answered => {
                *self = Self::Silent(error.to_string());
            }
            // Nothing was asked, or nothing is heard yet.
            Err(Trouble::Store(_) | Trouble::Api(ApiError::OutOfTime | ApiError::Unanswered { .. })) => {}
            Ok(()) | Err(_) => *self = Self::Answered,
        }
    }

    /// Why a run is to count as stopped because of it.
    pub(super) fn silence(&self, host: &str) -> Option<String> {
        match self {
            Self::Silent(why) => Some(format!("{host}: {why}")),
            Self::Untried | Self::Answered => None,
        }
    }
}
