//! Rejected messages and their reasons. Their bytes are not shown, because they are not trusted.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use maud::html;

use super::App;
use super::html::{Shell, or_none, shell, table, time};
use super::lists::{Field, ROWS, Rows, SORT, form, json, nothing, pager};
use super::params::{self, Params, bad_after, cursor};
use super::problem::{Problem, ProblemResponses};
use crate::db::{RejectedCount, RejectedRow, count_rejected, list_rejected};
use crate::platform::routing::Routes;

/// Period of the counts.
pub(super) const COUNTED: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn routes() -> Routes<App> {
    Routes::new().get("/refused", list).get("/api/v1/refused", list_json)
}

async fn rows(app: &App, params: &Params) -> Result<Rows<RejectedRow>, Problem> {
    let after = match params.after()?.as_deref() {
        None => None,
        Some([at, id]) => Some((params::time(at)?, id.clone())),
        Some(_) => return Err(bad_after()),
    };
    let filter = (params.text("family"), params.text("reason"), params.text("q"));
    let rows =
        list_rejected(&mut app.reader().await?, filter, after.as_ref(), params.oldest_first()?, ROWS + 1).await?;
    Ok(Rows::new(rows, ROWS, |row| cursor(&[&row.received_at.to_string(), &row.id])))
}

/// Rejected messages, which could not be stored.
#[utoipa::path(
    get, path = "/api/v1/refused",
    params(
        (
            "q" = Option<String>, Query,
            description = "Text to search for, in the first 10,000 rows that match the other filters"
        ),
        ("family" = Option<String>, Query, description = "Only of this source"),
        ("reason" = Option<String>, Query, description = "Only with this reason"),
        ("sort" = Option<String>, Query, pattern = "^(|newest|oldest)$", description = "newest or oldest first"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses(
        (status = 200, description = "Rejected messages, which could not be stored.", body = Rows<RejectedRow>),
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
    let since = now.saturating_sub(COUNTED).unwrap_or(now);
    let counts: Vec<RejectedCount> = count_rejected(&mut app.reader().await?, since).await?;
    let fields =
        [Field::Text("q", "Id or detail"), Field::Text("family", "Source"), Field::Text("reason", "Reason"), SORT];
    let content = html! {
        h1 { "Rejected messages" }
        p {
            "Messages that cannot be stored are kept with their bytes and the reason (dead letters), and can be \
             replayed."
        }
        @if !counts.is_empty() {
            (table("In the last 24 hours", &["Source", "Reason", "Messages", "Newest"], &html! {
                @for count in &counts {
                    tr {
                        td { (or_none(Some(&count.family))) } td { (count.reason) }
                        td { (count.messages) } td { (time(Some(count.newest), now)) }
                    }
                }
            }))
        }
        (form("/refused", &params, &fields))
        @if list.results.is_empty() {
            (nothing("/refused", &params, "No rejected messages: all messages were stored, or are of no source."))
        } @else {
            (table("Rejected messages", &["Message", "Source", "Reason", "Detail", "Bytes", "Received"], &html! {
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
        Shell { title: "Rejected", current: "/refused", refresh: params.refresh(), json: Some(&json), feed: None };
    Ok(shell(around, &content).into_response())
}
