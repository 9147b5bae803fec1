//! Bots: a list, and each with its history. A bot becomes late or silent without a message: this is decided here, by
//! the clock.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::Serialize;

use super::html::{Shell, Tone, empty, facts, label, or_none, shell, span, state, table, time, toned};
use super::lists::{Field, Rows, form, json, nothing, pager};
use super::natural::natural;
use super::params::{self, Params, cursor, encode_path};
use super::problem::{Problem, ProblemResponses};
use super::{App, html};
use crate::db::{Reader, StoreError};
use crate::platform::routing::Routes;
use crate::sources::bots::reads::{self, BotRow, Slot, Transition};
use crate::sources::bots::{Effective, effective, grace};

/// Bots on a page.
const ROWS: i64 = 100;
/// Seconds of a slot of the bar chart, and number of slots: the last day.
const DAY: (i64, i64) = (3_600, 24);
/// The last month.
const MONTH: (i64, i64) = (86_400, 30);

pub(super) fn routes() -> Routes<App> {
    Routes::new()
        .get("/bots", list)
        .get("/bots/{*name}", detail)
        .get("/api/v1/bots", list_json)
        .get("/api/v1/bots/{*name}", detail_json)
}

/// A bot, with its current state.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Bot {
    /// The stored row.
    #[serde(flatten)]
    pub(super) row: BotRow,
    /// `failed`, `stale` (silent for three intervals), `warning`, `late`, `ok` or `gone`.
    pub(super) effective: &'static str,
    /// Seconds between heartbeats, as reported or as measured.
    pub(super) expected_seconds: Option<i64>,
}

impl Bot {
    pub(super) fn state(&self) -> Effective {
        Effective::of(self.effective).unwrap_or(Effective::Failed)
    }
}

/// All bots with their states at a time, worst first.
pub(super) async fn all(reader: &mut Reader, now: Timestamp, name: Option<&str>) -> Result<Vec<Bot>, StoreError> {
    let rows = reads::list(reader, name).await?;
    let bot = |row: BotRow| {
        let pulse = row.pulse();
        let expected_seconds = grace(&pulse).map(|interval| interval.as_secs());
        Bot { effective: effective(&pulse, now).name(), expected_seconds, row }
    };
    let mut bots: Vec<Bot> = rows.into_iter().map(bot).collect();
    bots.sort_by(|a, b| a.state().cmp(&b.state()).then_with(|| natural(&a.row.name, &b.row.name)));
    Ok(bots)
}

/// How many bots are in each state, worst first.
pub(super) fn counts(bots: &[Bot]) -> Vec<(Effective, i64)> {
    let number = |state: Effective| bots.iter().filter(|bot| bot.state() == state).count();
    Effective::ALL.into_iter().map(|state| (state, i64::try_from(number(state)).unwrap_or(i64::MAX))).collect()
}

/// The requested page of the list, and how many bots are in each state.
async fn rows(app: &App, params: &Params) -> Result<(Rows<Bot>, Vec<(Effective, i64)>), Problem> {
    let status = params.one_of("status", &Effective::ALL.map(Effective::name))?;
    let sort = params.one_of("sort", &["severity", "name", "updated"])?.unwrap_or("severity");
    let show_gone = params.one_of("show", &["gone"])?.is_some() || status == Some("gone");
    let text = params.text("q").map(str::to_lowercase);
    let mut bots = all(&mut app.reader().await?, app.now(), None).await?;
    let counts = counts(&bots);
    bots.retain(|bot| {
        let has_text = |text: &String| {
            let comment = bot.row.comment.as_deref().unwrap_or_default();
            bot.row.name.to_lowercase().contains(text) || comment.to_lowercase().contains(text)
        };
        (show_gone || bot.effective != "gone")
            && status.is_none_or(|status| bot.effective == status)
            && text.as_ref().is_none_or(has_text)
    });
    match sort {
        "name" => bots.sort_by(|a, b| natural(&a.row.name, &b.row.name)),
        "updated" => bots.sort_by_key(|bot| std::cmp::Reverse(bot.row.updated_at)),
        _ => {}
    }
    if let Some(after) = params.after()? {
        let last = bots.iter().position(|bot| Some(&bot.row.name) == after.first());
        bots.drain(..last.map_or(0, |last| last + 1));
    }
    Ok((Rows::new(bots, ROWS, |bot| cursor(&[&bot.row.name])), counts))
}

