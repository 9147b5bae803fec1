//! The document of the API (`OpenAPI` 3.1): `/api/v1/openapi.json`. An address under `/api/v1` has a line in it.

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;

use super::{
    Page, bots, builds, checkouts, commits, components, deliveries, merge_requests, overview, refused, releases, trends,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Hummingbird Status", description = "The states that the pages show, as JSON. Read only."),
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
    )
)]
struct Document;

pub(super) fn routes() -> Router<Page> {
    Router::new().route("/api/v1/openapi.json", get(async || axum::Json(Document::openapi())))
}
