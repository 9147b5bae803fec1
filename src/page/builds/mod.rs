//! Builds of Buildkite and Travis in one list, in the order of their changes.

pub(super) mod detail;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::Page;
use super::components::{maybe, maybe_whole, took};
use super::html::{or_none, path, table, time};
use super::lists::{self, Field, Place, ROWS, Rows, json};
use super::params::{self, Params, bad_after, cursor, encode, encode_path};
use super::problem::{Problem, ProblemResponses};
use crate::buildkite::reads::{self as buildkite, BuildkiteBuild};
use crate::routing::Routes;
use crate::store::{Reader, StoreError};
use crate::travis::reads::{self as travis, TravisBuild};

const SYSTEMS: [&str; 2] = ["buildkite", "travis"];

/// What can be asked for, and which states of either system that is.
const STATES: &[(&str, &[&str])] = &[
    ("failed", &["failed", "failing", "started_failing", "waiting_failed", "errored"]),
    ("running", &["started", "running", "received"]),
    ("waiting", &["creating", "scheduled", "waiting", "created", "queued", "blocked"]),
    ("passed", &["passed"]),
    ("canceled", &["canceled", "canceling", "skipped", "not_run"]),
];

pub(super) fn routes() -> Routes<Page> {
    lists::at("/builds", list)
        .merge(lists::at("/builds/buildkite/{*id}", detail::buildkite))
        .merge(lists::at("/builds/travis/{*id}", detail::travis))
}

/// A build of either system.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Build {
    /// `buildkite` or `travis`.
    pub(super) system: &'static str,
    /// Id in that system.
    pub(super) id: String,
    /// Number in its project.
    pub(super) number: Option<String>,
    /// `owner/name` of the repository, or the pipeline where there is none.
    pub(super) project: Option<String>,
    /// Pipeline of Buildkite.
    pub(super) pipeline: Option<String>,
    /// As its system says it.
    pub(super) state: Option<String>,
    /// Branch.
    pub(super) branch: Option<String>,
    /// Commit, or `HEAD`.
    pub(super) commit: Option<String>,
    /// First line of the commit's message.
    pub(super) title: Option<String>,
    /// When it started.
    pub(super) started_at: Option<Timestamp>,
    /// When it ended, or was blocked.
    pub(super) finished_at: Option<Timestamp>,
    /// When it came into this state.
    pub(super) changed_at: Timestamp,
}

impl From<BuildkiteBuild> for Build {
    fn from(row: BuildkiteBuild) -> Self {
        Self {
            system: "buildkite",
            id: row.id,
            number: Some(row.number.to_string()),
            project: row.repo_path.or_else(|| row.pipeline.clone()),
            pipeline: row.pipeline,
            state: Some(row.state),
            branch: row.branch,
            commit: row.commit,
            title: row.title,
            started_at: row.started_at,
            finished_at: row.finished_at,
            changed_at: row.event_at,
        }
    }
}

impl From<TravisBuild> for Build {
    fn from(row: TravisBuild) -> Self {
        Self {
            system: "travis",
            id: row.id.to_string(),
            number: row.number,
            project: row.repository,
            pipeline: None,
            state: row.state,
            branch: row.branch,
            commit: row.sha,
            title: row.title,
            started_at: row.started_at,
            finished_at: row.finished_at,
            changed_at: row.message_at,
        }
    }
}

impl Build {
    /// Its page.
    pub(super) fn path(&self) -> String {
        format!("/builds/{}/{}", self.system, encode_path(&self.id))
    }

    /// What people call it.
    pub(super) fn name(&self) -> String {
        let of = self.pipeline.as_deref().or(self.project.as_deref()).unwrap_or("unknown");
        format!("{of} #{}", self.number.as_deref().unwrap_or(&self.id))
    }
}

/// Failed builds since a time, newest first.
pub(super) async fn failed(reader: &mut Reader, since: Timestamp, most: i64) -> Result<Vec<Build>, StoreError> {
    let wanted = Wanted { states: Some(STATES[0].1), since: Some(since), ..Wanted::default() };
    let mut builds = read(reader, &wanted, most + 1).await?;
    builds.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(builds)
}

/// The builds of a repository or pipeline that changed last, newest first.
pub(super) async fn of_project(
    page: &Page,
    project: &str,
    branch: Option<&str>,
    most: i64,
) -> Result<Vec<Build>, Problem> {
    let wanted = Wanted { project: Some(project), branch, ..Wanted::default() };
    let mut builds = read(&mut page.reader().await?, &wanted, most).await?;
    builds.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(builds)
}

/// A build by its system and id.
pub(super) async fn find(page: &Page, system: &str, id: &str) -> Result<Option<Build>, Problem> {
    let mut reader = page.reader().await?;
    Ok(match (system, id.parse()) {
        ("buildkite", _) => buildkite::build(&mut reader, id).await?.map(Build::from),
        ("travis", Ok(id)) => travis::build(&mut reader, id).await?.map(Build::from),
        _ => None,
    })
}

/// Builds of some commits, newest first.
pub(super) async fn of_commits(reader: &mut Reader, shas: &[&str]) -> Result<Vec<Build>, StoreError> {
    let mut builds: Vec<Build> = Vec::new();
    builds.extend(buildkite::builds_of(reader, shas, ROWS).await?.into_iter().map(Build::from));
    builds.extend(travis::builds_of(reader, shas, ROWS).await?.into_iter().map(Build::from));
    builds.sort_by_key(|build| std::cmp::Reverse(build.changed_at));
    Ok(builds)
}

