//! Logs the progress of a run, where there is no terminal for a progress bar.

use std::cell::Cell;

use jiff::SignedDuration;

use super::Totals;
use crate::platform::clock;

/// Time between two lines.
const LINES: SignedDuration = SignedDuration::from_secs(5);

/// Makes a `watch` function for [`super::run`] that logs a line every five seconds, with the rate since the beginning.
pub fn every_few_seconds(run: &str) -> impl Fn(&Totals, Option<&str>) + use<> {
    let (run, begun) = (run.to_owned(), clock::now());
    let logged = Cell::new(begun);
    let before = Cell::new(None);
    move |totals, cursor| {
        let now = clock::now();
        let Totals { objects, messages, kept, refused, unreadable, bytes, .. } = *totals;
        let before = before.get().unwrap_or_else(|| {
            before.set(Some(messages));
            messages
        });
        if now.duration_since(logged.get()) >= LINES {
            logged.set(now);
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
