//! Metrics and the log line of a batch.

use metrics::{counter, histogram};

use super::report::Report;
use crate::db::ErrorClass;

/// Records the metrics of a batch, and logs it in one line.
pub fn record(report: &Report) {
    let counts = report.counts();
    counter!("received").increment(counts.received);
    counter!("kept").increment(counts.kept);
    counter!("stale").increment(counts.stale);
    counter!("ignored").increment(counts.ignored);
    counter!("refused").increment(counts.refused);
    counter!("again").increment(counts.again);
    counter!("details_dropped").increment(report.dropped);
    if let Some(lag) = report.lag {
        histogram!("lag_ms").record(lag.as_secs_f64() * 1e3);
    }
    histogram!("decode_ms").record(report.decode.as_secs_f64() * 1e3);
    histogram!("write_ms").record(report.write.as_secs_f64() * 1e3);
    histogram!("total_ms").record((report.decode + report.write).as_secs_f64() * 1e3);

    let reasons = report.reasons.iter().map(|(reason, count)| format!("{reason} {count}"));
    tracing::info!(
        received = counts.received,
        kept = counts.kept,
        stale = counts.stale,
        ignored = counts.ignored,
        refused = counts.refused,
        again = counts.again,
        lag_ms = report.lag.map(|lag| lag.as_secs_f64() * 1e3),
        decode_ms = report.decode.as_secs_f64() * 1e3,
        write_ms = report.write.as_secs_f64() * 1e3,
        reasons = reasons.collect::<Vec<_>>().join(", "),
        "batch"
    );
    if let Some((class, error)) = &report.error {
        match class {
            ErrorClass::Retry => tracing::error!(error = %error, "nothing written, to be retried"),
            ErrorClass::Poison | ErrorClass::Bug => {
                tracing::error!(error = %error, alarm = true, "nothing written: this program or the schema is wrong");
            }
        }
    }
}
