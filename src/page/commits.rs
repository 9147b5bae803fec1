//! Commits on branches: which components each push affects, and what became of their builds.

use std::collections::{BTreeSet, HashMap};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::html;
use serde::Serialize;

use super::Page;
use super::builds::{self, Build, build_table};
use super::components::{commit, run_table};
use super::html::{Shell, Tone, facts, or_none, outside, shell, short, state, table, time, toned};
use super::lists::{Field, ROWS, Rows, form, json, nothing, pager};
use super::merge_requests::{Tally, path};
use super::params::{self, Params, bad_after, cursor, encode, encode_path};
use super::problem::{Problem, ProblemResponses};
use super::releases::release_table;
use crate::gitlab::reads::{self, MergeRequestRow, PushRow};
use crate::konflux::reads::{self as konflux, ReleaseRow, RunRow};

pub(super) fn routes() -> Router<Page> {
    Router::new()
        .route("/commits", get(page))
        .route("/commits/{*sha}", get(detail))
        .route("/api/v1/commits", get(list_json))
        .route("/api/v1/commits/{*sha}", get(detail_json))
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CommitItem)]
pub(super) struct Item {
    #[serde(flatten)]
    row: PushRow,
    builds: Tally,
    tests: Tally,
}

async fn rows(page: &Page, params: &Params) -> Result<Rows<Item>, Problem> {
    let after = match params.after()?.as_deref() {
        None => None,
        Some([at, sha, project]) => Some((params::time(at)?, sha.clone(), project.clone())),
        Some(_) => return Err(bad_after()),
    };
    let mut reader = page.reader().await?;
    let wanted = (params.text("project"), params.text("branch"), params.text("q"));
    let list = reads::pushes(&mut reader, wanted, after.as_ref(), ROWS + 1).await?;
    let shas: Vec<&str> = list.iter().map(|row| row.sha.as_str()).collect();
    let mut runs: HashMap<String, Vec<RunRow>> = HashMap::new();
    for run in konflux::runs_of_commits(&mut reader, &shas).await? {
        runs.entry(run.sha.clone().unwrap_or_default()).or_default().push(run);
    }
    let item = |row: PushRow| {
        let of = runs.get(&row.sha).map_or(&[][..], Vec::as_slice);
        Item { builds: Tally::of(of, "build"), tests: Tally::of(of, "test"), row }
    };
    let key =
        |item: &Item| cursor(&[&item.row.pushed_at.unwrap_or_default().to_string(), &item.row.sha, &item.row.repo]);
    Ok(Rows::new(list.into_iter().map(item).collect(), ROWS, key))
}

/// Pushes with what they came to.
#[utoipa::path(get, path = "/api/v1/commits",
    params(("q" = Option<String>, Query, description = "Text to look for, in the first 10,000 that fit the other filters"), ("project" = Option<String>, Query, description = "Only of this project"), ("branch" = Option<String>, Query, description = "Only of this branch"), ("after" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, description = "Pushes with what they came to.", body = Rows<Item>), ProblemResponses))]
pub(super) async fn list_json(State(page): State<Page>, params: Params) -> Result<Response, Problem> {
    Ok(json(&rows(&page, &params).await?))
}

