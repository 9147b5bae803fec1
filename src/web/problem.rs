//! Errors of requests, as a page for people or as JSON.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::html::{Shell, shell};
use crate::db::{ErrorClass, StoreError};
use crate::platform::failure::chain;
use crate::platform::routing::{self, Asked, Reason};

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Problem {
    /// The request is invalid; with the reason.
    Bad(String),
    /// The object does not exist; with a message.
    NotFound(String),
    /// Too many requests of this kind are open.
    TooMany(String),
    /// A query failed.
    Store(StoreError),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Bad(text) => (StatusCode::BAD_REQUEST, text),
            Self::NotFound(text) => (StatusCode::NOT_FOUND, text),
            Self::TooMany(text) => (StatusCode::TOO_MANY_REQUESTS, text),
            Self::Store(error) => {
                tracing::error!(error = chain(&error), "a request failed");
                match error.class() {
                    ErrorClass::Retry => {
                        let text =
                            "The database does not answer, or not in time. Nothing is lost; try again in a minute.";
                        (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
                    }
                    _ => {
                        let text = "The schema of the database does not match this program, or this program has a bug; \
                            the log has the details.";
                        (StatusCode::INTERNAL_SERVER_ERROR, text.to_owned())
                    }
                }
            }
        };
        let mut response = status.into_response();
        response.extensions_mut().insert(Reason(text));
        response
    }
}

/// The answer to an error: HTML for browsers, JSON for other clients.
pub(super) fn document(asked: &Asked, status: StatusCode, reason: &str) -> Response {
    if asked.is_for_json || !asked.takes_html {
        return (status, routing::problem(reason)).into_response();
    }
    let title = match status {
        StatusCode::BAD_REQUEST => "Invalid request",
        StatusCode::UNAUTHORIZED => "User and password required",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::METHOD_NOT_ALLOWED => "Method not allowed",
        StatusCode::SERVICE_UNAVAILABLE => "The database does not answer",
        _ => "Internal error",
    };
    let content = html! {
        h1 { (title) }
        p role="alert" { (reason) }
        p { a href="/" { "Overview" } }
    };
    (status, shell(Shell { title, ..Shell::default() }, &content)).into_response()
}

/// An error as JSON, for the description of the API.
#[derive(utoipa::ToSchema)]
#[schema(as = Error)]
#[expect(dead_code, reason = "describes the JSON of `routing::problem`")]
pub(super) struct ErrorBody {
    /// A message for people.
    error: String,
}

/// The error answers of all addresses of the API.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "for the document only")]
pub(super) enum ProblemResponses {
    /// The request is invalid.
    #[response(status = 400)]
    Bad(ErrorBody),
    /// User and password are required.
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// The object does not exist.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The database does not answer.
    #[response(status = 503)]
    Away(ErrorBody),
}
