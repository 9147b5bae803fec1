//! `reconcile`

use hummingbird_status::maintenance::retention;
use hummingbird_status::sources::Settings;
use hummingbird_status::sources::gitlab::Change;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, bail};
use hummingbird_status::db::Store;
use hummingbird_status::platform::clock::{self, Deadline};
use hummingbird_status::platform::environment::{self, environment};
use hummingbird_status::reconcile::{self, Options, Report};
use jiff::civil::{Date, time};
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};

use super::progress::Projects;
use super::{database, out, show};

#[derive(clap::Args)]
pub(super) struct ReconcileArgs {
    /// The database, as postgres://user:password@host:port/name [default: DATABASE_URL, else the one below
    /// .hummingbird/].
    #[arg(long)]
    database_url: Option<String>,
    /// The GitLab instance [default: GITLAB_URL, else https://gitlab.com; several: GITLAB_INSTANCES].
    #[arg(long)]
    gitlab_url: Option<String>,
    /// A token with the scope read_api [better: GITLAB_TOKEN, which the list of processes does not show].
    #[arg(long)]
    gitlab_token: Option<String>,
    /// Only this project, by its path; may be given several times.
    #[arg(long = "project", value_name = "PATH")]
    projects: Vec<String>,
    /// Report wrong rows, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Check merge requests that changed since then, instead of since the last run: 2026-03-10T09:00:00Z, 2026-03-10,
    /// 3d.
    #[arg(long, value_parser = since)]
    since: Option<Timestamp>,
    /// Only check the stored open merge requests: 1 request for 100 of them.
    #[arg(long, conflicts_with = "since")]
    no_sweep: bool,
    /// Projects that are checked at a time.
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
    /// Seconds after which the remaining projects are left to the next run.
    #[arg(long, default_value_t = 3600)]
    time_limit: u64,
}

/// Compares, corrects, and prints the report: tables on a terminal, JSON elsewhere.
pub(super) async fn run(args: ReconcileArgs) -> anyhow::Result<()> {
    let given = |name: &str| match name {
        "DATABASE_URL" => args.database_url.clone(),
        "GITLAB_URL" => args.gitlab_url.clone(),
        "GITLAB_TOKEN" => args.gitlab_token.clone(),
        // The instance of the argument replaces all configured ones.
        "GITLAB_INSTANCES" if args.gitlab_url.is_some() => Some(String::new()),
        _ => None,
    };
    let lookup = |name: &str| given(name).or_else(|| environment(name)).filter(|value| !value.is_empty());
    let instances = environment::gitlab(&lookup)?;
    let database = match args.database_url {
        Some(_) => {
            let mut database = hummingbird_status::db::database(&lookup)?;
            database.pool_size = args.concurrency;
            database::Database { store: Store::open(&database)?, server: None, config: database }
        }
        None if args.dry_run => database::open_existing(args.concurrency).await?,
        None => database::open(args.concurrency).await?,
    };
    let options = Options {
        projects: args.projects,
        dry_run: args.dry_run,
        since: args.since,
        sweep: !args.no_sweep,
        concurrency: args.concurrency,
        settings: Settings::from_env(&lookup)?,
        retention: Some(retention(&lookup)?),
        ..Options::default()
    };
    let deadline = Deadline::within(Duration::from_secs(args.time_limit));
    let progress = Projects::new();
    let watch = |done, of| progress.show(done, of);
    let report = reconcile::run(&database.store, &instances, options, deadline, watch).await;
    progress.end();
    let report = report?;
    match std::io::stdout().is_terminal() {
        true => say!("{}", tables(&report)),
        false => out::json(&serde_json::to_string(&report).context("cannot write the report")?),
    }
    if !report.is_whole() {
        bail!(
            "{} projects unreachable, {} left, {} answers unreadable, {} tasks not done{}",
            report.unreachable.len(),
            report.left.len(),
            report.refused.len(),
            report.worked.iter().filter(|worked| worked.left).count(),
            report.stopped.map(|why| format!("; stopped: {why}")).unwrap_or_default()
        );
    }
    Ok(())
}

/// Reads a time, a day (UTC), or a duration before now.
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
        .ok_or_else(|| "expected a time such as 2026-03-10T09:00:00Z, a day, or a duration such as 3d".to_owned())
}

