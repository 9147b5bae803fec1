//! Which jobs may start now (facts: `travis-hub.md` 3.3).
//!
//! A stage number is read from the left: places 1, 3, .. are stages, one after the other; places 2, 4, .. are beside
//! each other. So `1.1.2.1` waits for `1.1.1.1`, and not for `1.2.1.1`.

/// Whether `other`, which has not ended, keeps `number` from starting.
#[must_use]
pub fn waits_for(number: &str, other: &str) -> bool {
    let places = |number: &str| number.split('.').map(|place| place.parse().unwrap_or(0)).collect::<Vec<u32>>();
    let (number, other) = (places(number), places(other));
    let Some(first) = number.iter().zip(&other).position(|(a, b)| a != b) else { return false };
    first % 2 == 0 && other[first] < number[first]
}
