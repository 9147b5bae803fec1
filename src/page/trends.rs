//! How well projects deliver (the four measures of DORA), and which tests are flaky.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use jiff::SignedDuration;
use maud::{Markup, html};
use serde::Serialize;

use super::Page;
use super::html::{Tone, count, empty, or_none, span, table, toned};
use super::lists::{self, Field, Place, form, json};
use super::params::{Params, encode_path};
use super::problem::{Problem, ProblemResponses};
use crate::konflux::reads::{self as konflux, FlakyTest};
use crate::store::{Delivered, dora};

/// Rows of each table.
const SHOWN: i64 = 200;

pub(super) fn routes() -> Router<Page> {
    lists::at("/trends", get(page))
}

/// How well projects deliver, and which tests are flaky.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Trends {
    /// Days that are looked at.
    days: i64,
    projects: Vec<Delivered>,
    flaky: Vec<FlakyTest>,
}

/// How well projects deliver, and which tests are flaky.
#[utoipa::path(get, path = "/api/v1/trends",
    params(("days" = Option<i64>, Query, description = "Days that are looked at, 1 to 90; 14 if not given")),
    responses((status = 200, description = "How well projects deliver, and which tests are flaky.", body = Trends), ProblemResponses))]
pub(super) async fn page(State(page): State<Page>, params: Params) -> Result<Response, Problem> {
    let days = params.number("days", 14, 1, 90)?;
    let since = page.now().saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or_else(|_| page.now());
    let mut reader = page.reader().await?;
    let projects = dora(&mut reader, since, SHOWN).await?;
    let trends = Trends { days, projects, flaky: konflux::flaky_tests(&mut reader, since, SHOWN).await? };
    drop(reader);
    if params.wants_json {
        return Ok(json(&trends));
    }
    let choices = [("7", "7 days"), ("14", "14 days"), ("30", "30 days"), ("90", "90 days")];
    let content = html! {
        h1 { "Trends" }
        (form("/trends", &params, &[Field::Choice("days", "Of the last", &choices)]))
        h2 { "Delivery in " (days) " days" }
        p { "Releases of Konflux, and builds of main and master. Lead time is from the push of the commit to its delivery." }
        @if trends.projects.is_empty() { (empty("Nothing was delivered in this time.")) } @else { (project_table(&trends)) }
        h2 { "Flaky tests" }
        p { "Failed and passed on the same commit; or at least 5 runs, of which 20 to 80 in a hundred failed." }
        @if trends.flaky.is_empty() { (empty("No flaky test in this time.")) } @else { (flaky_table(&trends.flaky)) }
    };
    let place = Place { title: "Trends", current: "/trends", path: "/trends", feed: None };
    Ok(place.list(&params, &content))
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
                    td { (row.deployments) } td { (tenths(70 * row.deployments, trends.days)) }
                    td { (count(row.failed, Tone::Notice, "")) " " (tenths(1000 * row.failed, row.deployments + row.failed)) " %" }
                    td { (seconds(row.lead_p50)) } td { (seconds(row.lead_p90)) } td { (seconds(row.restore_p50)) }
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

/// Tenths of something, divided, with one digit after the point.
fn tenths(tenths: i64, by: i64) -> String {
    let value = if by == 0 { 0 } else { (tenths + by / 2) / by };
    format!("{}.{}", value / 10, value % 10)
}

fn seconds(seconds: Option<f64>) -> Markup {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown in whole seconds; saturates")]
    let seconds = seconds.map(|seconds| seconds.round() as u64);
    html! { @match seconds { Some(seconds) => (span(seconds)), None => (or_none(None)) } }
}
