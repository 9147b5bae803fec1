//! The verdict of a commit, of a merge request or of a branch: for scripts that wait for it, and for pages.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use maud::{Markup, html};

use super::App;
use super::components::took;
use super::html::{Tone, or_none, outside, path, state, table, time, toned};
use super::lists::json;
use super::params::{Params, encode};
use super::problem::{Problem, ProblemResponses};
use crate::checks::{Answer, Lane, Pattern, Verdict, Why};
use crate::db::Reader;
use crate::platform::clock::Deadline;
use crate::platform::routing::Routes;
use crate::reports::{Asked, CheckItem, CommitVerdict, VerdictOfCommit, verdict_of};

/// Longest time that a request waits, in seconds: gateways end requests after 30 seconds.
const LONGEST_WAIT: i64 = 25;
/// Seconds after which a client should ask again, where requests cannot wait.
const RETRY_AFTER: &str = "5";

pub(super) fn routes() -> Routes<App> {
    Routes::new().get("/api/v1/verdict", show)
}

fn asked(params: &Params) -> Result<Asked, Problem> {
    let given = ["sha", "branch", "mr"].iter().filter(|name| params.text(name).is_some()).count();
    if given > 1 {
        return Err(Problem::Bad("expected one of sha, branch and mr".to_owned()));
    }
    if let Some(sha) = params.text("sha") {
        return Ok(Asked::Sha(sha.to_owned()));
    }
    if params.text("repo").is_none() {
        return Err(Problem::Bad("expected sha; or repo, with sha, branch or mr".to_owned()));
    }
    if params.text("mr").is_some() {
        return Ok(Asked::MergeRequest(params.number("mr", 0, 1, i64::MAX)?));
    }
    Ok(Asked::Branch(params.text("branch").map(str::to_owned)))
}

/// The verdict as it is now.
async fn look(
    reader: &mut Reader,
    asked: &Asked,
    repo: Option<&str>,
    required: &[Pattern],
    now: Timestamp,
) -> Result<VerdictOfCommit, Problem> {
    verdict_of(reader, asked, repo, required, now).await?.map_err(|commits| {
        let commits = commits.join(", ");
        Problem::Bad(format!("sha: several commits begin with these digits, give more of them: {commits}"))
    })
}

/// The verdict of a commit, of the head of a merge request, or of the newest commit of a branch.
#[utoipa::path(
    get, path = "/api/v1/verdict",
    params(
        ("repo" = Option<String>, Query, description = "Path of the repository"),
        ("sha" = Option<String>, Query, description = "The commit, or its first digits, at least 4"),
        ("mr" = Option<i64>, Query, description = "Number of a merge request of `repo`: the verdict of its head"),
        (
            "branch" = Option<String>, Query,
            description = "Branch of `repo`: the verdict of its newest commit; the default branch if neither `sha` nor \
                `mr` is given"
        ),
        (
            "required" = Option<String>, Query,
            description = "Checks (SYSTEM:NAME, with * and ?) that must be there beside those that the rules require, \
                separated by commas"
        ),
        (
            "wait" = Option<i64>, Query, minimum = 0, maximum = 25,
            description = "Seconds to wait for a settled verdict; with the header If-None-Match, for another version. \
                Where requests cannot wait, the answer comes at once, with Retry-After"
        ),
    ),
    responses(
        (status = 200, description = "The verdict. The header ETag has its version.", body = VerdictOfCommit),
        (status = 429, description = "Too many requests wait."),
        ProblemResponses
    )
)]
pub(super) async fn show(State(app): State<App>, params: Params, headers: HeaderMap) -> Result<Response, Problem> {
    let asked = asked(&params)?;
    let required: Vec<Pattern> = params.list("required").map(|text| Pattern::from(text.to_owned())).collect();
    let seconds = u64::try_from(params.number("wait", 0, 0, LONGEST_WAIT)?).unwrap_or_default();
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    let deadline = Deadline::within(Duration::from_secs(seconds));
    let mut waiter = None;
    let mut look_again = true;
    loop {
        let shown = look(&mut app.reader().await?, &asked, params.text("repo"), &required, app.now()).await?;
        let tag = format!("\"{}\"", shown.version);
        let is_answer = match &known {
            Some(known) => !known.contains(&tag),
            None => shown.verdict.settled,
        };
        let waits = seconds > 0 && app.waiting.is_some();
        if is_answer || !waits || !look_again {
            return Ok(answer(&shown, &tag, seconds > 0 && !is_answer && !waits));
        }
        if waiter.is_none() {
            // Looks once more after it has begun to wait, so that it misses no change.
            waiter = app.waiting.as_ref().and_then(|waiting| waiting.begin(&app.store));
            if waiter.is_none() {
                return Err(Problem::TooMany("too many requests wait for verdicts".to_owned()));
            }
            continue;
        }
        if let Some(waiter) = &mut waiter {
            waiter.changed(deadline).await;
        }
        look_again = !deadline.remaining().is_zero();
    }
}

