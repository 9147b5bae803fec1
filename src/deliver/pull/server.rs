//! The side that has the rows: routes for the page's server.

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
use crate::clock::Deadline;
use crate::deliver::policy::Decision;
use crate::deliver::step::{self, Done};
use crate::deliver::targets::{Kind, Target, Way};
use crate::outbox::queue::{self, Room, StatusDue};
use crate::outbox::registry::{self, Registration};
use crate::routing::Routes;
use crate::secret::Secret;
use crate::store::{Store, StoreError, Tx, chain};
use crate::tasks;

/// Most leases of one request, and how many without `max`.
const MAX: (usize, usize) = (100, 10);
/// Longest wait of one request: API Gateway gives up after 29 s.
const WAIT: u64 = 20;
/// How often rows are looked at while a request waits.
const POLL: Duration = Duration::from_millis(250);
/// Requests of one key in a second.
const RATE: u32 = 50;
/// Requests of one key that wait at a time.
const WAITING: u32 = 10;
/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The routes, for all targets that have a key. Without any, every request is refused. All targets of the document are
/// registered with the first request.
pub fn routes(store: Store, targets: &[Target], registrations: Vec<Registration>) -> Routes {
    let mut clients: Vec<Client> = Vec::new();
    for target in targets {
        let Kind::Commit(commit) = &target.kind else { continue };
        let Way::Pull(key) = &commit.way else { continue };
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

/// Whoever has a key, and what it is for.
struct Client {
    key: Secret,
    targets: BTreeMap<String, Target>,
    usage: Mutex<Usage>,
}

/// How much a client asks.
struct Usage {
    second: Deadline,
    requests: u32,
    waiting: u32,
}

/// Why a request is refused.
pub(super) enum Refused {
    Key,
    Rate,
    Query(&'static str),
    NoLease,
    Gone,
    Body(String),
    Store(StoreError),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Key => (StatusCode::UNAUTHORIZED, "x-api-key is missing or wrong".to_owned()),
            Self::Rate => (StatusCode::TOO_MANY_REQUESTS, "too many requests with this key".to_owned()),
            Self::Query(what) => (StatusCode::BAD_REQUEST, what.to_owned()),
            Self::NoLease => (StatusCode::NOT_FOUND, "no such lease".to_owned()),
            Self::Gone => (StatusCode::GONE, "the lease has run out, and somebody else has this now".to_owned()),
            Self::Body(what) => (StatusCode::BAD_REQUEST, what),
            Self::Store(error) => {
                tracing::warn!(error = chain(&error), "no deliveries can be given out or taken back");
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

/// What goes wrong, in JSON.
#[derive(utoipa::ToSchema)]
#[schema(as = DeliveryError)]
#[expect(dead_code, reason = "names what `Refused` becomes")]
pub(super) struct Body {
    /// A sentence for people.
    error: String,
}

/// What every address may answer instead.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "for the document only")]
pub(super) enum Refusals {
    /// The request or its body makes no sense.
    #[response(status = 400)]
    Bad(Body),
    /// `x-api-key` is missing or wrong.
    #[response(status = 401)]
    Key(Body),
    /// There is no such lease of this key.
    #[response(status = 404)]
    NoLease(Body),
    /// The lease has run out, and somebody else has it.
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
    /// Registers the targets, once, and routes what has waited for that.
    async fn register(&self) -> Result<(), Refused> {
        let register = async || {
            let (store, registrations) = (self.store.clone(), self.registrations.clone());
            on_a_thread(async move || {
                let register = async |tx: &mut Tx<'_>| registry::register(tx, &registrations).await;
                store.in_tx("register", Deadline::within(PATIENCE), register).await?;
                while step::route(&store).await? > 0 {}
                Ok(())
            })
            .await
        };
        self.registered.get_or_try_init(register).await.copied()
    }

    /// Whoever the key belongs to, unless it asks too much.
    fn client(&self, headers: &HeaderMap) -> Result<&Client, Refused> {
        let key = headers.get("x-api-key").and_then(|key| key.to_str().ok()).ok_or(Refused::Key)?;
        // All of them are compared, so that the time tells nothing.
        let found =
            self.clients.iter().fold(None, |found, client| if client.key.is(key) { Some(client) } else { found });
        let client = found.ok_or(Refused::Key)?;
        let mut usage = client.usage.lock().unwrap_or_else(PoisonError::into_inner);
        if usage.second.remaining().is_zero() {
            usage.second = Deadline::within(Duration::from_secs(1));
            usage.requests = 0;
        }
        usage.requests += 1;
        if usage.requests > RATE { Err(Refused::Rate) } else { Ok(client) }
    }
}

impl Client {
    /// Counts a request that waits, until what is returned is dropped.
    fn wait(&self) -> Result<Waiting<'_>, Refused> {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        if usage.waiting >= WAITING {
            return Err(Refused::Rate);
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
fn query(text: Option<&str>) -> Result<(usize, Duration), Refused> {
    let (mut max, mut wait) = (MAX.1, 0);
    for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("max", value)) => {
                let found = value.parse().ok().filter(|max| (1..=MAX.0).contains(max));
                max = found.ok_or(Refused::Query("max: expected 1 to 100"))?;
            }
            Some(("wait", value)) => {
                let found = value.parse().ok().filter(|wait| *wait <= WAIT);
                wait = found.ok_or(Refused::Query("wait: expected 0 to 20 seconds"))?;
            }
            _ => return Err(Refused::Query("expected max and wait only")),
        }
    }
    Ok((max, Duration::from_secs(wait)))
}

/// Leases commit statuses for the targets of a key, waiting for one if there is none.
#[utoipa::path(
    get, path = "/v1/deliveries", tag = "deliveries", security(("key" = [])),
    params(
        ("max" = Option<usize>, Query, description = "At most so many, 1 to 100; 10 without"),
        ("wait" = Option<u64>, Query, description = "Seconds to wait, 0 to 20; 0 without"),
    ),
    responses((status = 200, description = "What is leased", body = Leases), Refusals)
)]
pub(super) async fn lease(
    State(pull): State<Arc<Pull>>,
    headers: HeaderMap,
    RawQuery(text): RawQuery,
) -> Result<Response, Refused> {
    let client = pull.client(&headers)?;
    let (max, wait) = query(text.as_deref())?;
    let _waiting = client.wait()?;
    pull.register().await?;
    let until = Deadline::within(wait);
    loop {
        let (store, targets) = (pull.store.clone(), client.targets.clone());
        let untold = on_a_thread(async move || claim(store, targets, max).await).await?;
        if !untold.due.is_empty() || until.remaining().is_zero() {
            let deliveries = untold.tell().into_iter().filter_map(|due| leased(due, &client.targets)).collect();
            return Ok(json(StatusCode::OK, &Leases { deliveries }));
        }
        tokio::time::sleep(POLL.min(until.remaining())).await;
    }
}

/// Leases for the targets of a key, `max` of them all together.
async fn claim(store: Store, targets: BTreeMap<String, Target>, max: usize) -> Result<Untold, StoreError> {
    let due = store
        .in_tx("pull", Deadline::within(PATIENCE), async |tx| {
            let mut due = Vec::new();
            for target in targets.values() {
                let slots = i32::try_from(max.saturating_sub(due.len())).unwrap_or(i32::MAX);
                let room = Room { target: &target.name, slots, interval: target.interval };
                due.extend(queue::claim_statuses(tx, &[room], LEASE, false).await?);
            }
            Ok(due)
        })
        .await?;
    Ok(Untold { due, store, targets })
}

/// Leases that nobody was told of yet. Who asked for them may hang up meanwhile: then they are given back, as nobody else
/// could have them until they run out.
struct Untold {
    due: Vec<StatusDue>,
    store: Store,
    targets: BTreeMap<String, Target>,
}

impl Untold {
    fn tell(mut self) -> Vec<StatusDue> {
        std::mem::take(&mut self.due)
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        if self.due.is_empty() {
            return;
        }
        // Without a runtime the process is about to end, and they run out.
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
            settled
                .inspect_err(|error| tracing::warn!(error = chain(error), "leases that nobody has are not given back"))
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
        attempts: due.tries.attempts,
        refusals: due.tries.refusals,
    })
}

