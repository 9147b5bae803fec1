//! The command line. Each subcommand has a file; they call the same library functions as the Lambda functions.
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
mod maintenance;
mod migrate;
mod progress;
mod reconcile;
mod redrive;
mod rejected;
mod repair;
mod show;
mod status;
mod up;
mod wait;
mod web;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::telemetry;

/// Collects CI events and keeps the current state of every build, release and merge request in PostgreSQL.
///
/// Without DATABASE_URL the commands use a local PostgreSQL below `.hummingbird/`. The commands up, worker, ingest,
/// init, backfill, redrive, migrate, reconcile and db start create it if it does not exist; the others do not.
#[derive(Parser)]
#[command(name = "hummingbird-status", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything on this machine: database, schema, sample messages, then worker and web UI until Ctrl-C.
    Up(up::UpArgs),
    /// Receive messages from SQS (SQS_QUEUE_URL), or from a folder (LOCAL_DROP_PATH, LOCAL_MIRROR_PATH), until stopped.
    Worker(worker::WorkerArgs),
    /// Ingest messages from files: Lambda events, or any format of a message. Answers like the Lambda function.
    Ingest(ingest::IngestArgs),
    /// Compare stored merge requests with GitLab and correct them; mark objects that got stuck.
    Reconcile(reconcile::ReconcileArgs),
    /// Deliver due notifications to targets (DELIVERY_TARGETS, BROADCAST_TOPIC_ARN), until stopped.
    Deliver(deliver::DeliverArgs),
    /// List, show and retry deliveries.
    #[command(subcommand)]
    Deliveries(deliveries::Command),
    /// Fill a new database: schema, then the first that exists of a dump, a mirror and the archive.
    Init(init::InitArgs),
    /// Ingest an archive: the bucket S3_BUCKET, or a mirror of it. Runs can be resumed.
    Backfill(backfill::BackfillArgs),
    /// List, show and replay rejected messages (dead letters of this program).
    #[command(subcommand)]
    #[command(alias = "refused")]
    Rejected(rejected::Command),
    /// Explain an object's state: its row, the messages behind it, notifications and their responses, rejected
    /// messages.
    Explain(explain::ExplainArgs),
    /// Show what is broken now: since when, the last good and the first bad commit, and who pushed between them.
    Status(status::StatusArgs),
    /// Wait for the verdict of a commit or of a merge request, by all its checks; the exit status is the verdict.
    ///
    /// Exit status: 0 passed; 1 failed; 3 time over; 4 no check says anything, or the commit is unknown; 5 cannot ask;
    /// 6 blocked (waits for a person). A verdict counts when it is settled.
    Wait(wait::WaitArgs),
    /// Lower the times of a row that lie in the future and make its version guard reject all messages; see explain.
    Repair(repair::RepairArgs),
    /// Ingest the messages of a dead-letter queue, until it is empty.
    Redrive(redrive::RedriveArgs),
    /// Make partitions ahead and delete rows after their retention (.._RETENTION_DAYS), as reconcile does.
    #[command(alias = "upkeep")]
    Maintenance(maintenance::MaintenanceArgs),
    /// Bring the schema up to date; waits for the database and for locks.
    Migrate(migrate::MigrateArgs),
    /// Serve the web UI, JSON API, badges and feeds.
    #[command(alias = "page")]
    Web(web::WebArgs),
    /// Report the status of a bot: ok, warning, failed or gone.
    BotStatus(bot_status::BotStatusArgs),
    /// Start, stop, reset, query or dump the local database below `.hummingbird/`.
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
        Command::Rejected(command) => rejected::run(command).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Wait(args) => wait::run(args).await,
        Command::Repair(args) => repair::run(args).await,
        Command::Redrive(args) => redrive::run(args).await,
        Command::Maintenance(args) => maintenance::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Web(args) => web::run(args).await,
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
        Err(error) => match error.downcast_ref::<out::Status>() {
            Some(out::Status(status)) => ExitCode::from(*status),
            None => {
                note!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}
