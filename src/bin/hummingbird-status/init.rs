//! `init`: migrates the schema, then loads the first dump, mirror or bucket that exists.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hummingbird_status::archive::backfill::{self, Claim, Parameters};
use hummingbird_status::archive::dump::{self, Form};
use hummingbird_status::archive::init::{Start, start};
use hummingbird_status::db::{Store, migrate};
use hummingbird_status::platform::environment::environment;
use hummingbird_status::reports::{filled_tables, summary};

use super::backfill as command;
use super::progress::Bytes;
use super::{database, show};

#[derive(clap::Args)]
pub(super) struct InitArgs {
    /// Replace all data in the database by the dump. For an archive: begin at its first object, not where the last init
    /// ended.
    #[arg(long)]
    force: bool,
    /// Notify targets of changes, unless they are outdated; by default, archived messages cause no notifications.
    #[arg(long)]
    announce: bool,
}

/// Fills the database from the first that exists of INIT_DUMP_PATH, LOCAL_MIRROR_PATH and S3_BUCKET.
pub(super) async fn run(args: InitArgs) -> anyhow::Result<()> {
    let start = start(&environment, Path::exists, |variable, path| {
        note!("{variable} is {}, which does not exist: trying the next one", path.display());
    });
    let archive = |bucket, mirror: Option<PathBuf>| Parameters {
        bucket,
        mirror: mirror.map(|path| path.canonicalize().unwrap_or(path)),
        prefix: command::prefix(),
        announce: args.announce,
        ..Parameters::default()
    };
    match start {
        Start::Dump(path) => load(&path, args.force).await,
        Start::Mirror(path) => fill(&archive(None, Some(path)), args.force).await,
        Start::Bucket(name) => fill(&archive(Some(name), None), args.force).await,
        Start::Empty => {
            let database = database::open(1).await?;
            schema(&database.store).await?;
            say!("Nothing to fill it from: there is no INIT_DUMP_PATH, no LOCAL_MIRROR_PATH, no S3_BUCKET");
            Ok(())
        }
    }
}

async fn schema(store: &Store) -> anyhow::Result<()> {
    let applied = migrate(store, database::time_limit()).await.context("cannot bring the schema up to date")?;
    say!("The schema is {}", applied.to);
    Ok(())
}

/// Replaces the data in the database by a dump.
async fn load(path: &Path, force: bool) -> anyhow::Result<()> {
    let database = database::open(1).await?;
    let filled =
        database.store.in_tx("filled_tables", database::time_limit(), async |tx| filled_tables(tx).await).await?;
    if !filled.is_empty() && !force {
        bail!(
            "the database is not empty ({}), and {} would replace all its data: confirm it with --force",
            filled.join(", "),
            path.display()
        );
    }
    say!("Loading {}", path.display());
    let owned = path.to_owned();
    let loading = tokio::task::spawn_blocking(move || {
        let psql = database::tool("psql").context("a dump is loaded by psql")?;
        let pg_restore = match dump::form(&owned)? {
            Form::Archive => {
                Some(database::tool("pg_restore").context("a dump of this format is loaded by pg_restore")?)
            }
            Form::Plain | Form::Packed => None,
        };
        let progress = Bytes::new();
        let loaded = dump::load(&owned, psql, pg_restore, |bytes| progress.show(bytes));
        progress.end();
        loaded.with_context(|| format!("cannot load {}", owned.display()))
    });
    loading.await??;
    // New connections, because the prepared statements of the old ones refer to tables that were dropped.
    let database = database::open_with(database.server, 1).await?;
    schema(&database.store).await?;
    let rows = database.store.in_tx("summary", database::time_limit(), async |tx| summary(tx).await).await?;
    show::summary(&rows);
    Ok(())
}

/// Ingests an archive; after an earlier init only the objects that were added since.
async fn fill(parameters: &Parameters, force: bool) -> anyhow::Result<()> {
    let database = database::open(parameters.writers() + 1).await?;
    schema(&database.store).await?;
    let claim = claim(&database.store, parameters, force).await?;
    command::finish(command::work(&database.store, claim).await?)
}

/// Resumes the run of the last init with these parameters, or begins a new one where that one ended.
async fn claim(store: &Store, parameters: &Parameters, force: bool) -> anyhow::Result<Claim> {
    let json = parameters.to_json();
    let same = |run: &&hummingbird_status::db::Run| {
        Parameters::from_json(&run.parameters).is_ok_and(|before| before.to_json() == json)
    };
    let runs = backfill::latest(store, 100).await?;
    let last = runs.iter().find(same).filter(|_| !force);
    let owner = command::owner();
    let mut claim = match last {
        Some(run) if run.state != "done" => return Ok(backfill::resume(store, &run.id, &owner).await?),
        _ => backfill::begin(store, &backfill::new_id(), parameters, &owner).await?,
    };
    claim.cursor = last.and_then(|run| run.cursor.clone());
    Ok(claim)
}
