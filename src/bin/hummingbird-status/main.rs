//! The command line. One file a subcommand; all of them call what the Lambda functions call.
#![expect(clippy::doc_markdown, reason = "these docs are the help texts, where backticks are noise")]
#![warn(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod out;

mod backfill;
mod bot_status;
mod database;
mod db;
mod deliver;
mod deliveries;
mod explain;
mod ingest;
mod init;
mod migrate;
mod page;
mod progress;
mod reconcile;
mod redrive;
mod refused;
mod repair;
mod show;
mod up;
mod upkeep;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hummingbird_status::config::environment;
use hummingbird_status::telemetry;

/// The keeper of CI statuses.
///
/// Without DATABASE_URL the commands use a PostgreSQL of their own below `.hummingbird/`. Those that bring something in (up,
/// worker, ingest, init, backfill, redrive, migrate, reconcile, db start) create it if need be; the others do not.
#[derive(Parser)]
#[command(name = "hummingbird-status", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything on this machine: database, schema, sample messages, then the worker and the pages until Ctrl-C.
    Up(up::UpArgs),
    /// Take messages from SQS (SQS_QUEUE_URL), or from a folder (LOCAL_DROP_PATH, LOCAL_MIRROR_PATH), until stopped.
    Worker(worker::WorkerArgs),
    /// Take messages from files: Lambda events, or anything a message can come in. Answers as the function does.
    Ingest(ingest::IngestArgs),
    /// Compare what is kept with what GitLab says, and correct it; mark what got stuck.
    Reconcile(reconcile::ReconcileArgs),
    /// Tell the outside what is due (DELIVERY_TARGETS, BROADCAST_TOPIC_ARN), until stopped.
    Deliver(deliver::DeliverArgs),
    /// Deliveries that wait or are dead.
    #[command(subcommand)]
    Deliveries(deliveries::Command),
    /// Fill a new database: schema, then a dump, a mirror or the archive, whichever is there first.
    Init(init::InitArgs),
    /// Put an archive through the pipeline: the bucket S3_BUCKET, or a mirror of it. Goes on where it was left.
    Backfill(backfill::BackfillArgs),
    /// Messages that could not be kept: look at them, and try them again.
    #[command(subcommand)]
    Refused(refused::Command),
    /// Why a thing is as it is: its row, what led to it, what was told of it and how that was answered, what was refused.
    Explain(explain::ExplainArgs),
    /// Lower the times of a row that lie in the future and protect it from all messages; explain says so of a row.
    Repair(repair::RepairArgs),
    /// Take what is in a dead-letter queue, until it is empty.
    Redrive(redrive::RedriveArgs),
    /// Make partitions ahead and throw away what is old, as reconcile does (.._RETENTION_DAYS).
    Upkeep(upkeep::UpkeepArgs),
    /// Bring the schema up to date; waits for the database and for locks.
    Migrate(migrate::MigrateArgs),
    /// Serve the pages, JSON, badges and feeds.
    Page(page::PageArgs),
    /// Say how a bot is: ok, warning, failed or gone.
    BotStatus(bot_status::BotStatusArgs),
    /// The database below `.hummingbird/`.
    #[command(subcommand)]
    Db(db::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    telemetry::logging(false, environment("RUST_LOG").as_deref());
    let result = match Cli::parse().command {
        Command::Up(args) => up::run(args).await,
        Command::Worker(args) => worker::run(args).await,
        Command::Deliver(args) => deliver::run(args).await,
        Command::Deliveries(command) => deliveries::run(command).await,
        Command::Ingest(args) => ingest::run(args).await,
        Command::Reconcile(args) => reconcile::run(args).await,
        Command::Init(args) => init::run(args).await,
        Command::Backfill(args) => backfill::run(args).await,
        Command::Refused(command) => refused::run(command).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Repair(args) => repair::run(args).await,
        Command::Redrive(args) => redrive::run(args).await,
        Command::Upkeep(args) => upkeep::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Page(args) => page::run(args).await,
        Command::BotStatus(args) => bot_status::run(args).await,
        Command::Db(command) => db::run(command),
    };
    let result = match (result, out::failure()) {
        (Ok(()), Some(error)) => Err(anyhow::anyhow!("cannot write to standard output: {error}")),
        (result, _) => result,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<out::ClosedPipe>() => ExitCode::from(out::ClosedPipe::STATUS),
        Err(error) => {
            note!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
