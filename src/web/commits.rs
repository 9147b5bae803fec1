//! Commits on branches: which components each push affects, and the results of their builds.

use std::collections::{BTreeSet, HashMap};

use axum::extract::{Path, State};
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::builds::{self, Build, build_table};
use super::components::{commit, maybe, run_table};
use super::effects::{Effect, effects, is_due};
use super::html::{Shell, Tone, facts, or_none, outside, shell, short, state, table, time, toned};
use super::lists::{Field, ROWS, Rows, SORT, form, json, nothing, pager};
use super::merge_requests::path;
use super::params::{self, Params, bad_after, cursor, encode, encode_path};
use super::problem::{Problem, ProblemResponses};
use super::releases::release_table;
use super::tally::Tally;
use super::{App, html, verdict};
use crate::checks::Verdict;
use crate::platform::routing::Routes;
use crate::reports;
use crate::reports::{CheckItem, Commit, CommitVerdict};
use crate::sources::gitlab::reads::{self, MergeRequestRow, PushFilter, PushRow};
use crate::sources::konflux::reads::{self as konflux, Inherited, ReleaseRow, RunRow};

/// Most unaffected components that are shown.
const INHERITED: i64 = 500;

pub(super) fn routes() -> Routes<App> {
    Routes::new()
        .get("/commits", list)
        .get("/commits/{*sha}", detail)
        .get("/api/v1/commits", list_json)
        .get("/api/v1/commits/{*sha}", detail_json)
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CommitItem)]
pub(super) struct Item {
    #[serde(flatten)]
    row: PushRow,
    /// How many components it affects: its files belong to them, or they were built of it.
    affected: usize,
    /// Of these, those without a build half an hour after the push.
    missing: BTreeSet<String>,
    builds: Tally,
    tests: Tally,
}

async fn rows(app: &App, params: &Params) -> Result<Rows<Item>, Problem> {
    let after = match params.after()?.as_deref() {
        None => None,
        Some([at, sha, project]) => Some((params::time(at)?, sha.clone(), project.clone())),
        Some(_) => return Err(bad_after()),
    };
    let application = params.text("application");
    let mut reader = app.reader().await?;
    let projects = match application {
        Some(application) => Some(konflux::projects_of(&mut reader, application).await?),
        None => None,
    };
    let filter = PushFilter {
        project: params.text("project"),
        branch: params.text("branch"),
        projects: projects.as_deref(),
        text: params.text("q"),
        after,
        oldest_first: params.oldest_first()?,
    };
    let list = reads::pushes(&mut reader, &filter, ROWS + 1).await?;
    let shas: Vec<&str> = list.iter().map(|row| row.sha.as_str()).collect();
    let mut all = konflux::runs_of_commits(&mut reader, &shas).await?;
    all.retain(|run| application.is_none() || run.application.as_deref() == application);
    let effects = effects(&mut reader, &list, &all, application).await?;
    drop(reader);
    let mut runs: HashMap<String, Vec<RunRow>> = HashMap::new();
    for run in all {
        runs.entry(run.sha.clone().unwrap_or_default()).or_default().push(run);
    }
    let now = app.now();
    let item = |row: PushRow| {
        let runs = runs.get(&row.sha).map_or(&[][..], Vec::as_slice);
        let effect = effects.get(&row.sha);
        let missing = effect.filter(|_| is_due(row.pushed_at, now)).map(Effect::missing).unwrap_or_default();
        Item {
            builds: Tally::of(runs, "build"),
            tests: Tally::of(runs, "test"),
            affected: effect.map_or(0, |effect| effect.affected.len()),
            missing,
            row,
        }
    };
    let key =
        |item: &Item| cursor(&[&item.row.pushed_at.unwrap_or_default().to_string(), &item.row.sha, &item.row.repo]);
    Ok(Rows::new(list.into_iter().map(item).collect(), ROWS, key))
}

