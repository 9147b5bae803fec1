//! Deliveries for somebody inside a firewall, who comes for them: nothing has to be let in.
//!
//! | | |
//! |---|---|
//! | `GET /v1/deliveries?max=10&wait=5` | leases up to `max` (1 to 100) commit statuses, waiting up to `wait` (0 to 20) seconds for one |
//! | `DELETE /v1/deliveries/{lease}` | it was delivered: 204, also a second time; 410 when the lease ran out and another has it |
//! | `POST /v1/deliveries/{lease}` | it was not: a [`HandBack`]; 204, or 410 |
//!
//! Who hangs up before the answer has leased nothing; who dies after it is waited for until the lease runs out.
//!
//! The key in `x-api-key` says whose statuses; a target with `api_key` in the document is asked for this way and never
//! posted to from here. Times are given as seconds from now (`expires_in`), so that clocks need not agree.

mod client;
mod document;
mod server;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::client::{PullClient, PullSetUp};
pub use self::document::document;
pub use self::server::routes;
use super::policy::Decision;
use crate::outbox::queue::Outcome;

/// How long a lease holds. The client posts as many at a time as it has leased, each for ten seconds at most.
const LEASE: Duration = Duration::from_secs(120);
/// Longest wait that a client may ask for.
const LONGEST: u64 = 3600;

/// A status to be posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Leased {
    /// To be named when it is done.
    pub lease: String,
    /// Seconds until somebody else may get it.
    pub expires_in: u64,
    /// Name of the target.
    pub target: String,
    /// Hosts that the target is for.
    pub hosts: Vec<String>,
    /// Path of the repository.
    pub repo: String,
    /// Commit.
    pub sha: String,
    /// State, in the host's word.
    pub state: String,
    /// Name of the status.
    pub context: String,
    /// Sentence beside it.
    pub description: String,
    /// Page with more.
    pub target_url: Option<String>,
    /// Attempts that failed.
    #[serde(default)]
    pub attempts: i32,
    /// Those of them in which the host understood, and refused.
    #[serde(default)]
    pub refusals: i32,
}

/// What `GET` answers.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
struct Leases {
    /// Those that are leased now.
    deliveries: Vec<Leased>,
}

/// Why a status was not posted, and what is to be done about it. All but `reason` may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct HandBack {
    /// What happened, for people.
    pub reason: String,
    /// It can never be posted.
    pub permanent: bool,
    /// It was not tried, and another worker may: this counts as no attempt.
    pub untried: bool,
    /// Seconds until it is tried again; without, some time within half a minute.
    pub retry_after: Option<u64>,
    /// Whether `retry_after` is the longest of a random wait.
    pub jitter: bool,
    /// The host understood, and refused.
    pub refused: bool,
    /// The host may have taken it all the same.
    pub uncertain: bool,
    /// It was the host's fault: several of those in a row close it off.
    pub fault: bool,
    /// Seconds for which nothing is to be posted to the host.
    pub pause: Option<u64>,
    /// For twice as long each time in a row.
    pub doubling: bool,
}

impl HandBack {
    /// A decision, to be sent; `None` when it was delivered.
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
            Outcome::Back => Self { reason: "not tried".to_owned(), untried: true, ..base },
        })
    }

    /// The decision that was sent.
    #[must_use]
    pub fn decision(&self) -> Decision {
        let why = if self.reason.is_empty() { "handed back".to_owned() } else { self.reason.clone() };
        let outcome = if self.untried {
            Outcome::Back
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

/// Whether a text has the form of a lease.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::policy::{self, Answer};
    use crate::outbox::queue::Tries;

    /// What the client decides is what the rows say: nothing is lost on the wire.
    #[test]
    fn decisions_survive_the_wire() {
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
            let decision = policy::github(&Answer { status, headers, body: body.to_owned(), at }, Tries::default());
            let sent = serde_json::to_string(&HandBack::of(&decision).expect("not delivered")).expect("JSON");
            let back: HandBack = serde_json::from_str(&sent).expect("JSON");
            assert_eq!(back.decision(), decision, "{status}");
        }
        assert_eq!(HandBack::of(&Decision::delivered()), None);
    }
}
