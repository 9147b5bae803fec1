//! `worker`: placeholder until the room is there
use hummingbird_status::family::Settings;
use hummingbird_status::store::Store;

#[derive(clap::Args)]
pub(super) struct WorkerArgs {}

impl WorkerArgs {
    pub(super) fn connections(&self) -> usize {
        2
    }
}

pub(super) async fn run(_args: WorkerArgs) -> anyhow::Result<()> {
    Ok(())
}

pub(super) async fn work(_args: WorkerArgs, _store: &Store, _settings: Settings) -> anyhow::Result<()> {
    tokio::signal::ctrl_c().await?;
    Ok(())
}
