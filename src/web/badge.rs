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
use super::tally::Tally;
use super::{App, bots, builds, verdict};
use crate::platform::routing::Routes;
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
        "verdict" => verdict::of_branch(&app, name, params.text("branch")).await?,
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

async fn component(app: &App, name: &str) -> Result<Option<String>, Problem> {
    Ok(konflux::build_state(&mut app.reader().await?, name).await?)
}

async fn merge_request(app: &App, name: &str) -> Result<Option<String>, Problem> {
    let Some((project, iid)) = key(name) else { return Ok(None) };
    let mut reader = app.reader().await?;
    let Some(row) = gitlab::merge_request(&mut reader, &project, iid).await? else { return Ok(None) };
    // For an open merge request, the state of its head is more useful.
    let Some(sha) = row.sha.as_deref().filter(|_| row.state == "opened") else { return Ok(Some(row.state)) };
    let runs = konflux::runs_of_commits(&mut reader, &[sha]).await?;
    let worst = ["build", "test"].map(|kind| Tally::of(&runs, kind)).into_iter().sum::<Tally>().worst();
    Ok(Some(worst.map_or(row.state, str::to_owned)))
}

async fn build(app: &App, name: &str) -> Result<Option<String>, Problem> {
    let Some((system, id)) = name.split_once('/') else { return Ok(None) };
    Ok(builds::find(app, system, id).await?.and_then(|build| build.state))
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
