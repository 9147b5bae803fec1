//! `deliver`, and the deliveries that `worker` and `up` make beside their other work.

use hummingbird_status::maintenance::retention_days;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use hummingbird_status::checks::rules;
use hummingbird_status::checks::store::register_rules;
use hummingbird_status::db::{Store, Tx};
use hummingbird_status::deliver::targets::{Target, TargetsError, registrations, targets};
use hummingbird_status::deliver::{Deliverer, Totals, Until, mail_credentials, pull, sns_client};
use hummingbird_status::outbox::registry;
use hummingbird_status::outbox::waits::Waits;
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::failure::chain;
use hummingbird_status::platform::serving::{self, Limits};
use hummingbird_status::worker::{Stop, Stopper};

use super::database;

#[derive(clap::Args)]
pub(super) struct DeliverArgs {
    /// End when no delivery is due, or waits for a rate limit or a short backoff. Prints the deliveries that are left,
    /// and why; the exit status is 0 only if all arrived.
    #[arg(long)]
    once: bool,
    /// Seconds after which `--once` ends in any case.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "once")]
    time_limit: u64,
    /// Also serve deliveries to clients that fetch them (`worker --pull`) on this address.
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
    print(totals);
    if !args.once {
        return Ok(());
    }
    let left = deliverer.left().await.context("cannot read the deliveries that are left")?;
    for Waits { target, pending, next, reason } in &left {
        let reason = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        say!("{target}: {pending} pending, the next one in {} s{reason}", next.as_secs_f64().ceil());
    }
    if totals.dead > 0 || !left.is_empty() {
        bail!("not all deliveries arrived; see `deliveries list`");
    }
    Ok(())
}

async fn set_up(store: &Store, targets: Vec<Target>) -> anyhow::Result<Deliverer> {
    let sns = sns_client(&targets, &environment).await;
    let mail = mail_credentials(&targets, &environment).await;
    let deliverer = Deliverer::new(store.clone(), targets, sns)?.mailing(mail);
    Ok(deliverer.keeping(retention_days(&environment)?).listening())
}

/// Registers the rules of verdicts, if there is a document of rules. Registers the targets of the document, or that
/// there are none, before messages are received: a target receives only events that occur after its registration. While
/// the database is unavailable, the targets stay unregistered, and events wait.
pub(super) async fn register(store: &Store) -> anyhow::Result<()> {
    let registrations = registrations(&environment)?;
    let within = Deadline::within(Duration::from_secs(15));
    let register = async |tx: &mut Tx<'_>| registry::register(tx, &registrations).await;
    if let Err(error) = store.in_tx("register", within, register).await {
        tracing::warn!(error = chain(&error), "cannot register the targets");
    }
    if let Some(rules) = rules::document(&environment)? {
        let register = async |tx: &mut Tx<'_>| register_rules(tx, &rules).await;
        if let Err(error) = store.in_tx("register_rules", within, register).await {
            tracing::warn!(error = chain(&error), "cannot register the rules of verdicts");
        }
    }
    Ok(())
}

/// A deliverer to run beside other work; `None` when there are no targets.
pub(super) async fn deliverer(store: &Store) -> anyhow::Result<Option<Deliverer>> {
    match targets(&environment) {
        Ok(targets) => set_up(store, targets).await.map(Some),
        Err(TargetsError::None) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Runs the deliverer, if there is one, until stopped.
pub(super) async fn run_until(deliverer: Option<Deliverer>, stop: &Stop) {
    if let Some(deliverer) = deliverer {
        print(deliverer.run(Until::Stopped(stop.wait())).await);
    }
}

fn print(totals: Totals) {
    let Totals { routed, delivered, again, dead } = totals;
    say!("{routed} events: {delivered} deliveries arrived, {again} to be retried, {dead} dead");
}
