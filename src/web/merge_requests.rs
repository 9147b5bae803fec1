//! Merge requests: a list with the results of their heads, and each with its versions by component.

use std::collections::{BTreeSet, HashMap};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::Serialize;

use super::builds::{self, Build, build_table};
use super::components::{commit, run_table};
use super::html::{Shell, Tone, facts, or_none, outside, shell, state, table, time, toned};
use super::lists::{Field, ROWS, Rows, form, json, nothing, pager};
use super::matrix::matrix;
use super::params::{self, Params, bad_after, cursor, encode, merge_request_path};
use super::problem::{Problem, ProblemResponses};
use super::releases::release_table;
use super::tally::Tally;
use super::verdict::check_table;
use super::{App, html, verdict};
use crate::checks::Verdict;
use crate::platform::routing::Routes;
use crate::reports;
use crate::reports::CheckItem;
use crate::sources::gitlab::reads::{self, MergeRequestCounts, MergeRequestFilter, MergeRequestRow, VersionRow};
use crate::sources::konflux::reads::{self as konflux, ReleaseRow, RunRow};

/// Days without a change after which an open merge request is inactive.
const INACTIVE_DAYS: i64 = 30;
/// Runs that are shown of a merge request that is known by its runs only.
const RUNS: i64 = 100;
const STATES: [&str; 4] = ["opened", "merged", "closed", "locked"];

pub(super) fn routes() -> Routes<App> {
    Routes::new()
        .get("/mrs", list)
        .get("/mr/{*key}", detail)
        .get("/api/v1/mrs", list_json)
        .get("/api/v1/mr/{*key}", detail_json)
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MergeRequestItem)]
pub(super) struct Item {
    #[serde(flatten)]
    row: MergeRequestRow,
    builds: Tally,
    tests: Tally,
}

async fn rows(app: &App, params: &Params) -> Result<Rows<Item>, Problem> {
    let days = params.number("stale_days", INACTIVE_DAYS, 1, 3650)?;
    let inactive_since = params.text("stale").map(|_| before(app.now(), days));
    let after = match params.after()?.as_deref() {
        None => None,
        Some([at, project, iid]) => Some((params::time(at)?, project.clone(), iid.parse().map_err(|_| bad_after())?)),
        Some(_) => return Err(bad_after()),
    };
    let filter = MergeRequestFilter {
        project: params.text("project"),
        author: params.text("author"),
        state: params.one_of("state", &STATES)?,
        draft: params.one_of("draft", &["yes", "no"])?.map(|draft| draft == "yes"),
        stale_since: inactive_since,
        text: params.text("q"),
        after,
        oldest_first: params.oldest_first()?,
    };
    let mut reader = app.reader().await?;
    let list = reads::merge_requests(&mut reader, &filter, ROWS + 1).await?;
    let shas: Vec<&str> = list.iter().filter_map(|row| row.sha.as_deref()).collect();
    let mut runs: HashMap<String, Vec<RunRow>> = HashMap::new();
    for run in konflux::runs_of_commits(&mut reader, &shas).await? {
        runs.entry(run.sha.clone().unwrap_or_default()).or_default().push(run);
    }
    let item = |row: MergeRequestRow| {
        let runs = row.sha.as_ref().and_then(|sha| runs.get(sha)).map_or(&[][..], Vec::as_slice);
        Item { builds: Tally::of(runs, "build"), tests: Tally::of(runs, "test"), row }
    };
    let items = list.into_iter().map(item).collect();
    let key = |item: &Item| cursor(&[&item.row.version_at.to_string(), &item.row.project, &item.row.iid.to_string()]);
    Ok(Rows::new(items, ROWS, key))
}

/// The time a number of days ago.
pub(super) fn before(now: Timestamp, days: i64) -> Timestamp {
    now.saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or(now)
}

/// Numbers of merge requests.
pub(super) async fn counts(app: &App, project: Option<&str>) -> Result<Option<MergeRequestCounts>, Problem> {
    Ok(reads::counts(&mut app.reader().await?, project, before(app.now(), INACTIVE_DAYS)).await?)
}

