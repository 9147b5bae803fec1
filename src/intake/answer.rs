//! What is answered: one form for all that goes wrong.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::routing::Asked;
use crate::store::{StoreError, Verdict, chain};

/// The id in an answer about no submission (kcidb-restd-rs answers so).
const NO_ID: &str = "0";

/// Why a request is not done.
#[derive(Debug)]
pub(super) enum Problem {
    /// No token is for this address.
    Closed,
    /// No token, or none that is known.
    Token,
    /// The token is for something else; says what is missing.
    Forbidden(String),
    /// The request or its body makes no sense; a short stable word, and a sentence.
    Bad(&'static str, String),
    /// There is no such thing.
    NotFound(String),
    /// A submission is not kept.
    Submission {
        /// 400, or 403 where all that is wrong is whose objects they are.
        status: StatusCode,
        /// Its id.
        id: String,
        /// What is wrong.
        errors: Vec<Reason>,
    },
    /// The body is larger than is taken.
    TooLarge,
    /// The body did not come in time.
    Late,
    /// The body is packed in a way that is not known.
    Unknown,
    /// Too much is under way.
    Busy,
    /// The database does not answer.
    Away,
    /// This program or the schema is wrong; the log says what.
    Bug,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = chain(&error), "a request is not done");
        if error.verdict() == Verdict::Again { Self::Away } else { Self::Bug }
    }
}

/// What is wrong with a submission, as `DataWarehouse` tells it: of an object its list, its id and a sentence that names
/// member and rule; of the document a sentence alone.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(super) enum Reason {
    /// Of an object.
    Object(String, String, String),
    /// Of the document.
    Document(String),
}

/// What goes wrong, in JSON.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = IntakeError)]
pub(super) struct Body {
    /// Of the submission, `0` where there is none.
    id: String,
    /// `error`; `notfound` of a submission of which nothing is known.
    status: &'static str,
    /// A short stable word.
    reason: &'static str,
    /// A sentence for people.
    message: String,
    /// All that is wrong with a submission.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Reason>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, reason, message) = match &self {
            Self::Closed => {
                (StatusCode::NOT_FOUND, "closed", "nobody may send anything here: see INTAKE_TOKENS".into())
            }
            Self::Token => (StatusCode::UNAUTHORIZED, "token", "a bearer token is needed, and this is none".into()),
            Self::Forbidden(what) => (StatusCode::FORBIDDEN, "forbidden", what.clone()),
            Self::Bad(reason, what) => (StatusCode::BAD_REQUEST, *reason, what.clone()),
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "not-found", what.clone()),
            Self::Submission { status, errors, .. } => {
                let word = if *status == StatusCode::FORBIDDEN { "forbidden" } else { "invalid" };
                (*status, word, format!("not kept, for {} reasons", errors.len()))
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "larger than what is taken".into()),
            Self::Late => (StatusCode::REQUEST_TIMEOUT, "late", "the body did not come in time".into()),
            Self::Unknown => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", "expected JSON, as it is or packed by gzip".into())
            }
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "too much is under way; try again".into()),
            Self::Away => (StatusCode::SERVICE_UNAVAILABLE, "away", "the database does not answer; try again".into()),
            Self::Bug => (StatusCode::INTERNAL_SERVER_ERROR, "fault", "this went wrong; the log says how".into()),
        };
        let wait = match &self {
            Self::Busy => Some("1"),
            Self::Away => Some("10"),
            _ => None,
        };
        let (id, errors) = match self {
            Self::Submission { id, errors, .. } => (id, errors),
            _ => (NO_ID.to_owned(), Vec::new()),
        };
        let mut response = json(status, &Body { id, status: "error", reason, message, errors });
        let headers = response.headers_mut();
        if let Some(wait) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(wait));
        }
        if matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE) {
            // The rest of the body is not waited for.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The document of a problem that no handler wrote: of a path or a query that cannot be read, of a wrong method.
pub(super) fn document(_: &Asked, status: StatusCode, reason: &str) -> Response {
    let word = match status {
        StatusCode::METHOD_NOT_ALLOWED => "method",
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        _ => "request",
    };
    let body =
        Body { id: NO_ID.to_owned(), status: "error", reason: word, message: reason.to_owned(), errors: Vec::new() };
    json(status, &body)
}

/// An answer in JSON that nobody keeps.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, axum::Json(body)).into_response()
}

/// What every address may answer instead.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "for the document only")]
pub(super) enum Problems {
    /// The request or its body makes no sense, or a submission is not kept: `errors` says why.
    #[response(status = 400)]
    Bad(Body),
    /// No token, or none that is known.
    #[response(status = 401)]
    Token(Body),
    /// The token is for something else.
    #[response(status = 403)]
    Forbidden(Body),
    /// There is no such thing, or no token is for this address.
    #[response(status = 404)]
    NotFound(Body),
    /// The body did not come in time.
    #[response(status = 408)]
    Late(Body),
    /// The body is larger than is taken.
    #[response(status = 413)]
    TooLarge(Body),
    /// The body is packed in a way that is not known.
    #[response(status = 415)]
    Unknown(Body),
    /// The database does not answer, or too much is under way: `Retry-After` says when to try again.
    #[response(status = 503)]
    Away(Body),
}
