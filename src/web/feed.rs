//! Atom feeds (RFC 4287): of all failures and changes of bots, and of single objects. An entry is one state of an
//! object. The id of an entry is made of the identity of that state, so that it does not depend on the host that serves
//! it.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, PreEscaped, html};

use super::builds::{self, Build};
use super::html::short;
use super::params::{self, encode, encode_path};
use super::problem::Problem;
use super::{App, attention, checkouts, merge_requests, text};
use crate::platform::routing::Routes;
use crate::reports::{self, TransitionRow};
use crate::sources::bots::reads::{self as bots, Transition};
use crate::sources::gitlab::reads::MergeRequestRow;
use crate::sources::kcidb::reads as kcidb;
use crate::sources::konflux::reads::{self as konflux, ReleaseRow, RunRow};

/// Entries of a feed.
const ENTRIES: i64 = 100;
/// Period of the failures in the feed of everything.
const LATELY: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(super) fn routes() -> Routes<App> {
    Routes::new()
        .get("/feed.atom", all)
        .get("/feed/transitions.atom", transitions)
        .get("/feed/bots/{*name}", bot)
        .get("/feed/mr/{*key}", merge_request)
        .get("/feed/components/{*name}", component)
        .get("/feed/builds/{system}/{*id}", build)
        .get("/feed/projects/{*name}", project)
}

/// One state of an object.
struct Entry {
    /// The part after `urn:hummingbird-status:`.
    id: String,
    title: String,
    at: Timestamp,
    /// Path of its page.
    path: String,
    text: String,
}

impl Entry {
    fn of_bot(change: &Transition) -> Self {
        let from = change.from_status.as_deref().unwrap_or("new");
        Self {
            id: format!("bot:{}:{}:{}", encode(&change.name), change.at, encode(&change.message_id)),
            title: format!("{}: {from} → {}", change.name, change.to_status),
            at: change.at,
            path: format!("/bots/{}", encode_path(&change.name)),
            text: change.comment.clone().unwrap_or_default(),
        }
    }

    fn of_transition(row: &TransitionRow) -> Self {
        let place = [row.repo.as_str(), row.branch.as_str()];
        let place = place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let commit = row.sha.as_deref().unwrap_or(&row.point);
        let before = row.before_point.as_deref().unwrap_or("none");
        let good = if row.transition == "broken" { "Last good" } else { "Last bad" };
        Self {
            id: format!("transition:{}:{}:{}", row.series, encode(&row.point), row.transition),
            title: format!("{} {} {}: {place}", row.system, row.name, row.transition),
            at: row.at,
            path: format!("/series/{}", row.series),
            text: format!("Commit {commit}\n{good}: {before}"),
        }
    }

    /// None for a run without any time.
    fn of_run(run: &RunRow) -> Option<Self> {
        let at = run.finished_at.or(run.started_at).or(run.created_at)?;
        let component = run.component.as_deref().unwrap_or("unknown component");
        let path = match &run.component {
            Some(component) => format!("/components/{}", encode_path(component)),
            None => format!("/commits/{}", encode_path(run.sha.as_deref()?)),
        };
        let parts: Vec<&str> = [Some(run.kind.as_str()), run.scenario.as_deref(), Some(run.result().name())]
            .into_iter()
            .flatten()
            .collect();
        Some(Self {
            id: format!("run:{}:{}", encode(&run.name), run.state),
            title: format!("{component}: {}", parts.join(" ")),
            at,
            path,
            text: format!("{}\n{}", run.name, run.message.as_deref().unwrap_or_default()),
        })
    }

    /// None for a release without any time.
    fn of_release(release: &ReleaseRow) -> Option<Self> {
        Some(Self {
            id: format!("release:{}:{}", encode(&release.name), release.state),
            title: format!("Release {}: {}", release.name, release.state),
            at: release.finished_at.or(release.started_at).or(release.created_at)?,
            path: format!("/releases/{}", encode_path(&release.name)),
            text: [&release.failure_reason, &release.message]
                .into_iter()
                .flatten()
                .cloned()
                .collect::<Vec<_>>()
                .join("\n"),
        })
    }

    /// None for a checkout without a result.
    fn of_checkout(item: &checkouts::Item) -> Option<Self> {
        let row = &item.row;
        let status = item.status?;
        let names: Vec<&str> =
            [row.tree_name.as_deref(), row.git_repository_branch.as_deref()].into_iter().flatten().collect();
        let name = if names.is_empty() { row.id.clone() } else { names.join(" ") };
        Some(Self {
            id: format!("checkout:{}:{status}", encode(&row.id)),
            title: format!("Checkout of {name}: {status}"),
            at: row.at,
            path: checkouts::path(&row.id),
            text: row.git_commit_name.clone().unwrap_or_default(),
        })
    }

    fn of_build(build: &Build) -> Self {
        let state = build.state.as_deref().unwrap_or("unknown");
        Self {
            id: format!("build:{}:{}:{}:{}", build.system, encode(&build.id), encode(state), build.changed_at),
            title: format!("{}: {}", build.name(), state.replace('_', " ")),
            at: build.changed_at,
            path: build.path(),
            text: build.title.clone().unwrap_or_default(),
        }
    }
}

