//! Check runs of GitHub: created, and updated by their stored id. GitHub does not reopen a completed check run
//! (taskcluster#5085, mergify#1989), so that a job that runs again gets a new one.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, Url};
use serde_json::Value;

use crate::deliver::authorization::{self, Authorization, Request};
use crate::deliver::http::{Poster, TOTAL};
use crate::deliver::policy::{self, Decision, Lost};
use crate::outbox::CheckRun;
use crate::outbox::{Attempts, EventDue};
use crate::platform::https::SEGMENT;

/// Check runs per page of a search; each may hold a text of 64 KiB.
const PAGE: usize = 10;
/// Pages that are searched.
const PAGES: usize = 5;

/// Creates or updates a check run; returns it with its id. All requests together have the time limit of one, see
/// [`LEASE`](crate::deliver::step).
pub(super) async fn keep(api: Api<'_>, due: &EventDue, body: &Value) -> (Decision, Option<CheckRun>) {
    match tokio::time::timeout(TOTAL, write(&api, due.check_run.as_ref(), body)).await {
        Ok(Ok((run_id, completed))) => {
            let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
            let run = run_id.map(|run_id| CheckRun {
                target: due.target.clone(),
                repo: api.path.to_owned(),
                sha: text("head_sha"),
                external_id: text("external_id"),
                run_id,
                completed,
            });
            (Decision::delivered(), run)
        }
        Ok(Err(decision)) => (decision, None),
        Err(_) => (Decision::lost(api.attempts, &Lost::late()), None),
    }
}

/// The API of a repository.
pub(super) struct Api<'a> {
    pub(super) poster: &'a Poster,
    pub(super) api: &'a Url,
    pub(super) authorization: &'a Authorization,
    pub(super) path: &'a str,
    pub(super) attempts: Attempts,
}

impl Api<'_> {
    /// Sends a request; `Err` with the decision when it does not succeed.
    async fn request(&self, method: Method, rest: &str, query: Option<&str>, body: &str) -> Result<String, Decision> {
        let path: Vec<String> =
            self.path.split('/').map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect();
        let mut url = self.api.clone();
        url.set_path(&format!("{}/repos/{}/{rest}", self.api.path().trim_end_matches('/'), path.join("/")));
        url.set_query(query);
        let request = Request { method: &method, url: &url, headers: authorization::github, body };
        let answer = self.authorization.send(self.poster, request, self.attempts).await?;
        match answer.status {
            200..=299 if !answer.is_page() => Ok(answer.body),
            _ => Err(policy::github(&answer, self.attempts)),
        }
    }
}

/// Creates or updates it; returns its id, if GitHub's answer has one, and whether it is completed.
async fn write(api: &Api<'_>, known: Option<&CheckRun>, body: &Value) -> Result<(Option<i64>, bool), Decision> {
    let completes = |run: &Value| run.get("status").and_then(Value::as_str) == Some("completed");
    let completed = completes(body);
    let found = match known {
        Some(run) => Some((run.run_id, run.completed)),
        // The answer to its creation may have been lost, or an older release created it, which stored no id.
        None => find(api, body).await?.and_then(|run| Some((run.get("id")?.as_i64()?, completes(&run)))),
    };
    // GitHub would keep the conclusion of a completed check run that runs again.
    match found.filter(|(_, was_completed)| completed || !was_completed) {
        Some((id, _)) => {
            api.request(Method::PATCH, &format!("check-runs/{id}"), None, &body.to_string()).await?;
            Ok((Some(id), completed))
        }
        None => {
            let made = api.request(Method::POST, "check-runs", None, &body.to_string()).await?;
            let made: Value = serde_json::from_str(&made).unwrap_or_default();
            Ok((made.get("id").and_then(Value::as_i64), completed))
        }
    }
}

/// The newest check run with the same external id, if there is one.
async fn find(api: &Api<'_>, body: &Value) -> Result<Option<Value>, Decision> {
    let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default();
    let name = utf8_percent_encode(text("name"), NON_ALPHANUMERIC);
    let of_commit = format!("commits/{}/check-runs", utf8_percent_encode(text("head_sha"), SEGMENT));
    for page in 1..=PAGES {
        let query = format!("check_name={name}&filter=all&per_page={PAGE}&page={page}");
        let answer = api.request(Method::GET, &of_commit, Some(&query), "").await?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let Some(runs) = answer.get("check_runs").and_then(Value::as_array) else {
            return Err(Decision::backoff(api.attempts, "the list of check runs cannot be read"));
        };
        let ours =
            runs.iter().filter(|run| run.get("external_id").and_then(Value::as_str) == Some(text("external_id")));
        if let Some(run) = ours.max_by_key(|run| run.get("id").and_then(Value::as_i64)) {
            return Ok(Some(run.clone()));
        }
        if runs.len() < PAGE {
            break;
        }
    }
    Ok(None)
}