/// Bots with their current state.
#[utoipa::path(
    get, path = "/api/v1/bots",
    params(
        ("q" = Option<String>, Query, description = "Text to search for"),
        (
            "status" = Option<String>, Query, pattern = "^(|failed|stale|warning|late|ok|gone)$",
            description = "One of failed, stale, warning, late, ok, gone"
        ),
        (
            "sort" = Option<String>, Query, pattern = "^(|severity|name|updated)$",
            description = "severity, name or updated"
        ),
        ("show" = Option<String>, Query, pattern = "^(|gone)$", description = "`gone`: also bots that have left"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses((status = 200, description = "Bots with their current state.", body = Rows<Bot>), ProblemResponses)
)]
pub(super) async fn list_json(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    Ok(json(&rows(&app, &params).await?.0))
}

async fn list(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    if params.wants_json {
        if params.filters() || params.text("sort").is_some() || params.text("after").is_some() {
            let text = "this JSON has no filters: use /api/v1/bots";
            return Err(Problem::Bad(text.to_owned()));
        }
        return board_json(&app).await;
    }
    let now = app.now();
    let (list, counts) = rows(&app, &params).await?;
    let strips = strips(&app, &list.results, now, DAY).await?;
    let choices = Effective::ALL.map(|state| (state.name(), label(state.name())));
    let fields = [
        Field::Text("q", "Name or comment"),
        Field::Choice("status", "Status", &choices),
        Field::Choice(
            "sort",
            "Sorted by",
            &[("severity", "severity"), ("name", "name"), ("updated", "last heartbeat")],
        ),
        Field::Choice("show", "Also show", &[("gone", "gone")]),
    ];
    let content = html! {
        h1 { "Bots" }
        (summary(&counts))
        (form("/bots", &params, &fields))
        @if list.results.is_empty() {
            (nothing("/bots", &params, "No heartbeat has arrived yet. Send one with: hummingbird-status bot-status -q \
                QUEUE -n NAME -s ok"))
        } @else {
            (table("Bots", &["Name", "Status", "Comment", "Last heartbeat", "Last 24 hours"], &html! {
                @for bot in &list.results {
                    tr {
                        th scope="row" { a href={ "/bots/" (encode_path(&bot.row.name)) } { (bot.row.name) } }
                        td { (state(bot.effective)) (reported(bot)) }
                        td { (bot.row.comment.as_deref().unwrap_or_default()) (warnings(&bot.row)) }
                        td { (time(bot.row.known_time(), now)) }
                        td { (strip(strips.get(&bot.row.name), DAY)) }
                    }
                }
            }))
            (pager("/bots", &params, list.next.as_deref()))
        }
    };
    let json = format!("/api/v1/bots{}", params.with(&[("refresh", None)]));
    let around = Shell {
        title: "Bots",
        current: "/bots",
        refresh: params.refresh(),
        json: Some(&json),
        feed: Some("/feed.atom"),
    };
    Ok(shell(around, &content).into_response())
}

/// How many bots are in each state, in a line.
pub(super) fn summary(counts: &[(Effective, i64)]) -> Markup {
    html! {
        ul.counts {
            @for (effective, number) in counts.iter().filter(|(_, number)| *number > 0) {
                li {
                    a href={ "/bots?status=" (effective.name()) } {
                        (toned(Tone::of(effective.name()), html! { (number) " " (label(effective.name())) }))
                    }
                }
            }
        }
    }
}

/// The status that a bot reported, where its current state differs.
fn reported(bot: &Bot) -> Markup {
    html! { @if bot.row.status != bot.effective { span.dim { " (reported " (bot.row.status) ")" } } }
}

fn warnings(row: &BotRow) -> Markup {
    html! { @for warning in &row.warnings { p { (toned(Tone::Notice, warning)) } } }
}

/// JSON in the format of openSUSE's bot-status.
pub(super) async fn board_json(app: &App) -> Result<Response, Problem> {
    let mut bots = all(&mut app.reader().await?, app.now(), None).await?;
    bots.retain(|bot| bot.effective != "gone");
    bots.sort_by(|a, b| a.row.name.cmp(&b.row.name));
    let result = |bot: &Bot| {
        serde_json::json!({
            "name": bot.row.name, "status": bot.row.status, "comment": bot.row.comment, "meta": bot.row.meta,
            // A string in that format, too.
            "updated": bot.row.updated_at.as_second().to_string(),
        })
    };
    let results: Vec<_> = bots.iter().map(result).collect();
    Ok(json(&serde_json::json!({"time": app.now().as_second(), "results": results})))
}

