//! The retry policy: which outcome an answer of a target means (delivered, retry with backoff, rate limit, dead). Pure:
//! the only time is the one at which the answer came.
//!
//! Facts: github/docs `content/rest/using-the-rest-api/*`, gitlabhq `doc/api/commits.md`, and issues of other programs
//! (Pix4D/cogito, travis-tasks, prow, atlantis, packit).

mod github;
mod gitlab;
mod notice;
mod webhook;

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

pub use self::github::github;
pub(super) use self::github::{no_token, young};
pub use self::gitlab::gitlab;
pub use self::notice::{hook, ses, slack};
pub use self::webhook::webhook;
use crate::outbox::Attempts;
use crate::outbox::queue::Outcome;

/// The answer of a server.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code of HTTP.
    pub status: u16,
    /// Headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, in which secrets are masked.
    pub body: String,
    /// When it came.
    pub at: Timestamp,
}

/// A request without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The reason, without address and token.
    pub why: String,
    /// Whether it is certain that the request was not processed, because there was no connection.
    pub certain: bool,
}

/// What to do after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The outcome of this delivery.
    pub outcome: Outcome,
    /// Whether it counts as a fault of the target; several in a row open the circuit breaker.
    pub fault: bool,
    /// How long nothing is sent to the target, and whether that doubles each time in a row.
    pub pause: Option<(Duration, bool)>,
}

/// Longest wait that a target may ask for.
const LONGEST: Duration = Duration::from_secs(3600);
/// First and longest wait of a backoff.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(900));
/// Pause where the target does not say how long; doubles.
const DEFAULT_PAUSE: Duration = Duration::from_secs(60);

impl Decision {
    fn without_fault(outcome: Outcome) -> Self {
        Self { outcome, fault: false, pause: None }
    }

    /// The target has it.
    #[must_use]
    pub fn delivered() -> Self {
        Self::without_fault(Outcome::Delivered)
    }

    /// It was not tried.
    #[must_use]
    pub fn untried() -> Self {
        Self::without_fault(Outcome::NotTried)
    }

    /// It can never be delivered (dead letter).
    #[must_use]
    pub fn dead(why: impl Into<String>) -> Self {
        Self::without_fault(Outcome::Dead { why: why.into() })
    }

    /// A fault of the target: retry with exponential backoff and full jitter.
    #[must_use]
    pub fn backoff(attempts: Attempts, why: impl Into<String>) -> Self {
        let doublings = u32::try_from(attempts.attempts.clamp(0, 20)).unwrap_or_default();
        let wait = BACKOFF.0.saturating_mul(1 << doublings).min(BACKOFF.1);
        let outcome = Outcome::Retry { wait, jitter: true, refused: false, certain: false, why: why.into() };
        Self { outcome, fault: true, pause: None }
    }

    /// No answer came: retry with backoff.
    #[must_use]
    pub fn lost(attempts: Attempts, lost: &Lost) -> Self {
        let mut decision = Self::backoff(attempts, &lost.why);
        if let Outcome::Retry { certain, .. } = &mut decision.outcome {
            *certain = lost.certain;
        }
        decision
    }

    /// A fault of the target, which says when to retry.
    fn at(wait: Duration, why: impl Into<String>) -> Self {
        let wait = wait.min(LONGEST);
        let outcome = Outcome::Retry { wait, jitter: false, refused: false, certain: false, why: why.into() };
        Self { outcome, fault: true, pause: None }
    }

    /// A fault of the target: retry when it says, else as [`Decision::backoff`].
    fn later(answer: &Answer, attempts: Attempts, why: impl Into<String>) -> Self {
        match answer.retry_after() {
            Some(wait) => Self::at(wait, why),
            None => Self::backoff(attempts, why),
        }
    }

    /// A rate limit: send nothing until the target says, else for a time that doubles.
    fn limited(answer: &Answer, why: impl Into<String>) -> Self {
        match answer.retry_after() {
            Some(wait) => Self::pause(wait, false, why),
            None => Self::pause(DEFAULT_PAUSE, true, why),
        }
    }

    /// Rejected, but that may change: `most` attempts, spread over a time by waits that double; then dead.
    fn few(attempts: Attempts, most: i32, over: Duration, why: impl Into<String>) -> Self {
        let done = attempts.rejections + 1;
        if done >= most {
            return Self::dead(why);
        }
        let parts = (1_u32 << (most - 1)) - 1;
        let wait = over * (1 << (done - 1)) / parts;
        Self::without_fault(Outcome::Retry { wait, jitter: false, refused: true, certain: true, why: why.into() })
    }

