//! Logs and metrics: set up here, in one form each for Lambda and for a terminal.

use std::io::{IsTerminal, Write};

use metrics::{counter, histogram};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::pipeline::Report;
use crate::shown;
use crate::store::Verdict;

/// Lines of JSON: still the same JSON, without characters that a terminal would do something about.
struct Lines(std::io::Stderr);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.write_all(shown::json(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Metrics in CloudWatch's embedded format, to be flushed to standard output at the end of each invocation.
pub type EmbeddedMetrics = metrics_cloudwatch_embedded::Collector;

/// Sets up logging on standard error: JSON lines without times of their own in Lambda (CloudWatch has them), text on a
/// terminal, JSON elsewhere. `levels` is what `RUST_LOG` holds: `info`, or `warn,hummingbird_status=debug`.
pub fn logging(in_lambda: bool, levels: Option<&str>) {
    // Not EnvFilter: it matches spans by regular expressions, which would be a fifth of the ingest function's size.
    let filter = levels.and_then(|levels| levels.parse().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let registry = tracing_subscriber::registry().with(filter);
    // Where standard error is closed, a log of that would panic.
    let lines = fmt::layer().with_writer(|| Lines(std::io::stderr())).log_internal_errors(false);
    // Values may be of messages; a terminal is shown no control characters but our own.
    let fields = debug_fn(|writer, field, value: &dyn std::fmt::Debug| {
        let text = format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", shown::lines(&text)),
            name => write!(writer, "{name}={}", shown::lines(&text)),
        }
    });
    // A second call, as in tests, finds a subscriber in place; the first one stays.
    let _ = match (in_lambda, std::io::stderr().is_terminal()) {
        (true, _) => registry.with(lines.json().flatten_event(true).without_time().with_current_span(false)).try_init(),
        (false, true) => {
            let lines =
                fmt::layer().with_writer(std::io::stderr).log_internal_errors(false).fmt_fields(fields.delimited(" "));
            registry.with(lines.compact().with_target(false)).try_init()
        }
        (false, false) => registry.with(lines.json().flatten_event(true).with_current_span(false)).try_init(),
    };
}

/// Sets up metrics for a Lambda function, with its name as the one dimension.
#[must_use]
pub fn lambda_metrics(namespace: Option<String>, function: Option<String>) -> Option<&'static EmbeddedMetrics> {
    metrics_cloudwatch_embedded::Builder::new()
        .cloudwatch_namespace(namespace.unwrap_or_else(|| "HummingbirdStatus".to_owned()))
        .with_dimension("function", function.unwrap_or_else(|| "local".to_owned()))
        .init()
        .inspect_err(|error| tracing::error!(error = %error, "no metrics"))
        .ok()
}

/// Counts a batch, and says it in one line.
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
    if let Some((verdict, error)) = &report.error {
        match verdict {
            Verdict::Again => tracing::error!(error = %error, "nothing written, to be delivered again"),
            Verdict::Poison | Verdict::Bug => {
                tracing::error!(error = %error, alarm = true, "nothing written: this program or the schema is wrong");
            }
        }
    }
}
