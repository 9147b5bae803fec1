//! `deliver`, and what `worker` and `up` deliver beside their work.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use hummingbird_status::clock::Deadline;
use hummingbird_status::config::{self, environment};
use hummingbird_status::deliver::targets::{Target, TargetsError, registrations, targets};
use hummingbird_status::deliver::{Deliverer, Totals, Until, mail_credentials, pull, sns_client};
use hummingbird_status::outbox::registry;
use hummingbird_status::outbox::waits::Waits;
use hummingbird_status::serving::{self, Limits};
use hummingbird_status::store::{Store, Tx, chain};
use hummingbird_status::worker::{Stop, Stopper};

use super::database;

#[derive(clap::Args)]
pub(super) struct DeliverArgs {
    /// End as soon as nothing is due and nothing waits for the pace of a target or a short pause. Prints what is left and why; the
    /// exit status is 0 only if everything arrived.
    #[arg(long)]
    once: bool,
    /// Seconds after which `--once` ends all the same.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "once")]
    time_limit: u64,
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
        let registered = targets.iter().map(Target::registration).collect();
        let routes = pull::routes(database.store.clone(), &targets, registered);
        tokio::spawn(serving::serve(listener, routes, Limits::default()));
    }
    let deliverer = set_up(&database.store, targets).await?;
    let totals = match args.once {
        true => {
            let limit = tokio::time::sleep(Duration::from_secs(args.time_limit));
            deliverer
                .run(Until::Settled(async {
                    tokio::select! { () = stop.wait() => {}, () = limit => {} }
                }))
                .await
        }
        false => deliverer.run(Until::Stopped(stop.wait())).await,
    };
    say(totals);
    if !args.once {
        return Ok(());
    }
    let left = deliverer.left().await.context("cannot tell what is left")?;
    for Waits { target, pending, next, reason } in &left {
        let reason = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        say!("{target}: {pending} wait, the next one for {} s{reason}", next.as_secs_f64().ceil());
    }
    if totals.dead > 0 || !left.is_empty() {
        bail!("not all of it arrived; see `deliveries list`");
    }
    Ok(())
}

async fn set_up(store: &Store, targets: Vec<Target>) -> anyhow::Result<Deliverer> {
    let sns = sns_client(&targets, &environment).await;
    let mail = mail_credentials(&targets, &environment).await;
    let deliverer = Deliverer::new(store.clone(), targets, sns)?.mailing(mail);
    Ok(deliverer.keeping(config::retention_days(&environment)?).listening())
}

/// Registers the targets of the document, or that there are none, before messages are taken: a target receives what happens after
/// its registration. While the database is away nothing is known, and events wait.
pub(super) async fn register(store: &Store) -> anyhow::Result<()> {
    let registrations = registrations(&environment)?;
    let within = Deadline::within(Duration::from_secs(15));
    let register = async |tx: &mut Tx<'_>| registry::register(tx, &registrations).await;
    if let Err(error) = store.in_tx("register", within, register).await {
        tracing::warn!(error = chain(&error), "cannot register the targets");
    }
    Ok(())
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
