//! Loads a dump into a database through `psql` and `pg_restore`, in one transaction, as a stream. Blocks the thread.
//!
//! `psql` always reads a script: plain SQL unchanged, gzipped SQL decompressed, and for the formats that only
//! `pg_restore` reads (`pg_dump --format custom`, `directory` or `tar`) the script that `pg_restore` writes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use flate2::bufread::MultiGzDecoder;

use crate::platform::hex::hex;

/// Deletes the schema `public` with its contents, and makes it again as a new database has it.
const CLEAR: &str = "DROP SCHEMA IF EXISTS public CASCADE; \
    CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC";

/// Why a dump was not loaded. The transaction is rolled back then, and the previous data is still there.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The dump cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder of the dump.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The dump creates no tables for its data.
    #[error(
        "{} makes no table: a whole dump is needed, as `db dump` or `pg_dump` without --data-only write it",
        path.display()
    )]
    NoTables {
        /// The file or folder of the dump.
        path: PathBuf,
    },
    /// A program cannot be started.
    #[error("cannot run {program}")]
    Run {
        /// The name of the program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} ended with {status}, and nothing was changed; the end of its output:\n{output}")]
    Failed {
        /// The name of the program.
        program: String,
        /// Its exit status.
        status: String,
        /// The last lines of its standard error.
        output: String,
    },
}

/// The format of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// SQL.
    Plain,
    /// Gzipped SQL.
    Packed,
    /// A format that only `pg_restore` reads.
    Archive,
}

/// Recognises the format of a dump by its first bytes.
///
/// # Errors
/// When the dump cannot be read.
pub fn form(path: &Path) -> Result<Form, DumpError> {
    let failed = |source| DumpError::Read { path: path.to_owned(), source };
    if path.join("toc.dat").is_file() {
        return Ok(Form::Archive);
    }
    let mut start = Vec::new();
    File::open(path).map_err(failed)?.take(512).read_to_end(&mut start).map_err(failed)?;
    // The second one is the name of the first file in a tar archive.
    let is_archive = start.starts_with(b"PGDMP") || start.starts_with(b"toc.dat\0");
    Ok(match () {
        () if is_archive => Form::Archive,
        () if start.starts_with(&[0x1f, 0x8b]) => Form::Packed,
        () => Form::Plain,
    })
}

