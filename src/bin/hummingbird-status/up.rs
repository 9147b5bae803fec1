//! `up`: all of it on this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use hummingbird_status::config::{self, environment};
use hummingbird_status::envelope::Delivery;
use hummingbird_status::envelope::lambda::Invocation;
use hummingbird_status::family::{Family, Settings};
use hummingbird_status::pipeline::{self, Counts};
use hummingbird_status::store::{Store, migrate, summary};
use hummingbird_status::worker::Stopper;

use super::worker::{self, Source};
use super::{database, page, show};

#[derive(clap::Args)]
pub(super) struct UpArgs {
    /// Folder with sample messages: one folder a family, and `envelope` with whole Lambda events.
    #[arg(long, default_value = "events")]
    events: PathBuf,
    /// Where to show the pages; another port is taken if this one is.
    #[arg(long, default_value = page::DEFAULT, env = "PAGE_ADDRESS")]
    listen: SocketAddr,
    /// End after the samples instead of working on.
    #[arg(long)]
    once: bool,
}

/// As SQS gives them to a function that asks for no more.
const BATCH: usize = 10;

/// Database, schema, samples, a look at the tables, then the worker until it is stopped.
pub(super) async fn run(args: UpArgs) -> anyhow::Result<()> {
    let settings = config::settings(&environment)?;
    let source = Source::from_env()?.unwrap_or_else(|| Source::drop_folder(&Path::new(database::BASE).join("drop")));
    let database = database::open(source.connections()).await?;
    match &database.server {
        Some(server) if server.is_owned() => {
            println!("PostgreSQL runs as long as this command, data in {}", database::BASE)
        }
        Some(_) => println!("PostgreSQL was running already, data in {}", database::BASE),
        None => println!("Using the configured database"),
    }
    migrate(&database.store, database::patience()).await.context("cannot bring the schema up to date")?;
    if args.events.is_dir() {
        let counts = samples(&database.store, &args.events, &settings).await?;
        println!(
            "{} sample messages of {}: {} kept, {} known already, {} ignored, {} refused (on purpose: sqs-poison and sqs-bots of envelope)",
            counts.received,
            args.events.display(),
            counts.kept,
            counts.stale,
            counts.ignored,
            counts.refused
        );
    } else {
        println!("No sample messages: there is no folder {}", args.events.display());
    }
    let rows = database.store.in_tx("summary", database::patience(), async |tx| summary(tx).await).await?;
    show::summary(&rows);
    println!("Query with: hummingbird-status db shell   (or: cargo run -- db shell)");
    if args.once {
        return Ok(());
    }
    // Ends the pages when this function ends.
    let (_stopper, stop) = Stopper::new();
    let (listener, link) = match page::listen(args.listen).await {
        Err(error) if args.listen.port() != 0 => {
            println!("{error:#}: taking another port");
            page::listen(SocketAddr::new(args.listen.ip(), 0)).await?
        }
        other => other?,
    };
    let routes = page::routes(&database)?;
    tokio::spawn(page::show(listener, routes, stop));
    println!("Pages on {link}");
    println!("Taking messages from {}. Ctrl-C ends it all.", source.describe());
    worker::work(source, &database.store, settings, Ipv4Addr::LOCALHOST).await
}

/// Takes the samples in through the pipeline, as the function would.
async fn samples(store: &Store, events: &Path, settings: &Settings) -> anyhow::Result<Counts> {
    let mut batches = Vec::new();
    for family in Family::ALL {
        let deliveries: Vec<_> = files(&events.join(family.name()))?
            .into_iter()
            .map(|(name, body)| Delivery { id: format!("{family}/{name}"), body, ..Delivery::default() })
            .collect();
        batches.extend(deliveries.chunks(BATCH).map(<[_]>::to_vec));
    }
    batches.extend(files(&events.join("envelope"))?.into_iter().map(|(name, body)| {
        let mut invocation = Invocation::read(&body);
        for delivery in invocation.deliveries.iter_mut().filter(|delivery| delivery.id.is_empty()) {
            delivery.id = format!("envelope/{name}");
        }
        invocation.deliveries
    }));
    let mut total = Counts::default();
    for batch in batches {
        let report = pipeline::ingest(store, &batch, settings, database::patience()).await;
        if let Some((_, error)) = &report.error {
            anyhow::bail!("cannot write the samples: {error}");
        }
        total.add(report.counts());
    }
    Ok(total)
}

/// JSON files of a folder by name, sorted; none if there is no such folder.
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
