//! `redrive`

use anyhow::{Context, bail};
use hummingbird_status::platform::environment::environment;
use hummingbird_status::sources::Settings;
use hummingbird_status::worker::{Health, Stopper, Worker, sqs};

use super::database;

#[derive(clap::Args)]
pub(super) struct RedriveArgs {
    /// URL of the dead-letter queue [default: that of the queue SQS_QUEUE_URL].
    queue_url: Option<String>,
}

/// Ingests the messages of a dead-letter queue, until the queue is empty.
pub(super) async fn run(args: RedriveArgs) -> anyhow::Result<()> {
    let configured = sqs::Config::from_env(&environment)?;
    if args.queue_url.is_none() && configured.is_none() {
        bail!("which queue? Give its URL, or set SQS_QUEUE_URL to the queue whose dead-letter queue it is");
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
    let settings = Settings::from_env(&environment)?;
    let worker = Worker { store: database.store.clone(), settings, health: Health::default(), stop: stop.clone() };
    let counts = sqs::redrive(&worker, &config, &clients).await?;
    super::worker::print(counts);
    if counts.again > 0 {
        bail!("{} messages could not be tried; the queue delivers them again in a minute or more", counts.again);
    }
    if stop.is_set() {
        bail!("stopped before the queue was empty");
    }
    Ok(())
}
