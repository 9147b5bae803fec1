//! `refused list|show|replay`

use std::io::Write;

use anyhow::{Context, bail};
use hummingbird_status::config::{self, environment};
use hummingbird_status::pipeline::Counts;
use hummingbird_status::replay::replay;
use hummingbird_status::store::refused::{Chosen, refused_by_reason, refused_list, refused_whole};
use hummingbird_status::tasks::Stopper;

use super::{database, show};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// How many there are of each reason, and the first of those that are chosen.
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        most: i64,
    },
    /// Print one: what is known of it on standard error, its bytes as they came on standard output.
    Show {
        /// Its id.
        id: String,
    },
    /// Put them through the pipeline once more, and remove those that are kept now.
    Replay {
        #[command(flatten)]
        which: Which,
    },
}

/// Which ones; all if nothing is said.
#[derive(clap::Args)]
pub(super) struct Which {
    /// Refused for this reason.
    #[arg(long)]
    reason: Option<String>,
    /// Recognised by this family.
    #[arg(long)]
    family: Option<String>,
    /// Of this id.
    #[arg(long)]
    id: Option<String>,
}

impl From<Which> for Chosen {
    fn from(which: Which) -> Self {
        Self { reason: which.reason, family: which.family, id: which.id }
    }
}

/// Does one of them.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let database = database::open(1).await?;
    let store = &database.store;
    match command {
        Command::List { which, most } => {
            let chosen = Chosen::from(which);
            let read = store.in_tx("refused", database::patience(), async |tx| {
                Ok((refused_by_reason(tx).await?, refused_list(tx, &chosen, None, most).await?))
            });
            let (reasons, entries) = read.await?;
            show::refused_by_reason(&reasons);
            show::refused(&entries);
            Ok(())
        }
        Command::Show { id } => {
            let chosen = Chosen { id: Some(id.clone()), ..Chosen::default() };
            let read = store.in_tx("refused", database::patience(), async |tx| {
                let entries = refused_list(tx, &chosen, None, 1).await?;
                let keys: Vec<_> = entries.iter().map(|entry| entry.key.clone()).collect();
                Ok((entries, refused_whole(tx, &keys).await?))
            });
            let (entries, whole) = read.await?;
            let (_, delivery) = whole.into_iter().next().with_context(|| format!("no message {id} was refused"))?;
            for entry in entries {
                let family = entry.family.as_deref().unwrap_or("-");
                eprintln!("{}: {}\nfamily {family}, sent {}", entry.reason, entry.detail, entry.key.1);
            }
            for (name, value) in &delivery.attributes {
                eprintln!("{name}: {value}");
            }
            std::io::stdout().write_all(&delivery.body).context("cannot print it")
        }
        Command::Replay { which } => {
            let settings = config::settings(&environment)?;
            let (stopper, stop) = Stopper::new();
            stopper.on_signals().context("cannot listen to signals")?;
            let watch = |counts: Counts| tracing::info!(received = counts.received, refused = counts.refused, "replay");
            let (counts, removed) = replay(store, &settings, &which.into(), &stop, watch).await?;
            let Counts { received, kept, stale, ignored, refused, .. } = counts;
            println!(
                "{received} messages: {kept} kept, {stale} known already, {ignored} ignored, {refused} refused again; \
                 {removed} removed"
            );
            if stop.is_set() {
                bail!("stopped before the end");
            }
            Ok(())
        }
    }
}
