//! `explain`

use std::io::IsTerminal;

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use hummingbird_status::store::{Commit, EXPLAINED, Part, commit_in, explain};

use super::{database, out, show};

#[derive(clap::Args)]
pub(super) struct ExplainArgs {
    /// What it is.
    #[arg(value_parser = PossibleValuesParser::new(EXPLAINED.iter().map(|thing| thing.name)))]
    kind: String,
    /// Its key: GROUP/PROJECT!7 of a merge request, SHA (or its first digits, 4 or more), name, id; PIPELINE/NUMBER of a build; s12 or e12 of a delivery.
    key: String,
    /// All of every row, as JSON, also on a terminal.
    #[arg(long)]
    json: bool,
}

/// Prints what explains a thing: a table on a terminal and its row below, JSON elsewhere.
pub(super) async fn run(args: ExplainArgs) -> anyhow::Result<()> {
    let thing = EXPLAINED.iter().find(|thing| thing.name == args.kind).context("no such kind")?;
    let database = database::open_existing(1).await?;
    let read = async |tx: &mut hummingbird_status::store::Tx<'_>| {
        // Pages show the first digits of commits.
        let key = match thing.name {
            "commit" => commit_in(tx, &args.key).await?,
            _ => Commit::One(args.key.clone()),
        };
        match key {
            Commit::One(key) => Ok((explain(tx, thing, &key).await?, Vec::new())),
            Commit::Several(commits) => Ok((Vec::new(), commits)),
        }
    };
    let (parts, commits) = database.store.in_tx("explain", database::patience(), read).await?;
    if !commits.is_empty() {
        bail!("several commits begin with {}: {}", args.key, commits.join(", "));
    }
    match args.json || !std::io::stdout().is_terminal() {
        true => out::json(&serde_json::to_string_pretty(&parts).context("cannot write it")?),
        false => out::print(format_args!("{}", text(&parts))),
    }
    if !parts.iter().any(Part::is_of_the_thing) {
        bail!("nothing is known of the {} {} (its key is {})", thing.name, args.key, thing.key);
    }
    Ok(())
}

/// What happened, and the row with what it holds.
fn text(parts: &[Part]) -> String {
    let rows = parts.iter().map(|part| {
        let at = part.at.map(|at| at.to_string()).unwrap_or_default();
        [at, part.part.clone(), part.what.clone().unwrap_or_default()]
    });
    let mut text = show::rows(["when", "", "what"], rows);
    if let Some(part) = parts.first() {
        let members = part.row.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        text += &show::rows([&*part.part, ""], members.map(|(name, value)| [name.clone(), value.to_string()]));
    }
    text
}
