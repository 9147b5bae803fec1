//! What is broken now: HTML, JSON, and `cctray.xml` for monitors of builds; and the history of one series.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};

use super::App;
use super::components::{commit, took};
use super::feed::base;
use super::html::{Tone, facts, or_none, outside, path, state, table, time, toned};
use super::lists::{self, Field, ROWS, Rows, View, json};
use super::params::{self, Params, bad_after, cursor};
use super::problem::{Problem, ProblemResponses};
use super::text;
use crate::checks::Lane;
use crate::platform::routing::Routes;
use crate::reports::{SeriesFilter, SeriesHistory, SeriesItem, SeriesRow, broken, series, series_history};

/// Most rows of a page of the API, and series in `cctray.xml`.
const MOST: i64 = 500;

pub(super) fn routes() -> Routes<App> {
    lists::at("/broken", list).merge(lists::at("/series/{id}", show)).get("/cctray.xml", cctray)
}

fn filter(params: &Params) -> Result<SeriesFilter, Problem> {
    let lanes: Vec<&str> = Lane::ALL.iter().filter(|lane| lane.has_series()).map(|lane| lane.name()).collect();
    let text = |name: &str| params.text(name).map(str::to_owned);
    Ok(SeriesFilter {
        system: text("system"),
        repo: text("repo"),
        branch: text("branch"),
        lane: params.one_of("lane", &lanes)?.map(str::to_owned),
        name: text("name"),
        all_branches: params.text("all").is_some(),
        optional: params.text("optional").is_some(),
    })
}

async fn rows(app: &App, params: &Params) -> Result<Rows<SeriesItem>, Problem> {
    let after = match params.after()?.as_deref() {
        None => None,
        Some([since, id]) if is_id(id) => Some((params::time(since)?, id.clone())),
        Some(_) => return Err(bad_after()),
    };
    let limit = params.number("limit", ROWS, 1, MOST)?;
    let after = after.as_ref().map(|(since, id)| (*since, id.as_str()));
    let found = broken(&mut app.reader().await?, &filter(params)?, after, limit + 1, app.now()).await?;
    let key = |item: &SeriesItem| cursor(&[&item.series.since.unwrap_or_default().to_string(), &item.series.id]);
    Ok(Rows::new(found, limit, key))
}

/// Whether a text is the id of a series: a UUID.
fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// What is broken now, newest first: series of default branches, releases and tags whose newest result is a failure.
#[utoipa::path(
    get, path = "/api/v1/broken",
    params(
        ("system" = Option<String>, Query, description = "Only of this source"),
        ("repo" = Option<String>, Query, description = "Only of this repository"),
        ("branch" = Option<String>, Query, description = "Only of this branch; also one that is no default branch"),
        (
            "lane" = Option<String>, Query, pattern = "^(|push|schedule|tag|release|dispatch)$",
            description = "Only checks that ran for this reason"
        ),
        ("name" = Option<String>, Query, description = "Part of the name"),
        ("all" = Option<String>, Query, description = "Of all branches, if given"),
        ("optional" = Option<String>, Query, description = "Also checks whose failure is allowed, if given"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Rows of a page, 50 by default"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses((status = 200, description = "What is broken now, newest first.", body = Rows<SeriesItem>), ProblemResponses)
)]
pub(super) async fn list(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    let list = rows(&app, &params).await?;
    if params.wants_json {
        return Ok(json(&list));
    }
    let now = app.now();
    let lanes = ["push", "schedule", "tag", "release", "dispatch"].map(|lane| (lane, lane));
    let fields = [
        Field::Text("name", "Name"),
        Field::Text("system", "System"),
        Field::Text("repo", "Repository"),
        Field::Text("branch", "Branch"),
        Field::Choice("lane", "Lane", &lanes),
        Field::Tick("all", "All branches"),
        Field::Tick("optional", "Also optional checks"),
    ];
    let view = View { title: "Broken now", current: "/broken", path: "/broken", feed: Some("/feed/transitions.atom") };
    let none = "Nothing is broken on the default branches.";
    let content = html! {
        h1 { "Broken now" }
        (view.rows(&params, &fields, &list, none, |items| series_table("Broken now, newest first", items, now)))
    };
    Ok(view.list(&params, &content))
}

/// One series with its last 100 results.
#[utoipa::path(
    get, path = "/api/v1/series/{id}",
    params(("id" = String, Path, description = "Its id, as lists of series have it")),
    responses((status = 200, description = "The series, its last results first.", body = SeriesHistory), ProblemResponses)
)]
pub(super) async fn show(State(app): State<App>, Path(id): Path<String>, params: Params) -> Result<Response, Problem> {
    let unknown = || Problem::NotFound(format!("no series has the id {id:?}, or its branch was deleted"));
    let wanted = if is_id(&id) { id.replace('-', "") } else { id.clone() };
    let found = series_history(&mut app.reader().await?, &wanted, app.now()).await?.ok_or_else(unknown)?;
    if params.wants_json {
        return Ok(json(&found));
    }
    let (now, series) = (app.now(), &found.item.series);
    let address = format!("/series/{}", series.id);
    let view = View { title: &series.name, current: "/broken", path: &address, feed: None };
    let content = html! {
        h1 { (series.system) " " (series.name) " " (state(&series.state)) }
        (summary(&found.item, now))
        (table("Last results, newest first", &["Commit", "State", "Change", "Placed", "Ended", "Took"], &html! {
            @for result in &found.history {
                tr {
                    th scope="row" {
                        @match &result.sha { Some(sha) => (commit(Some(sha))), None => (result.point) }
                    }
                    td {
                        (outside(result.url.as_deref(), &result.state))
                        @if result.flaky { " " (toned(Tone::Notice, "flaky")) }
                        @if result.log_url.is_some() { " " (outside(result.log_url.as_deref(), "log")) }
                    }
                    td { (or_none(result.transition.as_deref())) }
                    td { (time(Some(result.place), now)) }
                    td { (time(Some(result.at), now)) }
                    td { (took(result.started_at, Some(result.at))) }
                }
            }
        }))
    };
    Ok(view.object(&params, &content))
}

