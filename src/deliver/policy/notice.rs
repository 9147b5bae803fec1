//! Answers to notices: of Slack, SES, and addresses that builds name.

use std::time::Duration;

use super::{Answer, DEFAULT_PAUSE, Decision};
use crate::outbox::Attempts;

/// What to do after an answer of Slack (docs of Slack, 'Sending messages using incoming webhooks': the body is an error
/// code).
#[must_use]
pub fn slack(answer: &Answer, attempts: Attempts) -> Decision {
    let says = answer.says_plainly();
    match answer.status {
        200..=299 if answer.is_page() => Decision::page(answer.says()),
        200..=299 => Decision::delivered(),
        429 => Decision::limited(answer, says),
        408 | 425 | 500..=599 => Decision::later(answer, attempts, says),
        // About the token or the whole team: no message is accepted until that is repaired.
        401 => Decision::pause(DEFAULT_PAUSE, true, says),
        403 | 404 if answer.mentions(&["invalid_token", "team_disabled", "no_team", "no_active_hooks"]) => {
            Decision::pause(DEFAULT_PAUSE, true, says)
        }
        _ => Decision::dead(says),
    }
}

/// What to do after an answer of SES (API version 2, `SendEmail`, errors).
#[must_use]
pub fn ses(answer: &Answer, attempts: Attempts) -> Decision {
    let kind = answer.header("x-amzn-errortype").unwrap_or_default();
    let kind = kind.split([':', '#']).next().unwrap_or_default().to_owned();
    let says = if kind.is_empty() { answer.says() } else { format!("{kind}: {}", answer.says()) };
    match (answer.status, &*kind) {
        (200..=299, _) if answer.is_page() => Decision::page(says),
        (200..=299, _) => Decision::delivered(),
        (429, _) => Decision::pause(answer.retry_after().unwrap_or(Duration::from_secs(5)), true, says),
        // About the account, the sender or our role: no mail is accepted until that is repaired.
        (
            400,
            "AccountSuspendedException"
            | "SendingPausedException"
            | "LimitExceededException"
            | "MailFromDomainNotVerifiedException",
        )
        | (401 | 403, _) => Decision::pause(DEFAULT_PAUSE, true, says),
        (408 | 425 | 500..=599, _) => Decision::backoff(attempts, says),
        _ => Decision::dead(says),
    }
}

/// What to do after an answer of an address that a build names. One target has many such addresses, so that the answer
/// of one never pauses the target.
#[must_use]
pub fn hook(answer: &Answer, attempts: Attempts) -> Decision {
    let says = answer.says();
    match answer.status {
        200..=299 => Decision::delivered(),
        300..=399 => Decision::dead(format!("a redirect, which is not followed: {says}")),
        404 | 410 => Decision::dead(says),
        408 | 425 | 429 | 500..=599 => Decision { fault: false, ..Decision::later(answer, attempts, says) },
        _ => Decision::few(attempts, 3, Duration::from_secs(600), says),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::outbox::queue::Outcome;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { status, headers, body: body.to_owned(), at: Timestamp::UNIX_EPOCH }
    }

    fn outcome(decision: &Decision) -> &'static str {
        match (&decision.outcome, decision.fault) {
            (Outcome::Delivered, _) => "delivered",
            (Outcome::Dead { .. }, _) => "dead",
            (Outcome::Pause { .. }, _) => "pause",
            (Outcome::Retry { refused: true, .. }, _) => "few",
            (Outcome::Retry { .. }, true) => "fault",
            (Outcome::Retry { .. }, false) => "retry",
            (Outcome::NotTried, _) => "back",
        }
    }

    #[test]
    fn answers_of_slack() {
        for (status, body, expected) in [
            (200, "ok", "delivered"),
            (400, "invalid_payload", "dead"),
            (403, "action_prohibited", "dead"),
            (403, "invalid_token", "pause"),
            (404, "channel_not_found", "dead"),
            (404, "no_team", "pause"),
            (410, "channel_is_archived", "dead"),
            (429, "", "pause"),
            (500, "rollup_error", "fault"),
        ] {
            assert_eq!(outcome(&slack(&answer(status, &[], body), Attempts::default())), expected, "{status} {body}");
        }
    }

    #[test]
    fn answers_of_ses() {
        for (status, kind, expected) in [
            (200, "", "delivered"),
            (400, "MessageRejected", "dead"),
            (400, "BadRequestException:http://internal.amazon.com/", "dead"),
            (400, "SendingPausedException", "pause"),
            (400, "MailFromDomainNotVerifiedException:", "pause"),
            (403, "AccessDeniedException", "pause"),
            (404, "NotFoundException", "dead"),
            (429, "TooManyRequestsException", "pause"),
            (500, "InternalFailure", "fault"),
        ] {
            let answer = answer(status, &[("x-amzn-errortype", kind)], r#"{"message":"m"}"#);
            assert_eq!(outcome(&ses(&answer, Attempts::default())), expected, "{status} {kind}");
        }
    }

    /// No answer of one address pauses the target, which has others.
    #[test]
    fn answers_of_hooks() {
        for (status, expected) in [
            (204, "delivered"),
            (302, "dead"),
            (400, "few"),
            (404, "dead"),
            (410, "dead"),
            (429, "retry"),
            (502, "retry"),
        ] {
            let decision = hook(&answer(status, &[("retry-after", "5")], ""), Attempts::default());
            assert_eq!((outcome(&decision), decision.pause), (expected, None), "{status}");
        }
    }
}
