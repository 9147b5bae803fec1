//! `backfill`, `backfill status` and `backfill cancel`.

use hummingbird_status::sources::Settings;
use std::path::PathBuf;

use anyhow::{Context, bail};
use hummingbird_status::archive::backfill::{self, Claim, Options, Parameters, Summary};
use hummingbird_status::archive::range;
use hummingbird_status::db::Store;
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::shutdown::Stopper;
use jiff::Timestamp;

use super::progress::Progress;
use super::{database, out, show};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct BackfillArgs {
    #[command(subcommand)]
    command: Option<Command>,
    /// The archive: a bucket [default: S3_BUCKET]. AWS_ENDPOINT_URL names a compatible server.
    #[arg(long, conflicts_with = "mirror")]
    bucket: Option<String>,
    /// The archive: a mirror of it on disk, the folder that holds sns [default: LOCAL_MIRROR_PATH].
    #[arg(long)]
    mirror: Option<PathBuf>,
    /// Only keys that begin with this [default: S3_PREFIX, else sns/].
    #[arg(long)]
    prefix: Option<String>,
    /// Only messages archived at this time or later: 2026-03-11, 2026-03-11T10:00:00Z.
    #[arg(long, value_parser = range::time)]
    from: Option<Timestamp>,
    /// Only messages archived before this time.
    #[arg(long, value_parser = range::time)]
    to: Option<Timestamp>,
    /// Only this source (konflux, gitlab, ..); may be given several times.
    #[arg(long = "family")]
    families: Vec<String>,
    /// Batches that are worked on at a time, each with a connection of its own.
    #[arg(long)]
    concurrency: Option<usize>,
    /// Messages in a batch, at most [default: 500, and fewer with more than 4 workers].
    #[arg(long)]
    batch: Option<usize>,
    /// Count messages without writing them.
    #[arg(long)]
    dry_run: bool,
    /// Notify targets of changes, unless they are outdated; by default, archived messages cause no notifications.
    #[arg(long)]
    announce: bool,
    /// Resume a run: the one with this id, or the latest one that is not done.
    #[arg(long, num_args = 0..=1, value_name = "RUN")]
    resume: Option<Option<String>>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show the state of the latest runs, or one of them in full.
    Status {
        /// Its id.
        run: Option<String>,
    },
    /// Cancel a run, whichever process works on it.
    Cancel {
        /// Its id.
        run: String,
    },
}

/// Runs that are shown.
const SHOWN: i64 = 20;

/// Runs the command. Succeeds when the run is done and every object could be read.
pub(super) async fn run(args: BackfillArgs) -> anyhow::Result<()> {
    match &args.command {
        Some(Command::Status { run: None }) => {
            let database = database::open_existing(1).await?;
            show::runs(&backfill::latest(&database.store, SHOWN).await?);
            Ok(())
        }
        Some(Command::Status { run: Some(id) }) => {
            let database = database::open_existing(1).await?;
            let run = backfill::find(&database.store, id).await?;
            show::run(&run.with_context(|| format!("there is no backfill run {id}"))?);
            Ok(())
        }
        Some(Command::Cancel { run: id }) => {
            let database = database::open_existing(1).await?;
            if !backfill::cancel(&database.store, id).await? {
                bail!("no backfill run {id} is running");
            }
            say!("cancelled");
            Ok(())
        }
        None => {
            let parameters = parameters(&args)?;
            // A run that is resumed has its own number of writers; further connections are opened on demand.
            let database = database::open(parameters.writers() + 2).await?;
            let owner = owner();
            let claim = match &args.resume {
                Some(id) => {
                    let id = match id {
                        Some(id) => id.clone(),
                        None => {
                            let unfinished = backfill::unfinished(&database.store).await?;
                            unfinished.context("there is no backfill run to resume")?
                        }
                    };
                    backfill::resume(&database.store, &id, &owner).await?
                }
                None => backfill::begin(&database.store, &backfill::new_id(), &parameters, &owner).await?,
            };
            finish(work(&database.store, claim).await?)
        }
    }
}

/// The parameters of a new run. With `--resume` they are not used.
fn parameters(args: &BackfillArgs) -> anyhow::Result<Parameters> {
    let bucket = args.bucket.clone().or_else(|| environment("S3_BUCKET").filter(|_| args.mirror.is_none()));
    let mirror = args.mirror.clone().or_else(|| environment("LOCAL_MIRROR_PATH").map(PathBuf::from));
    let parameters = Parameters {
        // An absolute path, so that the run can be resumed from another folder.
        mirror: mirror.filter(|_| bucket.is_none()).map(|path| path.canonicalize().unwrap_or(path)),
        bucket,
        prefix: args.prefix.clone().unwrap_or_else(prefix),
        from: args.from,
        to: args.to,
        families: args.families.clone(),
        concurrency: args.concurrency,
        batch: args.batch,
        dry_run: args.dry_run,
        announce: args.announce,
    };
    parameters.check()?;
    if args.resume.is_none() && parameters.bucket.is_none() && parameters.mirror.is_none() {
        bail!("no archive is named: give --bucket or --mirror, or set S3_BUCKET or LOCAL_MIRROR_PATH");
    }
    Ok(parameters)
}

/// The default prefix of keys.
pub(super) fn prefix() -> String {
    environment("S3_PREFIX").unwrap_or_else(|| "sns/".to_owned())
}

/// The name of this process as the owner of a run.
pub(super) fn owner() -> String {
    backfill::new_owner(&format!("process {}", std::process::id()))
}

/// Works on a run until it is done or stopped by a signal, and shows its progress.
pub(super) async fn work(store: &Store, claim: Claim) -> anyhow::Result<Summary> {
    let settings = Settings::from_env(&environment)?;
    let source = claim.parameters.source(&environment).await?;
    let (stopper, stop) = Stopper::new();
    stopper.on_signals().context("cannot listen to signals")?;
    tracing::info!(run = claim.id, archive = %source, cursor = claim.cursor, "backfill begins");
    let progress = Progress::new(&claim.id, &claim.totals);
    if let Some(bar) = progress.bar() {
        let (source, range, cursor) = (source.clone(), claim.parameters.range(), claim.cursor.clone());
        tokio::spawn(async move { bar.set_length(source.count(&range, cursor.as_deref()).await) });
    }
    let watch = |totals: &_, cursor: Option<&str>| progress.show(totals, cursor);
    let summary = backfill::run(store, &settings, &source, claim, &Options::default(), &stop, watch).await;
    progress.end();
    Ok(summary?)
}

/// Prints the summary. `Err` when the run is not done, or an object could not be read.
pub(super) fn finish(summary: Summary) -> anyhow::Result<()> {
    out::json(&serde_json::to_string(&summary)?);
    let Summary { run, state, error, totals, .. } = summary;
    match state.as_str() {
        "done" if totals.unreadable > 0 => {
            bail!("{} objects could not be read: `backfill status {run}` lists them", totals.unreadable)
        }
        "done" => Ok(()),
        "running" => bail!("stopped before the end; resume it with `backfill --resume {run}`"),
        _ => match error {
            Some(error) => bail!("{error}; resume it with `backfill --resume {run}`"),
            None => bail!("the run was {state}; resume it with `backfill --resume {run}`"),
        },
    }
}
