//! `maintenance`

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, bail};
use hummingbird_status::db::Retrying;
use hummingbird_status::maintenance::{self, Report};
use hummingbird_status::platform::clock::{self, Deadline};
use hummingbird_status::platform::environment::environment;

use super::{database, out, show};

#[derive(clap::Args)]
pub(super) struct MaintenanceArgs {
    /// Report what would be done, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Seconds after which the remaining tasks are left to the next run.
    #[arg(long, default_value_t = 3600)]
    time_limit: u64,
}

/// Attempts of a chunk while the database is unavailable or a table is in use.
const ATTEMPTS: u32 = 5;

/// Runs maintenance, and prints the report: tables on a terminal, JSON elsewhere.
pub(super) async fn run(args: MaintenanceArgs) -> anyhow::Result<()> {
    let retention = hummingbird_status::maintenance::retention(&environment)?;
    let database = database::open_existing(1).await?;
    let deadline = Deadline::within(Duration::from_secs(args.time_limit));
    let store = Retrying::until(&database.store, deadline).at_most(ATTEMPTS);
    store.check_schema().await?;
    let report = maintenance::run(&store, &retention, clock::now(), deadline, args.dry_run).await;
    match std::io::stdout().is_terminal() {
        true if report.is_whole() && tables(&report).is_empty() => say!("nothing to do"),
        true => out::print(format_args!("{}", tables(&report))),
        false => out::json(&serde_json::to_string(&report).context("cannot write the report")?),
    }
    if report.busy {
        bail!("another maintenance run is in progress");
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
        true => ("would be made", "would be dropped, if it has no later rows"),
        false => ("made", "dropped"),
    };
    let deleted = if report.dry_run { "would be deleted" } else { "deleted" };
    let ended = if report.dry_run { "would be ended" } else { "ended" };
    let of_disabled = (report.ended > 0).then(|| ["of disabled targets".to_owned(), report.ended.to_string()]);
    [
        show::rows(["refused", "month"], [months(made, &report.made), months(dropped, &report.dropped)].concat()),
        show::rows([deleted, "rows"], report.gone.iter().map(|gone| [gone.table.to_owned(), gone.rows.to_string()])),
        show::rows([ended, "deliveries"], of_disabled),
        show::rows(["left", "why"], report.left.iter().map(|left| [left.task.to_owned(), left.why.clone()])),
    ]
    .concat()
}
