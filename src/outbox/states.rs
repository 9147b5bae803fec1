//! The names that hosts have for the state of a commit. Pure.

use serde::{Deserialize, Serialize};

use super::State;

/// A kind of host that commit statuses are posted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forge {
    /// GitHub, or GitHub Enterprise Server.
    Github,
    /// GitLab.
    Gitlab,
}

impl Forge {
    /// The state names that it accepts.
    #[must_use]
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Github => &["error", "failure", "pending", "success"],
            Self::Gitlab => &["pending", "running", "success", "failed", "canceled", "skipped"],
        }
    }

    /// Its name for a state, unless a target configures another.
    ///
    /// As Buildkite itself reports to GitHub: a failing build fails at once, a blocked one is successful so far (or as
    /// its block step says), a skipped one has failed. Cases that it does not document (cancelled: `error`, as in
    /// Travis CI; not run: `success`, as for skipped jobs of GitHub) are our choice.
    #[must_use]
    pub fn word(self, state: State) -> &'static str {
        match self {
            Self::Github => match state {
                State::Pending | State::Running | State::Canceling | State::BlockedRunning | State::Unknown => {
                    "pending"
                }
                State::Failing | State::Failed | State::BlockedFailed | State::Skipped => "failure",
                State::Passed | State::Blocked | State::NotRun => "success",
                State::Errored | State::Canceled | State::Superseded => "error",
            },
            Self::Gitlab => match state {
                State::Pending | State::Blocked | State::BlockedFailed | State::BlockedRunning | State::Unknown => {
                    "pending"
                }
                State::Running | State::Failing | State::Canceling => "running",
                State::Passed => "success",
                State::Failed | State::Errored => "failed",
                State::Canceled | State::Superseded | State::Skipped | State::NotRun => "canceled",
            },
        }
    }

    /// Whether a path can be a repository there: GitHub has an owner and a name, GitLab any depth of groups.
    #[must_use]
    pub fn has(self, path: &str) -> bool {
        // `.` and `..` would lead to another address of the API.
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return false;
        }
        let parts = path.split('/').count();
        match self {
            Self::Github => parts == 2,
            Self::Gitlab => parts >= 2,
        }
    }
}

/// A sentence cut to `most` characters (not bytes: GitHub counts characters), with an ellipsis where it was cut.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_accepts_every_state_name() {
        for forge in [Forge::Github, Forge::Gitlab] {
            for state in State::ALL {
                assert!(forge.words().contains(&forge.word(*state)), "{forge:?} {state:?}");
            }
        }
    }

    #[test]
    fn characters_are_counted() {
        assert_eq!(shortened("ä".repeat(140).as_str(), 140), "ä".repeat(140));
        let cut = shortened(&"🐦".repeat(141), 140);
        assert_eq!(cut.chars().count(), 140);
        assert!(cut.ends_with("🐦…"), "{cut}");
    }
}
