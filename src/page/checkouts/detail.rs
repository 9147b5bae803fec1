//! A checkout with its builds and the issues seen in it.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::{completion, counts, path};
use crate::kcidb::reads::{self, CheckoutBuild, CheckoutProgress, CheckoutRow, IssueRow, Seen, StatusCount};
use crate::page::Page;
use crate::page::components::maybe;
use crate::page::html::{Tone, empty, facts, or_none, outside, table, time, toned};
use crate::page::lists::{Place, json};
use crate::page::params::{self, Params, encode_path};
use crate::page::problem::{Problem, ProblemResponses};

/// Builds, tests or issues that a page shows, the worst first.
pub(super) const SHOWN: i64 = 500;

/// A build with its tests.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CheckoutBuildItem)]
pub(super) struct Build {
    #[serde(flatten)]
    row: CheckoutBuild,
    /// Tests by status.
    tests: Vec<StatusCount>,
}

/// A checkout with its builds.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CheckoutDetail)]
pub(in crate::page) struct Detail {
    checkout: CheckoutRow,
    /// The worst of its builds and tests.
    status: Option<&'static str>,
    progress: Option<CheckoutProgress>,
    /// Builds and tests by status.
    counts: Vec<StatusCount>,
    /// The worst 500 of its builds.
    builds: Vec<Build>,
    issues: Vec<IssueRow>,
}

/// A checkout with its builds.
#[utoipa::path(get, path = "/api/v1/checkouts/{id}",
    params(("id" = String, Path, description = "Id of the checkout")),
    responses((status = 200, description = "A checkout with its builds.", body = Detail), ProblemResponses))]
pub(in crate::page) async fn checkout(
    State(page): State<Page>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let found = find(&page, &params::name(&id)).await?;
    if params.wants_json {
        return Ok(json(&found));
    }
    let now = page.now();
    let row = &found.checkout;
    let of = |kind: &str| -> Vec<StatusCount> { found.counts.iter().filter(|c| c.kind == kind).cloned().collect() };
    let content = html! {
        h1 { (row.id) " " (maybe(found.status, "no result yet")) }
        (facts(&[
            ("Completion", html! { (completion(row)) " " span.dim { (row.milestones.join(", ").replace('_', " ")) } }),
            ("Origin, tree", html! { (row.origin) ", " (or_none(row.tree_name.as_deref())) }),
            ("Repository", row.git_repository_url.as_deref().map_or_else(|| or_none(None), |url| outside(Some(url), url))),
            ("Branch", or_none(row.git_repository_branch.as_deref())),
            ("Commit", html! { (or_none(row.git_commit_hash.as_deref())) " " (row.git_commit_name.as_deref().unwrap_or_default()) }),
            ("Checked out", match row.valid { Some(true) => toned(Tone::Good, "yes"), Some(false) => toned(Tone::Bad, "no"), None => toned(Tone::Quiet, "unknown") }),
            ("Comment", or_none(row.comment.as_deref())),
            ("Began", time(row.start_time, now)),
            ("Log", log(row.log_url.as_deref())),
            ("Builds", counts(&of("build"))),
            ("Tests", counts(&of("test"))),
            ("Last message", html! { (row.message_id) " " (time(row.message_at, now)) }),
        ]))
        @if let Some(progress) = &found.progress { (still_open(progress)) }
        h2 { "Issues" }
        (issue_table(&found.issues))
        h2 { "Builds" }
        @if found.builds.is_empty() { (empty("No build of it is known.")) } @else { (build_table(&found.builds, now)) }
    };
    let place = Place { title: &row.id, current: "/checkouts", path: &path(&row.id), feed: None };
    Ok(place.thing(&params, &content))
}

async fn find(page: &Page, id: &str) -> Result<Detail, Problem> {
    let mut reader = page.reader().await?;
    let Some(checkout) = reads::checkout(&mut reader, id).await? else {
        return Err(Problem::NotFound(format!("no checkout has the id {id:?}")));
    };
    let counts = reads::counts_of(&mut reader, id).await?;
    let rows = reads::builds(&mut reader, id, SHOWN).await?;
    let ids: Vec<&str> = rows.iter().map(|build| build.id.as_str()).collect();
    let mut tests: HashMap<String, Vec<StatusCount>> = HashMap::new();
    for count in reads::count_tests(&mut reader, &ids).await? {
        tests.entry(count.id.clone()).or_default().push(count);
    }
    let build = |row: CheckoutBuild| Build { tests: tests.remove(&row.id).unwrap_or_default(), row };
    Ok(Detail {
        checkout,
        status: reads::worst(&counts),
        progress: reads::progress(&mut reader, id).await?,
        counts,
        builds: rows.into_iter().map(build).collect(),
        issues: reads::issues(&mut reader, Seen::Checkout(id), SHOWN).await?,
    })
}

/// What a checkout waits for.
fn still_open(progress: &CheckoutProgress) -> Markup {
    let parts = [
        (progress.builds_running, "builds without a result"),
        (progress.builds_unplanned, "builds passed, without tests so far"),
        (progress.tests_running, "tests without a result"),
        (progress.untriaged, "failures without a known cause"),
    ];
    html! {
        @if parts.iter().any(|(number, _)| *number > 0) {
            ul.counts { @for (number, what) in parts { @if number > 0 { li { (toned(Tone::Running, html! { (number) " " (what) })) } } } }
        }
    }
}

/// A link to a log.
pub(super) fn log(url: Option<&str>) -> Markup {
    html! { @match url { Some(url) => (outside(Some(url), "log")), None => (or_none(None)) } }
}

/// Issues as a table.
pub(super) fn issue_table(issues: &[IssueRow]) -> Markup {
    let culprits = |issue: &IssueRow| {
        let parts = [(issue.culprit_code, "code"), (issue.culprit_tool, "tool"), (issue.culprit_harness, "harness")];
        parts.into_iter().filter(|(is, _)| *is == Some(true)).map(|(_, name)| name).collect::<Vec<_>>().join(", ")
    };
    html! {
        @if issues.is_empty() { (empty("No known issue was seen.")) } @else {
            (table("Issues, the most frequent first", &["Issue", "What it is", "To blame", "Seen", "Report"], &html! {
                @for issue in issues {
                    tr {
                        th scope="row" { (issue.id) " " span.dim { "version " (issue.version) } }
                        td { (or_none(issue.comment.as_deref())) } td { (culprits(issue)) } td { (issue.incidents) }
                        td { @if issue.report_url.is_some() { (outside(issue.report_url.as_deref(), issue.report_subject.as_deref().unwrap_or("report"))) } }
                    }
                }
            }))
        }
    }
}

fn build_table(builds: &[Build], now: Timestamp) -> Markup {
    let heads = ["Build", "Status", "Tests", "Architecture", "Compiler", "Configuration", "Began", "Log"];
    table(
        "Builds, the worst first",
        &heads,
        &html! {
            @for Build { row, tests } in builds {
                tr {
                    th scope="row" { a href={ "/kcidb/builds/" (encode_path(&row.id)) } { (row.id) } }
                    td { (maybe(row.status.as_deref(), "to come")) } td { (counts(tests)) }
                    td { (row.architecture.as_deref().unwrap_or_default()) } td { (row.compiler.as_deref().unwrap_or_default()) }
                    td { (row.config_name.as_deref().unwrap_or_default()) } td { (time(row.start_time, now)) }
                    td { (log(row.log_url.as_deref())) }
                }
            }
        },
    )
}
