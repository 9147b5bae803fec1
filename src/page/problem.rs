//! What goes wrong with a request, as a page that helps.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::html::{Shell, shell};
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
        let (status, title, text) = match self {
            Self::Bad(text) => (StatusCode::BAD_REQUEST, "This cannot be answered", text),
            Self::NotFound(text) => (StatusCode::NOT_FOUND, "Not here", text),
            Self::Store(error) => {
                tracing::error!(error = chain(&error), "no page");
                match error.verdict() {
                    Verdict::Again => {
                        let text =
                            "The database does not answer, or not in time. Nothing is lost; try again in a minute.";
                        (StatusCode::SERVICE_UNAVAILABLE, "The database is away", text.to_owned())
                    }
                    _ => {
                        let text =
                            "The database does not fit this program, or this program has a fault; the log says which.";
                        (StatusCode::INTERNAL_SERVER_ERROR, "This went wrong", text.to_owned())
                    }
                }
            }
        };
        let content = html! {
            h1 { (title) }
            p role="alert" { (text) }
            p { a href="/" { "Overview" } }
        };
        let mut response = (status, shell(Shell { title, ..Shell::default() }, &content)).into_response();
        response.extensions_mut().insert(Told(text));
        response
    }
}

/// The same in JSON, as the document of the API tells it.
#[derive(utoipa::ToSchema)]
#[schema(as = Error)]
#[expect(dead_code, reason = "names what `finish` writes")]
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
    Unauthorized,
    /// There is no such thing.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The database does not answer.
    #[response(status = 503)]
    Away(ErrorBody),
}

/// What a problem says, for clients that read JSON.
#[derive(Clone)]
pub(super) struct Told(pub(super) String);
