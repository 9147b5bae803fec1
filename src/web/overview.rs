//! The overview: counts of each source, and the objects that need attention.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::Serialize;

use super::attention::{self, BuildCounts, LATELY, Objects, PipelineCounts};
use super::broken::series_table;
use super::builds::build_table;
use super::checkouts::{self, checkout_table};
use super::components::run_table_of;
use super::deliveries::target_table;
use super::html::{Shell, Tone, count, shell, state, table, time, toned};
use super::lists::json;
use super::params::{Params, encode_path};
use super::problem::{Problem, ProblemResponses};
use super::releases::release_table;
use super::{App, bots, deliveries, merge_requests, rejected};
use crate::checks::store::projecting_since;
use crate::db::{RejectedCount, count_rejected};
use crate::outbox::reads::{self as outbox, TargetRow};
use crate::platform::routing::Routes;
use crate::reports::{self, BrokenCount, SeriesFilter, SeriesItem};
use crate::sources::gitlab::reads::MergeRequestCounts;
use crate::sources::kcidb::reads::{self as kcidb, CheckoutCounts};

/// Checkouts that have not ended by then are not counted as unfinished: they will not end any more.
const LONG: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Objects of each kind that are shown.
const SHOWN: i64 = 10;
/// Broken checks that are shown.
const BROKEN: i64 = 20;

pub(super) fn routes() -> Routes<App> {
    Routes::new().get("/", show).get("/api/v1/summary", summary)
}

/// Counts of all sources.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Summary {
    /// Time of the counts.
    pub(super) at: Timestamp,
    /// Bots by state.
    pub(super) bots: std::collections::BTreeMap<&'static str, i64>,
    /// Merge requests.
    pub(super) merge_requests: Option<MergeRequestCounts>,
    /// Runs and releases.
    pub(super) pipelines: PipelineCounts,
    /// Builds of Buildkite.
    pub(super) buildkite: BuildCounts,
    /// Builds of Travis.
    pub(super) travis: BuildCounts,
    /// Whether checks of rows from before the last update are still being computed: until then, runs, releases and
    /// builds may be missing from the counts.
    pub(super) being_computed: bool,
    /// How many checks of default branches, releases and tags are broken now, by source and lane.
    pub(super) broken: Vec<BrokenCount>,
    /// Checkouts.
    pub(super) checkouts: Option<CheckoutCounts>,
    /// Targets of deliveries.
    pub(super) targets: Vec<TargetRow>,
    /// Messages rejected in the last 24 hours.
    #[serde(rename = "refused")]
    pub(super) rejected: Vec<RejectedCount>,
    /// Objects that need attention.
    #[serde(skip)]
    attention: Attention,
}

struct Attention {
    broken: Vec<SeriesItem>,
    bots: Vec<bots::Bot>,
    stuck: Objects,
    failed: Objects,
    checkouts: Vec<checkouts::Item>,
}

/// Reads all counts, and the objects that need attention.
pub(super) async fn read(app: &App) -> Result<Summary, Problem> {
    let now = app.now();
    let ago = |span: SignedDuration| now.saturating_sub(span).unwrap_or(now);
    let mut reader = app.reader().await?;
    let mut all = bots::all(&mut reader, now, None).await?;
    let bot_counts = bots::counts(&all).into_iter().map(|(state, number)| (state.name(), number)).collect();
    all.retain(|bot| matches!(bot.effective, "failed" | "stale" | "warning"));
    all.truncate(SHOWN as usize);
    let failed_checkouts =
        kcidb::CheckoutFilter { failed: Some(true), since: Some(ago(LATELY)), ..kcidb::CheckoutFilter::default() };
    let attention = Attention {
        broken: reports::broken(&mut reader, &SeriesFilter::default(), None, BROKEN, now).await?,
        bots: all,
        stuck: attention::stuck(&mut reader, now, SHOWN).await?,
        failed: attention::failed(&mut reader, ago(LATELY), SHOWN).await?,
        checkouts: checkouts::read(&mut reader, &failed_checkouts, SHOWN).await?,
    };
    let checkouts = kcidb::counts(&mut reader, ago(LATELY), ago(LONG)).await?;
    let counts = attention::counts(&mut reader, ago(LATELY), now).await?;
    let broken = reports::broken_counts(&mut reader, now).await?;
    let being_computed = projecting_since(&mut reader).await?.is_some();
    let targets = outbox::targets(&mut reader).await?;
    let rejected = count_rejected(&mut reader, ago(rejected::COUNTED)).await?;
    drop(reader);
    let merge_requests = merge_requests::counts(app, None).await?;
    Ok(Summary {
        at: now,
        bots: bot_counts,
        merge_requests,
        pipelines: counts.pipelines,
        buildkite: counts.buildkite,
        travis: counts.travis,
        being_computed,
        broken,
        checkouts,
        targets,
        rejected,
        attention,
    })
}

