//! `worker`, and the worker of `up`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use hummingbird_status::db::Store;
use hummingbird_status::deliver::pull::{PullClient, PullSetUp};
use hummingbird_status::ingest::Counts;
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::secret::Secret;
use hummingbird_status::sources::Settings;
use hummingbird_status::worker::{Health, Stopper, Worker, folder, metrics, sqs};

use super::{database, deliver};

/// The origin of messages.
pub(super) enum Input {
    /// SQS.
    Queue(sqs::Config),
    /// Folders.
    Folder(folder::Config),
}

impl Input {
    /// Reads the environment; `None` when no origin is configured.
    pub(super) fn from_env() -> anyhow::Result<Option<Self>> {
        if let Some(queue) = sqs::Config::from_env(&environment)? {
            return Ok(Some(Self::Queue(queue)));
        }
        let folders = folder::Config::from_env(&environment);
        Ok((folders.drop.is_some() || folders.mirror.is_some()).then_some(Self::Folder(folders)))
    }

    /// A folder that files are dropped into.
    pub(super) fn drop_folder(path: &Path) -> Self {
        Self::Folder(folder::Config { drop: Some(path.to_owned()), ..folder::Config::default() })
    }

    /// The number of connections: one for each loop, one to probe the database, and one to deliver.
    pub(super) fn connections(&self) -> usize {
        match self {
            Self::Queue(queue) => queue.concurrency + 2,
            Self::Folder(_) => 4,
        }
    }

    /// A description for the terminal.
    pub(super) fn describe(&self) -> String {
        let show = |path: &PathBuf| path.display().to_string();
        match self {
            Self::Queue(queue) => format!("the queue {}", queue.queue_url),
            Self::Folder(folders) => {
                let folders: Vec<_> = [&folders.drop, &folders.mirror].into_iter().flatten().map(show).collect();
                format!("the folder {}", folders.join(" and "))
            }
        }
    }
}

#[derive(clap::Args)]
pub(super) struct WorkerArgs {
    /// Instead, fetch commit statuses from another instance (API_URL, API_KEY) and post them to a GitHub behind a
    /// firewall (GITHUB_URL, GITHUB_ACCESS_TOKEN). Needs no database, and makes outgoing connections only.
    #[arg(long)]
    pull: bool,
}

/// Fetches statuses and posts them until stopped.
async fn pull() -> anyhow::Result<()> {
    let set_up = hummingbird_status::deliver::pull::settings(&environment)?;
    let bundle = set_up.ca_bundle.as_ref().map(std::fs::read).transpose().context("GITHUB_CA_BUNDLE")?;
    let set_up = PullSetUp {
        api_url: set_up.api_url,
        api_key: Secret::new(&set_up.api_key),
        github_url: set_up.github_url,
        github_token: Secret::new(&set_up.github_token),
        ca_bundle: bundle,
    };
    let client = PullClient::new(&set_up).map_err(anyhow::Error::msg)?;
    let (stopper, stop) = Stopper::new();
    stopper.on_signals().context("cannot listen to signals")?;
    let totals = client.run(stop.wait()).await;
    say!("{} posted, {} returned for retry, {} dead", totals.delivered, totals.again, totals.dead);
    Ok(())
}

/// Receives messages until stopped.
pub(super) async fn run(args: WorkerArgs) -> anyhow::Result<()> {
    if args.pull {
        return pull().await;
    }
    let source = Input::from_env()?.context(
        "no origin of messages is configured: set SQS_QUEUE_URL, or LOCAL_DROP_PATH or LOCAL_MIRROR_PATH (a folder)",
    )?;
    let settings = Settings::from_env(&environment)?;
    let database = database::open(source.connections()).await?;
    work(source, &database.store, settings, Ipv4Addr::UNSPECIFIED).await
}

/// Runs the loops, the deliverer, and the server for metrics and health, until SIGINT or SIGTERM.
pub(super) async fn work(source: Input, store: &Store, settings: Settings, host: Ipv4Addr) -> anyhow::Result<()> {
    let (stopper, stop) = Stopper::new();
    stopper.on_signals().context("cannot listen to signals")?;
    let worker = Worker { store: store.clone(), settings, health: Health::default(), stop: stop.clone() };
    if let Some(port) = metrics::port(&environment)? {
        let server = metrics::serve(SocketAddr::from((host, port)), metrics::install()?, worker.health.clone(), stop);
        tokio::spawn(async move {
            // The worker runs without metrics when the port is in use.
            if let Err(error) = server.await {
                tracing::error!(error = %anyhow::Error::from(error), metrics.port = port, "no metrics");
            }
        });
    }
    deliver::register(store).await?;
    let ingesting = async {
        match &source {
            Input::Queue(queue) => sqs::run(&worker, queue, &sqs::Clients::from_env(&environment).await).await,
            Input::Folder(folders) => folder::run(&worker, folders).await,
        }
    };
    let delivering = deliver::run_until(deliver::deliverer(store).await?, &worker.stop);
    let (counts, ()) = tokio::join!(ingesting, delivering);
    print(counts?);
    Ok(())
}

/// Prints the counts of messages.
pub(super) fn print(counts: Counts) {
    let Counts { received, kept, stale: outdated, ignored, refused: rejected, again } = counts;
    say!(
        "{received} messages: {kept} kept, {outdated} outdated, {ignored} ignored, {rejected} rejected, \
         {again} to be retried"
    );
}
