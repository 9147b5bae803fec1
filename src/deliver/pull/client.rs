//! The client, which runs inside the firewall: fetches statuses, posts them to GitHub, and reports the outcomes. It
//! accepts no connections.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Url};
use tokio::task::JoinSet;

use super::{HandBack, Leased, Leases};
use crate::deliver::authorization::Authorization;
use crate::deliver::commit::CommitPoster;
use crate::deliver::drain::Totals;
use crate::deliver::http::{ClientOptions, Poster};
use crate::deliver::policy::{Answer, Decision, Lost};
use crate::deliver::states::Forge;
use crate::deliver::targets::{GHE_COM, address};
use crate::outbox::Attempts;
use crate::outbox::queue::{Outcome, Status};
use crate::platform::clock;
use crate::platform::secret::Secret;

/// Statuses that are leased by one request, and posted at the same time.
const MAX: usize = 8;
/// Seconds that the server waits for a status (long polling); below the time limit of a request.
const WAIT: u64 = 5;
/// Shortest and longest wait of the backoff after failed requests.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Attempts to report an outcome. If all fail, the lease expires and the status is posted again.
const ATTEMPTS_TO_REPORT: u32 = 5;

/// Settings of the client.
#[derive(Clone, Debug)]
pub struct PullSetUp {
    /// Base URL of the deliveries, before `/v1/deliveries`.
    pub api_url: String,
    /// Key for `/v1/deliveries`.
    pub api_key: Secret,
    /// GitHub: `https://github.com`, or a GitHub Enterprise Server with or without `/api/v3`.
    pub github_url: String,
    /// Token for GitHub.
    pub github_token: Secret,
    /// PEM bundle that GitHub's certificate is checked against instead of the default authorities.
    pub ca_bundle: Option<Vec<u8>>,
}

/// Posts the statuses that it leases.
pub struct PullClient {
    deliveries: Url,
    key: Secret,
    poster: Poster,
    github: Arc<CommitPoster>,
    host: String,
}

/// The host of repositories, and the base URL of its API.
fn github(url: &str) -> Result<(String, Url), String> {
    let mut api = address(url)?;
    let host = api.host_str().unwrap_or_default().to_ascii_lowercase();
    if matches!(host.as_str(), "github.com" | "api.github.com") {
        return Ok(("github.com".to_owned(), address("https://api.github.com")?));
    }
    if let Some(tenant) = host.strip_suffix(GHE_COM) {
        let tenant = tenant.strip_prefix("api.").unwrap_or(tenant);
        return Ok((format!("{tenant}{GHE_COM}"), address(&format!("https://api.{tenant}{GHE_COM}"))?));
    }
    let path = api.path().trim_end_matches('/').to_owned();
    if !path.ends_with("/api/v3") {
        api.set_path(&format!("{path}/api/v3"));
    }
    Ok((host, api))
}

impl PullClient {
    /// Sets the client up; does not connect yet.
    ///
    /// # Errors
    /// When an address or the bundle is invalid. The error never contains a secret.
    pub fn new(set_up: &PullSetUp) -> Result<Self, String> {
        let mut deliveries = address(&set_up.api_url).map_err(|what| format!("API_URL: {what}"))?;
        deliveries.set_path(&format!("{}/v1/deliveries", deliveries.path().trim_end_matches('/')));
        let (host, api) = github(&set_up.github_url).map_err(|what| format!("GITHUB_URL: {what}"))?;
        let tls = |error: reqwest::Error| format!("cannot set up TLS: {}", crate::platform::failure::chain(&error));
        let ca_bundle = set_up.ca_bundle.as_deref();
        let authorization = Authorization::Token(set_up.github_token.clone());
        let github = CommitPoster::new(Forge::Github, api, authorization, ca_bundle).map_err(tls)?;
        Ok(Self {
            deliveries,
            key: set_up.api_key.clone(),
            poster: Poster::new(ClientOptions::default()).map_err(tls)?,
            github: Arc::new(github),
            host,
        })
    }

