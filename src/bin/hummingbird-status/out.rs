//! Standard output and standard error of the commands. Nothing else writes to them, see `say!` and `note!`.
//!
//! A pipe that its reader has closed (`.. | head`) stops no work: the reader has what it wanted, the rest of the output is
//! dropped, and the exit status is that of the work. Any other failure, such as a full disk, makes the command fail.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use console::Term;
use hummingbird_status::config::environment;
use hummingbird_status::shown;

/// Why standard output could not be written, if so.
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
    bytes(shown::lines(&text.to_string()).as_bytes());
}

/// Writes JSON to standard output: still the same JSON, without characters that a terminal would do something about.
pub(super) fn json(text: &str) {
    bytes(format!("{}\n", shown::json(text)).as_bytes());
}

/// Writes bytes of a message to standard output: as they are to a program, and as text that does nothing to a terminal.
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

/// Writes text to standard error. Nobody can be told when that fails.
pub(super) fn note(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_all(shown::lines(&text.to_string()).as_bytes());
}

/// Why some of the output was lost, if so.
pub(super) fn failure() -> Option<&'static io::Error> {
    FAILURE.get()
}

/// A program that wrote to our standard output was ended because its reader had closed it.
#[derive(Debug, thiserror::Error)]
#[error("the reader has closed the pipe")]
pub(super) struct ClosedPipe;

impl ClosedPipe {
    /// What a shell makes of a program that SIGPIPE ended.
    pub(super) const STATUS: u8 = 128 + Self::SIGNAL as u8;
    /// Number of SIGPIPE.
    pub(super) const SIGNAL: i32 = 13;
}

/// Where a text goes.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

impl Stream {
    /// Columns of its terminal, else what COLUMNS says; `None` for any number of them.
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
