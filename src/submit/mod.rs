//! HTTP as a transport: a posted document is ingested like any other message, and the client gets its outcome as the
//! answer.
//!
//! ```text
//! request ─► tokens (authorization) ─► body ─► capacity ─► transport ─► ingest ─► answer
//! ```
//!
//! | | authorization | answers |
//! |---|---|---|
//! | `POST /submit` | a token with `origins` | 200 (201 for `{"data": ..}`); 400 or 403 with the errors of each object |
//! | `GET /authtest` | the same token | 200 |
//! | `GET /health` | none | 200 |
//! | `GET /status?id=` | the token that submitted it | the outcome of a submission |
//! | `PATCH /jobs/{id}/state` | a signed token for that job | 200, also if repeated; 409 for a canceled job |
//! | `POST /bots` | a token with `bots` | 200; 400 with the reason |
//!
//! An address for which no token is configured answers 404. All addresses answer 401 without a token, 403 with a token
//! for another use, 413 above `MAX_DECODED_BYTES` (compressed or not; at once, if `Content-Length` is larger), 408 when
//! the body does not arrive within 10 s, and 503 with `Retry-After` when the database does not answer or too many
//! requests are in progress. Tokens are accepted in the header `Authorization` only, so that pages of other sites
//! cannot make a browser send one (CSRF).

mod answer;
mod bots;
mod capacity;
mod document;
mod jobs;
mod kcidb;
mod signed;
mod take;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use jiff::Timestamp;

use crate::db::Store;
use crate::platform::aws::invoke::Waker;
use crate::platform::clock::{self, Deadline};
use crate::platform::environment::Lookup;
use crate::platform::routing::Routes;
use crate::platform::secret::Secret;
use crate::sources::Settings;
use capacity::Capacity;
pub use document::document;
use tokens::Tokens;
pub use tokens::TokensError;

/// Requests that are processed at the same time; each may hold `MAX_DECODED_BYTES` a few times.
const AT_A_TIME: usize = 16;

/// Time limit of a request: a gateway waits for at most 29 s, and a client that gets 503 retries.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Time limit of receiving a body; after it, the answer is 408.
const BODY: Duration = Duration::from_secs(10);
/// Bodies of the largest size that are held in memory, while they are received and processed.
const BODIES: usize = 4;

/// Checks that the tokens of `INTAKE_TOKENS` can be read, before a program that needs them is deployed.
///
/// # Errors
/// As [`Intake::new`].
pub fn check(lookup: Lookup<'_>) -> Result<(), TokensError> {
    Tokens::read(lookup).map(drop)
}

/// The tokens of `INTAKE_TOKENS` that may read the web UI and the API.
///
/// # Errors
/// As [`Intake::new`].
pub fn readers(lookup: Lookup<'_>) -> Result<Vec<Secret>, TokensError> {
    Tokens::read(lookup).map(Tokens::readers)
}

/// The state that all addresses share.
#[derive(Clone)]
pub struct Intake {
    store: Store,
    settings: Arc<Settings>,
    tokens: Arc<Tokens>,
    capacity: Capacity,
    time_limit: Duration,
    body_time: Duration,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    waker: Option<Arc<Waker>>,
}

impl Intake {
    /// Accepts what the tokens of `INTAKE_TOKENS` permit; nothing without that variable. Does not connect to the
    /// database before the first request with such a token.
    ///
    /// # Errors
    /// When the configuration of the tokens cannot be read, or an entry is invalid.
    pub fn new(store: Store, settings: Settings, lookup: Lookup<'_>) -> Result<Self, TokensError> {
        let bytes = settings.limits.decoded_bytes.saturating_mul(BODIES);
        Ok(Self {
            store,
            settings: Arc::new(settings),
            tokens: Arc::new(Tokens::read(lookup)?),
            capacity: Capacity::new(AT_A_TIME, bytes),
            time_limit: TIME_LIMIT,
            body_time: BODY,
            now: Arc::new(clock::now),
            waker: None,
        })
    }

    /// Invokes the function that delivers, when a request makes a delivery due.
    #[must_use]
    pub fn waking(self, waker: Option<Waker>) -> Self {
        Self { waker: waker.map(Arc::new), ..self }
    }

    /// The same with another clock, for tests.
    #[must_use]
    pub fn at(self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), ..self }
    }

    /// The same with another time limit of the database.
    #[must_use]
    pub fn waiting(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// The same with another time limit of bodies.
    #[must_use]
    pub fn with_bodies_within(self, body_time: Duration) -> Self {
        Self { body_time, ..self }
    }

    /// Whether any token to post with is configured.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.tokens.is_open()
    }

    /// The routes.
    pub fn routes(self) -> Routes {
        let most = self.settings.limits.decoded_bytes;
        Routes::new()
            .post("/submit", kcidb::submit)
            .get("/status", kcidb::status)
            .get("/authtest", kcidb::authtest)
            .get("/health", kcidb::health)
            .patch("/jobs/{id}/state", jobs::state)
            .post("/bots", bots::report)
            .around(|router| router.layer(DefaultBodyLimit::max(most)))
            .explained(answer::document)
            .with_state(self)
    }

    fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Deadline of a request that begins now.
    fn deadline(&self) -> Deadline {
        Deadline::within(self.time_limit)
    }
}
