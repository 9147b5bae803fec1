//! The document of the API (`OpenAPI` 3.1): `/api/v1/openapi.json`. An address under `/api/v1` has a line in it.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use utoipa::OpenApi;

use super::{
    Page, bots, builds, checkouts, commits, components, deliveries, merge_requests, overview, problem, refused,
    releases, trends,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hummingbird Status",
        description = "The states that the pages show, as JSON; and what may be sent in or fetched with a token."
    ),
    paths(
        overview::summary,
        bots::list_json,
        bots::detail_json,
        merge_requests::list_json,
        merge_requests::detail_json,
        commits::list_json,
        commits::detail_json,
        components::list_json,
        components::detail_json,
        releases::list_json,
        releases::detail_json,
        builds::list,
        builds::detail::buildkite,
        builds::detail::travis,
        checkouts::list,
        checkouts::detail::checkout,
        checkouts::objects::build,
        checkouts::objects::test,
        trends::page,
        deliveries::list,
        refused::list_json,
    ),
    // Of what every address may answer: it is not found by itself.
    components(schemas(problem::ErrorBody))
)]
struct Document;

pub(super) fn routes() -> Router<Page> {
    Router::new().route("/api/v1/openapi.json", get(document))
}

/// With what is served beside the pages.
async fn document(State(page): State<Page>) -> axum::Json<utoipa::openapi::OpenApi> {
    let others = page.documents.iter().cloned();
    axum::Json(others.fold(Document::openapi(), utoipa::openapi::OpenApi::merge_from))
}
