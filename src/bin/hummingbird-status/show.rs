//! Prints tables.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use hummingbird_status::db::Run;
use hummingbird_status::db::rejected::{ByReason, Entry};
use hummingbird_status::ingest::{Outcome, Report};
use hummingbird_status::outbox::list::Listed;
use hummingbird_status::outbox::reads::TargetRow;
use hummingbird_status::platform::escape;
use hummingbird_status::reports::TableSummary;

use super::out::{self, Stream};

/// A table that fits the terminal of a stream.
fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>, to: Stream) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    if let Some(width) = to.width() {
        table.set_width(width);
    }
    table.add_rows(rows.into_iter().map(|row| row.map(cell)));
    table
}

/// Escapes the text of a cell, because it may come from a message.
fn cell(text: String) -> String {
    escape::lines(&text).into_owned()
}

/// A table for standard output, as lines; empty if there are no rows.
pub(super) fn rows<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let table = table(header, rows, Stream::Output);
    if table.is_empty() { String::new() } else { format!("{table}\n") }
}

/// Prints a table to standard output; the header only if there are no rows.
fn print<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    say!("{}", table(header, rows, Stream::Output));
}

/// The reasons why messages of a delivery were ignored or rejected, in one line.
pub(super) fn reasons(report: &Report, delivery: usize) -> String {
    let reasons = report.reasons_of(delivery);
    reasons.iter().map(|(reason, count)| format!("{reason} ({count})")).collect::<Vec<_>>().join(", ")
}

/// Prints the outcome of each file and message to standard error.
pub(super) fn outcomes(rows: &[(String, String, Outcome, String)]) {
    let rows = rows.iter().map(|(file, message, outcome, reasons)| {
        [file.clone(), message.clone(), format!("{outcome:?}").to_lowercase(), reasons.clone()]
    });
    note!("{}", table(["file", "message", "outcome", "reasons"], rows, Stream::Error));
}

/// Prints the number of rows of each table to standard output.
pub(super) fn summary(rows: &[TableSummary]) {
    print(
        ["table", "rows", ""],
        rows.iter().map(|row| [row.table.to_string(), row.rows.to_string(), row.detail.to_string()]),
    );
}

/// Prints the state of the targets to standard output.
pub(super) fn targets(rows: &[TargetRow]) {
    let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let cells = |row: &TargetRow| {
        let (pending, dead) = (row.pending.to_string(), row.dead.to_string());
        let reason = row.reason.clone().unwrap_or_default();
        [row.name.clone(), pending, dead, time(row.oldest), time(row.open_until), reason]
    };
    print(["target", "pending", "dead", "oldest", "closed until", "reason"], rows.iter().map(cells));
}

/// Prints deliveries to standard output.
pub(super) fn deliveries(rows: &[Listed]) {
    let cells = |row: &Listed| {
        let next = row.next_attempt_at.filter(|_| row.state == "pending").map(|time| time.to_string());
        let (attempts, reason) = (row.attempts.to_string(), row.reason.clone().unwrap_or_default());
        let (id, target, what, state) = (row.id.clone(), row.target.clone(), row.what.clone(), row.state.clone());
        [id, target, what, state, attempts, next.unwrap_or_default(), reason]
    };
    print(["id", "target", "what", "state", "attempts", "next attempt", "reason"], rows.iter().map(cells));
}

/// Prints runs of backfill to standard output.
pub(super) fn runs(runs: &[Run]) {
    let cells = |run: &Run| {
        let counts: serde_json::Value = serde_json::from_str(&run.counts).unwrap_or_default();
        let count = |name: &str| counts[name].to_string();
        let cursor = run.cursor.clone().unwrap_or_default();
        [run.id.clone(), run_state(run), count("objects"), count("messages"), count("kept"), cursor]
    };
    print(["run", "state", "objects", "messages", "kept", "up to"], runs.iter().map(cells));
}

/// Prints one run as JSON to standard output.
pub(super) fn run(run: &Run) {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    let run = serde_json::json!({
        "run": run.id, "state": run_state(run), "parameters": json(&run.parameters), "cursor": run.cursor,
        "counts": json(&run.counts), "unreadable_objects": json(&run.unreadable), "error": run.error,
        "owner": run.owner, "invocations": run.invocations, "started_at": run.started_at, "ended_at": run.ended_at,
    });
    out::json(&format!("{run:#}"));
}

/// The state of a run, and whether its lease has expired.
fn run_state(run: &Run) -> String {
    match run.state.as_str() {
        "running" if !run.is_worked_on => "running, but no process works on it".to_owned(),
        state => state.to_owned(),
    }
}

/// Prints the number of rejected messages by reason to standard output.
pub(super) fn rejected_by_reason(reasons: &[ByReason]) {
    let cells = |by: &ByReason| {
        let source = by.family.clone().unwrap_or_default();
        [by.reason.clone(), source, by.count.to_string(), by.oldest.to_string(), by.newest.to_string()]
    };
    print(["reason", "source", "messages", "first sent", "last sent"], reasons.iter().map(cells));
}

/// Prints rejected messages to standard output.
pub(super) fn rejected(entries: &[Entry]) {
    let cells = |entry: &Entry| {
        let Entry { key: (id, sent), family: source, reason, detail, bytes, .. } = entry;
        let source = source.clone().unwrap_or_default();
        [id.clone(), sent.to_string(), source, reason.clone(), detail.clone(), bytes.to_string()]
    };
    print(["id", "sent", "source", "reason", "detail", "bytes"], entries.iter().map(cells));
}
