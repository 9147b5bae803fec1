//! The description of all addresses (`OpenAPI` 3.1): `/api/v1/openapi.json`. Handlers of the API describe themselves;
//! pages, badges and feeds have a line each here. A test compares it with the routes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use axum::extract::State;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Content, PathItem, RefOr, Required, ResponseBuilder, ResponsesBuilder};
use utoipa::{Modify, OpenApi, PartialSchema};

use super::problem::ProblemResponses;
use super::{
    App, bots, broken, builds, checkouts, checks, commits, components, deliveries, environments, merge_requests,
    overview, pipelines, problem, rejected, releases, trends, verdict,
};
use crate::platform::routing::Routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hummingbird Status",
        description = "The states that the web UI shows, as JSON; and endpoints that need a token, to submit messages \
            and to fetch deliveries."
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
        pipelines::list,
        pipelines::detail,
        environments::list,
        builds::list,
        builds::detail::buildkite,
        builds::detail::travis,
        checkouts::list,
        checkouts::detail::checkout,
        checkouts::objects::build,
        checkouts::objects::test,
        checks::list,
        broken::list,
        broken::show,
        verdict::show,
        trends::show,
        deliveries::list,
        rejected::list_json,
    ),
    // Of the error answers: utoipa does not find it by itself.
    components(schemas(problem::ErrorBody)),
    modifiers(&Others)
)]
struct Document;

const HTML: &str = "text/html";
const SVG: &str = "image/svg+xml";
const ATOM: &str = "application/atom+xml";
const XML: &str = "application/xml";
const TEXT: &str = "text/plain";
const JSON: &str = "application/json";

/// Addresses outside of the API: path, media type, and description.
const OTHERS: &[(&str, &str, &str)] = &[
    ("/", HTML, "The overview"),
    ("/bots", HTML, "Bots"),
    ("/bots/{name}", HTML, "A bot"),
    ("/mrs", HTML, "Merge requests"),
    ("/mr/{key}", HTML, "A merge request"),
    ("/commits", HTML, "Commits"),
    ("/commits/{sha}", HTML, "A commit"),
    ("/broken", HTML, "What is broken now"),
    ("/series/{id}", HTML, "A series: one check on one branch"),
    ("/cctray.xml", XML, "Series for monitors of builds"),
    ("/checks", HTML, "Checks of all sources"),
    ("/components", HTML, "Components"),
    ("/components/{name}", HTML, "A component"),
    ("/releases", HTML, "Releases"),
    ("/releases/{name}", HTML, "A release"),
    ("/pipelines", HTML, "Pipelines of GitLab CI"),
    ("/pipelines/{host}/{id}", HTML, "A pipeline of GitLab CI"),
    ("/environments", HTML, "Environments, and what is deployed there"),
    ("/builds", HTML, "Builds"),
    ("/builds/buildkite/{id}", HTML, "A build of Buildkite"),
    ("/builds/travis/{id}", HTML, "A build of Travis"),
    ("/checkouts", HTML, "Checkouts"),
    ("/checkouts/{id}", HTML, "A checkout"),
    ("/kcidb/builds/{id}", HTML, "A build of KCIDB"),
    ("/kcidb/tests/{id}", HTML, "A test of KCIDB"),
    ("/trends", HTML, "Trends"),
    ("/deliveries", HTML, "Deliveries"),
    ("/refused", HTML, "Rejected messages"),
    ("/badge.svg", SVG, "A badge of all bots"),
    ("/badge/{kind}/{name}", SVG, "A badge; a name that ends in .json gives it as JSON"),
    ("/feed.atom", ATOM, "A feed of everything"),
    ("/feed/transitions.atom", ATOM, "A feed of what broke and what was fixed"),
    ("/feed/bots/{name}", ATOM, "A feed of a bot"),
    ("/feed/mr/{key}", ATOM, "A feed of a merge request"),
    ("/feed/components/{name}", ATOM, "A feed of a component"),
    ("/feed/builds/{system}/{id}", ATOM, "A feed of a build"),
    ("/feed/projects/{name}", ATOM, "A feed of a project"),
    ("/metrics", TEXT, "Metrics for Prometheus"),
    ("/healthz", TEXT, "Whether the program runs"),
    ("/readyz", TEXT, "Whether the database answers"),
    ("/style.css", "text/css", "The style of the pages"),
    ("/icon.svg", SVG, "The icon of the pages"),
    ("/api/v1/openapi.json", JSON, "This document"),
];

