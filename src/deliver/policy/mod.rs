//! What an answer means. Pure: no clock but the time at which the answer came.
//!
//! Facts: github/docs `content/rest/using-the-rest-api/*`, gitlabhq `doc/api/commits.md`, and what others met in the wild
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
use crate::outbox::queue::{Outcome, Tries};

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code of HTTP.
    pub status: u16,
    /// Headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// As much of the body as is worth reading, without the token should it be repeated in there.
    pub body: String,
    /// When it came.
    pub at: Timestamp,
}

/// No answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// What happened, without address and token.
    pub why: String,
    /// Whether it is certain that the request was not carried out: there was no connection.
    pub certain: bool,
}

/// What is to be done about an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// With this delivery.
    pub outcome: Outcome,
    /// Whether it counts as a fault of the target.
    pub fault: bool,
    /// How long nothing is to be sent to the target, and whether for twice as long each time in a row.
    pub pause: Option<(Duration, bool)>,
}

/// Longest wait that a target may ask for.
const LONGEST: Duration = Duration::from_secs(3600);
/// First and longest wait of a backoff.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(900));
/// What is paused for where nobody says how long; doubles.
const UNTOLD: Duration = Duration::from_secs(60);

impl Decision {
    fn just(outcome: Outcome) -> Self {
        Self { outcome, fault: false, pause: None }
    }

    /// The target has it.
    #[must_use]
    pub fn delivered() -> Self {
        Self::just(Outcome::Delivered)
    }

    /// It was not tried.
    #[must_use]
    pub fn untried() -> Self {
        Self::just(Outcome::Back)
    }

    /// It can never be delivered.
    #[must_use]
    pub fn dead(why: impl Into<String>) -> Self {
        Self::just(Outcome::Dead { why: why.into() })
    }

    /// The target's fault: again, after a random wait whose longest doubles.
    #[must_use]
    pub fn backoff(tries: Tries, why: impl Into<String>) -> Self {
        let doublings = u32::try_from(tries.attempts.clamp(0, 20)).unwrap_or_default();
        let wait = BACKOFF.0.saturating_mul(1 << doublings).min(BACKOFF.1);
        let outcome = Outcome::Retry { wait, jitter: true, refused: false, certain: false, why: why.into() };
        Self { outcome, fault: true, pause: None }
    }

    /// No answer came.
    #[must_use]
    pub fn lost(tries: Tries, lost: &Lost) -> Self {
        let mut decision = Self::backoff(tries, &lost.why);
        if let Outcome::Retry { certain, .. } = &mut decision.outcome {
            *certain = lost.certain;
        }
        decision
    }

    /// The target's fault, and it says when to come again.
    fn at(wait: Duration, why: impl Into<String>) -> Self {
        let wait = wait.min(LONGEST);
        let outcome = Outcome::Retry { wait, jitter: false, refused: false, certain: false, why: why.into() };
        Self { outcome, fault: true, pause: None }
    }

    /// The target's fault: again when it says, else as [`Decision::backoff`].
    fn later(answer: &Answer, tries: Tries, why: impl Into<String>) -> Self {
        match answer.retry_after() {
            Some(wait) => Self::at(wait, why),
            None => Self::backoff(tries, why),
        }
    }

    /// Too many: nothing until it says, else for a time that doubles.
    fn limited(answer: &Answer, why: impl Into<String>) -> Self {
        match answer.retry_after() {
            Some(wait) => Self::pause(wait, false, why),
            None => Self::pause(UNTOLD, true, why),
        }
    }

    /// Refused, but that may change: `most` attempts, spread over a time by waits that double; then dead.
    fn few(tries: Tries, most: i32, over: Duration, why: impl Into<String>) -> Self {
        let done = tries.refusals + 1;
        if done >= most {
            return Self::dead(why);
        }
        let parts = (1_u32 << (most - 1)) - 1;
        let wait = over * (1 << (done - 1)) / parts;
        Self::just(Outcome::Retry { wait, jitter: false, refused: true, certain: true, why: why.into() })
    }

    /// A page for people where an answer of the API was expected: a sign-in page of a proxy, or the wrong address. Nothing was
    /// delivered.
    fn page(says: String) -> Self {
        Self::pause(
            UNTOLD,
            true,
            format!("a page of HTML instead of an answer, from a proxy or a wrong address: {says}"),
        )
    }

    /// The target takes nothing for a time that doubles.
    #[must_use]
    pub fn paused(time: Duration, why: impl Into<String>) -> Self {
        Self::pause(time, true, why)
    }

    /// The target takes nothing for a time.
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

    /// Whether it is a page for people.
    #[must_use]
    pub fn is_page(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"))
            || self.body.trim_start().starts_with('<')
    }

    /// The server's own clock, else ours.
    pub(super) fn date(&self) -> Timestamp {
        self.header("date").and_then(http_date).unwrap_or(self.at)
    }

    /// What `Retry-After` says, in either of its forms; none if that is no time to come.
    fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?;
        let seconds = match text.parse::<i64>() {
            Ok(seconds) => seconds,
            Err(_) => http_date(text)?.duration_since(self.date()).as_secs(),
        };
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    /// How long until a moment given in seconds since 1970, by the server's clock; none if it has passed.
    fn until(&self, header: &str) -> Option<Duration> {
        let reset = Timestamp::from_second(self.header(header)?.parse().ok()?).ok()?;
        let seconds = reset.duration_since(self.date()).as_secs();
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    /// Status and what the body says, for people: `422: Validation Failed: description is too long`.
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

    /// Status and the beginning of a body that is no JSON: `404: channel_not_found`.
    fn says_plainly(&self) -> String {
        let word: String = self.body.chars().filter(|c| !c.is_control()).take(100).collect();
        if word.is_empty() { self.status.to_string() } else { format!("{}: {word}", self.status) }
    }

    /// Whether the body holds one of these texts, given in lower case, wherever and in whatever case.
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
            let waits = (0..most).map_while(|refusals| {
                let tries = Tries { attempts: 50, refusals };
                match Decision::few(tries, most, Duration::from_secs(over), "x").outcome {
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
        let wait = |attempts| match Decision::backoff(Tries { attempts, refusals: 0 }, "x").outcome {
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
