//! `repair`

use anyhow::bail;
use clap::builder::PossibleValuesParser;
use hummingbird_status::db::Tx;
use hummingbird_status::reports::{repair, repairable};

use super::database;

#[derive(clap::Args)]
pub(super) struct RepairArgs {
    /// The kind of the object.
    #[arg(value_parser = PossibleValuesParser::new(repairable()))]
    kind: String,
    /// Its key, as for explain.
    key: String,
}

/// Lowers the times of a row that lie in the future, so that its version guard accepts messages again.
pub(super) async fn run(args: RepairArgs) -> anyhow::Result<()> {
    let database = database::open_existing(1).await?;
    let write = async |tx: &mut Tx<'_>| repair(tx, &args.kind, &args.key).await;
    let changed = database.store.in_tx("repair", database::time_limit(), write).await?;
    if changed == 0 {
        bail!("the {} {} does not exist, or none of its times lies in the future", args.kind, args.key);
    }
    say!("{changed} rows repaired: the next message about it is accepted");
    Ok(())
}
