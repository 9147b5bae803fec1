//! How far long work is: a bar on a terminal, a line every few seconds elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;

use hummingbird_status::archive::backfill::Totals;
use hummingbird_status::clock;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};

/// Time between two lines.
const LINES: SignedDuration = SignedDuration::from_secs(5);

/// How far a run of backfill is.
pub(super) struct Progress {
    run: String,
    /// On a terminal.
    bar: Option<ProgressBar>,
    /// Objects and messages that were done with before.
    before: (u64, u64),
    begun: Timestamp,
    said: Cell<Timestamp>,
}

impl Progress {
    /// Of a run that may have been left before.
    pub(super) fn new(run: &str, before: &Totals) -> Self {
        let style = "{spinner} {wide_bar} {pos}/{len} objects, {per_sec}, {eta} left  {msg}";
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length();
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar
        });
        let before = (before.objects, before.messages);
        Self { run: run.to_owned(), bar, before, begun: clock::now(), said: Cell::new(clock::now()) }
    }

    /// The bar, to be told how many objects there are.
    pub(super) fn bar(&self) -> Option<ProgressBar> {
        self.bar.clone()
    }

    /// Says what was counted so far.
    pub(super) fn show(&self, totals: &Totals, cursor: Option<&str>) {
        let now = clock::now();
        let messages = totals.messages.saturating_sub(self.before.1);
        let rate = messages as f64 / now.duration_since(self.begun).as_secs_f64().max(0.001);
        if let Some(bar) = &self.bar {
            bar.set_position(totals.objects.saturating_sub(self.before.0));
            let Totals { kept, refused, unreadable, .. } = totals;
            bar.set_message(format!("{rate:.0} messages/s: {kept} kept, {refused} refused, {unreadable} unreadable"));
        } else if now.duration_since(self.said.get()) >= LINES {
            self.said.set(now);
            tracing::info!(
                run = self.run,
                objects = totals.objects,
                messages = totals.messages,
                kept = totals.kept,
                refused = totals.refused,
                unreadable = totals.unreadable,
                bytes = totals.bytes,
                messages_per_second = rate.round(),
                cursor,
                "backfill"
            );
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How many bytes went somewhere.
pub(super) struct Bytes {
    bar: Option<ProgressBar>,
    said: Cell<Timestamp>,
}

impl Bytes {
    /// None yet.
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {bytes}, {bytes_per_sec}, {elapsed}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, said: Cell::new(clock::now()) }
    }

    /// So many by now.
    pub(super) fn show(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        } else if clock::now().duration_since(self.said.get()) >= LINES {
            self.said.set(clock::now());
            tracing::info!(bytes, "loading");
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
