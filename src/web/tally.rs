//! How many of some runs are in which outcome.

use maud::{Markup, html};
use serde::Serialize;

use super::html::{Tone, toned};
use crate::sources::konflux::reads::RunRow;

/// How many builds or tests of a commit are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(super) struct Tally {
    succeeded: usize,
    failed: usize,
    running: usize,
    other: usize,
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |a, b| Self {
            succeeded: a.succeeded + b.succeeded,
            failed: a.failed + b.failed,
            running: a.running + b.running,
            other: a.other + b.other,
        })
    }
}

impl Tally {
    /// Counts the runs of a kind.
    pub(super) fn of<'r>(runs: impl IntoIterator<Item = &'r RunRow>, kind: &str) -> Self {
        let mut tally = Self::default();
        for run in runs.into_iter().filter(|run| run.kind == kind) {
            let count = match run.state.as_str() {
                "succeeded" if run.verdict.as_deref().is_none_or(|verdict| !matches!(verdict, "failed" | "error")) => {
                    &mut tally.succeeded
                }
                "succeeded" | "failed" | "timed_out" => &mut tally.failed,
                "running" | "pending" => &mut tally.running,
                _ => &mut tally.other,
            };
            *count += 1;
        }
        tally
    }

    /// The name of the worst state.
    pub(super) fn worst(self) -> Option<&'static str> {
        let parts =
            [(self.failed, "failed"), (self.running, "running"), (self.succeeded, "passed"), (self.other, "cancelled")];
        parts.into_iter().find(|(number, _)| *number > 0).map(|(_, name)| name)
    }

    /// HTML with the numbers that are not zero.
    pub(super) fn show(self) -> Markup {
        let parts = [
            (self.failed, Tone::Bad, "failed"),
            (self.running, Tone::Running, "running"),
            (self.succeeded, Tone::Good, "succeeded"),
            (self.other, Tone::Notice, "cancelled"),
        ];
        html! {
            @for (number, tone, what) in parts { @if number > 0 { (toned(tone, html! { (number) " " (what) })) " " } }
        }
    }
}
