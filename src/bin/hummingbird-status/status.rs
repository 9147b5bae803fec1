//! `status`

use std::io::IsTerminal;

use anyhow::Context;
use hummingbird_status::platform::clock;
use hummingbird_status::reports::{SeriesFilter, SeriesItem, broken};

use super::{database, out, show};

/// Most rows that are printed.
const MOST: i64 = 500;

#[derive(clap::Args)]
pub(super) struct StatusArgs {
    /// Only of this repository (GROUP/PROJECT).
    repo: Option<String>,
    /// Of this branch, also if it is no default branch.
    branch: Option<String>,
    /// Print JSON, also on a terminal.
    #[arg(long)]
    json: bool,
}

/// Prints what is broken now: on a terminal as a table, elsewhere as JSON.
pub(super) async fn run(args: StatusArgs) -> anyhow::Result<()> {
    let database = database::open_existing(1).await?;
    let filter = SeriesFilter { repo: args.repo, branch: args.branch, ..SeriesFilter::default() };
    let mut reader = database.store.reader(database::time_limit()).await?;
    let found = broken(&mut reader, &filter, None, MOST, clock::now()).await?;
    if args.json || !std::io::stdout().is_terminal() {
        out::json(&serde_json::to_string_pretty(&found).context("cannot write it")?);
        return Ok(());
    }
    if found.is_empty() {
        out::print(format_args!("Nothing is broken.\n"));
        return Ok(());
    }
    let heads = ["check", "where", "since", "state", "first bad", "last good", "suspects"];
    out::print(format_args!("{}", show::rows(heads, found.iter().map(row))));
    Ok(())
}

/// A series as a row of the table.
fn row(item: &SeriesItem) -> [String; 7] {
    let series = &item.series;
    let short = |point: Option<&str>| point.map_or_else(String::new, |point| point.chars().take(8).collect());
    let place = [&series.repo, &series.branch].into_iter().filter(|part| !part.is_empty()).cloned();
    let name = |at: usize| item.suspects[at].author.clone().or_else(|| item.suspects[at].pushed_by.clone());
    let mut names: Vec<String> = (0..item.suspects.len()).filter_map(name).collect();
    names.dedup();
    let least = if item.suspects_complete { "" } else { "at least " };
    [
        format!("{} {}", series.system, series.name),
        place.collect::<Vec<_>>().join(" "),
        series.since.map(|since| since.to_string()).unwrap_or_default(),
        series.state.clone(),
        short(series.first_point.as_deref()),
        short(series.before_point.as_deref()),
        format!("{least}{} {}", item.suspects.len().max(1), names.join(", ")).trim_end().to_owned(),
    ]
}
