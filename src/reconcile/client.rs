//! A GitLab asked over HTTP: patient, within the limits that it sets, and within a deadline.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LINK, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};

use super::error::{ApiError, SetupError};
use super::{address, limits};
use crate::clock::{self, Deadline};
use crate::config::GitLab;
use crate::envelope::Refusal;
use crate::https;

/// How patient a client is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Tries of one request that fails by GitLab's or the network's fault.
    pub tries: u32,
    /// Tries of one request that is one too many (429).
    pub limited_tries: u32,
    /// First wait between two tries, where GitLab names none; doubles each time, with jitter.
    pub first_wait: Duration,
    /// Longest of those.
    pub longest_wait: Duration,
    /// Time for a connection to be made.
    pub connect: Duration,
    /// Time for an answer.
    pub answer: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            tries: 4,
            limited_tries: 12,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
        }
    }
}

/// An answer is cut off here: a page has a hundred merge requests with descriptions of at most 1 MB, most of a few kB.
const LONGEST_ANSWER: usize = 64 << 20;
/// Redirects that are followed for one request.
const HOPS: u32 = 5;
/// Less time than this is none.
const TOO_LATE: Duration = Duration::from_millis(100);

/// A GitLab instance.
pub(super) struct Client {
    http: reqwest::Client,
    /// Root of the API, ends with `/`.
    pub(super) root: Url,
    /// Host of its pages.
    pub(super) host: String,
    sign_in: Option<(HeaderName, HeaderValue)>,
    pace: Pace,
    /// Nothing is asked before this has passed.
    quiet_until: Mutex<Deadline>,
    requests: AtomicU64,
    limited: AtomicU64,
}

/// An answer that was understood.
pub(super) struct Page<T> {
    /// What it says.
    pub(super) content: T,
    /// Where the next page is.
    pub(super) next: Option<Url>,
    /// The path or number of the project to which a redirect led.
    pub(super) moved_to: Option<String>,
}

