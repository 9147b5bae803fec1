//! Pipelines of GitLab CI: a list, and one pipeline with its stages and jobs, what failed first.

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::App;
use super::components::{maybe_whole, merge_request, took};
use super::html::{Tone, empty, facts, or_none, outside, path, short, state, table, time, toned};
use super::lists::{self, Field, ROWS, Rows, View, json};
use super::params::{self, Params, bad_after, cursor, encode, encode_path};
use super::problem::{Problem, ProblemResponses};
use crate::platform::routing::Routes;
use crate::sources::gitlab::reads::{self, ChildRow, JobRow, PipelineDetail, PipelineFilter, PipelineRow};

/// Values of the filter `state`, and the statuses that each selects.
const STATES: &[(&str, &[&str])] = &[
    ("failed", &["failed"]),
    ("running", &["running", "canceling"]),
    ("waiting", &["created", "waiting_for_resource", "preparing", "pending", "manual", "scheduled"]),
    ("passed", &["success"]),
    ("canceled", &["canceled", "skipped"]),
];

pub(super) fn routes() -> Routes<App> {
    lists::at("/pipelines", list).merge(lists::at("/pipelines/{host}/{id}", detail))
}

/// Path of the page of a pipeline.
fn page(host: &str, id: i64) -> String {
    format!("/pipelines/{}/{id}", encode_path(host))
}

/// The state of a pipeline or a job: of its check, else its status in our words.
fn shown(status: &str) -> Markup {
    match status {
        "success" => state("passed"),
        "preparing" | "waiting_for_resource" => toned(Tone::Running, status.replace('_', " ")),
        "manual" => toned(Tone::Notice, status),
        status => state(status),
    }
}

/// A merge request, with a link if it is known here.
fn request(project: &str, iid: Option<i64>, known: Option<i64>) -> Markup {
    html! {
        @if known.is_some() { (merge_request(Some(project), known)) } @else if let Some(iid) = iid { "!" (iid) }
    }
}

/// The commit that a check is about, with a link, else the one that the pipeline names.
fn commit_of(checked: Option<&str>, sha: Option<&str>) -> Markup {
    html! { @if checked.is_some() { (maybe_whole(checked)) } @else { (sha.map(short).unwrap_or_default()) } }
}

