//! A receiver of webhooks, of which nothing is known but HTTP.

use std::time::Duration;

use super::{Answer, Decision};
use crate::outbox::queue::Tries;

/// What to do about an answer of a receiver. Any 2xx is a receipt. A receiver that knows no better than to refuse for a
/// while (401, 403, 404 during a deploy) gets some more attempts; 410 means for ever (Standard Webhooks).
#[must_use]
pub fn webhook(answer: &Answer, tries: Tries) -> Decision {
    let says = answer.says();
    match answer.status {
        200..=299 => Decision::delivered(),
        300..=399 => Decision::dead(format!("a redirect, which is not followed: {says}")),
        410 => Decision::dead(says),
        429 => Decision::limited(answer, says),
        408 | 425 | 500..=599 => Decision::later(answer, tries, says),
        _ => Decision::few(tries, 5, Duration::from_secs(3600), says),
    }
}
