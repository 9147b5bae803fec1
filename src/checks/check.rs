//! A check: a run, job, status or checkout of a source, in the terms that all sources share.

use jiff::Timestamp;
use serde::Serialize;

use super::rules::Rules;
use crate::outbox::State;

/// The stage and the name of the check of a pipeline whose jobs are checks, too.
pub const PIPELINE: &str = "pipeline";
/// The stage of such jobs.
pub const JOB: &str = "job";

/// What a state means for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It has no result yet.
    Open,
    /// It failed, or will fail.
    Bad,
    /// It succeeded.
    Ok,
    /// It waits for a person, or is stuck.
    Held,
    /// It has no result and will get none: cancelled, superseded, skipped or not needed.
    Void,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: &[Self] = &[Self::Open, Self::Bad, Self::Ok, Self::Held, Self::Void];

    /// The outcome of a state.
    #[must_use]
    pub fn of(state: State) -> Self {
        match state {
            State::Pending | State::Running | State::Canceling | State::Unknown => Self::Open,
            State::Failing | State::Failed | State::Errored | State::BlockedFailed => Self::Bad,
            State::Passed => Self::Ok,
            State::Blocked | State::BlockedRunning => Self::Held,
            State::Canceled | State::Superseded | State::Skipped | State::NotRun => Self::Void,
        }
    }

    /// The names of the states with this outcome, as a parameter of statements.
    #[must_use]
    pub fn states(self) -> Vec<&'static str> {
        names(|state| Self::of(state) == self)
    }

    /// Its name in JSON and in filters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Bad => "bad",
            Self::Ok => "ok",
            Self::Held => "held",
            Self::Void => "void",
        }
    }
}

/// Whether a state counts as failed. The one definition: pages, badges, feeds and metrics use it.
#[must_use]
pub fn is_bad(state: State) -> bool {
    Outcome::of(state) == Outcome::Bad
}

/// Whether a check in a state will have another one: it is open, or has failed and goes on.
#[must_use]
pub fn is_unfinished(state: State) -> bool {
    Outcome::of(state) == Outcome::Open || state == State::Failing
}

/// The names of the states of [`is_unfinished`], as a parameter of statements.
#[must_use]
pub fn unfinished_states() -> Vec<&'static str> {
    names(is_unfinished)
}

fn names(fits: impl Fn(State) -> bool) -> Vec<&'static str> {
    State::ALL.iter().filter(|state| fits(**state)).map(|state| state.name()).collect()
}

/// Whether a text is the whole hash of a commit (SHA-1 or SHA-256), not an abbreviation or a name such as `HEAD`.
#[must_use]
pub fn is_whole_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Why a run exists. Checks of a commit are compared within a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// A push to a branch.
    Push,
    /// A merge request.
    Mr,
    /// A merge queue.
    Queue,
    /// A schedule.
    Schedule,
    /// A tag.
    Tag,
    /// A release.
    Release,
    /// A start by hand or by another program.
    Dispatch,
}

impl Lane {
    /// All lanes.
    pub const ALL: &[Self] =
        &[Self::Push, Self::Mr, Self::Queue, Self::Schedule, Self::Tag, Self::Release, Self::Dispatch];

    /// Whether its checks count for the verdict of a commit.
    #[must_use]
    pub fn counts(self) -> bool {
        matches!(self, Self::Push | Self::Mr | Self::Queue)
    }

    /// Whether its checks have series. Each merge request has results of its own commits only.
    #[must_use]
    pub fn has_series(self) -> bool {
        !matches!(self, Self::Mr | Self::Queue)
    }

    /// The lane of a name; the constraint of the table allows no other names.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::ALL.iter().copied().find(|known| known.name() == name).unwrap_or(Self::Dispatch)
    }

    /// Its name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Mr => "mr",
            Self::Queue => "queue",
            Self::Schedule => "schedule",
            Self::Tag => "tag",
            Self::Release => "release",
            Self::Dispatch => "dispatch",
        }
    }
}