async fn rows(app: &App, params: &Params) -> Result<Rows<PipelineRow>, Problem> {
    let after = match params.after()?.as_deref() {
        None => None,
        Some([at, host, id]) => Some((params::time(at)?, host.clone(), id.parse::<i64>().map_err(|_| bad_after())?)),
        Some(_) => return Err(bad_after()),
    };
    let chosen = params.one_of("state", &STATES.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
    let filter = PipelineFilter {
        statuses: chosen.and_then(|state| STATES.iter().find(|(name, _)| *name == state)).map(|(_, all)| *all),
        project: params.text("project"),
        branch: params.text("branch"),
        text: params.text("q"),
        after: after.as_ref().map(|(at, host, id)| (*at, host.as_str(), *id)),
    };
    let found = reads::pipelines(&mut app.reader().await?, &filter, ROWS + 1).await?;
    let key = |row: &PipelineRow| cursor(&[&row.version_at.to_string(), &row.host, &row.id.to_string()]);
    Ok(Rows::new(found, ROWS, key))
}

/// Pipelines of GitLab CI, newest change first.
#[utoipa::path(
    get, path = "/api/v1/pipelines",
    params(
        (
            "q" = Option<String>, Query,
            description = "Text to search for, in the first 10,000 rows that match the other filters"
        ),
        (
            "state" = Option<String>, Query, pattern = "^(|failed|running|waiting|passed|canceled)$",
            description = "failed, running, waiting, passed or canceled"
        ),
        ("project" = Option<String>, Query, description = "Only of this project"),
        ("branch" = Option<String>, Query, description = "Only of this branch or tag"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses(
        (status = 200, description = "Pipelines of GitLab CI, newest change first.", body = Rows<PipelineRow>),
        ProblemResponses
    )
)]
pub(super) async fn list(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    let list = rows(&app, &params).await?;
    if params.wants_json {
        return Ok(json(&list));
    }
    let states: Vec<_> = STATES.iter().map(|(name, _)| (*name, *name)).collect();
    let fields = [
        Field::Text("q", "Title, number, branch or commit"),
        Field::Choice("state", "State", &states),
        Field::Text("project", "Project"),
        Field::Text("branch", "Branch or tag"),
    ];
    let view = View { title: "Pipelines", current: "/pipelines", path: "/pipelines", feed: None };
    let none =
        "No pipelines yet. They come from GitLab: enable the triggers Pipeline events and Job events of a webhook.";
    let content = html! {
        h1 { "Pipelines" }
        (view.rows(&params, &fields, &list, none, |rows| pipeline_table(rows, app.now())))
    };
    Ok(view.list(&params, &content))
}

fn pipeline_table(rows: &[PipelineRow], now: Timestamp) -> Markup {
    let heads =
        ["Pipeline", "State", "Failed job", "Project", "Branch", "Merge request", "Commit", "Cause", "Changed", "Took"];
    let rows = html! {
        @for row in rows {
            tr {
                @let name = row.name.clone().unwrap_or_else(|| format!("#{}", row.id));
                th scope="row" { a href=(page(&row.host, row.id)) { (name) } }
                td { (shown(row.state.as_deref().unwrap_or(&row.status))) }
                td {
                    @if let Some(job) = &row.failed_job {
                        (job) @if let Some(reason) = &row.failure_reason { ": " (reason.replace('_', " ")) }
                    }
                }
                td { a href={ "/pipelines?project=" (encode(&row.project)) } { (path(&row.project)) } }
                td { (row.branch.as_deref().unwrap_or_default()) }
                td { (request(&row.project, row.mr_iid, row.mr)) }
                td {
                    (commit_of(row.commit.as_deref(), row.sha.as_deref())) " "
                    (row.title.as_deref().unwrap_or_default())
                }
                td { (row.source.replace('_', " ")) }
                td { (time(Some(row.version_at), now)) }
                td { (took(row.started_at, row.finished_at)) }
            }
        }
    };
    table("Pipelines, newest change first", &heads, &rows)
}

/// A pipeline with its jobs.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = PipelinePage)]
pub(super) struct Detail {
    pipeline: PipelineDetail,
    /// Its jobs: those that failed first.
    jobs: Vec<JobRow>,
    /// The pipelines that it started.
    children: Vec<ChildRow>,
}

/// A pipeline of GitLab CI with its jobs.
#[utoipa::path(
    get, path = "/api/v1/pipelines/{host}/{id}",
    params(
        ("host" = String, Path, description = "Host of the pipeline"),
        ("id" = i64, Path, description = "Number of the pipeline on its host"),
    ),
    responses((status = 200, description = "A pipeline of GitLab CI with its jobs.", body = Detail), ProblemResponses)
)]
pub(super) async fn detail(
    State(app): State<App>,
    Path((host, id)): Path<(String, String)>,
    params: Params,
) -> Result<Response, Problem> {
    let host = params::name(&host);
    let missing = || Problem::NotFound(format!("no pipeline of {host:?} has the number {:?}", params::name(&id)));
    let number: i64 = id.parse().map_err(|_| missing())?;
    let mut reader = app.reader().await?;
    let pipeline = reads::pipeline(&mut reader, &host, number).await?.ok_or_else(missing)?;
    let jobs = reads::jobs(&mut reader, &host, number).await?;
    let found = Detail { pipeline, jobs, children: reads::children(&mut reader, &host, number).await? };
    if params.wants_json {
        return Ok(json(&found));
    }
    let title = format!("Pipeline {number}");
    let address = page(&host, number);
    let content = content(&found, app.now());
    Ok(View { title: &title, current: "/pipelines", path: &address, feed: None }.object(&params, &content))
}

