//! Medians and tables.

use std::time::{Duration, Instant};

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
