//! The page of a checkout, with its builds and the issues seen in it.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::parts::{SHOWN, excerpt, files, issue_table, json_fact, log};
use super::{completion, counts, path};
use crate::sources::kcidb::reads::{
    self, CheckoutBuild, CheckoutMore, CheckoutProgress, CheckoutRow, Full, IssueRow, ObjectRef, StatusCount,
};
use crate::web::App;
use crate::web::components::maybe;
use crate::web::html::{Tone, empty, facts, or_none, outside, table, time, toned};
use crate::web::lists::{View, json};
use crate::web::params::{self, Params, encode_path};
use crate::web::problem::{Problem, ProblemResponses};

/// A build with its tests.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CheckoutBuildItem)]
pub(super) struct Build {
    #[serde(flatten)]
    row: CheckoutBuild,
    /// Tests by status.
    tests: Vec<StatusCount>,
}

/// A checkout with its builds.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CheckoutDetail)]
pub(in crate::web) struct Detail {
    /// Its id.
    id: String,
    /// None when only builds of it have arrived.
    checkout: Option<Full<CheckoutRow, CheckoutMore>>,
    /// The worst of its builds and tests.
    status: Option<&'static str>,
    progress: Option<CheckoutProgress>,
    /// Builds and tests by status.
    counts: Vec<StatusCount>,
    /// The worst 500 of its builds.
    builds: Vec<Build>,
    issues: Vec<IssueRow>,
    /// The end of its log.
    log_excerpt: Option<String>,
}

/// A checkout with its builds.
#[utoipa::path(
    get, path = "/api/v1/checkouts/{id}",
    params(
        ("id" = String, Path, description = "Id of the checkout"),
    ),
    responses((status = 200, description = "A checkout with its builds.", body = Detail), ProblemResponses)
)]
pub(in crate::web) async fn checkout(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let found = find(&app, &params::name(&id)).await?;
    if params.wants_json {
        return Ok(json(&found));
    }
    let now = app.now();
    let counts_of =
        |kind: &str| -> Vec<StatusCount> { found.counts.iter().filter(|c| c.kind == kind).cloned().collect() };
    let content = html! {
        h1 { (found.id) " " (maybe(found.status, "no result yet")) }
        @match &found.checkout {
            Some(Full { row, more }) => (checkout_facts(row, more, (&counts_of("build"), &counts_of("test")), now)),
            None => {
                (empty("The checkout itself has not arrived; these builds name it."))
                (facts(&[("Builds", counts(&counts_of("build"))), ("Tests", counts(&counts_of("test")))]))
            },
        }
        @if let Some(progress) = &found.progress { (still_open(progress)) }
        (excerpt(found.log_excerpt.as_deref()))
        h2 { "Issues" }
        (issue_table(&found.issues))
        h2 { "Builds" }
        @if found.builds.is_empty() { (empty("No builds are known.")) } @else { (build_table(&found.builds, now)) }
    };
    let view = View { title: &found.id, current: "/checkouts", path: &path(&found.id), feed: None };
    Ok(view.object(&params, &content))
}

