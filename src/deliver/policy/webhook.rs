//! Answers of receivers of webhooks, of which only the HTTP status is known.

use std::time::Duration;

use super::{Answer, Decision};
use crate::outbox::Attempts;

/// What to do after an answer of a receiver. Any 2xx means delivered. A receiver that rejects for a while (401, 403,
/// 404 during a deployment) gets a few retries; 410 is final (Standard Webhooks).
#[must_use]
pub fn webhook(answer: &Answer, attempts: Attempts) -> Decision {
    let says = answer.says();
    match answer.status {
        200..=299 => Decision::delivered(),
        300..=399 => Decision::dead(format!("a redirect, which is not followed: {says}")),
        410 => Decision::dead(says),
        429 => Decision::limited(answer, says),
        408 | 425 | 500..=599 => Decision::later(answer, attempts, says),
        _ => Decision::few(attempts, 5, Duration::from_secs(3600), says),
    }
}
