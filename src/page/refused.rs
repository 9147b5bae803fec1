//! What could not be kept, and why. Its bytes are not shown: they may hold anything.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use maud::html;

use super::Page;
use super::html::{Shell, or_none, shell, table, time};
use super::lists::{Field, ROWS, Rows, SORT, form, json, nothing, pager};
use super::params::{self, Params, bad_after, cursor};
use super::problem::{Problem, ProblemResponses};
use crate::routing::Routes;
use crate::store::{RefusedCount, RefusedRow, count_refused, list_refused};

/// How far back is counted.
pub(super) const COUNTED: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn routes() -> Routes<Page> {
    Routes::new().get("/refused", page).get("/api/v1/refused", list_json)
}

async fn rows(page: &Page, params: &Params) -> Result<Rows<RefusedRow>, Problem> {
    let after = match params.after()?.as_deref() {
        None => None,
        Some([at, id]) => Some((params::time(at)?, id.clone())),
        Some(_) => return Err(bad_after()),
    };
    let wanted = (params.text("family"), params.text("reason"), params.text("q"));
    let rows =
        list_refused(&mut page.reader().await?, wanted, after.as_ref(), params.oldest_first()?, ROWS + 1).await?;
    Ok(Rows::new(rows, ROWS, |row| cursor(&[&row.received_at.to_string(), &row.id])))
}

/// Messages that could not be kept.
#[utoipa::path(get, path = "/api/v1/refused",
    params(("q" = Option<String>, Query, description = "Text to look for, in the first 10,000 that fit the other filters"), ("family" = Option<String>, Query, description = "Only of this family"), ("reason" = Option<String>, Query, description = "Only of this reason"), ("sort" = Option<String>, Query, pattern = "^(|newest|oldest)$", description = "newest or oldest first"), ("after" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, description = "Messages that could not be kept.", body = Rows<RefusedRow>), ProblemResponses))]
pub(super) async fn list_json(State(page): State<Page>, params: Params) -> Result<Response, Problem> {
    Ok(json(&rows(&page, &params).await?))
}

async fn page(State(page): State<Page>, params: Params) -> Result<Response, Problem> {
    let list = rows(&page, &params).await?;
    if params.wants_json {
        return Ok(json(&list));
    }
    let now = page.now();
    let since = now.saturating_sub(COUNTED).unwrap_or(now);
    let counts: Vec<RefusedCount> = count_refused(&mut page.reader().await?, since).await?;
    let fields =
        [Field::Text("q", "Id or detail"), Field::Text("family", "Family"), Field::Text("reason", "Reason"), SORT];
    let content = html! {
        h1 { "Refused messages" }
        p { "Messages that cannot be kept are put aside with their bytes and the reason, and can be replayed." }
        @if !counts.is_empty() {
            (table("In the last 24 hours", &["Family", "Reason", "Messages", "Newest"], &html! {
                @for count in &counts {
                    tr {
                        td { (or_none(Some(&count.family))) } td { (count.reason) }
                        td { (count.messages) } td { (time(Some(count.newest), now)) }
                    }
                }
            }))
        }
        (form("/refused", &params, &fields))
        @if list.results.is_empty() { (nothing("/refused", &params, "Nothing was refused: every message could be kept, or was of no family.")) } @else {
            (table("Refused messages", &["Message", "Family", "Reason", "Detail", "Bytes", "Received"], &html! {
                @for row in &list.results {
                    tr {
                        th scope="row" { (row.id) } td { (or_none(row.family.as_deref())) } td { (row.reason) }
                        td { (row.detail) } td { (row.bytes) } td { (time(Some(row.received_at), now)) }
                    }
                }
            }))
            (pager("/refused", &params, list.next.as_deref()))
        }
    };
    let json = format!("/api/v1/refused{}", params.with(&[("refresh", None)]));
    let around =
        Shell { title: "Refused", current: "/refused", refresh: params.refresh(), json: Some(&json), feed: None };
    Ok(shell(around, &content).into_response())
}
