//! The answers: one format for all errors.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::db::{ErrorClass, StoreError};
use crate::platform::failure::chain;
use crate::platform::routing::Asked;

/// The id in an answer that is about no submission, as of kcidb-restd-rs.
const NO_ID: &str = "0";

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Problem {
    /// No token is configured for this address.
    Closed,
    /// The token is missing or unknown.
    Token,
    /// The token is for another use; with the missing permission.
    Forbidden(String),
    /// The request or its body is invalid; with a stable reason code and a message.
    Bad(&'static str, String),
    /// The object does not exist.
    NotFound(String),
    /// A submission is rejected.
    Submission {
        /// 400, or 403 where the only errors are objects of other origins.
        status: StatusCode,
        /// Its id.
        id: String,
        /// The errors.
        errors: Vec<Reason>,
    },
    /// The body is too large.
    TooLarge,
    /// The body did not arrive in time.
    Late,
    /// The body has an unknown content encoding.
    Unknown,
    /// Too many requests are in progress.
    Busy,
    /// The database does not answer.
    Away,
    /// A bug of this program or of the schema; the log has the details.
    Bug,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = chain(&error), "a request failed");
        if error.class() == ErrorClass::Retry { Self::Away } else { Self::Bug }
    }
}

/// An error in a submission, in the format of `DataWarehouse`. Of an object: its list, its id, and a message with the
/// member and the rule. Of the document: a message only.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(super) enum Reason {
    /// Of an object.
    Object(String, String, String),
    /// Of the document.
    Document(String),
}

/// An error, as JSON.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = IntakeError)]
pub(super) struct Body {
    /// Id of the submission; `0` without one.
    id: String,
    /// `error`; `notfound` for an unknown submission.
    status: &'static str,
    /// A stable reason code.
    reason: &'static str,
    /// A message for people.
    message: String,
    /// All errors of a submission.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Reason>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, reason, message) = match &self {
            Self::Closed => {
                (StatusCode::NOT_FOUND, "closed", "no token is configured for this address: see INTAKE_TOKENS".into())
            }
            Self::Token => (StatusCode::UNAUTHORIZED, "token", "the bearer token is missing or unknown".into()),
            Self::Forbidden(what) => (StatusCode::FORBIDDEN, "forbidden", what.clone()),
            Self::Bad(reason, what) => (StatusCode::BAD_REQUEST, *reason, what.clone()),
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "not-found", what.clone()),
            Self::Submission { status, errors, .. } => {
                let reason = if *status == StatusCode::FORBIDDEN { "forbidden" } else { "invalid" };
                (*status, reason, format!("rejected, with {} errors", errors.len()))
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large".into()),
            Self::Late => (StatusCode::REQUEST_TIMEOUT, "late", "the body did not arrive in time".into()),
            Self::Unknown => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", "expected JSON, plain or compressed with gzip".into())
            }
            Self::Busy => {
                (StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests are in progress; try again".into())
            }
            Self::Away => (StatusCode::SERVICE_UNAVAILABLE, "away", "the database does not answer; try again".into()),
            Self::Bug => (StatusCode::INTERNAL_SERVER_ERROR, "fault", "internal error; the log has the details".into()),
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
            // Closes the connection instead of waiting for the rest of the body.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The answer to an error before any handler runs: an invalid path or query, or a wrong method.
pub(super) fn document(_: &Asked, status: StatusCode, reason: &str) -> Response {
    let code = match status {
        StatusCode::METHOD_NOT_ALLOWED => "method",
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        _ => "request",
    };
    let body =
        Body { id: NO_ID.to_owned(), status: "error", reason: code, message: reason.to_owned(), errors: Vec::new() };
    json(status, &body)
}

/// An answer in JSON, which must not be cached.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, axum::Json(body)).into_response()
}

/// The error answers of all addresses.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "for the document only")]
pub(super) enum Problems {
    /// The request or its body is invalid, or a submission is rejected: `errors` has the reasons.
    #[response(status = 400)]
    Bad(Body),
    /// The token is missing or unknown.
    #[response(status = 401)]
    Token(Body),
    /// The token is for another use.
    #[response(status = 403)]
    Forbidden(Body),
    /// The object does not exist, or no token is configured for this address.
    #[response(status = 404)]
    NotFound(Body),
    /// The body did not arrive in time.
    #[response(status = 408)]
    Late(Body),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(Body),
    /// The body has an unknown content encoding.
    #[response(status = 415)]
    Unknown(Body),
    /// The database does not answer, or too many requests are in progress: retry after `Retry-After`.
    #[response(status = 503)]
    Away(Body),
}
