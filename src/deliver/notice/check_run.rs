//! Check runs of GitHub: found by their external id and updated, or made.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, Url};
use serde_json::Value;

use crate::deliver::authorization::{self, Authorization, Request};
use crate::deliver::http::{Poster, TOTAL};
use crate::deliver::policy::{self, Decision, Lost};
use crate::https::SEGMENT;
use crate::outbox::queue::Tries;

/// Check runs that are looked at in one request; each may hold a text of 64 KiB.
const PAGE: usize = 10;
/// Pages that are looked at.
const PAGES: usize = 5;

/// Brings a check run to what it is to be. All requests together take no longer than one may, see
/// [`LEASE`](crate::deliver::step).
pub(super) async fn keep(api: Api<'_>, body: &Value) -> Decision {
    let decision = tokio::time::timeout(TOTAL, find_and_write(&api, body)).await;
    decision.unwrap_or_else(|_| Decision::lost(api.tries, &Lost::late()))
}

/// The repository, as the API sees it.
pub(super) struct Api<'a> {
    pub(super) poster: &'a Poster,
    pub(super) api: &'a Url,
    pub(super) authorization: &'a Authorization,
    pub(super) path: &'a str,
    pub(super) tries: Tries,
}

impl Api<'_> {
    /// Speaks to it; what is no success is the decision.
    async fn ask(&self, method: Method, rest: &str, query: Option<&str>, body: &str) -> Result<String, Decision> {
        let path: Vec<String> =
            self.path.split('/').map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect();
        let mut url = self.api.clone();
        url.set_path(&format!("{}/repos/{}/{rest}", self.api.path().trim_end_matches('/'), path.join("/")));
        url.set_query(query);
        let request = Request { method: &method, url: &url, headers: authorization::github, body };
        let answer = self.authorization.send(self.poster, request, self.tries).await?;
        match answer.status {
            200..=299 => Ok(answer.body),
            _ => Err(policy::github(&answer, self.tries)),
        }
    }
}

async fn find_and_write(api: &Api<'_>, body: &Value) -> Decision {
    let written = match find(api, body).await {
        Ok(Some(id)) => api.ask(Method::PATCH, &format!("check-runs/{id}"), None, &body.to_string()).await,
        Ok(None) => api.ask(Method::POST, "check-runs", None, &body.to_string()).await,
        Err(decision) => return decision,
    };
    written.err().unwrap_or_else(Decision::delivered)
}

/// The id of the check run, if it is there.
async fn find(api: &Api<'_>, body: &Value) -> Result<Option<i64>, Decision> {
    let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default();
    let name = utf8_percent_encode(text("name"), NON_ALPHANUMERIC);
    let of_commit = format!("commits/{}/check-runs", utf8_percent_encode(text("head_sha"), SEGMENT));
    for page in 1..=PAGES {
        let query = format!("check_name={name}&filter=all&per_page={PAGE}&page={page}");
        let answer = api.ask(Method::GET, &of_commit, Some(&query), "").await?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let Some(runs) = answer.get("check_runs").and_then(Value::as_array) else {
            return Err(Decision::backoff(api.tries, "a list of check runs that cannot be read"));
        };
        let ours =
            runs.iter().filter(|run| run.get("external_id").and_then(Value::as_str) == Some(text("external_id")));
        if let Some(id) = ours.filter_map(|run| run.get("id")?.as_i64()).max() {
            return Ok(Some(id));
        }
        if runs.len() < PAGE {
            break;
        }
    }
    Ok(None)
}
