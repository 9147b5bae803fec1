//! Finds free-form JSON that PostgreSQL does not accept as jsonb, before it is written.

/// Limit of nesting levels. The limit of Python's own reader is about a thousand.
pub(super) const DEPTH: usize = 900;

/// Why a JSON value cannot be stored; `None` if it can.
///
/// `raw` has been parsed as JSON before: its syntax is not checked.
pub(super) fn problem(raw: &str) -> Option<&'static str> {
    let bytes = raw.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                loop {
                    at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
                    if bytes[at] == b'"' {
                        break;
                    }
                    match escape(bytes, at) {
                        Ok(length) => at += length,
                        Err(problem) => return Some(problem),
                    }
                }
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH {
                    return Some("nested too deeply");
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The length in bytes of an escape.
///
/// # Errors
/// When PostgreSQL does not store the character.
fn escape(bytes: &[u8], at: usize) -> Result<usize, &'static str> {
    if bytes.get(at + 1) != Some(&b'u') {
        return Ok(2);
    }
    match unit(bytes, at) {
        Some(0) => Err("a NUL (\\u0000), which PostgreSQL does not store"),
        Some(0xd800..=0xdbff) if matches!(unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => Ok(12),
        Some(0xd800..=0xdfff) => Err("half of a surrogate pair, which is no character"),
        _ => Ok(6),
    }
}

/// The number in `\uXXXX`.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_jsonb_rejects_is_a_problem() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        for raw in [
            r#"{"a":"\\u0000","\"":"\ud83d\ude00","b":[1,null,"{[\u00e9"]}"#,
            &deep(DEPTH),
            &"[],".repeat(2 * DEPTH),
            "\"",
        ] {
            assert_eq!(problem(raw), None, "{raw}");
        }
        for (raw, found) in [
            (r#"{"a":"x\u0000"}"#, "NUL"),
            (r#"{"\u0000":1}"#, "NUL"),
            (r#"{"a":"\\\u0000"}"#, "NUL"),
            (r#"{"a":"\ud800"}"#, "surrogate"),
            (r#"{"a":"\ud800\ud800"}"#, "surrogate"),
            (r#"{"a":"\udc00"}"#, "surrogate"),
            (&deep(DEPTH + 1), "deeply"),
        ] {
            assert!(problem(raw).is_some_and(|problem| problem.contains(found)), "{raw}");
        }
    }
}
