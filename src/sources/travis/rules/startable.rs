//! Which jobs may start now (facts: `travis-hub.md` 3.3).
//!
//! A stage number is read from the left: positions 1, 3, .. are stages, which run one after the other; positions 2, 4,
//! .. run in parallel. So `1.1.2.1` waits for `1.1.1.1`, and not for `1.2.1.1`.

/// Whether the job with the stage number `number` waits for `other`, which has not ended.
#[must_use]
pub fn waits_for(number: &str, other: &str) -> bool {
    let parts = |number: &str| number.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>();
    let (number, other) = (parts(number), parts(other));
    let Some(first) = number.iter().zip(&other).position(|(a, b)| a != b) else { return false };
    first % 2 == 0 && other[first] < number[first]
}
