//! `deliver`, and what `worker` and `up` deliver beside their work.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use hummingbird_status::config::{self, environment};
use hummingbird_status::deliver::targets::{Target, TargetsError, targets};
use hummingbird_status::deliver::{Deliverer, Totals, Until, mail_credentials, pull, sns_client};
use hummingbird_status::store::Store;
use hummingbird_status::worker::{Stop, Stopper};

use super::database;

#[derive(clap::Args)]
pub(super) struct DeliverArgs {
    /// End as soon as nothing is due; the exit status says whether all of it arrived.
    #[arg(long)]
    once: bool,
    /// Give deliveries to those who come for them (`worker --pull`) on this address, too.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// Delivers until stopped, or once.
pub(super) async fn run(args: DeliverArgs) -> anyhow::Result<()> {
    let targets = targets(&environment)?;
    let database = database::open_existing(if args.listen.is_some() { 5 } else { 1 }).await?;
    let (stopper, stop) = Stopper::new();
    stopper.on_signals().context("cannot listen to signals")?;
    if let Some(address) = args.listen {
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
        let routes = pull::routes(database.store.clone(), &targets).into_router();
        tokio::spawn(axum::serve(listener, routes).into_future());
    }
    let deliverer = set_up(&database.store, targets).await?;
    let totals = match args.once {
        true => deliverer.run(Until::Idle(stop.wait())).await,
        false => deliverer.run(Until::Stopped(stop.wait())).await,
    };
    say(totals);
    if args.once && totals.again + totals.dead > 0 {
        bail!("not all of it arrived; see `deliveries list`");
    }
    Ok(())
}

async fn set_up(store: &Store, targets: Vec<Target>) -> anyhow::Result<Deliverer> {
    let sns = sns_client(&targets, &environment).await;
    let mail = mail_credentials(&targets, &environment).await;
    let deliverer = Deliverer::new(store.clone(), targets, sns)?.mailing(mail);
    Ok(deliverer.keeping(config::retention_days(&environment)?))
}

/// A deliverer beside other work, if anybody is to be told anything.
pub(super) async fn beside(store: &Store) -> anyhow::Result<Option<Deliverer>> {
    match targets(&environment) {
        Ok(targets) => set_up(store, targets).await.map(Some),
        Err(TargetsError::None) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Runs it, if there is one.
pub(super) async fn until(deliverer: Option<Deliverer>, stop: &Stop) {
    if let Some(deliverer) = deliverer {
        say(deliverer.run(Until::Stopped(stop.wait())).await);
    }
}

fn say(totals: Totals) {
    let Totals { routed, delivered, again, dead } = totals;
    say!("{routed} events: {delivered} deliveries arrived, {again} to be tried again, {dead} given up");
}
