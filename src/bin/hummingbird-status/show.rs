//! Tables on a terminal.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use hummingbird_status::outbox::list::Listed;
use hummingbird_status::outbox::reads::TargetRow;
use hummingbird_status::pipeline::{Outcome, Report};
use hummingbird_status::store::refused::{ByReason, Entry};
use hummingbird_status::store::{Run, TableSummary};

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    table
}

/// Rows under a header, as lines; nothing if there are none.
pub(super) fn rows<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = table(&header);
    table.add_rows(rows);
    if table.is_empty() { String::new() } else { format!("{table}\n") }
}

/// Why something was ignored or refused, in one line.
pub(super) fn reasons(report: &Report) -> String {
    report.reasons.iter().map(|(reason, count)| format!("{reason} ({count})")).collect::<Vec<_>>().join(", ")
}

/// What became of each file and message, on standard error.
pub(super) fn outcomes(rows: &[(String, String, Outcome, String)]) {
    let mut table = table(&["file", "message", "outcome", "reasons"]);
    for (file, message, outcome, reasons) in rows {
        table.add_row([file, message, &format!("{outcome:?}").to_lowercase(), reasons]);
    }
    eprintln!("{table}");
}

/// What is in the database, on standard output.
pub(super) fn summary(rows: &[TableSummary]) {
    let mut table = table(&["table", "rows", ""]);
    for row in rows {
        table.add_row([&row.table, &row.rows.to_string(), &row.detail]);
    }
    println!("{table}");
}

/// How targets stand, on standard output.
pub(super) fn targets(rows: &[TargetRow]) {
    let mut table = table(&["target", "pending", "dead", "oldest", "closed until", "reason"]);
    for row in rows {
        let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        let reason = row.reason.clone().unwrap_or_default();
        let (pending, dead) = (row.pending.to_string(), row.dead.to_string());
        table.add_row([row.name.clone(), pending, dead, time(row.oldest), time(row.open_until), reason]);
    }
    println!("{table}");
}

/// Deliveries, on standard output.
pub(super) fn deliveries(rows: &[Listed]) {
    let mut table = table(&["id", "target", "what", "state", "attempts", "next attempt", "reason"]);
    for row in rows {
        let next = row.next_attempt_at.filter(|_| row.state == "pending").map(|time| time.to_string());
        let (attempts, reason) = (row.attempts.to_string(), row.reason.clone().unwrap_or_default());
        let (id, target, what, state) = (row.id.clone(), row.target.clone(), row.what.clone(), row.state.clone());
        table.add_row([id, target, what, state, attempts, next.unwrap_or_default(), reason]);
    }
    println!("{table}");
}

/// Runs of backfill, on standard output.
pub(super) fn runs(runs: &[Run]) {
    let mut table = table(&["run", "state", "objects", "messages", "kept", "up to"]);
    for run in runs {
        let counts: serde_json::Value = serde_json::from_str(&run.counts).unwrap_or_default();
        let count = |name: &str| counts[name].to_string();
        let cursor = run.cursor.clone().unwrap_or_default();
        table.add_row([run.id.clone(), standing(run), count("objects"), count("messages"), count("kept"), cursor]);
    }
    println!("{table}");
}

/// One run as JSON, on standard output.
pub(super) fn run(run: &Run) {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    let run = serde_json::json!({
        "run": run.id, "state": standing(run), "parameters": json(&run.parameters), "cursor": run.cursor,
        "counts": json(&run.counts), "unreadable_objects": json(&run.unreadable), "error": run.error,
        "owner": run.owner, "invocations": run.invocations, "started_at": run.started_at, "ended_at": run.ended_at,
    });
    println!("{run:#}");
}

/// The state of a run, and whether somebody works on it.
fn standing(run: &Run) -> String {
    match run.state.as_str() {
        "running" if !run.is_worked_on => "running, but nobody works on it".to_owned(),
        state => state.to_owned(),
    }
}

/// How many messages were refused for what, on standard output.
pub(super) fn refused_by_reason(reasons: &[ByReason]) {
    let mut table = table(&["reason", "family", "messages", "first sent", "last sent"]);
    for by in reasons {
        let family = by.family.clone().unwrap_or_default();
        table.add_row([by.reason.clone(), family, by.count.to_string(), by.oldest.to_string(), by.newest.to_string()]);
    }
    println!("{table}");
}

/// Refused messages, on standard output.
pub(super) fn refused(entries: &[Entry]) {
    let mut table = table(&["id", "sent", "family", "reason", "detail", "bytes"]);
    for entry in entries {
        let Entry { key: (id, sent), family, reason, detail, bytes, .. } = entry;
        let family = family.clone().unwrap_or_default();
        table.add_row([id.clone(), sent.to_string(), family, reason.clone(), detail.clone(), bytes.to_string()]);
    }
    println!("{table}");
}
