//! HTTP as a transport: what is posted goes the way of all messages, and whoever posted it waits for the answer.
//!
//! ```text
//! request ─► tokens (who, and what for) ─► body ─► a place ─► envelope ─► pipeline ─► answer
//! ```
//!
//! | | who may | answers |
//! |---|---|---|
//! | `POST /submit` | a token with `origins` | 200 (201 for `{"data": ..}`); 400 or 403 with the reasons, object by object |
//! | `GET /authtest` | the same token | 200 |
//! | `GET /health` | all | 200 |
//! | `GET /status?id=` | the token that submitted it | what became of a submission |
//! | `PATCH /jobs/{id}/state` | a signed token for that job | 200, also for a state that it has already; 409 for a canceled job |
//! | `POST /bots` | a token with `bots` | 200; 400 with the reason |
//!
//! An address that no token is for answers 404. All of them: 401 without a token, 403 with one for something else, 413 above
//! `MAX_DECODED_BYTES` (packed or unpacked; at once, where `Content-Length` says so), 408 when the body is not there within 10 s,
//! 503 with `Retry-After` when the database is away or too much is under way. Tokens
//! come in the header `Authorization` and nowhere else, so no page of others can make a browser send one.

mod answer;
mod bots;
mod capacity;
mod document;
mod jobs;
mod signed;
mod submit;
mod take;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use jiff::Timestamp;

use crate::aws::invoke::Waker;
use crate::clock::{self, Deadline};
use crate::config::Lookup;
use crate::family::Settings;
use crate::routing::Routes;
use crate::store::Store;
use capacity::Capacity;
pub use document::document;
use tokens::Tokens;
pub use tokens::TokensError;

/// Requests that are worked on at a time; each may hold `MAX_DECODED_BYTES` a few times.
const AT_A_TIME: usize = 16;

/// A request takes no longer: behind a gateway nobody waits for more than 29 s, and who is told to come again is not lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body of a request is there in this time, or the answer is 408.
const BODY: Duration = Duration::from_secs(10);
/// Bodies of the largest size that are kept while they come, and while they are worked on.
const BODIES: usize = 4;

/// Whether the tokens of `INTAKE_TOKENS` can be read, before anything that needs them is deployed.
///
/// # Errors
/// As [`Intake::new`].
pub fn check(lookup: Lookup<'_>) -> Result<(), TokensError> {
    Tokens::read(lookup).map(drop)
}

/// What all addresses share.
#[derive(Clone)]
pub struct Intake {
    store: Store,
    settings: Arc<Settings>,
    tokens: Arc<Tokens>,
    capacity: Capacity,
    patience: Duration,
    body_time: Duration,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    waker: Option<Arc<Waker>>,
}

impl Intake {
    /// Takes in what the tokens of `INTAKE_TOKENS` are for; nothing without that variable. No connection is made before the
    /// first request with such a token.
    ///
    /// # Errors
    /// When the document of the tokens cannot be read, or something in it cannot be.
    pub fn new(store: Store, settings: Settings, lookup: Lookup<'_>) -> Result<Self, TokensError> {
        let bytes = settings.limits.decoded_bytes.saturating_mul(BODIES);
        Ok(Self {
            store,
            settings: Arc::new(settings),
            tokens: Arc::new(Tokens::read(lookup)?),
            capacity: Capacity::new(AT_A_TIME, bytes),
            patience: PATIENCE,
            body_time: BODY,
            now: Arc::new(clock::now),
            waker: None,
        })
    }

    /// Invokes the function that delivers, where something is due by what was sent in.
    #[must_use]
    pub fn waking(self, waker: Option<Waker>) -> Self {
        Self { waker: waker.map(Arc::new), ..self }
    }

    /// The same by another clock, for tests.
    #[must_use]
    pub fn at(self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), ..self }
    }

    /// The same with another time to wait for the database.
    #[must_use]
    pub fn waiting(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same with another time for bodies.
    #[must_use]
    pub fn with_bodies_within(self, body_time: Duration) -> Self {
        Self { body_time, ..self }
    }

    /// Whether anybody may send anything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.tokens.is_open()
    }

    /// The addresses, to be served beside others.
    pub fn routes(self) -> Routes {
        let most = self.settings.limits.decoded_bytes;
        Routes::new()
            .post("/submit", submit::submit)
            .get("/status", submit::status)
            .get("/authtest", submit::authtest)
            .get("/health", submit::health)
            .patch("/jobs/{id}/state", jobs::state)
            .post("/bots", bots::report)
            .around(|router| router.layer(DefaultBodyLimit::max(most)))
            .explained(answer::document)
            .with_state(self)
    }

    fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// When a request that begins now has to be answered.
    fn deadline(&self) -> Deadline {
        Deadline::within(self.patience)
    }
}
