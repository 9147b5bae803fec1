//! Pages of a build of a checkout and of a test, each with its parent and its children.

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;
use serde_json::Value;

use super::parts::{SHOWN, excerpt, files, issue_table, json_fact, log};
use super::{counts, path};
use crate::sources::kcidb::reads::{
    self, BuildMore, CheckoutBuild, CheckoutRow, Full, IssueRow, ObjectRef, StatusCount, TestMore, TestRow,
};
use crate::web::App;
use crate::web::components::maybe;
use crate::web::html::{empty, facts, or_none, outside, span, table, time};
use crate::web::lists::{View, json};
use crate::web::params::{self, Params, encode_path};
use crate::web::problem::{Problem, ProblemResponses};

/// A build of a checkout with its tests.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CheckoutBuildDetail)]
pub(in crate::web) struct BuildDetail {
    /// Its id.
    id: String,
    /// None when only tests of it have arrived.
    build: Option<Full<CheckoutBuild, BuildMore>>,
    /// None when only the build has arrived.
    checkout: Option<CheckoutRow>,
    /// Tests by status.
    counts: Vec<StatusCount>,
    /// The worst 500 of its tests.
    tests: Vec<TestRow>,
    issues: Vec<IssueRow>,
    /// The end of its log.
    log_excerpt: Option<String>,
}

/// A build of a checkout with its tests.
#[utoipa::path(
    get, path = "/api/v1/kcidb/builds/{id}",
    params(
        ("id" = String, Path, description = "Id of the build"),
    ),
    responses(
        (status = 200, description = "A build of a checkout with its tests.", body = BuildDetail),
        ProblemResponses
    )
)]
pub(in crate::web) async fn build(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let id = params::name(&id);
    let mut reader = app.reader().await?;
    let build: Option<Full<CheckoutBuild, BuildMore>> = reads::build(&mut reader, &id).await?;
    let test_counts = reads::count_tests(&mut reader, &[&id]).await?;
    if build.is_none() && test_counts.is_empty() {
        return Err(Problem::NotFound(format!("no build of a checkout has the id {id:?}")));
    }
    let found = BuildDetail {
        checkout: match &build {
            Some(build) => reads::checkout(&mut reader, &build.row.checkout_id).await?,
            None => None,
        },
        counts: test_counts,
        tests: reads::tests(&mut reader, &id, SHOWN).await?,
        issues: reads::issues(&mut reader, ObjectRef::Build(&id), SHOWN).await?,
        log_excerpt: reads::excerpt(&mut reader, ObjectRef::Build(&id)).await?.map(|excerpt| excerpt.text),
        id,
        build,
    };
    if params.wants_json {
        return Ok(json(&found));
    }
    let now = app.now();
    let status = found.build.as_ref().and_then(|build| build.row.status.as_deref());
    let content = html! {
        h1 { (found.id) " " (maybe(status, "no result yet")) }
        @match &found.build {
            Some(Full { row, more }) => (build_facts(&found, row, more, now)),
            None => {
                (empty("The build itself has not arrived; these tests name it."))
                (facts(&[("Tests", counts(&found.counts))]))
            },
        }
        (excerpt(found.log_excerpt.as_deref()))
        h2 { "Issues" }
        (issue_table(&found.issues))
        h2 { "Tests" }
        @if found.tests.is_empty() { (empty("No tests are known.")) } @else { (test_table(&found.tests, now)) }
    };
    let address = format!("/kcidb/builds/{}", encode_path(&found.id));
    let view = View { title: &found.id, current: "/checkouts", path: &address, feed: None };
    Ok(view.object(&params, &content))
}

/// The values of a build.
fn build_facts(found: &BuildDetail, row: &CheckoutBuild, more: &BuildMore, now: Timestamp) -> Markup {
    facts(&[
        ("Checkout", parent(&path(&row.checkout_id), &row.checkout_id, found.checkout.is_some())),
        ("Origin", html! { (row.origin) }),
        ("Architecture", or_none(row.architecture.as_deref())),
        ("Compiler", or_none(row.compiler.as_deref())),
        (
            "Configuration",
            row.config_name
                .as_deref()
                .or(row.config_url.as_deref())
                .map_or_else(|| or_none(None), |name| outside(row.config_url.as_deref(), name)),
        ),
        ("Command", or_none(row.command.as_deref())),
        ("Comment", or_none(row.comment.as_deref())),
        ("Began", html! { (time(row.start_time, now)) " " (seconds(row.duration)) }),
        ("Log", log(row.log_url.as_deref())),
        ("Input", files(more.input_files.as_ref())),
        ("Output", files(more.output_files.as_ref())),
        ("Tests", counts(&found.counts)),
        ("More", json_fact(more.misc.as_ref())),
        ("Last message", html! { (row.message_id) " " (time(row.message_at, now)) }),
    ])
}

