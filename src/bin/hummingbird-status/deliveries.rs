//! `deliveries list|show|retry|prune`

use anyhow::bail;
use hummingbird_status::config::{self, environment};
use hummingbird_status::outbox::list;
use hummingbird_status::store::Tx;

use super::{database, out, show};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// The targets, and what is pending or dead.
    List {
        /// Others instead: pending, delivered, dead, undeliverable or unrouted.
        #[arg(long, value_parser = ["pending", "delivered", "dead", "undeliverable", "unrouted"])]
        state: Option<String>,
        /// Of one target only.
        #[arg(long)]
        target: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// All that is known of one, as JSON.
    Show {
        /// Its id in the list.
        id: String,
    },
    /// Try deliveries again now, and open their targets.
    Retry {
        /// Their ids in the list.
        #[arg(required_unless_present = "dead", conflicts_with = "dead")]
        ids: Vec<String>,
        /// All dead ones.
        #[arg(long)]
        dead: bool,
        /// Of one target only.
        #[arg(long)]
        target: Option<String>,
    },
    /// Throw away what came to an end long ago.
    Prune {
        /// How many days ago; without, as `deliver` does (DELIVERY_RETENTION_DAYS).
        #[arg(long)]
        days: Option<i32>,
        /// Count only.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Rows of a kind that are thrown away in one transaction.
const BATCH: i64 = 1000;

/// Runs one of them.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let database = database::open_existing(1).await?;
    let (store, within) = (&database.store, database::patience());
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
                0 => bail!("none of them is there to be tried again"),
                count => say!("{count} to be tried again"),
            }
        }
        Command::Prune { days, dry_run } => {
            let days = match days {
                Some(days) => days,
                None => config::retention_days(&environment)?,
            };
            let (mut events, mut deliveries, mut statuses, mut after) = (0, 0, 0, 0);
            loop {
                let page = async |tx: &mut Tx<'_>| list::prune_events(tx, after, BATCH, days, dry_run).await;
                let page = store.in_tx("deliveries_prune", database::patience(), page).await?;
                events += page.events;
                deliveries += page.deliveries;
                after = page.last.unwrap_or(after);
                if !page.more {
                    break;
                }
            }
            loop {
                let most = if dry_run { i64::MAX } else { BATCH };
                let page = async |tx: &mut Tx<'_>| list::prune_statuses(tx, days, most, dry_run).await;
                let pruned = store.in_tx("deliveries_prune", database::patience(), page).await?;
                statuses += pruned;
                if dry_run || pruned == 0 {
                    break;
                }
            }
            let would = if dry_run { "would be thrown away" } else { "thrown away" };
            say!("{deliveries} deliveries, {events} events, {statuses} statuses {would}");
        }
    }
    Ok(())
}
