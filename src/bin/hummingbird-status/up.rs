//! `up`: runs everything on this machine.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use hummingbird_status::db::{Store, migrate};
use hummingbird_status::ingest::{self, Counts};
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::serving::Hosts;
use hummingbird_status::reports::summary;
use hummingbird_status::sources::{Settings, Source};
use hummingbird_status::transport::Delivery;
use hummingbird_status::transport::lambda::Invocation;
use hummingbird_status::worker::Stopper;

use super::worker::{self, Input};
use super::{database, deliver, show, web};

#[derive(clap::Args)]
pub(super) struct UpArgs {
    /// The folder of sample messages: a folder for each source, and `envelope` with whole Lambda events.
    #[arg(long, default_value = "events")]
    events: PathBuf,
    /// The address of the web UI; if the port is in use, another one is chosen.
    #[arg(long, value_name = "HOST:PORT", default_value = web::DEFAULT)]
    #[arg(env = "PAGE_ADDRESS", value_parser = web::address)]
    listen: String,
    /// End after the samples instead of running the worker.
    #[arg(long)]
    once: bool,
}

/// The default batch size of SQS for a function.
const BATCH: usize = 10;

/// Starts the database, migrates the schema, ingests the samples, prints a summary of the tables, then runs the worker
/// until it is stopped.
pub(super) async fn run(args: UpArgs) -> anyhow::Result<()> {
    let settings = Settings::from_env(&environment)?;
    let source = Input::from_env()?.unwrap_or_else(|| Input::drop_folder(&Path::new(database::BASE).join("drop")));
    let database = database::open(source.connections()).await?;
    match &database.server {
        Some(server) if server.is_owned() => {
            say!("PostgreSQL runs until this command ends, data in {}", database::BASE)
        }
        Some(_) => say!("PostgreSQL already runs, data in {}", database::BASE),
        None => say!("Using the configured database"),
    }
    migrate(&database.store, database::time_limit()).await.context("cannot bring the schema up to date")?;
    deliver::register(&database.store).await?;
    if args.events.is_dir() {
        let counts = samples(&database.store, &args.events, &settings).await?;
        say!(
            "{} sample messages of {}: {} kept, {} outdated, {} ignored, {} rejected (on purpose: sqs-poison and \
             sqs-bots of envelope)",
            counts.received,
            args.events.display(),
            counts.kept,
            counts.stale,
            counts.ignored,
            counts.refused
        );
    } else {
        say!("No sample messages: there is no folder {}", args.events.display());
    }
    let rows = database.store.in_tx("summary", database::time_limit(), async |tx| summary(tx).await).await?;
    show::summary(&rows);
    say!("Query with: hummingbird-status db shell   (or: cargo run -- db shell)");
    if args.once {
        return Ok(());
    }
    // Ends the web server when this function ends.
    let (_stopper, stop) = Stopper::new();
    let routes = web::routes(&database)?;
    let (listener, link) = match web::listen(&args.listen).await {
        Err(error) => {
            let host = args.listen.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host);
            let (listener, link) = web::listen(&format!("{host}:0")).await?;
            note!("note: {error:#}. The pages are on another port: {link}");
            (listener, link)
        }
        other => other?,
    };
    tokio::spawn(web::show(listener, routes, Hosts::default(), stop));
    say!("Pages on {link}");
    say!("Receiving messages from {}. Ctrl-C ends it.", source.describe());
    worker::work(source, &database.store, settings, Ipv4Addr::LOCALHOST).await
}

/// Ingests the samples in batches, as the Lambda function would.
async fn samples(store: &Store, events: &Path, settings: &Settings) -> anyhow::Result<Counts> {
    let mut batches = Vec::new();
    for source in Source::ALL {
        let deliveries: Vec<_> = files(&events.join(source.name()))?
            .into_iter()
            .map(|(name, body)| Delivery { id: format!("{source}/{name}"), body, ..Delivery::default() })
            .collect();
        batches.extend(deliveries.chunks(BATCH).map(<[_]>::to_vec));
    }
    batches.extend(files(&events.join("envelope"))?.into_iter().map(|(name, body)| {
        let mut invocation = Invocation::read(&body);
        invocation.name_parts(&format!("envelope/{name}"));
        invocation.deliveries
    }));
    let mut total = Counts::default();
    for batch in batches {
        let report = ingest::ingest(store, &batch, settings, database::time_limit()).await;
        if let Some((_, error)) = &report.error {
            anyhow::bail!("cannot write the samples: {error}");
        }
        total.add(report.counts());
    }
    Ok(total)
}

/// The JSON files of a folder with their names, sorted; none if the folder does not exist.
fn files(folder: &Path) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(found) };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.push((name, std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?));
        }
    }
    found.sort();
    Ok(found)
}
