//! `redrive`

use anyhow::{Context, bail};
use hummingbird_status::config::{self, environment};
use hummingbird_status::pipeline::Counts;
use hummingbird_status::worker::{Health, Stopper, Worker, sqs};

use super::database;

#[derive(clap::Args)]
pub(super) struct RedriveArgs {
    /// URL of the dead-letter queue [default: the one that SQS_QUEUE_URL names as its own].
    queue_url: Option<String>,
}

/// Takes what is in a dead-letter queue through the pipeline, until the queue is empty.
pub(super) async fn run(args: RedriveArgs) -> anyhow::Result<()> {
    let configured = sqs::Config::from_env(&environment)?;
    if args.queue_url.is_none() && configured.is_none() {
        bail!("which queue? Give its URL, or set SQS_QUEUE_URL to the queue whose dead letters they are");
    }
    if let Some(url) = &args.queue_url {
        sqs::check_url(url).map_err(|expected| anyhow::anyhow!("{url}: {expected}"))?;
    }
    let clients = sqs::Clients::from_env(&environment).await;
    let url = match (args.queue_url, &configured) {
        (Some(url), _) => url,
        (None, Some(queue)) => sqs::dead_letter_queue(&clients, &queue.queue_url)
            .await
            .with_context(|| format!("cannot find the dead-letter queue of {}", queue.queue_url))?,
        (None, None) => bail!("which queue?"),
    };
    let config = sqs::Config { queue_url: url, ..configured.unwrap_or_else(|| sqs::Config::new("")) };
    let database = database::open(config.concurrency + 1).await?;
    let (stopper, stop) = Stopper::new();
    stopper.on_signals().context("cannot listen to signals")?;
    let settings = config::settings(&environment)?;
    let worker = Worker { store: database.store.clone(), settings, health: Health::default(), stop: stop.clone() };
    let counts = sqs::redrive(&worker, &config, &clients).await?;
    let Counts { received, kept, stale, ignored, refused, again } = counts;
    say!("{received} messages: {kept} kept, {stale} known already, {ignored} ignored, {refused} refused, {again} left");
    if again > 0 {
        bail!("{again} messages could not be tried; they are in the queue again in a minute or more");
    }
    if stop.is_set() {
        bail!("stopped before the queue was empty");
    }
    Ok(())
}