/// Pushes with their results.
#[utoipa::path(
    get, path = "/api/v1/commits",
    params(
        (
            "q" = Option<String>, Query,
            description = "Text to search for, in the first 10,000 rows that match the other filters"
        ),
        ("project" = Option<String>, Query, description = "Only of this project"),
        ("branch" = Option<String>, Query, description = "Only of this branch"),
        (
            "application" = Option<String>, Query,
            description = "Only of projects with components of this application, and only effects on these"
        ),
        ("sort" = Option<String>, Query, pattern = "^(|newest|oldest)$", description = "newest or oldest first"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses((status = 200, description = "Pushes with their results.", body = Rows<Item>), ProblemResponses)
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
    let fields = [
        Field::Text("q", "Title, author or commit"),
        Field::Text("project", "Project"),
        Field::Text("branch", "Branch"),
        Field::Text("application", "Application"),
        SORT,
    ];
    let content = html! {
        h1 { "Commits" }
        (form("/commits", &params, &fields))
        @if list.results.is_empty() {
            (nothing("/commits", &params, "No pushes yet. They come from the webhooks of GitLab."))
        } @else {
            (table("Pushes",
                &["Commit", "Title", "Project and branch", "Affects", "Builds", "Tests", "Pushed"], &html! {
                @for item in &list.results {
                    tr {
                        th scope="row" { (commit(Some(&item.row.sha))) }
                        td {
                            (or_none(item.row.title.as_deref()))
                            " "
                            span.dim { (item.row.author.as_deref().unwrap_or_default()) }
                        }
                        td {
                            a href={ "/commits?project=" (encode(&item.row.repo)) } { (html::path(&item.row.repo)) }
                            " "
                            span.dim { (item.row.branch) }
                        }
                        td { (affects(item)) }
                        td { (item.builds.show()) } td { (item.tests.show()) }
                        td { (time(item.row.pushed_at, now)) }
                    }
                }
            }))
            (pager("/commits", &params, list.next.as_deref()))
        }
    };
    let json = format!("/api/v1/commits{}", params.with(&[("refresh", None)]));
    let around =
        Shell { title: "Commits", current: "/commits", refresh: params.refresh(), json: Some(&json), feed: None };
    Ok(shell(around, &content).into_response())
}

/// How many components a push affects, and how many of them have no build.
fn affects(item: &Item) -> Markup {
    html! {
        @match item.affected {
            0 => span.none { "nothing" },
            1 => "1 component",
            number => { (number) " components" },
        }
        @if !item.missing.is_empty() { " " (toned(Tone::Bad, html! { (item.missing.len()) " not built" })) }
    }
}

/// A commit with its pushes, merge requests, effects, runs, releases and builds.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CommitDetail)]
pub(super) struct Detail {
    sha: String,
    /// The verdict; `none` if several repositories have the commit and `repo` names none of them.
    #[serde(flatten)]
    verdict: Verdict,
    /// Changes when the verdict or a check does.
    version: String,
    /// The checks of all sources, those that failed first.
    checks: Vec<CheckItem>,
    /// The verdict in each repository that has the commit.
    verdicts: Vec<CommitVerdict>,
    pushes: Vec<PushRow>,
    /// Merge requests that have or had it as their head.
    merge_requests: Vec<MergeRequestRow>,
    /// Components that its files belong to, and those that were built of it.
    affected: BTreeSet<String>,
    /// Of these, those without a build.
    missing: BTreeSet<String>,
    /// Components of the same project and branch that it does not affect, with their previous build.
    inherited: Vec<Inherited>,
    runs: Vec<RunRow>,
    releases: Vec<ReleaseRow>,
    /// Builds of Buildkite and Travis.
    builds: Vec<Build>,
}

async fn find(app: &App, sha: &str, repo: Option<&str>) -> Result<Detail, Problem> {
    let given = params::name(sha);
    let mut reader = app.reader().await?;
    let sha = match reports::commit(&mut reader, &given).await? {
        Commit::One(sha) => sha,
        Commit::Several(commits) => {
            let commits = commits.join(", ");
            return Err(Problem::NotFound(format!("several commits begin with {given}, give more digits: {commits}")));
        }
    };
    let pushes = reads::pushes_of(&mut reader, &sha).await?;
    let mut runs = konflux::runs_of_commits(&mut reader, &[&sha]).await?;
    let releases = konflux::releases_of_commits(&mut reader, &[&sha]).await?;
    let merge_requests = reads::merge_requests_of(&mut reader, &sha).await?;
    let builds = builds::of_commits(&mut reader, &[&sha]).await?;
    let verdicts = reports::verdicts(&mut reader, &sha, repo, &[], app.now()).await?;
    let nothing =
        verdicts.is_empty() && pushes.is_empty() && runs.is_empty() && releases.is_empty() && merge_requests.is_empty();
    if nothing && builds.is_empty() {
        // Pages link each commit that they name, so that a commit has a page also if only these name it.
        runs = konflux::other_runs_of_commit(&mut reader, &sha).await?;
        if runs.is_empty() {
            return Err(Problem::NotFound(format!("the commit {sha:?} is unknown")));
        }
    }
    let effect = effects(&mut reader, &pushes, &runs, None).await?.remove(&sha).unwrap_or_default();
    let (missing, affected) = (effect.missing(), effect.affected);
    let names: Vec<&str> = affected.iter().map(String::as_str).collect();
    let mut inherited = Vec::new();
    for push in &pushes {
        if let Some(at) = push.pushed_at {
            let branch = (push.host.as_deref(), push.repo.as_str(), push.branch.as_str(), at);
            inherited.extend(konflux::inherited(&mut reader, branch, &names, INHERITED).await?);
        }
    }
    let (verdict, version) = reports::joint(&verdicts);
    let checks = verdicts.iter().flat_map(|one| one.checks.clone()).collect();
    Ok(Detail {
        sha,
        verdict,
        version,
        checks,
        verdicts,
        pushes,
        merge_requests,
        affected,
        missing,
        inherited,
        runs,
        releases,
        builds,
    })
}

/// A commit with its pushes, merge requests, effects, runs, releases and builds.
#[utoipa::path(
    get, path = "/api/v1/commits/{sha}",
    params(
        (
            "sha" = String, Path, example = "18525a4d7c50feac2aa6f20c4961c7ddd3a1bc56",
            description = "The commit, or its first digits, at least 4"
        ),
        ("repo" = Option<String>, Query, description = "Verdict and checks of this repository only"),
    ),
    responses(
        (status = 200, description = "A commit with its pushes, merge requests, effects, runs, releases and \
            builds.", body = Detail),
        ProblemResponses
    )
)]
pub(super) async fn detail_json(
    State(app): State<App>,
    Path(sha): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let found = find(&app, &sha, params.text("repo")).await?;
    Ok(([(ETAG, format!("\"{}\"", found.version))], json(&found)).into_response())
}

