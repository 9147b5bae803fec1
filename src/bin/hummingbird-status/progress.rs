//! Shows the progress of long work: a bar on a terminal, a log line every few seconds elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;

use hummingbird_status::archive::backfill::{self, Totals};
use hummingbird_status::platform::clock;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};

/// Time between two log lines.
const LINES: SignedDuration = SignedDuration::from_secs(5);

/// The progress of a run of backfill.
pub(super) struct Progress {
    /// The bar, on a terminal.
    bar: Option<ProgressBar>,
    /// The log lines, elsewhere.
    lines: Box<Lines>,
    /// Objects and messages that were done by earlier processes.
    before: (u64, u64),
    begun: Timestamp,
}

type Lines = dyn Fn(&Totals, Option<&str>);

impl Progress {
    /// Begins to show a run, which may be a resumed one.
    pub(super) fn new(run: &str, before: &Totals) -> Self {
        let style = "{spinner} {wide_bar} {pos}/{len} objects, {per_sec}, {eta} left  {msg}";
        let lines = Box::new(backfill::every_few_seconds(run));
        Self { bar: bar(style), lines, before: (before.objects, before.messages), begun: clock::now() }
    }

    /// The bar, so that the caller can set the number of objects.
    pub(super) fn bar(&self) -> Option<ProgressBar> {
        self.bar.clone()
    }

    /// Shows the current counts.
    pub(super) fn show(&self, totals: &Totals, cursor: Option<&str>) {
        let Some(bar) = &self.bar else { return (self.lines)(totals, cursor) };
        let seconds = clock::now().duration_since(self.begun).as_secs_f64().max(0.001);
        let rate = totals.messages.saturating_sub(self.before.1) as f64 / seconds;
        bar.set_position(totals.objects.saturating_sub(self.before.0));
        let Totals { kept, refused: rejected, unreadable, .. } = totals;
        bar.set_message(format!("{rate:.0} messages/s: {kept} kept, {rejected} rejected, {unreadable} unreadable"));
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A bar of this style; `None` when standard error is not a terminal.
fn bar(style: &str) -> Option<ProgressBar> {
    std::io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar
    })
}

/// The number of projects that are done; shown on a terminal only, because it does not take long.
pub(super) struct Projects(Option<ProgressBar>);

impl Projects {
    /// Begins at 0.
    pub(super) fn new() -> Self {
        Self(bar("{spinner} {wide_bar} {pos}/{len} projects, {eta} left"))
    }

    /// Shows the number of projects that are done, of all projects.
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

/// The number of bytes that were loaded.
pub(super) struct Bytes {
    bar: Option<ProgressBar>,
    logged: Cell<Timestamp>,
}

impl Bytes {
    /// Begins at 0.
    pub(super) fn new() -> Self {
        let bar = bar("{spinner} {bytes}, {bytes_per_sec}, {elapsed}");
        Self { bar, logged: Cell::new(clock::now()) }
    }

    /// Shows the number of bytes.
    pub(super) fn show(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        } else if clock::now().duration_since(self.logged.get()) >= LINES {
            self.logged.set(clock::now());
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
