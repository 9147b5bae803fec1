//! Tables on a terminal.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use hummingbird_status::outbox::list::{Listed, TargetState};
use hummingbird_status::pipeline::{Outcome, Report};
use hummingbird_status::store::TableSummary;

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
pub(super) fn targets(rows: &[TargetState]) {
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