    /// An HTML page instead of an answer of the API: a sign-in page of a proxy, or the wrong address. Nothing was
    /// delivered.
    fn page(says: String) -> Self {
        Self::pause(
            DEFAULT_PAUSE,
            true,
            format!("a page of HTML instead of an answer, from a proxy or a wrong address: {says}"),
        )
    }

    /// Send nothing to the target for a time that doubles.
    #[must_use]
    pub fn paused(time: Duration, why: impl Into<String>) -> Self {
        Self::pause(time, true, why)
    }

    /// Send nothing to the target for a time.
    fn pause(time: Duration, doubling: bool, why: impl Into<String>) -> Self {
        let outcome = Outcome::Pause { why: why.into() };
        Self { outcome, fault: false, pause: Some((time.min(LONGEST), doubling)) }
    }
}

impl Answer {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.trim())
    }

    /// Whether it is an HTML page.
    #[must_use]
    pub fn is_page(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"))
            || self.body.trim_start().starts_with('<')
    }

    /// The time by the server's clock, else by ours.
    pub(super) fn date(&self) -> Timestamp {
        self.header("date").and_then(http_date).unwrap_or(self.at)
    }

    /// The wait in `Retry-After`, in either of its forms; `None` if it is not in the future.
    fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?;
        let seconds = match text.parse::<i64>() {
            Ok(seconds) => seconds,
            Err(_) => http_date(text)?.duration_since(self.date()).as_secs(),
        };
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    /// How long until a time that a header gives in seconds since 1970, by the server's clock; `None` if it has passed.
    fn until(&self, header: &str) -> Option<Duration> {
        let reset = Timestamp::from_second(self.header(header)?.parse().ok()?).ok()?;
        let seconds = reset.duration_since(self.date()).as_secs();
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    /// Status and the error messages of the body: `422: Validation Failed: description is too long`.
    fn says(&self) -> String {
        let document: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        let mut parts = vec![self.status.to_string()];
        for member in ["message", "error", "error_description"] {
            match document.get(member) {
                Some(serde_json::Value::String(text)) => parts.push(text.clone()),
                Some(other) if !other.is_null() => parts.push(other.to_string()),
                _ => {}
            }
        }
        // An array of objects from older servers, a text from newer ones.
        match document.get("errors") {
            Some(serde_json::Value::String(text)) => parts.push(text.clone()),
            Some(serde_json::Value::Array(errors)) => parts.extend(errors.iter().take(3).map(|error| {
                error
                    .get("message")
                    .and_then(serde_json::Value::as_str)
                    .map_or_else(|| error.to_string(), str::to_owned)
            })),
            _ => {}
        }
        parts.join(": ").chars().take(250).collect()
    }

    /// Status and the beginning of a body that is not JSON: `404: channel_not_found`.
    fn says_plainly(&self) -> String {
        let text: String = self.body.chars().filter(|c| !c.is_control()).take(100).collect();
        if text.is_empty() { self.status.to_string() } else { format!("{}: {text}", self.status) }
    }

    /// Whether the body contains one of these texts, which are given in lower case; ignores case.
    fn mentions(&self, texts: &[&str]) -> bool {
        let body = self.body.to_ascii_lowercase();
        texts.iter().any(|text| body.contains(text))
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_attempts_spread_over_their_time() {
        let waits = |most: i32, over: u64| -> Vec<u64> {
            let waits = (0..most).map_while(|rejections| {
                let attempts = Attempts { attempts: 50, rejections };
                match Decision::few(attempts, most, Duration::from_secs(over), "x").outcome {
                    Outcome::Retry { wait, .. } => Some(wait.as_secs()),
                    Outcome::Dead { .. } => None,
                    other => panic!("{other:?}"),
                }
            });
            waits.collect()
        };
        assert_eq!(waits(3, 600), [200, 400]);
        assert_eq!(waits(5, 3600), [240, 480, 960, 1920]);
        assert_eq!(waits(1, 600), [0; 0]);
    }

    #[test]
    fn backoff_doubles_to_its_longest() {
        let wait = |attempts| match Decision::backoff(Attempts { attempts, rejections: 0 }, "x").outcome {
            Outcome::Retry { wait, jitter: true, .. } => wait.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!([0, 1, 5, 8, 9, 1000].map(wait), [2, 4, 64, 512, 900, 900]);
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let answer = |headers: &[(&str, &str)]| Answer {
            status: 503,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: String::new(),
            at: Timestamp::UNIX_EPOCH,
        };
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (value, expected) in [
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("0", None),
            ("-5", None),
            ("soon", None),
        ] {
            let found = answer(&[date, ("retry-after", value)]).retry_after().map(|wait| wait.as_secs());
            assert_eq!(found, expected, "{value}");
        }
    }
}
