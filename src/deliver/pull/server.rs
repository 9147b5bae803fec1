//! The server of pull deliveries: routes for the web server.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::{HandBack, LEASE, Leased, Leases, is_uuid};
use crate::db::{Store, StoreError, Tx};
use crate::deliver::policy::Decision;
use crate::deliver::step::{self, Done};
use crate::deliver::targets::{Kind, Posting, Target};
use crate::outbox::queue::{self, Capacity, StatusDue};
use crate::outbox::registry::{self, Registration};
use crate::platform::clock::Deadline;
use crate::platform::failure::chain;
use crate::platform::routing::Routes;
use crate::platform::{secret::Secret, shutdown};

/// Most leases of one request, and the default of `max`.
const MAX: (usize, usize) = (100, 10);
/// Longest wait of one request: API Gateway gives up after 29 s.
const WAIT: u64 = 20;
/// Interval of polls while a request waits.
const POLL: Duration = Duration::from_millis(250);
/// Requests of one key in a second (rate limit).
const RATE: u32 = 50;
/// Requests of one key that wait at the same time.
const WAITING: u32 = 10;
/// Time limit of a transaction.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The routes, for all targets that have a key. Without such a target, every request is rejected. The first request
/// registers all targets of the configuration.
pub fn routes(store: Store, targets: &[Target], registrations: Vec<Registration>) -> Routes {
    let mut clients: Vec<Client> = Vec::new();
    for target in targets {
        let Kind::Commit(commit) = &target.kind else { continue };
        let Posting::Pull(key) = &commit.posting else { continue };
        match clients.iter_mut().find(|client| client.key == *key) {
            Some(client) => drop(client.targets.insert(target.name.clone(), target.clone())),
            None => clients.push(Client {
                key: key.clone(),
                targets: BTreeMap::from([(target.name.clone(), target.clone())]),
                usage: Mutex::new(Usage { second: Deadline::within(Duration::ZERO), requests: 0, waiting: 0 }),
            }),
        }
    }
    Routes::new()
        .get("/v1/deliveries", lease)
        .delete("/v1/deliveries/{lease}", delivered)
        .post("/v1/deliveries/{lease}", hand_back)
        .with_state(Arc::new(Pull { store, clients, registrations, registered: OnceCell::new() }))
}

pub(super) struct Pull {
    store: Store,
    clients: Vec<Client>,
    registrations: Vec<Registration>,
    registered: OnceCell<()>,
}

/// A client: its key, and the targets of that key.
struct Client {
    key: Secret,
    targets: BTreeMap<String, Target>,
    usage: Mutex<Usage>,
}

/// Requests of a client, for its limits.
struct Usage {
    second: Deadline,
    requests: u32,
    waiting: u32,
}

/// Why a request is rejected.
pub(super) enum PullError {
    Key,
    Rate,
    Query(&'static str),
    NoLease,
    Gone,
    Body(String),
    Store(StoreError),
}

impl IntoResponse for PullError {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Key => (StatusCode::UNAUTHORIZED, "x-api-key is missing or wrong".to_owned()),
            Self::Rate => (StatusCode::TOO_MANY_REQUESTS, "too many requests with this key".to_owned()),
            Self::Query(what) => (StatusCode::BAD_REQUEST, what.to_owned()),
            Self::NoLease => (StatusCode::NOT_FOUND, "no such lease".to_owned()),
            Self::Gone => {
                (StatusCode::GONE, "the lease has expired, and another client has this status now".to_owned())
            }
            Self::Body(what) => (StatusCode::BAD_REQUEST, what),
            Self::Store(error) => {
                tracing::warn!(error = chain(&error), "cannot lease deliveries or write their outcomes");
                (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer".to_owned())
            }
        };
        let mut response = json(status, &serde_json::json!({"error": text}));
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

/// An error, as JSON.
#[derive(utoipa::ToSchema)]
#[schema(as = DeliveryError)]
#[expect(dead_code, reason = "describes the JSON of `PullError`")]
pub(super) struct Body {
    /// A message for people.
    error: String,
}

/// The error answers of all addresses.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "for the document only")]
pub(super) enum PullErrors {
    /// The query or the body is invalid.
    #[response(status = 400)]
    Bad(Body),
    /// `x-api-key` is missing or wrong.
    #[response(status = 401)]
    Key(Body),
    /// There is no such lease of this key.
    #[response(status = 404)]
    NoLease(Body),
    /// The lease has expired, and another client has the status.
    #[response(status = 410)]
    Gone(Body),
    /// Too many requests with this key.
    #[response(status = 429)]
    Rate(Body),
    /// The database does not answer.
    #[response(status = 503)]
    Away(Body),
}

fn json(status: StatusCode, body: &impl serde::Serialize) -> Response {
    let body = serde_json::to_string(body).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

impl Pull {
    /// Registers the targets, once, and routes the events that have waited for that.
    async fn register(&self) -> Result<(), PullError> {
        let register = async || {
            let (store, registrations) = (self.store.clone(), self.registrations.clone());
            on_a_thread(async move || {
                let register = async |tx: &mut Tx<'_>| registry::register(tx, &registrations).await;
                store.in_tx("register", Deadline::within(TIME_LIMIT), register).await?;
                while step::route(&store).await? > 0 {}
                Ok(())
            })
            .await
        };
        self.registered.get_or_try_init(register).await.copied()
    }

    /// The client of the request's key. `Err` when the key is wrong, or the client exceeds its rate limit.
    fn client(&self, headers: &HeaderMap) -> Result<&Client, PullError> {
        let key = headers.get("x-api-key").and_then(|key| key.to_str().ok()).ok_or(PullError::Key)?;
        // Compares with all keys, so that the time reveals nothing.
        let found =
            self.clients.iter().fold(None, |found, client| if client.key.is(key) { Some(client) } else { found });
        let client = found.ok_or(PullError::Key)?;
        let mut usage = client.usage.lock().unwrap_or_else(PoisonError::into_inner);
        if usage.second.remaining().is_zero() {
            usage.second = Deadline::within(Duration::from_secs(1));
            usage.requests = 0;
        }
        usage.requests += 1;
        if usage.requests > RATE { Err(PullError::Rate) } else { Ok(client) }
    }
}

impl Client {
    /// Counts a waiting request until the returned guard is dropped.
    fn wait(&self) -> Result<Waiting<'_>, PullError> {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        if usage.waiting >= WAITING {
            return Err(PullError::Rate);
        }
        usage.waiting += 1;
        Ok(Waiting(self))
    }
}

struct Waiting<'c>(&'c Client);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.usage.lock().unwrap_or_else(PoisonError::into_inner).waiting -= 1;
    }
}

