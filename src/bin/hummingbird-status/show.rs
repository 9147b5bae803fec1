//! Tables on a terminal.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
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
