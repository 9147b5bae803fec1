//! Verdicts of a server, by its API.

use std::time::Duration;

use hummingbird_status::platform::aws::site;
use hummingbird_status::platform::clock;
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::failure::chain;
use hummingbird_status::platform::https::{self, SEGMENT};
use hummingbird_status::platform::secret::{Mask, Secret};
use hummingbird_status::reports::Asked;
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use reqwest::header::{ETAG, HeaderMap, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use super::outcome::Seen;
use super::{Failure, Look, Question};
use crate::bot_status::explanation;

/// Longest time that the server waits for a change, in seconds.
const WAIT: u64 = 25;
/// Time that an answer may take besides.
const ANSWER: Duration = Duration::from_secs(10);
/// Most bytes of an answer.
const LARGEST: usize = 1 << 20;
/// Most redirects of a request.
const REDIRECTS: usize = 5;
/// Shortest time between two requests: a server that does not wait must not be asked without a pause.
const PACE: Duration = Duration::from_secs(1);

/// How requests prove who sends them.
enum Credentials {
    None,
    Bearer(Secret),
    Basic(String, Option<Secret>),
    /// Signed with the AWS credentials of the environment.
    Aws,
}

/// A server that is asked for a verdict.
pub(super) struct Remote {
    client: Client,
    /// The address of verdicts with the question; without credentials.
    url: Url,
    credentials: Credentials,
    mask: Mask,
    /// The tag of the last verdict.
    tag: Option<String>,
    /// Whether it has answered with a verdict.
    has_answered: bool,
    /// How long to wait before the next request.
    pause: Duration,
}

impl Remote {
    /// Reads the address and the credentials: of the variables, else of the address, else of AWS.
    pub(super) fn open(base: &str, question: &Question) -> anyhow::Result<Self> {
        // The address may hold a password, so no error repeats it.
        let expected = || anyhow::anyhow!("--url: expected an http(s) URL without a query");
        let mut url = Url::parse(base).map_err(|_| expected())?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        if !is_web || url.query().is_some() || url.fragment().is_some() {
            return Err(expected());
        }
        let (credentials, mask) = credentials(&url)?;
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_path(&format!("{}/api/v1/verdict", url.path().trim_end_matches('/')));
        url.set_query(Some(&query(question)));
        let client = https::client().redirect(Policy::none()).build();
        let client = client.map_err(|error| anyhow::anyhow!("cannot set up HTTP: {}", chain(&error)))?;
        Ok(Self { client, url, credentials, mask, tag: None, has_answered: false, pause: Duration::ZERO })
    }

    /// The verdict as it is now, or when it has changed. The limit is that of this request.
    pub(super) async fn look(&mut self, left: Duration, limit: Duration) -> Result<Look, Failure> {
        // The first answer comes at once, so that the user sees it.
        let seconds = if self.tag.is_some() { WAIT.min(left.as_secs().saturating_sub(1)) } else { 0 };
        let limit = limit.min(Duration::from_secs(seconds) + ANSWER);
        let started = clock::moment();
        let asked = tokio::time::timeout(limit, self.ask(seconds)).await;
        let look = asked.unwrap_or_else(|_| Err(self.now("does not answer", None)))?;
        // Where the server has waited, it is asked again at once.
        if std::mem::replace(&mut self.has_answered, true) {
            self.pause = self.pause.max(PACE.saturating_sub(started.elapsed()));
        }
        Ok(look)
    }

    /// Waits before the next request, at most for this time.
    pub(super) async fn changed(&mut self, longest: Duration) {
        tokio::time::sleep(longest.min(std::mem::take(&mut self.pause))).await;
    }

    async fn ask(&mut self, seconds: u64) -> Result<Look, Failure> {
        let mut url = self.url.clone();
        if seconds > 0 {
            let query = format!("{}&wait={seconds}", url.query().unwrap_or_default());
            url.set_query(Some(&query));
        }
        for _ in 0..=REDIRECTS {
            let answer = self.send(&url).await?;
            if !answer.status().is_redirection() || answer.status() == StatusCode::NOT_MODIFIED {
                return self.read(answer).await;
            }
            url = self.redirected(&url, answer.headers())?;
        }
        Err(Failure::Never(format!("{} redirects too often", self.host())))
    }

    async fn send(&self, url: &Url) -> Result<Response, Failure> {
        let mut request = self.client.get(url.clone()).header("accept", "application/json");
        request = match &self.credentials {
            Credentials::None => request,
            Credentials::Bearer(token) => request.bearer_auth(token.expose()),
            Credentials::Basic(user, password) => request.basic_auth(user, password.as_ref().map(Secret::expose)),
            Credentials::Aws => {
                let host = url.host_str().unwrap_or_default();
                let headers = site::signature(host, url.as_str(), &environment, clock::now().into());
                let headers = headers.map_err(Failure::Never)?.unwrap_or_default();
                headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
            }
        };
        if let Some(tag) = &self.tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let failed = |error: reqwest::Error| {
            let error = error.without_url();
            match error.is_builder() {
                true => Failure::Never(self.mask.masked(&format!("the request cannot be made: {}", chain(&error)))),
                false => self.now(&format!("cannot be reached: {}", chain(&error)), None),
            }
        };
        request.send().await.map_err(failed)
    }

    /// Where a redirect leads. One to another server is followed without credentials only.
    fn redirected(&self, from: &Url, headers: &HeaderMap) -> Result<Url, Failure> {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location.and_then(|location| from.join(location).ok());
        let to = to.filter(|to| matches!(to.scheme(), "http" | "https") && to.has_host());
        let Some(mut to) = to else {
            return Err(Failure::Never(format!("{} redirects to no valid address", self.host())));
        };
        let _ = to.set_username("");
        let _ = to.set_password(None);
        let is_same = to.host() == from.host()
            && (to.scheme() == from.scheme() && to.port_or_known_default() == from.port_or_known_default()
                || from.scheme() == "http" && to.scheme() == "https" && from.port().is_none() && to.port().is_none());
        if is_same || matches!(self.credentials, Credentials::None) {
            return Ok(to);
        }
        let other = format!("{}://{}", to.scheme(), to.host_str().unwrap_or_default());
        let what = format!("{} redirects to {other}; credentials are not sent to another server", self.host());
        Err(Failure::Never(self.mask.masked(&what)))
    }

    async fn read(&mut self, answer: Response) -> Result<Look, Failure> {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let wait = retry_after(&headers);
        self.pause = wait.unwrap_or_default();
        if status == StatusCode::NOT_MODIFIED && self.tag.is_some() {
            return Ok(Look::Same);
        }
        let body = match body(answer).await {
            Ok(body) => body,
            Err(why) => return Err(self.now(&why, wait)),
        };
        if status == StatusCode::OK {
            let Some(seen) = serde_json::from_slice(&body).ok().and_then(Seen::read) else {
                return Err(self.now("answers 200 without a verdict", wait));
            };
            let tag = headers.get(ETAG).and_then(|tag| tag.to_str().ok());
            self.tag = tag.map(str::to_owned);
            return Ok(Look::Seen(seen));
        }
        let detail = explanation(&self.mask.masked(&String::from_utf8_lossy(&body)));
        let what = format!("answers {status}{}", detail.map(|text| format!(": {text}")).unwrap_or_default());
        let passes = matches!(status.as_u16(), 408 | 425 | 429) || !status.is_client_error();
        match passes {
            true => Err(self.now(&what, wait)),
            false => Err(Failure::Never(self.mask.masked(&format!("{} {what}", self.host())))),
        }
    }

    fn now(&self, what: &str, wait: Option<Duration>) -> Failure {
        Failure::Now { what: self.mask.masked(&format!("{} {what}", self.host())), wait }
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

/// The credentials for a server, and what must not be shown.
fn credentials(url: &Url) -> anyhow::Result<(Credentials, Mask)> {
    let mut mask = Mask::default();
    if let Some(token) = environment("WAIT_TOKEN") {
        mask.add(&token);
        return Ok((Credentials::Bearer(Secret::new(&token)), mask));
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = match environment("WAIT_BASIC_AUTH") {
        Some(pair) => {
            let split = pair.split_once(':').map(|(user, password)| (user.to_owned(), Some(password.to_owned())));
            Some(split.ok_or_else(|| anyhow::anyhow!("WAIT_BASIC_AUTH: expected user:password"))?)
        }
        None => (!url.username().is_empty() || url.password().is_some())
            .then(|| (decoded(url.username()), url.password().map(decoded))),
    };
    if let Some((user, password)) = pair {
        mask.add_pair(&format!("{user}:{}", password.as_deref().unwrap_or_default()));
        return Ok((Credentials::Basic(user, password.as_deref().map(Secret::new)), mask));
    }
    let is_of_aws = url.host_str().and_then(site::service_of).is_some();
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    if is_of_aws && names.iter().all(|name| environment(name).is_some()) {
        for name in ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            environment(name).iter().for_each(|secret| mask.add(secret));
        }
        return Ok((Credentials::Aws, mask));
    }
    Ok((Credentials::None, mask))
}

/// The question as a query.
fn query(question: &Question) -> String {
    let (name, value) = match &question.asked {
        Asked::Sha(sha) => ("sha", sha.clone()),
        Asked::MergeRequest(mr) => ("mr", mr.to_string()),
        Asked::Branch(branch) => ("branch", branch.clone().unwrap_or_default()),
    };
    let required = (!question.required.is_empty()).then(|| question.required.join(","));
    let pairs = [(name, Some(value)), ("repo", question.repo.clone()), ("required", required)];
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    pairs.map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, SEGMENT))).collect::<Vec<_>>().join("&")
}

/// The wait in `Retry-After`, in either of its forms.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    u64::try_from(at.duration_since(clock::now()).as_secs()).ok().map(Duration::from_secs)
}

/// The body of an answer; `Err` with the reason if it is cut or too large.
async fn body(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let failed = |error: reqwest::Error| format!("does not finish its answer: {}", chain(&error.without_url()));
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST {
            return Err("answers more than a verdict".to_owned());
        }
    }
    Ok(body)
}
