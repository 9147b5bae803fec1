//! How far a run is, in lines of the log: where nobody looks at a terminal.

use std::cell::Cell;

use jiff::SignedDuration;

use super::Totals;
use crate::clock;

/// Time between two lines.
const LINES: SignedDuration = SignedDuration::from_secs(5);

/// Writes a line every few seconds, and the rate since it was made; for [`super::run`] to tell.
pub fn every_few_seconds(run: &str) -> impl Fn(&Totals, Option<&str>) + use<> {
    let (run, begun) = (run.to_owned(), clock::now());
    let said = Cell::new(begun);
    let before = Cell::new(None);
    move |totals, cursor| {
        let now = clock::now();
        let Totals { objects, messages, kept, refused, unreadable, bytes, .. } = *totals;
        let before = before.get().unwrap_or_else(|| {
            before.set(Some(messages));
            messages
        });
        if now.duration_since(said.get()) >= LINES {
            said.set(now);
            let per_second = (messages - before) as f64 / now.duration_since(begun).as_secs_f64();
            tracing::info!(
                run,
                objects,
                messages,
                kept,
                refused,
                unreadable,
                bytes,
                messages_per_second = per_second.round(),
                cursor,
                "backfill"
            );
        }
    }
}
