//! Deliveries that are pending or dead, and targets with an open circuit breaker.

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::App;
use super::html::{Tone, count, or_none, state, table, time, toned};
use super::lists::{self, Field, ROWS, Rows, View, json};
use super::params::{self, Params, bad_after, cursor, encode};
use super::problem::{Problem, ProblemResponses};
use crate::outbox::reads::{self, DeliveryFilter, DeliveryRow, TargetRow};
use crate::platform::routing::Routes;

const STATES: [&str; 4] = ["pending", "dead", "undeliverable", "unrouted"];

pub(super) fn routes() -> Routes<App> {
    lists::at("/deliveries", list)
}

/// Undelivered commit statuses and events, and on the first page the targets.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = DeliveryList)]
pub(super) struct List {
    #[serde(flatten)]
    rows: Rows<DeliveryRow>,
    /// Targets and their health.
    targets: Vec<TargetRow>,
}

async fn read(app: &App, params: &Params) -> Result<List, Problem> {
    let after = match params.after()?.as_deref() {
        None => None,
        Some([since, id, target]) => Some((params::time(since)?, id.clone(), target.clone())),
        Some(_) => return Err(bad_after()),
    };
    let first = after.is_none();
    let filter = DeliveryFilter {
        state: params.one_of("state", &STATES)?,
        target: params.text("target"),
        text: params.text("q"),
        after,
        newest_first: params.one_of("sort", &["oldest", "newest"])? == Some("newest"),
    };
    let mut reader = app.reader().await?;
    let rows = reads::undelivered(&mut reader, &filter, ROWS + 1).await?;
    let rows = Rows::new(rows, ROWS, |row| cursor(&[&row.since.to_string(), &row.id, &row.target]));
    let targets = if first { reads::targets(&mut reader).await? } else { Vec::new() };
    Ok(List { rows, targets })
}

/// Undelivered commit statuses and events, and on the first page the targets.
#[utoipa::path(
    get, path = "/api/v1/deliveries",
    params(
        ("q" = Option<String>, Query, description = "Text to search for"),
        (
            "state" = Option<String>, Query, pattern = "^(|pending|dead|undeliverable|unrouted)$",
            description = "pending, dead, undeliverable or unrouted; pending and dead if not given"
        ),
        ("target" = Option<String>, Query, description = "Only of this target"),
        ("sort" = Option<String>, Query, pattern = "^(|newest|oldest)$", description = "oldest or newest first"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses(
        (status = 200, description = "Undelivered commit statuses and events, and on the first page the \
            targets.", body = List),
        ProblemResponses
    )
)]
pub(super) async fn list(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    let list = read(&app, &params).await?;
    if params.wants_json {
        return Ok(json(&list));
    }
    let now = app.now();
    let fields = [
        Field::Text("q", "Commit, event, key or reason"),
        Field::Choice("state", "State", &STATES.map(|state| (state, state))),
        Field::Text("target", "Target"),
        Field::Choice("sort", "Sorted by", &[("oldest", "oldest"), ("newest", "newest")]),
    ];
    let view = View { title: "Deliveries", current: "/deliveries", path: "/deliveries", feed: None };
    let none = "No undelivered commit statuses or events.";
    let content = html! {
        h1 { "Deliveries" }
        p {
            "Commit statuses and events that are not delivered. Retry one with: hummingbird-status deliveries retry ID"
        }
        @if !list.targets.is_empty() { (target_table(&list.targets, now)) }
        (view.rows(&params, &fields, &list.rows, none, |rows| delivery_table(rows, now)))
    };
    Ok(view.list(&params, &content))
}

/// Targets as a table.
pub(super) fn target_table(targets: &[TargetRow], now: Timestamp) -> Markup {
    table(
        "Targets",
        &["Target", "Circuit breaker", "Pending", "Dead", "Oldest pending since", "Last error"],
        &html! {
            @for target in targets {
                tr {
                    th scope="row" { a href={ "/deliveries?target=" (encode(&target.name)) } { (target.name) } }
                    td { (breaker(target, now)) }
                    td { (count(target.pending, Tone::Running, "")) } td { (count(target.dead, Tone::Bad, "")) }
                    td { @if target.oldest.is_some() { (time(target.oldest, now)) } }
                    td { (target.reason.as_deref().unwrap_or_default()) }
                }
            }
        },
    )
}

/// The state of the circuit breaker of a target.
fn breaker(target: &TargetRow, now: Timestamp) -> Markup {
    match target.open_until {
        Some(until) => toned(Tone::Bad, html! { "open, next attempt " (time(Some(until), now)) }),
        None if target.trips > 0 => toned(Tone::Notice, "half-open, one delivery at a time"),
        None if target.failures > 0 => toned(Tone::Notice, html! { (target.failures) " faults in a row" }),
        None => toned(Tone::Good, "works"),
    }
}

/// Whether a target needs attention.
pub(super) fn needs_attention(target: &TargetRow) -> bool {
    target.open_until.is_some() || target.dead > 0
}

fn delivery_table(rows: &[DeliveryRow], now: Timestamp) -> Markup {
    table(
        "Undelivered commit statuses and events",
        &["Delivery", "Target", "What", "State", "Attempts", "Pending since", "Next attempt", "Reason"],
        &html! {
            @for row in rows {
                tr {
                    th scope="row" { (row.id) } td { (row.target) } td { (row.what) } td { (state(&row.state)) }
                    td { (row.attempts) } td { (time(Some(row.since), now)) }
                    td { @if row.state == "pending" { (time(row.next_attempt_at, now)) } }
                    td { (or_none(row.reason.as_deref())) }
                }
            }
        },
    )
}
