//! Rejects unknown query parameters, which would be ignored otherwise: a misspelled filter must not look as if it had
//! worked.

use std::collections::BTreeSet;

use axum::extract::{MatchedPath, Query, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::api;
use super::params::{LONGEST, shown};
use super::problem::Problem;

/// Middleware that answers 400 to unknown and repeated parameters.
pub(super) async fn check(request: Request, next: Next) -> Response {
    match unknown(&request) {
        Some(text) => Problem::Bad(text).into_response(),
        None => next.run(request).await,
    }
}

/// The error of the first unknown or repeated parameter.
fn unknown(request: &Request) -> Option<String> {
    let query = request.uri().query().filter(|query| !query.is_empty())?;
    let path = request.extensions().get::<MatchedPath>()?.as_str().replace("{*", "{");
    let known = api::query_parameters(&path);
    let pairs: Query<Vec<(String, String)>> = Query::try_from_uri(request.uri()).ok()?;
    let mut seen = BTreeSet::new();
    let wrong = pairs.0.iter().find_map(|(name, _)| match (known.contains(name), seen.insert(name)) {
        (true, true) => None,
        (true, false) => Some(format!("{}: given twice", shown(name))),
        (false, _) => Some(format!("{}: no such parameter", shown(name))),
    })?;
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Some(format!("{wrong} in {:?}; known are: {list}", query.chars().take(LONGEST).collect::<String>()))
}
