//! Builds of Buildkite and Travis CI in one list, ordered by their last change.

pub(super) mod detail;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::App;
use super::components::{maybe, maybe_whole, took};
use super::html::{or_none, path, table, time};
use super::lists::{self, Field, ROWS, Rows, View, json};
use super::params::{self, Params, bad_after, cursor, encode, encode_path};
use super::problem::{Problem, ProblemResponses};
use crate::db::{Reader, StoreError};
use crate::platform::routing::Routes;
use crate::sources::buildkite::reads::{self as buildkite, BuildkiteBuild};
use crate::sources::travis::reads::{self as travis, TravisBuild};

const SYSTEMS: [&str; 2] = ["buildkite", "travis"];

/// Values of the filter `state`, and the states of both systems that each selects.
const STATES: &[(&str, &[&str])] = &[
    ("failed", &["failed", "failing", "started_failing", "waiting_failed", "errored"]),
    ("running", &["started", "running", "received"]),
    ("waiting", &["creating", "scheduled", "waiting", "created", "queued", "blocked"]),
    ("passed", &["passed"]),
    ("canceled", &["canceled", "canceling", "skipped", "not_run"]),
];

pub(super) fn routes() -> Routes<App> {
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
    /// State, by the name of its system.
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
    /// Path of its page.
    pub(super) fn path(&self) -> String {
        format!("/builds/{}/{}", self.system, encode_path(&self.id))
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        let project = self.pipeline.as_deref().or(self.project.as_deref()).unwrap_or("unknown");
        format!("{project} #{}", self.number.as_deref().unwrap_or(&self.id))
    }
}

/// Builds by their ids in each system, in any order.
pub(super) async fn by_id(
    reader: &mut Reader,
    buildkite_ids: &[&str],
    travis_ids: &[&str],
) -> Result<Vec<Build>, StoreError> {
    let mut builds: Vec<Build> = Vec::new();
    if !buildkite_ids.is_empty() {
        builds.extend(buildkite::builds_by_id(reader, buildkite_ids).await?.into_iter().map(Build::from));
    }
    let travis_ids: Vec<i64> = travis_ids.iter().filter_map(|id| id.parse().ok()).collect();
    if !travis_ids.is_empty() {
        builds.extend(travis::builds_by_id(reader, &travis_ids).await?.into_iter().map(Build::from));
    }
    Ok(builds)
}

/// The builds of a repository or pipeline that changed last, newest first.
pub(super) async fn of_project(
    app: &App,
    project: &str,
    branch: Option<&str>,
    most: i64,
) -> Result<Vec<Build>, Problem> {
    let filter = Filter { project: Some(project), branch, ..Filter::default() };
    let mut builds = read(&mut app.reader().await?, &filter, most).await?;
    builds.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(builds)
}

/// A build by its system and id.
pub(super) async fn find(app: &App, system: &str, id: &str) -> Result<Option<Build>, Problem> {
    let (buildkite_ids, travis_ids): (&[&str], &[&str]) = match system {
        "buildkite" => (&[id], &[]),
        "travis" => (&[], &[id]),
        _ => return Ok(None),
    };
    Ok(by_id(&mut app.reader().await?, buildkite_ids, travis_ids).await?.pop())
}

/// Builds of some commits, newest first.
pub(super) async fn of_commits(reader: &mut Reader, shas: &[&str]) -> Result<Vec<Build>, StoreError> {
    let mut builds: Vec<Build> = Vec::new();
    builds.extend(buildkite::builds_of(reader, shas, ROWS).await?.into_iter().map(Build::from));
    builds.extend(travis::builds_of(reader, shas, ROWS).await?.into_iter().map(Build::from));
    builds.sort_by_key(|build| std::cmp::Reverse(build.changed_at));
    Ok(builds)
}

/// A filter for both systems.
#[derive(Default)]
struct Filter<'a> {
    system: Option<&'a str>,
    states: Option<&'a [&'a str]>,
    project: Option<&'a str>,
    branch: Option<&'a str>,
    text: Option<&'a str>,
    after: Option<(Timestamp, String, String)>,
    oldest_first: bool,
}

