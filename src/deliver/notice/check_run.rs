//! Check runs of GitHub: made, and updated by the id that was kept. A completed one is not reopened by GitHub (taskcluster#5085,
//! mergify#1989), so what runs again gets a new one.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, Url};
use serde_json::Value;

use crate::deliver::authorization::{self, Authorization, Request};
use crate::deliver::http::{Poster, TOTAL};
use crate::deliver::policy::{self, Decision, Lost};
use crate::https::SEGMENT;
use crate::outbox::check_run::CheckRun;
use crate::outbox::queue::{EventDue, Tries};

/// Check runs that are looked at in one request; each may hold a text of 64 KiB.
const PAGE: usize = 10;
/// Pages that are looked at.
const PAGES: usize = 5;

/// Brings a check run to what it is to be; the one that it is then. All requests together take no longer than one may, see
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
        Err(_) => (Decision::lost(api.tries, &Lost::late()), None),
    }
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
            200..=299 if !answer.is_page() => Ok(answer.body),
            _ => Err(policy::github(&answer, self.tries)),
        }
    }
}

/// Writes it: its id, if GitHub says it, and whether it is completed.
async fn write(api: &Api<'_>, known: Option<&CheckRun>, body: &Value) -> Result<(Option<i64>, bool), Decision> {
    let completes = |run: &Value| run.get("status").and_then(Value::as_str) == Some("completed");
    let completed = completes(body);
    let found = match known {
        Some(run) => Some((run.run_id, run.completed)),
        // The answer to the request that made it may have been lost, or a release made it that kept no id.
        None => find(api, body).await?.and_then(|run| Some((run.get("id")?.as_i64()?, completes(&run)))),
    };
    // Of a completed one, GitHub keeps the conclusion when it is to run again.
    match found.filter(|(_, was_completed)| completed || !was_completed) {
        Some((id, _)) => {
            api.ask(Method::PATCH, &format!("check-runs/{id}"), None, &body.to_string()).await?;
            Ok((Some(id), completed))
        }
        None => {
            let made = api.ask(Method::POST, "check-runs", None, &body.to_string()).await?;
            let made: Value = serde_json::from_str(&made).unwrap_or_default();
            Ok((made.get("id").and_then(Value::as_i64), completed))
        }
    }
}

/// The newest check run of the same thing, if it is there.
async fn find(api: &Api<'_>, body: &Value) -> Result<Option<Value>, Decision> {
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
        if let Some(run) = ours.max_by_key(|run| run.get("id").and_then(Value::as_i64)) {
            return Ok(Some(run.clone()));
        }
        if runs.len() < PAGE {
            break;
        }
    }
    Ok(None)
}
