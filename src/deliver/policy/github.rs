//! `POST /repos/{owner}/{repo}/statuses/{sha}` of GitHub and GitHub Enterprise Server.

use std::time::Duration;

use super::{Answer, Decision, UNTOLD};
use crate::outbox::queue::Tries;

/// What to do about an answer of GitHub.
#[must_use]
pub fn github(answer: &Answer, tries: Tries) -> Decision {
    let says = answer.says();
    match answer.status {
        200..=299 => Decision::delivered(),
        401 => Decision::pause(UNTOLD, true, format!("the token is wrong or has expired: {says}")),
        403 | 429 => refused(answer, tries, says),
        // GitHub hides what a token may not see.
        404 => Decision::few(tries, 3, Duration::from_secs(600), format!("no repository, or no access to it: {says}")),
        422 => unprocessable(answer, tries, says),
        409 | 423 => Decision::few(tries, 5, Duration::from_secs(3600), says),
        408 | 425 | 500..=599 => Decision::later(answer, tries, says),
        300..=399 => Decision::dead(format!("a redirect that is not followed: {says}")),
        _ => Decision::dead(says),
    }
}

/// 403 and 429: a limit, or no permission.
fn refused(answer: &Answer, tries: Tries, says: String) -> Decision {
    if let Some(wait) = answer.retry_after() {
        return Decision::pause(wait, false, format!("rate limit: {says}"));
    }
    if answer.header("x-ratelimit-remaining") == Some("0") {
        return match answer.until("x-ratelimit-reset") {
            Some(wait) => Decision::pause(wait, false, format!("rate limit: {says}")),
            // GitHub does name moments that have passed (Pix4D/cogito#124).
            None => Decision::backoff(tries, format!("rate limit without an end: {says}")),
        };
    }
    let limited = answer.mentions(&["secondary rate limit", "rate limit", "abuse detection", "too many requests"]);
    if answer.status == 429 || limited {
        return Decision::pause(UNTOLD, true, format!("secondary rate limit: {says}"));
    }
    if answer.mentions(&["\"message\""]) {
        return Decision::dead(format!("permission: {says}"));
    }
    // Not a word of GitHub's own: something between us and it.
    Decision::few(tries, 3, Duration::from_secs(600), format!("refused on the way: {says}"))
}

/// 422, in the shapes of older and newer servers: told by the text alone.
fn unprocessable(answer: &Answer, tries: Tries, says: String) -> Decision {
    if answer.mentions(&["maximum number of statuses"]) {
        return Decision::dead(format!("status_cap: {says}"));
    }
    if answer.mentions(&["no commit found"]) {
        return Decision::few(tries, 5, Duration::from_secs(3600), format!("the commit is not there (yet): {says}"));
    }
    if answer.mentions(&["endpoint has been spammed"]) {
        return Decision::pause(UNTOLD, true, format!("secondary rate limit: {says}"));
    }
    Decision::dead(format!("not valid: {says}"))
}