/// Merge requests with the results of their heads.
#[utoipa::path(
    get, path = "/api/v1/mrs",
    params(
        (
            "q" = Option<String>, Query,
            description = "Text to search for, in the first 10,000 rows that match the other filters"
        ),
        ("project" = Option<String>, Query, description = "Only of this project"),
        ("author" = Option<String>, Query, description = "Only of this author"),
        (
            "state" = Option<String>, Query, pattern = "^(|opened|merged|closed|locked)$",
            description = "opened, merged, closed or locked"
        ),
        ("draft" = Option<String>, Query, pattern = "^(|yes|no)$", description = "yes or no"),
        (
            "stale" = Option<String>, Query,
            description = "Any value: only open merge requests without a change for long"
        ),
        ("stale_days" = Option<i64>, Query, description = "How many days that is; default 30"),
        ("sort" = Option<String>, Query, pattern = "^(|newest|oldest)$", description = "newest or oldest"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses(
        (status = 200, description = "Merge requests with the results of their heads.", body = Rows<Item>),
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
    let counts = counts(&app, params.text("project")).await?;
    let states = STATES.map(|state| (state, state));
    let fields = [
        Field::Text("q", "Title, number, branch or head"),
        Field::Text("project", "Project"),
        Field::Text("author", "Author"),
        Field::Choice("state", "State", &states),
        Field::Choice("draft", "Draft", &[("yes", "yes"), ("no", "no")]),
        Field::Choice("sort", "Sorted by", &[("newest", "newest change"), ("oldest", "oldest change")]),
        Field::Tick("stale", "inactive only"),
    ];
    let content = html! {
        h1 { "Merge requests" }
        @if let Some(counts) = &counts { (count_line(counts)) }
        (form("/mrs", &params, &fields))
        @if list.results.is_empty() {
            (nothing("/mrs", &params, "No merge requests yet. They come from the webhooks of GitLab."))
        } @else {
            (table("Merge requests",
                &["Number", "Title", "State", "Builds of the head", "Tests", "Author", "Changed"], &html! {
                @for item in &list.results {
                    tr {
                        th scope="row" {
                            a href=(path(&item.row)) { (html::path(&item.row.project)) "!" (item.row.iid) }
                        }
                        td { (or_none(item.row.title.as_deref())) (labels(&item.row.labels)) }
                        td { (state(&item.row.state)) @if item.row.draft { " " (toned(Tone::Quiet, "draft")) } }
                        td { (item.builds.show()) } td { (item.tests.show()) }
                        td {
                            @if let Some(author) = &item.row.author {
                                a href={ "/mrs?author=" (encode(author)) } { (author) }
                            }
                        }
                        td { (time(item.row.updated_at, now)) }
                    }
                }
            }))
            (pager("/mrs", &params, list.next.as_deref()))
        }
    };
    let json = format!("/api/v1/mrs{}", params.with(&[("refresh", None)]));
    let around =
        Shell { title: "Merge requests", current: "/mrs", refresh: params.refresh(), json: Some(&json), feed: None };
    Ok(shell(around, &content).into_response())
}

/// Path of the page of a merge request.
pub(super) fn path(row: &MergeRequestRow) -> String {
    merge_request_path(&row.project, row.iid)
}

fn labels(labels: &[String]) -> Markup {
    html! { @if !labels.is_empty() { " " span.dim { (labels.join(", ")) } } }
}

/// How many merge requests are in each state.
pub(super) fn count_line(counts: &MergeRequestCounts) -> Markup {
    html! {
        ul.counts {
            li { a href="/mrs?state=opened" { (toned(Tone::Running, html! { (counts.opened) " open" })) } }
            li { a href="/mrs?state=opened&draft=yes" { (toned(Tone::Quiet, html! { (counts.drafts) " drafts" })) } }
            li { a href="/mrs?stale=1&sort=oldest" { (super::html::count(counts.stale, Tone::Notice, "inactive")) } }
            li { a href="/mrs?state=merged" { (toned(Tone::Good, html! { (counts.merged) " merged" })) } }
            li { a href="/mrs?state=closed" { (toned(Tone::Quiet, html! { (counts.closed) " closed" })) } }
        }
    }
}

/// A merge request with its versions, runs, releases and builds.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MergeRequestDetail)]
pub(super) struct Detail {
    /// Path of the project it goes to.
    pub(super) project: String,
    /// Number in that project.
    pub(super) iid: i64,
    /// None when no message about the merge request itself was received, only about its runs.
    pub(super) merge_request: Option<MergeRequestRow>,
    /// The verdict of its head.
    #[serde(flatten)]
    verdict: Verdict,
    /// Changes when the verdict or a check of the head does.
    version: String,
    /// The checks of its head, those that failed first.
    checks: Vec<CheckItem>,
    pub(super) versions: Vec<VersionRow>,
    pub(super) runs: Vec<RunRow>,
    pub(super) releases: Vec<ReleaseRow>,
    /// Builds of Buildkite and Travis.
    pub(super) builds: Vec<Build>,
}

impl Detail {
    /// As people write it.
    pub(super) fn name(&self) -> String {
        format!("{}!{}", self.project, self.iid)
    }

    /// The address of its page.
    pub(super) fn path(&self) -> String {
        merge_request_path(&self.project, self.iid)
    }
}

/// Project and number of the end of an address.
pub(super) fn key(path: &str) -> Option<(String, i64)> {
    let (project, iid) = path.rsplit_once('/')?;
    Some((params::name(project), iid.parse().ok()?))
}

pub(super) async fn find(app: &App, address: &str) -> Result<Detail, Problem> {
    let Some((project, iid)) = key(address) else {
        return Err(Problem::NotFound("an address of a merge request ends with its number".to_owned()));
    };
    let mut reader = app.reader().await?;
    let merge_request = reads::merge_request(&mut reader, &project, iid).await?;
    let versions = reads::versions(&mut reader, &project, iid).await?;
    // Pages link the merge request of each run, so one that is known by its runs only has a page, too.
    let named = match &merge_request {
        Some(_) => Vec::new(),
        None => konflux::runs_of_merge_request(&mut reader, &project, iid, RUNS).await?,
    };
    if merge_request.is_none() && named.is_empty() {
        return Err(Problem::NotFound(format!("no merge request {project}!{iid} is known")));
    }
    let mut shas: BTreeSet<&str> = versions.iter().map(|version| version.sha.as_str()).collect();
    shas.extend(merge_request.iter().filter_map(|row| row.sha.as_deref()));
    shas.extend(named.iter().filter_map(|run| run.sha.as_deref()));
    let shas: Vec<&str> = shas.into_iter().collect();
    let releases = konflux::releases_of_commits(&mut reader, &shas).await?;
    let builds = builds::of_commits(&mut reader, &shas).await?;
    let verdicts = match reports::head_of_merge_request(&mut reader, &project, iid).await? {
        Some(head) => reports::verdicts(&mut reader, &head, Some(&project), &[], app.now()).await?,
        None => Vec::new(),
    };
    let (verdict, version) = reports::joint(&verdicts);
    let checks = verdicts.into_iter().flat_map(|one| one.checks).collect();
    let mut runs = match &merge_request {
        Some(_) => konflux::runs_of_commits(&mut reader, &shas).await?,
        None => named,
    };
    // In the order of the versions, newest first, and of each the newest run first. A head that is not a version yet is
    // newer than all.
    let index = |run: &RunRow| versions.iter().position(|version| Some(&version.sha) == run.sha.as_ref());
    runs.sort_by(|a, b| {
        let order = |run: &RunRow| (index(run), std::cmp::Reverse(run.created_at.or(run.started_at)));
        order(a).cmp(&order(b)).then_with(|| a.name.cmp(&b.name))
    });
    Ok(Detail { project, iid, merge_request, verdict, version, checks, versions, runs, releases, builds })
}

/// A merge request with its versions, runs and releases.
#[utoipa::path(
    get, path = "/api/v1/mr/{key}",
    params(
        (
            "key" = String, Path, example = "redhat/hummingbird/rpms/231",
            description = "Project and number, `group/project/7`"
        ),
    ),
    responses(
        (status = 200, description = "A merge request with its versions, runs and releases.", body = Detail),
        ProblemResponses
    )
)]
pub(super) async fn detail_json(State(app): State<App>, Path(key): Path<String>) -> Result<Response, Problem> {
    Ok(json(&find(&app, &key).await?))
}