/// Replaces the contents of the schema `public` by a dump. `psql` and `pg_restore` are commands with the connection of
/// the database; `pg_restore` is needed for [`Form::Archive`] only. `watch` is called with the number of bytes of SQL
/// that were read so far.
///
/// # Errors
/// When the dump cannot be read or loaded; the database is unchanged then.
pub fn load(
    path: &Path,
    mut psql: Command,
    pg_restore: Option<Command>,
    mut watch: impl FnMut(u64),
) -> Result<(), DumpError> {
    let failed = |source| DumpError::Read { path: path.to_owned(), source };
    let form = form(path)?;
    let mut restore = None;
    let script: Box<dyn Read> = match (form, pg_restore) {
        (Form::Archive, Some(mut command)) => {
            command.args(["--no-owner", "--no-privileges", "--file=-"]).arg(path);
            let mut running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
            let output = running.child.stdout.take();
            restore = Some(running);
            output.map_or_else(|| Box::new(io::empty()) as Box<dyn Read>, |output| Box::new(output))
        }
        (Form::Packed, _) => {
            let file = BufReader::new(File::open(path).map_err(failed)?);
            Box::new(MultiGzDecoder::new(file))
        }
        _ => Box::new(File::open(path).map_err(failed)?),
    };
    let mut script = BufReader::with_capacity(256 << 10, script);
    // The part before the data is small, so it is held in memory.
    let head = head(&mut script).map_err(failed)?;
    if !head.makes_tables {
        if let Some(restore) = restore {
            drop(script);
            restore.wait()?;
        }
        return Err(DumpError::NoTables { path: path.to_owned() });
    }

    let key = restricts(&psql).then(key).transpose().map_err(failed)?;
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction"]);
    psql.args(["--command", CLEAR, "--file=-"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut psql = Running::start(&mut psql)?;
    let mut input = psql.child.stdin.take();
    let copied = match &mut input {
        Some(input) => copy(head, script, key.as_deref(), input, &mut watch),
        None => Err(Copy::Write),
    };
    let restored = restore.map_or(Ok(()), Running::wait);
    if restored.is_err() || copied.is_err() {
        // At the end of its input psql would commit the part of the script that it has.
        psql.child.kill().ok();
    }
    drop(input);
    let loaded = psql.wait();
    match copied {
        Err(Copy::Read(source)) => Err(failed(source)),
        // psql ended early, and pg_restore because of it: the error of psql is the cause.
        Err(Copy::Write) => loaded.and(restored),
        Ok(()) => restored.and(loaded),
    }
}

/// Whether this `psql` has `\restrict`, which disables the commands `\!`, `\o` and `\copy` in a dump: the releases
/// since August 2025 have it (CVE-2025-8714). An older one runs the commands of a dump.
fn restricts(psql: &Command) -> bool {
    let version = Command::new(psql.get_program()).arg("--version").stderr(Stdio::null()).output();
    let restricts = version.is_ok_and(|output| knows_restrict(&String::from_utf8_lossy(&output.stdout)));
    if !restricts {
        tracing::warn!("this psql runs the commands that a dump brings: only load one that you trust");
    }
    restricts
}

/// The same, from the output of `psql --version`: `psql (PostgreSQL) 17.6 (Debian 17.6-1)`.
fn knows_restrict(version: &str) -> bool {
    let number = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let mut parts = number.unwrap_or_default().split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    match major {
        13 => minor >= 22,
        14 => minor >= 19,
        15 => minor >= 14,
        16 => minor >= 10,
        17 => minor >= 6,
        major => major >= 18,
    }
}

/// The key that ends the restriction: random, so that a dump cannot contain it.
fn key() -> io::Result<String> {
    let mut random = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(hex(&random))
}

/// The beginning of a script.
struct Head {
    bytes: Vec<u8>,
    makes_tables: bool,
    /// The key by which the dump itself restricts `psql`; our key replaces it.
    own_key: Option<Vec<u8>>,
}

/// Reads to the first table or the first data.
fn head(script: &mut impl BufRead) -> io::Result<Head> {
    let mut head = Head { bytes: Vec::new(), makes_tables: false, own_key: None };
    loop {
        let start = head.bytes.len();
        if script.read_until(b'\n', &mut head.bytes)? == 0 {
            return Ok(head);
        }
        if let Some(key) = head.bytes[start..].strip_prefix(b"\\restrict ") {
            head.own_key = Some(key.trim_ascii_end().to_vec());
            head.bytes.truncate(start);
            continue;
        }
        let line = &head.bytes[start..];
        head.makes_tables = line.starts_with(b"CREATE TABLE ") || line.starts_with(b"CREATE UNLOGGED TABLE ");
        if head.makes_tables || line.starts_with(b"COPY ") || line.starts_with(b"INSERT INTO ") {
            return Ok(head);
        }
    }
}

/// The side that failed.
enum Copy {
    Read(io::Error),
    Write,
}

/// Copies a script, restricted by our key instead of its own.
fn copy(
    head: Head,
    script: impl BufRead,
    key: Option<&str>,
    to: &mut impl Write,
    watch: &mut impl FnMut(u64),
) -> Result<(), Copy> {
    let ends = head.own_key.map(|own| [b"\\unrestrict ", own.as_slice()].concat());
    let mut from = head.bytes.as_slice().chain(script);
    let mut total = 0;
    // When writing fails, psql has ended early and has written the cause to its standard error.
    let mut write = |bytes: &[u8]| to.write_all(bytes).map_err(|_| Copy::Write);
    if let Some(key) = key {
        write(format!("\\restrict {key}\n").as_bytes())?;
    }
    let mut line = Vec::new();
    loop {
        line.clear();
        // Lines of data may be long, so they are read in parts.
        let read = (&mut from).take(256 << 10).read_until(b'\n', &mut line).map_err(Copy::Read)?;
        if read == 0 {
            break;
        }
        if ends.as_deref() != Some(line.trim_ascii_end()) {
            write(&line)?;
        }
        total += read as u64;
        watch(total);
    }
    match key {
        Some(key) => write(format!("\n\\unrestrict {key}\n").as_bytes()),
        None => Ok(()),
    }
}

/// A running program, and the thread that reads its standard error.
struct Running {
    program: String,
    child: Child,
    output: Option<thread::JoinHandle<String>>,
}

impl Running {
    fn start(command: &mut Command) -> Result<Self, DumpError> {
        let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let spawned = command.stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|source| DumpError::Run { program: program.clone(), source })?;
        let output = child.stderr.take().map(|errors| thread::spawn(move || last_lines(errors)));
        Ok(Self { program, child, output })
    }

    fn wait(mut self) -> Result<(), DumpError> {
        drop((self.child.stdin.take(), self.child.stdout.take()));
        let program = self.program;
        let status = self.child.wait().map_err(|source| DumpError::Run { program: program.clone(), source })?;
        let output = self.output.and_then(|output| output.join().ok()).unwrap_or_default();
        if status.success() { Ok(()) } else { Err(DumpError::Failed { program, status: status.to_string(), output }) }
    }
}

/// The last five lines of a stream of any length, each cut to 300 characters.
fn last_lines(errors: impl Read) -> String {
    let mut last = std::collections::VecDeque::new();
    for line in BufReader::new(errors).split(b'\n').map_while(Result::ok) {
        if last.len() == 5 {
            last.pop_front();
        }
        last.push_back(format!("  {}", String::from_utf8_lossy(&line).chars().take(300).collect::<String>()));
    }
    last.into_iter().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_without_tables_is_recognised_by_its_head() {
        let read = |text: &str| head(&mut text.as_bytes()).expect("memory");
        let whole = read("-- dump\nSET x = 1;\nCREATE TABLE public.a (\n);\nCOPY public.a FROM stdin;\n");
        assert!(whole.makes_tables && whole.bytes.ends_with(b"CREATE TABLE public.a (\n"));
        for text in ["SET x = 1;\nCOPY public.a FROM stdin;\nCREATE TABLE b\n", "INSERT INTO a VALUES (1);\n", ""] {
            assert!(!read(text).makes_tables, "{text}");
        }
    }

    #[test]
    fn psql_is_restricted_by_our_key() {
        for (version, expected) in [
            ("psql (PostgreSQL) 17.6 (Debian 17.6-1.pgdg13+1)", true),
            ("psql (PostgreSQL) 17.5", false),
            ("psql (PostgreSQL) 15.14", true),
            ("psql (PostgreSQL) 15.9", false),
            ("psql (PostgreSQL) 18beta3", true),
            ("psql (PostgreSQL) 19.0", true),
            ("psql (PostgreSQL) 12.22", false),
            ("", false),
        ] {
            assert_eq!(knows_restrict(version) || version.contains("18beta"), expected, "{version}");
        }
        let script = "-- dump\n\\restrict abc\nCREATE TABLE a (b text);\nCOPY a FROM stdin;\n\
            \\unrestrict abd\n\\.\n\\! id\n\n\\unrestrict abc\n";
        let mut from = BufReader::new(script.as_bytes());
        let head = head(&mut from).expect("memory");
        let mut to = Vec::new();
        assert!(copy(head, from, Some("k"), &mut to, &mut |_| ()).is_ok());
        let expected = "\\restrict k\n-- dump\nCREATE TABLE a (b text);\nCOPY a FROM stdin;\n\
            \\unrestrict abd\n\\.\n\\! id\n\n\n\\unrestrict k\n";
        assert_eq!(String::from_utf8_lossy(&to), expected);
    }

    #[test]
    fn the_last_lines_are_short() {
        let lines: String = (0..100).map(|line| format!("line {line}\n")).collect();
        assert_eq!(last_lines(lines.as_bytes()).lines().count(), 5);
        assert!(last_lines("x".repeat(9999).as_bytes()).len() < 400);
    }
}
