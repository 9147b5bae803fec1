//! `worker`, and what `up` does once everything is there.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use hummingbird_status::config::{self, environment};
use hummingbird_status::deliver::pull::{PullClient, PullSetUp};
use hummingbird_status::family::Settings;
use hummingbird_status::pipeline::Counts;
use hummingbird_status::secret::Secret;
use hummingbird_status::store::Store;
use hummingbird_status::worker::{Health, Stopper, Worker, folder, metrics, sqs};

use super::{database, deliver};

/// Where messages come from.
pub(super) enum Source {
    /// SQS.
    Queue(sqs::Config),
    /// Folders.
    Folder(folder::Config),
}

impl Source {
    /// What the environment says; `None` when it says nothing.
    pub(super) fn from_env() -> anyhow::Result<Option<Self>> {
        if let Some(queue) = sqs::Config::from_env(&environment)? {
            return Ok(Some(Self::Queue(queue)));
        }
        let folders = folder::Config::from_env(&environment);
        Ok((folders.drop.is_some() || folders.mirror.is_some()).then_some(Self::Folder(folders)))
    }

    /// A folder that files can be put into.
    pub(super) fn drop_folder(path: &Path) -> Self {
        Self::Folder(folder::Config { drop: Some(path.to_owned()), ..folder::Config::default() })
    }

    /// Connections that its loops need, one to look after the database, and one to deliver.
    pub(super) fn connections(&self) -> usize {
        match self {
            Self::Queue(queue) => queue.concurrency + 2,
            Self::Folder(_) => 4,
        }
    }

    /// Where to put messages, for people.
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
    /// Instead, fetch commit statuses from elsewhere (API_URL, API_KEY) and post them to a GitHub inside of a firewall
    /// (GITHUB_URL, GITHUB_ACCESS_TOKEN). Needs no database, and calls out only.
    #[arg(long)]
    pull: bool,
}

/// Fetches statuses and posts them until stopped.
async fn pull() -> anyhow::Result<()> {
    let set_up = config::pull(&environment)?;
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
    say!("{} posted, {} handed back, {} given up", totals.delivered, totals.again, totals.dead);
    Ok(())
}

/// Takes messages until stopped.
pub(super) async fn run(args: WorkerArgs) -> anyhow::Result<()> {
    if args.pull {
        return pull().await;
    }
    let source = Source::from_env()?.context(
        "nowhere to take messages from: set SQS_QUEUE_URL, or LOCAL_DROP_PATH or LOCAL_MIRROR_PATH (a folder)",
    )?;
    let settings = config::settings(&environment)?;
    let database = database::open(source.connections()).await?;
    work(source, &database.store, settings, Ipv4Addr::UNSPECIFIED).await
}

/// The loops, and the pages for metrics and health on an address, until SIGINT or SIGTERM.
pub(super) async fn work(source: Source, store: &Store, settings: Settings, host: Ipv4Addr) -> anyhow::Result<()> {
    let (stopper, stop) = Stopper::new();
    stopper.on_signals().context("cannot listen to signals")?;
    let worker = Worker { store: store.clone(), settings, health: Health::default(), stop: stop.clone() };
    if let Some(port) = metrics::port(&environment)? {
        let pages = metrics::serve(SocketAddr::from((host, port)), metrics::install()?, worker.health.clone(), stop);
        tokio::spawn(async move {
            // A port that is taken is no reason not to work.
            if let Err(error) = pages.await {
                tracing::error!(error = %anyhow::Error::from(error), metrics.port = port, "no metrics");
            }
        });
    }
    deliver::register(store).await?;
    let taking = async {
        match &source {
            Source::Queue(queue) => sqs::run(&worker, queue, &sqs::Clients::from_env(&environment).await).await,
            Source::Folder(folders) => folder::run(&worker, folders).await,
        }
    };
    let telling = deliver::until(deliver::beside(store).await?, &worker.stop);
    let (counts, ()) = tokio::join!(taking, telling);
    let Counts { received, kept, stale, ignored, refused, again } = counts?;
    say!("{received} messages: {kept} kept, {stale} known already, {ignored} ignored, {refused} refused, {again} left");
    Ok(())
}