async fn detail(State(app): State<App>, Path(sha): Path<String>, params: Params) -> Result<Response, Problem> {
    let found = find(&app, &sha, params.text("repo")).await?;
    if params.wants_json {
        return Ok(json(&found));
    }
    if found.sha != params::name(&sha) {
        // Redirects to the one address of the commit.
        let address = format!("/commits/{}{}", encode_path(&found.sha), params.with(&[]).trim_end_matches('?'));
        return Ok(Redirect::temporary(&address).into_response());
    }
    let now = app.now();
    let content = html! {
        h1 { "Commit " span.sha { (short(&found.sha)) } }
        (verdict::section(&found.verdicts, now))
        @for push in &found.pushes {
            (facts(&[
                ("Title", or_none(push.title.as_deref())),
                ("Commit", outside(push.url.as_deref(), &found.sha)),
                ("Project and branch", html! { (html::path(&push.repo)) " " (push.branch) }),
                ("Author, pushed by", html! {
                    (or_none(push.author.as_deref())) ", " (or_none(push.pushed_by.as_deref()))
                }),
                ("Pushed", time(push.pushed_at, now)),
                ("Commits in the push", html! { (push.commit_count) }),
                ("Changed files", html! { (push.changed_files.len()) @if !push.files_complete { " or more" } }),
                ("Message", html! { (push.message_id) }),
            ]))
        }
        @if !found.merge_requests.is_empty() {
            h2 { "Head of" }
            ul {
                @for row in &found.merge_requests {
                    li {
                        a href=(path(row)) { (row.project) "!" (row.iid) }
                        " "
                        (or_none(row.title.as_deref()))
                        " "
                        (state(&row.state))
                    }
                }
            }
        }
        @if !found.missing.is_empty() {
            @let is_due = found.pushes.iter().any(|push| is_due(push.pushed_at, now));
            @let state = if is_due { toned(Tone::Bad, "no build") } else { toned(Tone::Running, "no build yet") };
            h2 { "Affected, and not built" }
            ul {
                @for name in &found.missing {
                    li { a href={ "/components/" (encode_path(name)) } { (name) } " " (state) }
                }
            }
        }
        @if !found.builds.is_empty() { h2 { "Builds" } (build_table(&found.builds, now)) }
        h2 { "Runs" }
        (run_table(&found.runs, now, true))
        @if !found.releases.is_empty() { h2 { "Releases" } (release_table(&found.releases, now)) }
        @if !found.inherited.is_empty() { h2 { "Not affected" } (inherited_table(&found.inherited, now)) }
    };
    let json = format!("/api/v1/commits/{}", encode_path(&found.sha));
    let title = format!("Commit {}", short(&found.sha));
    let around = Shell { title: &title, current: "/commits", refresh: params.refresh(), json: Some(&json), feed: None };
    Ok(shell(around, &content).into_response())
}

/// Components that a commit does not affect: their results are those of the previous build.
fn inherited_table(rows: &[Inherited], now: Timestamp) -> Markup {
    let heads = ["Component", "Application", "Build", "Tests", "Of", "Built"];
    table(
        "Other components of the project, with their current build",
        &heads,
        &html! {
            @for row in rows {
                tr {
                    th scope="row" { a href={ "/components/" (encode_path(&row.name)) } { (row.name) } }
                    td { (or_none(row.application.as_deref())) }
                    td { (state(&row.build_state)) } td { (maybe(row.test_state.as_deref(), "no tests")) }
                    td { (commit(row.build_sha.as_deref())) } td { (time(row.built_at, now)) }
                }
            }
        },
    )
}
