//! `upkeep`

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, bail};
use hummingbird_status::clock::{self, Deadline};
use hummingbird_status::config::{self, environment};
use hummingbird_status::store::Patient;
use hummingbird_status::upkeep::{self, Report};

use super::{database, out, show};

#[derive(clap::Args)]
pub(super) struct UpkeepArgs {
    /// Say what would be done, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Seconds after which what is left is left to the next run.
    #[arg(long, default_value_t = 3600)]
    time_limit: u64,
}

/// How often a page is tried again while the database is away, or a table is in use.
const TRIES: u32 = 5;

/// Does it, and prints the report: tables on a terminal, JSON elsewhere.
pub(super) async fn run(args: UpkeepArgs) -> anyhow::Result<()> {
    let retention = config::retention(&environment)?;
    let database = database::open_existing(1).await?;
    let deadline = Deadline::within(Duration::from_secs(args.time_limit));
    let store = Patient::until(&database.store, deadline).at_most(TRIES);
    store.check_schema().await?;
    let report = upkeep::run(&store, &retention, clock::now(), deadline, args.dry_run).await;
    match std::io::stdout().is_terminal() {
        true if report.is_whole() && tables(&report).is_empty() => say!("nothing to do"),
        true => out::print(format_args!("{}", tables(&report))),
        false => out::json(&serde_json::to_string(&report).context("cannot write the report")?),
    }
    if report.busy {
        bail!("another upkeep is at work");
    }
    if !report.is_whole() {
        let left: Vec<&str> = report.left.iter().map(|left| left.task).collect();
        bail!("left to the next run: {}", left.join(", "));
    }
    Ok(())
}

/// The report as tables; those without rows are left out.
pub(super) fn tables(report: &Report) -> String {
    let months = |what: &str, months: &[String]| {
        let what = what.to_owned();
        months.iter().map(move |month| [what.clone(), month.clone()]).collect::<Vec<_>>()
    };
    let (made, dropped) = match report.dry_run {
        true => ("would be made", "would be dropped, if nothing in it came later"),
        false => ("made", "dropped"),
    };
    let gone = if report.dry_run { "would be thrown away" } else { "thrown away" };
    let ended = if report.dry_run { "would be given up" } else { "given up" };
    let of_disabled = (report.ended > 0).then(|| ["of disabled targets".to_owned(), report.ended.to_string()]);
    [
        show::rows(["refused", "month"], [months(made, &report.made), months(dropped, &report.dropped)].concat()),
        show::rows([gone, "rows"], report.gone.iter().map(|gone| [gone.table.to_owned(), gone.rows.to_string()])),
        show::rows([ended, "deliveries"], of_disabled),
        show::rows(["left", "why"], report.left.iter().map(|left| [left.task.to_owned(), left.why.clone()])),
    ]
    .concat()
}
