//! Badges: as SVG, and as JSON for shields.io.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use maud::html;
use serde_json::json;

use super::html::Tone;
use super::merge_requests::key;
use super::params::{self, Params};
use super::problem::Problem;
use super::{App, bots, builds, verdict};
use crate::checks::store::{checks_by_key, projecting_since};
use crate::checks::{Answer, worst};
use crate::platform::routing::Routes;
use crate::reports::Asked;
use crate::sources::bots::Effective;
use crate::sources::gitlab::reads as gitlab;
use crate::sources::konflux::reads as konflux;

pub(super) fn routes() -> Routes<App> {
    Routes::new().get("/badge.svg", all_bots).get("/badge/{kind}/{*name}", one)
}

/// The content of a badge.
struct Badge {
    label: String,
    message: String,
    tone: Tone,
}

async fn all_bots(State(app): State<App>) -> Result<Response, Problem> {
    let bots = bots::all(&mut app.reader().await?, app.now(), None).await?;
    let counts = bots::counts(&bots);
    let worst = counts.iter().find(|(state, number)| *number > 0 && *state != Effective::Gone);
    let (message, tone) = match worst {
        Some((state, number)) => (format!("{number} {}", state.name()), Tone::of(state.name())),
        None => ("none".to_owned(), Tone::Quiet),
    };
    Ok(svg(&Badge { label: "bots".to_owned(), message, tone }))
}

/// `/badge/bots/NAME.svg`, `/badge/components/NAME.json`, `/badge/mr/PROJECT/IID.svg`, `/badge/builds/travis/ID.svg`,
/// `/badge/projects/OWNER/NAME.svg?branch=main`, `/badge/verdict/OWNER/NAME.svg?branch=main`.
async fn one(
    State(app): State<App>,
    Path((kind, file)): Path<(String, String)>,
    params: Params,
) -> Result<Response, Problem> {
    let file = params::name(&file);
    let missing = || {
        let text =
            "expected /badge/{bots,components,mr,builds/buildkite,builds/travis,projects,verdict}/NAME.svg or .json";
        Problem::NotFound(text.to_owned())
    };
    let (name, format) = file.rsplit_once('.').ok_or_else(missing)?;
    if !matches!(kind.as_str(), "projects" | "verdict") && params.text("branch").is_some() {
        return Err(Problem::Bad("branch: only badges of projects and verdicts have one".to_owned()));
    }
    let state = match kind.as_str() {
        "bots" => bot(&app, name).await?,
        "components" => component(&app, name).await?,
        "mr" => merge_request(&app, name).await?,
        "builds" => build(&app, name).await?,
        "verdict" => Some(branch(&app, name, params.text("branch")).await?),
        "projects" => project(&app, name, params.text("branch")).await?,
        _ => return Err(missing()),
    };
    // A badge of an unknown object is a badge, not an error: other sites embed it.
    let state = state.unwrap_or_else(|| "unknown".to_owned());
    let badge = Badge { label: name.to_owned(), tone: Tone::of(&state), message: state.replace('_', " ") };
    match format {
        "svg" => Ok(svg(&badge)),
        "json" => Ok(shields(&badge)),
        _ => Err(missing()),
    }
}

async fn bot(app: &App, name: &str) -> Result<Option<String>, Problem> {
    let bot = bots::all(&mut app.reader().await?, app.now(), Some(name)).await?.pop();
    Ok(bot.map(|bot| bot.effective.to_owned()))
}

/// The worst of what the component is at on its branch.
async fn component(app: &App, name: &str) -> Result<Option<String>, Problem> {
    let mut reader = app.reader().await?;
    let rows = konflux::newest_of_component(&mut reader, name).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let checks = checks_by_key(&mut reader, "konflux", &rows).await?;
    let is_complete = checks.len() == rows.len() || projecting_since(&mut reader).await?.is_none();
    Ok(Some(verdict::word(worst(&checks, app.now()), !is_complete)))
}

/// The verdict of the head of an open merge request; the state of another one.
async fn merge_request(app: &App, name: &str) -> Result<Option<String>, Problem> {
    let Some((project, iid)) = key(name) else { return Ok(None) };
    let Some(row) = gitlab::merge_request(&mut app.reader().await?, &project, iid).await? else { return Ok(None) };
    if row.state != "opened" || row.sha.is_none() {
        return Ok(Some(row.state));
    }
    let found = verdict::of(app, &Asked::MergeRequest(iid), &project).await?;
    let has_checks = found.verdict.verdict != Answer::None || !found.verdict.reasons.is_empty();
    Ok(Some(if has_checks { verdict::word_of(&found.verdict) } else { row.state }))
}

async fn build(app: &App, name: &str) -> Result<Option<String>, Problem> {
    let Some((system, id)) = name.split_once('/') else { return Ok(None) };
    Ok(builds::find(app, system, id).await?.and_then(|build| build.state))
}

/// The verdict of the newest commit of a branch; of the default branch if none is given.
async fn branch(app: &App, repo: &str, branch: Option<&str>) -> Result<String, Problem> {
    let found = verdict::of(app, &Asked::Branch(branch.map(str::to_owned)), repo).await?;
    Ok(verdict::word_of(&found.verdict))
}

async fn project(app: &App, name: &str, branch: Option<&str>) -> Result<Option<String>, Problem> {
    Ok(builds::of_project(app, name, branch, 1).await?.pop().and_then(|build| build.state))
}

const CACHED: (header::HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=60");

/// <https://shields.io/badges/endpoint-badge>
fn shields(badge: &Badge) -> Response {
    let color = match badge.tone {
        Tone::Good => "success",
        Tone::Notice => "important",
        Tone::Bad => "critical",
        Tone::Running => "informational",
        Tone::Quiet => "inactive",
    };
    let body = json!({"schemaVersion": 1, "label": badge.label, "message": badge.message, "color": color});
    ([CACHED], axum::Json(body)).into_response()
}

/// Two boxes with text. The colours have a contrast of at least 4.5 with white.
fn svg(badge: &Badge) -> Response {
    let color = match badge.tone {
        Tone::Good => "#116329",
        Tone::Notice => "#7d4e00",
        Tone::Bad => "#b3141d",
        Tone::Running => "#0550ae",
        Tone::Quiet => "#57606a",
    };
    let width = |text: &str| 12 + 7 * text.chars().take(60).count();
    let short = |text: &str| -> String { text.chars().take(60).collect() };
    let (label, message) = (short(&badge.label), short(&badge.message));
    let (left, right) = (width(&label), width(&message));
    let text = format!("{label}: {message}");
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(left + right) height="20" role="img" aria-label=(text) {
            title { (text) }
            rect width=(left) height="20" fill="#333" {}
            rect x=(left) width=(right) height="20" fill=(color) {}
            g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11" {
                text x=(left / 2) y="14" { (label) }
                text x=(left + right / 2) y="14" { (message) }
            }
        }
    };
    let document = super::text::document(svg.into_string());
    ([CACHED, (header::CONTENT_TYPE, "image/svg+xml")], document).into_response()
}