/// An answer of whatever kind.
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Client {
    /// Prepares for requests to an instance, the `number`th of the configuration. Makes none yet.
    pub(super) fn new(gitlab: &GitLab, number: usize, pace: Pace) -> Result<Self, SetupError> {
        let root = address::root(&gitlab.url).ok_or(SetupError::Address { number })?;
        let host = gitlab.host.clone().or_else(|| root.host_str().map(str::to_owned)).unwrap_or_default();
        let sign_in = gitlab.token.as_ref().filter(|token| !token.expose().is_empty()).map(|token| {
            let name = match token.expose().starts_with("Bearer ") {
                true => AUTHORIZATION,
                false => HeaderName::from_static("private-token"),
            };
            let mut value = HeaderValue::from_str(token.expose()).map_err(|_| SetupError::Token { number })?;
            value.set_sensitive(true);
            Ok((name, value))
        });
        let mut http = https::client()
            // Not by reqwest, which would send a PRIVATE-TOKEN along to another host.
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
            sign_in: sign_in.transpose()?,
            pace,
            quiet_until: Mutex::new(Deadline::within(Duration::ZERO)),
            requests: AtomicU64::new(0),
            limited: AtomicU64::new(0),
        })
    }

    /// Whether it has no token.
    pub(super) fn is_anonymous(&self) -> bool {
        self.sign_in.is_none()
    }

    /// Requests that were sent, each try and each hop counted.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Requests that were one too many.
    pub(super) fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    /// All pages from an address on, each read by `read` and given to `take`.
    pub(super) async fn pages<T>(
        &self,
        first: Url,
        deadline: Deadline,
        read: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Vec<Page<T>>, ApiError> {
        let mut seen = HashSet::new();
        let mut pages = Vec::new();
        let mut next = Some(first);
        while let Some(url) = next {
            if !seen.insert(url.clone()) {
                return Err(ApiError::Redirected);
            }
            let page = self.get(url, deadline, &read).await?;
            next = page.next.clone();
            pages.push(page);
        }
        Ok(pages)
    }

    /// The answer at an address, read by `read`. What cannot be read counts as no answer, for a proxy may have cut it or
    /// put its own page in its place; so it is tried again.
    pub(super) async fn get<T>(
        &self,
        mut url: Url,
        deadline: Deadline,
        read: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Page<T>, ApiError> {
        let (mut tries, mut limited, mut hops) = (0, 0, 0);
        let mut moved_to = None;
        loop {
            self.be_quiet(deadline).await?;
            let reply = self.once(&url, deadline).await;
            let last = match reply {
                Ok(reply) => match reply.status {
                    200 => {
                        let next = header(&reply.headers, &LINK).and_then(address::next);
                        let next = next.and_then(|next| address::at_home(&self.root, next));
                        match std::str::from_utf8(&reply.body) {
                            Ok(text) => match read(text) {
                                Ok(content) => return Ok(Page { content, next, moved_to }),
                                Err(refusal) => format!("an answer that cannot be read ({})", refusal.reason),
                            },
                            Err(_) => "an answer that is no text".to_owned(),
                        }
                    }
                    301 | 302 | 307 | 308 => {
                        hops += 1;
                        let location = header(&reply.headers, &LOCATION);
                        let location = location.and_then(|location| address::at_home(&self.root, location));
                        match location {
                            // To itself: from http to https, which is for the configuration to say.
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
                        if !self.told_to_wait(&reply.headers) {
                            self.quiet_for(clock::backoff(limited, self.pace.first_wait, self.pace.longest_wait));
                        }
                        limited += 1;
                        if limited >= self.pace.limited_tries {
                            return Err(ApiError::Limited);
                        }
                        continue;
                    }
                    status if status >= 500 || status == 408 => {
                        self.told_to_wait(&reply.headers);
                        format!("status {status}")
                    }
                    status => return Err(ApiError::Refused { status }),
                },
                Err(last) => last,
            };
            tries += 1;
            if tries >= self.pace.tries {
                return Err(ApiError::Unanswered { tries, last });
            }
            let wait = clock::backoff(tries, self.pace.first_wait, self.pace.longest_wait);
            tracing::debug!(gitlab.host = self.host, tries, last, "no answer of use, trying again");
            sleep(wait, deadline).await.map_err(|()| ApiError::OutOfTime)?;
        }
    }

    /// One request. The error says what kind of failure it was, and nothing of the request.
    async fn once(&self, url: &Url, deadline: Deadline) -> Result<Reply, String> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let limit = self.pace.answer.min(deadline.remaining());
        let ask = async {
            let mut request = self.http.get(url.clone());
            if let Some((name, value)) = &self.sign_in {
                request = request.header(name, value);
            }
            let mut response = request.send().await?;
            let status = response.status().as_u16();
            let headers = std::mem::take(response.headers_mut());
            self.mind_the_limit(&headers);
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

    /// Waits as long as GitLab wants to be left alone.
    async fn be_quiet(&self, deadline: Deadline) -> Result<(), ApiError> {
        loop {
            let wait = self.quiet_until.lock().map_or(Duration::ZERO, |until| until.remaining());
            if wait.is_zero() {
                break;
            }
            sleep(wait, deadline).await.map_err(|()| ApiError::Limited)?;
        }
        if deadline.remaining() < TOO_LATE { Err(ApiError::OutOfTime) } else { Ok(()) }
    }

    /// Nobody asks for a while. A wait that is longer already stays.
    fn quiet_for(&self, wait: Duration) {
        if let Ok(mut until) = self.quiet_until.lock()
            && until.remaining() < wait
        {
            *until = Deadline::within(wait);
        }
    }

    /// Heeds `Retry-After`, or what the limit says of itself; false when neither is there.
    fn told_to_wait(&self, headers: &HeaderMap) -> bool {
        let after = limits::retry_after(header(headers, &RETRY_AFTER), clock::now());
        if let Some(wait) = after {
            self.quiet_for(wait);
        }
        self.mind_the_limit(headers) || after.is_some()
    }

    /// The last request that is allowed is followed by none, before one is refused.
    fn mind_the_limit(&self, headers: &HeaderMap) -> bool {
        let get = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let wait = limits::reset(get("ratelimit-remaining"), get("ratelimit-reset"), clock::now());
        if let Some(wait) = wait {
            self.quiet_for(wait);
        }
        wait.is_some()
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Waits, unless the deadline comes first.
async fn sleep(wait: Duration, deadline: Deadline) -> Result<(), ()> {
    if deadline.remaining() <= wait {
        return Err(());
    }
    tokio::time::sleep(wait).await;
    Ok(())
}

/// What kind of failure it is. The error itself may hold the address, and with it what a proxy's address holds.
fn kind(error: &reqwest::Error) -> &'static str {
    match () {
        () if error.is_timeout() => "no answer in time",
        () if error.is_connect() => "no connection",
        () if error.is_body() || error.is_decode() => "an answer that breaks off",
        () => "a request that failed",
    }
}
