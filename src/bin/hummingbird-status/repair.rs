//! `repair`

use anyhow::bail;
use clap::builder::PossibleValuesParser;
use hummingbird_status::store::{Tx, repair, repairable};

use super::database;

#[derive(clap::Args)]
pub(super) struct RepairArgs {
    /// What it is.
    #[arg(value_parser = PossibleValuesParser::new(repairable()))]
    kind: String,
    /// Its key, as for explain.
    key: String,
}

/// Lowers the times of a row that lie in the future, so that messages count again.
pub(super) async fn run(args: RepairArgs) -> anyhow::Result<()> {
    let database = database::open_existing(1).await?;
    let write = async |tx: &mut Tx<'_>| repair(tx, &args.kind, &args.key).await;
    let changed = database.store.in_tx("repair", database::patience(), write).await?;
    if changed == 0 {
        bail!("the {} {} is not there, or none of its times lies in the future", args.kind, args.key);
    }
    say!("{changed} rows repaired: the next message about it counts");
    Ok(())
}
