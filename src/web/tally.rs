//! How many of some runs are in which outcome.

use maud::{Markup, html};
use serde::Serialize;

use super::html::{Tone, toned};
use crate::checks::Outcome;
use crate::sources::konflux::reads::RunRow;

/// How many builds or tests of a commit are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(super) struct Tally {
    succeeded: usize,
    failed: usize,
    running: usize,
    other: usize,
}

impl Tally {
    /// Counts the runs of a kind.
    pub(super) fn of<'r>(runs: impl IntoIterator<Item = &'r RunRow>, kind: &str) -> Self {
        let mut tally = Self::default();
        for run in runs.into_iter().filter(|run| run.kind == kind) {
            let count = match Outcome::of(run.result()) {
                Outcome::Ok => &mut tally.succeeded,
                Outcome::Bad => &mut tally.failed,
                Outcome::Open => &mut tally.running,
                Outcome::Held | Outcome::Void => &mut tally.other,
            };
            *count += 1;
        }
        tally
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
