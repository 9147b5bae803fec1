//! Components: the newest build of each, its test results, and whether it is released.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::App;
use super::html::{Shell, Tone, empty, facts, or_none, outside, path, shell, short, state, table, time, toned};
use super::lists::{Field, ROWS, Rows, form, json, nothing, pager};
use super::params::{self, Params, bad_after, cursor, encode, encode_path, merge_request_path};
use super::problem::{Problem, ProblemResponses};
use crate::checks::is_whole_hash;
use crate::platform::routing::Routes;
use crate::sources::konflux::reads::{self, ComponentDetail, ComponentRow, RunRow};

pub(super) fn routes() -> Routes<App> {
    Routes::new()
        .get("/components", list)
        .get("/components/{*name}", detail)
        .get("/api/v1/components", list_json)
        .get("/api/v1/components/{*name}", detail_json)
}

async fn rows(app: &App, params: &Params) -> Result<Rows<ComponentRow>, Problem> {
    let after = params.after()?;
    let after = after.as_deref().map(|keys| keys.first().ok_or_else(bad_after)).transpose()?;
    let filter = (params.text("application"), params.text("q"), after.map(String::as_str));
    let rows = reads::components(&mut app.reader().await?, filter, ROWS + 1).await?;
    Ok(Rows::new(rows, ROWS, |row| cursor(&[&row.name])))
}

/// Components with their newest build.
#[utoipa::path(
    get, path = "/api/v1/components",
    params(
        ("q" = Option<String>, Query, description = "Text to search for"),
        ("application" = Option<String>, Query, description = "Only of this application"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses(
        (status = 200, description = "Components with their newest build.", body = Rows<ComponentRow>),
        ProblemResponses
    )
)]
pub(super) async fn list_json(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    Ok(json(&rows(&app, &params).await?))
}

async fn list(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    let list = rows(&app, &params).await?;
    if params.wants_json {
        return Ok(json(&list));
    }
    let now = app.now();
    let fields = [Field::Text("q", "Name, project or folder"), Field::Text("application", "Application")];
    let content = html! {
        h1 { "Components" }
        (form("/components", &params, &fields))
        @if let Some(application) = params.text("application") {
            p { a href={ "/commits?application=" (encode(application)) } { "Commits that affect " (application) } }
        }
        @if list.results.is_empty() {
            (nothing("/components", &params, "No components yet. They come from Konflux."))
        } @else {
            (table("Components by name, with the newest build of their branch",
                &["Component", "Application", "Project and folder", "Build", "Tests", "Release", "Built"], &html! {
                @for row in &list.results {
                    tr {
                        th scope="row" { a href={ "/components/" (encode_path(&row.name)) } { (row.name) } }
                        td { @if let Some(application) = &row.application {
                            a href={ "/components?application=" (encode(application)) } { (application) } } }
                        td {
                            (path(row.git_project.as_deref().unwrap_or_default()))
                            " "
                            span.dim { (path(&row.git_context)) }
                        }
                        td { (maybe(row.build_state.as_deref(), "no build")) " " (commit(row.build_sha.as_deref())) }
                        td { (maybe(row.test_state.as_deref(), "no tests")) }
                        td { @match (&row.release, &row.released) {
                            (Some(name), Some(released)) => a href={ "/releases/" (encode_path(name)) } {
                                (state(released))
                            },
                            _ => (maybe(row.release_state.as_deref(), "no release")),
                        } }
                        td { @if row.build.is_some() { (time(row.built_at, now)) } }
                    }
                }
            }))
            (pager("/components", &params, list.next.as_deref()))
        }
    };
    let json = format!("/api/v1/components{}", params.with(&[("refresh", None)]));
    let around =
        Shell { title: "Components", current: "/components", refresh: params.refresh(), json: Some(&json), feed: None };
    Ok(shell(around, &content).into_response())
}

/// A state, or the text for its absence.
pub(super) fn maybe(text: Option<&str>, none: &str) -> Markup {
    html! { @match text { Some(text) => (state(text)), None => (toned(Tone::Quiet, none)) } }
}

/// A commit with a link to its page.
pub(super) fn commit(sha: Option<&str>) -> Markup {
    html! { @if let Some(sha) = sha { a.sha href={ "/commits/" (encode_path(sha)) } title=(sha) { (short(sha)) } } }
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ComponentPage)]
pub(super) struct Detail {
    name: String,
    /// None when only runs of it have arrived.
    component: Option<ComponentDetail>,
    runs: Vec<RunRow>,
}

