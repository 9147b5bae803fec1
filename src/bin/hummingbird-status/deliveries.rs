//! `deliveries list|show|retry|prune`

use anyhow::bail;
use hummingbird_status::db::Tx;
use hummingbird_status::maintenance::retention_days;
use hummingbird_status::outbox::list;
use hummingbird_status::platform::environment::environment;

use super::{database, out, show};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List the targets, and deliveries that are pending or dead.
    List {
        /// Only deliveries in this state: pending, delivered, dead, undeliverable or unrouted.
        #[arg(long, value_parser = ["pending", "delivered", "dead", "undeliverable", "unrouted"])]
        state: Option<String>,
        /// Only deliveries of this target.
        #[arg(long)]
        target: Option<String>,
        /// The most deliveries to list.
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// Show a delivery in full, as JSON.
    Show {
        /// Its id in the list.
        id: String,
    },
    /// Retry deliveries now, and reopen their targets.
    Retry {
        /// Their ids in the list.
        #[arg(required_unless_present = "dead", conflicts_with = "dead")]
        ids: Vec<String>,
        /// All dead deliveries.
        #[arg(long)]
        dead: bool,
        /// Only deliveries of this target.
        #[arg(long)]
        target: Option<String>,
    },
    /// Delete events, deliveries and statuses that ended long ago.
    Prune {
        /// Those that ended more than this many days ago [default: DELIVERY_RETENTION_DAYS].
        #[arg(long)]
        days: Option<i32>,
        /// Count only.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Rows of a table that are deleted in one transaction.
const BATCH: i64 = 1000;

/// Runs the command.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let database = database::open_existing(1).await?;
    let (store, within) = (&database.store, database::time_limit());
    match command {
        Command::List { state, target, limit } => {
            let (state, target) = (state.as_deref(), target.as_deref());
            let (targets, listed) = store
                .in_tx("deliveries_list", within, async |tx| {
                    Ok((list::targets(tx).await?, list::list(tx, state, target, limit).await?))
                })
                .await?;
            show::targets(&targets);
            show::deliveries(&listed);
        }
        Command::Show { id } => {
            let found = store.in_tx("deliveries_show", within, async |tx| list::show(tx, &id).await).await?;
            let Some(found) = found else { bail!("there is no delivery {id}") };
            out::json(&serde_json::to_string_pretty(&found)?);
        }
        Command::Retry { ids, dead, target } => {
            let ids = (!dead).then_some(ids.as_slice());
            let retry =
                store.in_tx("deliveries_retry", within, async |tx| list::retry(tx, ids, target.as_deref()).await);
            match retry.await? {
                0 => bail!("there is no such delivery to retry"),
                count => say!("{count} to be retried"),
            }
        }
        Command::Prune { days, dry_run } => {
            let days = match days {
                Some(days) => days,
                None => retention_days(&environment)?,
            };
            let (mut events, mut deliveries, mut statuses, mut after) = (0, 0, 0, 0);
            loop {
                let prune = async |tx: &mut Tx<'_>| list::prune_events(tx, after, BATCH, days, dry_run).await;
                let chunk = store.in_tx("deliveries_prune", database::time_limit(), prune).await?;
                events += chunk.events;
                deliveries += chunk.deliveries;
                after = chunk.last.unwrap_or(after);
                if !chunk.more {
                    break;
                }
            }
            loop {
                let most = if dry_run { i64::MAX } else { BATCH };
                let prune = async |tx: &mut Tx<'_>| list::prune_statuses(tx, days, most, dry_run).await;
                let pruned = store.in_tx("deliveries_prune", database::time_limit(), prune).await?;
                statuses += pruned;
                if dry_run || pruned == 0 {
                    break;
                }
            }
            let done = if dry_run { "would be deleted" } else { "deleted" };
            say!("{deliveries} deliveries, {events} events, {statuses} statuses {done}");
        }
    }
    Ok(())
}
