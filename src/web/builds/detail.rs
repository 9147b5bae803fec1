//! Pages of a build of Buildkite, and of a build of Travis CI with its stages and jobs.

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::Build;
use crate::sources::buildkite::reads::{self as buildkite_reads, BuildkiteBuild};
use crate::sources::travis::reads::{self as travis_reads, TravisBuild, TravisJob};
use crate::web::App;
use crate::web::components::{maybe, maybe_whole, took};
use crate::web::html::{Tone, empty, facts, or_none, outside, state, table, time, toned};
use crate::web::lists::{View, json};
use crate::web::params::{self, Params};
use crate::web::problem::{Problem, ProblemResponses};

/// A build of Buildkite.
#[utoipa::path(
    get, path = "/api/v1/builds/buildkite/{id}",
    params(
        ("id" = String, Path, description = "Uuid of the build"),
    ),
    responses((status = 200, description = "A build of Buildkite.", body = BuildkiteBuild), ProblemResponses)
)]
pub(in crate::web) async fn buildkite(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let id = params::name(&id);
    let found = buildkite_reads::builds_by_id(&mut app.reader().await?, &[&id]).await?.pop();
    let Some(row) = found else { return Err(Problem::NotFound(format!("no build of Buildkite has the id {id:?}"))) };
    if params.wants_json {
        return Ok(json(&row));
    }
    let now = app.now();
    let build = Build::from(row.clone());
    let repository = row.repo_host.as_deref().zip(row.repo_path.as_deref());
    let repository = repository.map(|(host, path)| format!("{host}/{path}"));
    let content = html! {
        (heading(&build))
        (facts(&[
            ("Build", outside(row.url().as_deref(), &build.id)),
            ("Organization, pipeline", html! {
                (or_none(row.organization.as_deref())) ", " (or_none(row.pipeline.as_deref()))
            }),
            ("Repository", or_none(repository.as_deref())),
            ("Branch", or_none(row.branch.as_deref())),
            ("Commit", maybe_whole(row.commit.as_deref())),
            ("Blocked at", maybe(row.blocked_state.as_deref(), "not blocked")),
            ("Started by", or_none(row.source.as_deref())),
            ("Started", time(row.started_at, now)),
            ("First failure", time(row.failing_at, now)),
            ("Ended or blocked", html! { (time(row.finished_at, now)) " " (took(row.started_at, row.finished_at)) }),
            ("In this state since", time(Some(row.event_at), now)),
            ("Last message", html! { (row.message_id) " " (time(row.message_at, now)) }),
        ]))
    };
    Ok(view(&build, &params, &content))
}

/// A build of Travis with its jobs.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = TravisBuildDetail)]
pub(in crate::web) struct Detail {
    build: TravisBuild,
    jobs: Vec<TravisJob>,
}

/// A build of Travis with its jobs.
#[utoipa::path(
    get, path = "/api/v1/builds/travis/{id}",
    params(
        ("id" = i64, Path, description = "Id of the build"),
    ),
    responses((status = 200, description = "A build of Travis with its jobs.", body = Detail), ProblemResponses)
)]
pub(in crate::web) async fn travis(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let missing = || Problem::NotFound(format!("no build of Travis has the id {:?}", params::name(&id)));
    let number: i64 = id.parse().map_err(|_| missing())?;
    let mut reader = app.reader().await?;
    let row = travis_reads::builds_by_id(&mut reader, &[number]).await?.pop().ok_or_else(missing)?;
    let found = Detail { build: row, jobs: travis_reads::jobs(&mut reader, number).await? };
    if params.wants_json {
        return Ok(json(&found));
    }
    let now = app.now();
    let row = &found.build;
    let build = Build::from(row.clone());
    let content = html! {
        (heading(&build))
        (facts(&[
            ("Repository", or_none(row.repository.as_deref())),
            ("Branch", or_none(row.branch.as_deref())),
            ("Commit", maybe_whole(row.sha.as_deref())),
            ("Event", html! {
                (or_none(row.event_type.as_deref())) @if let Some(number) = &row.pull_request { " #" (number) }
            }),
            ("Previous state of the branch", maybe(row.previous_state.as_deref(), "unknown")),
            ("Created", time(row.created_at, now)),
            ("Started", time(row.started_at, now)),
            ("Ended", html! { (time(row.finished_at, now)) " " (took(row.started_at, row.finished_at)) }),
            ("Last message", html! { (row.message_id) " " (time(Some(row.message_at), now)) }),
        ]))
        h2 { "Jobs" }
        @if found.jobs.is_empty() { (empty("No jobs are known.")) } @else { (jobs(&found.jobs, now)) }
    };
    Ok(view(&build, &params, &content))
}

fn heading(build: &Build) -> Markup {
    html! {
        h1 { (build.name()) " " (maybe(build.state.as_deref(), "unknown")) }
        p { (or_none(build.title.as_deref())) }
        p {
            img src={ "/badge" (build.path()) ".svg" }
                alt={ (build.name()) ": " (build.state.as_deref().unwrap_or("unknown")) };
        }
    }
}

fn view(build: &Build, params: &Params, content: &Markup) -> Response {
    let (title, path) = (build.name(), build.path());
    let feed = format!("/feed{path}");
    View { title: &title, current: "/builds", path: &path, feed: Some(&feed) }.object(params, content)
}

/// Jobs by stage.
fn jobs(jobs: &[TravisJob], now: Timestamp) -> Markup {
    let heads = ["Job", "State", "Stage", "Queue", "Worker", "Run", "Queued", "Started", "Ended", "Took"];
    table(
        "Jobs by stage",
        &heads,
        &html! {
            @for job in jobs {
                tr {
                    th scope="row" { (job.number.clone().unwrap_or_else(|| job.id.to_string())) }
                    td {
                        (maybe(job.state.as_deref(), "unknown"))
                        @if job.allow_failure { " " (toned(Tone::Quiet, "may fail")) }
                    }
                    td { @if let Some(stage) = &job.stage {
                        (stage) " " @if let Some(stage_state) = &job.stage_state { (state(stage_state)) }
                    } @else if let Some(number) = job.stage_number { (number) } }
                    td { (job.queue.as_deref().unwrap_or_default()) }
                    td { (job.worker.as_deref().unwrap_or_default()) }
                    td { (job.attempt) @if job.reset_count > 0 { ", requeued " (job.reset_count) " times" } }
                    td { (time(job.queued_at, now)) }
                    td { (time(job.started_at, now)) }
                    td { (time(job.finished_at, now)) }
                    td { (took(job.started_at, job.finished_at)) }
                }
            }
        },
    )
}
