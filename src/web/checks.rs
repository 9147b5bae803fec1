//! Checks of all sources in one list: HTML, JSON and CSV.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::html;

use super::App;
use super::lists::{self, Field, ROWS, Rows, View, json};
use super::params::{self, Params, bad_after, cursor};
use super::problem::{Problem, ProblemResponses};
use super::verdict::check_table;
use crate::checks::Outcome;
use crate::checks::store::{CheckFilter, Position, list_checks};
use crate::outbox::State as CheckState;
use crate::platform::routing::Routes;
use crate::reports::CheckItem;

/// Most rows of a page of the API.
const MOST: i64 = 500;

pub(super) fn routes() -> Routes<App> {
    lists::at("/checks", list).merge(super::verdict::routes())
}

fn filter(params: &Params) -> Result<CheckFilter, Problem> {
    let states: Vec<&str> = CheckState::ALL.iter().map(|state| state.name()).collect();
    let outcomes: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
    let state = params.one_of("state", &states)?;
    let outcome = params.one_of("class", &outcomes)?;
    let text = |name: &str| params.text(name).map(str::to_owned);
    Ok(CheckFilter {
        state: CheckState::ALL.iter().copied().find(|known| Some(known.name()) == state),
        outcome: Outcome::ALL.iter().copied().find(|known| Some(known.name()) == outcome),
        system: text("system"),
        kind: text("kind"),
        repo: text("repo"),
        branch: text("branch"),
        name: text("name"),
    })
}

async fn rows(app: &App, params: &Params) -> Result<Rows<CheckItem>, Problem> {
    let after = match params.after()?.as_deref() {
        None => None,
        Some([at, system, kind, key]) => Some(Position {
            created_at: params::time(at)?,
            system: system.clone(),
            kind: kind.clone(),
            key: key.clone(),
        }),
        Some(_) => return Err(bad_after()),
    };
    let limit = params.number("limit", ROWS, 1, MOST)?;
    let found = list_checks(&mut app.reader().await?, &filter(params)?, after.as_ref(), limit + 1).await?;
    let key = |CheckItem { check, .. }: &CheckItem| {
        cursor(&[&check.created_at.to_string(), &check.system, &check.kind, &check.key])
    };
    let now = app.now();
    Ok(Rows::new(found.into_iter().map(|check| CheckItem::of(check, now)).collect(), limit, key))
}

/// Checks of all sources, newest first.
#[utoipa::path(
    get, path = "/api/v1/checks",
    params(
        ("system" = Option<String>, Query, description = "Only of this source"),
        ("kind" = Option<String>, Query, description = "Only of this table"),
        ("repo" = Option<String>, Query, description = "Only of this repository"),
        ("branch" = Option<String>, Query, description = "Only of this branch"),
        (
            "name" = Option<String>, Query,
            description = "Part of the name, in any case"
        ),
        (
            "state" = Option<String>, Query,
            pattern = "^(|pending|running|failing|passed|failed|errored|blocked|blocked_failed|blocked_running|\
                canceling|canceled|superseded|skipped|not_run|unknown)$",
            description = "Only in this state"
        ),
        (
            "class" = Option<String>, Query, pattern = "^(|open|bad|ok|held|void)$",
            description = "Only in states of this class"
        ),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Rows of a page, 50 by default"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
        (
            "format" = Option<String>, Query, pattern = "^(|json|html|csv)$",
            description = "`csv` for the page as CSV; cells that a spreadsheet would take as a formula begin with `'`"
        ),
    ),
    responses(
        (
            status = 200,
            description = "Checks of all sources, newest first. Filters other than `repo`, `branch` of a `repo`, and \
                `class=bad` without it are applied to the first 10,000 checks that match these.",
            body = Rows<CheckItem>
        ),
        ProblemResponses
    )
)]
pub(super) async fn list(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    let list = rows(&app, &params).await?;
    if params.wants_csv {
        return Ok(csv(&list));
    }
    if params.wants_json {
        return Ok(json(&list));
    }
    let now = app.now();
    let classes = [
        ("bad", "failed"),
        ("open", "running or waiting"),
        ("held", "blocked"),
        ("ok", "passed"),
        ("void", "cancelled or skipped"),
    ];
    let fields = [
        Field::Text("name", "Name"),
        Field::Text("system", "System"),
        Field::Choice("class", "Result", &classes),
        Field::Text("repo", "Repository"),
        Field::Text("branch", "Branch"),
    ];
    let view = View { title: "Checks", current: "/checks", path: "/checks", feed: None };
    let none = "No checks yet. Each pipeline, build, test, release, checkout and bot is one.";
    let content = html! {
        h1 { "Checks" }
        @if list.results.is_empty() && params.filters() {
            p.dim { "A filter by name, system or result is applied to the newest 10,000 checks of the repository, or of \
                all; that by the result failed to all checks." }
        }
        (view.rows(&params, &fields, &list, none, |checks| check_table("Checks, newest first", checks, now)))
    };
    Ok(view.list(&params, &content))
}

/// The rows as CSV. The header `Link` has the address of the next page.
fn csv(list: &Rows<CheckItem>) -> Response {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let heads = [
        "system",
        "kind",
        "key",
        "name",
        "state",
        "class",
        "host",
        "repo",
        "sha",
        "branch",
        "mr",
        "lane",
        "created_at",
        "started_at",
        "finished_at",
        "url",
        "log_url",
    ];
    // A buffer in memory takes everything.
    drop(writer.write_record(heads));
    for item in &list.results {
        let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let check = &item.check;
        let cells = [
            check.system.clone(),
            check.kind.clone(),
            check.key.clone(),
            check.name.clone(),
            check.state.name().to_owned(),
            item.class.to_owned(),
            check.host.clone(),
            check.repo.clone(),
            check.sha.clone().unwrap_or_default(),
            check.branch.clone().unwrap_or_default(),
            check.mr.map(|mr| mr.to_string()).unwrap_or_default(),
            check.lane.name().to_owned(),
            time(Some(check.created_at)),
            time(check.started_at),
            time(check.finished_at),
            check.url.clone().unwrap_or_default(),
            check.log_url.clone().unwrap_or_default(),
        ];
        drop(writer.write_record(cells.map(plain)));
    }
    let body = writer.into_inner().unwrap_or_default();
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], body).into_response();
    if let Some(next) = list.next.as_deref().and_then(|next| HeaderValue::from_str(next).ok()) {
        response.headers_mut().insert("x-next-after", next);
    }
    response
}

/// A cell that no spreadsheet takes as a formula.
fn plain(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text() {
        for cell in ["=1+1", "+1", "-1", "@a", "\ta", "\ra"] {
            assert_eq!(plain(cell.to_owned()), format!("'{cell}"));
        }
        assert_eq!(plain("a=1".to_owned()), "a=1");
    }
}
