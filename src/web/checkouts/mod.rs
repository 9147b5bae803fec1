//! Checkouts of KCIDB: the results of their builds and tests, and their completion.

pub(super) mod detail;
pub(super) mod objects;
mod parts;

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::App;
use super::components::maybe;
use super::html::{Tone, or_none, short, table, time, toned};
use super::lists::{self, Field, ROWS, Rows, View, json};
use super::params::{self, Params, bad_after, cursor, encode_path};
use super::problem::{Problem, ProblemResponses};
use crate::db::{Reader, StoreError};
use crate::platform::routing::Routes;
use crate::sources::kcidb::reads::{self, CheckoutFilter, CheckoutRow, StatusCount};

pub(super) fn routes() -> Routes<App> {
    lists::at("/checkouts", list)
        .merge(lists::at("/checkouts/{*id}", detail::checkout))
        .merge(lists::at("/kcidb/builds/{*id}", objects::build))
        .merge(lists::at("/kcidb/tests/{*id}", objects::test))
}

/// A checkout with its result.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CheckoutItem)]
pub(super) struct Item {
    #[serde(flatten)]
    pub(super) row: CheckoutRow,
    /// The worst of its builds and tests: `FAIL`, `ERROR`, `MISS`, `PASS`, `DONE` or `SKIP`; none before the first
    /// result.
    pub(super) status: Option<&'static str>,
    /// Builds by status.
    pub(super) builds: Vec<StatusCount>,
}

/// Reads checkouts with their results.
pub(super) async fn read(reader: &mut Reader, filter: &CheckoutFilter<'_>, most: i64) -> Result<Vec<Item>, StoreError> {
    let rows = reads::checkouts(reader, filter, most).await?;
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let mut counts: HashMap<String, Vec<StatusCount>> = HashMap::new();
    for count in reads::statuses(reader, &ids).await? {
        counts.entry(count.id.clone()).or_default().push(count);
    }
    let item = |row: CheckoutRow| {
        let mut builds = counts.remove(&row.id).unwrap_or_default();
        let status = reads::worst(&builds);
        builds.retain(|count| count.kind == "build");
        Item { row, status, builds }
    };
    Ok(rows.into_iter().map(item).collect())
}

async fn rows(app: &App, params: &Params) -> Result<Rows<Item>, Problem> {
    let after = match params.after()?.as_deref() {
        None => None,
        Some([at, id]) => Some((params::time(at)?, id.clone())),
        Some(_) => return Err(bad_after()),
    };
    let filter = CheckoutFilter {
        origin: params.text("origin"),
        tree: params.text("tree"),
        branch: params.text("branch"),
        text: params.text("q"),
        failed: params.one_of("failed", &["yes", "no"])?.map(|failed| failed == "yes"),
        finished: params.one_of("finished", &["yes", "no"])?.map(|finished| finished == "yes"),
        since: None,
        after,
        oldest_first: params.oldest_first()?,
    };
    let items = read(&mut app.reader().await?, &filter, ROWS + 1).await?;
    Ok(Rows::new(items, ROWS, |item| cursor(&[&item.row.at.to_string(), &item.row.id])))
}

/// Checkouts of KCIDB.
#[utoipa::path(
    get, path = "/api/v1/checkouts",
    params(
        (
            "q" = Option<String>, Query,
            description = "Text to search for, in the first 10,000 rows that match the other filters"
        ),
        ("origin" = Option<String>, Query, description = "Only of this origin"),
        ("tree" = Option<String>, Query, description = "Only of this tree"),
        ("branch" = Option<String>, Query, description = "Only of this branch"),
        (
            "failed" = Option<String>, Query, pattern = "^(|yes|no)$",
            description = "yes or no: whether a build or test of it failed, among the first 1,000 that match the other \
                filters"
        ),
        (
            "finished" = Option<String>, Query, pattern = "^(|yes|no)$",
            description = "yes or no: whether all of its tests have ended"
        ),
        ("sort" = Option<String>, Query, pattern = "^(|newest|oldest)$", description = "newest or oldest first"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses((status = 200, description = "Checkouts of KCIDB.", body = Rows<Item>), ProblemResponses)
)]
pub(super) async fn list(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    let list = rows(&app, &params).await?;
    if params.wants_json {
        return Ok(json(&list));
    }
    let choice = [("yes", "yes"), ("no", "no")];
    let fields = [
        Field::Text("q", "Id, commit or comment"),
        Field::Text("origin", "Origin"),
        Field::Text("tree", "Tree"),
        Field::Text("branch", "Branch"),
        Field::Choice("failed", "Failed", &choice),
        Field::Choice("finished", "Finished", &choice),
        Field::Choice("sort", "Sorted by", &[("newest", "newest"), ("oldest", "oldest")]),
    ];
    let view = View { title: "Checkouts", current: "/checkouts", path: "/checkouts", feed: None };
    let none = "No checkouts yet. They come from submissions of KCIDB.";
    let content = html! {
        h1 { "Checkouts" }
        (view.rows(&params, &fields, &list, none, |rows| checkout_table(rows, app.now())))
    };
    Ok(view.list(&params, &content))
}

/// Checkouts as a table.
pub(super) fn checkout_table(items: &[Item], now: Timestamp) -> Markup {
    let heads = ["Checkout", "Status", "Builds", "Completion", "Tree and branch", "Commit", "Began"];
    table(
        "Checkouts",
        &heads,
        &html! {
            @for item in items {
                tr {
                    th scope="row" { a href=(path(&item.row.id)) { (item.row.id) } }
                    td {
                        (maybe(item.status, "no result yet"))
                        @if item.row.valid == Some(false) { " " (toned(Tone::Bad, "not checked out")) }
                    }
                    td { (counts(&item.builds)) }
                    td { (completion(&item.row)) }
                    td {
                        (or_none(item.row.tree_name.as_deref()))
                        " "
                        span.dim { (item.row.git_repository_branch.as_deref().unwrap_or_default()) }
                    }
                    td {
                        @if let Some(sha) = &item.row.git_commit_hash {
                            span.sha title=(sha) { (item.row.git_commit_name.as_deref().unwrap_or(short(sha))) }
                        }
                    }
                    td { (time(Some(item.row.at), now)) }
                }
            }
        },
    )
}

/// Path of the page of a checkout.
pub(super) fn path(id: &str) -> String {
    format!("/checkouts/{}", encode_path(id))
}

/// The completion of a checkout.
pub(super) fn completion(row: &CheckoutRow) -> Markup {
    let (tone, text) = match row.milestones.last().map(String::as_str) {
        _ if row.overdue => (Tone::Notice, "overdue"),
        Some("ready_to_report") => (Tone::Good, "ready to report"),
        Some("tests_finished") => (Tone::Notice, "failures to be triaged"),
        Some("build_setups_finished") => (Tone::Running, "tests running"),
        _ => (Tone::Running, "builds running"),
    };
    toned(tone, text)
}

/// How many builds or tests have each status, worst first.
pub(super) fn counts(counts: &[StatusCount]) -> Markup {
    let rank =
        |count: &&StatusCount| reads::STATUSES.iter().position(|status| Some(*status) == count.status.as_deref());
    let mut sorted: Vec<&StatusCount> = counts.iter().collect();
    // No status yet sorts between bad and good ones.
    sorted.sort_by_key(|count| rank(count).map_or(5, |rank| 2 * rank));
    html! {
        @for count in sorted {
            @let status = count.status.as_deref().unwrap_or("no result yet");
            @let tone = count.status.as_deref().map_or(Tone::Running, Tone::of);
            (toned(tone, html! { (count.count) " " (status) })) " "
        }
    }
}
