//! `refused list|show|replay`

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use hummingbird_status::config::{self, environment};
use hummingbird_status::envelope::Refusal;
use hummingbird_status::family::Family;
use hummingbird_status::pipeline::Counts;
use hummingbird_status::replay::replay;
use hummingbird_status::store::Store;
use hummingbird_status::store::refused::{Chosen, refused_by_reason, refused_list, refused_whole};
use hummingbird_status::tasks::Stopper;

use super::{database, out, show};

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
    #[arg(long, value_parser = PossibleValuesParser::new(Family::ALL.iter().map(|family| family.name())))]
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

/// Makes sure that a reason or an id that was given is one: a mistyped one would look as if nothing were left.
async fn check(store: &Store, chosen: &Chosen) -> anyhow::Result<()> {
    let read = store.in_tx("refused", database::patience(), async |tx| {
        Ok((
            refused_by_reason(tx).await?,
            refused_list(tx, &Chosen { id: chosen.id.clone(), ..Chosen::default() }, None, 1).await?,
        ))
    });
    let (kept, of_id) = read.await?;
    if let Some(reason) = &chosen.reason {
        // Older versions of this program had other words.
        let known: BTreeSet<&str> =
            kept.iter().map(|by| by.reason.as_str()).chain(Refusal::REASONS.iter().copied()).collect();
        if !known.contains(reason.as_str()) {
            let known: Vec<&str> = known.into_iter().collect();
            bail!("--reason: nothing is refused for {reason:?}; the reasons are {}", known.join(", "));
        }
    }
    match &chosen.id {
        Some(id) if of_id.is_empty() => bail!("--id: no message {id} was refused"),
        _ => Ok(()),
    }
}

/// Does one of them.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let database = database::open_existing(1).await?;
    let store = &database.store;
    match command {
        Command::List { which, most } => {
            let chosen = Chosen::from(which);
            check(store, &chosen).await?;
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
                note!("{}: {}\nfamily {family}, sent {}", entry.reason, entry.detail, entry.key.1);
            }
            for (name, value) in &delivery.attributes {
                note!("{name}: {value}");
            }
            out::raw(&delivery.body);
            Ok(())
        }
        Command::Replay { which } => {
            let chosen = Chosen::from(which);
            check(store, &chosen).await?;
            let settings = config::settings(&environment)?;
            let (stopper, stop) = Stopper::new();
            stopper.on_signals().context("cannot listen to signals")?;
            let watch = |counts: Counts| tracing::info!(received = counts.received, refused = counts.refused, "replay");
            let (counts, removed) = replay(store, &settings, &chosen, &stop, watch).await?;
            let Counts { received, kept, stale, ignored, refused, .. } = counts;
            say!(
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
