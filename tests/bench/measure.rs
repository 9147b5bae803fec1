//! Medians and tables, and what the table of the README is made of.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

/// Names a file for [`Figure`]s, when `cargo bench --bench table` asks for them.
pub const FIGURES: &str = "BENCH_FIGURES";

/// Measurements of each thing; what is reported is their median.
pub const ROUNDS: usize = 5;

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "nothing was measured");
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How long something takes.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let value = work.await;
    (value, start.elapsed())
}

/// How many in a second.
pub fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Milliseconds, with fractions.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints a heading and a table whose first row is its head.
pub fn print<const N: usize>(title: &str, head: [&str; N], rows: &[[String; N]]) {
    println!("\n## {title}\n");
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).chain([head[at].len()]).max().unwrap_or(0);
    let line = |cells: [&str; N]| {
        let cells: Vec<_> = cells
            .iter()
            .enumerate()
            .map(|(at, cell)| if at == 0 { format!("{cell:<0$}", width(at)) } else { format!("{cell:>0$}", width(at)) })
            .collect();
        println!("| {} |", cells.join(" | "));
    };
    line(head);
    let rule: [String; N] =
        std::array::from_fn(
            |at| if at == 0 { "-".repeat(width(at)) } else { format!("{}:", "-".repeat(width(at) - 1)) },
        );
    line(rule.each_ref().map(String::as_str));
    for row in rows {
        line(row.each_ref().map(String::as_str));
    }
}

/// Whether this is for the table, which needs less of it than is shown otherwise.
pub fn brief() -> bool {
    std::env::var_os(FIGURES).is_some()
}

/// A line of that table: what was measured, and beside it what it is compared with, each as often.
pub struct Figure<'f> {
    /// What was measured.
    pub what: &'f str,
    /// What is counted: `/s`, `ms`, `MB`.
    pub unit: &'f str,
    /// Ours.
    pub ours: &'f [f64],
    /// The usual way to do it.
    pub baseline: Option<(&'f str, &'f [f64])>,
    /// What cannot be beaten.
    pub floor: Option<(&'f str, &'f [f64])>,
}

impl Figure<'_> {
    /// Adds it to the table, if there is to be one.
    pub fn tell(&self) {
        let beside = |of: Option<(&str, &[f64])>| of.map(|(name, values)| json!({"name": name, "values": values}));
        tell(&json!({
            "what": self.what, "unit": self.unit, "ours": self.ours,
            "baseline": beside(self.baseline), "floor": beside(self.floor),
        }));
    }
}

/// Adds a line to the file of figures, if there is to be one.
pub fn tell(line: &serde_json::Value) {
    if let Some(path) = std::env::var_os(FIGURES) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}
