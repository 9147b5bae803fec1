//! Environments of GitLab projects: what is deployed where, since when, from which commit and merge request.

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};

use super::App;
use super::components::{maybe_whole, merge_request};
use super::html::{or_none, outside, path, short, state, table, time};
use super::lists::{self, Field, ROWS, Rows, View, json};
use super::params::{Params, bad_after, cursor, encode};
use super::problem::{Problem, ProblemResponses};
use crate::platform::routing::Routes;
use crate::sources::gitlab::reads::{self, EnvironmentRow};

/// Tiers of environments at GitLab.
const TIERS: [&str; 5] = ["production", "staging", "testing", "development", "other"];

pub(super) fn routes() -> Routes<App> {
    lists::at("/environments", list)
}

/// Environments, and what is deployed there.
#[utoipa::path(
    get, path = "/api/v1/environments",
    params(
        ("project" = Option<String>, Query, description = "Only of this project"),
        (
            "tier" = Option<String>, Query, pattern = "^(|production|staging|testing|development|other)$",
            description = "production, staging, testing, development or other"
        ),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses(
        (status = 200, description = "Environments, and what is deployed there.", body = Rows<EnvironmentRow>),
        ProblemResponses
    )
)]
pub(super) async fn list(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    let after = params.after()?;
    let after = match after.as_deref() {
        None => None,
        Some([project, name]) => Some((project.as_str(), name.as_str())),
        Some(_) => return Err(bad_after()),
    };
    let tier = params.one_of("tier", &TIERS)?;
    let mut reader = app.reader().await?;
    let found = reads::environments(&mut reader, params.text("project"), tier, after, ROWS + 1).await?;
    let list = Rows::new(found, ROWS, |row| cursor(&[&row.project, &row.environment]));
    if params.wants_json {
        return Ok(json(&list));
    }
    let tiers = TIERS.map(|tier| (tier, tier));
    let fields = [Field::Text("project", "Project"), Field::Choice("tier", "Tier", &tiers)];
    let view = View { title: "Environments", current: "/environments", path: "/environments", feed: None };
    let none = "No deployments yet. They come from GitLab: enable the trigger Deployment events of a webhook.";
    let content = html! {
        h1 { "Environments" }
        (view.rows(&params, &fields, &list, none, |rows| environment_table(rows, app.now())))
    };
    Ok(view.list(&params, &content))
}

fn environment_table(rows: &[EnvironmentRow], now: Timestamp) -> Markup {
    let heads = [
        "Environment",
        "Project",
        "Tier",
        "Commit",
        "Title",
        "Merge request",
        "From",
        "By",
        "Since",
        "Last deployment",
    ];
    let rows = html! {
        @for row in rows {
            tr {
                th scope="row" { (outside(row.environment_url.as_deref(), &row.environment)) }
                td { a href={ "/environments?project=" (encode(&row.project)) } { (path(&row.project)) } }
                td { (or_none(row.tier.as_deref())) }
                td {
                    @if row.is_known { (maybe_whole(row.sha.as_deref())) } @else {
                        (outside(row.commit_url.as_deref(), row.sha.as_deref().map(short).unwrap_or_default()))
                    }
                }
                td { (row.title.as_deref().unwrap_or_default()) }
                td { (merge_request(Some(&row.project), row.mr)) }
                td { (row.branch.as_deref().unwrap_or_default()) }
                td { (row.username.as_deref().unwrap_or_default()) }
                td { @if row.deployment.is_some() { (time(row.since, now)) } @else { span.none { "nothing" } } }
                td {
                    (state(if row.last_status == "success" { "passed" } else { &row.last_status })) " "
                    (time(row.last_at, now))
                }
            }
        }
    };
    table("What is deployed where", &heads, &rows)
}
