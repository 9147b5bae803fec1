//! HTTP routes as data, with one rule for all of them: a response that is neither a success nor 304 has a document with
//! the reason.
//!
//! ```text
//! Routes (web UI, submit, pull, health) ─ merge ─► Routes ─ into_router ─► Router, all responses explained
//! ```
//!
//! Handlers write error responses in their own form, or leave a [`Reason`] or a plain text, which the form of their
//! routes turns into a document. Responses of axum itself (unknown address, wrong method, a path or a query that cannot
//! be read, a body that is too large) have a plain text or no body, and get a document here. No other module builds a
//! router, so the rule covers all addresses.

use axum::Router;
use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};

/// Most bytes of the plain text of a response that are read.
const LONGEST: usize = 4096;

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Path with parameters in the syntax of axum: `/bots/{*name}`.
    pub path: String,
    /// Method; `GET` includes `HEAD`.
    pub method: &'static str,
}

/// A router that lists its routes.
pub struct Routes<S = ()> {
    router: Router<S>,
    addresses: Vec<Address>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self { router: Router::new(), addresses: Vec::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler for `GET` (and `HEAD`).
    #[must_use]
    pub fn get<H: Handler<T, S>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(MethodFilter::GET, "GET", path, handler)
    }

    /// Adds a handler for `POST`.
    #[must_use]
    pub fn post<H: Handler<T, S>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(MethodFilter::POST, "POST", path, handler)
    }

    /// Adds a handler for `PATCH`.
    #[must_use]
    pub fn patch<H: Handler<T, S>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(MethodFilter::PATCH, "PATCH", path, handler)
    }

    /// Adds a handler for `DELETE`.
    #[must_use]
    pub fn delete<H: Handler<T, S>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(MethodFilter::DELETE, "DELETE", path, handler)
    }

    fn on<H: Handler<T, S>, T: 'static>(
        mut self,
        filter: MethodFilter,
        method: &'static str,
        path: &str,
        handler: H,
    ) -> Self {
        self.addresses.push(Address { path: path.to_owned(), method });
        Self { router: self.router.route(path, on(filter, handler)), ..self }
    }

    /// Adds all routes of another one.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.addresses.extend(other.addresses);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// Adds layers or a fallback around all routes so far.
    #[must_use]
    pub fn around(self, change: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        Self { router: change(self.router), ..self }
    }

    /// Sets the form of error documents for all routes so far.
    #[must_use]
    pub fn explained(self, form: Form) -> Self {
        self.around(|router| router.layer(from_fn(move |request, next| explain(form, request, next))))
    }

    /// Sets the state that the handlers share.
    #[must_use]
    pub fn with_state(self, state: S) -> Routes {
        Routes { router: self.router.with_state(state), addresses: self.addresses }
    }

    /// The same routes while they cannot be served: 503 with `Retry-After` makes clients retry, where 404 would make
    /// them give up.
    #[must_use]
    pub fn unavailable(&self) -> Routes {
        let answer = async || {
            let retry_after = [(RETRY_AFTER, "300")];
            (
                StatusCode::SERVICE_UNAVAILABLE,
                retry_after,
                "this address is not configured correctly; the log has the error",
            )
        };
        self.addresses.iter().fold(Routes::new(), |routes, Address { path, method }| match *method {
            "GET" => routes.get(path, answer),
            "PATCH" => routes.patch(path, answer),
            "DELETE" => routes.delete(path, answer),
            _ => routes.post(path, answer),
        })
    }

    /// All routes, in the order in which they were added.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }
}

impl Routes {
    /// The router to serve.
    pub fn into_router(self) -> Router {
        self.explained(plain).router
    }
}

/// The properties of a request that the form of an error document depends on.
pub struct Asked {
    /// Whether the client accepts HTML.
    pub takes_html: bool,
    /// Whether the address is a JSON address: of the API, or with `format=json`.
    pub is_for_json: bool,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let accept = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let query = request.uri().query().unwrap_or_default();
        Self {
            takes_html: accept
                .flat_map(|value| value.split(','))
                .any(|kind| kind.trim_start().starts_with("text/html")),
            is_for_json: request.uri().path().starts_with("/api/")
                || query.split('&').any(|pair| pair == "format=json"),
        }
    }
}

/// Writes an error document from its status and a sentence with the reason.
pub type Form = fn(&Asked, StatusCode, &str) -> Response;

/// The reason of an error response, for the form of its routes.
#[derive(Clone, Debug)]
pub struct Reason(pub String);

/// Marks a response that has its document.
#[derive(Clone, Copy)]
struct Explained;

async fn explain(form: Form, request: Request, next: Next) -> Response {
    let asked = Asked::of(&request);
    let response = next.run(request).await;
    let status = response.status();
    let needs_none = status.is_informational() || status.is_success() || status == StatusCode::NOT_MODIFIED;
    if needs_none || response.extensions().get::<Explained>().is_some() || is_document(&response) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let reason = match parts.extensions.get::<Reason>() {
        Some(Reason(reason)) => reason.clone(),
        None => text(&parts.headers, body).await.unwrap_or_else(|| sentence(status)),
    };
    let mut document = form(&asked, status, &reason);
    // Keeps other headers: Allow, WWW-Authenticate, Retry-After.
    for (name, value) in &parts.headers {
        if ![CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING].contains(name) {
            document.headers_mut().insert(name.clone(), value.clone());
        }
    }
    document.extensions_mut().insert(Explained);
    document
}

/// Whether the handler wrote a document itself.
fn is_document(response: &Response) -> bool {
    let kind = kind(response.headers());
    response.body().size_hint().exact() != Some(0) && (kind.contains("json") || kind.starts_with("text/html"))
}

fn kind(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The plain text of a response.
async fn text(headers: &HeaderMap, body: Body) -> Option<String> {
    let is_plain = kind(headers).starts_with("text/plain");
    let bytes = to_bytes(body, LONGEST).await.ok().filter(|_| is_plain)?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The reason for a status without a better one.
fn sentence(status: StatusCode) -> String {
    let text = match status {
        StatusCode::NOT_FOUND => "there is no such address",
        StatusCode::METHOD_NOT_ALLOWED => {
            "the method is not allowed at this address; the header Allow lists those that are"
        }
        StatusCode::PAYLOAD_TOO_LARGE => "the body is larger than this address accepts",
        StatusCode::INTERNAL_SERVER_ERROR => "the request failed because of an internal error; the log has it",
        _ => status.canonical_reason().unwrap_or("the request failed"),
    };
    text.to_owned()
}

/// The default form: `{"error": ".."}`.
fn plain(_: &Asked, status: StatusCode, reason: &str) -> Response {
    let headers = [(CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, problem(reason)).into_response()
}

/// The default error document.
pub fn problem(reason: &str) -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({"error": reason}))
}