/// The values of a checkout, and how many builds and tests it has.
fn checkout_facts(
    row: &CheckoutRow,
    more: &CheckoutMore,
    (builds, tests): (&[StatusCount], &[StatusCount]),
    now: Timestamp,
) -> Markup {
    let yes_or_no = |flag: Option<bool>| match flag {
        Some(true) => toned(Tone::Good, "yes"),
        Some(false) => toned(Tone::Bad, "no"),
        None => toned(Tone::Quiet, "unknown"),
    };
    let tags = more.git_commit_tags.as_ref().and_then(|tags| tags.as_array()).into_iter().flatten();
    let tags: Vec<&str> = tags.filter_map(|tag| tag.as_str()).collect();
    let branch = row.git_repository_branch.as_deref();
    facts(&[
        ("Completion", html! { (completion(row)) " " span.dim { (row.milestones.join(", ").replace('_', " ")) } }),
        ("Origin, tree", html! { (row.origin) ", " (or_none(row.tree_name.as_deref())) }),
        ("Repository", row.git_repository_url.as_deref().map_or_else(|| or_none(None), |url| outside(Some(url), url))),
        (
            "Branch",
            html! {
                (or_none(branch))
                @if more.git_repository_branch_tip == Some(true) { " " span.dim { "(its newest commit)" } }
            },
        ),
        (
            "Commit",
            html! {
                (or_none(row.git_commit_hash.as_deref())) " " (row.git_commit_name.as_deref().unwrap_or_default())
            },
        ),
        ("Tags", or_none(Some(&tags.join(", ")))),
        (
            "Message",
            html! {
                @match more.git_commit_message.as_deref() { Some(text) => pre { (text) }, None => (or_none(None)) }
            },
        ),
        ("Patches", files(more.patchset_files.as_ref())),
        ("E-mail", or_none(more.mail_message_id.as_deref())),
        ("Checked out", yes_or_no(row.valid)),
        ("Comment", or_none(row.comment.as_deref())),
        ("Began", time(row.start_time, now)),
        ("Builds finished", time(more.origin_builds_finish_time, now)),
        ("Tests finished", time(more.origin_tests_finish_time, now)),
        ("Log", log(row.log_url.as_deref())),
        ("Builds", counts(builds)),
        ("Tests", counts(tests)),
        ("More", json_fact(more.misc.as_ref())),
        ("Last message", html! { (row.message_id) " " (time(row.message_at, now)) }),
    ])
}

async fn find(app: &App, id: &str) -> Result<Detail, Problem> {
    let mut reader = app.reader().await?;
    let checkout = reads::checkout(&mut reader, id).await?;
    let counts = reads::counts_of(&mut reader, id).await?;
    if checkout.is_none() && counts.is_empty() {
        return Err(Problem::NotFound(format!("no checkout has the id {id:?}")));
    }
    let rows = reads::builds(&mut reader, id, SHOWN).await?;
    let ids: Vec<&str> = rows.iter().map(|build| build.id.as_str()).collect();
    let mut tests: HashMap<String, Vec<StatusCount>> = HashMap::new();
    for count in reads::count_tests(&mut reader, &ids).await? {
        tests.entry(count.id.clone()).or_default().push(count);
    }
    let build = |row: CheckoutBuild| Build { tests: tests.remove(&row.id).unwrap_or_default(), row };
    Ok(Detail {
        id: id.to_owned(),
        checkout,
        status: reads::worst(&counts),
        progress: reads::progress(&mut reader, id).await?,
        counts,
        builds: rows.into_iter().map(build).collect(),
        issues: reads::issues(&mut reader, ObjectRef::Checkout(id), SHOWN).await?,
        log_excerpt: reads::excerpt(&mut reader, ObjectRef::Checkout(id)).await?.map(|excerpt| excerpt.text),
    })
}

/// The builds, tests and failures that a checkout waits for.
fn still_open(progress: &CheckoutProgress) -> Markup {
    let parts = [
        (progress.builds_running, "build", "without a result"),
        (progress.builds_unplanned, "build", "passed, without tests so far"),
        (progress.tests_running, "test", "without a result"),
        (progress.untriaged, "failure", "without a known cause"),
    ];
    html! {
        @if parts.iter().any(|(number, ..)| *number > 0) {
            ul.counts {
                @for (number, object, what) in parts {
                    @if number > 0 {
                        @let ending = if number == 1 { "" } else { "s" };
                        li { (toned(Tone::Running, html! { (number) " " (object) (ending) " " (what) })) }
                    }
                }
            }
        }
    }
}

fn build_table(builds: &[Build], now: Timestamp) -> Markup {
    let heads = ["Build", "Status", "Tests", "Architecture", "Compiler", "Configuration", "Began", "Log"];
    table(
        "Builds, the worst first",
        &heads,
        &html! {
            @for Build { row, tests } in builds {
                tr {
                    th scope="row" { a href={ "/kcidb/builds/" (encode_path(&row.id)) } { (row.id) } }
                    td { (maybe(row.status.as_deref(), "no result yet")) } td { (counts(tests)) }
                    td { (row.architecture.as_deref().unwrap_or_default()) }
                    td { (row.compiler.as_deref().unwrap_or_default()) }
                    td { (row.config_name.as_deref().unwrap_or_default()) } td { (time(row.start_time, now)) }
                    td { (log(row.log_url.as_deref())) }
                }
            }
        },
    )
}
