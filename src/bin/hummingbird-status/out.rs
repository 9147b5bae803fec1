//! Writes to standard output and standard error. Commands write only through this module, see `say!` and `note!`.
//!
//! When the reader of standard output has closed the pipe (`.. | head`), the work continues, the rest of the output is
//! dropped, and the exit status is that of the work. Any other failure, such as a full disk, makes the command fail.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use console::Term;
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::escape;

/// The first error of writing to standard output.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Writes a line to standard output, as `println!` does.
macro_rules! say {
    ($($text:tt)*) => { $crate::out::print(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes a line to standard error, as `eprintln!` does.
macro_rules! note {
    ($($text:tt)*) => { $crate::out::note(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes text to standard output.
pub(super) fn print(text: Arguments<'_>) {
    bytes(escape::lines(&text.to_string()).as_bytes());
}

/// Writes JSON to standard output, with control characters escaped, so that it is the same JSON and safe for a
/// terminal.
pub(super) fn json(text: &str) {
    bytes(format!("{}\n", escape::json(text)).as_bytes());
}

/// Writes the bytes of a message to standard output: unchanged to a program, and as text without control characters to
/// a terminal.
pub(super) fn raw(body: &[u8]) {
    match io::stdout().is_terminal() {
        true => print(format_args!("{}", String::from_utf8_lossy(body))),
        false => bytes(body),
    }
}

/// Writes bytes to standard output.
pub(super) fn bytes(bytes: &[u8]) {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => drop(FAILURE.set(error)),
        _ => {}
    }
}

/// Writes text to standard error. A failure of that cannot be reported, so it is ignored.
pub(super) fn note(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_all(escape::lines(&text.to_string()).as_bytes());
}

/// The error by which some of the output was lost, if any.
pub(super) fn failure() -> Option<&'static io::Error> {
    FAILURE.get()
}

/// A child program that wrote to our standard output was ended by SIGPIPE, because the reader had closed it.
#[derive(Debug, thiserror::Error)]
#[error("the reader has closed the pipe")]
pub(super) struct ClosedPipe;

impl ClosedPipe {
    /// The exit status by which a shell reports a program that SIGPIPE ended.
    pub(super) const STATUS: u8 = 128 + Self::SIGNAL as u8;
    /// Number of SIGPIPE.
    pub(super) const SIGNAL: i32 = 13;
}

/// The exit status of a command that has printed its result itself.
#[derive(Debug, thiserror::Error)]
#[error("exit status {0}")]
pub(super) struct Status(pub(super) u8);

/// An output stream.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

impl Stream {
    /// The columns of its terminal, else the variable COLUMNS; `None` without a limit.
    pub(super) fn width(self) -> Option<u16> {
        let (is_terminal, terminal) = match self {
            Self::Output => (io::stdout().is_terminal(), Term::stdout()),
            Self::Error => (io::stderr().is_terminal(), Term::stderr()),
        };
        let size = if is_terminal { terminal.size_checked() } else { None };
        let columns = size.map(|(_, columns)| columns);
        columns.or_else(|| environment("COLUMNS")?.parse().ok()).filter(|columns| *columns > 0)
    }
}