    /// Runs until `stop` is ready; deliveries that are leased by then are completed.
    pub async fn run(&self, stop: impl Future<Output = ()>) -> Totals {
        let mut stop = pin!(stop);
        let mut totals = Totals::default();
        let mut failures = 0;
        loop {
            let leases = tokio::select! {
                leases = self.lease() => leases,
                () = &mut stop => return totals,
            };
            let wait = match leases {
                Ok(leases) => {
                    failures = 0;
                    match self.post_all(leases, &mut totals).await {
                        0 => Duration::ZERO,
                        // Another worker may have them meanwhile.
                        _ => BACKOFF.1,
                    }
                }
                Err(why) => {
                    failures += 1;
                    tracing::warn!(reason = %why, "cannot get deliveries, retrying");
                    clock::backoff(failures, BACKOFF.0, BACKOFF.1)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = &mut stop => return totals,
            }
        }
    }

    async fn call(&self, method: Method, url: &Url, body: &str) -> Result<Answer, Lost> {
        let headers = [("x-api-key", self.key.expose().to_owned())];
        self.poster.send(method, url, &headers, body, false).await
    }

    async fn lease(&self) -> Result<Vec<Leased>, String> {
        let mut url = self.deliveries.clone();
        url.set_query(Some(&format!("max={MAX}&wait={WAIT}")));
        let answer = self.call(Method::GET, &url, "").await.map_err(|lost| lost.why)?;
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        let leases: Leases = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
        Ok(leases.deliveries)
    }

    /// Posts the leased statuses. Returns how many it handed back because they are for other hosts: a wrong setting of
    /// this client must not make deliveries dead.
    async fn post_all(&self, leases: Vec<Leased>, totals: &mut Totals) -> usize {
        let mut posts = JoinSet::new();
        let mut foreign = 0;
        for leased in leases {
            let lease = leased.lease.clone();
            if !leased.hosts.contains(&self.host) {
                tracing::warn!(
                    host = self.host,
                    hosts = leased.hosts.join(", "),
                    target = leased.target,
                    "GITHUB_URL has another host than the target: the lease is handed back"
                );
                foreign += 1;
                self.report(&lease, &Decision::untried(), totals).await;
                continue;
            }
            let github = Arc::clone(&self.github);
            posts.spawn(async move { (lease, post(&github, leased).await) });
        }
        while let Some(ended) = posts.join_next().await {
            match ended {
                Ok((lease, decision)) => self.report(&lease, &decision, totals).await,
                Err(error) => tracing::error!(error = %error, "a delivery panicked"),
            }
        }
        foreign
    }

    /// Reports the outcome of a lease; retries with a backoff.
    async fn report(&self, lease: &str, decision: &Decision, totals: &mut Totals) {
        match &decision.outcome {
            Outcome::Delivered => totals.delivered += 1,
            Outcome::Dead { why } => {
                totals.dead += 1;
                tracing::warn!(reason = %why, "cannot be delivered");
            }
            _ => totals.again += 1,
        }
        let mut url = self.deliveries.clone();
        url.set_path(&format!("{}/{lease}", self.deliveries.path()));
        let (method, body) = match HandBack::of(decision) {
            None => (Method::DELETE, String::new()),
            Some(back) => (Method::POST, serde_json::json!(back).to_string()),
        };
        for attempt in 1..=ATTEMPTS_TO_REPORT {
            match self.call(method.clone(), &url, &body).await {
                // 410: the lease has expired, and another client has the status. 404: the lease was never ours.
                Ok(answer) if matches!(answer.status, 200..=299 | 404 | 410) => return,
                Ok(answer) => tracing::debug!(status = answer.status, "cannot report an outcome, retrying"),
                Err(lost) => tracing::debug!(reason = %lost.why, "cannot report an outcome, retrying"),
            }
            tokio::time::sleep(clock::backoff(attempt, BACKOFF.0, BACKOFF.1)).await;
        }
        tracing::warn!(lease, "cannot report an outcome; the status will be posted again");
    }
}

async fn post(github: &CommitPoster, leased: Leased) -> Decision {
    let status = Status {
        repo: leased.repo,
        sha: leased.sha,
        name: leased.context,
        state: leased.state,
        description: leased.description,
        url: leased.target_url,
    };
    github.post(&status, Attempts { attempts: leased.attempts, rejections: leased.rejections }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_githubs_address_are_accepted() {
        for (url, host, api) in [
            ("https://github.com", "github.com", "https://api.github.com/"),
            ("https://api.github.com/", "github.com", "https://api.github.com/"),
            ("https://GHE.acme.example", "ghe.acme.example", "https://ghe.acme.example/api/v3"),
            ("https://ghe.acme.example/api/v3/", "ghe.acme.example", "https://ghe.acme.example/api/v3/"),
            ("http://127.0.0.1:8080", "127.0.0.1", "http://127.0.0.1:8080/api/v3"),
            ("https://acme.ghe.com", "acme.ghe.com", "https://api.acme.ghe.com/"),
            ("https://api.acme.ghe.com/", "acme.ghe.com", "https://api.acme.ghe.com/"),
        ] {
            let found = github(url).map(|(host, api)| (host, api.to_string()));
            assert_eq!(found, Ok((host.to_owned(), api.to_owned())), "{url}");
        }
        for url in ["http://ghe.acme.example", "https://user:pw@ghe.acme.example", "ghe.acme.example", ""] {
            assert!(github(url).is_err(), "{url}");
        }
    }
}
