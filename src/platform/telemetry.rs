//! Sets up logs and metrics, each in one form for Lambda and one for a terminal.

use std::io::{IsTerminal, Write};

use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::escape;

/// Writes JSON lines, with escapes for characters that a terminal would execute; they stay the same JSON.
struct Lines(std::io::Stderr);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.write_all(escape::json(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Metrics in CloudWatch's embedded format, to be flushed to standard output at the end of each invocation.
pub type EmbeddedMetrics = metrics_cloudwatch_embedded::Collector;

/// Sets up logging on standard error: JSON lines without timestamps in Lambda (CloudWatch adds them), text on a
/// terminal, JSON elsewhere. `levels` is the value of `RUST_LOG`: `info`, or `warn,hummingbird_status=debug`.
pub fn logging(in_lambda: bool, levels: Option<&str>) {
    // Not EnvFilter: it matches spans by regular expressions, which would be a fifth of the ingest function's size.
    let filter = levels.and_then(|levels| levels.parse().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let registry = tracing_subscriber::registry().with(filter);
    // Where standard error is closed, logging that error would panic.
    let lines = fmt::layer().with_writer(|| Lines(std::io::stderr())).log_internal_errors(false);
    // Values may come from messages; a terminal must receive no control characters but our own.
    let fields = debug_fn(|writer, field, value: &dyn std::fmt::Debug| {
        let text = format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", escape::lines(&text)),
            name => write!(writer, "{name}={}", escape::lines(&text)),
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