/// A row of the table `checks`. It is a function of the row of its source. Its JSON has what clients of the API need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Check {
    /// Name of the source.
    pub system: String,
    /// Table of the source's own row.
    pub kind: String,
    /// Key of the source's own row.
    pub key: String,
    /// What it does: `build`, `test`, `release`, `pipeline`, `job`, `checkout`, `bot`.
    pub stage: String,
    /// Name of the check; public, since rules and addresses use it.
    pub name: String,
    /// Host of the repository, in lower case; empty if unknown.
    pub host: String,
    /// Path of the repository on its host; empty if there is none.
    pub repo: String,
    /// Whole hash of the commit, in lower case; `None` if it is unknown, or is not resolved yet.
    pub sha: Option<String>,
    /// Branch that it ran for.
    pub branch: Option<String>,
    /// Number of the merge request that it ran for.
    pub mr: Option<i64>,
    /// Why it ran.
    #[schema(value_type = String)]
    pub lane: Lane,
    /// Run that it belongs to: its attempts share it.
    #[serde(skip)]
    pub run: String,
    /// Number of the attempt within the run, from 1.
    pub attempt: i32,
    /// Whether each attempt of the run has all checks of the run: then those of an older attempt that the newer one
    /// does not have do not count.
    #[serde(skip)]
    pub attempt_is_whole: bool,
    /// Order among the checks of one name: the number of the run or of its job, or its creation in microseconds.
    #[serde(skip)]
    pub seq: i64,
    /// Its state.
    #[schema(value_type = String)]
    pub state: State,
    /// Its state in the word of the source.
    pub original: String,
    /// Whether it passed with warnings.
    pub warn: bool,
    /// Whether a failure is allowed: then it does not count for a verdict.
    pub optional: bool,
    /// Whether it has ever been bad, by any message; `None` if that is not recorded.
    #[serde(skip)]
    pub ever_bad: Option<bool>,
    /// Known issue that explains its failure.
    #[serde(skip)]
    pub waived_by: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// Its log.
    pub log_url: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its state changed last.
    #[serde(skip)]
    pub changed_at: Timestamp,
    /// From when on it counts as stuck, if it is still open then: the time limit of its source. `None` for no limit.
    #[serde(skip)]
    pub stuck_since: Option<Timestamp>,
}

impl Check {
    /// Whether it is open and beyond the time limit of its source. The one definition of stuck.
    #[must_use]
    pub fn is_stuck(&self, now: Timestamp) -> bool {
        is_unfinished(self.state) && self.stuck_since.is_some_and(|since| since <= now)
    }

    /// The outcome. An open check that is stuck is held.
    #[must_use]
    pub fn outcome(&self, now: Timestamp) -> Outcome {
        match Outcome::of(self.state) {
            Outcome::Open if self.is_stuck(now) => Outcome::Held,
            outcome => outcome,
        }
    }

    /// Its place among checks: the key of its row.
    #[must_use]
    pub fn place(&self) -> (&str, &str, &str) {
        (&self.system, &self.kind, &self.key)
    }

    /// The label that patterns of rules are compared with: `SYSTEM:NAME`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}:{}", self.system, self.name)
    }

    /// Whether a rule requires it by name, although it is a job of a pipeline, whose own check counts for it. A pattern
    /// that the check of the pipeline satisfies requires no job.
    #[must_use]
    pub fn is_required_job(&self, rules: &Rules) -> bool {
        let whole = format!("{}:{PIPELINE}", self.system);
        self.stage == JOB && rules.required.iter().any(|pattern| pattern.fits(&self.label()) && !pattern.fits(&whole))
    }

    /// Whether it has been bad, now or earlier.
    #[must_use]
    pub fn was_bad(&self) -> bool {
        self.ever_bad == Some(true) || is_bad(self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_and_names_are_no_whole_hashes() {
        assert!(is_whole_hash(&"a1".repeat(20)) && is_whole_hash(&"0F".repeat(32)));
        for text in ["HEAD", "", "5a74161", "...", "00000", &"a".repeat(39), &"a".repeat(41), &"g".repeat(40)] {
            assert!(!is_whole_hash(text), "{text}");
        }
    }

    #[test]
    fn every_state_has_an_outcome_and_its_name_of_json() {
        for state in State::ALL {
            assert_eq!(serde_json::json!(state), state.name());
            assert!(Outcome::ALL.contains(&Outcome::of(*state)));
        }
    }
}