fn answer(shown: &VerdictOfCommit, tag: &str, retry: bool) -> Response {
    let mut response = json(shown);
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    if retry {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    response.into_response()
}

/// The verdict of a commit of a repository, for badges.
pub(super) async fn of(app: &App, asked: &Asked, repo: &str) -> Result<VerdictOfCommit, Problem> {
    look(&mut app.reader().await?, asked, Some(repo), &[], app.now()).await
}

/// The word of a verdict on a badge.
pub(super) fn word_of(verdict: &Verdict) -> String {
    word(verdict.verdict, verdict.reasons.iter().any(|reason| reason.why == Why::BeingComputed))
}

/// The word of an answer on a badge; `is_being_computed`: while old rows are read, an answer would be about a part.
pub(super) fn word(answer: Answer, is_being_computed: bool) -> String {
    match answer {
        Answer::Failed => answer.name(),
        _ if is_being_computed => "being computed",
        Answer::None => "no results",
        _ => answer.name(),
    }
    .to_owned()
}

/// The words for a reason.
fn words(why: Why) -> &'static str {
    match why {
        Why::Failed => "failed",
        Why::Running => "running",
        Why::Missing => "required and missing",
        Why::Settling => "a check changed just now",
        Why::Held => "waiting for a person",
        Why::Stuck => "stuck",
        Why::Superseded => "superseded by a newer commit; cancelled",
        Why::Canceled => "cancelled",
        Why::Flaky => "passed after a failure",
        Why::Warning => "passed with warnings",
        Why::BeingComputed => "being computed: checks from before the last update are not all read yet",
        Why::Ambiguous => "several repositories have this commit",
    }
}

/// The banner of a verdict.
pub(super) fn banner(verdict: &Verdict) -> Markup {
    html! {
        p.verdict role="status" {
            (state(verdict.verdict.name()))
            @for reason in &verdict.reasons {
                " " (words(reason.why))
                @if !reason.of.is_empty() {
                    ": "
                    @for (at, name) in reason.of.iter().take(20).enumerate() { @if at > 0 { ", " } (path(name)) }
                    @if reason.of.len() > 20 { " and " (reason.of.len() - 20) " more" }
                }
                "."
            }
            @if !verdict.settled && verdict.verdict != Answer::None { " Not settled yet." }
        }
    }
}

/// The verdicts of a commit with its checks.
pub(super) fn section(found: &[CommitVerdict], now: Timestamp) -> Markup {
    html! {
        @for one in found {
            @if found.len() > 1 { h2 { (path(&format!("{}/{}", one.host, one.repo))) } }
            (banner(&one.verdict))
            p.dim {
                a href={ "/api/v1/verdict?repo=" (encode(&one.repo)) "&sha=" (encode(&one.sha)) } { "Verdict as JSON" }
            }
            @if !one.checks.is_empty() { (check_table("Checks", &one.checks, now)) }
        }
    }
}

/// Checks as a table.
pub(super) fn check_table(caption: &str, checks: &[CheckItem], now: Timestamp) -> Markup {
    let heads = ["Check", "State", "Repository", "Commit", "Branch", "Created", "Took"];
    table(
        caption,
        &heads,
        &html! {
            @for item in checks {
                @let check = &item.check;
                tr {
                    th scope="row" { (check.system) " " (outside(check.url.as_deref(), &check.name)) }
                    td {
                        (state(check.state.name()))
                        @if item.stuck { " " (toned(Tone::Bad, "stuck")) }
                        @match item.failure {
                            Some(failure) => {
                                " " (toned(Tone::Notice, html! {
                                    @match &item.evidence {
                                        Some(page) => a href=(page) { (failure.words()) },
                                        None => (failure.words()),
                                    }
                                }))
                            }
                            None => { @if item.flaky { " " (toned(Tone::Notice, "flaky")) } }
                        }
                        @if check.warn { " " (toned(Tone::Notice, "warnings")) }
                        @if check.optional { " " (toned(Tone::Quiet, "optional")) }
                        @if check.log_url.is_some() { " " (outside(check.log_url.as_deref(), "log")) }
                    }
                    td { (path(&check.repo)) }
                    td { (super::components::commit(check.sha.as_deref())) }
                    td {
                        (or_none(check.branch.as_deref()))
                        @match check.mr { Some(mr) => { " " span.dim { "!" (mr) } }, None => {} }
                        @if !matches!(check.lane, Lane::Push | Lane::Mr) { " " span.dim { (check.lane.name()) } }
                    }
                    td { (time(Some(check.created_at), now)) }
                    td { (took(check.started_at, check.finished_at)) }
                }
            }
        },
    )
}
