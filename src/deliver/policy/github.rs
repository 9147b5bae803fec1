//! `POST /repos/{owner}/{repo}/statuses/{sha}` of GitHub and GitHub Enterprise Server.

use std::time::Duration;

use super::{Answer, DEFAULT_PAUSE, Decision};
use crate::outbox::Attempts;

/// What to do after an answer of GitHub.
#[must_use]
pub fn github(answer: &Answer, attempts: Attempts) -> Decision {
    let says = answer.says();
    match answer.status {
        200..=299 if answer.is_page() => Decision::page(says),
        200..=299 => Decision::delivered(),
        401 => Decision::pause(DEFAULT_PAUSE, true, format!("the token is wrong or has expired: {says}")),
        400 | 410 if is_ended_version(answer) => Decision::pause(
            DEFAULT_PAUSE,
            true,
            format!("the server does not speak this version of the API any more: {says}"),
        ),
        403 | 429 => forbidden(answer, attempts, says),
        // GitHub hides what a token may not see.
        404 => {
            Decision::few(attempts, 3, Duration::from_secs(600), format!("no repository, or no access to it: {says}"))
        }
        422 => unprocessable(answer, attempts, says),
        409 | 423 => Decision::few(attempts, 5, Duration::from_secs(3600), says),
        408 | 425 | 500..=599 => Decision::later(answer, attempts, says),
        300..=399 => Decision::dead(format!("a redirect that is not followed: {says}")),
        _ => Decision::dead(says),
    }
}

/// What to do where an installation of an app got no token. The delivery is not at fault, and waits.
#[must_use]
pub(in crate::deliver) fn no_token(answer: &Answer, attempts: Attempts) -> Decision {
    let says = answer.says();
    let pause =
        |why: &str| Decision::pause(DEFAULT_PAUSE, true, format!("no token for the installation: {why}: {says}"));
    match answer.status {
        401 => match clocks_differ(answer) {
            Some(how) => pause(&how),
            None => pause("app_id and key do not match"),
        },
        403 | 429 => limit(answer, attempts, &says).unwrap_or_else(|| pause("it may be suspended")),
        404 => pause("the app has no installation with this installation_id"),
        408 | 425 | 500..=599 => Decision::later(answer, attempts, format!("no token for the installation: {says}")),
        _ => pause("unexpected answer"),
    }
}

/// What to do where the server rejects a token of an app that is only seconds old: retry, because it becomes known
/// soon.
pub(in crate::deliver) fn young(answer: &Answer, attempts: Attempts) -> Decision {
    let says = answer.says();
    let retry = || Decision::backoff(attempts, format!("the token is new, and may not be known everywhere: {says}"));
    limit(answer, attempts, &says).unwrap_or_else(retry)
}

/// How far this machine's clock differs from the server's, where that is too much for a JWT.
fn clocks_differ(answer: &Answer) -> Option<String> {
    let ahead = answer.at.duration_since(answer.date()).as_secs();
    let relation = if ahead > 0 { "ahead of" } else { "behind" };
    (ahead.abs() > 30).then(|| format!("this machine's clock is {} s {relation} the server's", ahead.abs()))
}

/// 403 and 429 that are a rate limit.
fn limit(answer: &Answer, attempts: Attempts, says: &str) -> Option<Decision> {
    if let Some(wait) = answer.retry_after() {
        return Some(Decision::pause(wait, false, format!("rate limit: {says}")));
    }
    if answer.header("x-ratelimit-remaining") == Some("0") {
        return Some(match answer.until("x-ratelimit-reset") {
            Some(wait) => Decision::pause(wait, false, format!("rate limit: {says}")),
            // GitHub sometimes names a time that has passed (Pix4D/cogito#124).
            None => Decision::backoff(attempts, format!("rate limit without an end: {says}")),
        });
    }
    let limited = answer.mentions(&["secondary rate limit", "rate limit", "abuse detection", "too many requests"]);
    let pause = || Decision::pause(DEFAULT_PAUSE, true, format!("secondary rate limit: {says}"));
    (answer.status == 429 || limited).then(pause)
}

/// 403 and 429: a rate limit, or no permission.
fn forbidden(answer: &Answer, attempts: Attempts, says: String) -> Decision {
    if let Some(decision) = limit(answer, attempts, &says) {
        return decision;
    }
    if is_of_the_credential(answer) {
        return Decision::pause(DEFAULT_PAUSE, true, format!("about the credential: {says}"));
    }
    if answer.mentions(&["\"message\""]) {
        return Decision::dead(format!("permission: {says}"));
    }
    // Not an answer of GitHub: a proxy or firewall in between.
    Decision::few(attempts, 3, Duration::from_secs(600), format!("rejected by a proxy or firewall: {says}"))
}