/// The report as tables; those without rows are left out.
fn tables(report: &Report) -> String {
    let corrected = report.corrections.iter().flat_map(|correction| {
        let merge_request = format!("{}!{}", correction.project, correction.iid);
        correction
            .changes
            .iter()
            .map(move |change| [merge_request.clone(), change.field.to_owned(), change.old.clone(), change.new.clone()])
    });
    let pipelines = report.pipelines.iter().flat_map(|correction| {
        let pipeline = format!("{} {}", correction.project, correction.id);
        let row = move |change: &Change| [pipeline.clone(), change.old.clone(), change.new.clone()];
        correction.changes.iter().map(row)
    });
    let missing = report.missing.iter().map(|m| [format!("{}!{}", m.project, m.iid), m.state.to_owned()]);
    let unreachable = report.unreachable.iter().map(|u| [u.project.clone(), u.problem.clone()]);
    let moved = report.moved.iter().map(|m| [m.project.clone(), m.to.clone()]);
    let unreadable = report.refused.iter().map(|r| {
        let iid = r.iid.map_or_else(|| "?".to_owned(), |iid| iid.to_string());
        [format!("{}!{iid}", r.project), r.detail.clone()]
    });
    let left = report.left.iter().map(|project| [project.clone()]);
    let stuck = report.stale.iter().map(|s| [s.kind.to_owned(), s.name.clone(), s.state.clone(), s.since.to_string()]);
    let worked = report.worked.iter().map(|w| {
        let left = if w.left { "more in the next run" } else { "done" };
        [w.task.to_owned(), w.objects.to_string(), w.written.to_string(), left.to_owned()]
    });
    let mut text = [
        show::rows(["corrected", "field", "old", "new"], corrected),
        show::rows(["pipeline", "status was", "is"], pipelines),
        show::rows(["missing", "state"], missing),
        show::rows(["unreachable", "why"], unreachable),
        show::rows(["moved", "to"], moved),
        show::rows(["unreadable", "why"], unreadable),
        show::rows(["left to the next run"], left),
        show::rows(["stuck", "name", "state", "since"], stuck),
        show::rows(["task", "objects", "written", ""], worked),
        report.upkeep.as_ref().map(super::maintenance::tables).unwrap_or_default(),
    ]
    .concat();
    if report.dry_run {
        text += "Nothing was written.\n";
    }
    text + &format!(
        "{} merge requests of {} projects checked: {} corrected, {} missing, {} completed, {} heads added; \
         {} requests in {:.1} s",
        report.checked,
        report.projects,
        report.corrections.len(),
        report.missing.len(),
        report.refreshed,
        report.versions,
        report.requests,
        report.seconds
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hummingbird_status::reconcile::{Correction, Unreachable};

    #[test]
    fn times_come_in_three_forms() {
        let at = |text: &str| since(text).ok().map(|at| at.to_string());
        assert_eq!(at("2026-03-10T09:00:00+01:00").as_deref(), Some("2026-03-10T08:00:00Z"));
        assert_eq!(at("2026-03-10").as_deref(), Some("2026-03-10T00:00:00Z"));
        let three_days_ago = since("3d").expect("span");
        assert!((0..60).contains(&(clock::now().duration_since(three_days_ago).as_secs() - 3 * 24 * 3600)));
        assert_eq!((at("yesterday"), at(""), at("10/03/2026")), (None, None, None));
    }

    #[test]
    fn tables_without_rows_are_left_out() {
        let change = Change { field: "state", old: "opened".to_owned(), new: "merged".to_owned() };
        let report = Report {
            dry_run: true,
            checked: 7,
            projects: 1,
            requests: 2,
            seconds: 0.25,
            corrections: vec![Correction { project: "g/p".to_owned(), iid: 1, changes: vec![change] }],
            unreachable: vec![Unreachable { project: "g/q".to_owned(), problem: "GitLab answers 404".to_owned() }],
            ..Report::default()
        };
        insta::assert_snapshot!(tables(&report), @r"
        ┌───────────┬───────┬────────┬────────┐
        │ corrected ┆ field ┆ old    ┆ new    │
        ╞═══════════╪═══════╪════════╪════════╡
        │ g/p!1     ┆ state ┆ opened ┆ merged │
        └───────────┴───────┴────────┴────────┘
        ┌─────────────┬────────────────────┐
        │ unreachable ┆ why                │
        ╞═════════════╪════════════════════╡
        │ g/q         ┆ GitLab answers 404 │
        └─────────────┴────────────────────┘
        Nothing was written.
        7 merge requests of 1 projects checked: 1 corrected, 0 missing, 0 completed, 0 heads added; 2 requests in 0.2 s
        ");
    }
}
