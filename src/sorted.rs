//! Sorting, and maps out of pairs, in little code.
//!
//! The standard library's stable sort is compiled anew for each type and each comparison, 6 kB at a time, and so is
//! `collect` into a tree, which sorts. With six families that was the twentieth part of the ingest function; here one sort,
//! of places, serves all. Each element moves once, so that large ones are not slower for it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Sorts `items`; those that are equal keep their order.
pub fn by<T>(items: &mut [T], order: impl Fn(&T, &T) -> Ordering) {
    let mut from = places(items.len(), &|a, b| order(&items[a], &items[b]));
    // Cycle by cycle: the place `at` gets what is at `from[at]`.
    for start in 0..from.len() {
        let mut at = start;
        while from[at] != start {
            let next = from[at];
            items.swap(at, next);
            from[at] = at;
            at = next;
        }
        from[at] = at;
    }
}

/// The numbers below `count` in an order. For each comparison one call, and no code of its own.
fn places(count: usize, order: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by(|a, b| order(*a, *b));
    places
}

/// A map of pairs; of those with the same key the last.
pub fn map<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(pairs);
    map
}

/// Items in order, each once.
pub fn unique<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    by(&mut items, Ord::cmp);
    items.dedup();
    items
}

/// An object of members; of those with the same name the last.
pub fn object(members: impl IntoIterator<Item = (String, Value)>) -> Map<String, Value> {
    let mut object = Map::new();
    object.extend(members);
    object
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As the standard library sorts, down to the order of what is equal.
        #[test]
        fn as_the_standard_library_does(keys in proptest::collection::vec(0_u8..9, 0..60)) {
            let mut items: Vec<(u8, usize)> = keys.into_iter().zip(0..).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|(key, _)| *key);
            by(&mut items, |a, b| a.0.cmp(&b.0));
            prop_assert_eq!(&items, &expected);
            prop_assert_eq!(map(items.iter().copied()), items.iter().copied().collect());
            let set: std::collections::BTreeSet<u8> = items.iter().map(|(key, _)| *key).collect();
            prop_assert_eq!(unique(items.iter().rev().map(|(key, _)| *key)), set.into_iter().collect::<Vec<_>>());
        }
    }
}
