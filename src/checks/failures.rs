//! What a failure of a merge request is, beside its target branch: new there, or not of this change.

use jiff::Timestamp;
use serde::Serialize;

use super::check::Outcome;
use super::slots::Slot;

/// What a failed or flaky check of a merge request is. It changes no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// It failed and then succeeded for this commit.
    Flaky,
    /// It succeeded and failed for this commit; the newest attempt failed.
    Unstable,
    /// It was broken on the target branch when it ran, and is.
    AlreadyBroken,
    /// It was broken on the target branch when it ran, and was fixed there since.
    FixedOnTarget,
    /// It is known to be flaky on the target branch.
    KnownFlaky,
    /// It fails in at least three other merge requests, too.
    ElsewhereToo,
    /// It succeeds on the target branch.
    New,
    /// It has no result on the target branch from before it ran.
    NoComparison,
}

impl Failure {
    /// Its words on pages.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Flaky => "flaky",
            Self::Unstable => "unstable",
            Self::AlreadyBroken => "already broken on the target branch",
            Self::FixedOnTarget => "fixed on the target branch: rebase",
            Self::KnownFlaky => "known to be flaky",
            Self::ElsewhereToo => "fails in other merge requests, too",
            Self::New => "new",
            Self::NoComparison => "no comparison",
        }
    }
}

/// A result of the series of the target branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetResult {
    /// Place of its commit.
    pub place: Timestamp,
    /// Whether it is a success.
    pub is_ok: bool,
    /// Whether checks of its commit succeeded and failed.
    pub is_flaky: bool,
}

/// Merge requests with the same failure, from which on it counts as one of all.
const ELSEWHERE: usize = 3;
/// Fewest flaky results of a series that is called flaky, of at most 100; and 1 in 100.
const FLAKY: usize = 2;

/// Whether a series is known to be flaky: so many of its last results are.
#[must_use]
pub fn is_known_flaky(flaky: usize, results: usize) -> bool {
    flaky >= FLAKY && flaky * 100 >= results
}

/// What a check of a merge request is, if it failed or is flaky. `target` are the last results of the target branch,
/// oldest first; `elsewhere` is the number of other merge requests in which it fails at that time.
#[must_use]
pub fn failure(slot: &Slot<'_>, target: &[TargetResult], elsewhere: usize) -> Option<Failure> {
    let newest = slot.newest?;
    let of = |outcome: Outcome| slot.checks.iter().any(|check| Outcome::of(check.state) == outcome);
    let has_failed = of(Outcome::Bad) || slot.checks.iter().any(|check| check.was_bad());
    match slot.outcome {
        Outcome::Ok if has_failed => return Some(Failure::Flaky),
        Outcome::Bad if of(Outcome::Ok) => return Some(Failure::Unstable),
        Outcome::Bad => {}
        _ => return None,
    }
    let base = target.iter().rev().find(|result| result.place <= newest.created_at);
    let is_fixed = target.last().is_some_and(|result| result.is_ok);
    let flaky = target.iter().filter(|result| result.is_flaky).count();
    Some(match base {
        Some(base) if !base.is_ok && is_fixed => Failure::FixedOnTarget,
        Some(base) if !base.is_ok => Failure::AlreadyBroken,
        _ if is_known_flaky(flaky, target.len()) => Failure::KnownFlaky,
        _ if !target.is_empty() && elsewhere >= ELSEWHERE => Failure::ElsewhereToo,
        Some(_) => Failure::New,
        None => Failure::NoComparison,
    })
}