/// Parameters of each page.
const OF_PAGES: &[(&str, &str)] = &[
    ("refresh", "Seconds after which a browser reloads the page, 5 to 3600"),
    ("format", "`json` for the same as JSON"),
];
/// Parameter of badges of projects.
const OF_BADGES: (&str, &str) = ("branch", "Of `projects` and `verdict`: only this branch");

/// Parameters of the document for monitors of builds.
const OF_CCTRAY: &[(&str, &str)] = &[
    ("system", "Only of this source"),
    ("repo", "Only of this repository"),
    ("branch", "Only of this branch; also one that is no default branch"),
    ("lane", "Only checks that ran for this reason: push, schedule, tag, release or dispatch"),
    ("name", "Part of the name"),
    ("all", "Of all branches, if given"),
    ("optional", "Also checks whose failure is allowed, if given"),
];

struct Others;

impl Modify for Others {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, form, summary) in OTHERS {
            // A page has the parameters of its list in the API.
            let list = document.paths.get_path_operation(format!("/api/v1{path}"), HttpMethod::Get);
            let mut parameters = list.and_then(|list| list.parameters.clone()).unwrap_or_else(|| parameters(path));
            let more = if *form == HTML { OF_PAGES } else { &[] };
            let of_path: &[(&str, &str)] = match *path {
                path if path.starts_with("/badge/") => &[OF_BADGES],
                "/cctray.xml" => OF_CCTRAY,
                _ => &[],
            };
            parameters.extend(more.iter().chain(of_path).map(|(name, what)| query_parameter(name, what)));
            let mut content = vec![*form];
            if path.starts_with("/badge/") || (*form == HTML) {
                content.push(JSON);
            }
            let body = || Content::new(None::<RefOr<utoipa::openapi::Schema>>);
            let fine = content
                .iter()
                .fold(ResponseBuilder::new().description(*summary), |response, form| response.content(*form, body()));
            let mut responses = ResponsesBuilder::new().responses_from_into_responses::<ProblemResponses>().build();
            for response in responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    response.content.insert(HTML.to_owned(), body().into());
                }
            }
            responses.responses.insert("200".to_owned(), RefOr::T(fine.build()));
            let mut operation =
                OperationBuilder::new().tag("pages").summary(Some(*summary)).responses(responses).build();
            operation.parameters = Some(parameters);
            document.paths.paths.insert((*path).to_owned(), PathItem::new(HttpMethod::Get, operation));
        }
    }
}

/// The parameters in a path.
fn parameters(path: &str) -> Vec<RefOr<Parameter>> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let parameter = |name| ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
    names.map(|name| RefOr::T(parameter(name).schema(Some(String::schema())).build())).collect()
}

fn query_parameter(name: &str, what: &str) -> RefOr<Parameter> {
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query).description(Some(what));
    RefOr::T(parameter.required(Required::False).schema(Some(String::schema())).build())
}

/// Names of the query parameters of an address, from the description.
pub(super) fn query_parameters(path: &str) -> &'static BTreeSet<String> {
    static NONE: BTreeSet<String> = BTreeSet::new();
    static ALL: LazyLock<BTreeMap<String, BTreeSet<String>>> = LazyLock::new(|| {
        let document = Document::openapi();
        let of_path = |(path, item): (&String, &PathItem)| {
            let parameters = item.get.iter().flat_map(|operation| operation.parameters.iter().flatten());
            let names = parameters.filter_map(|parameter| match parameter {
                RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => Some(parameter.name.clone()),
                _ => None,
            });
            (path.clone(), names.collect())
        };
        document.paths.paths.iter().map(of_path).collect()
    });
    ALL.get(path).unwrap_or(&NONE)
}

/// Gives each operation a unique id, made of its method and its path: generators of clients name functions by it.
fn name_operations(document: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let methods = [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in methods {
            if let Some(operation) = operation {
                let parts = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
                operation.operation_id = Some(std::iter::once(method).chain(parts).collect::<Vec<_>>().join("_"));
            }
        }
    }
}

pub(super) fn routes() -> Routes<App> {
    Routes::new().get("/api/v1/openapi.json", document)
}

/// The description, with those of other routes of the same server.
async fn document(State(app): State<App>) -> axum::Json<utoipa::openapi::OpenApi> {
    let others = app.documents.iter().cloned();
    let mut document = others.fold(Document::openapi(), utoipa::openapi::OpenApi::merge_from);
    name_operations(&mut document);
    axum::Json(document)
}
