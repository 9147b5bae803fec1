//! Trends: the four DORA metrics by project, lead times by stage, and flaky tests.

use axum::extract::State;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::Serialize;

use super::App;
use super::html::{Tone, count, empty, or_none, path, span, table, toned};
use super::lists::{self, Field, View, form, json};
use super::params::{Params, encode, encode_path};
use super::problem::{Problem, ProblemResponses};
use crate::platform::routing::Routes;
use crate::reports::{Delivered, LeadStage, STAGES, dora, lead_stages};
use crate::sources::gitlab::reads::{self as gitlab, MergeTime};
use crate::sources::konflux::reads::{self as konflux, FlakyTest};
use crate::sources::travis::reads::{self as travis, FlakyJob};

/// Rows of each table.
const SHOWN: i64 = 200;

pub(super) fn routes() -> Routes<App> {
    lists::at("/trends", show)
}

/// DORA metrics, lead times by stage, and flaky tests.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Trends {
    /// End of the period.
    at: Timestamp,
    /// Length of the period in days.
    days: i64,
    projects: Vec<Delivered>,
    /// Stages from a push to its release, of the newest 1,000 releases of that time.
    stages: Vec<LeadStage>,
    /// Merge requests from opening to merging.
    merge_times: Vec<MergeTime>,
    /// Tests of Konflux.
    flaky: Vec<FlakyTest>,
    /// Jobs of Travis that were restarted.
    flaky_jobs: Vec<FlakyJob>,
}

/// DORA metrics, lead times by stage, and flaky tests.
#[utoipa::path(
    get, path = "/api/v1/trends",
    params(
        ("days" = Option<i64>, Query, description = "Length of the period in days, 1 to 90; default 14"),
    ),
    responses(
        (status = 200, description = "DORA metrics, lead times by stage, and flaky tests.", body = Trends),
        ProblemResponses
    )
)]
pub(super) async fn show(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    let days = params.number("days", 14, 1, 90)?;
    let since = app.now().saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or_else(|_| app.now());
    let mut reader = app.reader().await?;
    let projects = dora(&mut reader, since, SHOWN).await?;
    let stages = lead_stages(&mut reader, since).await?;
    let merge_times = gitlab::merge_times(&mut reader, since, SHOWN).await?;
    let flaky = konflux::flaky_tests(&mut reader, since, SHOWN).await?;
    let flaky_jobs = travis::flaky_jobs(&mut reader, since, SHOWN).await?;
    let trends = Trends { at: app.now(), days, projects, stages, merge_times, flaky, flaky_jobs };
    drop(reader);
    if params.wants_json {
        return Ok(json(&trends));
    }
    let choices = [("7", "7 days"), ("14", "14 days"), ("30", "30 days"), ("90", "90 days")];
    let content = html! {
        h1 { "Trends" }
        (form("/trends", &params, &[Field::Choice("days", "Of the last", &choices)]))
        h2 { "Delivery in " (days) " days" }
        p {
            "Releases of Konflux, and builds of main and master. Lead time is from the push of the commit to its \
             delivery. The newest 2,000 of each system count."
        }
        @if trends.projects.is_empty() { (empty("No deliveries in this period.")) } @else { (project_table(&trends)) }
        @if !trends.stages.is_empty() {
            h2 { "Lead time by stage" }
            p { "Median and 90th percentile of the newest 1,000 releases of this period." }
            (stage_table(&trends.stages))
        }
        @if !trends.merge_times.is_empty() {
            h2 { "Merge requests, from opening to merging" }
            (merge_table(&trends.merge_times))
        }
        h2 { "Flaky tests" }
        p {
            "Failed and passed on the same commit; or at least 5 runs, of which 20 % to 80 % failed. The newest 5,000 \
             runs count."
        }
        @if trends.flaky.is_empty() { (empty("No flaky tests in this period.")) } @else { (flaky_table(&trends.flaky)) }
        @if !trends.flaky_jobs.is_empty() {
            h2 { "Flaky jobs" }
            p { "Jobs of Travis CI with another result after a restart." }
            (job_table(&trends.flaky_jobs))
        }
    };
    let view = View { title: "Trends", current: "/trends", path: "/trends", feed: None };
    Ok(view.list(&params, &content))
}

