//! `db start|stop|reset|url|shell|dump`

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use anyhow::{Context, bail};

use super::database::{cluster, existing_cluster, found_cluster};
use super::out::{self, ClosedPipe};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Start the server and leave it running.
    Start,
    /// Stop the server.
    Stop,
    /// Stop the server and delete its data.
    Reset {
        /// Do not ask.
        #[arg(long)]
        force: bool,
    },
    /// Print the URL of the running server, for other programs.
    Url,
    /// Query with psql. Arguments after `--` go to psql: `db shell -- -c 'TABLE releases'`.
    Shell {
        /// Arguments of psql.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Write all data with `pg_dump`, to a file or to standard output. `init` reads it.
    Dump {
        /// The file.
        file: Option<PathBuf>,
        /// `plain` (SQL) or `custom` (compressed, for `pg_restore`).
        #[arg(long, default_value = "plain", value_parser = ["plain", "custom"])]
        format: String,
        /// Replace the file if it exists.
        #[arg(long)]
        force: bool,
    },
}

/// Runs the command. Blocks the thread, because nothing else runs.
pub(super) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Start => {
            let cluster = cluster()?;
            cluster.start_detached()?;
            say!("PostgreSQL runs, its data is in {}", cluster.folder().display());
        }
        Command::Stop => match found_cluster()?.map_or(Ok(false), |cluster| cluster.stop())? {
            true => say!("stopped"),
            false => say!("was not running"),
        },
        Command::Reset { force } => {
            let Some(cluster) = found_cluster()? else { bail!("there is no local database") };
            if !force && !confirmed("Delete all data of the local database?")? {
                bail!("nothing was deleted");
            }
            cluster.reset()?;
            say!("deleted");
        }
        Command::Url => say!("{}", existing_cluster()?.url().context("start it with `up` or `db start`")?),
        Command::Shell { args } => {
            let cluster = existing_cluster()?;
            let _server = cluster.start_owned()?;
            finish(cluster.tool_command("psql")?.args(args))?;
        }
        Command::Dump { file, format, force } => {
            let cluster = existing_cluster()?;
            let _server = cluster.start_owned()?;
            let mut dump = cluster.tool_command("pg_dump")?;
            dump.args(["--no-owner", "--no-privileges", "--format", &format]);
            match file {
                Some(file) => dump_to(&mut dump, &file, force)?,
                None => finish(&mut dump)?,
            }
        }
    }
    Ok(())
}

/// Dumps to a temporary file and renames it, because `init` may read the file at any time. Only its owner may read it,
/// because it contains rejected messages and parts of logs.
fn dump_to(dump: &mut Process, file: &Path, force: bool) -> anyhow::Result<()> {
    if !force && file.symlink_metadata().is_ok() {
        bail!("{} exists: --force replaces it", file.display());
    }
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let failed = || format!("cannot write {}", file.display());
    // A file that an earlier run left may be readable by other users.
    drop(std::fs::remove_file(&part));
    let new = File::options().write(true).create_new(true).mode(0o600).open(&part).with_context(failed)?;
    dump.stdout(Stdio::from(new));
    finish(dump)?;
    std::fs::rename(&part, file).with_context(failed)
}

/// Runs a program to its end. When the reader of its output has closed the pipe, the result is [`ClosedPipe`], which
/// ends this command quietly, with the exit status that a shell reports.
fn finish(process: &mut Process) -> anyhow::Result<()> {
    let program = process.get_program().to_owned();
    let status = process.status().with_context(|| format!("cannot run {}", program.display()))?;
    if status.signal() == Some(ClosedPipe::SIGNAL) {
        return Err(ClosedPipe.into());
    }
    if !status.success() {
        bail!("{} ended with {status}", program.display());
    }
    Ok(())
}

fn confirmed(question: &str) -> anyhow::Result<bool> {
    out::note(format_args!("{question} [y/N] "));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
