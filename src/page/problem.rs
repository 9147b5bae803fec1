//! What goes wrong with a request, as a page that helps, or in JSON.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::html::{Shell, shell};
use crate::routing::{self, Asked, Reason};
use crate::store::{StoreError, Verdict, chain};

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Problem {
    /// The request makes no sense; says why.
    Bad(String),
    /// There is no such thing; says what.
    NotFound(String),
    /// The database.
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
            Self::Store(error) => {
                tracing::error!(error = chain(&error), "no page");
                match error.verdict() {
                    Verdict::Again => {
                        let text =
                            "The database does not answer, or not in time. Nothing is lost; try again in a minute.";
                        (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
                    }
                    _ => {
                        let text =
                            "The database does not fit this program, or this program has a fault; the log says which.";
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

/// The document of a problem: a page for browsers, JSON for all others.
pub(super) fn document(asked: &Asked, status: StatusCode, reason: &str) -> Response {
    if asked.is_for_json || !asked.takes_html {
        return (status, routing::problem(reason)).into_response();
    }
    let title = match status {
        StatusCode::BAD_REQUEST => "This cannot be answered",
        StatusCode::UNAUTHORIZED => "A name and a password are needed",
        StatusCode::NOT_FOUND => "Not here",
        StatusCode::METHOD_NOT_ALLOWED => "This can only be read",
        StatusCode::SERVICE_UNAVAILABLE => "The database is away",
        _ => "This went wrong",
    };
    let content = html! {
        h1 { (title) }
        p role="alert" { (reason) }
        p { a href="/" { "Overview" } }
    };
    (status, shell(Shell { title, ..Shell::default() }, &content)).into_response()
}

/// The same in JSON, as the document of the API tells it.
#[derive(utoipa::ToSchema)]
#[schema(as = Error)]
#[expect(dead_code, reason = "names what `routing::problem` writes")]
pub(super) struct ErrorBody {
    /// A sentence for people.
    error: String,
}

/// What every address of the API may answer instead.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "for the document only")]
pub(super) enum ProblemResponses {
    /// The request makes no sense.
    #[response(status = 400)]
    Bad(ErrorBody),
    /// A name and a password are needed.
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// There is no such thing.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The database does not answer.
    #[response(status = 503)]
    Away(ErrorBody),
}
