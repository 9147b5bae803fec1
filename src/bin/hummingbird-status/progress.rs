//! How far long work is: a bar on a terminal, a line every few seconds elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;

use hummingbird_status::archive::backfill::{self, Totals};
use hummingbird_status::clock;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};

/// Time between two lines.
const LINES: SignedDuration = SignedDuration::from_secs(5);

/// How far a run of backfill is.
pub(super) struct Progress {
    /// On a terminal.
    bar: Option<ProgressBar>,
    /// Elsewhere.
    lines: Box<Lines>,
    /// Objects and messages that were done with before.
    before: (u64, u64),
    begun: Timestamp,
}

type Lines = dyn Fn(&Totals, Option<&str>);

impl Progress {
    /// Of a run that may have been left before.
    pub(super) fn new(run: &str, before: &Totals) -> Self {
        let style = "{spinner} {wide_bar} {pos}/{len} objects, {per_sec}, {eta} left  {msg}";
        let lines = Box::new(backfill::every_few_seconds(run));
        Self { bar: bar(style), lines, before: (before.objects, before.messages), begun: clock::now() }
    }

    /// The bar, to be told how many objects there are.
    pub(super) fn bar(&self) -> Option<ProgressBar> {
        self.bar.clone()
    }

    /// Says what was counted so far.
    pub(super) fn show(&self, totals: &Totals, cursor: Option<&str>) {
        let Some(bar) = &self.bar else { return (self.lines)(totals, cursor) };
        let seconds = clock::now().duration_since(self.begun).as_secs_f64().max(0.001);
        let rate = totals.messages.saturating_sub(self.before.1) as f64 / seconds;
        bar.set_position(totals.objects.saturating_sub(self.before.0));
        let Totals { kept, refused, unreadable, .. } = totals;
        bar.set_message(format!("{rate:.0} messages/s: {kept} kept, {refused} refused, {unreadable} unreadable"));
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A bar in a style, on a terminal.
fn bar(style: &str) -> Option<ProgressBar> {
    std::io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar
    })
}

/// How many of so many projects are done with; shown on a terminal only, for it does not take long.
pub(super) struct Projects(Option<ProgressBar>);

impl Projects {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(bar("{spinner} {wide_bar} {pos}/{len} projects, {eta} left"))
    }

    /// So many by now.
    pub(super) fn show(&self, done: usize, of: usize) {
        if let Some(bar) = &self.0 {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.0 {
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
        let bar = bar("{spinner} {bytes}, {bytes_per_sec}, {elapsed}");
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