fn content(found: &Detail, now: Timestamp) -> Markup {
    let row = &found.pipeline;
    let is_bad = |job: &&JobRow| job.status == "failed" && !job.allow_failure && !job.is_retried;
    let failed: Vec<&JobRow> = found.jobs.iter().filter(is_bad).collect();
    html! {
        h1 { "Pipeline " (row.id) " " (shown(row.state.as_deref().unwrap_or(&row.status))) }
        p { (or_none(row.title.as_deref())) }
        @if !failed.is_empty() {
            h2 { "Failed" }
            ul {
                @for job in failed {
                    li {
                        (outside(job.url.as_deref(), &name_of(job)))
                        @if let Some(reason) = &job.failure_reason { ": " (reason.replace('_', " ")) }
                    }
                }
            }
        }
        (facts(&[
            ("Pipeline", outside(row.url.as_deref(), &row.id.to_string())),
            ("Name", or_none(row.name.as_deref())),
            ("Project", html! { (row.host) "/" (path(&row.project)) }),
            (if row.tag { "Tag" } else { "Branch" }, or_none(row.branch.as_deref())),
            ("Merge request", request(&row.project, row.mr_iid, row.mr)),
            ("Commit", commit_of(row.commit.as_deref(), row.sha.as_deref())),
            ("Status at GitLab", html! { (or_none(row.detailed_status.as_deref().or(Some(&row.status)))) }),
            ("Cause", html! {
                (row.source.replace('_', " "))
                @if let Some(user) = &row.username { " by " (user) }
                @if let Some(parent) = row.parent_id {
                    ", pipeline "
                    @if row.has_parent { a href=(page(&row.host, parent)) { (parent) } } @else { (parent) }
                    @if let Some(project) = &row.parent_project { " of " (path(project)) }
                }
            }),
            ("Created", time(row.created_at, now)),
            ("Ended", time(row.finished_at, now)),
            ("Deleted at GitLab", html! {
                @if row.deleted_at.is_some() { (time(row.deleted_at, now)) } @else { span.none { "no" } }
            }),
            ("Last message", html! { (row.message_id) " " (time(row.message_at, now)) }),
        ]))
        h2 { "Jobs" }
        @if found.jobs.is_empty() { (empty("No jobs are known.")) } @else { (job_table(row, &found.jobs, now)) }
        @if !found.children.is_empty() {
            h2 { "Pipelines that it started" }
            ul {
                @for child in &found.children {
                    li {
                        a href=(page(&child.host, child.id)) { (child.id) } " of " (path(&child.project)) " "
                        (shown(&child.status))
                        @if child.source == "parent_pipeline" { " " (toned(Tone::Quiet, "counts in this one")) }
                    }
                }
            }
        }
    }
}

fn name_of(job: &JobRow) -> String {
    format!("{}/{}", job.stage.as_deref().unwrap_or("?"), job.name)
}

/// Jobs in the order of their stages; those of stages that the pipeline does not list come last.
fn job_table(pipeline: &PipelineDetail, jobs: &[JobRow], now: Timestamp) -> Markup {
    let place = |job: &JobRow| {
        let known = pipeline.stages.iter().position(|stage| Some(stage) == job.stage.as_ref());
        known.unwrap_or(pipeline.stages.len())
    };
    let mut jobs: Vec<&JobRow> = jobs.iter().collect();
    jobs.sort_by_key(|job| place(job));
    let heads = ["Stage", "Job", "State", "Reason", "Environment", "Started by", "Created", "Started", "Ended", "Took"];
    let rows = html! {
        @for job in jobs {
            tr {
                td { (job.stage.as_deref().unwrap_or("?")) }
                th scope="row" { (outside(job.url.as_deref(), &job.name)) }
                td {
                    (shown(&job.status))
                    @if job.allow_failure { " " (toned(Tone::Quiet, "may fail")) }
                    @if job.is_retried { " " (toned(Tone::Quiet, "retried")) }
                }
                td { (job.failure_reason.as_deref().unwrap_or_default().replace('_', " ")) }
                td { (job.environment.as_deref().unwrap_or_default()) }
                td { (job.username.as_deref().unwrap_or_default()) }
                td { (time(job.created_at, now)) }
                td { (time(job.started_at, now)) }
                td { (time(job.finished_at, now)) }
                td { (took(job.started_at, job.finished_at)) }
            }
        }
    };
    table("Jobs by stage, failed ones first", &heads, &rows)
}