type Strips = HashMap<String, Vec<Slot>>;

async fn strips(app: &App, bots: &[Bot], now: Timestamp, span: (i64, i64)) -> Result<Strips, Problem> {
    let names: Vec<&str> = bots.iter().map(|bot| bot.row.name.as_str()).collect();
    let since = first_slot(now, span);
    let mut strips = Strips::new();
    for slot in reads::slots(&mut app.reader().await?, &names, since, span.0).await? {
        strips.entry(slot.name.clone()).or_default().push(slot);
    }
    Ok(strips)
}

/// Begin of a bar chart whose last slot contains `now`.
fn first_slot(now: Timestamp, (seconds, slots): (i64, i64)) -> Timestamp {
    let begin = (now.as_second().div_euclid(seconds) - slots + 1) * seconds;
    Timestamp::from_second(begin).unwrap_or(now)
}

/// Heartbeats as a bar chart: the colour is the worst status of the slot, a low bar is a slot without heartbeats.
fn strip(slots: Option<&Vec<Slot>>, (seconds, number): (i64, i64)) -> Markup {
    let slots: HashMap<i64, &Slot> = slots.into_iter().flatten().map(|slot| (slot.slot, slot)).collect();
    let beats: i64 = slots.values().map(|slot| slot.beats).sum();
    let bad = slots.values().filter(|slot| slot.worst == 2).count();
    let unit = if seconds == 3_600 { "hours" } else { "days" };
    html! {
        svg.strip width=(number * 6) height="20" viewBox={ "0 0 " (number * 6) " 20" } role="img"
            aria-label={ (beats) " heartbeats in " (number) " " (unit) ", failures in " (bad) " of them" } {
            @for index in 0..number {
                @let class = slots.get(&index).map(|slot| match slot.worst {
                    0 => "good", 1 => "notice", 2 => "bad", _ => "quiet"
                });
                @let top = if class.is_some() { 2 } else { 16 };
                rect class=[class] x=(index * 6) y=(top) width="5" height=(20 - top) {}
            }
        }
    }
}

/// A bot with its history.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = BotDetail)]
pub(super) struct Detail {
    #[serde(flatten)]
    bot: Bot,
    transitions: Vec<Transition>,
    /// Share of the last 24 hours, 7 and 30 days in which it had not failed; none before its first heartbeat.
    uptime: [Option<f64>; 3],
}

async fn find(app: &App, name: &str) -> Result<Detail, Problem> {
    let name = params::name(name);
    let now = app.now();
    let mut reader = app.reader().await?;
    let bot = all(&mut reader, now, Some(&name)).await?.pop();
    let Some(bot) = bot else { return Err(Problem::NotFound(format!("no bot is named {name:?}"))) };
    let transitions = reads::transitions(&mut reader, Some(&name), 500).await?;
    let uptime = [1, 7, 30].map(|days| uptime(&transitions, now, SignedDuration::from_hours(24 * days)));
    Ok(Detail { bot, transitions, uptime })
}

/// Share of a period until `now` in which a bot had not failed. `transitions` are its changes, newest first.
fn uptime(transitions: &[Transition], now: Timestamp, window: SignedDuration) -> Option<f64> {
    let begin = now.checked_sub(window).ok()?;
    let (mut up, mut known) = (0.0, 0.0);
    let mut end = now;
    for change in transitions {
        let start = change.at.max(begin).min(end);
        let seconds = end.duration_since(start).as_secs_f64();
        if change.to_status != "gone" {
            known += seconds;
            up += if change.to_status == "failed" { 0.0 } else { seconds };
        }
        end = start;
        if change.at <= begin {
            break;
        }
    }
    (known > 0.0).then(|| up / known)
}

/// A bot with its history.
#[utoipa::path(
    get, path = "/api/v1/bots/{name}",
    params(
        ("name" = String, Path, example = "deployer", description = "Name of the bot"),
    ),
    responses((status = 200, description = "A bot with its history.", body = Detail), ProblemResponses)
)]
pub(super) async fn detail_json(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    Ok(json(&find(&app, &name).await?))
}