/// The query's `max` and `wait`.
fn query(text: Option<&str>) -> Result<(usize, Duration), PullError> {
    let (mut max, mut wait) = (MAX.1, 0);
    for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("max", value)) => {
                let found = value.parse().ok().filter(|max| (1..=MAX.0).contains(max));
                max = found.ok_or(PullError::Query("max: expected 1 to 100"))?;
            }
            Some(("wait", value)) => {
                let found = value.parse().ok().filter(|wait| *wait <= WAIT);
                wait = found.ok_or(PullError::Query("wait: expected 0 to 20 seconds"))?;
            }
            _ => return Err(PullError::Query("expected max and wait only")),
        }
    }
    Ok((max, Duration::from_secs(wait)))
}

/// Leases commit statuses for the targets of a key, waiting for one if there is none.
#[utoipa::path(
    get, path = "/v1/deliveries", tag = "deliveries", security(("key" = [])),
    params(
        ("max" = Option<usize>, Query, description = "Most leases, 1 to 100; default 10"),
        ("wait" = Option<u64>, Query, description = "Seconds to wait, 0 to 20; default 0"),
    ),
    responses((status = 200, description = "The leased statuses", body = Leases), PullErrors)
)]
pub(super) async fn lease(
    State(pull): State<Arc<Pull>>,
    headers: HeaderMap,
    RawQuery(text): RawQuery,
) -> Result<Response, PullError> {
    let client = pull.client(&headers)?;
    let (max, wait) = query(text.as_deref())?;
    let _waiting = client.wait()?;
    pull.register().await?;
    let until = Deadline::within(wait);
    loop {
        let (store, targets) = (pull.store.clone(), client.targets.clone());
        let leases = on_a_thread(async move || claim(store, targets, max).await).await?;
        if !leases.due.is_empty() || until.remaining().is_zero() {
            let deliveries = leases.into_due().into_iter().filter_map(|due| leased(due, &client.targets)).collect();
            return Ok(json(StatusCode::OK, &Leases { deliveries }));
        }
        tokio::time::sleep(POLL.min(until.remaining())).await;
    }
}

/// Takes leases for the targets of a key, `max` in total.
async fn claim(store: Store, targets: BTreeMap<String, Target>, max: usize) -> Result<Unsent, StoreError> {
    let due = store
        .in_tx("pull", Deadline::within(TIME_LIMIT), async |tx| {
            let mut due = Vec::new();
            for target in targets.values() {
                let slots = i32::try_from(max.saturating_sub(due.len())).unwrap_or(i32::MAX);
                let capacity = Capacity { target: &target.name, slots, interval: target.interval };
                due.extend(queue::claim_statuses(tx, &[capacity], LEASE, false).await?);
            }
            Ok(due)
        })
        .await?;
    Ok(Unsent { due, store, targets })
}

