//! `rejected list|show|replay`

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use hummingbird_status::db::Store;
use hummingbird_status::db::rejected::{Chosen, rejected_by_reason, rejected_list, rejected_whole};
use hummingbird_status::ingest::Counts;
use hummingbird_status::ingest::replay::replay;
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::shutdown::Stopper;
use hummingbird_status::sources::{Settings, Source};
use hummingbird_status::transport::Rejection;

use super::{database, out, show};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Count the messages by reason, and list the first that match.
    List {
        #[command(flatten)]
        filter: Filter,
        /// The most messages to list.
        #[arg(long, default_value_t = 20)]
        most: i64,
    },
    /// Print one: reason and attributes on standard error, its bytes as received on standard output.
    Show {
        /// Its id.
        id: String,
    },
    /// Ingest them again, and remove those that are kept now.
    Replay {
        #[command(flatten)]
        filter: Filter,
    },
}

/// The messages that a command works on; all by default.
#[derive(clap::Args)]
pub(super) struct Filter {
    /// Only messages rejected for this reason.
    #[arg(long)]
    reason: Option<String>,
    /// Only messages of this source.
    #[arg(long, value_parser = PossibleValuesParser::new(Source::ALL.iter().map(|source| source.name())))]
    family: Option<String>,
    /// Only the message with this id.
    #[arg(long)]
    id: Option<String>,
}

impl From<Filter> for Chosen {
    fn from(filter: Filter) -> Self {
        Self { reason: filter.reason, family: filter.family, id: filter.id }
    }
}

/// Makes sure that the reason or id of an argument exists: with a misspelt one no message would match, as if none were
/// left.
async fn check(store: &Store, chosen: &Chosen) -> anyhow::Result<()> {
    let read = store.in_tx("refused", database::time_limit(), async |tx| {
        Ok((
            rejected_by_reason(tx).await?,
            rejected_list(tx, &Chosen { id: chosen.id.clone(), ..Chosen::default() }, None, 1).await?,
        ))
    });
    let (kept, of_id) = read.await?;
    if let Some(reason) = &chosen.reason {
        // Stored messages may have reasons of older releases.
        let known: BTreeSet<&str> =
            kept.iter().map(|by| by.reason.as_str()).chain(Rejection::REASONS.iter().copied()).collect();
        if !known.contains(reason.as_str()) {
            let known: Vec<&str> = known.into_iter().collect();
            bail!("--reason: no message is rejected for {reason:?}; the reasons are {}", known.join(", "));
        }
    }
    match &chosen.id {
        Some(id) if of_id.is_empty() => bail!("--id: no message {id} was rejected"),
        _ => Ok(()),
    }
}

/// Runs the command.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let database = database::open_existing(1).await?;
    let store = &database.store;
    match command {
        Command::List { filter, most } => {
            let chosen = Chosen::from(filter);
            check(store, &chosen).await?;
            let read = store.in_tx("refused", database::time_limit(), async |tx| {
                Ok((rejected_by_reason(tx).await?, rejected_list(tx, &chosen, None, most).await?))
            });
            let (reasons, entries) = read.await?;
            show::rejected_by_reason(&reasons);
            show::rejected(&entries);
            Ok(())
        }
        Command::Show { id } => {
            let chosen = Chosen { id: Some(id.clone()), ..Chosen::default() };
            let read = store.in_tx("refused", database::time_limit(), async |tx| {
                let entries = rejected_list(tx, &chosen, None, 1).await?;
                let keys: Vec<_> = entries.iter().map(|entry| entry.key.clone()).collect();
                Ok((entries, rejected_whole(tx, &keys).await?))
            });
            let (entries, whole) = read.await?;
            let (_, delivery) = whole.into_iter().next().with_context(|| format!("no message {id} was rejected"))?;
            for entry in entries {
                let source = entry.family.as_deref().unwrap_or("-");
                note!("{}: {}\nsource {source}, sent {}", entry.reason, entry.detail, entry.key.1);
            }
            for (name, value) in &delivery.attributes {
                note!("{name}: {value}");
            }
            out::raw(&delivery.body);
            Ok(())
        }
        Command::Replay { filter } => {
            let chosen = Chosen::from(filter);
            check(store, &chosen).await?;
            let settings = Settings::from_env(&environment)?;
            let (stopper, stop) = Stopper::new();
            stopper.on_signals().context("cannot listen to signals")?;
            let watch =
                |counts: Counts| tracing::info!(received = counts.received, rejected = counts.refused, "replay");
            let (counts, removed) = replay(store, &settings, &chosen, &stop, watch).await?;
            let Counts { received, kept, stale: outdated, ignored, refused: rejected, .. } = counts;
            say!(
                "{received} messages: {kept} kept, {outdated} outdated, {ignored} ignored, {rejected} rejected again; \
                 {removed} removed"
            );
            if stop.is_set() {
                bail!("stopped before the end");
            }
            Ok(())
        }
    }
}