async fn detail(State(app): State<App>, Path(key): Path<String>, params: Params) -> Result<Response, Problem> {
    let found = find(&app, &key).await?;
    if params.wants_json {
        return Ok(json(&found));
    }
    let now = app.now();
    let name = found.name();
    let content = html! {
        @if let Some(row) = &found.merge_request { (about(row, &name, now)) } @else {
            h1 { (name) }
            p { "No message about the merge request itself was received, only about its runs." }
        }
        h2 { "Verdict of the head" }
        (verdict::banner(&found.verdict))
        @if !found.checks.is_empty() { (check_table("Checks of the head", &found.checks, now)) }
        @if !found.versions.is_empty() || found.merge_request.is_some() {
            h2 { "Versions by component" }
            (matrix(&found.versions, &found.runs, &found.releases, now))
        }
        h2 { "Runs" }
        (run_table(&found.runs, now, true))
        @if !found.builds.is_empty() { h2 { "Builds" } (build_table(&found.builds, now)) }
        @if !found.releases.is_empty() { h2 { "Releases" } (release_table(&found.releases, now)) }
    };
    let json = format!("/api/v1{}", found.path());
    let feed = format!("/feed{}", found.path());
    let around =
        Shell { title: &name, current: "/mrs", refresh: params.refresh(), json: Some(&json), feed: Some(&feed) };
    Ok(shell(around, &content).into_response())
}

/// What messages said of it.
fn about(row: &MergeRequestRow, name: &str, now: Timestamp) -> Markup {
    let text = |text: &Option<String>| or_none(text.as_deref());
    html! {
        h1 { (text(&row.title)) " " (state(&row.state)) @if row.draft { " " (toned(Tone::Quiet, "draft")) } }
        (facts(&[
            ("Merge request", outside(row.url.as_deref(), name)),
            ("Branches", html! { (text(&row.source_branch)) " → " (text(&row.target_branch)) }),
            ("Author", text(&row.author)),
            ("Labels", or_none(Some(&row.labels.join(", ")))),
            ("Head", commit(row.sha.as_deref())),
            ("Opened", time(row.created_at, now)),
            ("Changed", time(row.updated_at, now)),
            ("Merged", if row.merged_at.is_some() { time(row.merged_at, now) } else { or_none(None) }),
            ("Last action", html! { (text(&row.last_action)) " " (text(&row.last_actor)) }),
            ("Last message", html! { (row.message_id) " " (time(Some(row.message_at), now)) }),
        ]))
    }
}