async fn detail(State(app): State<App>, Path(name): Path<String>, params: Params) -> Result<Response, Problem> {
    let detail = find(&app, &name).await?;
    if params.wants_json {
        return Ok(json(&detail));
    }
    let now = app.now();
    let bot = &detail.bot;
    let days = strips(&app, std::slice::from_ref(bot), now, MONTH).await?;
    let hours = strips(&app, std::slice::from_ref(bot), now, DAY).await?;
    let expected = match (bot.expected_seconds, bot.row.interval_seconds) {
        (Some(seconds), reported) => {
            let how = if reported.is_some() { "as reported" } else { "as measured" };
            html! { "every " (span(seconds.unsigned_abs())) ", " (how) }
        }
        (None, _) => html! { span.none { "unknown: it is never silent" } },
    };
    let percent = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.2} %", share * 100.0));
    let path = encode_path(&bot.row.name);
    let content = html! {
        h1 { (bot.row.name) " " (state(bot.effective)) }
        p { (or_none(bot.row.comment.as_deref())) (reported(bot)) }
        (warnings(&bot.row))
        (facts(&[
            ("Last heartbeat", time(bot.row.known_time(), now)),
            ("Heartbeat", expected),
            ("Not failed in 24 h, 7 d, 30 d", html! { (detail.uptime.map(percent).join(", ")) }),
            ("Last message", html! { (bot.row.message_id) }),
            ("Badge", html! {
                img src={ "/badge/bots/" (path) ".svg" } alt={ (bot.row.name) ": " (label(bot.effective)) };
            }),
        ]))
        h2 { "Last 24 hours" } (strip(hours.get(&bot.row.name), DAY))
        h2 { "Last 30 days" } (strip(days.get(&bot.row.name), MONTH))
        @if let Some(meta) = bot.row.meta.as_object().filter(|meta| !meta.is_empty()) {
            h2 { "Metadata" }
            dl {
                @for (key, value) in meta {
                    div {
                        dt { (key) } dd { @match value.as_str() { Some(text) => (text), None => (value.to_string()) } }
                    }
                }
            }
        }
        h2 { "Changes" }
        (transitions(&detail.transitions, now, false))
        h2 { "Last message as JSON" }
        pre.scroll tabindex="0" { (serde_json::to_string_pretty(&bot.row).unwrap_or_default()) }
    };
    let (json, feed) = (format!("/api/v1/bots/{path}"), format!("/feed/bots/{path}"));
    let around = Shell {
        title: &bot.row.name,
        current: "/bots",
        refresh: params.refresh(),
        json: Some(&json),
        feed: Some(&feed),
    };
    Ok(html::shell(around, &content).into_response())
}

/// Changes of status as a table.
pub(super) fn transitions(list: &[Transition], now: Timestamp, with_name: bool) -> Markup {
    let heads = ["Bot", "When", "From", "To", "Comment"];
    html! {
        @if list.is_empty() { (empty("No change yet.")) } @else {
            (table("Changes of status, newest first", &heads[usize::from(!with_name)..], &html! {
                @for change in list {
                    tr {
                        @if with_name {
                            th scope="row" { a href={ "/bots/" (encode_path(&change.name)) } { (change.name) } }
                        }
                        td { (time(Some(change.at).filter(|at| *at > Timestamp::UNIX_EPOCH), now)) }
                        td { @if let Some(from) = &change.from_status { (from) } @else { span.none { "first seen" } } }
                        td { (state(&change.to_status)) }
                        td { (change.comment.as_deref().unwrap_or_default()) }
                    }
                }
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_counts_known_time_only() {
        let at = |second: i64| Timestamp::from_second(second).expect("time");
        let change = |second: i64, to: &str| Transition {
            name: "b".to_owned(),
            from_status: None,
            to_status: to.to_owned(),
            at: at(second),
            comment: None,
            message_id: String::new(),
        };
        let day = SignedDuration::from_secs(100);
        let near = |share: Option<f64>, expected: f64| share.is_some_and(|share| (share - expected).abs() < 1e-9);
        let history = [change(180, "ok"), change(150, "failed"), change(50, "warning")];
        assert!(near(uptime(&history, at(200), day), 0.7));
        assert!(near(uptime(&history[..1], at(200), day), 1.0));
        assert!(near(
            uptime(&[change(190, "gone"), change(180, "failed"), change(0, "ok")], at(200), day),
            80.0 / 90.0
        ));
        assert_eq!(uptime(&[], at(200), day), None);
        assert_eq!(uptime(&[change(0, "gone")], at(200), day), None);
    }
}
