//! `POST /api/v4/projects/:id/statuses/:sha` of GitLab.

use std::time::Duration;

use super::{Answer, DEFAULT_PAUSE, Decision};
use crate::outbox::Attempts;

/// What to do after an answer of GitLab.
#[must_use]
pub fn gitlab(answer: &Answer, attempts: Attempts) -> Decision {
    let says = answer.says();
    match answer.status {
        200..=299 if answer.is_page() => Decision::page(says),
        200..=299 => Decision::delivered(),
        400 if is_already_set(&answer.body) => Decision::delivered(),
        400 if answer.mentions(&["cannot transition status"]) => {
            Decision::dead(format!("the status is already in a later state: {says}"))
        }
        401 => Decision::pause(DEFAULT_PAUSE, true, format!("the token is wrong or has expired: {says}")),
        404 => {
            Decision::few(attempts, 3, Duration::from_secs(600), format!("no project or commit, or no access: {says}"))
        }
        409 | 423 => Decision::few(attempts, 5, Duration::from_secs(3600), says),
        429 => match answer.retry_after().or_else(|| answer.until("ratelimit-reset")) {
            Some(wait) => Decision::pause(wait, false, format!("rate limit: {says}")),
            None => Decision::pause(DEFAULT_PAUSE, true, format!("rate limit: {says}")),
        },
        403 if answer.mentions(&["rate limit", "too many requests"]) => {
            Decision::pause(DEFAULT_PAUSE, true, format!("rate limit: {says}"))
        }
        403 if is_of_the_credential(answer) => {
            Decision::pause(DEFAULT_PAUSE, true, format!("about the credential: {says}"))
        }
        408 | 425 | 500..=599 => Decision::later(answer, attempts, says),
        300..=399 => Decision::dead(format!("a redirect that is not followed: {says}")),
        403 => Decision::dead(format!("permission: {says}")),
        _ => Decision::dead(says),
    }
}

/// A 403 about the token or its user, which says nothing about this status.
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

/// `Cannot transition status via :run from :running`: the status is already in the requested state (packit#741).
fn is_already_set(body: &str) -> bool {
    let name = |before: &str| {
        let (_, rest) = body.split_once(before)?;
        Some(rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default())
    };
    let leads_to = match name("status via :") {
        Some("enqueue") => "pending",
        Some("run") => "running",
        Some("succeed" | "success") => "success",
        Some("drop") => "failed",
        Some("cancel") => "canceled",
        Some("skip") => "skipped",
        _ => return false,
    };
    name("from :") == Some(leads_to)
}
