//! `up`: all of it on this machine.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use hummingbird_status::config::{self, environment};
use hummingbird_status::envelope::Delivery;
use hummingbird_status::envelope::lambda::Invocation;
use hummingbird_status::family::{Family, Settings};
use hummingbird_status::pipeline::{self, Counts};
use hummingbird_status::serving::Hosts;
use hummingbird_status::store::{Store, migrate, summary};
use hummingbird_status::worker::Stopper;

use super::worker::{self, Source};
use super::{database, deliver, page, show};

#[derive(clap::Args)]
pub(super) struct UpArgs {
    /// Folder with sample messages: one folder a family, and `envelope` with whole Lambda events.
    #[arg(long, default_value = "events")]
    events: PathBuf,
    /// Where to show the pages; another port is taken if this one is.
    #[arg(long, value_name = "HOST:PORT", default_value = page::DEFAULT, env = "PAGE_ADDRESS", value_parser = page::address)]
    listen: String,
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
            say!("PostgreSQL runs as long as this command, data in {}", database::BASE)
        }
        Some(_) => say!("PostgreSQL was running already, data in {}", database::BASE),
        None => say!("Using the configured database"),
    }
    migrate(&database.store, database::patience()).await.context("cannot bring the schema up to date")?;
    deliver::register(&database.store).await?;
    if args.events.is_dir() {
        let counts = samples(&database.store, &args.events, &settings).await?;
        say!(
            "{} sample messages of {}: {} kept, {} known already, {} ignored, {} refused (on purpose: sqs-poison and sqs-bots of envelope)",
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
    let rows = database.store.in_tx("summary", database::patience(), async |tx| summary(tx).await).await?;
    show::summary(&rows);
    say!("Query with: hummingbird-status db shell   (or: cargo run -- db shell)");
    if args.once {
        return Ok(());
    }
    // Ends the pages when this function ends.
    let (_stopper, stop) = Stopper::new();
    let routes = page::routes(&database)?;
    let (listener, link) = match page::listen(&args.listen).await {
        Err(error) => {
            let host = args.listen.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host);
            let (listener, link) = page::listen(&format!("{host}:0")).await?;
            note!("note: {error:#}. The pages are on another port: {link}");
            (listener, link)
        }
        other => other?,
    };
    tokio::spawn(page::show(listener, routes, Hosts::default(), stop));
    say!("Pages on {link}");
    say!("Taking messages from {}. Ctrl-C ends it all.", source.describe());
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
        invocation.name_parts(&format!("envelope/{name}"));
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
