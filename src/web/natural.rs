//! Natural order of names.

use std::cmp::Ordering;

/// Natural order of names: `a2` before `a10`.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    fn key(name: &str) -> Vec<(u64, String)> {
        let mut parts = Vec::new();
        let mut rest = name;
        while !rest.is_empty() {
            let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let digits = rest[text..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - text);
            let number = if digits == 0 { 0 } else { rest[text..text + digits].parse().unwrap_or(u64::MAX) };
            parts.push((number, rest[..text].to_lowercase()));
            rest = &rest[text + digits..];
        }
        parts
    }
    let (left, right) = (key(a), key(b));
    let texts = |(x, y): (&(u64, String), &(u64, String))| x.1.cmp(&y.1).then(x.0.cmp(&y.0));
    let first = left.iter().zip(&right).map(texts).find(|order| order.is_ne());
    first.unwrap_or_else(|| left.len().cmp(&right.len())).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_in_natural_order() {
        let mut names = ["b", "a10", "A2", "a", "日本", "a2b", "_x"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["_x", "a", "A2", "a2b", "a10", "b", "日本"]);
    }
}