/// Counts of all sources.
#[utoipa::path(
    get, path = "/api/v1/summary",
    responses((status = 200, description = "Counts of all sources.", body = Summary), ProblemResponses)
)]
pub(super) async fn summary(State(app): State<App>) -> Result<Response, Problem> {
    Ok(json(&read(&app).await?))
}

async fn show(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    if params.wants_json {
        // The address and the format of the JSON of openSUSE's bot-status.
        return bots::board_json(&app).await;
    }
    let summary = read(&app).await?;
    let now = summary.at;
    let content = html! {
        h1 { "Overview" }
        (cards(&summary))
        (attention(&summary, now))
    };
    let around = Shell {
        title: "Overview",
        current: "/",
        refresh: params.refresh(),
        json: Some("/api/v1/summary"),
        feed: Some("/feed.atom"),
    };
    Ok(shell(around, &content).into_response())
}

fn cards(summary: &Summary) -> Markup {
    let now = summary.at;
    let number = |name| summary.bots.get(name).copied().unwrap_or(0);
    let rejected: i64 = summary.rejected.iter().map(|count| count.messages).sum();
    html! {
        ul.cards {
            li {
                h2 { a href="/bots" { "Bots" } }
                p {
                    (count(number("failed"), Tone::Bad, "failed"))
                    ", "
                    (count(number("stale"), Tone::Bad, "silent"))
                    ", "
                    (count(number("warning") + number("late"), Tone::Notice, "with a warning or late"))
                    ", "
                    (toned(Tone::Good, html! { (number("ok")) " ok" }))
                }
            }
            @if let Some(counts) = &summary.merge_requests {
                li {
                    h2 { a href="/mrs?state=opened" { "Merge requests" } }
                    p {
                        (toned(Tone::Running, html! { (counts.opened) " open" }))
                        ", "
                        (count(counts.stale, Tone::Notice, "inactive"))
                    }
                    p.dim { "Newest message " (time(counts.newest, now)) }
                }
            }
            @let counts = &summary.pipelines;
            li {
                h2 { a href="/components" { "Pipelines" } }
                p {
                    (count(counts.stuck, Tone::Bad, "stuck"))
                    ", "
                    (count(counts.failed, Tone::Bad, "failed in 24 h"))
                    ", "
                    (toned(Tone::Running, html! { (counts.unfinished) " unfinished" }))
                }
                p.dim { "Newest change " (time(counts.newest, now)) }
            }
            li {
                h2 { a href="/releases" { "Releases" } }
                p {
                    (count(counts.stuck_releases, Tone::Bad, "stuck"))
                    ", "
                    (count(counts.failed_releases, Tone::Bad, "failed in 24 h"))
                    ", "
                    (toned(Tone::Running, html! { (counts.unfinished_releases) " unfinished" }))
                }
            }
            @for (system, title, counts) in
                [("buildkite", "Buildkite", &summary.buildkite), ("travis", "Travis", &summary.travis)]
            {
                li {
                    h2 { a href={ "/builds?system=" (system) } { (title) } }
                    (build_line(counts, now))
                }
            }
            @if let Some(counts) = &summary.checkouts {
                li {
                    h2 { a href="/checkouts" { "Checkouts" } }
                    p {
                        (count(counts.failed, Tone::Bad, "failed in 24 h"))
                        " of " (counts.new) ", "
                        (count(counts.unfinished, Tone::Running, "unfinished"))
                        ", "
                        (count(counts.untriaged, Tone::Notice, "to be triaged"))
                    }
                    p.dim { "Newest checkout " (time(counts.newest, now)) }
                }
            }
            @if !summary.targets.is_empty() {
                @let sum = |number: fn(&TargetRow) -> i64| summary.targets.iter().map(number).sum::<i64>();
                li {
                    h2 { a href="/deliveries" { "Deliveries" } }
                    @let open = sum(|target| i64::from(target.open_until.is_some()));
                    p { (count(open, Tone::Bad, "targets with an open circuit breaker")) ", "
                        (count(sum(|target| target.dead), Tone::Bad, "dead")) ", "
                        (count(sum(|target| target.pending), Tone::Running, "pending")) }
                }
            }
            li {
                h2 { a href="/refused" { "Rejected messages" } }
                p { (count(rejected, Tone::Notice, "in 24 h")) }
            }
        }
    }
}