/// What is wanted of both systems.
#[derive(Default)]
struct Wanted<'a> {
    system: Option<&'a str>,
    states: Option<&'a [&'a str]>,
    project: Option<&'a str>,
    branch: Option<&'a str>,
    text: Option<&'a str>,
    since: Option<Timestamp>,
    after: Option<(Timestamp, String, String)>,
    oldest_first: bool,
}

/// At most so many of each system, merged in order: so many of both together are right.
async fn read(reader: &mut Reader, wanted: &Wanted<'_>, most: i64) -> Result<Vec<Build>, StoreError> {
    let Wanted { states, project, branch, text, since, oldest_first, .. } = *wanted;
    let is_wanted = |system| wanted.system.is_none_or(|wanted| wanted == system);
    let after = wanted.after.as_ref().map(|(at, system, id)| (*at, system.as_str(), id.as_str()));
    let mut builds: Vec<Build> = Vec::new();
    if is_wanted("buildkite") {
        let wanted = buildkite::Wanted { states, project, branch, text, since, after, oldest_first };
        builds.extend(buildkite::builds(reader, &wanted, most).await?.into_iter().map(Build::from));
    }
    if is_wanted("travis") {
        // The id counts only where the place is one of Travis'.
        let after = after.map(|(at, system, id)| (at, system, id.parse().unwrap_or_default()));
        let wanted = travis::Wanted { states, project, branch, text, since, after, oldest_first };
        builds.extend(travis::builds(reader, &wanted, most).await?.into_iter().map(Build::from));
    }
    // Each of the two is in order already, and sorting keeps that.
    builds.sort_by(|a, b| {
        let order = (a.changed_at, a.system).cmp(&(b.changed_at, b.system));
        if oldest_first { order } else { order.reverse() }
    });
    Ok(builds)
}

async fn rows(page: &Page, params: &Params) -> Result<Rows<Build>, Problem> {
    let after = match params.after()?.as_deref() {
        None => None,
        Some([at, system, id]) => Some((params::time(at)?, system.clone(), id.clone())),
        Some(_) => return Err(bad_after()),
    };
    let state = params.one_of("state", &STATES.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
    let wanted = Wanted {
        system: params.one_of("system", &SYSTEMS)?,
        states: state.and_then(|state| STATES.iter().find(|(name, _)| *name == state)).map(|(_, states)| *states),
        project: params.text("project"),
        branch: params.text("branch"),
        text: params.text("q"),
        since: None,
        after,
        oldest_first: params.oldest_first()?,
    };
    let builds = read(&mut page.reader().await?, &wanted, ROWS + 1).await?;
    Ok(Rows::new(builds, ROWS, |build| cursor(&[&build.changed_at.to_string(), build.system, &build.id])))
}

/// Builds of Buildkite and Travis.
#[utoipa::path(get, path = "/api/v1/builds",
    params(("q" = Option<String>, Query, description = "Text to look for, in the first 10,000 that fit the other filters"), ("system" = Option<String>, Query, pattern = "^(|buildkite|travis)$", description = "buildkite or travis"), ("state" = Option<String>, Query, pattern = "^(|failed|running|waiting|passed|canceled)$", description = "failed, running, waiting, passed or canceled"), ("project" = Option<String>, Query, description = "Only of this repository or pipeline"), ("branch" = Option<String>, Query, description = "Only of this branch"), ("sort" = Option<String>, Query, pattern = "^(|newest|oldest)$", description = "newest or oldest change first"), ("after" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, description = "Builds of Buildkite and Travis.", body = Rows<Build>), ProblemResponses))]
pub(super) async fn list(State(page): State<Page>, params: Params) -> Result<Response, Problem> {
    let list = rows(&page, &params).await?;
    if params.wants_json {
        return Ok(json(&list));
    }
    let states: Vec<_> = STATES.iter().map(|(name, _)| (*name, *name)).collect();
    let fields = [
        Field::Text("q", "Title, number, branch or commit"),
        Field::Choice("system", "System", &SYSTEMS.map(|system| (system, system))),
        Field::Choice("state", "State", &states),
        Field::Text("project", "Repository or pipeline"),
        Field::Text("branch", "Branch"),
        Field::Choice("sort", "Sorted by", &[("newest", "newest change"), ("oldest", "oldest change")]),
    ];
    let place = Place { title: "Builds", current: "/builds", path: "/builds", feed: None };
    let content = html! {
        h1 { "Builds" }
        (place.rows(&params, &fields, &list, "No build is known yet. They come from Buildkite and Travis.", |rows| build_table(rows, page.now())))
    };
    Ok(place.list(&params, &content))
}

/// Builds as a table.
pub(super) fn build_table(rows: &[Build], now: Timestamp) -> Markup {
    let heads = ["Build", "State", "Title", "Repository", "Branch", "Commit", "Changed", "Took"];
    table(
        "Builds",
        &heads,
        &html! {
            @for build in rows {
                tr {
                    th scope="row" { a href=(build.path()) { (build.name()) } " " span.dim { (build.system) } }
                    td { (maybe(build.state.as_deref(), "unknown")) }
                    td { (or_none(build.title.as_deref())) }
                    td { @if let Some(project) = &build.project { a href={ "/builds?project=" (encode(project)) } { (path(project)) } } }
                    td { (build.branch.as_deref().unwrap_or_default()) }
                    td { (maybe_whole(build.commit.as_deref())) }
                    td { (time(Some(build.changed_at), now)) }
                    td { (took(build.started_at, build.finished_at)) }
                }
            }
        },
    )
}