async fn find(app: &App, name: &str) -> Result<Detail, Problem> {
    let name = params::name(name);
    let mut reader = app.reader().await?;
    let component = reads::component(&mut reader, &name).await?;
    let runs = reads::runs_of_component(&mut reader, &name, 100).await?;
    if component.is_none() && runs.is_empty() {
        return Err(Problem::NotFound(format!("no component is named {name:?}")));
    }
    Ok(Detail { name, component, runs })
}

/// A component with its runs.
#[utoipa::path(
    get, path = "/api/v1/components/{name}",
    params(
        ("name" = String, Path, example = "curl-main", description = "Name of the component"),
    ),
    responses((status = 200, description = "A component with its runs.", body = Detail), ProblemResponses)
)]
pub(super) async fn detail_json(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    Ok(json(&find(&app, &name).await?))
}

async fn detail(State(app): State<App>, Path(name): Path<String>, params: Params) -> Result<Response, Problem> {
    let found = find(&app, &name).await?;
    if params.wants_json {
        return Ok(json(&found));
    }
    let now = app.now();
    let Detail { name, component, runs } = &found;
    let text = |text: &Option<String>| or_none(text.as_deref());
    let content = html! {
        h1 {
            (name)
            @if component.as_ref().is_some_and(|found| found.deleted_at.is_some()) {
                " " (toned(Tone::Quiet, "deleted"))
            }
        }
        @if let Some(component) = component {
            (facts(&[
                ("Application", text(&component.application)),
                ("Project", text(&component.git_project)),
                ("Folder", or_none(Some(&component.git_context))),
                ("Branch", text(&component.git_revision)),
                ("Last built commit", text(&component.last_built_commit)),
                ("Last promoted image", text(&component.last_promoted_image)),
                ("Namespace", text(&component.namespace)),
                ("Last message", html! { (component.message_id) " " (time(component.message_at, now)) }),
            ]))
        } @else { p { "No message about the component itself has arrived, only about its runs." } }
        h2 { "Runs" }
        (run_table(runs, now, false))
    };
    let json = format!("/api/v1/components/{}", encode_path(name));
    let feed = format!("/feed/components/{}", encode_path(name));
    let around =
        Shell { title: name, current: "/components", refresh: params.refresh(), json: Some(&json), feed: Some(&feed) };
    Ok(shell(around, &content).into_response())
}

/// Runs as a table.
pub(super) fn run_table(runs: &[RunRow], now: Timestamp, with_component: bool) -> Markup {
    run_table_of("Runs", runs, now, with_component)
}

/// Runs as a table with its own caption, for pages with several such tables.
pub(super) fn run_table_of(caption: &str, runs: &[RunRow], now: Timestamp, with_component: bool) -> Markup {
    let heads = ["Component", "Run", "Kind", "State", "Tests", "Commit", "For", "Created", "Took", "Message"];
    html! {
        @if runs.is_empty() { (empty("No runs.")) } @else {
            (table(caption, &heads[usize::from(!with_component)..], &html! {
                @for run in runs {
                    tr {
                        @if with_component { th scope="row" {
                            @if let Some(name) = &run.component {
                                a href={ "/components/" (encode_path(name)) } { (name) }
                            }
                        } }
                        td { (outside(run.log_url.as_deref(), &run.name)) }
                        td { (run.kind) @if let Some(scenario) = &run.scenario { " " (scenario) } }
                        td { (state(run.shown_state())) }
                        td { @if let Some(verdict) = &run.verdict { (state(verdict)) } }
                        td { (commit(run.sha.as_deref())) }
                        td { (merge_request(run.project.as_deref(), run.mr_iid)) }
                        td { (time(run.created_at, now)) }
                        td { (took(run.started_at, run.finished_at)) }
                        td { (run.message.as_deref().unwrap_or_default()) }
                    }
                }
            }))
        }
    }
}

/// A commit, with a link to its page if it is a whole hash, not `HEAD` or an abbreviation.
pub(super) fn maybe_whole(sha: Option<&str>) -> Markup {
    html! { @if sha.is_some_and(is_whole_hash) { (commit(sha)) } @else { (or_none(sha)) } }
}

/// A merge request with a link to its page.
pub(super) fn merge_request(project: Option<&str>, iid: Option<i64>) -> Markup {
    html! {
        @if let (Some(project), Some(iid)) = (project, iid) { a.whole href=(merge_request_path(project, iid)) { "!" (iid) } }
    }
}

/// The duration between a start and an end, if both are known.
pub(super) fn took(start: Option<Timestamp>, end: Option<Timestamp>) -> Markup {
    let seconds = start.zip(end).map(|(start, end)| end.duration_since(start).as_secs().max(0).unsigned_abs());
    html! { @if let Some(seconds) = seconds { (super::html::span(seconds)) } }
}