fn build_line(counts: &BuildCounts, now: Timestamp) -> Markup {
    html! {
        p { (count(counts.stuck, Tone::Bad, "stuck")) ", " (count(counts.failed, Tone::Bad, "failed in 24 h")) ", "
            (count(counts.running, Tone::Running, "unfinished")) ", "
            (count(counts.passed, Tone::Good, "passed in 24 h")) }
        p.dim { "Newest message " (time(counts.newest, now)) }
    }
}

fn attention(summary: &Summary, now: Timestamp) -> Markup {
    let Attention { broken, bots, stuck, failed, checkouts } = &summary.attention;
    let targets: Vec<TargetRow> =
        summary.targets.iter().filter(|target| deliveries::needs_attention(target)).cloned().collect();
    let is_well = broken.is_empty() && bots.is_empty() && targets.is_empty() && checkouts.is_empty();
    let nothing = is_well && stuck.is_empty() && failed.is_empty();
    html! {
        @if summary.being_computed {
            p { (toned(Tone::Running, "Being computed: runs, releases and builds from before the last update are not all \
                read yet, so failed and stuck ones may be missing here.")) }
        } @else if nothing { p { (toned(Tone::Good, "Nothing needs attention.")) } }
        @if !broken.is_empty() {
            @let all = summary.broken.iter().map(|count| count.broken).sum::<i64>();
            @let others = all - i64::try_from(broken.len()).unwrap_or(all);
            h2 { a href="/broken" { "Broken now" } }
            (series_table("Broken now, newest first", broken, now))
            @if others > 0 { p { a href="/broken" { "and " (others) " more" } } }
        }
        @if !bots.is_empty() {
            h2 { "Bots that need attention" }
            (table("Worst first", &["Bot", "Status", "Comment", "Last heartbeat"], &html! {
                @for bot in bots {
                    tr {
                        th scope="row" { a href={ "/bots/" (encode_path(&bot.row.name)) } { (bot.row.name) } }
                        td { (state(bot.effective)) } td { (bot.row.comment.as_deref().unwrap_or_default()) }
                        td { (time(bot.row.known_time(), now)) }
                    }
                }
            }))
        }
        @if !targets.is_empty() { h2 { "Targets that need attention" } (target_table(&targets, now)) }
        (objects(failed, "that failed in 24 hours", "Failed, newest first", now))
        @if !checkouts.is_empty() { h2 { "Checkouts of 24 hours with failures" } (checkout_table(checkouts, now)) }
        (objects(stuck, "that should have ended", "Unfinished, oldest first", now))
    }
}

/// Lists of objects under headings that say what they have in common.
fn objects(found: &Objects, what: &str, caption: &str, now: Timestamp) -> Markup {
    html! {
        @if !found.releases.is_empty() { h2 { "Releases " (what) } (release_table(&found.releases, now)) }
        @if !found.runs.is_empty() { h2 { "Runs " (what) } (run_table_of(caption, &found.runs, now, true)) }
        @if !found.builds.is_empty() { h2 { "Builds " (what) } (build_table(&found.builds, now)) }
    }
}
