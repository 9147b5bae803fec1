//! `reconcile`

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, bail};
use hummingbird_status::clock::{self, Deadline};
use hummingbird_status::config::{self, environment};
use hummingbird_status::reconcile::{self, Options, Report};
use hummingbird_status::store::Store;
use jiff::civil::{Date, time};
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};

use super::{database, show};

#[derive(clap::Args)]
pub(super) struct ReconcileArgs {
    /// Database, as postgres://user:password@host:port/name [or DATABASE_URL, or the one below .hummingbird/].
    #[arg(long)]
    database_url: Option<String>,
    /// GitLab to ask [or GITLAB_URL, else https://gitlab.com; several: GITLAB_INSTANCES].
    #[arg(long)]
    gitlab_url: Option<String>,
    /// Token with the scope read_api [better GITLAB_TOKEN, which the list of processes does not show].
    #[arg(long)]
    gitlab_token: Option<String>,
    /// Only this project, by its path; may be given several times.
    #[arg(long = "project", value_name = "PATH")]
    projects: Vec<String>,
    /// Say what is wrong and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Look at all that changed since then, instead of since the last time: 2026-03-10T09:00:00Z, 2026-03-10, or 3d.
    #[arg(long, value_parser = since)]
    since: Option<Timestamp>,
    /// Only check the merge requests that are open here: 1 request for 100 of them and no more.
    #[arg(long, conflicts_with = "since")]
    no_sweep: bool,
    /// Projects to be checked at a time.
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
    /// Seconds after which what is left is left to the next run.
    #[arg(long, default_value_t = 3600)]
    time_limit: u64,
}

/// Compares, corrects, and prints the report: tables on a terminal, JSON elsewhere.
pub(super) async fn run(args: ReconcileArgs) -> anyhow::Result<()> {
    let given = |name: &str| match name {
        "DATABASE_URL" => args.database_url.clone(),
        "GITLAB_URL" => args.gitlab_url.clone(),
        "GITLAB_TOKEN" => args.gitlab_token.clone(),
        // An instance that is named here is meant alone.
        "GITLAB_INSTANCES" if args.gitlab_url.is_some() => Some(String::new()),
        _ => None,
    };
    let lookup = |name: &str| given(name).or_else(|| environment(name)).filter(|value| !value.is_empty());
    let instances = config::gitlab(&lookup)?;
    let database = match args.database_url {
        Some(_) => {
            let mut database = config::database(&lookup)?;
            database.pool_size = args.concurrency;
            database::Database { store: Store::open(&database)?, server: None }
        }
        None => database::open(args.concurrency).await?,
    };
    let options = Options {
        projects: args.projects,
        dry_run: args.dry_run,
        since: args.since,
        sweep: !args.no_sweep,
        concurrency: args.concurrency,
        ..Options::default()
    };
    let deadline = Deadline::within(Duration::from_secs(args.time_limit));
    let report = reconcile::run(&database.store, &instances, options, deadline).await?;
    match std::io::stdout().is_terminal() {
        true => print(&report),
        false => println!("{}", serde_json::to_string(&report).context("cannot write the report")?),
    }
    if !report.is_whole() {
        bail!(
            "{} projects unreachable, {} left, {} answers not understood{}",
            report.unreachable.len(),
            report.left.len(),
            report.refused.len(),
            report.stopped.map(|why| format!("; stopped: {why}")).unwrap_or_default()
        );
    }
    Ok(())
}

/// Reads a time, a day (UTC), or how long ago.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    if let Ok(day) = text.parse::<Date>() {
        let at = day.to_datetime(time(0, 0, 0, 0)).to_zoned(TimeZone::UTC);
        return at.map(|at| at.timestamp()).map_err(|error| error.to_string());
    }
    let ago = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    ago.ok()
        .and_then(|ago| clock::now().checked_sub(ago.abs()).ok())
        .ok_or_else(|| "expected a time such as 2026-03-10T09:00:00Z, a day, or how long ago, such as 3d".to_owned())
}

/// The report as tables; those without rows are left out.
fn print(report: &Report) {
    let mut corrections = Vec::new();
    for correction in &report.corrections {
        for change in &correction.changes {
            let merge_request = format!("{}!{}", correction.project, correction.iid);
            corrections.push([merge_request, change.field.to_owned(), change.old.clone(), change.new.clone()]);
        }
    }
    show::rows(["corrected", "field", "old", "new"], &corrections);
    let missing = report.missing.iter().map(|m| [format!("{}!{}", m.project, m.iid), m.state.to_owned()]);
    show::rows(["never heard of", "state"], &missing.collect::<Vec<_>>());
    let unreachable = report.unreachable.iter().map(|u| [u.project.clone(), u.problem.clone()]);
    show::rows(["unreachable", "why"], &unreachable.collect::<Vec<_>>());
    let moved = report.moved.iter().map(|m| [m.project.clone(), m.to.clone()]);
    show::rows(["moved", "to"], &moved.collect::<Vec<_>>());
    let refused = report.refused.iter().map(|r| {
        let iid = r.iid.map_or_else(|| "?".to_owned(), |iid| iid.to_string());
        [format!("{}!{iid}", r.project), r.detail.clone()]
    });
    show::rows(["not understood", "why"], &refused.collect::<Vec<_>>());
    show::rows(["left to the next run"], &report.left.iter().map(|project| [project.clone()]).collect::<Vec<_>>());
    let stale = report.stale.iter().map(|s| [s.kind.to_owned(), s.name.clone(), s.state.clone(), s.since.to_string()]);
    show::rows(["stuck", "name", "state", "since"], &stale.collect::<Vec<_>>());
    println!(
        "{}{} merge requests of {} projects checked: {} corrected, {} never heard of, {} completed, {} heads filled in; \
         {} requests in {:.1} s",
        if report.dry_run { "Nothing written. " } else { "" },
        report.checked,
        report.projects,
        report.corrections.len(),
        report.missing.len(),
        report.refreshed,
        report.versions,
        report.requests,
        report.seconds
    );
}