/// Reads up to `most` builds of each system and merges them in order: the first `most` of the result are right.
async fn read(reader: &mut Reader, filter: &Filter<'_>, most: i64) -> Result<Vec<Build>, StoreError> {
    let Filter { states, project, branch, text, oldest_first, .. } = *filter;
    let selects = |system| filter.system.is_none_or(|selected| selected == system);
    let after = filter.after.as_ref().map(|(at, system, id)| (*at, system.as_str(), id.as_str()));
    let mut builds: Vec<Build> = Vec::new();
    if selects("buildkite") {
        let filter = buildkite::BuildFilter { states, project, branch, text, after, oldest_first };
        builds.extend(buildkite::builds(reader, &filter, most).await?.into_iter().map(Build::from));
    }
    if selects("travis") {
        // The id counts only where the cursor is of a build of Travis CI.
        let after = after.map(|(at, system, id)| (at, system, id.parse().unwrap_or_default()));
        let filter = travis::BuildFilter { states, project, branch, text, after, oldest_first };
        builds.extend(travis::builds(reader, &filter, most).await?.into_iter().map(Build::from));
    }
    // Both lists are in order already; the sort is stable.
    builds.sort_by(|a, b| {
        let order = (a.changed_at, a.system).cmp(&(b.changed_at, b.system));
        if oldest_first { order } else { order.reverse() }
    });
    Ok(builds)
}

async fn rows(app: &App, params: &Params) -> Result<Rows<Build>, Problem> {
    let after = match params.after()?.as_deref() {
        None => None,
        Some([at, system, id]) => Some((params::time(at)?, system.clone(), id.clone())),
        Some(_) => return Err(bad_after()),
    };
    let state = params.one_of("state", &STATES.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
    let filter = Filter {
        system: params.one_of("system", &SYSTEMS)?,
        states: state.and_then(|state| STATES.iter().find(|(name, _)| *name == state)).map(|(_, states)| *states),
        project: params.text("project"),
        branch: params.text("branch"),
        text: params.text("q"),
        after,
        oldest_first: params.oldest_first()?,
    };
    let builds = read(&mut app.reader().await?, &filter, ROWS + 1).await?;
    Ok(Rows::new(builds, ROWS, |build| cursor(&[&build.changed_at.to_string(), build.system, &build.id])))
}

/// Builds of Buildkite and Travis.
#[utoipa::path(
    get, path = "/api/v1/builds",
    params(
        (
            "q" = Option<String>, Query,
            description = "Text to search for, in the first 10,000 rows that match the other filters"
        ),
        ("system" = Option<String>, Query, pattern = "^(|buildkite|travis)$", description = "buildkite or travis"),
        (
            "state" = Option<String>, Query, pattern = "^(|failed|running|waiting|passed|canceled)$",
            description = "failed, running, waiting, passed or canceled"
        ),
        ("project" = Option<String>, Query, description = "Only of this repository or pipeline"),
        ("branch" = Option<String>, Query, description = "Only of this branch"),
        ("sort" = Option<String>, Query, pattern = "^(|newest|oldest)$", description = "newest or oldest change first"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses((status = 200, description = "Builds of Buildkite and Travis.", body = Rows<Build>), ProblemResponses)
)]
pub(super) async fn list(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    let list = rows(&app, &params).await?;
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
    let view = View { title: "Builds", current: "/builds", path: "/builds", feed: None };
    let none = "No builds yet. They come from Buildkite and Travis CI.";
    let content = html! {
        h1 { "Builds" }
        (view.rows(&params, &fields, &list, none, |rows| build_table(rows, app.now())))
    };
    Ok(view.list(&params, &content))
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
                    td {
                        @if let Some(project) = &build.project {
                            a href={ "/builds?project=" (encode(project)) } { (path(project)) }
                        }
                    }
                    td { (build.branch.as_deref().unwrap_or_default()) }
                    td { (maybe_whole(build.commit.as_deref())) }
                    td { (time(Some(build.changed_at), now)) }
                    td { (took(build.started_at, build.finished_at)) }
                }
            }
        },
    )
}
