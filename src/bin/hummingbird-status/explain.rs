//! `explain`

use std::io::IsTerminal;

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use hummingbird_status::reports::{Commit, EXPLAINED, Part, commit_in, explain};

use super::{database, out, show};

#[derive(clap::Args)]
pub(super) struct ExplainArgs {
    /// The kind of the object.
    #[arg(value_parser = PossibleValuesParser::new(EXPLAINED.iter().map(|thing| thing.name)))]
    kind: String,
    /// Its key: GROUP/PROJECT!7 of a merge request, SHA (or its first 4 or more digits), name, id; PIPELINE/NUMBER of a
    /// build; s12 or e12 of a delivery.
    key: String,
    /// Print all rows in full as JSON, also on a terminal.
    #[arg(long)]
    json: bool,
}

/// Prints the explanation of an object: on a terminal a table and its row, elsewhere JSON.
pub(super) async fn run(args: ExplainArgs) -> anyhow::Result<()> {
    let kind = EXPLAINED.iter().find(|kind| kind.name == args.kind).context("no such kind")?;
    let database = database::open_existing(1).await?;
    let read = async |tx: &mut hummingbird_status::db::Tx<'_>| {
        // The web UI shows the first digits of commits, so these are accepted.
        let key = match kind.name {
            "commit" => commit_in(tx, &args.key).await?,
            _ => Commit::One(args.key.clone()),
        };
        match key {
            Commit::One(key) => Ok((explain(tx, kind, &key).await?, Vec::new())),
            Commit::Several(commits) => Ok((Vec::new(), commits)),
        }
    };
    let (parts, commits) = database.store.in_tx("explain", database::time_limit(), read).await?;
    if !commits.is_empty() {
        bail!("several commits begin with {}: {}", args.key, commits.join(", "));
    }
    match args.json || !std::io::stdout().is_terminal() {
        true => out::json(&serde_json::to_string_pretty(&parts).context("cannot write it")?),
        false => out::print(format_args!("{}", text(&parts))),
    }
    if !parts.iter().any(Part::is_of_the_thing) {
        bail!("nothing is known of the {} {} (its key is {})", kind.name, args.key, kind.key);
    }
    Ok(())
}

/// The events of the object as a table, and the columns of its row.
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
