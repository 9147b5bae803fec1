//! `migrate`

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use hummingbird_status::checks::rules;
use hummingbird_status::checks::store::register_rules;
use hummingbird_status::db::{Tx, migrate};
use hummingbird_status::deliver::targets;
use hummingbird_status::outbox::registry;
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::platform::environment::environment;

use super::database;

#[derive(Args)]
pub(super) struct MigrateArgs {
    /// The time limit in seconds, for waiting for the database and for locks, and for building indexes.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u32,
}

/// Migrates the schema, registers the targets if a document names them, and prints what was done.
pub(super) async fn run(args: MigrateArgs) -> anyhow::Result<()> {
    let database = database::open(1).await?;
    let deadline = Deadline::within(Duration::from_secs(args.timeout.into()));
    let applied = migrate(&database.store, deadline).await.context("cannot bring the schema up to date")?;
    let targets = targets::registrations(&environment)?;
    if !targets.is_empty() {
        let register = async |tx: &mut Tx<'_>| registry::register(tx, &targets).await;
        database
            .store
            .in_tx("register", database::time_limit(), register)
            .await
            .context("cannot register the targets")?;
        say!("{} targets are registered", targets.len());
    }
    if let Some(rules) = rules::document(&environment)? {
        let register = async |tx: &mut Tx<'_>| register_rules(tx, &rules).await;
        let registered = database.store.in_tx("register_rules", database::time_limit(), register).await;
        registered.context("cannot register the rules of verdicts")?;
        say!("the rules of verdicts are registered");
    }
    match applied.from == applied.to {
        true => say!("schema {} is up to date", applied.to),
        false => say!("schema {} -> {}", applied.from, applied.to),
    }
    Ok(())
}
