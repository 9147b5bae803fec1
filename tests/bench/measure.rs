//! Medians and tables, and the figures that the table of tests/bench/README.md is made of.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

/// The variable with the path of the file for [`Figure`]s; `cargo bench --bench table` sets it.
pub const FIGURES: &str = "BENCH_FIGURES";

/// The number of measurements of each figure; the median is reported.
pub const ROUNDS: usize = 5;

/// The median.
pub fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "nothing was measured");
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The result of some work, and how long it took.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let value = work.await;
    (value, start.elapsed())
}

/// How many per second.
pub fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Milliseconds with fractions.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints a title, the head and the rows of a table.
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

/// Whether this run is for the README's table, which needs fewer measurements.
pub fn brief() -> bool {
    std::env::var_os(FIGURES).is_some()
}

/// A row of that table: the measured values, the baseline and the floor, each measured equally often.
pub struct Figure<'f> {
    /// The name of the measurement.
    pub what: &'f str,
    /// The unit: `/s`, `ms`, `MB`.
    pub unit: &'f str,
    /// The values of the product.
    pub ours: &'f [f64],
    /// The common alternative, if there is one: name and values.
    pub baseline: Option<(&'f str, &'f [f64])>,
    /// The lower bound of the cost, if there is one: name and values.
    pub floor: Option<(&'f str, &'f [f64])>,
}

impl Figure<'_> {
    /// Adds the figure to the file, if a table is being made.
    pub fn report(&self) {
        let beside = |of: Option<(&str, &[f64])>| of.map(|(name, values)| json!({"name": name, "values": values}));
        report(&json!({
            "what": self.what, "unit": self.unit, "ours": self.ours,
            "baseline": beside(self.baseline), "floor": beside(self.floor),
        }));
    }
}

/// Adds a line to the file of figures, if a table is being made.
pub fn report(line: &serde_json::Value) {
    if let Some(path) = std::env::var_os(FIGURES) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}
