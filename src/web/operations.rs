//! Addresses for monitoring (`/healthz`, `/readyz`, `/metrics`), and the stylesheet and the icon.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::attention::BuildCounts;
use super::problem::Problem;
use super::{App, html, overview};
use crate::outbox::reads::TargetRow;
use crate::platform::failure::chain;
use crate::platform::routing::Routes;

pub(super) fn routes() -> Routes<App> {
    Routes::new()
        .get("/style.css", html::style)
        .get("/icon.svg", html::icon)
        .get("/healthz", async || "ok\n")
        .get("/readyz", ready)
        .get("/metrics", metrics)
}

/// Whether the database answers.
async fn ready(State(app): State<App>) -> Response {
    match app.reader().await {
        Ok(_) => "ok\n".into_response(),
        Err(error) => {
            tracing::warn!(error = chain(&error), "not ready: the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer").into_response()
        }
    }
}

/// The counts of the overview, in the text format of Prometheus (0.0.4).
async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let summary = overview::read(&app).await?;
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, values: &[(String, i64)]| {
        let name = format!("hummingbird_{name}");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let label = |key: &str, value: &str| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{key}=\"{value}\"")
    };
    let bots: Vec<_> = summary.bots.iter().map(|(state, n)| (format!("{{{}}}", label("state", state)), *n)).collect();
    gauge("bots", "Bots by current state.", &bots);
    if let Some(counts) = &summary.merge_requests {
        let states = [("opened", counts.opened), ("merged", counts.merged), ("closed", counts.closed)];
        let states = states.map(|(state, n)| (format!("{{{}}}", label("state", state)), n));
        gauge("merge_requests", "Merge requests by state.", &states);
        gauge(
            "merge_requests_stale",
            "Open merge requests without a change for 30 days.",
            &[(String::new(), counts.stale)],
        );
    }
    let counts = &summary.pipelines;
    for (name, help, number) in [
        ("runs_unfinished", "Builds and tests that are not finished.", counts.unfinished),
        ("runs_stuck", "Builds and tests that should have ended.", counts.stuck),
        ("runs_failed_24h", "Builds and tests that failed in the last 24 hours.", counts.failed),
        ("releases_failed_24h", "Releases that failed in the last 24 hours.", counts.failed_releases),
        ("releases_unfinished", "Releases that are not finished.", counts.unfinished_releases),
        ("releases_stuck", "Releases that should have ended.", counts.stuck_releases),
        (
            "checks_being_computed",
            "Whether objects from before the last update are still being read: the numbers of failed and stuck ones \
             may be too low.",
            i64::from(summary.being_computed),
        ),
    ] {
        gauge(name, help, &[(String::new(), number)]);
    }
    let builds = [("buildkite", &summary.buildkite), ("travis", &summary.travis)];
    let of = |number: fn(&BuildCounts) -> i64| -> Vec<_> {
        builds.iter().map(|(system, counts)| (format!("{{{}}}", label("system", system)), number(counts))).collect()
    };
    gauge("builds_stuck", "Builds that should have ended.", &of(|counts| counts.stuck));
    gauge("builds_failed_24h", "Builds that failed in the last 24 hours.", &of(|counts| counts.failed));
    gauge("builds_unfinished", "Builds that are not finished.", &of(|counts| counts.running));
    if let Some(counts) = &summary.checkouts {
        for (name, help, number) in [
            ("checkouts_failed_24h", "Checkouts of the last 24 hours with failures.", counts.failed),
            ("checkouts_unfinished", "Checkouts of 14 days whose tests have not ended.", counts.unfinished),
            ("checkouts_untriaged", "Failures that are not triaged yet.", counts.untriaged),
        ] {
            gauge(name, help, &[(String::new(), number)]);
        }
    }
    let of = |number: fn(&TargetRow) -> i64| -> Vec<_> {
        let targets = summary.targets.iter();
        targets.map(|target| (format!("{{{}}}", label("target", &target.name)), number(target))).collect()
    };
    gauge("deliveries_pending", "Pending deliveries.", &of(|target| target.pending));
    gauge("deliveries_dead", "Dead deliveries, which were given up.", &of(|target| target.dead));
    gauge(
        "target_closed_off",
        "Whether the circuit breaker of a target is open: nothing is sent to it.",
        &of(|target| i64::from(target.open_until.is_some())),
    );
    let broken: Vec<_> = summary
        .broken
        .iter()
        .map(|count| (format!("{{{},{}}}", label("system", &count.system), label("lane", &count.lane)), count.broken))
        .collect();
    gauge("series_broken", "Checks of default branches, releases and tags that are broken now.", &broken);
    let rejected = summary.rejected.iter();
    let rejected: Vec<_> = rejected
        .map(|count| {
            (format!("{{{},{}}}", label("family", &count.family), label("reason", &count.reason)), count.messages)
        })
        .collect();
    gauge("refused_24h", "Messages rejected in the last 24 hours.", &rejected);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
