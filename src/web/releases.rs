//! Releases: failures and their reasons, releases in progress, held up objects, and snapshots that were superseded.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::Serialize;

use super::App;
use super::components::commit;
use super::html::{Shell, Tone, facts, or_none, shell, state, table, time, toned};
use super::lists::{Field, ROWS, Rows, SORT, form, json, nothing, pager};
use super::params::{self, Params, bad_after, cursor, encode, encode_path};
use super::problem::{Problem, ProblemResponses};
use crate::platform::routing::Routes;
use crate::sources::konflux::reads::{self, HeldUp, ReleaseFilter, ReleaseGroup, ReleaseRow, Superseded};

const STATES: [&str; 4] = ["failed", "running", "pending", "succeeded"];
/// Period of the failures that are grouped.
const GROUPED: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Oldest objects among which held up ones are searched for.
const HELD_UP_SINCE: SignedDuration = SignedDuration::from_hours(24 * 7);
/// Newest objects among which held up ones are searched for: their successors have had time to appear.
const HELD_UP_UNTIL: SignedDuration = SignedDuration::from_hours(2);
/// Most held up objects that are shown.
const HELD_UP: i64 = 20;

pub(super) fn routes() -> Routes<App> {
    Routes::new()
        .get("/releases", list)
        .get("/releases/{*name}", detail)
        .get("/api/v1/releases", list_json)
        .get("/api/v1/releases/{*name}", detail_json)
}

/// A page of releases; the first one has recent failures, too.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ReleaseList)]
pub(super) struct List {
    #[serde(flatten)]
    rows: Rows<ReleaseRow>,
    /// Failures of the last 30 days by plan, phase, reason and task.
    groups: Vec<ReleaseGroup>,
    /// Objects of the last 7 days that are held up on their way to a release.
    held_up: Vec<HeldUp>,
    /// Snapshots that were released within a newer one.
    superseded: Vec<Superseded>,
}

async fn read(app: &App, params: &Params) -> Result<List, Problem> {
    let after = match params.after()?.as_deref() {
        None => None,
        Some([at, name]) => Some((params::time(at)?, name.clone())),
        Some(_) => return Err(bad_after()),
    };
    let first = after.is_none();
    let filter = ReleaseFilter {
        state: params.one_of("state", &STATES)?,
        application: params.text("application"),
        release_plan: params.text("plan"),
        text: params.text("q"),
        after,
        oldest_first: params.oldest_first()?,
    };
    let mut reader = app.reader().await?;
    let rows = reads::releases(&mut reader, &filter, ROWS + 1).await?;
    let key = |row: &ReleaseRow| cursor(&[&row.created_at.unwrap_or_default().to_string(), &row.name]);
    let rows = Rows::new(rows, ROWS, key);
    let mut list = List { rows, groups: Vec::new(), held_up: Vec::new(), superseded: Vec::new() };
    if first {
        let ago = |span: SignedDuration| app.now().saturating_sub(span).unwrap_or_else(|_| app.now());
        list.groups = reads::failed_release_groups(&mut reader, ago(GROUPED)).await?;
        list.held_up = reads::held_up(&mut reader, ago(HELD_UP_SINCE), ago(HELD_UP_UNTIL), HELD_UP).await?;
        list.superseded = reads::superseded(&mut reader, ago(GROUPED)).await?;
    }
    Ok(list)
}

/// Releases, and on the first page recent failures.
#[utoipa::path(
    get, path = "/api/v1/releases",
    params(
        (
            "q" = Option<String>, Query,
            description = "Text to search for, in the first 10,000 rows that match the other filters"
        ),
        (
            "state" = Option<String>, Query, pattern = "^(|failed|running|pending|succeeded)$",
            description = "failed, running, pending or succeeded"
        ),
        ("application" = Option<String>, Query, description = "Only of this application"),
        ("plan" = Option<String>, Query, description = "Only of this plan"),
        ("sort" = Option<String>, Query, pattern = "^(|newest|oldest)$", description = "newest or oldest first"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses(
        (status = 200, description = "Releases, and on the first page recent failures.", body = List),
        ProblemResponses
    )
)]
pub(super) async fn list_json(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    Ok(json(&read(&app, &params).await?))
}

async fn list(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    let list = read(&app, &params).await?;
    if params.wants_json {
        return Ok(json(&list));
    }
    let now = app.now();
    let choices = STATES.map(|state| (state, state));
    let fields = [
        Field::Text("q", "Name, reason or message"),
        Field::Choice("state", "State", &choices),
        Field::Text("application", "Application"),
        Field::Text("plan", "Plan"),
        SORT,
    ];
    let content = html! {
        h1 { "Releases" }
        (groups(&list.groups, now))
        @if !list.held_up.is_empty() { h2 { "Held up" } (held_up_table(&list.held_up, now)) }
        (form("/releases", &params, &fields))
        @if list.rows.results.is_empty() {
            (nothing("/releases", &params, "No releases yet. They come from Konflux."))
        } @else {
            (release_table(&list.rows.results, now))
            (pager("/releases", &params, list.rows.next.as_deref()))
        }
        @if !list.superseded.is_empty() {
            h2 { "Superseded" }
            p { "Released with a newer snapshot: these are not failures." }
            (table("Superseded snapshots of 30 days, newest first",
                &["Snapshot", "Component", "Created", "Message"], &html! {
                @for row in &list.superseded {
                    tr {
                        th scope="row" { (row.name) } td { (or_none(row.component.as_deref())) }
                        td { (time(row.created_at, now)) } td { (row.release_message.as_deref().unwrap_or_default()) }
                    }
                }
            }))
        }
    };
    let json = format!("/api/v1/releases{}", params.with(&[("refresh", None)]));
    let around =
        Shell { title: "Releases", current: "/releases", refresh: params.refresh(), json: Some(&json), feed: None };
    Ok(shell(around, &content).into_response())
}