/// A 403 about the credential as a whole, which says nothing about this status: SSO of an organization
/// (octokit.rb#1164, cli#2661), its list of IP addresses (trivy#10567), a suspended account or installation, a kind of
/// token that it forbids.
fn is_of_the_credential(answer: &Answer) -> bool {
    answer.header("x-github-sso").is_some()
        || answer.mentions(&[
            "saml",
            "single sign-on",
            "ip allow list",
            "ip address is not permitted",
            "suspended",
            "must authenticate via",
            "forbids access via",
            "oauth app access restrictions",
            "two-factor authentication",
            "email address must be verified",
            "bad credentials",
        ])
}

/// A version of the API has ended (410), or is unknown to the server (400).
fn is_ended_version(answer: &Answer) -> bool {
    answer.mentions(&["api version", "api-version", "not a supported version", "version is no longer supported"])
}

/// 422, in the formats of older and newer servers: only the text says the reason.
fn unprocessable(answer: &Answer, attempts: Attempts, says: String) -> Decision {
    if answer.mentions(&["maximum number of statuses"]) {
        return Decision::dead(format!("status_cap: {says}"));
    }
    if answer.mentions(&["no commit found"]) {
        return Decision::few(attempts, 5, Duration::from_secs(3600), format!("the commit is not there (yet): {says}"));
    }
    if answer.mentions(&["endpoint has been spammed"]) {
        return Decision::pause(DEFAULT_PAUSE, true, format!("secondary rate limit: {says}"));
    }
    Decision::dead(format!("not valid: {says}"))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::outbox::queue::Outcome;

    fn outcome(status: u16, headers: &[(&str, &str)], body: &str) -> &'static str {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answer = Answer { status, headers, body: body.to_owned(), at: Timestamp::UNIX_EPOCH };
        match github(&answer, Attempts::default()).outcome {
            Outcome::Delivered => "delivered",
            Outcome::Dead { .. } => "dead",
            Outcome::Pause { .. } => "pause",
            Outcome::Retry { .. } => "retry",
            Outcome::NotTried => "back",
        }
    }

    /// An answer about the credential pauses the target and gives up no delivery; one about the repository makes it
    /// dead.
    #[test]
    fn answers_about_the_credential_give_up_nothing() {
        for (status, text, expected) in [
            (401, "Bad credentials", "pause"),
            (403, "Resource protected by organization SAML enforcement. You must grant your token access", "pause"),
            (
                403,
                "Although you appear to have the correct authorization credentials, the organization has an IP allow list enabled",
                "pause",
            ),
            (403, "Sorry. Your account was suspended.", "pause"),
            (403, "This installation has been suspended", "pause"),
            (403, "`acme` forbids access via a personal access token (classic).", "pause"),
            (403, "You must authenticate via a GitHub App.", "pause"),
            (403, "Resource not accessible by integration", "dead"),
            (403, "Repository was archived so is read-only.", "dead"),
            (403, "You have exceeded a secondary rate limit.", "pause"),
            (400, "\"2022-11-28\" is not a supported version", "pause"),
            (410, "The API version 2022-11-28 is no longer supported", "pause"),
            (400, "Problems parsing JSON", "dead"),
            (410, "Issues are disabled for this repo", "dead"),
        ] {
            let body = serde_json::json!({ "message": text }).to_string();
            assert_eq!(outcome(status, &[], &body), expected, "{status} {text}");
        }
        assert_eq!(
            outcome(403, &[("x-github-sso", "required; url=https://github.com")], r#"{"message":"no"}"#),
            "pause"
        );
    }

    #[test]
    fn an_html_page_is_not_a_delivery() {
        assert_eq!(outcome(201, &[("content-type", "application/json")], r#"{"id":1}"#), "delivered");
        assert_eq!(outcome(201, &[], ""), "delivered");
        for (headers, body) in [
            (&[("content-type", "text/html; charset=utf-8")][..], "{}"),
            (&[("content-type", "application/xhtml+xml, text/html")], ""),
            (&[], " \n<!DOCTYPE html><title>Sign in</title>"),
            (&[], "<html>"),
        ] {
            assert_eq!(outcome(200, headers, body), "pause", "{body}");
        }
    }
}