async fn all(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let now = app.now();
    let since = now.saturating_sub(LATELY).unwrap_or(now);
    let mut reader = app.reader().await?;
    let mut entries: Vec<Entry> =
        bots::transitions(&mut reader, None, ENTRIES).await?.iter().map(Entry::of_bot).collect();
    let failed = attention::failed(&mut reader, since, ENTRIES).await?;
    entries.extend(failed.runs.iter().filter_map(Entry::of_run));
    entries.extend(failed.releases.iter().filter_map(Entry::of_release));
    entries.extend(failed.builds.iter().map(Entry::of_build));
    let failed = kcidb::CheckoutFilter { failed: Some(true), since: Some(since), ..kcidb::CheckoutFilter::default() };
    let failed = checkouts::read(&mut reader, &failed, ENTRIES).await?;
    entries.extend(failed.iter().filter_map(Entry::of_checkout));
    Ok(atom("Failures, and changes of bots", "/feed.atom", entries, &headers))
}

/// What broke and what was fixed on default branches, in releases and for tags.
async fn transitions(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let now = app.now();
    let since = now.saturating_sub(LATELY).unwrap_or(now);
    let found = reports::transitions(&mut app.reader().await?, since, None, ENTRIES).await?;
    let entries = found.iter().map(Entry::of_transition).collect();
    Ok(atom("What broke and what was fixed", "/feed/transitions.atom", entries, &headers))
}

async fn bot(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let name = params::name(&name);
    let changes = bots::transitions(&mut app.reader().await?, Some(&name), ENTRIES).await?;
    if changes.is_empty() {
        return Err(Problem::NotFound(format!("no bot is named {name:?}")));
    }
    let entries = changes.iter().map(Entry::of_bot).collect();
    Ok(atom(&name, &format!("/feed/bots/{}", encode_path(&name)), entries, &headers))
}

/// The feed of a merge request: its state, its heads, and their runs, builds and releases.
async fn merge_request(
    State(app): State<App>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = merge_requests::find(&app, &key).await?;
    let (name, path) = (found.name(), found.path());
    let of_row = |row: &MergeRequestRow| Entry {
        id: format!("mr:{}:{}:{}", encode(&name), row.state, row.version_at),
        title: format!("{name}: {}", row.state),
        at: row.version_at,
        path: path.clone(),
        text: row.title.clone().unwrap_or_default(),
    };
    let mut entries: Vec<Entry> = found.merge_request.iter().map(of_row).collect();
    entries.extend(found.versions.iter().map(|version| Entry {
        id: format!("version:{}:{}", encode(&name), encode(&version.sha)),
        title: format!("{name}: new head {}", short(&version.sha)),
        at: version.created_at,
        path: path.clone(),
        text: String::new(),
    }));
    entries.extend(found.runs.iter().filter_map(Entry::of_run));
    entries.extend(found.releases.iter().filter_map(Entry::of_release));
    entries.extend(found.builds.iter().map(Entry::of_build));
    Ok(atom(&name, &format!("/feed{path}"), entries, &headers))
}

async fn component(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let name = params::name(&name);
    let mut reader = app.reader().await?;
    let runs = konflux::runs_of_component(&mut reader, &name, ENTRIES).await?;
    if runs.is_empty() && konflux::component(&mut reader, &name).await?.is_none() {
        return Err(Problem::NotFound(format!("no component is named {name:?}")));
    }
    let entries = runs.iter().filter_map(Entry::of_run).collect();
    Ok(atom(&name, &format!("/feed/components/{}", encode_path(&name)), entries, &headers))
}

async fn build(
    State(app): State<App>,
    Path((system, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = params::name(&id);
    let Some(build) = builds::find(&app, &system, &id).await? else {
        return Err(Problem::NotFound(format!("no build of {system:?} has the id {id:?}")));
    };
    Ok(atom(&build.name(), &format!("/feed{}", build.path()), vec![Entry::of_build(&build)], &headers))
}

/// Builds of a repository or pipeline.
async fn project(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let name = params::name(&name);
    let builds = builds::of_project(&app, &name, None, ENTRIES).await?;
    if builds.is_empty() {
        return Err(Problem::NotFound(format!("no builds of {name:?}")));
    }
    let entries = builds.iter().map(Entry::of_build).collect();
    Ok(atom(&name, &format!("/feed/projects/{}", encode_path(&name)), entries, &headers))
}

fn atom(title: &str, path: &str, mut entries: Vec<Entry>, headers: &HeaderMap) -> Response {
    entries.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.id.cmp(&b.id)));
    entries.truncate(usize::try_from(ENTRIES).unwrap_or(usize::MAX));
    let base = base(headers);
    let updated = entries.first().map_or(Timestamp::UNIX_EPOCH, |entry| entry.at);
    let feed = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"utf-8\"?>"))
        feed xmlns="http://www.w3.org/2005/Atom" {
            id { "urn:hummingbird-status:" (path) }
            title { (title) " · Hummingbird Status" }
            updated { (updated) }
            (link("self", &format!("{base}{path}")))
            author { name { "Hummingbird Status" } }
            @for entry in &entries {
                entry {
                    id { "urn:hummingbird-status:" (entry.id) }
                    title { (entry.title) }
                    updated { (entry.at) }
                    (link("alternate", &format!("{base}{}", entry.path)))
                    content type="text" { (entry.text) }
                }
            }
        }
    };
    let kind = [
        (header::CONTENT_TYPE, "application/atom+xml; charset=utf-8"),
        (header::CACHE_CONTROL, "max-age=60"),
        // The links contain the host.
        (header::VARY, "host"),
    ];
    (kind, text::document(feed.into_string())).into_response()
}

/// The address of this server, as the client has it.
pub(super) fn base(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let local = host.starts_with("127.0.0.1") || host.starts_with("localhost");
    format!("{}://{host}", if local { "http" } else { "https" })
}

/// An empty element: maud writes `link` as HTML, without the end that XML needs.
fn link(rel: &str, url: &str) -> Markup {
    PreEscaped(format!("<link rel=\"{rel}\" href=\"{}\"/>", html! { (url) }.into_string()))
}
