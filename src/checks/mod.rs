//! What all sources have in common: checks, and the verdict of a commit. Knows no source by name.
//!
//! A check is one row for each run, job, status or checkout of any source. Sources collect in [`Touched`] which of
//! their rows a transaction changed; after the last source, [`write`](store::write) writes the checks of all of them at
//! once. The verdict of a commit is computed when it is read, by [`verdict`](verdict()), from the checks of the commit
//! and the [`Rules`].

mod check;
pub mod failures;
#[cfg(test)]
mod properties;
pub mod rules;
pub mod series;
mod slots;
pub mod store;
mod touched;
mod verdict;

pub use self::check::{Check, JOB, Lane, Outcome, PIPELINE, is_bad, is_unfinished, is_whole_hash, unfinished_states};
pub use self::rules::{Pattern, Rules};
pub use self::slots::{Slot, slots};
pub use self::touched::{Repository, Touched};
pub use self::verdict::{Answer, Head, Reason, Verdict, Why, changes_at, verdict, verdict_of_slots, worst};