/// What is known of a series, as names and values.
fn summary(item: &SeriesItem, now: Timestamp) -> Markup {
    let series = &item.series;
    let since = if series.outcome == "bad" { "Broken since" } else { "Good since" };
    let before = if series.outcome == "bad" { "Last good commit" } else { "Last bad commit" };
    facts(&[
        ("Repository", path(&series.repo)),
        ("Branch", or_none(Some(&series.branch))),
        ("Lane", html! { (series.lane) }),
        (since, html! { (time(series.since, now)) " " (point(series.first_point.as_deref())) }),
        (before, point(series.before_point.as_deref())),
        ("Suspects", suspects(item)),
        ("Flaky", flaky(item)),
    ])
}

/// A commit, or the key of a check.
fn point(point: Option<&str>) -> Markup {
    match point.filter(|point| crate::checks::is_whole_hash(point)) {
        Some(sha) => commit(Some(sha)),
        None => or_none(point),
    }
}

fn flaky(item: &SeriesItem) -> Markup {
    let (flaky, all) = (item.series.flaky, item.series.results);
    let text = format!("{flaky} of {all}");
    html! { @if item.is_flaky { (toned(Tone::Notice, text)) } @else { (text) } }
}

/// The commits that may have broken a series.
fn suspects(item: &SeriesItem) -> Markup {
    html! {
        @if item.series.outcome == "bad" {
            @if !item.suspects_complete { span.dim { "at least " } }
            (item.suspects.len().max(1))
            @for suspect in item.suspects.iter().rev().take(3) {
                " " (commit(Some(&suspect.sha)))
                @if let Some(name) = suspect.author.as_deref().or(suspect.pushed_by.as_deref()) {
                    " " span.dim { (name) }
                }
            }
        }
    }
}

/// Series as a table.
pub(super) fn series_table(caption: &str, items: &[SeriesItem], now: Timestamp) -> Markup {
    let heads = ["Check", "State", "Repository", "Branch", "Since", "First bad", "Last good", "Suspects", "Flaky"];
    table(
        caption,
        &heads,
        &html! {
            @for item in items {
                @let series = &item.series;
                tr {
                    th scope="row" { a href={ "/series/" (series.id) } { (series.system) " " (series.name) } }
                    td {
                        (outside(series.url.as_deref(), &series.state))
                        @if series.log_url.is_some() { " " (outside(series.log_url.as_deref(), "log")) }
                    }
                    td { (path(&series.repo)) }
                    td {
                        (or_none(Some(&series.branch)))
                        @if series.lane != "push" { " " span.dim { (series.lane) } }
                    }
                    td { (time(series.since, now)) }
                    td { (point(series.first_point.as_deref())) }
                    td { (point(series.before_point.as_deref())) }
                    td { (suspects(item)) }
                    td { (flaky(item)) }
                }
            }
        },
    )
}

/// Series for monitors of builds (<https://cctray.org/v1/>): those of default branches, releases and tags, or of one
/// branch.
async fn cctray(State(app): State<App>, params: Params, headers: HeaderMap) -> Result<Response, Problem> {
    let base = base(&headers);
    let found = series(&mut app.reader().await?, &filter(&params)?, MOST, app.now()).await?;
    let body = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"utf-8\"?>"))
        Projects { @for item in &found { (PreEscaped(project(item, &base))) } }
    };
    let kind = [
        (header::CONTENT_TYPE, "application/xml; charset=utf-8"),
        (header::CACHE_CONTROL, "max-age=60"),
        (header::VARY, "host"),
    ];
    Ok((kind, text::document(body.into_string())).into_response())
}

/// An element of `cctray.xml`.
fn project(series: &SeriesRow, base: &str) -> String {
    let status = match (series.outcome.as_str(), series.state.as_str()) {
        ("ok", _) => "Success",
        (_, "errored") => "Exception",
        _ => "Failure",
    };
    let parts = [&series.host, &series.repo, &series.branch, &series.name];
    let name = parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
    let attribute = |name: &str, value: &str| format!(" {name}=\"{}\"", html! { (value) }.into_string());
    let mut element = "<Project".to_owned();
    for (name, value) in [
        ("name", format!("{} {name}", series.system)),
        ("activity", "Sleeping".to_owned()),
        ("lastBuildStatus", status.to_owned()),
        ("lastBuildLabel", series.sha.clone().unwrap_or_default()),
        ("lastBuildTime", series.at.to_string()),
        ("webUrl", series.url.clone().unwrap_or_else(|| format!("{base}/series/{}", series.id))),
    ] {
        element.push_str(&attribute(name, &value));
    }
    element + "/>"
}
