//! Pull deliveries: a client inside a firewall fetches commit statuses, so that the firewall needs no incoming
//! connections.
//!
//! | | |
//! |---|---|
//! | `GET /v1/deliveries?max=10&wait=5` | leases up to `max` (1 to 100) statuses; waits up to `wait` (0 to 20) seconds |
//! | `DELETE /v1/deliveries/{lease}` | delivered: 204, also a second time (idempotent); 410: another client has it now |
//! | `POST /v1/deliveries/{lease}` | not delivered: a [`HandBack`]; 204, or 410 |
//!
//! The leases of a client that disconnects before the answer are given back; the leases of one that dies later expire.
//! Each status is delivered at least once.
//!
//! The key in `x-api-key` selects the targets. Nothing is posted from here to a target with `api_key`. Times are given
//! as seconds from now (`expires_in`), so that clocks need not agree.

mod client;
mod document;
mod server;
mod settings;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::client::{PullClient, PullSetUp};
pub use self::document::document;
pub use self::server::routes;
pub use self::settings::{PullSettings, settings};
use super::policy::Decision;
use crate::outbox::queue::Outcome;

/// How long a lease lasts. The client posts all leased statuses at the same time, each within ten seconds.
const LEASE: Duration = Duration::from_secs(120);
/// Longest wait that a client may ask for.
const LONGEST: u64 = 3600;

/// A status to be posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Leased {
    /// Id of the lease, for `DELETE` or `POST`.
    pub lease: String,
    /// Seconds until another client may get it.
    pub expires_in: u64,
    /// Name of the target.
    pub target: String,
    /// Hosts of the target.
    pub hosts: Vec<String>,
    /// Path of the repository.
    pub repo: String,
    /// Commit.
    pub sha: String,
    /// State, by the host's name.
    pub state: String,
    /// Name of the status.
    pub context: String,
    /// Description of the status.
    pub description: String,
    /// Page with details.
    pub target_url: Option<String>,
    /// Attempts that failed.
    #[serde(default)]
    pub attempts: i32,
    /// Those of them in which the host rejected the status.
    #[serde(default, rename = "refusals")]
    pub rejections: i32,
}

/// Answer of `GET`.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
struct Leases {
    /// The leased statuses.
    deliveries: Vec<Leased>,
}

/// Why a status was not posted, and how to retry. All members are optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct HandBack {
    /// What happened, for people.
    pub reason: String,
    /// It can never be posted.
    pub permanent: bool,
    /// It was not tried, and another client may: this does not count as an attempt.
    pub untried: bool,
    /// Seconds until it is retried; without, a random time within half a minute.
    pub retry_after: Option<u64>,
    /// Whether the wait is random, up to `retry_after`.
    pub jitter: bool,
    /// The host rejected the status.
    pub refused: bool,
    /// The host may have accepted it all the same.
    pub uncertain: bool,
    /// It was a fault of the host: several in a row open its circuit breaker.
    pub fault: bool,
    /// Seconds for which nothing is posted to the host.
    pub pause: Option<u64>,
    /// Whether the pause doubles each time in a row.
    pub doubling: bool,
}

impl HandBack {
    /// Encodes a decision; `None` when it was delivered.
    #[must_use]
    pub fn of(decision: &Decision) -> Option<Self> {
        let pause = decision.pause.map(|(time, _)| time.as_secs());
        let doubling = decision.pause.is_some_and(|(_, doubling)| doubling);
        let base = Self { fault: decision.fault, pause, doubling, ..Self::default() };
        Some(match &decision.outcome {
            Outcome::Delivered => return None,
            Outcome::Retry { wait, jitter, refused, certain, why } => Self {
                reason: why.clone(),
                retry_after: Some(wait.as_secs()),
                jitter: *jitter,
                refused: *refused,
                uncertain: !*certain,
                ..base
            },
            Outcome::Pause { why } => Self { reason: why.clone(), ..base },
            Outcome::Dead { why } => Self { reason: why.clone(), permanent: true, ..base },
            Outcome::NotTried => Self { reason: "not tried".to_owned(), untried: true, ..base },
        })
    }

    /// Decodes the decision.
    #[must_use]
    pub fn decision(&self) -> Decision {
        let why = if self.reason.is_empty() { "handed back".to_owned() } else { self.reason.clone() };
        let outcome = if self.untried {
            Outcome::NotTried
        } else if self.permanent {
            Outcome::Dead { why }
        } else if self.pause.is_some() {
            Outcome::Pause { why }
        } else {
            Outcome::Retry {
                wait: Duration::from_secs(self.retry_after.unwrap_or(30).min(LONGEST)),
                jitter: self.jitter || self.retry_after.is_none(),
                refused: self.refused,
                certain: !self.uncertain,
                why,
            }
        };
        let pause = self.pause.map(|seconds| (Duration::from_secs(seconds.min(LONGEST)), self.doubling));
        Decision { outcome, fault: self.fault, pause }
    }
}

/// Whether a text has the form of the id of a lease.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::policy::{self, Answer};
    use crate::outbox::Attempts;

    /// The server gets the whole decision of the client.
    #[test]
    fn decisions_survive_encoding() {
        for (status, headers, body) in [
            (401, &[][..], r#"{"message":"Bad credentials"}"#),
            (403, &[("retry-after", "30")], ""),
            (429, &[], ""),
            (404, &[], "{}"),
            (422, &[], r#"{"errors":"maximum number of statuses"}"#),
            (503, &[("retry-after", "120")], ""),
            (502, &[], "<html>"),
        ] {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let at = jiff::Timestamp::UNIX_EPOCH;
            let decision = policy::github(&Answer { status, headers, body: body.to_owned(), at }, Attempts::default());
            let sent = serde_json::to_string(&HandBack::of(&decision).expect("not delivered")).expect("JSON");
            let back: HandBack = serde_json::from_str(&sent).expect("JSON");
            assert_eq!(back.decision(), decision, "{status}");
        }
        assert_eq!(HandBack::of(&Decision::delivered()), None);
    }
}
