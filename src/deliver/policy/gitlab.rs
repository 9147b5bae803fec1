//! `POST /api/v4/projects/:id/statuses/:sha` of GitLab.

use std::time::Duration;

use super::{Answer, Decision, UNTOLD};
use crate::outbox::queue::Tries;

/// What to do about an answer of GitLab.
#[must_use]
pub fn gitlab(answer: &Answer, tries: Tries) -> Decision {
    let says = answer.says();
    match answer.status {
        200..=299 if answer.is_page() => Decision::page(says),
        200..=299 => Decision::delivered(),
        400 if is_there_already(&answer.body) => Decision::delivered(),
        400 if answer.mentions(&["cannot transition status"]) => Decision::dead(format!("a step backwards: {says}")),
        401 => Decision::pause(UNTOLD, true, format!("the token is wrong or has expired: {says}")),
        404 => Decision::few(tries, 3, Duration::from_secs(600), format!("no project or commit, or no access: {says}")),
        409 | 423 => Decision::few(tries, 5, Duration::from_secs(3600), says),
        429 => match answer.retry_after().or_else(|| answer.until("ratelimit-reset")) {
            Some(wait) => Decision::pause(wait, false, format!("rate limit: {says}")),
            None => Decision::pause(UNTOLD, true, format!("rate limit: {says}")),
        },
        403 if answer.mentions(&["rate limit", "too many requests"]) => {
            Decision::pause(UNTOLD, true, format!("rate limit: {says}"))
        }
        403 if is_of_the_credential(answer) => Decision::pause(UNTOLD, true, format!("about the credential: {says}")),
        408 | 425 | 500..=599 => Decision::later(answer, tries, says),
        300..=399 => Decision::dead(format!("a redirect that is not followed: {says}")),
        403 => Decision::dead(format!("permission: {says}")),
        _ => Decision::dead(says),
    }
}

/// A 403 that is about the token or its user, and says nothing of the one status.
fn is_of_the_credential(answer: &Answer) -> bool {
    answer.mentions(&[
        "insufficient_scope",
        "invalid_token",
        "blocked",
        "deactivated",
        "saml",
        "single sign-on",
        "sso session",
        "ip address",
        "terms of service",
        "password expired",
        "two-factor authentication",
    ])
}

/// `Cannot transition status via :run from :running`: the status is in the state that was asked for (packit#741).
fn is_there_already(body: &str) -> bool {
    let word = |before: &str| {
        let (_, rest) = body.split_once(before)?;
        Some(rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default())
    };
    let leads_to = match word("status via :") {
        Some("enqueue") => "pending",
        Some("run") => "running",
        Some("succeed" | "success") => "success",
        Some("drop") => "failed",
        Some("cancel") => "canceled",
        Some("skip") => "skipped",
        _ => return false,
    };
    word("from :") == Some(leads_to)
}
