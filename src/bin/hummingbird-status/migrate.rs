//! `migrate`

use anyhow::Context;
use hummingbird_status::store::migrate;

use super::database;

/// Brings the schema up to date and says what was done.
pub(super) async fn run() -> anyhow::Result<()> {
    let database = database::open(1).await?;
    let applied = migrate(&database.store, database::patience()).await.context("cannot bring the schema up to date")?;
    match applied.from == applied.to {
        true => println!("schema {} is up to date", applied.to),
        false => println!("schema {} -> {}", applied.from, applied.to),
    }
    Ok(())
}