fn groups(groups: &[ReleaseGroup], now: Timestamp) -> Markup {
    let heads = ["Plan", "Phase", "Reason", "Last task", "Failed", "Newest"];
    html! {
        @if !groups.is_empty() {
            (table("Failures of 30 days by reason", &heads, &html! {
                @for group in groups {
                    tr {
                        th scope="row" {
                            a href={ "/releases?state=failed&plan=" (encode(&group.release_plan)) } {
                                (or_none(Some(&group.release_plan)))
                            }
                        }
                        td { (group.failed_phase) } td { (group.reason) } td { (group.last_task) }
                        td { (toned(Tone::Bad, group.releases)) } td { (time(group.newest, now)) }
                    }
                }
            }))
        }
    }
}

/// Objects whose next step did not happen.
fn held_up_table(rows: &[HeldUp], now: Timestamp) -> Markup {
    let heads = ["Problem", "Name", "Component", "Commit", "Since", "Message"];
    table(
        "Objects of 7 days that are held up on their way to a release, newest first",
        &heads,
        &html! {
            @for row in rows {
                tr {
                    td { (toned(Tone::Notice, &row.what)) }
                    th scope="row" { (row.name) }
                    td {
                        @if let Some(name) = &row.component { a href={ "/components/" (encode_path(name)) } { (name) } }
                    }
                    td { (commit(row.sha.as_deref())) } td { (time(row.since, now)) }
                    td { (row.why.as_deref().unwrap_or_default()) }
                }
            }
        },
    )
}

/// Releases as a table.
pub(super) fn release_table(rows: &[ReleaseRow], now: Timestamp) -> Markup {
    let heads = ["Release", "State", "Component", "Plan", "Commit", "Attempts", "Created", "Reason"];
    html! {
        (table("Releases", &heads, &html! {
            @for row in rows {
                tr {
                    th scope="row" { a href={ "/releases/" (encode_path(&row.name)) } { (row.name) } }
                    td { (state(&row.state)) }
                    td { @match &row.component {
                        Some(name) => a href={ "/components/" (encode_path(name)) } { (name) },
                        None => (or_none(row.snapshot.as_deref())),
                    } }
                    td { (or_none(row.release_plan.as_deref())) }
                    td { (commit(row.sha.as_deref())) }
                    td { (row.attempt_count) }
                    td { (time(row.created_at, now)) }
                    td { @if row.state == "failed" { (why(row)) } }
                }
            }
        }))
    }
}

/// Why a release failed, in short.
fn why(row: &ReleaseRow) -> Markup {
    let parts = [&row.failed_phase, &row.failure_reason, &row.last_task, &row.message];
    let parts: Vec<&str> = parts.into_iter().filter_map(|part| part.as_deref()).collect();
    html! { (parts.join(" · ")) }
}

async fn find(app: &App, name: &str) -> Result<ReleaseRow, Problem> {
    let name = params::name(name);
    let found = reads::release(&mut app.reader().await?, &name).await?;
    found.ok_or_else(|| Problem::NotFound(format!("no release is named {name:?}")))
}

/// A release.
#[utoipa::path(
    get, path = "/api/v1/releases/{name}",
    params(
        (
            "name" = String, Path, example = "rpms-main-20260310-112901-230-8389e37-n0st4",
            description = "Name of the release"
        ),
    ),
    responses((status = 200, description = "A release.", body = ReleaseRow), ProblemResponses)
)]
pub(super) async fn detail_json(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    Ok(json(&find(&app, &name).await?))
}

async fn detail(State(app): State<App>, Path(name): Path<String>, params: Params) -> Result<Response, Problem> {
    let row = find(&app, &name).await?;
    if params.wants_json {
        return Ok(json(&row));
    }
    let now = app.now();
    let text = |text: &Option<String>| or_none(text.as_deref());
    let content = html! {
        h1 { (row.name) " " (state(&row.state)) }
        (facts(&[
            ("Application", text(&row.application)), ("Component", text(&row.component)),
            ("Snapshot", text(&row.snapshot)), ("Plan", text(&row.release_plan)), ("Target", text(&row.target)),
            ("Commit", commit(row.sha.as_deref())), ("Author", text(&row.author)),
            ("Attempts", html! { (row.attempt_count) }), ("Failed phase", text(&row.failed_phase)),
            ("Reason", text(&row.reason)), ("Reason of the last attempt", text(&row.failure_reason)),
            ("Last task", text(&row.last_task)), ("Message", text(&row.message)),
            ("Created", time(row.created_at, now)), ("Started", time(row.started_at, now)),
            ("Finished", time(row.finished_at, now)), ("Last message", html! { (row.message_id) }),
        ]))
    };
    let json = format!("/api/v1/releases/{}", encode_path(&row.name));
    let around =
        Shell { title: &row.name, current: "/releases", refresh: params.refresh(), json: Some(&json), feed: None };
    Ok(shell(around, &content).into_response())
}
