//! Check runs of GitHub: found by their external id and updated, or made.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, Url};
use serde_json::Value;

use crate::deliver::http::{Header, Poster};
use crate::deliver::policy::{self, Decision, Lost};
use crate::https::SEGMENT;
use crate::outbox::queue::Tries;
use crate::secret::Secret;

/// Check runs that are looked at in one request; each may hold a text of 64 KiB.
const PAGE: usize = 10;
/// Pages that are looked at.
const PAGES: usize = 5;
/// All requests together take no longer, see [`LEASE`](crate::deliver::step).
const TOTAL: Duration = Duration::from_secs(10);

/// Brings a check run to what it is to be.
pub(super) async fn keep(
    poster: &Poster,
    api: &Url,
    token: &Secret,
    path: &str,
    body: &Value,
    tries: Tries,
) -> Decision {
    let api = Api { poster, api, token, path, tries };
    let decision = tokio::time::timeout(TOTAL, find_and_write(&api, body)).await;
    let late = || Lost { why: format!("no answer within {} s", TOTAL.as_secs()), certain: false };
    decision.unwrap_or_else(|_| Decision::lost(tries, &late()))
}

/// The repository, as the API sees it.
struct Api<'a> {
    poster: &'a Poster,
    api: &'a Url,
    token: &'a Secret,
    path: &'a str,
    tries: Tries,
}

impl Api<'_> {
    /// Speaks to it; what is no success is the decision.
    async fn ask(&self, method: Method, rest: &str, query: Option<&str>, body: &str) -> Result<String, Decision> {
        let path: Vec<String> =
            self.path.split('/').map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect();
        let mut url = self.api.clone();
        url.set_path(&format!("{}/repos/{}/{rest}", self.api.path().trim_end_matches('/'), path.join("/")));
        url.set_query(query);
        let headers: [Header; 3] = [
            ("authorization", format!("Bearer {}", self.token.expose())),
            ("accept", "application/vnd.github+json".to_owned()),
            ("x-github-api-version", "2022-11-28".to_owned()),
        ];
        match self.poster.send(method, &url, &headers, body, true).await {
            Ok(mut answer) => {
                answer.body = self.token.masked(&answer.body);
                if (200..300).contains(&answer.status) {
                    return Ok(answer.body);
                }
                Err(policy::github(&answer, self.tries))
            }
            Err(mut lost) => {
                lost.why = self.token.masked(&lost.why);
                Err(Decision::lost(self.tries, &lost))
            }
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