fn project_table(trends: &Trends) -> Markup {
    let heads =
        ["Project", "Now", "Delivered", "A week", "Failed", "Lead time p50", "Lead time p90", "Time to restore p50"];
    table(
        "Delivery by project",
        &heads,
        &html! {
            @for row in &trends.projects {
                tr {
                    th scope="row" { (or_none(row.project.as_deref())) " " span.dim { (row.system) } }
                    td { @if row.broken { (toned(Tone::Bad, "broken")) } @else { (toned(Tone::Good, "works")) } }
                    td { (row.deployments) } td { (a_week(row, trends.at)) }
                    td {
                        (count(row.failed, Tone::Notice, ""))
                        " "
                        (tenths(1000 * row.failed, row.deployments + row.failed))
                        " %"
                    }
                    td { (seconds(row.lead_p50)) } td { (seconds(row.lead_p90)) } td { (seconds(row.restore_p50)) }
                }
            }
        },
    )
}

fn stage_table(stages: &[LeadStage]) -> Markup {
    let mut heads = vec!["Application"];
    heads.extend(STAGES.map(|(stage, _)| stage));
    // Rows of an application are adjacent.
    let applications = stages.chunk_by(|a, b| a.application == b.application);
    table(
        "Stages from a push to its release",
        &heads,
        &html! {
            @for rows in applications {
                tr {
                    th scope="row" { @match rows[0].application.as_deref() {
                        None => "all applications",
                        Some("") => span.none { "none" },
                        Some(name) => a href={ "/commits?application=" (encode(name)) } { (name) },
                    } }
                    @for (stage, _) in STAGES {
                        @match rows.iter().find(|row| row.stage == stage) {
                            Some(row) => td { (both(row.p50, row.p90)) },
                            None => td { (or_none(None)) },
                        }
                    }
                }
            }
        },
    )
}

fn merge_table(rows: &[MergeTime]) -> Markup {
    table(
        "Merge requests that were merged, the busiest project first",
        &["Project", "Merged", "p50 / p90"],
        &html! {
            @for row in rows {
                tr {
                    th scope="row" { @match &row.project {
                        None => "all projects",
                        Some(name) => a href={ "/mrs?state=merged&project=" (encode(name)) } { (path(name)) },
                    } }
                    td { (row.merged) } td { (both(row.p50, row.p90)) }
                }
            }
        },
    )
}

fn job_table(jobs: &[FlakyJob]) -> Markup {
    table(
        "Flaky jobs, the flakiest first",
        &["Repository", "Job", "Jobs with both", "Runs", "Failed", "Newest build"],
        &html! {
            @for job in jobs {
                tr {
                    th scope="row" {
                        a href={ "/builds?system=travis&project=" (encode(&job.repository)) } {
                            (path(&job.repository))
                        }
                    }
                    td { (or_none(Some(&job.job))) }
                    td { (count(job.jobs, Tone::Notice, "")) }
                    td { (job.runs) }
                    td { (job.failed) }
                    td { a href={ "/builds/travis/" (job.build) } { (job.build) } }
                }
            }
        },
    )
}

fn flaky_table(tests: &[FlakyTest]) -> Markup {
    table(
        "Flaky tests, the flakiest first",
        &["Component", "Scenario", "Runs", "Failed", "Commits with both"],
        &html! {
            @for test in tests {
                tr {
                    th scope="row" { a href={ "/components/" (encode_path(&test.component)) } { (test.component) } }
                    td { (test.scenario) } td { (test.runs) }
                    td { (test.failed) " (" (tenths(1000 * test.failed, test.runs)) " %)" }
                    td { (count(test.commits_with_both, Tone::Notice, "")) }
                }
            }
        },
    )
}

/// Deliveries per week, over the known part of the period, of at least a day.
fn a_week(row: &Delivered, now: Timestamp) -> String {
    let hours = now.duration_since(row.since).as_hours().max(24);
    tenths(10 * 7 * 24 * row.deployments, hours)
}

/// A quotient with one decimal digit; the dividend is in tenths.
fn tenths(tenths: i64, by: i64) -> String {
    let value = if by == 0 { 0 } else { (tenths + by / 2) / by };
    format!("{}.{}", value / 10, value % 10)
}

fn both(p50: f64, p90: f64) -> Markup {
    html! { (seconds(Some(p50))) " / " (seconds(Some(p90))) }
}

fn seconds(seconds: Option<f64>) -> Markup {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown in whole seconds; saturates")]
    let seconds = seconds.map(|seconds| seconds.round() as u64);
    html! { @match seconds { Some(seconds) => (span(seconds)), None => (or_none(None)) } }
}
