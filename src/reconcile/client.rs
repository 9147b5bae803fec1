//! The HTTP client for one GitLab instance. It retries with backoff, observes GitLab's rate limit, and ends at a
//! deadline.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LINK, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};

use super::error::{ApiError, SetupError};
use super::{address, limits};
use crate::platform::clock::{self, Deadline};
use crate::platform::environment::GitLab;
use crate::platform::https;
use crate::transport::Rejection;

/// The retry policy and the time limits of a client.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Attempts of one request that fails because of GitLab or the network.
    pub attempts: u32,
    /// Attempts of one request that exceeds the rate limit (429).
    pub limited_tries: u32,
    /// First backoff, where GitLab sends no `Retry-After`; doubles with each attempt, with jitter.
    pub first_wait: Duration,
    /// Longest backoff.
    pub longest_wait: Duration,
    /// Time limit of connecting.
    pub connect: Duration,
    /// Time limit of an answer.
    pub answer: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            attempts: 4,
            limited_tries: 12,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
        }
    }
}

/// The longest answer in bytes. An answer has at most a hundred merge requests, whose descriptions have at most 1 MB
/// each, and mostly a few kB.
const LONGEST_ANSWER: usize = 64 << 20;
/// Redirects that are followed for one request.
const HOPS: u32 = 5;
/// With less time than this until the deadline no request is made.
const TOO_LATE: Duration = Duration::from_millis(100);

/// A GitLab instance.
pub(super) struct Client {
    http: reqwest::Client,
    /// Root of the API, ends with `/`.
    pub(super) root: Url,
    /// Host of its web pages.
    pub(super) host: String,
    credential: Option<(HeaderName, HeaderValue)>,
    pace: Pace,
    /// No request is made before this time, because of the rate limit.
    paused_until: Mutex<Deadline>,
    requests: AtomicU64,
    limited: AtomicU64,
}

/// A decoded answer.
pub(super) struct Decoded<T> {
    /// Its decoded body.
    pub(super) content: T,
    /// The URL of the next items, if there are more.
    pub(super) next: Option<Url>,
    /// The path or number of the project to which a redirect led.
    pub(super) moved_to: Option<String>,
}