/// Leases that are not in an answer yet. If the client disconnects meanwhile, dropping this gives them back: else no
/// client could get them until they expire.
struct Unsent {
    due: Vec<StatusDue>,
    store: Store,
    targets: BTreeMap<String, Target>,
}

impl Unsent {
    fn into_due(mut self) -> Vec<StatusDue> {
        std::mem::take(&mut self.due)
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        if self.due.is_empty() {
            return;
        }
        // Without a runtime the process is about to end, and the leases expire.
        let Ok(runtime) = Handle::try_current() else { return };
        let back = |due: StatusDue| Done {
            target: due.target,
            lease: due.lease,
            is_event: false,
            decision: None,
            check_run: None,
        };
        let done: Vec<Done> = std::mem::take(&mut self.due).into_iter().map(back).collect();
        let (store, targets) = (self.store.clone(), std::mem::take(&mut self.targets));
        runtime.spawn(on_a_thread(async move || {
            let settled = step::settle(&store, &done, &targets).await;
            settled.inspect_err(|error| tracing::warn!(error = chain(error), "cannot give back unsent leases"))
        }));
    }
}

fn leased(due: StatusDue, targets: &BTreeMap<String, Target>) -> Option<Leased> {
    let Kind::Commit(commit) = &targets.get(&due.target)?.kind else { return None };
    let status = due.status;
    Some(Leased {
        lease: due.lease,
        expires_in: LEASE.as_secs(),
        hosts: commit.rules.hosts.clone(),
        target: due.target,
        repo: status.repo,
        sha: status.sha,
        state: status.state,
        context: status.name,
        description: status.description,
        target_url: status.url,
        attempts: due.attempts.attempts,
        rejections: due.attempts.rejections,
    })
}

/// Reports that a status was posted. Idempotent.
#[utoipa::path(
    delete, path = "/v1/deliveries/{lease}", tag = "deliveries", security(("key" = [])),
    params(("lease" = String, Path, description = "Id of the lease")),
    responses((status = 204, description = "The outcome is written"), PullErrors)
)]
pub(super) async fn delivered(
    State(pull): State<Arc<Pull>>,
    headers: HeaderMap,
    Path(lease): Path<String>,
) -> Result<StatusCode, PullError> {
    end(&pull, &headers, lease, Decision::delivered()).await
}

/// Reports that a status was not posted, and why.
#[utoipa::path(
    post, path = "/v1/deliveries/{lease}", tag = "deliveries", security(("key" = [])),
    params(("lease" = String, Path, description = "Id of the lease")),
    request_body(content = HandBack), responses((status = 204, description = "The outcome is written"), PullErrors)
)]
pub(super) async fn hand_back(
    State(pull): State<Arc<Pull>>,
    headers: HeaderMap,
    Path(lease): Path<String>,
    body: Bytes,
) -> Result<StatusCode, PullError> {
    let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    let back: HandBack = serde_json::from_slice(&body).map_err(|error| PullError::Body(error.to_string()))?;
    end(&pull, &headers, lease, back.decision()).await
}

/// Ends a lease. Idempotent for `delivered`.
async fn end(pull: &Pull, headers: &HeaderMap, lease: String, decision: Decision) -> Result<StatusCode, PullError> {
    let client = pull.client(headers)?;
    if !is_uuid(&lease) {
        return Err(PullError::NoLease);
    }
    let is_delivered = decision == Decision::delivered();
    let (store, targets) = (pull.store.clone(), client.targets.clone());
    on_a_thread(async move || {
        let of = async |tx: &mut Tx<'_>| queue::lease_of(tx, &lease).await;
        let target = match store.in_tx("lease_of", Deadline::within(TIME_LIMIT), of).await? {
            Some((target, true)) if targets.contains_key(&target) => target,
            Some((target, false)) if targets.contains_key(&target) && is_delivered => {
                return Ok(Ok(StatusCode::NO_CONTENT));
            }
            Some((target, _)) if !targets.contains_key(&target) => return Ok(Err(PullError::NoLease)),
            _ => return Ok(Err(PullError::Gone)),
        };
        let done = Done { target, lease: lease.clone(), is_event: false, decision: Some(decision), check_run: None };
        step::settle(&store, &[done], &targets).await?;
        Ok(Ok(StatusCode::NO_CONTENT))
    })
    .await?
}

/// Runs a future on a thread of its own. A panic is logged, and the client gets a general error.
async fn on_a_thread<F, T>(future: impl FnOnce() -> F + Send + 'static) -> Result<T, PullError>
where
    F: Future<Output = Result<T, StoreError>>,
    T: Send + 'static,
{
    match shutdown::on_a_thread(future).await {
        Ok(result) => result.map_err(PullError::Store),
        Err(error) => {
            tracing::error!(error = %error, alarm = true, "a request panicked");
            Err(PullError::Body("this request cannot be served".to_owned()))
        }
    }
}
