//! Addresses and what answers at them, as data; and one rule for all of them: an answer that is neither a success nor 304 has
//! a document that says why.
//!
//! ```text
//! Routes (of the pages, intake, pull, health) ─ merge ─► Routes ─ into_router ─► Router, each answer of which is explained
//! ```
//!
//! Handlers answer problems in their own form, or leave a [`Reason`] or a plain text to the form of their routes. What axum
//! itself answers (no such address, wrong method, a path or a query that cannot be read, a body that is too large) has a plain
//! text or nothing, and gets a document here. No router is made anywhere else, so no address goes without.

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

/// A text that an answer already has is read up to here.
const LONGEST: usize = 4096;

/// One address: what is served there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// With parameters as axum writes them: `/bots/{*name}`.
    pub path: String,
    /// `GET` stands for `HEAD` as well.
    pub method: &'static str,
}

/// A router that knows its addresses.
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
    /// No address yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a handler for `GET` (and `HEAD`).
    #[must_use]
    pub fn get<H: Handler<T, S>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(MethodFilter::GET, "GET", path, handler)
    }

    /// With a handler for `POST`.
    #[must_use]
    pub fn post<H: Handler<T, S>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(MethodFilter::POST, "POST", path, handler)
    }

    /// With a handler for `PATCH`.
    #[must_use]
    pub fn patch<H: Handler<T, S>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(MethodFilter::PATCH, "PATCH", path, handler)
    }

    /// With a handler for `DELETE`.
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

    /// With all addresses of another one.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.addresses.extend(other.addresses);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// With layers or a fallback around all that is here.
    #[must_use]
    pub fn around(self, change: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        Self { router: change(self.router), ..self }
    }

    /// With a form of problems for all that is here.
    #[must_use]
    pub fn explained(self, form: Form) -> Self {
        self.around(|router| router.layer(from_fn(move |request, next| explain(form, request, next))))
    }

    /// With what the handlers share.
    #[must_use]
    pub fn with_state(self, state: S) -> Routes {
        Routes { router: self.router.with_state(state), addresses: self.addresses }
    }

    /// The same addresses while they cannot be served: clients are to come again, where 404 would have them give up.
    #[must_use]
    pub fn unavailable(&self) -> Routes {
        let answer = async || {
            let again = [(RETRY_AFTER, "300")];
            (
                StatusCode::SERVICE_UNAVAILABLE,
                again,
                "this address is not configured rightly; the log says what is wrong",
            )
        };
        self.addresses.iter().fold(Routes::new(), |routes, Address { path, method }| match *method {
            "GET" => routes.get(path, answer),
            "PATCH" => routes.patch(path, answer),
            "DELETE" => routes.delete(path, answer),
            _ => routes.post(path, answer),
        })
    }

    /// All addresses, as they were added.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }
}

impl Routes {
    /// To be served anywhere.
    pub fn into_router(self) -> Router {
        self.explained(plain).router
    }
}

/// What a client asked, as far as the form of a problem depends on it.
pub struct Asked {
    /// Whether it takes HTML.
    pub takes_html: bool,
    /// Whether the address itself is one of JSON: of the API, or with `format=json`.
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

/// Makes the document of a problem: its status, and a sentence about the reason.
pub type Form = fn(&Asked, StatusCode, &str) -> Response;

/// Why an answer is no success, for the form of its routes.
#[derive(Clone, Debug)]
pub struct Reason(pub String);

/// The answer has its document.
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
    // What belongs to the answer stays: Allow, WWW-Authenticate, Retry-After.
    for (name, value) in &parts.headers {
        if ![CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING].contains(name) {
            document.headers_mut().insert(name.clone(), value.clone());
        }
    }
    document.extensions_mut().insert(Explained);
    document
}

/// Whether a handler wrote a document of its own.
fn is_document(response: &Response) -> bool {
    let kind = kind(response.headers());
    response.body().size_hint().exact() != Some(0) && (kind.contains("json") || kind.starts_with("text/html"))
}

fn kind(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The plain text that an answer has.
async fn text(headers: &HeaderMap, body: Body) -> Option<String> {
    let is_plain = kind(headers).starts_with("text/plain");
    let bytes = to_bytes(body, LONGEST).await.ok().filter(|_| is_plain)?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// What is said of a status of which nothing else is known.
fn sentence(status: StatusCode) -> String {
    let text = match status {
        StatusCode::NOT_FOUND => "there is no such address",
        StatusCode::METHOD_NOT_ALLOWED => {
            "the method is not allowed at this address; the header Allow lists those that are"
        }
        StatusCode::PAYLOAD_TOO_LARGE => "the body is larger than this address takes",
        StatusCode::INTERNAL_SERVER_ERROR => "the request cannot be answered because of a fault; the log names it",
        _ => status.canonical_reason().unwrap_or("the request is not done"),
    };
    text.to_owned()
}

/// A problem where nothing else is asked for: `{"error": ".."}`.
fn plain(_: &Asked, status: StatusCode, reason: &str) -> Response {
    let headers = [(CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, problem(reason)).into_response()
}

/// The body of a problem in JSON.
pub fn problem(reason: &str) -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({"error": reason}))
}