/// A run of a test.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = TestDetail)]
pub(in crate::web) struct TestDetail {
    test: Full<TestRow, TestMore>,
    /// None when only the test has arrived.
    build: Option<CheckoutBuild>,
    issues: Vec<IssueRow>,
    /// The end of its log.
    log_excerpt: Option<String>,
}

/// A run of a test.
#[utoipa::path(
    get, path = "/api/v1/kcidb/tests/{id}",
    params(
        ("id" = String, Path, description = "Id of the test"),
    ),
    responses((status = 200, description = "A run of a test.", body = TestDetail), ProblemResponses)
)]
pub(in crate::web) async fn test(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let id = params::name(&id);
    let mut reader = app.reader().await?;
    let Some(test) = reads::test(&mut reader, &id).await? else {
        return Err(Problem::NotFound(format!("no test has the id {id:?}")));
    };
    let found = TestDetail {
        build: reads::build(&mut reader, &test.row.build_id).await?,
        issues: reads::issues(&mut reader, ObjectRef::Test(&id), SHOWN).await?,
        log_excerpt: reads::excerpt(&mut reader, ObjectRef::Test(&id)).await?.map(|excerpt| excerpt.text),
        test,
    };
    if params.wants_json {
        return Ok(json(&found));
    }
    let now = app.now();
    let Full { row, more } = &found.test;
    let compatible = more.environment_compatible.as_ref().and_then(Value::as_array).into_iter().flatten();
    let compatible: Vec<&str> = compatible.filter_map(Value::as_str).collect();
    let scale = more.number_prefix.as_deref().map(|prefix| format!("({prefix} prefixes)"));
    let build = format!("/kcidb/builds/{}", encode_path(&row.build_id));
    let content = html! {
        h1 { (row.id) " " (maybe(row.status.as_deref(), "no result yet")) }
        (facts(&[
            ("Test", or_none(row.path.as_deref())),
            ("Build", parent(&build, &row.build_id, found.build.is_some())),
            ("Checkout", html! {
                @if let Some(build) = &found.build {
                    (parent(&path(&build.checkout_id), &build.checkout_id, true))
                } @else { (or_none(None)) }
            }),
            ("Origin", html! { (row.origin) }),
            ("Ran on", or_none(row.environment_comment.as_deref())),
            ("Compatible with", or_none(Some(&compatible.join(", ")))),
            ("Environment", json_fact(more.environment_misc.as_ref())),
            ("Measured", html! {
                @if let Some(value) = row.number_value {
                    (value) " " (row.number_unit.as_deref().unwrap_or_default()) " " (scale.unwrap_or_default())
                } @else { (or_none(None)) }
            }),
            ("Comment", or_none(row.comment.as_deref())),
            ("Began", html! { (time(row.start_time, now)) " " (seconds(row.duration)) }),
            ("Log", log(row.log_url.as_deref())),
            ("Input", files(more.input_files.as_ref())),
            ("Output", files(more.output_files.as_ref())),
            ("More", json_fact(more.misc.as_ref())),
            ("Last message", html! { (row.message_id) " " (time(row.message_at, now)) }),
        ]))
        (excerpt(found.log_excerpt.as_deref()))
        h2 { "Issues" }
        (issue_table(&found.issues))
    };
    let address = format!("/kcidb/tests/{}", encode_path(&row.id));
    let view = View { title: &row.id, current: "/checkouts", path: &address, feed: None };
    Ok(view.object(&params, &content))
}

/// A link to a parent. Parents may arrive later than their children, and have a page all the same.
pub(super) fn parent(path: &str, id: &str, is_known: bool) -> Markup {
    html! { a href=(path) { (id) } @if !is_known { " " span.dim { "(not arrived yet)" } } }
}

fn seconds(duration: Option<f64>) -> Markup {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown in whole seconds; saturates")]
    let seconds = duration.filter(|duration| *duration >= 0.0).map(|duration| duration.round() as u64);
    html! { @if let Some(seconds) = seconds { "for " (span(seconds)) } }
}

fn test_table(tests: &[TestRow], now: Timestamp) -> Markup {
    table(
        "Tests, the worst first",
        &["Test", "Status", "Ran on", "Began", "Took", "Log"],
        &html! {
            @for row in tests {
                tr {
                    th scope="row" {
                        a href={ "/kcidb/tests/" (encode_path(&row.id)) } { (row.path.as_deref().unwrap_or(&row.id)) }
                    }
                    td { (maybe(row.status.as_deref(), "no result yet")) }
                    td { (row.environment_comment.as_deref().unwrap_or_default()) }
                    td { (time(row.start_time, now)) }
                    td { (seconds(row.duration)) }
                    td { (log(row.log_url.as_deref())) }
                }
            }
        },
    )
}