async fn page(State(page): State<Page>, params: Params) -> Result<Response, Problem> {
    let list = rows(&page, &params).await?;
    if params.wants_json {
        return Ok(json(&list));
    }
    let now = page.now();
    let fields = [
        Field::Text("q", "Title, author or commit"),
        Field::Text("project", "Project"),
        Field::Text("branch", "Branch"),
    ];
    let content = html! {
        h1 { "Commits" }
        (form("/commits", &params, &fields))
        @if list.results.is_empty() { (nothing("/commits", &params, "No push is known yet. They come with the webhooks of GitLab.")) } @else {
            (table("Pushes, newest first", &["Commit", "Title", "Project and branch", "Builds", "Tests", "Pushed"], &html! {
                @for item in &list.results {
                    tr {
                        th scope="row" { (commit(Some(&item.row.sha))) }
                        td { (or_none(item.row.title.as_deref())) " " span.dim { (item.row.author.as_deref().unwrap_or_default()) } }
                        td { a href={ "/commits?project=" (encode(&item.row.repo)) } { (item.row.repo) } " " span.dim { (item.row.branch) } }
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

/// A commit with all that is known of it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CommitDetail)]
pub(super) struct Detail {
    sha: String,
    pushes: Vec<PushRow>,
    /// Merge requests that have or had it as their head.
    merge_requests: Vec<MergeRequestRow>,
    /// Components that its files belong to, and those that were built of it.
    affected: BTreeSet<String>,
    /// Of these, those without a build.
    missing: BTreeSet<String>,
    runs: Vec<RunRow>,
    releases: Vec<ReleaseRow>,
    /// Builds of Buildkite and Travis.
    builds: Vec<Build>,
}

async fn find(page: &Page, sha: &str) -> Result<Detail, Problem> {
    let sha = params::name(sha);
    let mut reader = page.reader().await?;
    let pushes = reads::pushes_of(&mut reader, &sha).await?;
    let runs = konflux::runs_of_commits(&mut reader, &[&sha]).await?;
    let releases = konflux::releases_of_commits(&mut reader, &[&sha]).await?;
    let merge_requests = reads::merge_requests_of(&mut reader, &sha).await?;
    let builds = builds::of_commits(&mut reader, &[&sha]).await?;
    let nothing = pushes.is_empty() && runs.is_empty() && releases.is_empty() && merge_requests.is_empty();
    if nothing && builds.is_empty() {
        return Err(Problem::NotFound(format!("nothing is known of the commit {sha:?}")));
    }
    let built: BTreeSet<String> =
        runs.iter().filter(|run| run.kind == "build").filter_map(|run| run.component.clone()).collect();
    let mut affected = built.clone();
    for push in &pushes {
        affected.extend(konflux::affected(&mut reader, &push.repo, &push.changed_files).await?);
    }
    let missing = affected.difference(&built).cloned().collect();
    Ok(Detail { sha, pushes, merge_requests, affected, missing, runs, releases, builds })
}

/// A commit with all that is known of it.
#[utoipa::path(get, path = "/api/v1/commits/{sha}",
    params(("sha" = String, Path, example = "18525a4d7c50feac2aa6f20c4961c7ddd3a1bc56", description = "The whole commit")),
    responses((status = 200, description = "A commit with all that is known of it.", body = Detail), ProblemResponses))]
pub(super) async fn detail_json(State(page): State<Page>, Path(sha): Path<String>) -> Result<Response, Problem> {
    Ok(json(&find(&page, &sha).await?))
}

async fn detail(State(page): State<Page>, Path(sha): Path<String>, params: Params) -> Result<Response, Problem> {
    let found = find(&page, &sha).await?;
    if params.wants_json {
        return Ok(json(&found));
    }
    let now = page.now();
    let content = html! {
        h1 { "Commit " span.sha { (short(&found.sha)) } }
        @for push in &found.pushes {
            (facts(&[
                ("Title", or_none(push.title.as_deref())),
                ("Commit", outside(push.url.as_deref(), &found.sha)),
                ("Project and branch", html! { (push.repo) " " (push.branch) }),
                ("Author, pushed by", html! { (or_none(push.author.as_deref())) ", " (or_none(push.pushed_by.as_deref())) }),
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
                    li { a href=(path(row)) { (row.project) "!" (row.iid) } " " (or_none(row.title.as_deref())) " " (state(&row.state)) }
                }
            }
        }
        @if !found.missing.is_empty() {
            h2 { "Affected, and not built" }
            ul {
                @for name in &found.missing {
                    li { a href={ "/components/" (encode_path(name)) } { (name) } " " (toned(Tone::Bad, "no build")) }
                }
            }
        }
        @if !found.builds.is_empty() { h2 { "Builds" } (build_table(&found.builds, now)) }
        h2 { "Runs" }
        (run_table(&found.runs, now, true))
        @if !found.releases.is_empty() { h2 { "Releases" } (release_table(&found.releases, now)) }
    };
    let json = format!("/api/v1/commits/{}", encode_path(&found.sha));
    let title = format!("Commit {}", short(&found.sha));
    let around = Shell { title: &title, current: "/commits", refresh: params.refresh(), json: Some(&json), feed: None };
    Ok(shell(around, &content).into_response())
}