/// Says that a status was posted. Twice is once.
#[utoipa::path(
    delete, path = "/v1/deliveries/{lease}", tag = "deliveries", security(("key" = [])),
    params(("lease" = String, Path, description = "As it was leased")),
    responses((status = 204, description = "It is known"), Refusals)
)]
pub(super) async fn delivered(
    State(pull): State<Arc<Pull>>,
    headers: HeaderMap,
    Path(lease): Path<String>,
) -> Result<StatusCode, Refused> {
    end(&pull, &headers, lease, Decision::delivered()).await
}

/// Says that a status was not posted, and why.
#[utoipa::path(
    post, path = "/v1/deliveries/{lease}", tag = "deliveries", security(("key" = [])),
    params(("lease" = String, Path, description = "As it was leased")),
    request_body(content = HandBack), responses((status = 204, description = "It is known"), Refusals)
)]
pub(super) async fn hand_back(
    State(pull): State<Arc<Pull>>,
    headers: HeaderMap,
    Path(lease): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    let said: HandBack = serde_json::from_slice(&body).map_err(|error| Refused::Body(error.to_string()))?;
    end(&pull, &headers, lease, said.decision()).await
}

/// Ends a lease. Saying twice that something was delivered is saying it once.
async fn end(pull: &Pull, headers: &HeaderMap, lease: String, decision: Decision) -> Result<StatusCode, Refused> {
    let client = pull.client(headers)?;
    if !is_uuid(&lease) {
        return Err(Refused::NoLease);
    }
    let again = decision == Decision::delivered();
    let (store, targets) = (pull.store.clone(), client.targets.clone());
    on_a_thread(async move || {
        let of = async |tx: &mut Tx<'_>| queue::lease_of(tx, &lease).await;
        let target = match store.in_tx("lease_of", Deadline::within(PATIENCE), of).await? {
            Some((target, true)) if targets.contains_key(&target) => target,
            Some((target, false)) if targets.contains_key(&target) && again => return Ok(Ok(StatusCode::NO_CONTENT)),
            Some((target, _)) if !targets.contains_key(&target) => return Ok(Err(Refused::NoLease)),
            _ => return Ok(Err(Refused::Gone)),
        };
        let done = Done { target, lease: lease.clone(), is_event: false, decision: Some(decision), check_run: None };
        step::settle(&store, &[done], &targets).await?;
        Ok(Ok(StatusCode::NO_CONTENT))
    })
    .await?
}

/// Does it on a thread; a panic is ours, and said to nobody else.
async fn on_a_thread<F, T>(future: impl FnOnce() -> F + Send + 'static) -> Result<T, Refused>
where
    F: Future<Output = Result<T, StoreError>>,
    T: Send + 'static,
{
    match tasks::on_a_thread(future).await {
        Ok(result) => result.map_err(Refused::Store),
        Err(error) => {
            tracing::error!(error = %error, alarm = true, "a request panicked");
            Err(Refused::Body("this request cannot be served".to_owned()))
        }
    }
}