/// An answer with any status.
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Client {
    /// Makes a client for an instance, the `number`th of the configuration. Makes no request yet.
    pub(super) fn new(gitlab: &GitLab, number: usize, pace: Pace) -> Result<Self, SetupError> {
        let root = address::root(&gitlab.url).ok_or(SetupError::Address { number })?;
        let host = gitlab.host.clone().or_else(|| root.host_str().map(str::to_owned)).unwrap_or_default();
        let credential = gitlab.token.as_ref().filter(|token| !token.expose().is_empty()).map(|token| {
            let name = match token.expose().starts_with("Bearer ") {
                true => AUTHORIZATION,
                false => HeaderName::from_static("private-token"),
            };
            let mut value = HeaderValue::from_str(token.expose()).map_err(|_| SetupError::Token { number })?;
            value.set_sensitive(true);
            Ok((name, value))
        });
        let mut http = https::client()
            // Redirects are followed here, because reqwest would send a PRIVATE-TOKEN to another host.
            .redirect(Policy::none())
            .connect_timeout(pace.connect)
            .pool_idle_timeout(Duration::from_secs(30));
        if let Some(path) = &gitlab.ca_bundle {
            let failed = |source: Box<dyn std::error::Error + Send + Sync>| SetupError::CaBundle {
                number,
                path: path.clone(),
                source,
            };
            let pem = std::fs::read(path).map_err(|error| failed(error.into()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| failed(error.into()))?;
            if certificates.is_empty() {
                return Err(failed("it holds no certificate".into()));
            }
            http = http.tls_certs_merge(certificates);
        }
        Ok(Self {
            http: http.build().map_err(|source| SetupError::Client { number, source })?,
            root,
            host,
            credential: credential.transpose()?,
            pace,
            paused_until: Mutex::new(Deadline::within(Duration::ZERO)),
            requests: AtomicU64::new(0),
            limited: AtomicU64::new(0),
        })
    }

    /// Whether it has no token.
    pub(super) fn is_anonymous(&self) -> bool {
        self.credential.is_none()
    }

    /// The number of requests that were sent; each attempt and each redirect counts.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The number of requests that exceeded the rate limit (429).
    pub(super) fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    /// Follows the pagination from a URL to the last answer; `read` decodes each answer.
    pub(super) async fn get_all<T>(
        &self,
        first: Url,
        deadline: Deadline,
        read: impl Fn(&str) -> Result<T, Rejection>,
    ) -> Result<Vec<Decoded<T>>, ApiError> {
        let mut seen = HashSet::new();
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(url) = next {
            if !seen.insert(url.clone()) {
                return Err(ApiError::Redirected);
            }
            let answer = self.get(url, deadline, &read).await?;
            next = answer.next.clone();
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Gets a URL; `read` decodes the answer. An answer that cannot be decoded is retried like a failed request,
    /// because a proxy may have cut it or answered with a page of its own.
    pub(super) async fn get<T>(
        &self,
        mut url: Url,
        deadline: Deadline,
        read: impl Fn(&str) -> Result<T, Rejection>,
    ) -> Result<Decoded<T>, ApiError> {
        let (mut attempts, mut limited, mut hops) = (0, 0, 0);
        let mut moved_to = None;
        loop {
            self.wait_while_paused(deadline).await?;
            let reply = self.once(&url, deadline).await;
            let last = match reply {
                Ok(reply) => match reply.status {
                    200 => {
                        let next = header(&reply.headers, &LINK).and_then(address::next);
                        let next = next.and_then(|next| address::on_configured_host(&self.root, next));
                        match std::str::from_utf8(&reply.body) {
                            Ok(text) => match read(text) {
                                Ok(content) => return Ok(Decoded { content, next, moved_to }),
                                Err(rejection) => format!("an answer that cannot be read ({})", rejection.reason),
                            },
                            Err(_) => "an answer that is not UTF-8".to_owned(),
                        }
                    }
                    301 | 302 | 307 | 308 => {
                        hops += 1;
                        let location = header(&reply.headers, &LOCATION);
                        let location = location.and_then(|location| address::on_configured_host(&self.root, location));
                        match location {
                            // A redirect to the same URL is one from http to https: the configuration has to be
                            // changed.
                            Some(location) if hops <= HOPS && location != url => {
                                moved_to = address::project_in(&location);
                                url = location;
                                continue;
                            }
                            _ => return Err(ApiError::Redirected),
                        }
                    }
                    401 => return Err(ApiError::Unauthorized),
                    429 => {
                        self.limited.fetch_add(1, Ordering::Relaxed);
                        if !self.apply_retry_after(&reply.headers) {
                            self.pause_for(clock::backoff(limited, self.pace.first_wait, self.pace.longest_wait));
                        }
                        limited += 1;
                        if limited >= self.pace.limited_tries {
                            return Err(ApiError::Limited);
                        }
                        continue;
                    }
                    status if status >= 500 || status == 408 => {
                        self.apply_retry_after(&reply.headers);
                        format!("status {status}")
                    }
                    status => return Err(ApiError::Rejected { status }),
                },
                Err(last) => last,
            };
            attempts += 1;
            if attempts >= self.pace.attempts {
                return Err(ApiError::Unanswered { attempts, last });
            }
            let wait = clock::backoff(attempts, self.pace.first_wait, self.pace.longest_wait);
            tracing::debug!(gitlab.host = self.host, attempts, last, "no usable answer, retrying");
            sleep(wait, deadline).await.map_err(|()| ApiError::OutOfTime)?;
        }
    }

    /// Makes one request. The error is the kind of the failure; it contains nothing of the request, so no secret.
    async fn once(&self, url: &Url, deadline: Deadline) -> Result<Reply, String> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let limit = self.pace.answer.min(deadline.remaining());
        let ask = async {
            let mut request = self.http.get(url.clone());
            if let Some((name, value)) = &self.credential {
                request = request.header(name, value);
            }
            let mut response = request.send().await?;
            let status = response.status().as_u16();
            let headers = std::mem::take(response.headers_mut());
            self.apply_rate_limit(&headers);
            let mut body = Vec::new();
            while let Some(part) = response.chunk().await? {
                body.extend_from_slice(&part);
                if body.len() > LONGEST_ANSWER {
                    break;
                }
            }
            Ok::<_, reqwest::Error>(Reply { status, headers, body })
        };
        match tokio::time::timeout(limit, ask).await {
            Ok(Ok(reply)) if reply.body.len() > LONGEST_ANSWER => Err("an answer of more than 64 MiB".to_owned()),
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(kind(&error).to_owned()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    /// Waits until the pause for the rate limit is over.
    async fn wait_while_paused(&self, deadline: Deadline) -> Result<(), ApiError> {
        loop {
            let wait = self.paused_until.lock().map_or(Duration::ZERO, |until| until.remaining());
            if wait.is_zero() {
                break;
            }
            sleep(wait, deadline).await.map_err(|()| ApiError::Limited)?;
        }
        if deadline.remaining() < TOO_LATE { Err(ApiError::OutOfTime) } else { Ok(()) }
    }

    /// Pauses all requests to the instance. A pause that already ends later is kept.
    fn pause_for(&self, wait: Duration) {
        if let Ok(mut until) = self.paused_until.lock()
            && until.remaining() < wait
        {
            *until = Deadline::within(wait);
        }
    }

    /// Pauses requests as `Retry-After` or the headers of the rate limit require; `false` when the answer has neither.
    fn apply_retry_after(&self, headers: &HeaderMap) -> bool {
        let after = limits::retry_after(header(headers, &RETRY_AFTER), clock::now());
        if let Some(wait) = after {
            self.pause_for(wait);
        }
        self.apply_rate_limit(headers) || after.is_some()
    }

    /// Pauses requests when no more are allowed, before GitLab answers 429. `true` when it paused.
    fn apply_rate_limit(&self, headers: &HeaderMap) -> bool {
        let get = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let wait = limits::reset(get("ratelimit-remaining"), get("ratelimit-reset"), clock::now());
        if let Some(wait) = wait {
            self.pause_for(wait);
        }
        wait.is_some()
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Waits. `Err` at once when the deadline comes first.
async fn sleep(wait: Duration, deadline: Deadline) -> Result<(), ()> {
    if deadline.remaining() <= wait {
        return Err(());
    }
    tokio::time::sleep(wait).await;
    Ok(())
}

/// The kind of a failure. The error itself is not used, because it may contain the URL of a proxy with its password.
fn kind(error: &reqwest::Error) -> &'static str {
    match () {
        () if error.is_timeout() => "no answer in time",
        () if error.is_connect() => "no connection",
        () if error.is_body() || error.is_decode() => "an answer that ends early",
        () => "a request that failed",
    }
}
